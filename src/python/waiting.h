/*
 * What threads wait for.
 *
 *     wait_callee.c    what the frames say: the callee on the value stack …
 *     wait_buffered.c  … the lock of a file that it reads or writes …
 *     wait_frames.c    … and the functions of the standard library around it
 *     wait_search.c    locks that they do not show
 *     wait_kernel.c    what the system call says that the thread is in
 *     with_block.c     which “with” blocks a frame is inside of
 *     holders.c        who is inside of a “with lock:”
 *     waits.c          the two together, and who holds it
 *     deadlocks.c      who waits for whom
 */
#ifndef PYSTANDER_PYTHON_WAITING_H
#define PYSTANDER_PYTHON_WAITING_H

#include "python/details.h"
#include "python/lock_object.h"

#define NO_THREAD ((size_t)-1)

/* How much is known of the thread that holds what another waits for, or whose end it waits for. */
enum owner {
    OWNER_NONE,       /* nobody holds it, or no thread could */
    OWNER_UNKNOWN,
    OWNER_THREAD,     /* `owner_index` */
    OWNER_SELF,
    OWNER_PERHAPS,    /* `owner_index`, which may have let go of it */
    OWNER_OUTSIDE,    /* one that runs no Python now: `owner_tid` */
    OWNER_LEFT,       /* one that fork() left behind: it is listed, but does not exist */
    OWNER_GONE,       /* one that does not exist any more */
};

/* What one thread waits for, in the making. */
struct waiting {
    struct pst_thread *thread;
    size_t index;             /* of the thread in the snapshot */
    bool is_waiting;
    pst_wait wait;            /* its detail comes last */
    pst_text what;            /* the detail without the owner and the timeout; data == NULL: nothing yet */
    struct lock_object lock;  /* what it waits at, if that is one */
    uint64_t owner_ident;     /* of the thread that is the owner; 0: not known */
    enum owner owner;
    size_t owner_index;
    pid_t owner_tid;          /* of OWNER_OUTSIDE */
    const char *before_owner, *behind_owner; /* ", held by ", ""; NULL: nothing is said of the owner */
    bool sleeps;              /* in time.sleep(), which in 2.7 is a part of every wait with a timeout */
    const char *socket_call;  /* "recv": of a socket that has a timeout, so that it polls first; NULL: not known */
    int socket_fd;
    bool has_unknown_timeout; /* one was given that can't be read */
    const struct held_lock *holder; /* where the owner took it; NULL: not known */
};

struct waits {
    struct details *details;
    const struct python *python;
    struct waiting *items;    /* one for each thread of the snapshot */
    size_t count;
    struct lookup idents;     /* threads by their idents */
    struct held_lock *held;   /* by “with”, once anybody asks */
    size_t held_count, held_capacity;
    struct lookup held_by_lock; /* by lock and thread, the outermost first: positions count from the end of `held` */
    struct lookup held_by_place; /* by where a thread that waits for it is: see lock_get_place() */
    bool has_held;
};

/* What threads wait for, from all that details_walk() has; system calls were read, or are not known. */
void details_add_waits(struct details *details);

/* Brings in what the arguments of system calls point to and readers will ask for: between pause and resume, once the
 * calls were read. */
void waits_prefetch(struct walk *walk);

/* That of the thread; NULL: it is not known. */
const struct pst_interpreter *waiting_get_interpreter(const struct waits *waits, const struct waiting *waiting);

/* ---- wait_parts.c ---------------------------------------------------------------------------------------- */

/* The value of an int or float object. *is_number: it is one. */
MUST_USE pst_error *number_read(struct details *details, pst_addr object, double *number, bool *is_number);
/* "3600", "0.5" */
void number_add(double number, struct text *text);
/* An attribute of an object, under one of two names, of which the second is an older version's, or NULL. */
MUST_USE pst_error *waits_get_attribute(struct waits *waits, pst_addr object, const char *name, const char *other,
                                        pst_addr *value);
MUST_USE pst_error *waits_get_number(struct waits *waits, pst_addr object, const char *name, const char *other,
                                     double *number, bool *is_number);

/* "Lock at 0x…" */
void waiting_add_object(struct details *details, const char *name, pst_addr address);
/* Keeps what is in details->text as waiting->what. */
MUST_USE pst_error *waiting_say(struct waits *waits, struct waiting *waiting);
void waiting_be(struct waiting *waiting, pst_wait_kind kind, pst_addr address);
/* Of waiting->lock. */
MUST_USE pst_error *waiting_be_at_lock(struct waits *waits, struct waiting *waiting);
/* The number of an object, if it is one and not negative: so many seconds, or parts of one. 0 and None are none. */
MUST_USE pst_error *waiting_set_timeout(struct waits *waits, struct waiting *waiting, pst_addr object, double unit);

/* ---- wait_callee.c --------------------------------------------------------------------------------------- */

/* By what the innermost frame calls. `futex`: the address at which the thread waits, 0: it is not known, or no
 * futex. */
