/*
 * What a thread waits for, by the system call that it is in: a descriptor, a process, some time. What a descriptor is,
 * the kernel tells of a live target; of a core, its number must do.
 */
#include "python/waiting.h"
#include "target/process.h"
#include "target/syscall.h"

#include <fcntl.h>
#include <stdlib.h>

enum {
    MAX_POLLED = 16,        /* descriptors of one poll() that are named */
    POLLFD_SIZE = 8,        /* struct pollfd: int fd, short events, short revents */
    MAX_SELECTED = 1024,    /* bits of an fd_set that are looked at */
    LOCK_WAIT_OFD = 38,     /* F_OFD_SETLKW */
};

/* ---- what the arguments point to ------------------------------------------------------------------------- */

enum { POINTERS = 3, POINTED_SIZE = MAX_SELECTED / 8 };

/* Which of the arguments are pointers to what is read; the last is followed by 0. */
static const uint8_t *pointers_of(enum syscall_id id)
{
    static const uint8_t none[] = {0}, first[] = {1, 0}, sets[] = {2, 3, 4, 0};
    switch (id) {
    case SYSCALL_futex: /* 3.13+: a part of struct wait_entry */
    case SYSCALL_poll:
    case SYSCALL_ppoll: return first;
    case SYSCALL_select:
    case SYSCALL_pselect6: return sets;
    default: return none;
    }
}

void waits_prefetch(struct walk *walk)
{
    const struct pst_target *target = walk->python->target;
    size_t count = 0;
    pst_addr *addresses = calloc(2 * POINTERS * target->thread_count + 1, sizeof *addresses);
    for (size_t i = 0; addresses && i < target->thread_count; i++) {
        const struct target_syscall *syscall = &target->threads[i].syscall;
        enum syscall_id id = syscall->known ? syscall_identify(target->machine, syscall->number) : SYSCALL_OTHER;
        bool is_futex = id == SYSCALL_futex;
        if (is_futex && !has(walk->python, F(wait_entry_addr)))
            continue;
        for (const uint8_t *number = pointers_of(id); *number; number++) {
            pst_addr address = syscall->arguments[*number - 1];
            if (!address)
                continue;
            addresses[count++] = is_futex ? address - POINTED_SIZE : address;
            addresses[count++] = is_futex ? address : address + POINTED_SIZE - 1;
        }
    }
    if (addresses)
        memory_prefetch(walk->python->memory, addresses, count);
    free(addresses);
}

/* ---- descriptors ----------------------------------------------------------------------------------------- */

static pst_wait_kind kind_of(enum descriptor_kind kind)
{
    switch (kind) {
    case DESCRIPTOR_PIPE:
    case DESCRIPTOR_FIFO: return PST_WAIT_PIPE;
    case DESCRIPTOR_TCP:
    case DESCRIPTOR_UDP:
    case DESCRIPTOR_UNIX:
    case DESCRIPTOR_SOCKET: return PST_WAIT_SOCKET;
    default: return PST_WAIT_FILE;
    }
}

/* What the kernel tells of it; *known is false: nothing, as of a core. */
static bool describe(struct waits *waits, int fd, bool with_ends, struct descriptor *descriptor)
{
    if (!waits->details->descriptors)
        return false;
    pst_error *error = descriptor_describe(waits->details->descriptors, fd, with_ends, descriptor);
    pst_error_free(error); /* a process may end, or not let us look */
    return !error;
}

/* "5 (pipe, …)" */
static pst_wait_kind add_descriptor(struct waits *waits, int fd, pst_wait_kind otherwise)
{
    struct text *text = &waits->details->text;
    struct descriptor descriptor;
    text_add_signed(text, fd);
    if (!describe(waits, fd, true, &descriptor))
        return otherwise;
    pst_wait_kind kind = kind_of(descriptor.kind);
    text_add_string(text, " (");
    descriptor_write(&descriptor, text);
    text_add_char(text, ')');
    descriptor_free(&descriptor);
    return kind;
}

