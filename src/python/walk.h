/*
 * What a snapshot holds, and the walk that fills it: runtime → interpreters → threads → frames → code.
 *
 * A walk only gathers what can change (which frames, at which instruction) and what must be read while the
 * target stands still. Positions are worked out after it was let go (position.c).
 */
#ifndef PYSTANDER_PYTHON_WALK_H
#define PYSTANDER_PYTHON_WALK_H

#include "base/lookup.h"
#include "python/field.h"
#include "python/linetable.h"
#include "python/repr.h"

/* Limits on what a lying target can make this process do; reaching one is reported. */
enum {
    SNAPSHOT_MAX_INTERPRETERS = 1 << 12,  /* each takes a megabyte or more */
    SNAPSHOT_MAX_THREADS = 1 << 17,       /* of all interpreters: with the usual limits the kernel ends at 32,000 */
    SNAPSHOT_MAX_FRAMES = 1 << 23,        /* of all threads: a C stack of 1 GB has room for two million */
    SNAPSHOT_MIN_FRAMES = 1 << 12,        /* of a core, however small; beyond, one for so many bytes of it: */
    SNAPSHOT_FRAME_SIZE = 64,             /* no version's frame is smaller */
    SNAPSHOT_MAX_ERRORS = 1 << 16,        /* kept beside threads, frames and code objects */
    SNAPSHOT_MAX_SCAN = 1 << 16,          /* bytes of one line table, searched anew for each position */
};

/* A code object, once for all the frames that run it. */
struct code {
    pst_addr address;
    pst_text name, qualname, filename;
    struct linetable table;
    pst_addr first_instruction;   /* 3.11+: where instr_ptr counts from; 0: not known */
    int64_t first_traceable;      /* 3.11+: offset of the first instruction of the function's own */
    bool is_own;                  /* the interpreter's: its frames are no calls */
    struct stack_depths *stack_depths; /* see value_stack.h; NULL: not asked for */
    struct error_list errors;
    struct code_variables *variables; /* NULL: not asked for yet */
    bool has_exceptions;          /* 3.11+: its exception table was asked for */
    const pst_exception_range *exceptions;
    size_t exception_count;
    /* The last position asked for: a recursion asks for the same one 60,000 times. */
    bool has_memo;
    uint32_t number;              /* in the order in which they were met */
    size_t scanned;               /* bytes of the line table, by all searches */
    int memo_offset;
    bool memo_found;
    pst_position memo_position;
};

struct pst_frame {
    pst_addr address;             /* the PyFrameObject, from 3.11 on the _PyInterpreterFrame */
    struct code *code;            /* NULL: could not be read at all */
    pst_position position;
    int lasti;
    bool has_lasti;
    int copy;                     /* tlbc_index: which copy of the bytecode it executes (free-threaded 3.14+) */
    pst_error *error;             /* of the frame itself; its code and variables may have others */
    pst_variable *variables;      /* NULL: there are none, or they were not asked for */
    size_t variable_count;
};

struct pst_thread {
    pid_t tid;
    uint64_t ident;
    pst_text name, os_name;
    int64_t interpreter_id;
    bool has_python, is_main, truncated;
    pst_maybe holds_gil;
    char state;
    pst_addr address;             /* the PyThreadState; 0: it runs no Python */
    pst_addr object;              /* the threading.Thread; 0: threading does not know it */
    struct thread_hooks *hooks;   /* NULL: not asked for */
    struct pst_frame *frames;     /* the snapshot's */
    size_t frame_count;
    const pst_exception *const *exceptions; /* innermost first */
    size_t exception_count;
    const pst_wait *wait;         /* NULL: none that is known */
    const struct target_thread *source; /* while the target's threads are as they were listed; NULL: not found */
    struct error_list errors;
};

struct pst_interpreter {
    pst_addr address;             /* the PyInterpreterState */
    int64_t id;
    pst_gil gil;
    pst_addr gil_holder;          /* the PyThreadState that has the GIL, 0: none or not known */
    pst_addr gil_address;         /* what it is made of: so many bytes; 0: not known */
    uint64_t gil_size;
    struct interpreter_hooks *hooks; /* NULL: not asked for */
};