MUST_USE pst_error *waiting_find_in_call(struct waits *waits, struct waiting *waiting, pst_addr futex);
/* threading._shutdown() waits for one after the other of the threads that are no daemons: which it is, the lock says
 * that it waits at (to 3.12), or the futex. */
MUST_USE pst_error *waiting_be_at_exit(struct waits *waits, struct waiting *waiting, pst_addr futex);

/* ---- wait_buffered.c ------------------------------------------------------------------------------------- */

/* If the thread waits at this futex for the lock of the buffered file `file`, or of what is below a text file. */
MUST_USE pst_error *waiting_be_at_buffered(struct waits *waits, struct waiting *waiting, pst_addr file,
                                           pst_addr futex);
/* sys.stdout of the thread's interpreter; 0: it has none. */
MUST_USE pst_error *waiting_find_stdout(struct waits *waits, const struct waiting *waiting, pst_addr *file);

/* ---- wait_frames.c --------------------------------------------------------------------------------------- */

/* By the frames alone. */
MUST_USE pst_error *waiting_find_in_frames(struct waits *waits, struct waiting *waiting, pst_addr futex);
/* Whether it is the function of this name in a file whose path ends so. */
bool waiting_is_in(const struct code *code, const char *file, const char *function);
/* The first argument of a frame's function; 0: there is none. */
MUST_USE pst_error *waiting_read_self(struct waits *waits, const struct pst_frame *frame, pst_addr *self);
/* From what is known, outwards as long as each frame says more of the same. */
MUST_USE pst_error *waiting_climb(struct waits *waits, struct waiting *waiting);

/* ---- wait_search.c --------------------------------------------------------------------------------------- */

/* Looks for a lock that has this futex in the slots of the innermost frames. */
MUST_USE pst_error *waiting_search_lock(struct waits *waits, struct waiting *waiting, pst_addr futex);
/* Looks for it among the locks that threads hold: that of a thread that waits in C, say. */
MUST_USE pst_error *waiting_search_held(struct waits *waits, struct waiting *waiting, pst_addr futex);

/* ---- wait_kernel.c --------------------------------------------------------------------------------------- */

/* "child process 12 (name)"; 0 or less: any. */
MUST_USE pst_error *waiting_say_child(struct waits *waits, struct waiting *waiting, int64_t pid);
/* By the system call, which is no futex. */
MUST_USE pst_error *waiting_find_in_kernel(struct waits *waits, struct waiting *waiting,
                                           const struct target_syscall *syscall);

/* ---- with_block.c ---------------------------------------------------------------------------------------- */

enum { WITH_MAX_BLOCKS = 64 }; /* of one frame: CPython's own limit was 20 */

/* The “with” blocks that a frame is inside of, the innermost first. */
struct with_blocks {
    struct with_block {
        pst_addr manager;
        int depth, handler;  /* of the value stack, and where it is handled: a byte offset into co_code */
    } items[WITH_MAX_BLOCKS];
    size_t count;
};

MUST_USE pst_error *with_blocks_read(struct waits *waits, const struct pst_frame *frame, struct with_blocks *blocks);
/* Whether it is a method __exit__(); *self is what of, as far as it says so itself. */
MUST_USE pst_error *with_block_is_exit(struct waits *waits, pst_addr object, pst_addr *self, bool *exits);
/* The line of the “with”; *line is -1: not known. */
MUST_USE pst_error *with_block_find_line(struct waits *waits, const struct code *code, int handler, int *line);
/* Sets *found if between the “with” and where the frame is a method release() is called, be it of what it may. */
MUST_USE pst_error *with_block_find_release(struct waits *waits, const struct pst_frame *frame, int handler,
                                            bool *found);

/* ---- holders.c ------------------------------------------------------------------------------------------- */

/* A lock that a thread took by “with”. */
struct held_lock {
    pst_addr lock;
    size_t thread;           /* index */
    const struct pst_frame *frame;
    int handler;             /* of the block */
    bool has_line;           /* it was asked for */
    int line;                /* of the “with”; -1: not known */
    bool may_be_released;    /* the block has called release(), too: known with the line */
};

/* Fills waits->held, at the first call. */
MUST_USE pst_error *held_locks_list(struct waits *waits);
/* Who is inside of a “with” of this lock, of several in each other the outermost; *holder is NULL: nobody that is
 * known, or more than one thread. `thread`: the one that has the lock by its own word; NO_THREAD: it does not say. */
MUST_USE pst_error *lock_find_holder(struct waits *waits, pst_addr lock, size_t thread,
                                     const struct held_lock **holder);
/* A lock that threads hold at whose memory others wait there; 0: there is none. */
MUST_USE pst_error *held_lock_find_at(struct waits *waits, pst_addr place, pst_addr *lock);

/* ---- deadlocks.c ----------------------------------------------------------------------------------------- */

void waits_find_deadlocks(struct waits *waits);
/* "thread 12 "A"" */
void waiting_add_thread(struct text *text, const struct pst_thread *thread);

#endif
