/* Which other processes have to do with a descriptor: the other ends of pipes and sockets, holders of locks. */
#include "target/descriptor.h"

#include "target/proc_lines.h"
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_CANDIDATES = 1 << 12,              /* descriptors that lead to the same thing, and may be meant */
    MAX_CANDIDATES_NS = 200 * 1000 * 1000, /* for all of one search */
    MAX_HELD = 256,                        /* locks of one file */
};

/* ---- fdinfo ------------------------------------------------------------------------------------------------- */

/* What stands behind "field:", or NULL. */
static const char *after(const char *line, const char *field)
{
    size_t size = strlen(field);
    return strncmp(line, field, size) == 0 ? line + size : NULL;
}

static bool is_same_file(const struct lock *one, const struct lock *other)
{
    return one->inode == other->inode && one->major == other->major && one->minor == other->minor;
}

/* The two kinds of fcntl()'s stand in each other's way. */
static bool stands_in_the_way(enum lock_kind held, enum lock_kind wanted)
{
    if (wanted == LOCK_OTHER)
        return held != LOCK_OTHER;
    return held == wanted || (held != LOCK_FLOCK && held != LOCK_OTHER && wanted != LOCK_FLOCK);
}

static void take_line(const char *line, struct fd_info *info)
{
    const char *value;
    struct lock lock;
    if ((value = after(line, "flags:"))) {
        info->has_flags = true;
        info->flags = strtoull(value, NULL, 8);
    } else if ((value = after(line, "mnt_id:"))) {
        info->has_mount = true;
        info->mount = strtoull(value, NULL, 10);
    } else if ((value = after(line, "ino:"))) {
        info->inode = strtoull(value, NULL, 10);
    } else if ((value = after(line, "Pid:"))) {
        info->pid = strtoll(value, NULL, 10);
    } else if ((value = after(line, "tfd:"))) {
        if (info->watched_count == DESCRIPTOR_MAX_WATCHED)
            info->watched_more++;
        else
            info->watched[info->watched_count++] = (int)strtol(value, NULL, 10);
    } else if (info->wanted && (value = after(line, "lock:"))) {
        info->has_wanted |= lock_parse(value, &lock) && lock.kind != LOCK_POSIX &&
                            is_same_file(&lock, info->wanted) &&
                            stands_in_the_way(lock.kind, info->wanted->kind);
    }
}

