/* Files as a live process sees them. */
#include "target/file.h"
#include "target/maps.h"
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    MAX_STATUS_SIZE = 1 << 20,
    MOUNTS_MAX_AGE_NS = 1000 * 1000 * 1000,
    CAPABILITY_DAC_OVERRIDE = 1, /* linux/capability.h */
    CAPABILITY_DAC_READ_SEARCH = 2,
};

/* ---- the root ---------------------------------------------------------------------------------------- */

/* Nothing changes any more of one that has crashed, and it may be closed to us by now. */
static struct mounts *get_mounts(struct process *process)
{
    struct mounts *mounts = &process->mounts;
    if (process->target->kind == PST_TARGET_PROCESS && mounts->is_read &&
        process_now_ns() - mounts->read_ns > MOUNTS_MAX_AGE_NS)
        mounts_free(mounts);
    return mounts;
}

/* Of a descriptor of ours. */
static bool find_mount_of(int fd, uint64_t *mount)
{
    char path[64], text[256];
    size_t size;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    return proc_read_text(AT_FDCWD, path, text, sizeof text, &size) == 0 &&
           proc_status_numbers(text, "mnt_id:", 10, mount, 1) == 1;
}

static void open_root(struct process *process)
{
    if (process->root_directory >= 0 || mounts_have_foreign_root(process->memory_directory, get_mounts(process)))
        return;
    process->root_directory = openat(process->memory_directory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void process_hold_root(struct process *process)
{
    open_root(process);
    if (process->root_directory >= 0)
        find_mount_of(process->root_directory, &process->root_mount);
}

/* ---- what is mapped ---------------------------------------------------------------------------------- */

/*
 * Whether `status` is of the file that is mapped. Where a file system has no device of its own (btrfs, overlayfs:
 * major number 0), the mapping may show another device number than the file, and the inode must do.
 */
static bool is_mapped_file(const struct stat *status, const struct segment *segment)
{
    if (status->st_ino != segment->inode)
        return false;
    return status->st_dev == segment->device || major(status->st_dev) == 0 || major(segment->device) == 0;
}

static int read_mapped(int found, const struct segment *segment)
{
    struct stat status;
    int fd = found < 0 ? -1 : file_read_found(found, &status);
    if (fd >= 0 && !is_mapped_file(&status, segment)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The link to just this mapping's file, which even a deleted one has. Following it needs CAP_SYS_ADMIN or
 * CAP_CHECKPOINT_RESTORE. */
static int open_mapping(const struct process *process, const struct segment *segment)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "map_files/%" PRIx64 "-%" PRIx64, segment->start, segment->end);
    int found = openat(process->memory_directory, path, O_PATH | O_CLOEXEC);
    return found < 0 ? -1 : file_read_found(found, &status);
}

/* Wherever it is: the process itself lives on it, and who asks for it can't do without. */
static int open_segment(struct process *process, const char *path, const struct segment *segment)
{
    if (!segment->inode) /* anonymous, or the kernel's own */
        return -1;
    int fd = open_mapping(process, segment);
    if (fd < 0 && path[0] == '/') {
        open_root(process);
        fd = process->root_directory < 0 ? -1 : read_mapped(file_find(process->root_directory, path), segment);
    }
    if (fd < 0) /* the executable has a link of its own, which needs no capability */
        fd = read_mapped(openat(process->memory_directory, "exe", O_PATH | O_CLOEXEC), segment);
    if (fd < 0 && segment->path && segment->path[0] == '/') /* mapped before a chroot */
        fd = read_mapped(openat(AT_FDCWD, segment->path, O_PATH | O_CLOEXEC), segment);
    return fd;
}

/* chroot() into a folder of a mount namespace of its own: the mount that the root is on is shown to nobody. Its device
 * is known without a question. */
static const struct mount *adopt_root_mount(struct process *process, struct mount_view *view, uint64_t id)
{
    struct statx status;
    uint64_t root;
    if (!find_mount_of(process->root_directory, &root) || root != id ||
        statx(process->root_directory, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &status) != 0)
        return NULL;
    return mounts_adopt(view->mounts, id, status.stx_dev_major, status.stx_dev_minor);
}

/* ---- what is named ----------------------------------------------------------------------------------- */

/*
 * What needs a file system that another machine or a process serves is not looked for: a program can lie on one that
 * has gone away, and we would wait with it. What the kernel has in memory costs no question, wherever it is, and shows
 * its mount; else the way there is looked up among the mounts first, step by step. A mount that is put in the way
 * between these two is not seen.
 */
static int find_in_root(struct process *process, const char *path)
{
    uint64_t id;
    open_root(process);
    if (process->root_directory < 0)
        return -1;
    struct mount_view view = { process->memory_directory, get_mounts(process), process->root_mount };
    int found = file_find_cached(process->root_directory, path);
    if (found < 0 && errno != EAGAIN && errno != EINVAL && errno != ENOSYS && errno != EPERM)
        return -1;
    if (found >= 0 && find_mount_of(found, &id)) {
        const struct mount *mount = mounts_find(view.directory, view.mounts, id);
        if (!mount)
            mount = adopt_root_mount(process, &view, id);
        if (mount && mount->is_local)
            return found;
        close(found);
        errno = EREMOTE;
        return -1;
    }
    if (found >= 0)
        close(found);
    if (!view.root && !find_mount_of(process->root_directory, &view.root))
        return -1;
    return file_find_by_walking(process->root_directory, path, &view);
}

/* A relative path is one below the folder that the process works in now. */
static int open_relative(struct process *process, const char *path)
{
    char *folder = process->folder ? strdup(process->folder) : NULL, *joined;
    if (!folder && proc_read_link(process->memory_directory, "cwd", &folder) != 0)
        return -1;
    int found = -1;
    if (folder[0] == '/' && asprintf(&joined, "%s/%s", maps_strip_root(folder, process->root), path) >= 0) {
        found = find_in_root(process, joined);
        free(joined);
    }
    free(folder);
    return found;
}

/* Capabilities of another user namespace say nothing about the machine's files: anyone can have them all there. */
static bool in_our_user_namespace(const struct process *process)
{
    struct stat ours, theirs;
    return stat("/proc/self/ns/user", &ours) == 0 && fstatat(process->memory_directory, "ns/user", &theirs, 0) == 0 &&
           ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

/* Who the target is, to the file system. */
static void read_file_rights(struct process *process)
{
    struct file_rights *rights = &process->rights;
    char *status;
    size_t size;
    uint64_t ids[4] = { 0 }, groups[FILE_RIGHTS_MAX_GROUPS], capabilities = 0;
    rights->known = true;
    rights->uid = (uid_t)-1;
    rights->gid = (gid_t)-1;
    if (proc_read_file(process->memory_directory, "status", MAX_STATUS_SIZE, &status, &size) != 0)
        return;
    if (proc_status_numbers(status, "Uid:", 10, ids, 4) == 4)
        rights->uid = (uid_t)ids[3];
    if (proc_status_numbers(status, "Gid:", 10, ids, 4) == 4)
        rights->gid = (gid_t)ids[3];
    size_t count = proc_status_numbers(status, "Groups:", 10, groups, FILE_RIGHTS_MAX_GROUPS);
    for (size_t i = 0; i < count && i < FILE_RIGHTS_MAX_GROUPS; i++)
        rights->groups[rights->group_count++] = (gid_t)groups[i];
    proc_status_numbers(status, "CapEff:", 16, &capabilities, 1);
    rights->all = capabilities & (1U << CAPABILITY_DAC_OVERRIDE | 1U << CAPABILITY_DAC_READ_SEARCH) &&
                  in_our_user_namespace(process);
    free(status);
}

static bool in_group(const struct file_rights *rights, gid_t gid)
{
    for (size_t i = 0; i < rights->group_count; i++)
        if (rights->groups[i] == gid)
            return true;
    return rights->gid == gid;
}

/* With root's rights we could read for the target what it may not read itself, and a name in its memory is
 * all that it takes to ask for that. */
static bool target_may_read(struct process *process, const struct stat *status)
{
    struct file_rights *rights = &process->rights;
    if (geteuid() != 0)
        return true;
    if (!rights->known)
        read_file_rights(process);
    if (rights->all)
        return true;
    if (rights->uid == status->st_uid)
        return status->st_mode & S_IRUSR;
    return status->st_mode & (in_group(rights, status->st_gid) ? S_IRGRP : S_IROTH);
}

pst_error *process_open_file(struct pst_target *target, const char *path, const struct segment *segment,
                             int *fd)
{
    struct process *process = target->process;
    struct stat status;
    if (segment) {
        *fd = open_segment(process, path, segment);
    } else {
        int found = path[0] == '/' ? find_in_root(process, path) : open_relative(process, path);
        *fd = found < 0 ? -1 : file_read_found(found, &status);
        if (*fd >= 0 && !target_may_read(process, &status)) {
            close(*fd);
            *fd = -1;
            return NULL;
        }
    }
    if (*fd < 0 && (errno == EMFILE || errno == ENFILE))
        return error_system(PST_ERROR_SYSTEM, errno, "cannot open %s", path);
    return NULL;
}
