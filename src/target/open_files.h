/*
 * Which processes have what open: the links of /proc/PID/fd of all processes that we see, read once. A link names a
 * pipe or a socket by a number that nothing else has, and a file by its path.
 */
#ifndef PYSTANDER_TARGET_OPEN_FILES_H
#define PYSTANDER_TARGET_OPEN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    OPEN_FILES_MAX_PROCESSES = 1 << 14,
    OPEN_FILES_MAX_OF_ONE = 1 << 16, /* descriptors of one process */
    OPEN_FILES_MAX = 1 << 19,        /* of all */
    OPEN_FILES_MAX_NS = 500 * 1000 * 1000,
};

struct open_file {
    uint64_t hash; /* of the link */
    pid_t pid;
    int fd;
};

struct open_files {
    bool is_read;
    bool incomplete; /* a limit was reached, or a process does not let us look */
    struct open_file *files; /* sorted: by hash, then by process */
    size_t count, capacity;
    uint64_t multiplier;
};

/* Reads them, if that was not done yet; those of `first` come first, should a limit be reached. */
void open_files_read(struct open_files *open, pid_t first, uint64_t deadline_ns);
/* Those whose link is (all but certainly) this one: how many, from *files on. */
size_t open_files_find(const struct open_files *open, const char *link, const struct open_file **files);
void open_files_free(struct open_files *open);

#endif
