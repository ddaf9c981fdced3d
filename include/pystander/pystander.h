/*
 * pystander: look into a CPython process, or its core file, from outside.
 *
 * The way of a program that uses this library:
 *
 *     pst_target *target;
 *     pst_snapshot *snapshot;
 *     pst_error *error = pst_target_open_process(pid, NULL, &target);
 *     if (!error) error = pst_snapshot_take(target, NULL, &snapshot);
 *     … walk the snapshot: interpreters, threads, frames …
 *     pst_snapshot_free(snapshot);
 *     pst_target_close(target);
 *
 * Nothing here runs, writes or allocates anything in the target. A live target is stopped only inside
 * pst_snapshot_take() and is always released before it returns.
 *
 * Errors: every function that can fail returns a `pst_error *`, NULL for success, that the caller frees
 * with pst_error_free(). What could not be read of a thread or frame does not fail the snapshot: the error
 * hangs on that thread or frame, beside what could be read.
 *
 * Ownership: a pointer got from a snapshot or a target is borrowed; it lives until pst_snapshot_free() or
 * pst_target_close(). A snapshot does not need its target any more, once it is taken.
 *
 * Units: addresses are the target's own (never pointers of this process); `size` is bytes, `count` elements.
 *
 * Threads: a target and its snapshots belong to one thread at a time (ptrace knows one tracer thread).
 */
#ifndef PYSTANDER_PYSTANDER_H
#define PYSTANDER_PYSTANDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PST_API __attribute__((visibility("default")))
#define PST_MUST_USE __attribute__((warn_unused_result))
#else
#define PST_API
#define PST_MUST_USE
#endif

#define PST_VERSION "0.1.0"

/* An address in the target. */
typedef uint64_t pst_addr;

/* Bytes of text, UTF-8 with lone surrogates as three bytes each (“WTF-8”), so that any Python str fits.
 * Not NUL-terminated; may hold NULs. data == NULL: there is none (absent, or it could not be read). */
typedef struct pst_text {
    const char *data;
    size_t size;
} pst_text;

typedef struct pst_error pst_error;
typedef struct pst_target pst_target;
typedef struct pst_snapshot pst_snapshot;
typedef struct pst_interpreter pst_interpreter;
typedef struct pst_thread pst_thread;
typedef struct pst_frame pst_frame;

/* ---- errors ---------------------------------------------------------------------------------------- */

typedef enum pst_error_code {
    PST_ERROR_USAGE = 1,     /* the caller's arguments make no sense */
    PST_ERROR_OPEN,          /* no such process or file */
    PST_ERROR_PERMISSION,    /* the kernel forbids it; the message says which rule */
    PST_ERROR_NOT_CORE,      /* a file that is no ELF core */
    PST_ERROR_NOT_PYTHON,    /* no CPython interpreter in the target */
    PST_ERROR_UNSUPPORTED,   /* a CPython whose layout is not known */
    PST_ERROR_READ,          /* the target's memory could not be read there */
    PST_ERROR_CORRUPT,       /* what was read cannot be what it should be */
    PST_ERROR_LIMIT,         /* a named limit was reached; the rest was left out */
    PST_ERROR_NOT_STOPPED,   /* a thread did not stop in time and was read as it ran */
    PST_ERROR_MEMORY,        /* this process is out of memory */
    PST_ERROR_SYSTEM,        /* any other failure of the operating system */
} pst_error_code;

PST_API void pst_error_free(pst_error *error);
PST_API pst_error_code pst_error_get_code(const pst_error *error);
/* The errno behind it, 0 if none. */
PST_API int pst_error_get_errno(const pst_error *error);
/* The address whose reading failed, 0 if none. */
PST_API pst_addr pst_error_get_address(const pst_error *error);
/* Where it happened, outermost first: "thread 4711: frame 3". Empty if at no place. */
PST_API const char *pst_error_get_where(const pst_error *error);
/* What happened: the field and its address, the cause. One line. */
PST_API const char *pst_error_get_message(const pst_error *error);
/* What the user can do about it, or NULL. */
PST_API const char *pst_error_get_hint(const pst_error *error);
/* Errors that hang on a snapshot, thread or frame form a list. */
PST_API const pst_error *pst_error_get_next(const pst_error *error);

/* ---- targets --------------------------------------------------------------------------------------- */

typedef struct pst_target_options {
    size_t size;                /* sizeof(pst_target_options) */
    const char *executable;     /* of a core: its executable, where the core's own path does not serve */
    const char *sysroot;        /* of a core: where its files are found instead of / */
    const char *debug_dir;      /* where separate debug information is, and a core's files, beside /usr/lib/debug */
    const char *layout_file;    /* a layout file that settles the layout */
    const char *assume_version; /* "3.14": take this version's table whatever the target says */
    bool no_pause;              /* never attach: read a live target while it runs */
    unsigned pause_timeout_ms;  /* how long to wait for a thread to stop; 0: 1000 */
    /* Of a core that must be decompressed or read from a pipe: called again and again while it is opened, with the
     * bytes of input that are done and those that there are (0: not known). */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
} pst_target_options;

