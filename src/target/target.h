/*
 * A target: where bytes, threads and images come from. One interface over a live process (process.c), a core
 * (core.c), a process that crashed (crash.c: notes of a core, memory of a process), what a small core of one of these
 * will show (replay.c) and, in tests, arrays of bytes. Nothing above src/target knows which it is, but for the few
 * questions that only one kind can answer (kind, pause).
 */
#ifndef PYSTANDER_TARGET_TARGET_H
#define PYSTANDER_TARGET_TARGET_H

#include "target/memory.h"

#include <sys/types.h>

/* What a limit is for stands beside it; reaching one is reported, never silent. */
enum {
    TARGET_MAX_SEGMENTS = 1 << 20, /* the kernel's own default (vm.max_map_count) is 65,530 */
    TARGET_MAX_THREADS = 1 << 20,
    TARGET_MAX_NOTED_SYMBOLS = 1 << 16,
    TARGET_MAX_AUXV_SIZE = 4096,   /* bytes; the kernel's has some 340 */
};

/* One mapping, in order of address, not overlapping. */
struct segment {
    pst_addr start, end;
    uint64_t file_offset;
    const char *path;    /* as the target names it, without " (deleted)"; NULL: anonymous. Points into
                          * target->segment_names */
    bool readable, writable, executable;
    bool deleted;        /* the file was deleted or replaced since it was mapped */
    uint64_t device, inode; /* of the mapped file, live targets only; 0: not known */
};

/* The symbol at an address: of a small core, what its notes tell. */
struct target_symbol {
    pst_addr address;
    const char *name;    /* "interp_head", "trace_trampoline"; "libfoo.so+0x12" */
};

/* Where a target_syscall comes from. */
enum syscall_source {
    SYSCALL_UNREAD,
    SYSCALL_REGISTERS,   /* of a thread that was stopped, or that a core has */
    SYSCALL_KERNEL,      /* /proc/…/syscall, of a thread that was left alone */
};

/* The system call that a thread is in, once syscall_read() was asked (target/syscall.h). */
struct target_syscall {
    bool known;          /* in_syscall is: it could be made out */
    bool in_syscall;     /* it waits in one, or did when it was stopped. Of these: */
    bool restarted;      /* it was stopped before, and is in restart_syscall: number and arguments are those of the call
                          * that this goes on with; if that can't be told, the number is restart_syscall's own */
    bool lacks_first_argument; /* aarch64: the result has taken its place */
    enum syscall_source source;
    int number;          /* as the target's machine has them: see syscall_identify() */
    uint64_t arguments[6];
    pst_addr stack_pointer, instruction; /* 0: not known */
    int64_t result;      /* of SYSCALL_REGISTERS: what it would return */
    uint64_t turns;      /* of SYSCALL_KERNEL: how often the thread has had a CPU; 0: not known */
};

/* One thread of the operating system. */
struct target_thread {
    pid_t tid;           /* as the host numbers it (live), or as the core does */
    pid_t inner_tid;     /* in the target's own PID namespace; equal to tid outside of one */
    char name[17];       /* the kernel's, NUL-terminated; "" if not known */
    bool has_name;
    char state;          /* 'R', 'S', 'D', 'T', 't', 'Z' …: before it was stopped; 0: not known */
    bool has_tls;
    pst_addr tls;        /* the thread pointer (x86-64: fs_base, aarch64: tpidr_el0), see target_thread_tls() */
    bool running;        /* it did not stop in time: what is read of it may be torn */
    bool moved;          /* it was not stopped, and was elsewhere before it was read than after */
    struct target_syscall syscall;
};

struct pst_target;
struct text;

