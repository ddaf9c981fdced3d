#include "target/core_spool.h"

#include "base/bytes.h"
#include "base/transfer.h"
#include "target/decompress.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    INPUT_SIZE = 1 << 18,
    OUTPUT_SIZE = 1 << 20,
    BLOCK_SIZE = 4096,     /* of zeros that become a hole */
    SPARED_PART = 50,      /* of the file system's blocks, one in so many stays free */
};

struct spool {
    struct core *core;
    const char *name;

    /* What is read. */
    bool is_stream;
    uint8_t *in;
    uint64_t in_done, in_total;     /* total 0: not known */
    bool in_ended;
    int in_errnum;                  /* reading failed */

    /* What is written. */
    int fd;
    char folder[256];
    uint8_t *out;
    uint64_t out_size, out_limit;   /* with the holes */
    int out_errnum;                 /* writing failed */

    bool is_compressed;
    struct decompression decompression;
};

/* ---- the temporary file ---------------------------------------------------------------------------- */

/* Where the file system has no O_TMPFILE it has a name for a moment. */
static int open_unlinked(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    char path[280];
    if (fd >= 0 || snprintf(path, sizeof path, "%s/pystander-XXXXXX", folder) >= (int)sizeof path)
        return fd;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static pst_error *open_temporary(struct spool *spool)
{
    const char *const folders[] = { secure_getenv("TMPDIR"), "/var/tmp", "/tmp" };
    int errnum = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && spool->fd < 0; i++) {
        if (!folders[i] || !*folders[i] || strlen(folders[i]) >= sizeof spool->folder)
            continue;
        strcpy(spool->folder, folders[i]);
        spool->fd = open_unlinked(folders[i]);
        if (spool->fd < 0 && errnum == 0)
            errnum = errno;
    }
    if (spool->fd < 0)
        return error_hint(error_system(PST_ERROR_SYSTEM, errnum, "there is no place for a temporary file with %s",
                                       spool->name),
                          "set TMPDIR to a folder that can be written to and has room for the core");
    /* A write beyond the limit would be a signal's end of this process. */
    struct rlimit limit;
    spool->out_limit = CORE_SPOOL_MAX_SIZE;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < spool->out_limit)
        spool->out_limit = limit.rlim_cur;
    return NULL;
}

static bool write_at(struct spool *spool, uint64_t offset, const uint8_t *bytes, size_t size)
{
    size_t done = transfer_write_at(spool->fd, offset, bytes, size, &spool->out_errnum);
    if (done)
        spool->out_size = offset + done;
    return done == size;
}

/* All blocks but those of zeros, neighbours together. */
static bool write_blocks(struct spool *spool, const uint8_t *bytes, size_t size)
{
    uint64_t start = spool->out_size;
    size_t from = 0;    /* what is not written yet */
    for (size_t at = 0, block; at < size; at += block) {
        block = size - at < BLOCK_SIZE ? size - at : BLOCK_SIZE;
        if (!bytes_are_zero(bytes + at, block))
            continue;
        if (at > from && !write_at(spool, start + from, bytes + from, at - from))
            return false;
        from = at + block;
    }
    if (size > from && !write_at(spool, start + from, bytes + from, size - from))
        return false;
    spool->out_size = start + size;
    return true;
}

/* What fills a file system to its end (root may) harms all that is on it: some of it is left. */
static bool has_room(const struct spool *spool)
{
    struct statvfs status;
    return fstatvfs(spool->fd, &status) != 0 || status.f_bavail > status.f_blocks / SPARED_PART;
}

/* `size` bytes of spool->out. false: that was the last that can be taken. */
static bool flush(struct spool *spool, size_t size)
{
    if (!has_room(spool)) {
        spool->out_errnum = ENOSPC;
        return false;
    }
    uint64_t room = spool->out_limit - spool->out_size;
    size_t taken = size < room ? size : (size_t)room;
    if (!write_blocks(spool, spool->out, taken))
        return false;
    if (taken < size)
        spool->out_errnum = EFBIG;
    return taken == size;
}