/* `options` may be NULL. On success *target is the caller's to close. */
PST_API PST_MUST_USE pst_error *pst_target_open_process(pid_t pid, const pst_target_options *options,
                                                        pst_target **target);
/* The core may be compressed with gzip, zstd, xz or lz4, and be a FIFO; "-" is standard input. It then goes into an
 * unlinked temporary file in $TMPDIR, /var/tmp or /tmp, for as long as the target is open. */
PST_API PST_MUST_USE pst_error *pst_target_open_core(const char *path, const pst_target_options *options,
                                                     pst_target **target);
PST_API void pst_target_close(pst_target *target);

/*
 * A process that crashed, from the program that core_pattern names (core(5)), which the kernel feeds the core through a
 * pipe: its kind is PST_TARGET_CORE, but its memory and files are read from the process itself, which the kernel holds.
 *
 * Reads the core's head from the pipe `fd`, without which nothing of this works; the rest must stay there, for the
 * process goes once the pipe is read to its end. *head is the caller's to free(), after an error too: it is what was
 * read.
 */
PST_API PST_MUST_USE pst_error *pst_crash_read_head(int fd, uint8_t **head, size_t *head_size);
/* `pid` as the initial PID namespace has it (%P). If the process is gone, even if another has got its number, the
 * target has only what the head says, and its errors say so. */
PST_API PST_MUST_USE pst_error *pst_target_open_crash(pid_t pid, const uint8_t *head, size_t head_size,
                                                      const pst_target_options *options, pst_target **target);
/* The process is still there: all that was read of it was its own. */
PST_API bool pst_crash_is_held(const pst_target *target);

typedef enum pst_target_kind { PST_TARGET_PROCESS, PST_TARGET_CORE } pst_target_kind;

/* Why a core was written. Strings are NULL where nothing is known, and borrowed until the target is closed. */
typedef struct pst_signal {
    int number;
    const char *name;          /* "SIGSEGV" */
    bool has_code;             /* the core says more than the number; if not, neither does what follows, but for tid */
    int code;                  /* si_code */
    const char *code_name;     /* "SEGV_MAPERR" */
    const char *description;   /* of the code: "address not mapped" */
    bool has_address;
    pst_addr address;          /* si_addr of a fault */
    const char *place;         /* what is there: "in /usr/lib/libfoo.so, mapped read-only" */
    bool has_sender;           /* a process sent it: si_pid, si_uid */
    pid_t sender_pid;          /* 0: one outside of the target's PID namespace */
    uid_t sender_uid;
    bool has_syscall;          /* of SIGSYS: */
    int syscall;               /* the number of the system call … */
    uint32_t syscall_arch;     /* … in this architecture (AUDIT_ARCH_…) */
    bool has_instruction;      /* of a fault, if the instruction is in a mapped file: */
    pst_addr instruction;
    /* "/usr/lib/libfoo.so+0x1234", counted from the first byte of the file as it is mapped */
    const char *instruction_place;
    pid_t tid;                 /* of the thread that took it; 0: not known */
} pst_signal;

/* What wrote a core. */
typedef enum pst_writer {
    PST_WRITER_UNKNOWN,
    PST_WRITER_KERNEL,
    PST_WRITER_DEBUGGER,  /* gdb's gcore, or what writes cores as it does: the process was alive */
    PST_WRITER_PYSTANDER, /* pst_core_write(), of a live process */
} pst_writer;

typedef struct pst_process_details {
    pid_t parent;              /* 0: not known */
    bool has_user;
    uid_t uid;                 /* real ones; in a core, as the process's own user namespace numbers them */
    gid_t gid;
    bool has_start;            /* a live process */
    int64_t start;             /* when it started, in seconds since 1970, UTC */
    bool has_written;          /* a core that is a file */
    int64_t written;           /* when that was last written to, likewise: a core does not say when the process died. Of
                                * one that pst_core_write() made: when it, or the core that it was made of, was */
    pst_writer writer;         /* of a core */
} pst_process_details;

PST_API pst_target_kind pst_target_get_kind(const pst_target *target);
PST_API pid_t pst_target_get_pid(const pst_target *target);              /* 0: not known */
PST_API const char *pst_target_get_path(const pst_target *target);       /* of the core file, else NULL */
PST_API const char *pst_target_get_executable(const pst_target *target); /* NULL: not known */
PST_API const char *pst_target_get_arch(const pst_target *target);       /* "x86_64", "aarch64" */
/* The command line's arguments, one at a time; data == NULL past the end (at index 0: not known). */
PST_API pst_text pst_target_get_argument(const pst_target *target, size_t index);
/* false: it did not die of a signal (a live process, a gcore). */
PST_API bool pst_target_get_signal(const pst_target *target, pst_signal *signal);
/* Of a live process, asks the system on its first call. */
PST_API void pst_target_get_process_details(pst_target *target, pst_process_details *details);
/* What was noticed about the target itself (a truncated core, a file that does not match …). */
PST_API const pst_error *pst_target_get_errors(const pst_target *target);

