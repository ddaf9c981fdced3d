/* Resolving a path inside a root step by step: what openat2() does, where it can't be had. */
#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct walk {
    int root;
    const struct mount_view *view; /* NULL: whatever is there is asked */
    char resolved[PATH_MAX]; /* what was walked: no links, no "..", "a/b" */
    char rest[PATH_MAX];     /* what is still to be walked */
    int links;
};

/* Takes the first component off walk->rest; false: there is none. */
static bool next_component(struct walk *walk, char component[NAME_MAX + 1], int *errnum)
{
    const char *start = walk->rest + strspn(walk->rest, "/");
    size_t size = strcspn(start, "/");
    *errnum = size > NAME_MAX ? ENAMETOOLONG : 0;
    if (size == 0 || *errnum)
        return false;
    memcpy(component, start, size);
    component[size] = '\0';
    memmove(walk->rest, start + size, strlen(start + size) + 1);
    return true;
}

static void leave_directory(struct walk *walk)
{
    char *slash = strrchr(walk->resolved, '/');
    *(slash ? slash : walk->resolved) = '\0';
}

/* Puts the target of a link before the rest. */
static int follow_link(struct walk *walk, int link)
{
    char target[PATH_MAX], rest[PATH_MAX];
    if (++walk->links > FILE_MAX_LINKS)
        return ELOOP;
    ssize_t size = readlinkat(link, "", target, sizeof target - 1);
    if (size < 0)
        return errno;
    target[size] = '\0';
    int written = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
    if (written < 0 || (size_t)written >= sizeof rest)
        return ENAMETOOLONG;
    memcpy(walk->rest, rest, (size_t)written + 1);
    if (target[0] == '/')
        walk->resolved[0] = '\0';
    return 0;
}

/* Where openat2() can be had, nothing that is changed meanwhile leads astray. */
static int open_step(int root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    long found = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (found < 0 && (errno == ENOSYS || errno == EPERM))
        return openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return (int)found;
}

static bool may_enter(const struct walk *walk, const char *path)
{
    const struct mount *mount = walk->view ? mounts_find_by_path(walk->view, path) : NULL;
    return !walk->view || (mount && mount->is_local);
}

/* One step down; *fd is what was stepped on, unless it was a link. */
static int enter(struct walk *walk, const char *component, int *fd)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s%s%s", walk->resolved, walk->resolved[0] ? "/" : "", component);
    if (size < 0 || (size_t)size >= sizeof path)
        return ENAMETOOLONG;
    if (!may_enter(walk, path))
        return EREMOTE;
    int found = open_step(walk->root, path);
    if (found < 0)
        return errno;
    struct stat status;
    int errnum = fstat(found, &status) < 0 ? errno : 0;
    if (errnum == 0 && S_ISLNK(status.st_mode))
        errnum = follow_link(walk, found);
    else if (errnum == 0) {
        memcpy(walk->resolved, path, (size_t)size + 1);
        *fd = found;
        return 0;
    }
    close(found);
    return errnum;
}

static int walk_path(struct walk *walk, int *fd)
{
    char component[NAME_MAX + 1];
    int errnum;
    while (next_component(walk, component, &errnum)) {
        if (strcmp(component, ".") == 0)
            continue;
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
        if (strcmp(component, "..") == 0)
            leave_directory(walk);
        else
            errnum = enter(walk, component, fd);
        if (errnum)
            return errnum;
    }
    return errnum ? errnum : *fd < 0 ? EISDIR : 0; /* it ends in "..", or is the root */
}

int file_find_by_walking(int root, const char *path, const struct mount_view *view)
{
    struct walk walk = {.root = root, .view = view};
    int fd = -1, errnum;
    int size = snprintf(walk.rest, sizeof walk.rest, "%s", path);
    if (size < 0 || (size_t)size >= sizeof walk.rest)
        errnum = ENAMETOOLONG;
    else
        errnum = walk_path(&walk, &fd);
    if (errnum == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = errnum;
    return -1;
}