/* ---- input ----------------------------------------------------------------------------------------- */

/* A FIFO that nobody has opened for writing yet reads like one at its end: only poll() waits. */
static ssize_t read_some(struct spool *spool, uint8_t *bytes, size_t size)
{
    int fd = spool->core->fd;
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (spool->is_stream && poll(&wait, 1, -1) < 0 && errno != EINTR)
            return -1;
        ssize_t got = spool->is_stream ? read(fd, bytes, size) : pread(fd, bytes, size, (off_t)spool->in_done);
        if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            return got;
    }
}

/* `left`: of what was read, how much is still to be taken. */
static void tell_progress(const struct spool *spool, size_t left)
{
    const struct pst_target *target = spool->core->target;
    if (target->progress)
        target->progress(target->progress_context, spool->in_done - left, spool->in_total);
}

/* Puts more behind the `size` bytes that are there; returns how many are there then. */
static size_t fill(struct spool *spool, size_t size)
{
    tell_progress(spool, size);
    ssize_t got = spool->in_done < CORE_SPOOL_MAX_SIZE ? read_some(spool, spool->in + size, INPUT_SIZE - size) : 0;
    spool->in_ended = got <= 0;
    spool->in_errnum = got < 0 ? errno : 0;
    if (got > 0)
        spool->in_done += (uint64_t)got;
    return size + (got > 0 ? (size_t)got : 0);
}

/* ---- the way through ------------------------------------------------------------------------------- */

static enum decompress_status copy(struct decompress_buffers *buffers, bool at_end)
{
    size_t size = buffers->in_size < buffers->out_size ? buffers->in_size : buffers->out_size;
    memcpy(buffers->out, buffers->in, size);
    buffers->in += size;
    buffers->in_size -= size;
    buffers->out += size;
    buffers->out_size -= size;
    return at_end && buffers->in_size == 0 ? DECOMPRESS_END : DECOMPRESS_GOES_ON;
}

static bool is_elf(const uint8_t *bytes, size_t size)
{
    return size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
}

static enum decompress_status run(struct spool *spool)
{
    struct decompress_buffers buffers = { .in = spool->in };
    enum decompress_status status;
    while (buffers.in_size < sizeof(Elf64_Ehdr) && !spool->in_ended)
        buffers.in_size = fill(spool, buffers.in_size);
    spool->is_compressed = decompress_recognizes(buffers.in, buffers.in_size);
    do {
        buffers.out = spool->out;
        buffers.out_size = OUTPUT_SIZE;
        do {
            if (buffers.in_size == 0 && !spool->in_ended) {
                buffers.in_size = fill(spool, 0);
                buffers.in = spool->in;
            }
            status = spool->is_compressed ? decompression_step(&spool->decompression, &buffers, spool->in_ended)
                                          : copy(&buffers, spool->in_ended);
        } while (status == DECOMPRESS_GOES_ON && buffers.out_size);
        size_t size = OUTPUT_SIZE - buffers.out_size;
        bool is_first = spool->out_size == 0;
        if (!flush(spool, size) || (is_first && !is_elf(spool->out, size)))
            break;
        tell_progress(spool, buffers.in_size);
    } while (status == DECOMPRESS_GOES_ON);
    return status;
}

/* ---- how it ended ---------------------------------------------------------------------------------- */

static pst_error_code explain_writing(struct spool *spool, char **why, char **hint)
{
    if (spool->out_size == CORE_SPOOL_MAX_SIZE) {
        if (asprintf(why, "the core is larger than the %llu bytes that are taken of it",
                     (unsigned long long)CORE_SPOOL_MAX_SIZE) < 0)
            *why = NULL;
        return PST_ERROR_LIMIT;
    }
    if (asprintf(why, "there is no space in %s for %s: %s after %llu bytes", spool->folder,
                 spool->is_compressed ? "the decompressed core" : "the core", strerror(spool->out_errnum),
                 (unsigned long long)spool->out_size) < 0)
        *why = NULL;
    *hint = strdup(spool->out_errnum == EFBIG ? "see ulimit -f" : "set TMPDIR to a folder with more");
    return PST_ERROR_SYSTEM;
}