/* ---- snapshots ------------------------------------------------------------------------------------- */

typedef struct pst_snapshot_options {
    size_t size;           /* sizeof(pst_snapshot_options) */
    size_t max_frames;     /* innermost frames to keep of each thread; 0: all */
    const pid_t *tids;     /* only these threads … */
    size_t tid_count;      /* … or all, if 0 */
    bool with_hooks;       /* the hooks of interpreters and threads will be asked */
    bool with_locals;      /* the variables of frames will be asked, and shown so far: */
    size_t value_depth;    /* the items of so many containers in each other; 0: 4 */
    size_t value_items;    /* so many items of each; 0: 10 */
    size_t value_chars;    /* so many characters of the whole value; 0: 300. Each may be PST_UNBOUNDED */
} pst_snapshot_options;

#define PST_UNBOUNDED SIZE_MAX

/* Stops a live target, reads what every Python thread is doing, and lets it go. */
PST_API PST_MUST_USE pst_error *pst_snapshot_take(pst_target *target, const pst_snapshot_options *options,
                                                  pst_snapshot **snapshot);
PST_API void pst_snapshot_free(pst_snapshot *snapshot);

/* The interpreter that was found. */
typedef struct pst_python {
    uint32_t hexversion;   /* sys.hexversion */
    const char *version;   /* "3.12.1", "3.15.0rc1" */
    bool free_threaded;
    bool debug_build;
    pst_addr runtime;      /* _PyRuntime; before 3.7, interp_head */
} pst_python;

PST_API const pst_python *pst_snapshot_get_python(const pst_snapshot *snapshot);
/* Where the offsets came from: "table", "debug-offsets", "type-members", "dwarf", "file"; NULL past the end. */
PST_API const char *pst_snapshot_get_layout_source(const pst_snapshot *snapshot, size_t index);
/* The longest that any one thread of a live target was held, from being told to stop until it was let go again,
 * in nanoseconds; 0 for a core or an unpaused target. */
PST_API uint64_t pst_snapshot_get_pause_ns(const pst_snapshot *snapshot);
PST_API const pst_error *pst_snapshot_get_errors(const pst_snapshot *snapshot);
/* true: something could not be read, here or in a thread or frame. */
PST_API bool pst_snapshot_is_partial(const pst_snapshot *snapshot);

PST_API size_t pst_snapshot_get_interpreter_count(const pst_snapshot *snapshot);
PST_API const pst_interpreter *pst_snapshot_get_interpreter(const pst_snapshot *snapshot, size_t index);
PST_API size_t pst_snapshot_get_thread_count(const pst_snapshot *snapshot);
PST_API const pst_thread *pst_snapshot_get_thread(const pst_snapshot *snapshot, size_t index);

typedef enum pst_gil { PST_GIL_UNKNOWN, PST_GIL_FREE, PST_GIL_HELD, PST_GIL_DISABLED } pst_gil;
/* A truth value that may be unknown. */
typedef enum pst_maybe { PST_NO = 0, PST_YES = 1, PST_UNKNOWN = -1 } pst_maybe;

PST_API int64_t pst_interpreter_get_id(const pst_interpreter *interpreter);
PST_API pst_addr pst_interpreter_get_address(const pst_interpreter *interpreter);
PST_API pst_gil pst_interpreter_get_gil(const pst_interpreter *interpreter);

PST_API pid_t pst_thread_get_tid(const pst_thread *thread);                  /* 0: not known */
PST_API bool pst_thread_has_python(const pst_thread *thread);                /* false: it runs no Python */
PST_API uint64_t pst_thread_get_ident(const pst_thread *thread);             /* threading ident; 0: none */
PST_API pst_text pst_thread_get_name(const pst_thread *thread);              /* threading.Thread.name */
PST_API pst_text pst_thread_get_os_name(const pst_thread *thread);           /* the kernel's */
PST_API int64_t pst_thread_get_interpreter_id(const pst_thread *thread);
PST_API bool pst_thread_is_main(const pst_thread *thread);
PST_API pst_maybe pst_thread_holds_gil(const pst_thread *thread);
PST_API char pst_thread_get_state(const pst_thread *thread);                 /* 'R', 'S', 'D' …; 0: not known */
PST_API bool pst_thread_is_truncated(const pst_thread *thread);              /* outer frames were left out */
PST_API size_t pst_thread_get_frame_count(const pst_thread *thread);
/* Frame 0 is the innermost call. */
PST_API const pst_frame *pst_thread_get_frame(const pst_thread *thread, size_t index);
PST_API const pst_error *pst_thread_get_errors(const pst_thread *thread);

/* What co_positions() gives for the instruction being executed; -1: none. Columns are 0-based UTF-8 byte
 * offsets; before 3.11 there is `line` alone. */
