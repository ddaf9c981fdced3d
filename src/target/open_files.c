#include "target/open_files.h"

#include "base/hash.h"
#include "target/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTING_SIZE = 32 * 1024 };

/* A link is read up to a page; what is equal so far is taken for the same. */
static uint64_t hash_link(const struct open_files *open, const char *link, size_t size)
{
    uint64_t hash = open->multiplier;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (uint8_t)link[i]) * open->multiplier;
        hash ^= hash >> 29;
    }
    return hash;
}

static bool add(struct open_files *open, const struct open_file *file)
{
    if (open->count == open->capacity) {
        size_t capacity = open->capacity ? open->capacity * 2 : 1024;
        struct open_file *files = realloc(open->files, capacity * sizeof *files);
        if (!files)
            return false;
        open->files = files;
        open->capacity = capacity;
    }
    open->files[open->count++] = *file;
    return true;
}

/* Calls `take` for each entry whose name is a number, until it returns false. */
static bool list_numbers(int directory, bool (*take)(void *context, int directory, int number), void *context)
{
    char buffer[LISTING_SIZE] __attribute__((aligned(16)));
    for (;;) {
        ssize_t size = getdents64(directory, buffer, sizeof buffer);
        if (size <= 0)
            return size == 0;
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const void *)(buffer + at);
            at += entry->d_reclen;
            if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
                !take(context, directory, (int)strtol(entry->d_name, NULL, 10)))
                return false;
        }
    }
}

struct scan {
    struct open_files *open;
    pid_t pid, done; /* the process that is being read, and the one that was first */
    size_t process_count, file_count;
    uint64_t deadline_ns;
};

static bool take_file(void *context, int directory, int fd)
{
    struct scan *scan = context;
    char name[PROCESS_NAME_SIZE], link[PATH_MAX];
    snprintf(name, sizeof name, "%d", fd);
    if (scan->file_count++ == OPEN_FILES_MAX_OF_ONE || scan->open->count >= OPEN_FILES_MAX ||
        process_now_ns() > scan->deadline_ns)
        return false;
    ssize_t size = readlinkat(directory, name, link, sizeof link);
    if (size < 0)
        return errno == ENOENT; /* it was closed meanwhile; else none of the others can be seen either */
    const struct open_file file = { hash_link(scan->open, link, (size_t)size), scan->pid, fd };
    return add(scan->open, &file);
}

/* Goes on with the others, whatever one of them does. */
static bool take_process(void *context, int directory, int pid)
{
    struct scan *scan = context;
    char path[PROCESS_NAME_SIZE];
    if (pid == scan->done)
        return true;
    if (scan->process_count++ == OPEN_FILES_MAX_PROCESSES || process_now_ns() > scan->deadline_ns)
        return false;
    scan->pid = pid;
    scan->file_count = 0;
    snprintf(path, sizeof path, "%d/fd", pid);
    int fd = openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        scan->open->incomplete |= errno != ENOENT && errno != ESRCH;
        return true;
    }
    scan->open->incomplete |= !list_numbers(fd, take_file, scan);
    close(fd);
    return true;
}

static int compare(const void *one, const void *other)
{
    const struct open_file *a = one, *b = other;
    if (a->hash != b->hash)
        return a->hash > b->hash ? 1 : -1;
    if (a->pid != b->pid)
        return a->pid > b->pid ? 1 : -1;
    return (a->fd > b->fd) - (a->fd < b->fd);
}

void open_files_read(struct open_files *open, pid_t first, uint64_t deadline_ns)
{
    if (open->is_read)
        return;
    uint64_t limit = process_now_ns() + OPEN_FILES_MAX_NS;
    struct scan scan = { .open = open, .deadline_ns = deadline_ns < limit ? deadline_ns : limit };
    open->is_read = true;
    open->multiplier = hash_multiplier();
    int proc = openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0) {
        open->incomplete = true;
        return;
    }
    take_process(&scan, proc, first);
    scan.done = first;
    open->incomplete |= !list_numbers(proc, take_process, &scan);
    close(proc);
    if (open->count)
        qsort(open->files, open->count, sizeof *open->files, compare);
}

size_t open_files_find(const struct open_files *open, const char *link, const struct open_file **files)
{
    uint64_t hash = hash_link(open, link, strlen(link));
    size_t low = 0, high = open->count, count = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (open->files[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    *files = open->files + low;
    while (low + count < open->count && (*files)[count].hash == hash)
        count++;
    return count;
}

void open_files_free(struct open_files *open)
{
    free(open->files);
    *open = (struct open_files){ 0 };
}