struct target_operations {
    void (*close)(struct pst_target *target);
    /* Says that pause() will come: what takes long can begin while the caller reads memory. NULL: nothing does. */
    void (*prepare)(struct pst_target *target);
    /* Stops every thread, those born meanwhile included, and fills target->threads anew. Threads that do
     * not stop in time are marked `running`; an error means that nothing could be stopped at all, and
     * everything is released again. NULL for a kind that cannot run. */
    pst_error *(*pause)(struct pst_target *target);
    void (*resume)(struct pst_target *target);
    /* Fills in thread->tls, of a stopped thread. NULL: it is there already, or can't be had. */
    pst_error *(*read_tls)(struct pst_target *target, struct target_thread *thread);
    /* Fills in details.uid and gid. NULL: they are there already, or can't be had. */
    void (*read_user)(struct pst_target *target);
    /* Opens a file that the target names, read-only, as the target sees it; *fd is -1 when there is none or
     * it must not be used. `segment`, when not NULL, is a mapping of that file: a live target then serves
     * even a deleted one (map_files). Never follows a link out of the target's root. */
    pst_error *(*open_file)(struct pst_target *target, const char *path, const struct segment *segment, int *fd);
    /* Fills in thread->syscall of all threads, as it comes. Between pause and resume, as read_tls. NULL: it is there
     * already, or can't be had. For syscall_read() alone. */
    void (*read_syscalls)(struct pst_target *target);
    /* Reads the registers of all stopped threads, for write_notes(). NULL: there is nothing to stop. */
    void (*read_registers)(struct pst_target *target);
    /* The auxiliary vector, up to and with its AT_NULL: how many of the `size` bytes it has; 0: it is not known. */
    size_t (*read_auxv)(const struct pst_target *target, uint8_t *bytes, size_t size);
    /* The notes of a core of this target: see target/notes.h. */
    pst_error *(*write_notes)(struct pst_target *target, struct text *notes);
};

struct pst_target {
    const struct target_operations *operations;
    pst_target_kind kind;
    struct memory *memory;

    pid_t pid;                 /* 0: not known */
    char *path;                /* of the core; "-": standard input */
    char *executable;          /* NULL: not known */
    char *arguments;           /* NUL-separated */
    size_t arguments_size;
    uint16_t machine;          /* EM_X86_64, EM_AARCH64 */
    bool has_signal;
    pst_signal signal;         /* owns its `place` and `instruction_place` */
    pst_process_details details; /* of a live process, complete after operations->read_user() */
    bool is_forked;            /* fork() made it, and it has run no other program since */
    int64_t start_time_ns;     /* CLOCK_REALTIME when the process started (live), 0: not known */

    uint64_t content_size;     /* of a core: bytes of memory that it can have at most; 0: not known */
    struct segment *segments;
    size_t segment_count;
    char *segment_names;       /* the bytes behind their paths */
    struct target_thread *threads;
    size_t thread_count;
    struct target_symbol *symbols_noted; /* NULL: none */
    size_t symbol_noted_count;
    char *symbol_names;        /* the bytes behind their names */
    struct error_list errors;

    /* The caller's wishes (copies, owned). */
    char *wanted_executable, *sysroot, *debug_dir, *layout_file, *assume_version;
    bool no_pause;
    unsigned pause_timeout_ms;
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;

    bool is_searching;         /* for the interpreter's image: what other files lack then is not missed */

    uint64_t pause_ns;         /* the longest that any one thread was held by the last pause(); valid after
                                * resume(); 0: none was */

    struct process *process;       /* a live target's own, and a dying one's: see target/process.h, target/crash.c */
    struct core *core;             /* a core's own: see target/core.h */
    struct source_cache *sources;  /* see target/source.h */
    struct symbol_cache *symbols;  /* see image/symbolize.h */
    void (*symbols_close)(struct symbol_cache *symbols);
    struct python *python;         /* the interpreter, once it was found: see python/python.h; */
    void (*python_close)(struct python *python);
};

/* A limit: `most`; of a core that has little memory, `least` and one for each `size` bytes of it. For things that take
 * as much of the target, but that a forged one has again and again. */
uint64_t target_limit(const struct pst_target *target, uint64_t most, uint64_t least, uint64_t size);

/* What follows from it for target->memory. */
void target_limit_work(struct pst_target *target);

/* The segment that holds `address`, or NULL. */
const struct segment *target_find_segment(const struct pst_target *target, pst_addr address);
/* The thread with this tid (inner: as numbered inside its PID namespace), or NULL. */
struct target_thread *target_find_thread(const struct pst_target *target, pid_t tid);
struct target_thread *target_find_inner_thread(const struct pst_target *target, pid_t tid);

/* What the notes say, by address and by name; NULL and 0: nothing. */
const char *target_find_noted_name(const struct pst_target *target, pst_addr address);
pst_addr target_find_noted_symbol(const struct pst_target *target, const char *name);

/* Shared by the kinds: a zeroed target with copies of the options. */
MUST_USE pst_error *target_new(pst_target_kind kind, const pst_target_options *options,
                               struct pst_target **target);

#endif