typedef struct pst_position {
    int line, end_line, column, end_column;
} pst_position;

PST_API pst_text pst_frame_get_name(const pst_frame *frame);        /* co_name */
PST_API pst_text pst_frame_get_qualname(const pst_frame *frame);    /* co_qualname, 3.11+ */
PST_API pst_text pst_frame_get_file(const pst_frame *frame);        /* co_filename */
PST_API int pst_frame_get_firstlineno(const pst_frame *frame);      /* co_firstlineno */
PST_API pst_position pst_frame_get_position(const pst_frame *frame);
/* frame.f_lasti as Python code sees it: a byte offset into co_code; -1: not started; false: not known. */
PST_API bool pst_frame_get_lasti(const pst_frame *frame, int *lasti);
PST_API pst_addr pst_frame_get_code(const pst_frame *frame);        /* the PyCodeObject; 0: not known */
/* Which copy of the code object's bytecode it executes (pst_code_get_copies()); 0: the code object's own. */
PST_API size_t pst_frame_get_copy(const pst_frame *frame);
PST_API const pst_error *pst_frame_get_errors(const pst_frame *frame);

/* A variable of a frame that has a value. */
typedef enum pst_variable_kind {
    PST_VARIABLE_ARGUMENT,  /* one that inner functions share, too */
    PST_VARIABLE_LOCAL,
    PST_VARIABLE_CELL,      /* a local that inner functions share */
    PST_VARIABLE_FREE,      /* of an outer function */
} pst_variable_kind;

typedef struct pst_variable {
    pst_text name;
    pst_variable_kind kind;
    pst_addr address;       /* of the object */
    pst_text type;          /* "int", "collections.deque"; data == NULL: not known */
    /* What repr() gives, within the bounds, or "<module.Class at 0x…>" with its attributes, if the object's __repr__ is
     * object's own, or is written in Python and not known; data == NULL: nothing could be read. */
    pst_text repr;
    const pst_error *error; /* why not all of it could be read, or NULL */
    bool is_class;          /* the object is a class, whatever its metaclass is called; in 2.7 it may be no type */
} pst_variable;

/* Arguments first, in the order of the signature; then locals, cells, free variables. NULL past the end, or if
 * pst_snapshot_options.with_locals was not set. */
PST_API const pst_variable *pst_frame_get_variable(const pst_frame *frame, size_t index);

/* ---- exceptions ----------------------------------------------------------------------------------------- */

/* A line of a traceback. */
typedef struct pst_traceback_entry {
    pst_text name, qualname; /* of the function: co_name; co_qualname, 3.11+ */
    pst_text file;
    int line;                /* -1: not known */
} pst_traceback_entry;

typedef struct pst_exception pst_exception;
struct pst_exception {
    pst_addr address;        /* 0: there is no object yet (to 3.11) */
    pst_text type;           /* "ValueError", "requests.exceptions.Timeout"; data == NULL: not known */
    pst_text message;        /* as str() gives it, as far as no Python code must be run for that, and at most so many
                              * characters as pst_snapshot_options.value_chars; data == NULL: not known */
    const pst_text *notes;   /* __notes__, 3.11+, as tracebacks show them */
    size_t note_count;
    bool handled;            /* an except, finally or with block has it, or had; false: it is on its way to one, or
                              * found none */
    const pst_traceback_entry *traceback; /* the most recent call last */
    size_t traceback_count;
    bool traceback_is_cut;   /* entries were left out, there where the gap is */
    const pst_exception *cause, *context; /* __cause__, __context__; NULL: none */
    bool suppress_context;   /* raise … from …: tracebacks do not show the context */
    const pst_exception *const *exceptions; /* of an ExceptionGroup */
    size_t exception_count;
    bool message_is_str;     /* false: str() may say something else, as a __str__ that is not known was not run; the
                              * message is made of `args` */
    bool is_repeated;        /* one of a group that was told of already, in this thread: here are only its type and
                              * message */
    size_t traceback_gap;    /* traceback_is_cut: the index of the entry before which entries are missing; it may be
                              * traceback_count: the innermost ones are */
    size_t traceback_gap_count; /* how many are; 0: not known */
};

/* Those that the thread handles and the one that it raises, innermost first; NULL past the end. What could not be read
 * of them is on the thread's errors. */
PST_API const pst_exception *pst_thread_get_exception(const pst_thread *thread, size_t index);

/* ---- waiting ---------------------------------------------------------------------------------------------- */

typedef enum pst_wait_kind {
    PST_WAIT_UNKNOWN,     /* it is known to wait, but not for what */
    PST_WAIT_GIL,
    PST_WAIT_LOCK,
    PST_WAIT_RLOCK,
    PST_WAIT_CONDITION,
    PST_WAIT_SEMAPHORE,
    PST_WAIT_EVENT,
    PST_WAIT_BARRIER,
    PST_WAIT_QUEUE,
    PST_WAIT_THREAD,      /* the end of one */
    PST_WAIT_FUTURE,
    PST_WAIT_IMPORT,      /* another thread imports the module */
    PST_WAIT_SLEEP,
    PST_WAIT_CHILD,       /* the end of a process */
    PST_WAIT_POLL,        /* select(), poll(), epoll */
    PST_WAIT_FILE,
    PST_WAIT_PIPE,
    PST_WAIT_SOCKET,
    PST_WAIT_FLOCK,       /* the lock of a file */
} pst_wait_kind;