static pst_error *say_descriptor(struct waits *waits, struct waiting *waiting, const char *what, uint64_t fd,
                                 pst_wait_kind otherwise)
{
    text_printf(&waits->details->text, "%s of descriptor ", what);
    waiting->wait.kind = add_descriptor(waits, (int)fd, otherwise);
    return waiting_say(waits, waiting);
}

/* ---- files that are locked ------------------------------------------------------------------------------- */

static pst_error *say_file_lock(struct waits *waits, struct waiting *waiting, const char *what, uint64_t fd,
                                enum lock_kind kind)
{
    struct text *text = &waits->details->text;
    struct descriptor descriptor;
    struct descriptor_processes holders = {0};
    text_printf(text, "%s of descriptor %d", what, (int)fd);
    waiting->wait.kind = PST_WAIT_FLOCK;
    if (describe(waits, (int)fd, false, &descriptor)) {
        text_add_string(text, " (");
        descriptor_write(&descriptor, text);
        text_add_char(text, ')');
        pst_error *error = descriptor_find_holders(waits->details->descriptors, &descriptor, kind, &holders);
        if (!error && holders.count) {
            text_add_string(text, ", ");
            descriptor_write_holders(&holders, text);
        }
        pst_error_free(error);
        descriptor_free(&descriptor);
    }
    return waiting_say(waits, waiting);
}

/* ---- many descriptors at once ---------------------------------------------------------------------------- */

struct polled {
    int fds[MAX_POLLED];
    uint64_t count;          /* of all; beyond MAX_POLLED they are not listed */
};

static void add_polled(struct polled *polled, int fd)
{
    for (uint64_t i = 0; i < polled->count && i < MAX_POLLED; i++)
        if (polled->fds[i] == fd)
            return;
    if (polled->count < MAX_POLLED)
        polled->fds[polled->count] = fd;
    polled->count++;
}

static pst_error *read_pollfds(const struct python *python, pst_addr array, uint64_t count, struct polled *polled)
{
    for (uint64_t i = 0; i < count && i < MAX_POLLED; i++) {
        uint8_t bytes[4];
        TRY(memory_read(python->memory, array + i * POLLFD_SIZE, bytes, sizeof bytes));
        add_polled(polled, (int)bytes_signed(bytes, sizeof bytes));
    }
    if (count > MAX_POLLED)
        polled->count = count;
    return NULL;
}

/* The three sets of select(); their bits are cleared only when it returns. */
static pst_error *read_fd_sets(const struct python *python, const uint64_t *arguments, struct polled *polled)
{
    uint64_t bits = arguments[0] < MAX_SELECTED ? arguments[0] : MAX_SELECTED;
    for (int set = 1; set <= 3; set++) {
        uint8_t bytes[MAX_SELECTED / 8] = {0};
        if (!arguments[set])
            continue;
        TRY(memory_read(python->memory, arguments[set], bytes, (bits + 7) / 8));
        for (uint64_t fd = 0; fd < bits; fd++)
            if (bytes[fd / 8] >> fd % 8 & 1)
                add_polled(polled, (int)fd);
    }
    return NULL;
}

static pst_error *say_polled(struct waits *waits, struct waiting *waiting, const char *call,
                             const struct polled *polled)
{
    struct text *text = &waits->details->text;
    text_printf(text, "%s() of %llu descriptor%s", call, (unsigned long long)polled->count,
                polled->count == 1 ? "" : "s");
    for (uint64_t i = 0; i < polled->count && i < MAX_POLLED; i++) {
        text_add_string(text, i ? ", " : ": ");
        add_descriptor(waits, polled->fds[i], PST_WAIT_FILE);
    }
    if (polled->count > MAX_POLLED)
        text_add_string(text, " …");
    waiting->wait.kind = PST_WAIT_POLL;
    return waiting_say(waits, waiting);
}