static pst_error_code explain_input(struct spool *spool, enum decompress_status status, char **why, char **hint)
{
    const char *format = decompression_name(&spool->decompression), *detail = spool->decompression.detail;
    unsigned long long size = spool->out_size;
    int done = 0;
    pst_error_code code = PST_ERROR_CORRUPT;
    switch (status) {
    case DECOMPRESS_GOES_ON:
    case DECOMPRESS_END:
        return code;
    case DECOMPRESS_CUT:
        code = PST_ERROR_READ;
        done = asprintf(why, "the compressed data (%s) end early, after %llu bytes of the core", format, size);
        *hint = strdup("they were cut off as they were written or copied: see the free disk space");
        break;
    case DECOMPRESS_DAMAGED:
        done = asprintf(why, "the compressed data (%s) are damaged after %llu bytes of the core%s%s", format, size,
                        detail ? ": " : "", detail ? detail : "");
        break;
    case DECOMPRESS_FOLLOWED:
        done = asprintf(why, "the compressed data (%s) are followed by something else, after %llu bytes of the core",
                        format, size);
        break;
    case DECOMPRESS_TOO_LARGE:
        code = PST_ERROR_LIMIT;
        done = asprintf(why, "to decompress the core (%s) takes more memory than the %u MB that may be used, after "
                        "%llu bytes of it", format, spool->decompression.format->max_memory_mb, size);
        if (asprintf(hint, "give what its own program makes of it: %s -dc FILE | pystander -",
                     spool->decompression.format->unlimited) < 0)
            *hint = NULL;
        break;
    case DECOMPRESS_NO_MEMORY:
        code = PST_ERROR_MEMORY;
        done = asprintf(why, "out of memory after %llu bytes of the core", size);
        break;
    }
    if (done < 0)
        *why = NULL;
    return code;
}

static pst_error_code explain_reading(struct spool *spool, char **why)
{
    if (asprintf(why, "reading the core failed after %llu bytes: %s", (unsigned long long)spool->in_done,
                 strerror(spool->in_errnum)) < 0)
        *why = NULL;
    return PST_ERROR_OPEN;
}

static pst_error *finish(struct spool *spool, enum decompress_status status)
{
    struct core *core = spool->core;
    pst_error_code code;
    if (spool->out_errnum)
        code = explain_writing(spool, &core->cut_why, &core->cut_hint);
    else if (spool->in_errnum)
        code = explain_reading(spool, &core->cut_why);
    else
        code = explain_input(spool, status, &core->cut_why, &core->cut_hint);
    if (spool->out_size == 0 && core->cut_why) {
        pst_error *error = error_new(code, "%s can't be used: %s", spool->name, core->cut_why);
        return core->cut_hint ? error_hint(error, "%s", core->cut_hint) : error;
    }
    if (spool->is_compressed)
        core->compression = decompression_name(&spool->decompression);
    /* It may end with a hole. */
    if (ftruncate(spool->fd, (off_t)spool->out_size) < 0)
        return error_system(PST_ERROR_SYSTEM, errno, "the temporary file in %s can't be used", spool->folder);
    close(core->fd);
    core->fd = spool->fd;
    core->file_size = spool->out_size;
    spool->fd = -1;
    return NULL;
}

pst_error *core_spool(struct core *core, const char *name, bool is_stream)
{
    struct spool spool = {
        .core = core, .name = name, .is_stream = is_stream, .in_total = is_stream ? 0 : core->file_size, .fd = -1,
        .in = malloc(INPUT_SIZE), .out = malloc(OUTPUT_SIZE),
    };
    pst_error *error = spool.in && spool.out ? open_temporary(&spool) : error_no_memory();
    if (!error)
        error = finish(&spool, run(&spool));
    decompression_end(&spool.decompression);
    free(spool.in);
    free(spool.out);
    if (spool.fd >= 0)
        close(spool.fd);
    return error;
}