/* What a thread waits for, and who could end that. */
typedef struct pst_wait {
    pst_wait_kind kind;
    pst_addr address;     /* of the lock, condition, queue …, an object; 0: none */
    pst_text detail;      /* "Lock at 0x7f…, held by thread 12 "A", in f (file.py:10)": behind “waiting for” */
    pid_t owner_tid;      /* the thread that holds it or, of PST_WAIT_THREAD, that is waited for; 0: not known, or
                           * only perhaps */
    bool has_timeout;
    double timeout;       /* as it was given, in seconds */
} pst_wait;

/* NULL: it runs, or runs no Python, or is not known to wait. */
PST_API const pst_wait *pst_thread_get_wait(const pst_thread *thread);

/* Threads that wait for each other, so that none of them goes on. */
typedef struct pst_deadlock {
    const pid_t *tids;    /* each waits for the next, the last for the first */
    const pst_text *lines; /* of each, what for: "thread 12 "A" waits for Lock at 0x…, held by thread 13 "B"" */
    size_t tid_count;
} pst_deadlock;

/* NULL past the end. */
PST_API const pst_deadlock *pst_snapshot_get_deadlock(const pst_snapshot *snapshot, size_t index);

/* ---- hooks ------------------------------------------------------------------------------------------ */

/* What was hooked into an interpreter or thread; read with pst_snapshot_options.with_hooks. What could not be read is
 * left out, and the snapshot's or the thread's errors say so. */

typedef struct pst_hook {
    pst_addr function;   /* 0: none */
    const char *symbol;  /* "name", "name+0x12", "libfoo.so+0x1234"; NULL: none, or it is in no mapped file */
} pst_hook;

/* One of several. */
typedef struct pst_indexed_hook {
    size_t index;
    pst_hook hook;
} pst_indexed_hook;

/* A tool that called sys.monitoring.use_tool_id(). */
typedef struct pst_monitoring_tool {
    int id;
    pst_text name;
} pst_monitoring_tool;

/* What sys.settrace(), sys.setprofile() or the C functions behind them have set. */
typedef struct pst_thread_hook {
    pst_hook hook;       /* the C function; of a Python one it is CPython's own that calls it */
    pst_addr object;     /* what it is called with: the Python function; 0: none */
    pst_text type;       /* the name of the object's type: "function", "method", "CTracer" */
    pst_text name;       /* its qualified name (2.7: name), if it is a function or method */
    pst_text file;       /* and where it stands */
    int line;            /* -1: not known */
} pst_thread_hook;

/* PEP 523 (3.6+): the function that evaluates frames in place of CPython's own; .function is 0 if there is none. */
PST_API pst_hook pst_interpreter_get_eval_frame(const pst_interpreter *interpreter);
/* These three: *count of them; NULL: this version has none of the kind (or they were not asked for, or could not be
 * read). The users of co_extra (3.6+), each index with its freefunc: */
PST_API const pst_indexed_hook *pst_interpreter_get_code_extra(const pst_interpreter *interpreter, size_t *count);
/* PyCode_AddWatcher() (3.12+): */
PST_API const pst_indexed_hook *pst_interpreter_get_code_watchers(const pst_interpreter *interpreter, size_t *count);
/* sys.monitoring (3.12+): */
PST_API const pst_monitoring_tool *pst_interpreter_get_monitoring_tools(const pst_interpreter *interpreter,
                                                                        size_t *count);
/* NULL: none. */
PST_API const pst_thread_hook *pst_thread_get_trace(const pst_thread *thread);
PST_API const pst_thread_hook *pst_thread_get_profile(const pst_thread *thread);

/* ---- code objects ----------------------------------------------------------------------------------- */

/* One code object, decoded. Borrowed from the search that found it until the search's next step. */
typedef struct pst_code pst_code;
/* A search for code objects: a stream, so that a million of them take no more memory here than one. */
typedef struct pst_code_search pst_code_search;

typedef enum pst_code_which {
    PST_CODE_RUNNING,   /* those that a frame runs, suspended generators and coroutines included */
    PST_CODE_ALL,       /* every code object in the target's writable memory */
    PST_CODE_AT,        /* those at the given addresses */
} pst_code_which;

typedef struct pst_code_options {
    size_t size;                /* sizeof(pst_code_options) */
    pst_code_which which;
    const pst_addr *addresses;  /* PST_CODE_AT: where */
    size_t address_count;
    const char *name;           /* a glob that co_name or co_qualname must match; NULL: any */
    const char *file;           /* a glob that co_filename, or the last part of it, must match; NULL: any */
    bool head_only;             /* names, file, first line and sizes will do: nothing else is read */
    bool with_instructions;     /* pst_code_get_instructions() will be asked */
} pst_code_options;

