#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static int find(int root, const char *path, uint64_t resolve)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int file_find(int root, const char *path)
{
    int found = find(root, path, 0);
    if (found < 0 && (errno == ENOSYS || errno == EPERM))
        return file_find_by_walking(root, path, NULL);
    return found;
}

int file_find_cached(int root, const char *path)
{
    return find(root, path, RESOLVE_CACHED);
}

static bool holds_files(int found)
{
    struct statfs status;
    if (fstatfs(found, &status) != 0)
        return false;
    switch ((unsigned long)status.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case SELINUX_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
        return false;
    default:
        return true;
    }
}

int file_read_found(int found, struct stat *status)
{
    int fd = -1;
    if (fstat(found, status) == 0 && S_ISREG(status->st_mode) && holds_files(found)) {
        char path[40];
        snprintf(path, sizeof path, "/proc/self/fd/%d", found);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    close(found);
    return fd;
}