struct code_table {
    struct code **slots;          /* open addressing by address; owned by the arena are the codes only */
    size_t count, capacity;       /* capacity is a power of two */
    uint64_t multiplier;          /* of the hash */
};

struct pst_snapshot {
    struct arena arena, frames;
    pst_python python;
    char version[32];
    const char *layout_sources[8];
    uint64_t pause_ns;
    struct error_list errors;
    struct pst_interpreter *interpreters;
    size_t interpreter_count;
    struct pst_thread *threads;
    size_t thread_count, thread_capacity;
    pst_deadlock *deadlocks;
    size_t deadlock_count;
    struct code_table codes;
};

/* One pass over the target's memory; what the passes share. */
struct walk {
    const struct python *python;
    struct pst_snapshot *snapshot;
    size_t max_frames;            /* that are read of a thread; 0: all */
    size_t shown_frames;          /* that are told of: what a thread waits for, those around them say, too. 0: all */
    const pid_t *tids;            /* of the threads that are told of; the same holds */
    size_t tid_count;             /* 0: all */
    bool with_hooks, with_locals, with_waits;
    struct repr_bounds bounds;    /* of the values of locals */
    struct reach *reach;          /* what the frames' variables lead to is touched, too, and the threads' registers are
                                   * read; NULL: nobody wants it */
    uint64_t sought_ns;           /* time that was spent on other ends of descriptors so far, in all passes */
    bool is_rehearsal;            /* the pages are not at hand yet: worth fetching many at once */
    /* Where threading._active of each interpreter is: looked up once, before the target is stopped. */
    struct active_threads *active;
    size_t thread_count;          /* so far, of SNAPSHOT_MAX_THREADS */
    size_t frame_count;           /* so far, of SNAPSHOT_MAX_FRAMES; those that are no calls included */
    struct pst_frame *frames;     /* of the thread that is being walked */
    size_t frame_capacity;
    size_t error_count;           /* so far, of SNAPSHOT_MAX_ERRORS */
    struct lookup inner_tids, tls; /* the target's threads by them; found_tls: all were asked for it */
    bool found_tls;
    struct lookup states;         /* of a live target: what its threads did when they were stopped first */
};

/* Adds an error to a list of the snapshot's; those beyond SNAPSHOT_MAX_ERRORS go to the snapshot's own list, which
 * counts what it leaves out. */
void walk_add_error(struct walk *walk, struct error_list *list, pst_error *error);
/* Readies it for a pass over the target: the counts begin anew, and the target's threads are looked up. */
MUST_USE pst_error *walk_begin(struct walk *walk);
/* All but walk->active, which is thread_name.c's. */
void walk_free(struct walk *walk);
/* Whether it is told of. */
bool walk_wants_thread(const struct walk *walk, pid_t tid);
/* Free what they own: errors. */
void frame_clear(struct pst_frame *frame);
void thread_clear(struct pst_thread *thread);

/* ---- snapshot.c ------------------------------------------------------------------------------------ */

/* pst_snapshot_take(), for whoever keeps the memory that was read. The pages that the walk touched are those of the
 * newest memory_begin(). */
MUST_USE pst_error *snapshot_take(struct pst_target *target, const pst_snapshot_options *options, struct reach *reach,
                                  pst_snapshot **snapshot);

/* ---- position.c ------------------------------------------------------------------------------------ */

/* Fills in the position of every frame, from the line tables that the walk copied. */
MUST_USE pst_error *positions_find(struct walk *walk);

/* ---- prefetch.c ------------------------------------------------------------------------------------ */

/* Brings in what the walk over these PyThreadStates will touch, level by level and for all of them at once:
 * a read of a thousand pages costs about as much as ten reads of one. A failure is no matter: whatever is
 * missing is read, and reported, by the walk itself. */