/* Begins a search in the target of `snapshot`, which must outlive it. PST_CODE_RUNNING takes the frames from the
 * snapshot. A live target runs on during the search: code objects do not change but for their bytecode's
 * specialisation, and what was torn or has died meanwhile is noticed. */
PST_API PST_MUST_USE pst_error *pst_code_search_open(pst_target *target, const pst_snapshot *snapshot,
                                                     const pst_code_options *options, pst_code_search **search);
/* The next one, in order of address; NULL when there is none any more. */
PST_API PST_MUST_USE pst_error *pst_code_search_next(pst_code_search *search, const pst_code **code);
/* What could not be searched; complete after the last step. */
PST_API const pst_error *pst_code_search_get_errors(const pst_code_search *search);
/* Bytes of memory that were searched so far. */
PST_API uint64_t pst_code_search_get_scanned_size(const pst_code_search *search);
PST_API void pst_code_search_close(pst_code_search *search);

/* The numbers of a code object under CPython's names. co_posonlyargcount is 0 before 3.8 (where it does not exist),
 * co_kwonlyargcount in 2.7. A number that could not be read is -1, and an error says so. */
typedef struct pst_code_numbers {
    int64_t argcount, posonlyargcount, kwonlyargcount, nlocals, stacksize, flags, firstlineno;
} pst_code_numbers;

/* The lists of str. */
typedef enum pst_code_list { PST_CODE_NAMES, PST_CODE_VARNAMES, PST_CODE_FREEVARS, PST_CODE_CELLVARS } pst_code_list;

typedef enum pst_code_part {
    PST_CODE_BYTECODE,        /* co_code: no specialisation, no instrumentation, caches zero */
    PST_CODE_ADAPTIVE,        /* 3.11+: the code units as they stand in memory */
    PST_CODE_LINETABLE,       /* co_lnotab to 3.9, co_linetable from 3.10 */
    PST_CODE_EXCEPTIONTABLE,  /* 3.11+ */
} pst_code_part;

/* data == NULL: there is none, or it could not be read. */
typedef struct pst_bytes {
    const uint8_t *data;
    size_t size;
} pst_bytes;

typedef struct pst_constant {
    pst_text repr;      /* as Python's own repr(); data == NULL: a code object, or it could not be read */
    pst_addr code;      /* of a nested code object, else 0 */
} pst_constant;

/* Instructions [start, end), byte offsets into co_code; line -1: none. As co_lines() gives them (3.10+); before, what
 * co_lnotab says in the same form. */
typedef struct pst_line_range {
    int start, end, line;
} pst_line_range;

/* An entry of the exception table (3.11+): byte offsets into co_code. */
typedef struct pst_exception_range {
    int start, end, target, depth;
    bool lasti;
} pst_exception_range;

/* What _PyCode_SetExtra() attached. */
typedef struct pst_code_extra {
    size_t index;
    pst_addr value;
    pst_addr freefunc;      /* registered for the index; 0: none */
    const char *symbol;     /* of freefunc; NULL: 0, or no symbol is known */
} pst_code_extra;

/* One instruction, as that version's own dis module tells of it; an EXTENDED_ARG is one of its own. */
typedef struct pst_instruction {
    int offset;             /* byte offset into co_code */
    int opcode;             /* as in co_code */
    const char *name;       /* "LOAD_ATTR"; "<7>" where there is none */
    const char *adaptive;   /* what stands in memory now: "LOAD_ATTR_INSTANCE_VALUE"; before 3.11: NULL */
    bool has_arg;
    int64_t arg;            /* EXTENDED_ARGs taken in */
    pst_text argrepr;       /* what dis shows in parentheses; empty: nothing */
    int jump_target;        /* byte offset; -1: no jump */
    bool is_jump_target;    /* dis marks it: ">>", from 3.13 on "L1:" */
    int label;              /* 3.13+: the number in its mark; 0: it has none */
    bool starts_line;
    pst_position position;  /* before 3.11: `line` alone */
    int cache_size;         /* bytes of inline caches behind it */
    /* 3.11+, of instructions that can be specialised and have a cache: how many more executions until it is tried (or,
     * specialised wrongly, until it is given up), and how far that backs off when it fails; -1: it has none. `cache` is
     * the code unit that both stand in. */
    int counter, backoff;
    uint16_t cache;
} pst_instruction;

/* A copy of the bytecode, which a thread executes and specialises in place of the code object's own (co_tlbc:
 * free-threaded builds of 3.14 and later). */
typedef struct pst_code_copy {
    size_t index;                          /* from 1 on: what has index 0 is PST_CODE_ADAPTIVE */
    pst_bytes adaptive;
    /* pst_code_get_instructions(), as they stand in this copy; NULL: they were not asked for. */
    const pst_instruction *instructions;
} pst_code_copy;

