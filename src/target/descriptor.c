#include "target/descriptor.h"

#include "base/hash.h"
#include "target/maps.h"
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

pst_error *descriptors_open(struct pst_target *target, struct descriptors **result)
{
    struct descriptors *descriptors = *result = calloc(1, sizeof *descriptors);
    if (!descriptors)
        return error_no_memory();
    descriptors->target = target;
    descriptors->multiplier = hash_multiplier();
    descriptors->left_ns = DESCRIPTORS_MAX_NS;
    return NULL;
}

void descriptors_close(struct descriptors *descriptors)
{
    if (!descriptors)
        return;
    for (size_t i = 0; i < SOCKETS_COUNT; i++)
        socket_table_free(&descriptors->sockets[i]);
    mounts_free(&descriptors->mounts);
    open_files_free(&descriptors->open_files);
    lock_table_free(&descriptors->locks);
    known_ends_free(descriptors);
    free(descriptors);
}

void descriptor_free(struct descriptor *descriptor)
{
    free(descriptor->name);
    free(descriptor->end_name);
    *descriptor = (struct descriptor){ 0 };
}

/* The process may have put something else in the place of what it had: a file, say, whose server does not answer. So
 * what needs a question is asked of what we hold ourselves (O_PATH), once the kernel says of it what it is. Of NFS,
 * even that may ask whether it is still the same. */
static int hold(int directory, int fd)
{
    char path[PROCESS_NAME_SIZE];
    snprintf(path, sizeof path, "fd/%d", fd);
    return openat(directory, path, O_PATH | O_CLOEXEC);
}

/* ---- sockets ------------------------------------------------------------------------------------------------ */

/* The kernel's name for a socket's protocol is the value of an attribute: "TCPv6". */
static bool read_protocol(int directory, const struct descriptor *descriptor, char *name, size_t size)
{
    char path[64], meant[64], link[64] = "";
    ssize_t got = 0;
    int held = hold(directory, descriptor->fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    snprintf(meant, sizeof meant, "socket:[%llu]", (unsigned long long)descriptor->inode);
    if (held >= 0 && readlink(path, link, sizeof link - 1) > 0 && strcmp(link, meant) == 0)
        got = getxattr(path, "system.sockprotoname", name, size - 1);
    if (held >= 0)
        close(held);
    name[got > 0 ? got : 0] = '\0';
    return name[0] != '\0';
}

static const struct {
    const char *prefix;
    enum descriptor_kind kind;
    enum socket_table_id v4, v6;
} protocols[] = {
    { "TCP", DESCRIPTOR_TCP, SOCKETS_TCP, SOCKETS_TCP6 },
    { "UDP", DESCRIPTOR_UDP, SOCKETS_UDP, SOCKETS_UDP6 },
    { "UNIX", DESCRIPTOR_UNIX, SOCKETS_UNIX, SOCKETS_UNIX },
};
enum { PROTOCOL_COUNT = sizeof protocols / sizeof *protocols };

static bool find_socket(struct descriptors *descriptors, enum socket_table_id id, struct descriptor *descriptor)
{
    struct socket_table *table = &descriptors->sockets[id];
    int directory = descriptors->target->process->memory_directory;
    const struct socket *found = socket_find(directory, table, id, descriptor->inode);
    /* A list that changes while the kernel writes it down may lack what did not change. */
    if (!found && !descriptors->has_read_again[id]) {
        descriptors->has_read_again[id] = true;
        socket_table_free(table);
        found = socket_find(directory, table, id, descriptor->inode);
    }
    if (!found)
        return false;
    descriptor->has_socket = true;
    descriptor->is_v6 = id == SOCKETS_TCP6 || id == SOCKETS_UDP6;
    descriptor->local = found->local;
    descriptor->remote = found->remote;
    descriptor->state = found->state;
    if (found->has_path)
        descriptor->name = strdup(table->paths.data + found->path);
    return true;
}

static void describe_socket(struct descriptors *descriptors, struct descriptor *descriptor)
{
    char name[64];
    bool named =
        read_protocol(descriptors->target->process->memory_directory, descriptor, name, sizeof name);
    descriptor->kind = DESCRIPTOR_SOCKET;
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        if (named && strncmp(name, protocols[i].prefix, strlen(protocols[i].prefix)) != 0)
            continue;
        bool is_v6 = named && strstr(name, "v6");
        bool found = (!is_v6 && find_socket(descriptors, protocols[i].v4, descriptor)) ||
                     ((is_v6 || !named) && find_socket(descriptors, protocols[i].v6, descriptor));
        if (!named && !found)
            continue;
        descriptor->kind = protocols[i].kind;
        return;
    }
    if (named)
        descriptor->name = strdup(name);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static bool is_terminal(unsigned major, const char *path)
{
    enum { TTY_MAJOR = 4, TTY_AUX_MAJOR = 5, PTS_FIRST = 136, PTS_LAST = 143 }; /* linux/major.h */
    return major == TTY_MAJOR || major == TTY_AUX_MAJOR || (major >= PTS_FIRST && major <= PTS_LAST) ||
           strncmp(path, "/dev/tty", 8) == 0;
}

/* false: it is on another mount by now. */
static bool stat_on_mount(int directory, int fd, uint64_t mount, struct statx *status)
{
    char path[64];
    struct fd_info info = { 0 };
    int held = hold(directory, fd);
    if (held < 0)
        return false;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held);
    bool known = fd_info_read(AT_FDCWD, path, &info) == 0 && info.has_mount && info.mount == mount &&
                 statx(held, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, status) == 0;
    close(held);
    return known;
}

