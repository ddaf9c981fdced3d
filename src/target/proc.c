#include "target/proc.h"

#include "target/note_structs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PF_KTHREAD = 0x00200000, /* include/linux/sched.h */
    /* Positions in /proc/PID/stat, proc_pid_stat(5), counted from 1. */
    STAT_STATE = 3,
    STAT_PARENT = 4,
    STAT_FLAGS = 9,
    STAT_START_TIME = 22,
    STAT_START_STACK = 28,
    /* /proc counts in USER_HZ, and a page at a time comes out of it whatever is asked for. */
    FIRST_READ = 16 * 1024,
};

static void stat_set(struct proc_stat *stat, int field, uint64_t value)
{
    switch (field) {
    case STAT_PARENT:
        stat->parent = (pid_t)value;
        break;
    case STAT_FLAGS:
        stat->kernel_thread = value & PF_KTHREAD;
        stat->forked = value & PF_FORKNOEXEC;
        break;
    case STAT_START_TIME:
        stat->start_ticks = value;
        break;
    case STAT_START_STACK:
        stat->stack_start = value;
        break;
    default:
        break;
    }
}

bool proc_stat_parse(const char *text, size_t size, struct proc_stat *stat)
{
    *stat = (struct proc_stat){ 0 };
    const char *end = text + size;
    const char *open = memchr(text, '(', size), *close = memrchr(text, ')', size);
    if (!open || !close || close < open || end - close < 3)
        return false;
    size_t name_size = (size_t)(close - open - 1);
    memcpy(stat->name, open + 1, name_size < sizeof stat->name ? name_size : sizeof stat->name - 1);
    stat->state = close[2];
    const char *at = close + 3;
    for (int field = STAT_PARENT; field <= STAT_START_STACK; field++) {
        if (at == end || *at++ != ' ')
            return false;
        if (at < end && *at == '-')
            at++;
        uint64_t value = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            value = value * 10 + (uint64_t)(*at - '0');
        stat_set(stat, field, value);
    }
    return true;
}

int proc_read_text(int directory, const char *path, char *text, size_t size, size_t *got)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t count = read(fd, text, size - 1);
    int errnum = count < 0 ? errno : 0;
    close(fd);
    *got = errnum ? 0 : (size_t)count;
    text[*got] = '\0';
    return errnum;
}

int proc_read_stat(int directory, const char *path, struct proc_stat *stat)
{
    char text[1024]; /* 52 numbers of at most 20 digits would just not fit; the first 28 do */
    size_t size;
    int errnum = proc_read_text(directory, path, text, sizeof text, &size);
    if (errnum)
        return errnum;
    return proc_stat_parse(text, size, stat) ? 0 : ESRCH;
}

int proc_read_file(int directory, const char *path, size_t limit, char **result, size_t *result_size)
{
    *result = NULL;
    *result_size = 0;
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    size_t capacity = FIRST_READ, size = 0;
    char *data = malloc(capacity);
    int errnum = data ? 0 : ENOMEM;
    while (!errnum) {
        if (size + 1 == capacity) {
            char *larger = capacity > limit ? NULL : realloc(data, capacity * 2);
            if (!larger) {
                errnum = capacity > limit ? EFBIG : ENOMEM;
                break;
            }
            data = larger;
            capacity *= 2;
        }
        ssize_t got = read(fd, data + size, capacity - size - 1);
        if (got < 0 && errno != EINTR)
            errnum = errno;
        if (got == 0)
            break;
        if (got > 0)
            size += (size_t)got;
    }
    close(fd);
    if (errnum) {
        free(data);
        return errnum;
    }
    data[size] = '\0';
    *result = data;
    *result_size = size;
    return 0;
}

int proc_read_link(int directory, const char *path, char **link)
{
    /* What the kernel gives of a link in /proc is at most a page. */
    char name[PATH_MAX + 1];
    *link = NULL;
    ssize_t size = readlinkat(directory, path, name, sizeof name - 1);
    if (size < 0)
        return errno;
    name[size] = '\0';
    *link = strdup(name);
    return *link ? 0 : ENOMEM;
}

size_t proc_status_numbers(const char *status, const char *field, unsigned base, uint64_t *numbers,
                           size_t max)
{
    /* "Name:" is the first line and has its line ends escaped, so that a line can't be forged. */
    size_t field_size = strlen(field);
    const char *at = status;
    while (at && strncmp(at, field, field_size) != 0) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    size_t count = 0;
    if (!at)
        return 0;
    at += field_size;
    for (;;) {
        while (*at == '\t' || *at == ' ')
            at++;
        char *end;
        if (*at == '\n' || *at == '\0')
            return count;
        errno = 0;
        unsigned long long value = strtoull(at, &end, (int)base);
        if (end == at)
            return count;
        if (count < max)
            numbers[count] = value;
        count++;
        at = end;
    }
}