PST_API pst_addr pst_code_get_address(const pst_code *code);
PST_API pst_text pst_code_get_name(const pst_code *code);
PST_API pst_text pst_code_get_qualname(const pst_code *code);   /* 3.11+ */
PST_API pst_text pst_code_get_filename(const pst_code *code);
PST_API const pst_code_numbers *pst_code_get_numbers(const pst_code *code);
/* "OPTIMIZED", "NEWLOCALS" … of the flags that are set, lowest bit first and under that version's names; NULL past
 * the end. A bit without a name is "0x…". */
PST_API const char *pst_code_get_flag_name(const pst_code *code, size_t index);
/* *count of them; NULL: could not be read (or, with head_only, was not). A text that could not be has data == NULL. */
PST_API const pst_text *pst_code_get_list(const pst_code *code, pst_code_list list, size_t *count);
PST_API const pst_constant *pst_code_get_constants(const pst_code *code, size_t *count);
/* Of the bytecode, `size` is there without `data` too (head_only). */
PST_API pst_bytes pst_code_get_bytes(const pst_code *code, pst_code_part part);
PST_API const pst_line_range *pst_code_get_lines(const pst_code *code, size_t *count);
/* One for each code unit (two bytes), as co_positions() (3.11+). */
PST_API const pst_position *pst_code_get_positions(const pst_code *code, size_t *count);
PST_API const pst_exception_range *pst_code_get_exceptions(const pst_code *code, size_t *count);
PST_API const pst_code_extra *pst_code_get_extras(const pst_code *code, size_t *count);
PST_API const pst_instruction *pst_code_get_instructions(const pst_code *code, size_t *count);
/* NULL: this build has none, or they could not be read. */
PST_API const pst_code_copy *pst_code_get_copies(const pst_code *code, size_t *count);
/* 3.13+: the offsets that dis calls L1, L2 …: where jumps go, and of the exception table. Sorted; asked for and read
 * with the instructions. */
PST_API const int *pst_code_get_labels(const pst_code *code, size_t *count);
/* PyCode_Addr2Line() and PyCode_Addr2Location(): of the instruction at a byte offset; -1 for what it has not. */
PST_API int pst_code_addr2line(const pst_code *code, int offset);
PST_API pst_position pst_code_addr2location(const pst_code *code, int offset);
PST_API const pst_error *pst_code_get_errors(const pst_code *code);

/* ---- export ----------------------------------------------------------------------------------------- */

/* Code objects as .pyc files that the same version of Python imports: a file for each co_filename. */
typedef struct pst_export pst_export;

typedef enum pst_export_kind {
    PST_EXPORT_MODULE,      /* the code object of a module's own body, which was still there: importing it runs it */
    PST_EXPORT_FUNCTIONS,   /* a module made here, which defines functions and `__codes__`, and runs nothing else */
    PST_EXPORT_PACKAGE,     /* the same of a package that has no code objects; other files are modules in it */
} pst_export_kind;

/* Of kind PST_EXPORT_FUNCTIONS, `__codes__` is a tuple of the code objects that are in no other exported one, by line;
 * and functions are defined by their co_name that stood at the top level of their module and have no free variables,
 * without defaults (those are values). Before 3.11 a code object does not say where it stood: a function that its
 * module still has is taken, and any other if it is the only one of its name in the file. */
typedef struct pst_export_file {
    pst_export_kind kind;
    pst_text filename;       /* co_filename; data == NULL: it could not be read */
    pst_text module;         /* its name, as in sys.modules; data == NULL: none that is known */
    bool is_package;         /* the module has a __path__ */
    bool is_main;            /* it is __main__; `module` is what it would be imported as, or "__main__" */
    pst_bytes pyc;           /* data == NULL: nothing could be exported; `errors` says why */
    const pst_addr *codes;   /* what is in it, each once: as in `__codes__`, each followed by those in its co_consts */
    size_t code_count;
    const pst_error *errors; /* code objects that are not in it, and why */
} pst_export_file;

/* Searches for code objects and puts them in order; of `options`, head_only and with_instructions do not matter. The
 * target and the snapshot must outlive it. */
PST_API PST_MUST_USE pst_error *pst_export_open(pst_target *target, const pst_snapshot *snapshot,
                                                const pst_code_options *options, pst_export **result);
/* How many files there are, without those of kind PST_EXPORT_PACKAGE, which come last; fewer if the code objects of
 * one die before it is made. */
PST_API size_t pst_export_get_file_count(const pst_export *exported);
/* The next file, borrowed until the next step; NULL when there is none any more. */
PST_API PST_MUST_USE pst_error *pst_export_next(pst_export *exported, const pst_export_file **file);
/* What could not be searched or found out; complete after the last step. */
PST_API const pst_error *pst_export_get_errors(const pst_export *exported);
PST_API uint64_t pst_export_get_scanned_size(const pst_export *exported);
PST_API void pst_export_close(pst_export *exported);

