/* A live process: what process.c and process_*.c share; and one that crashed and is held by the kernel: crash.c. */
#ifndef PYSTANDER_TARGET_PROCESS_H
#define PYSTANDER_TARGET_PROCESS_H

#include "base/text.h"
#include "target/mounts.h"
#include "target/proc.h"
#include "target/target.h"

#include <sys/user.h>

/* How far a thread is held. */
enum tracee_state {
    TRACEE_FREE,     /* not attached: it would not stop, or must not be */
    TRACEE_ATTACHED, /* attached, runs */
    TRACEE_ASKED,    /* attached and told to stop */
    TRACEE_STOPPED,
    TRACEE_GONE, /* it ended */
};

struct tracee {
    pid_t tid;
    enum tracee_state state;
    int signal; /* to be handed on when it is released; 0: none */
    uint64_t asked_ns; /* CLOCK_MONOTONIC when it was told to stop */
    uint64_t held_ns;  /* from then until it was let go */
};

/* Which files the target itself may read. */
enum { FILE_RIGHTS_MAX_GROUPS = 256 }; /* more are not looked at */
struct file_rights {
    bool known;
    bool all; /* it has the capability to read any */
    uid_t uid;
    gid_t gid, groups[FILE_RIGHTS_MAX_GROUPS];
    size_t group_count;
};

/* Of one thread. */
#if defined(__x86_64__)
enum { PROCESS_FLOAT_REGISTERS_SIZE = sizeof(struct user_fpregs_struct) };
#elif defined(__aarch64__)
enum { PROCESS_FLOAT_REGISTERS_SIZE = sizeof(struct user_fpsimd_struct) };
#else
#error "this machine is not supported: see process_registers.c"
#endif
enum { PROCESS_REGISTERS_SIZE = sizeof(struct user_regs_struct) };
struct registers {
    uint8_t general[PROCESS_REGISTERS_SIZE];
    uint8_t floats[PROCESS_FLOAT_REGISTERS_SIZE];
};

struct process {
    struct pst_target *target;
    int directory; /* O_PATH of /proc/PID: its files are this process's or none, whoever gets the number next */
    int memory_directory; /* O_PATH of the /proc/TID whose exe, maps, root … serve: the same, unless the main
                           * thread has exited and others run */
    int task_directory;   /* /proc/PID/task; -1: not opened yet */
    int root_directory;   /* O_PATH of /proc/PID/root; -1: not opened yet */
    uint64_t root_mount;  /* on which it is; 0: to be asked when it is needed */
    struct mounts mounts; /* what it sees, for files that are named by a path */
    char *root;           /* how this process names that root: "/", or a folder that it was chroot'ed into */
    char *folder;         /* the one that it works in; NULL: to be asked when it is needed */
    pid_t reader;         /* the thread whose number process_vm_readv() is given */
    int memory_file;      /* /proc/PID/mem, where process_vm_readv() is forbidden; -1: not opened */
    uint64_t stack_start;      /* of the main thread when the target was opened: shows an execve */
    uint64_t main_stack_start; /* the same as it was last seen */
    struct file_rights rights;
    int pagemap;    /* /proc/PID/pagemap; -1: not opened yet, -2: can't be had */
    bool nested;    /* in a PID namespace other than ours */
    bool own_child; /* the main thread's exit is for our caller to wait for */

    struct listing *listing; /* of the threads, which a helper makes for the next pause; NULL: none does */
    struct tracee *tracees; /* of the newest pause, in the order of target->threads */
    size_t tracee_count;
    struct registers *registers; /* of the tracees, once process_read_registers() was asked for them */
    size_t registers_count;
    struct tracee *leftovers; /* of earlier pauses: still attached, since they would not stop */
    size_t leftover_count;
};

enum { PROCESS_NAME_SIZE = 32 }; /* "4294967295/stat" */

uint64_t process_now_ns(void); /* CLOCK_MONOTONIC */

/* ---- process.c --------------------------------------------------------------------------------------- */

/* Makes a target, which must be new, one of the process `pid`: its operations, process, memory, segments, executable
 * and arguments. What is there after an error is the target's. */
MUST_USE pst_error *process_attach(struct pst_target *target, pid_t pid);
/* For target->operations. */
void process_close(struct pst_target *target);
/* The name of another process, as the target numbers it. false: it can't be told. */
bool process_read_name(const struct pst_target *target, pid_t pid, char name[17]);

/* ---- process_threads.c ------------------------------------------------------------------------------- */

/* For target->operations: has the threads listed by a helper, if there are many. */
void process_prepare(struct pst_target *target);
/* Ends that. */
void process_forget_listing(struct process *process);

/* Fills target->threads and process->tracees (as TRACEE_FREE) anew. */
MUST_USE pst_error *process_list_threads(struct process *process);

/* Adds threads born since; those it knows already stay as they are. */
MUST_USE pst_error *process_add_new_threads(struct process *process);

/* How many threads the kernel counts now, those that wait to be reaped included; 0: the process is gone. */
size_t process_count_threads(struct process *process);

/* A thread that still has its memory, or 0. */
pid_t process_find_live_thread(struct process *process);

/* ---- process_pause.c --------------------------------------------------------------------------------- */

pst_error *process_pause(struct pst_target *target);
void process_resume(struct pst_target *target);

/* ---- process_registers.c ----------------------------------------------------------------------------- */

pst_error *process_read_tls(struct pst_target *target, struct target_thread *thread);
void process_read_syscalls(struct pst_target *target);
void process_read_registers(struct pst_target *target);

/* ---- process_notes.c --------------------------------------------------------------------------------- */

size_t process_read_auxv(const struct pst_target *target, uint8_t *bytes, size_t size);
pst_error *process_write_notes(struct pst_target *target, struct text *notes);

/* ---- process_file.c ---------------------------------------------------------------------------------- */

/* Opens and reads what names of files need; for whoever is about to give up rights. */
void process_hold_root(struct process *process);
pst_error *process_open_file(struct pst_target *target, const char *path, const struct segment *segment,
                             int *fd);

/* ---- process_used.c ---------------------------------------------------------------------------------- */

bool process_find_used(void *context, pst_addr *start, pst_addr *end);

/* ---- process_denied.c -------------------------------------------------------------------------------- */

/* Why the kernel said `errnum` to `what` ("attach to thread 7"), as an error with a hint. `tid` is the
 * thread it was about; another tracer stands in the way of `attaching` only. */
pst_error *process_denied(const struct process *process, pid_t tid, int errnum, const char *what,
                          bool attaching);

#endif