int fd_info_read(int directory, const char *path, struct fd_info *info)
{
    struct proc_lines lines;
    const char *line;
    int errnum = proc_lines_open(directory, path, &lines);
    if (errnum)
        return errnum;
    while ((line = proc_lines_next(&lines)) != NULL)
        take_line(line, info);
    proc_lines_close(&lines);
    return 0;
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

/* Once, however often one is found; the target comes first. */
static void add_process(const struct pst_target *target, struct descriptor_processes *processes, pid_t pid)
{
    bool is_target = pid == target->pid;
    for (size_t i = 0; i < processes->count; i++)
        if (processes->items[i].pid == pid)
            return;
    if (processes->count == DESCRIPTOR_MAX_PROCESSES) {
        processes->more++;
        if (!is_target)
            return;
        processes->count--;
    }
    char path[PROCESS_NAME_SIZE];
    struct proc_stat stat;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (proc_read_stat(AT_FDCWD, path, &stat) != 0)
        stat.name[0] = '\0';
    size_t at = is_target ? 0 : processes->count;
    memmove(&processes->items[at + 1], &processes->items[at], (processes->count - at) * sizeof processes->items[0]);
    processes->count++;
    processes->items[at].pid = pid;
    processes->items[at].is_target = is_target;
    memcpy(processes->items[at].name, stat.name, sizeof stat.name);
}

/* It may have been closed, and its number given to another, since all were read. */
static bool is_still(const struct open_file *file, const char *link)
{
    char path[64], now[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", file->pid, file->fd);
    ssize_t size = readlinkat(AT_FDCWD, path, now, sizeof now);
    return size >= 0 && (size_t)size == strlen(link) && memcmp(now, link, (size_t)size) == 0;
}

/* A way to tell those that are meant, of all that have the same thing open. */
struct choice {
    const struct descriptor *descriptor;
    bool (*fits)(const struct choice *choice, const struct fd_info *info);
    mode_t mode; /* S_IRUSR, S_IWUSR: those that can read, or write. 0: any */
    const struct lock *wanted;
};

/* The mode of the link in /proc/PID/fd is that of the descriptor, and is cheaper than its fdinfo. */
static bool has_mode(const struct open_file *file, mode_t mode)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", file->pid, file->fd);
    return !mode || (lstat(path, &status) == 0 && status.st_mode & mode);
}

static bool is_meant(const struct open_file *file, const char *link, const struct choice *choice)
{
    char path[64];
    struct fd_info info = { .wanted = choice->wanted };
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", file->pid, file->fd);
    return fd_info_read(AT_FDCWD, path, &info) == 0 && choice->fits(choice, &info) && is_still(file, link);
}

static void spend_since(struct descriptors *descriptors, uint64_t started)
{
    uint64_t spent = process_now_ns() - started;
    descriptors->left_ns -= spent < descriptors->left_ns ? spent : descriptors->left_ns;
}

/* false: a limit was reached. */
static bool add_openers(struct descriptors *descriptors, const char *link, const struct choice *choice,
                        uint64_t deadline, struct descriptor_processes *processes)
{
    const struct pst_target *target = descriptors->target;
    const struct open_file *files;
    pid_t last = 0;
    size_t candidates = 0, count = open_files_find(&descriptors->open_files, link, &files);
    for (size_t i = 0; i < count; i++) {
        if (files[i].pid == last || (files[i].pid == target->pid && files[i].fd == choice->descriptor->fd))
            continue;
        if (process_now_ns() > deadline)
            return false;
        if (!has_mode(&files[i], choice->mode))
            continue;
        if (candidates++ == MAX_CANDIDATES)
            return false;
        if (!is_meant(&files[i], link, choice))
            continue;
        add_process(target, processes, files[i].pid);
        last = files[i].pid;
    }
    return true;
}

/* Adds the processes that have `link` open, other than by the descriptor itself, and are meant. */
static void find_openers(struct descriptors *descriptors, const char *link, const struct choice *choice,
                         struct descriptor_processes *processes)
{
    uint64_t started = process_now_ns();
    processes->is_complete = false;
    if (!descriptors->left_ns)
        return;
    open_files_read(&descriptors->open_files, descriptors->target->pid, started + descriptors->left_ns);
    spend_since(descriptors, started);
    started = process_now_ns();
    uint64_t patience = descriptors->left_ns < MAX_CANDIDATES_NS ? descriptors->left_ns : MAX_CANDIDATES_NS;
    processes->is_complete = add_openers(descriptors, link, choice, started + patience, processes) &&
                             !descriptors->open_files.incomplete;
    spend_since(descriptors, started);
}

/* ---- what is known ------------------------------------------------------------------------------------------ */

/* Where the outcome of a search is, or goes: its key is in *key. */
static struct known_end *known_end_of(struct descriptors *descriptors, const char *search, uint64_t *key)
{
    uint64_t hash = descriptors->multiplier;
    for (const char *at = search; *at; at++) {
        hash = (hash ^ (uint8_t)*at) * descriptors->multiplier;
        hash ^= hash >> 29;
    }
    *key = hash | 1;
    return &descriptors->known[(hash >> 32) % DESCRIPTORS_KNOWN];
}

void known_ends_free(struct descriptors *descriptors)
{
    for (size_t i = 0; i < DESCRIPTORS_KNOWN; i++)
        free(descriptors->known[i].end_name);
}

/* ---- other ends --------------------------------------------------------------------------------------------- */

/* Who reads has those who write at the other end, and the reverse. */
static bool is_other_end(const struct choice *choice, const struct fd_info *info)
{
    const struct descriptor *descriptor = choice->descriptor;
    unsigned ours = descriptor->flags & O_ACCMODE, theirs = (unsigned)info->flags & O_ACCMODE;
    if (!info->has_flags || (descriptor->inode && info->inode && info->inode != descriptor->inode))
        return false;
    return ours == O_RDWR || theirs == O_RDWR || ours != theirs;
}

static bool is_any(const struct choice *choice, const struct fd_info *info)
{
    (void)choice;
    (void)info;
    return true;
}

/* Ours can be asked for what theirs can't, without entering it. */
static bool is_in_our_network(struct descriptors *descriptors)
{
    if (!descriptors->compared_networks) {
        struct stat ours, theirs;
        descriptors->compared_networks = true;
        descriptors->same_network =
            fstatat(AT_FDCWD, "/proc/self/ns/net", &ours, 0) == 0 &&
            fstatat(descriptors->target->process->memory_directory, "ns/net", &theirs, 0) == 0 &&
            ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
    }
    return descriptors->same_network;
}

static enum unix_peer ask_for_peer(struct descriptors *descriptors, uint64_t inode, uint64_t *peer)
{
    uint64_t started = process_now_ns();
    if (!is_in_our_network(descriptors) || !descriptors->left_ns)
        return UNIX_PEER_UNKNOWN;
    enum unix_peer found = socket_find_unix_peer(inode, peer);
    spend_since(descriptors, started);
    return found;
}

static void find_peer(struct descriptors *descriptors, struct descriptor *descriptor)
{
    const struct choice choice = { .descriptor = descriptor, .fits = is_any };
    struct socket_table *table = &descriptors->sockets[SOCKETS_UNIX];
    uint64_t peer;
    char link[64];
    enum unix_peer found = ask_for_peer(descriptors, descriptor->inode, &peer);
    if (found == UNIX_PEER_NONE)
        descriptor->end = END_NONE;
    if (found == UNIX_PEER_UNACCEPTED)
        descriptor->end = END_UNACCEPTED;
    if (found != UNIX_PEER_FOUND)
        return;
    const struct socket *socket =
        socket_find(descriptors->target->process->memory_directory, table, SOCKETS_UNIX, peer);
    if (socket && socket->has_path)
        descriptor->end_name = strdup(table->paths.data + socket->path);
    snprintf(link, sizeof link, "socket:[%llu]", (unsigned long long)peer);
    find_openers(descriptors, link, &choice, &descriptor->others);
    descriptor->end = END_SOUGHT;
}

static void find_pipe_end(struct descriptors *descriptors, const char *link, struct descriptor *descriptor)
{
    static const mode_t modes[] = {
        [O_RDONLY] = S_IWUSR, [O_WRONLY] = S_IRUSR, [O_RDWR] = S_IRUSR | S_IWUSR, [O_ACCMODE] = 0,
    };
    const struct choice choice = { .descriptor = descriptor, .fits = is_other_end,
                                   .mode = modes[descriptor->flags & O_ACCMODE] };
    find_openers(descriptors, link, &choice, &descriptor->others);
    descriptor->end = END_SOUGHT;
}

static void find_end(struct descriptors *descriptors, const char *link, struct descriptor *descriptor)
{
    if (descriptor->kind == DESCRIPTOR_UNIX)
        find_peer(descriptors, descriptor);
    else
        find_pipe_end(descriptors, link, descriptor);
}

/* All that read from a pipe, or write to it, have the same at the other end. Who does both is its own. */
static void find_end_once(struct descriptors *descriptors, const char *link, struct descriptor *descriptor)
{
    unsigned mode = descriptor->kind == DESCRIPTOR_UNIX ? 0 : descriptor->flags & O_ACCMODE;
    char search[PATH_MAX + 64];
    uint64_t key;
    int size = snprintf(search, sizeof search, "end %u %llu %s", mode, (unsigned long long)descriptor->inode, link);
    if (mode == O_RDWR || size < 0 || (size_t)size >= sizeof search) {
        find_end(descriptors, link, descriptor);
        return;
    }
    struct known_end *known = known_end_of(descriptors, search, &key);
    if (known->key != key) {
        find_end(descriptors, link, descriptor);
        free(known->end_name);
        *known = (struct known_end){ key, descriptor->end,
                                     descriptor->end_name ? strdup(descriptor->end_name) : NULL,
                                     descriptor->others };
        return;
    }
    descriptor->end = known->end;
    descriptor->end_name = known->end_name ? strdup(known->end_name) : NULL;
    descriptor->others = known->processes;
}

void descriptor_find_ends(struct descriptors *descriptors, const char *link, struct descriptor *descriptor)
{
    if (descriptor->kind == DESCRIPTOR_PIDFD && descriptor->watched_pid > 0)
        add_process(descriptors->target, &descriptor->others, descriptor->watched_pid);
    bool is_pipe = descriptor->kind == DESCRIPTOR_PIPE || descriptor->kind == DESCRIPTOR_FIFO;
    if (descriptor->kind == DESCRIPTOR_UNIX || (is_pipe && descriptor->has_flags))
        find_end_once(descriptors, link, descriptor);
}

/* ---- locks -------------------------------------------------------------------------------------------------- */

/* Those on one file that may be in the way. */
struct held {
    struct lock locks[MAX_HELD];
    size_t count;
    bool waited;     /* the target waits, as fcntl() does, for the one of this number: */
    uint64_t number;
    bool cut;
};

static void take_lock(const struct pst_target *target, const struct lock *lock, struct held *held)
{
    if (lock->waits) {
        /* A lock of flock() is in the way of one that is shared by several, and listed with only one of them. */
        if (lock->pid == target->pid && lock->kind == LOCK_POSIX) {
            held->waited = true;
            held->number = lock->number;
        }
    } else if (held->count == MAX_HELD) {
        held->cut = true;
    } else {
        held->locks[held->count++] = *lock;
    }
}

static pst_error *read_held(struct descriptors *descriptors, const struct lock *wanted, struct held *held)
{
    const struct lock_table *table = &descriptors->locks;
    int errnum = lock_table_read(&descriptors->locks);
    if (errnum)
        return error_system(PST_ERROR_SYSTEM, errnum, "cannot read /proc/locks");
    for (size_t i = 0; i < table->count; i++)
        if (is_same_file(&table->locks[i], wanted) && stands_in_the_way(table->locks[i].kind, wanted->kind))
            take_lock(descriptors->target, &table->locks[i], held);
    held->cut |= table->cut;
    return NULL;
}

static bool has_wanted_lock(const struct choice *choice, const struct fd_info *info)
{
    (void)choice;
    return info->has_wanted;
}

/* Of this kind there is one at least. */
static bool holds(const struct held *held, bool is_posix)
{
    for (size_t i = 0; i < held->count; i++)
        if ((held->locks[i].kind == LOCK_POSIX) == is_posix)
            return true;
    return false;
}

static bool is_there(pid_t pid)
{
    char path[PROCESS_NAME_SIZE];
    struct proc_stat stat;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    return proc_read_stat(AT_FDCWD, path, &stat) == 0;
}

/* By their makers, which are not the target: of fcntl()'s own it has all it wants, and others were looked for in it. */
static void add_makers(const struct pst_target *target, const struct held *held, bool are_posix,
                       struct descriptor_processes *holders)
{
    for (size_t i = 0; i < held->count; i++) {
        const struct lock *lock = &held->locks[i];
        bool is_meant = (lock->kind == LOCK_POSIX) == are_posix &&
                        (!are_posix || !held->waited || lock->number == held->number);
        if (is_meant && lock->pid > 0 && lock->pid != target->pid && is_there((pid_t)lock->pid))
            add_process(target, holders, (pid_t)lock->pid);
    }
}

/* A lock of flock() or of an open file description is held by whoever has that open: it was inherited, and who made it
 * may be gone. Who may not be looked into is named if he made it. */
static pst_error *add_holders(struct descriptors *descriptors, const struct descriptor *descriptor,
                              const struct lock *wanted, const struct held *held,
                              struct descriptor_processes *holders)
{
    const struct pst_target *target = descriptors->target;
    const struct choice choice = { .descriptor = descriptor, .fits = has_wanted_lock, .wanted = wanted };
    char path[PROCESS_NAME_SIZE], *link;
    add_makers(target, held, true, holders);
    if (!holds(held, false))
        return NULL;
    snprintf(path, sizeof path, "fd/%d", descriptor->fd);
    int errnum = proc_read_link(target->process->memory_directory, path, &link);
    if (errnum)
        return errnum == ENOMEM ? error_no_memory() : NULL; /* it was closed meanwhile */
    size_t before = holders->count;
    find_openers(descriptors, link, &choice, holders);
    if (holders->count == before)
        add_makers(target, held, false, holders);
    free(link);
    return NULL;
}

static pst_error *find_holders(struct descriptors *descriptors, const struct descriptor *descriptor,
                               const struct lock *wanted, struct descriptor_processes *holders)
{
    struct held held = { .count = 0 };
    TRY(read_held(descriptors, wanted, &held));
    holders->is_complete = true;
    TRY(add_holders(descriptors, descriptor, wanted, &held, holders));
    holders->is_complete &= !held.cut;
    return NULL;
}

/* Which is then none of the others. */
static bool holds_itself(const struct descriptors *descriptors, const struct descriptor *descriptor,
                         const struct lock *wanted)
{
    char path[PROCESS_NAME_SIZE];
    struct fd_info info = { .wanted = wanted };
    snprintf(path, sizeof path, "fdinfo/%d", descriptor->fd);
    return fd_info_read(descriptors->target->process->memory_directory, path, &info) != 0 || info.has_wanted;
}

pst_error *descriptor_find_holders(struct descriptors *descriptors, const struct descriptor *descriptor,
                                   enum lock_kind kind, struct descriptor_processes *holders)
{
    const struct lock wanted = { .kind = kind, .major = descriptor->major, .minor = descriptor->minor,
                                 .inode = descriptor->inode };
    char search[128];
    uint64_t key;
    *holders = (struct descriptor_processes){ 0 };
    if (!descriptor->has_lock_identity)
        return NULL;
    if (holds_itself(descriptors, descriptor, &wanted))
        return find_holders(descriptors, descriptor, &wanted, holders);
    snprintf(search, sizeof search, "lock %d %x:%x:%llu", kind, wanted.major, wanted.minor,
             (unsigned long long)wanted.inode);
    struct known_end *known = known_end_of(descriptors, search, &key);
    if (known->key != key) {
        TRY(find_holders(descriptors, descriptor, &wanted, holders));
        free(known->end_name);
        *known = (struct known_end){ .key = key, .processes = *holders };
    }
    *holders = known->processes;
    return NULL;
}
