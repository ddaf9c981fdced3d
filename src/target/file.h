/* Opening files whose names a target chose: regular files only, inside a given root, without side effects. */
#ifndef PYSTANDER_TARGET_FILE_H
#define PYSTANDER_TARGET_FILE_H

#include "target/mounts.h"

#include <sys/stat.h>

/*
 * Opens `path` below the directory `root` as a process whose root that is would: links and ".." stay inside.
 * Gives an O_PATH descriptor, with which nothing has been done yet to what it names: a FIFO would block, and
 * a device may take mere opening for an order. -1 and errno if there is none. */
int file_find(int root, const char *path);

enum { FILE_MAX_LINKS = 40 /* followed in one path, as the kernel does */ };

/* What file_find() comes down to before Linux 5.6, or in a sandbox that forbids openat2(). Whoever can change
 * the root's folders meanwhile could lead it astray; openat2() has no such gap. With a `view`, nothing is entered
 * that is on a mount that is not local. */
int file_find_by_walking(int root, const char *path, const struct mount_view *view);

/* file_find() from what the kernel has in memory, Linux 5.12+: no file system is asked for anything. EAGAIN: it does
 * not have all of it. Even so a server may be asked whether its folder is still the same (NFS, at a path that ends in
 * ".." or in a mount point). */
int file_find_cached(int root, const char *path);

/* Looks at what file_find() (or an open with O_PATH) found and opens it for reading if it is a regular file of
 * a file system that holds files (not of /proc, /sys …, where reading may have effects). Closes `found` either
 * way; -1: no such file. *status is of the file. */
int file_read_found(int found, struct stat *status);

#endif