/* Which descriptors an epoll looks at, the kernel alone knows. */
static pst_error *say_epoll(struct waits *waits, struct waiting *waiting, uint64_t fd)
{
    struct polled polled = {0};
    struct descriptor descriptor;
    if (describe(waits, (int)fd, false, &descriptor)) {
        for (size_t i = 0; i < descriptor.watched_count; i++)
            add_polled(&polled, descriptor.watched[i]);
        polled.count += descriptor.watched_more;
        descriptor_free(&descriptor);
        return say_polled(waits, waiting, "epoll_wait", &polled);
    }
    text_printf(&waits->details->text, "epoll_wait() of descriptor %d", (int)fd);
    waiting->wait.kind = PST_WAIT_POLL;
    return waiting_say(waits, waiting);
}

/* ---- children -------------------------------------------------------------------------------------------- */

pst_error *waiting_say_child(struct waits *waits, struct waiting *waiting, int64_t pid)
{
    struct text *text = &waits->details->text;
    struct pst_target *target = waits->python->target;
    char name[17];
    waiting->wait.kind = PST_WAIT_CHILD;
    if (pid <= 0) {
        text_add_string(text, "any child process");
        return waiting_say(waits, waiting);
    }
    text_printf(text, "child process %lld", (long long)pid);
    bool can_name = target->kind == PST_TARGET_PROCESS && !waits->details->walk->is_rehearsal;
    if (can_name && process_read_name(target, (pid_t)pid, name))
        text_printf(text, " (%s)", name);
    return waiting_say(waits, waiting);
}

