/*
 * What a file descriptor of a live target is, as /proc shows it; who has the other end of a pipe or socket; who holds
 * the lock of a file. A core does not have it.
 *
 * Nothing is opened but what is in /proc, no namespace is entered, and no file of a file system that may wait for
 * another machine is asked for anything: see target/mounts.h. Sockets are those of the target's own network namespace.
 *
 * Names and paths are their owners' to choose, with whatever control characters: who prints them makes them harmless.
 */
#ifndef PYSTANDER_TARGET_DESCRIPTOR_H
#define PYSTANDER_TARGET_DESCRIPTOR_H

#include "base/text.h"
#include "target/locks.h"
#include "target/mounts.h"
#include "target/open_files.h"
#include "target/sockets.h"
#include "target/target.h"

enum descriptor_kind {
    DESCRIPTOR_CLOSED,    /* the process has none of this number */
    DESCRIPTOR_FILE,
    DESCRIPTOR_DIRECTORY,
    DESCRIPTOR_TERMINAL,
    DESCRIPTOR_DEVICE,    /* any other */
    DESCRIPTOR_PIPE,
    DESCRIPTOR_FIFO,      /* a pipe that has a name */
    DESCRIPTOR_TCP,
    DESCRIPTOR_UDP,
    DESCRIPTOR_UNIX,
    DESCRIPTOR_SOCKET,    /* any other; name: its protocol, NULL: not known */
    DESCRIPTOR_EPOLL,
    DESCRIPTOR_PIDFD,
    DESCRIPTOR_EVENTFD,
    DESCRIPTOR_TIMERFD,
    DESCRIPTOR_SIGNALFD,
    DESCRIPTOR_INOTIFY,
    DESCRIPTOR_OTHER,     /* name: what the kernel calls it */
};

enum { DESCRIPTOR_MAX_PROCESSES = 4, DESCRIPTOR_MAX_WATCHED = 16 }; /* that are named */

/* Some processes. */
struct descriptor_processes {
    struct {
        pid_t pid;       /* as we number it */
        char name[17];
        bool is_target;  /* it is the target itself, which then comes first */
    } items[DESCRIPTOR_MAX_PROCESSES];
    size_t count, more;  /* named, and beyond */
    bool is_complete;    /* there are no others; else a process does not let us look, or there are too many */
};

/* What is known of the other end of a pipe, a FIFO or a Unix socket. */
enum descriptor_end {
    END_UNKNOWN,      /* it was not asked for, or the kernel does not tell */
    END_NONE,         /* a socket that is not connected */
    END_UNACCEPTED,   /* the other process has not called accept() yet */
    END_SOUGHT,       /* these processes have it: `others` */
};

struct descriptor {
    enum descriptor_kind kind;
    int fd;
    char *name;          /* a path as the target has it, or see the kinds; NULL: none */
    bool is_deleted;     /* the file was, or the socket's */
    bool has_flags;
    unsigned flags;      /* as it was opened: O_RDONLY, O_NONBLOCK … */

    bool has_lock_identity; /* what /proc/locks names a file by: */
    unsigned major, minor;
    uint64_t inode;      /* of pipes and sockets, too; 0: not known */

    bool has_socket, is_v6; /* TCP, UDP: the kernel lists it; if not, it is not bound, or of another namespace */
    struct endpoint local, remote; /* the latter all zero: none */
    unsigned state;      /* socket_get_state_name() */

    enum descriptor_end end;
    char *end_name;      /* of a Unix socket: the path of the other end; NULL: none */
    struct descriptor_processes others;

    pid_t watched_pid;   /* of a pidfd: as we number it, and then in `others`; -1: it has ended, 0: not known */
    int watched[DESCRIPTOR_MAX_WATCHED]; /* of an epoll: descriptors */
    size_t watched_count, watched_more;
};

enum {
    DESCRIPTORS_KNOWN = 256,                      /* searches whose outcome is kept */
    DESCRIPTORS_MAX_NS = 2000 * 1000 * 1000,      /* for all searches; those that come later find nothing */
};

/* What a search found: many threads wait for the same. */
struct known_end {
    uint64_t key;        /* 0: nothing */
    enum descriptor_end end;
    char *end_name;
    struct descriptor_processes processes;
};

/* What was read of the kernel's tables on the way: each is read once. For one look at a target, as they change. */
struct descriptors {
    struct pst_target *target;
    struct socket_table sockets[SOCKETS_COUNT];
    bool has_read_again[SOCKETS_COUNT]; /* of which one that was sought was not there */
    struct mounts mounts;
    struct open_files open_files;
    struct lock_table locks;
    bool compared_networks, same_network; /* as ours */
    struct known_end known[DESCRIPTORS_KNOWN]; /* by their keys */
    uint64_t multiplier;  /* for these */
    uint64_t left_ns;     /* to search in */
};

MUST_USE pst_error *descriptors_open(struct pst_target *target, struct descriptors **descriptors);
void descriptors_close(struct descriptors *descriptors);

/* Of a core: PST_ERROR_UNSUPPORTED. The other ends are looked for among all processes if `with_ends`. On success
 * descriptor_free() is owed. */
MUST_USE pst_error *descriptor_describe(struct descriptors *descriptors, int fd, bool with_ends,
                                        struct descriptor *descriptor);
void descriptor_free(struct descriptor *descriptor);

/* Who holds a lock on the file that is in the way of one of that kind (LOCK_OTHER: of any). */
MUST_USE pst_error *descriptor_find_holders(struct descriptors *descriptors, const struct descriptor *descriptor,
                                            enum lock_kind kind, struct descriptor_processes *holders);

/* ---- descriptor_ends.c ----------------------------------------------------------------------------------- */

/* Fills in end, end_name and others of a pipe, FIFO, Unix socket or pidfd; `link` is its own in /proc/PID/fd. */
void descriptor_find_ends(struct descriptors *descriptors, const char *link, struct descriptor *descriptor);

void known_ends_free(struct descriptors *descriptors);

/* What is said of an open file beside what it is. */
struct fd_info {
    bool has_flags, has_mount;
    uint64_t flags, mount, inode;   /* inode 0: not said, before Linux 5.14 */
    int64_t pid;                    /* 0: not said */
    int watched[DESCRIPTOR_MAX_WATCHED];
    size_t watched_count, watched_more;
    const struct lock *wanted;      /* NULL, or: */
    bool has_wanted;                /* it holds one of flock() or of its description that is in the way of that */
};

/* Of /proc/PID/fdinfo/FD. Returns 0 or an errno. */
int fd_info_read(int directory, const char *path, struct fd_info *info);

/* ---- as one line: descriptor_text.c ---------------------------------------------------------------------- */

/* "TCP 127.0.0.1:40312 to 127.0.0.1:8080, ESTABLISHED" */
void descriptor_write(const struct descriptor *descriptor, struct text *text);
/* "process 12 (name)", "this process and process 12 (name)". Nothing, if there are none. */
void descriptor_write_processes(const struct descriptor_processes *processes, struct text *text);
/* "held by process 12 (name)"; nothing, if nobody is known. */
void descriptor_write_holders(const struct descriptor_processes *holders, struct text *text);

#endif