static enum descriptor_kind kind_of_file(int directory, int fd, uint64_t mount, const char *name, uint64_t *inode)
{
    struct statx status;
    if (!stat_on_mount(directory, fd, mount, &status))
        return DESCRIPTOR_FILE;
    if (!*inode)
        *inode = status.stx_ino;
    switch (status.stx_mode & S_IFMT) {
    case S_IFDIR:
        return DESCRIPTOR_DIRECTORY;
    case S_IFIFO:
        return DESCRIPTOR_FIFO;
    case S_IFCHR:
        return is_terminal(status.stx_rdev_major, name) ? DESCRIPTOR_TERMINAL : DESCRIPTOR_DEVICE;
    case S_IFBLK:
        return DESCRIPTOR_DEVICE;
    default:
        return DESCRIPTOR_FILE;
    }
}

static pst_error *describe_file(struct descriptors *descriptors, const char *link, const struct fd_info *info,
                                struct descriptor *descriptor)
{
    const struct process *process = descriptors->target->process;
    descriptor->kind = DESCRIPTOR_FILE;
    descriptor->name = strdup(link);
    if (!descriptor->name)
        return error_no_memory();
    descriptor->is_deleted = maps_strip_deleted(descriptor->name);
    const char *inside = maps_strip_root(descriptor->name, process->root);
    memmove(descriptor->name, inside, strlen(inside) + 1);
    descriptor->inode = info->inode;
    const struct mount *mount =
        info->has_mount ? mounts_find(process->memory_directory, &descriptors->mounts, info->mount) : NULL;
    if (!mount)
        return NULL; /* of nobody's namespace, as a memfd is */
    if (mount->is_local)
        descriptor->kind = kind_of_file(process->memory_directory, descriptor->fd, mount->id, descriptor->name,
                                        &descriptor->inode);
    descriptor->has_lock_identity = descriptor->inode != 0;
    descriptor->major = mount->major;
    descriptor->minor = mount->minor;
    return NULL;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

/* "pipe:[123]" */
static bool take_inode(const char *link, const char *prefix, uint64_t *inode)
{
    size_t size = strlen(prefix);
    char *end;
    if (strncmp(link, prefix, size) != 0)
        return false;
    *inode = strtoull(link + size, &end, 10);
    return *end == ']';
}

/* "anon_inode:[eventfd]", "anon_inode:inotify" */
static pst_error *describe_anonymous(const char *name, const struct fd_info *info, struct descriptor *descriptor)
{
    static const struct {
        const char *name, *word;
        enum descriptor_kind kind;
    } kinds[] = {
        { "eventpoll", "epoll", DESCRIPTOR_EPOLL }, { "pidfd", "pidfd", DESCRIPTOR_PIDFD },
        { "eventfd", "eventfd", DESCRIPTOR_EVENTFD }, { "timerfd", "timerfd", DESCRIPTOR_TIMERFD },
        { "signalfd", "signalfd", DESCRIPTOR_SIGNALFD }, { "inotify", "inotify", DESCRIPTOR_INOTIFY },
    };
    size_t size = strlen(name);
    if (*name == '[' && name[size - 1] == ']') {
        name++;
        size -= 2;
    }
    descriptor->kind = DESCRIPTOR_OTHER;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == size && memcmp(name, kinds[i].name, size) == 0) {
            descriptor->kind = kinds[i].kind;
            name = kinds[i].word;
            size = strlen(name);
            break;
        }
    descriptor->watched_pid = (pid_t)info->pid;
    memcpy(descriptor->watched, info->watched, sizeof info->watched);
    descriptor->watched_count = info->watched_count;
    descriptor->watched_more = info->watched_more;
    descriptor->name = strndup(name, size);
    return descriptor->name ? NULL : error_no_memory();
}