/* waitid(): P_PID is 1 (include/uapi/linux/wait.h). */
static int64_t waited_child(enum syscall_id id, const uint64_t *arguments)
{
    enum { OF_PROCESS = 1 };
    if (id == SYSCALL_wait4)
        return (int32_t)arguments[0];
    return arguments[0] == OF_PROCESS ? (int32_t)arguments[1] : 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static pst_error *say_sleep(struct waits *waits, struct waiting *waiting)
{
    if (waiting->is_waiting && waiting->sleeps)
        return NULL; /* the frames know for how long, and what for */
    waiting->wait.kind = PST_WAIT_SLEEP;
    text_add_string(&waits->details->text, "some time to pass");
    return waiting_say(waits, waiting);
}

/* To 3.10, time.sleep() is a select() of nothing. */
static bool is_sleep(enum syscall_id id, const uint64_t *arguments)
{
    bool is_select = id == SYSCALL_select || id == SYSCALL_pselect6;
    return id == SYSCALL_nanosleep || id == SYSCALL_clock_nanosleep || (is_select && arguments[0] == 0);
}

static pst_error *say_fcntl(struct waits *waits, struct waiting *waiting, const uint64_t *arguments)
{
    bool is_ofd = arguments[1] == LOCK_WAIT_OFD;
    if (arguments[1] == F_SETLKW || is_ofd)
        return say_file_lock(waits, waiting, "lockf", arguments[0], is_ofd ? LOCK_OFD : LOCK_POSIX);
    return say_descriptor(waits, waiting, "fcntl", arguments[0], PST_WAIT_FILE);
}

static pst_error *say_other(struct waits *waits, struct waiting *waiting, int number)
{
    const char *name = syscall_get_name(waits->python->target->machine, number);
    waiting->wait.kind = PST_WAIT_UNKNOWN;
    if (name)
        text_printf(&waits->details->text, "system call %s", name);
    else
        text_printf(&waits->details->text, "system call %d", number);
    return waiting_say(waits, waiting);
}

static pst_error *say_select(struct waits *waits, struct waiting *waiting, const uint64_t *arguments)
{
    struct polled polled = {0};
    if (arguments[0] == 0)
        return say_sleep(waits, waiting);
    TRY(read_fd_sets(waits->python, arguments, &polled));
    return say_polled(waits, waiting, "select", &polled);
}

static pst_error *say_poll(struct waits *waits, struct waiting *waiting, const uint64_t *arguments)
{
    struct polled polled = {0};
    TRY(read_pollfds(waits->python, arguments[0], arguments[1], &polled));
    if (waiting->socket_call && polled.count == 1 && polled.fds[0] == waiting->socket_fd) {
        return say_descriptor(waits, waiting, waiting->socket_call, (uint64_t)waiting->socket_fd, PST_WAIT_SOCKET);
    }
    return say_polled(waits, waiting, "poll", &polled);
}

pst_error *waiting_find_in_kernel(struct waits *waits, struct waiting *waiting, const struct target_syscall *syscall)
{
    enum syscall_id id = syscall_identify(waits->python->target->machine, syscall->number);
    const uint64_t *arguments = syscall->arguments;
    pst_wait_kind told = waiting->is_waiting ? waiting->wait.kind : PST_WAIT_UNKNOWN;
    /* Of these the frames know the timeout. */
    bool is_known = told == PST_WAIT_POLL || waiting->socket_call || (waiting->sleeps && is_sleep(id, arguments));
    if (!is_known)
        *waiting = (struct waiting){.thread = waiting->thread, .index = waiting->index};
    switch (id) {
    case SYSCALL_read:
    case SYSCALL_readv:
    case SYSCALL_pread64:
    case SYSCALL_preadv:
    case SYSCALL_preadv2: return say_descriptor(waits, waiting, "read", arguments[0], PST_WAIT_FILE);
    case SYSCALL_write:
    case SYSCALL_writev:
    case SYSCALL_pwrite64:
    case SYSCALL_pwritev:
    case SYSCALL_pwritev2: return say_descriptor(waits, waiting, "write", arguments[0], PST_WAIT_FILE);
    case SYSCALL_recvfrom:
    case SYSCALL_recvmsg:
    case SYSCALL_recvmmsg: return say_descriptor(waits, waiting, "recv", arguments[0], PST_WAIT_SOCKET);
    case SYSCALL_sendto:
    case SYSCALL_sendmsg:
    case SYSCALL_sendmmsg: return say_descriptor(waits, waiting, "send", arguments[0], PST_WAIT_SOCKET);
    case SYSCALL_accept:
    case SYSCALL_accept4: return say_descriptor(waits, waiting, "accept", arguments[0], PST_WAIT_SOCKET);
    case SYSCALL_connect: return say_descriptor(waits, waiting, "connect", arguments[0], PST_WAIT_SOCKET);
    case SYSCALL_sendfile: return say_descriptor(waits, waiting, "sendfile", arguments[0], PST_WAIT_FILE);
    case SYSCALL_ioctl: return say_descriptor(waits, waiting, "ioctl", arguments[0], PST_WAIT_FILE);
    case SYSCALL_fsync:
    case SYSCALL_fdatasync: return say_descriptor(waits, waiting, "fsync", arguments[0], PST_WAIT_FILE);
    case SYSCALL_flock: return say_file_lock(waits, waiting, "flock", arguments[0], LOCK_FLOCK);
    case SYSCALL_fcntl: return say_fcntl(waits, waiting, arguments);
    case SYSCALL_poll:
    case SYSCALL_ppoll: return say_poll(waits, waiting, arguments);
    case SYSCALL_select:
    case SYSCALL_pselect6: return say_select(waits, waiting, arguments);
    case SYSCALL_epoll_wait:
    case SYSCALL_epoll_pwait:
    case SYSCALL_epoll_pwait2: return say_epoll(waits, waiting, arguments[0]);
    case SYSCALL_nanosleep:
    case SYSCALL_clock_nanosleep: return say_sleep(waits, waiting);
    case SYSCALL_wait4:
    case SYSCALL_waitid: return waiting_say_child(waits, waiting, waited_child(id, arguments));
    default: return say_other(waits, waiting, syscall->number);
    }
}
