/* The mounts that a process sees, as far as they tell of an open file what may not be asked of the file itself. */
#ifndef PYSTANDER_TARGET_MOUNTS_H
#define PYSTANDER_TARGET_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount {
    uint64_t id;      /* as in fdinfo */
    unsigned major, minor; /* of the file system, as in /proc/locks; stat() may give another */
    bool is_remote;   /* who asks it for anything may wait for another machine, or process: for ever */
};

struct mounts {
    bool is_read;
    struct mount *items;
    size_t count, capacity;
};

/* A line of /proc/PID/mountinfo, proc_pid_mountinfo(5). false: it makes no sense. */
bool mount_parse(const char *line, struct mount *mount);
/* Reads them once, below the O_PATH directory /proc/PID, and our own: a process is shown only those below its root.
 * NULL: there is no such mount. */
const struct mount *mounts_find(int directory, struct mounts *mounts, uint64_t id);
void mounts_free(struct mounts *mounts);

#endif