static pst_error *describe_link(struct descriptors *descriptors, const char *link, const struct fd_info *info,
                                struct descriptor *descriptor)
{
    static const char anonymous[] = "anon_inode:";
    if (*link == '/')
        return describe_file(descriptors, link, info, descriptor);
    if (strncmp(link, anonymous, sizeof anonymous - 1) == 0)
        return describe_anonymous(link + sizeof anonymous - 1, info, descriptor);
    if (take_inode(link, "pipe:[", &descriptor->inode)) {
        descriptor->kind = DESCRIPTOR_PIPE;
    } else if (take_inode(link, "socket:[", &descriptor->inode)) {
        describe_socket(descriptors, descriptor);
    } else {
        descriptor->kind = DESCRIPTOR_OTHER;
        descriptor->name = strdup(link);
        return descriptor->name ? NULL : error_no_memory();
    }
    return NULL;
}

/* *link stays NULL if it has no such descriptor. */
static pst_error *read_link(const struct pst_target *target, int fd, char **link)
{
    const struct process *process = target->process;
    char path[PROCESS_NAME_SIZE], what[64];
    struct proc_stat stat;
    snprintf(path, sizeof path, "fd/%d", fd);
    int errnum = proc_read_link(process->memory_directory, path, link);
    switch (errnum) {
    case 0:
        return NULL;
    case ENOENT:
    case ESRCH:
        if (proc_read_stat(process->memory_directory, "stat", &stat) == 0)
            return NULL;
        return error_new(PST_ERROR_OPEN, "process %d has ended", target->pid);
    case EACCES:
    case EPERM:
        snprintf(what, sizeof what, "see what descriptor %d is", fd);
        return process_denied(process, target->pid, errnum, what, false);
    case ENOMEM:
        return error_no_memory();
    default:
        return error_system(PST_ERROR_SYSTEM, errnum, "cannot see what descriptor %d is", fd);
    }
}

static pst_error *describe(struct descriptors *descriptors, const char *link, bool with_ends,
                           struct descriptor *descriptor)
{
    char path[PROCESS_NAME_SIZE];
    struct fd_info info = { 0 };
    snprintf(path, sizeof path, "fdinfo/%d", descriptor->fd);
    fd_info_read(descriptors->target->process->memory_directory, path, &info);
    descriptor->has_flags = info.has_flags;
    descriptor->flags = (unsigned)info.flags;
    TRY(describe_link(descriptors, link, &info, descriptor));
    if (with_ends)
        descriptor_find_ends(descriptors, link, descriptor);
    return NULL;
}

pst_error *descriptor_describe(struct descriptors *descriptors, int fd, bool with_ends,
                               struct descriptor *descriptor)
{
    char *link = NULL;
    *descriptor = (struct descriptor){ .kind = DESCRIPTOR_CLOSED, .fd = fd };
    if (!descriptors->target->process)
        return error_new(PST_ERROR_UNSUPPORTED, "a core does not tell what its descriptors were");
    if (fd < 0)
        return NULL;
    TRY(read_link(descriptors->target, fd, &link));
    pst_error *error = link ? describe(descriptors, link, with_ends, descriptor) : NULL;
    free(link);
    if (error)
        descriptor_free(descriptor);
    return error;
}
