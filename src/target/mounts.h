/*
 * The mounts that a process sees: which file systems may be asked for anything. One that another machine or a process
 * serves (NFS, FUSE, …) answers when that likes to, or never, and who waits for it can't even be killed. So only types
 * are asked that are known to need nobody but this kernel, and the one that our own root is of, whatever it is: without
 * it nothing runs here.
 *
 * What lies beneath a local one is not seen: an overlay's layers or a loop device's image may be on NFS, too. Overlays
 * are what containers live on, and are asked.
 */
#ifndef PYSTANDER_TARGET_MOUNTS_H
#define PYSTANDER_TARGET_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount {
    uint64_t id, parent;   /* as in fdinfo */
    unsigned major, minor; /* of the file system, as in /proc/locks; stat() may give another */
    bool is_local;         /* what is asked of it, is answered */
    const char *point;     /* below the root of who sees it, blanks and the like escaped; */
    size_t point_size;
};

struct mounts {
    bool is_read, has_own;
    uint64_t read_ns;      /* process_now_ns() */
    struct mount *items;   /* each owns its point */
    size_t count, capacity;
    size_t seen;           /* by the process; those behind it are ours */
};

/* A line of /proc/PID/mountinfo, proc_pid_mountinfo(5); mount->point is in it. false: it makes no sense. */
bool mount_parse(const char *line, struct mount *mount);
/* Reads them once, below the O_PATH directory /proc/PID, and if need be our own: a process is shown only those below
 * its root. NULL: there is no such mount. */
const struct mount *mounts_find(int directory, struct mounts *mounts, uint64_t id);
/* One that neither lists, after mounts_find(): it is taken for what another is of the same device; NULL: none is. */
const struct mount *mounts_adopt(struct mounts *mounts, uint64_t id, unsigned major, unsigned minor);
/* Where a process's root is, and by what the mounts that it sees are read. */
struct mount_view {
    int directory;
    struct mounts *mounts;
    uint64_t root; /* the mount */
};
/* The one on which "a/b" lies, below that root and without links and "..". */
const struct mount *mounts_find_by_path(const struct mount_view *view, const char *path);
/* Whether any mount at the process's root is of another machine or process. */
bool mounts_have_foreign_root(int directory, struct mounts *mounts);
void mounts_free(struct mounts *mounts);

#endif