/* ---- small cores ------------------------------------------------------------------------------------ */

/* What a core of a target needs to have so that every command gives on it what it gives on the target itself: the
 * notes, the mapped files' names, and just the pages of memory that are read for stacks, hooks and code objects, and
 * those that frames' variables lead to. No file of the target's is needed for it later. */
typedef struct pst_core pst_core;

typedef struct pst_core_options {
    size_t size;           /* sizeof(pst_core_options) */
    bool all_code;         /* every code object, as PST_CODE_ALL; else those that run */
    uint64_t heap_size;    /* bytes to keep of what variables lead to, the nearest first; 0: PST_CORE_HEAP_SIZE */
    bool with_heap_size;   /* heap_size is meant, 0 too */
    size_t max_frames;     /* of its snapshot: innermost frames of each thread; 0: all. The core has all of them */
} pst_core_options;

#define PST_CORE_HEAP_SIZE (256 * 1024)

/* Takes a snapshot (with_hooks) and the pages. A live target is stopped as by pst_snapshot_take(), while its stacks and
 * what variables lead to are copied; code objects are read as it runs on. The target must outlive it. */
PST_API PST_MUST_USE pst_error *pst_core_take(pst_target *target, const pst_core_options *options, pst_core **core);
/* The snapshot, borrowed: for a report of the same moment. */
PST_API const pst_snapshot *pst_core_get_snapshot(const pst_core *core);
/* What the core will lack that the target has. */
PST_API const pst_error *pst_core_get_errors(const pst_core *core);
/* Bytes of the target's memory that are kept. */
PST_API uint64_t pst_core_get_kept_size(const pst_core *core);
/* What variables lead to was cut at heap_size. */
PST_API bool pst_core_is_heap_cut(const pst_core *core);
/* Writes it to `fd`, which may be a pipe, from where that is; *size bytes. After an error a part of it is written. */
PST_API PST_MUST_USE pst_error *pst_core_write(pst_core *core, int fd, uint64_t *size);
PST_API void pst_core_free(pst_core *core);

/* ---- files of the target --------------------------------------------------------------------------- */

typedef enum pst_source_status {
    PST_SOURCE_FOUND,
    PST_SOURCE_ABSENT,   /* no such file, or no such line */
    PST_SOURCE_NEWER,    /* the file was changed after the process started: not to be trusted */
} pst_source_status;

/* Line `line` (1-based, without its line end) of a source file as the target sees it: through its own root
 * and mount namespace. A core's files are never read but through `sysroot`. *text is borrowed until the
 * target is closed. */
PST_API pst_source_status pst_target_get_source_line(pst_target *target, pst_text file, int line, pst_text *text);

/* ---- layouts --------------------------------------------------------------------------------------- */

/* The built-in tables of struct offsets: "3.13"; NULL past the end. */
PST_API const char *pst_layout_get_version(size_t table);
/* The build flavours of a table ("release", "free-threaded") and what each was made from; NULL and
 * data == NULL past the end. */
PST_API const char *pst_layout_get_flavour(size_t table, size_t flavour);
PST_API pst_text pst_layout_get_origin(size_t table, size_t flavour);
/* The builds that have some fields elsewhere: "micro 0-3", "aarch64"; data == NULL past the end. */
PST_API pst_text pst_layout_get_exception(size_t table, size_t index);

/* A layout file from the debug information of an ELF file. `version` ("3.14"), or NULL: as the file itself
 * says. *text is the caller's to free(). PST_ERROR_UNSUPPORTED: it has no debug information of CPython's. */
PST_API PST_MUST_USE pst_error *pst_layout_derive(const char *path, const char *version, char **text,
                                                  size_t *size);

/* What an ELF file that holds an interpreter says of its structs, against the built-in table. */
typedef struct pst_layout_report pst_layout_report;

typedef struct pst_layout_difference {
    const char *source;   /* "dwarf", "debug-offsets", "type-members" */
    const char *field;    /* "PyCodeObject.co_flags" */
    const char *table;    /* its place as it stands in the table: "48", "32.2+3"; "-": there is none */
    const char *stated;   /* its place by the source */
} pst_layout_difference;

/* `version` ("3.14", "3.7.3"), or NULL: as the file itself says. */
PST_API PST_MUST_USE pst_error *pst_layout_check(const char *path, const char *version, pst_layout_report **report);
PST_API void pst_layout_report_free(pst_layout_report *report);
/* The table that was taken: "3.13 free-threaded". */
PST_API const char *pst_layout_report_get_layout(const pst_layout_report *report);
/* The sources that the file has, and how many fields each states; NULL past the end. */
PST_API const char *pst_layout_report_get_source(const pst_layout_report *report, size_t index, size_t *field_count);
PST_API const pst_layout_difference *pst_layout_report_get_difference(const pst_layout_report *report, size_t index);
/* What could not be read. */
PST_API const pst_error *pst_layout_report_get_errors(const pst_layout_report *report);

#ifdef __cplusplus
}
#endif

#endif
