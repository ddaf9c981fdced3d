#include "base/transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

/* What a call that returned `done` means for the next one. false: there is none. */
static bool goes_on(ssize_t done, int at_nothing, int *errnum)
{
    if (done > 0 || (done < 0 && errno == EINTR))
        return true;
    *errnum = done < 0 ? errno : at_nothing;
    return false;
}

static bool is_offset(uint64_t offset, size_t size, int *errnum)
{
    *errnum = 0;
    if (size <= INT64_MAX && offset <= (uint64_t)INT64_MAX - size)
        return true;
    *errnum = EINVAL;
    return false;
}

size_t transfer_read_at(int fd, uint64_t offset, void *bytes, size_t size, int *errnum)
{
    size_t done = 0;
    if (!is_offset(offset, size, errnum))
        return 0;
    while (done < size) {
        ssize_t got = pread(fd, (uint8_t *)bytes + done, size - done, (off_t)(offset + done));
        if (!goes_on(got, 0, errnum))
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    return done;
}

size_t transfer_write_at(int fd, uint64_t offset, const void *bytes, size_t size, int *errnum)
{
    size_t done = 0;
    if (!is_offset(offset, size, errnum))
        return 0;
    while (done < size) {
        ssize_t written = pwrite(fd, (const uint8_t *)bytes + done, size - done, (off_t)(offset + done));
        if (!goes_on(written, ENOSPC, errnum))
            break;
        done += written > 0 ? (size_t)written : 0;
    }
    return done;
}

size_t transfer_write(int fd, const void *bytes, size_t size, int *errnum)
{
    size_t done = 0;
    *errnum = 0;
    while (done < size) {
        ssize_t written = write(fd, (const uint8_t *)bytes + done, size - done);
        if (!goes_on(written, ENOSPC, errnum))
            break;
        done += written > 0 ? (size_t)written : 0;
    }
    return done;
}