void threads_prefetch(const struct python *python, const pst_addr *threads, size_t count);
/* The same for the instances of which an attribute will be asked. */
void attributes_prefetch(const struct python *python, const pst_addr *objects, size_t count);

/* ---- code.c ---------------------------------------------------------------------------------------- */

/* The code object at `address`, decoded at the first call. What could not be read of it is on its errors;
 * an error of the call itself means that it is no code object. */
MUST_USE pst_error *code_get(struct walk *walk, pst_addr address, struct code **code);
void code_table_free(struct code_table *codes);

/* ---- code_whole.c ---------------------------------------------------------------------------------- */

/* Touches all of the code objects that were met, for walk->reach. */
void codes_read_whole(struct walk *walk);

/* ---- frame.c --------------------------------------------------------------------------------------- */

/* Adds all frames of thread->address, innermost first. What goes wrong is on the thread's errors. */
void frames_walk(struct walk *walk, struct pst_thread *thread);

/* The member that leads to the caller's frame. */
enum field frame_previous_field(const struct python *python);
/* 0: the thread runs no Python now. */
MUST_USE pst_error *frame_find_innermost(const struct python *python, pst_addr thread, pst_addr *frame);
/* The code object, or what stands in its place in frames that are no Python calls. */
MUST_USE pst_error *frame_find_code(const struct python *python, pst_addr frame, pst_addr *code);
/* Where it is in that code: the offset of its last instruction, in bytes; negative: it has run none. */
MUST_USE pst_error *frame_find_lasti(const struct python *python, pst_addr frame, pst_addr code, int64_t *lasti);

/* ---- interpreter.c --------------------------------------------------------------------------------- */

/* The address of the first interpreter; 0 if Python is not initialised. */
MUST_USE pst_error *interpreter_get_head(const struct python *python, pst_addr *interpreter);
/* The first of its PyThreadStates, the newest; 0: it has none. */
MUST_USE pst_error *interpreter_get_threads(const struct python *python, pst_addr interpreter, pst_addr *thread);
/* sys.modules; 0: there are none yet. */
MUST_USE pst_error *interpreter_get_modules(const struct python *python, pst_addr interpreter, pst_addr *modules);
/* sys.hexversion, or another int of that module; 0: there is none yet. */
MUST_USE pst_error *interpreter_read_sys(const struct python *python, pst_addr interpreter, const char *name,
                                         uint64_t *value);
void interpreters_walk(struct walk *walk);

/* ---- interpreter_search.c --------------------------------------------------------------------------- */

/* For images that were stripped; each completes python->location. Of 3.6 or before, whose version and layout are
 * known but for the variable interp_head: */
MUST_USE pst_error *interpreter_search_head(struct python *python);
/* Whose version is not known, and perhaps not more than suspects of where it is: finds out python->version. */
MUST_USE pst_error *interpreter_search_version(struct python *python);
/* The same with a layout that is the user's word. */
MUST_USE pst_error *interpreter_search_suspects(struct python *python);

/* ---- thread.c -------------------------------------------------------------------------------------- */

/* Adds the threads of one interpreter, and their frames. */
void threads_walk(struct walk *walk, const struct pst_interpreter *interpreter);
/* Where the C library notes the kernel's thread id, if it is glibc. */
pst_addr thread_tid_place(const struct python *python, uint64_t ident);
/* Puts the threads in the target's order and adds those that run no Python. */
MUST_USE pst_error *threads_join_target(struct walk *walk);
/* The thread of the target's that the C library calls so; 0: there is none. */
pid_t thread_find_by_ident(struct walk *walk, uint64_t ident);
/* Leaves out what is not told of: threads, outer frames, deadlocks of other threads alone. */
void threads_drop_unwanted(struct walk *walk);

/* ---- thread_name.c --------------------------------------------------------------------------------- */

/* Gives the threads [first, thread_count) of an interpreter their threading.Thread.name. */
void thread_names_walk(struct walk *walk, const struct pst_interpreter *interpreter, size_t first);
void active_threads_free(struct active_threads *active);

#endif
