/*
 * Hooks: functions that were put in front of, or beside, what CPython does by itself.
 * Include/internal/pycore_interp.h (3.14+: pycore_interp_structs.h), Include/cpython/pystate.h.
 */
#ifndef PYSTANDER_PYTHON_HOOKS_H
#define PYSTANDER_PYTHON_HOOKS_H

#include "python/walk.h"

enum {
    HOOKS_CODE_WATCHERS = 8,       /* Include/internal/pycore_code.h, CODE_MAX_WATCHERS */
    HOOKS_MONITORING_TOOLS = 8,    /* Include/internal/pycore_instruments.h, PY_MONITORING_TOOL_IDS */
    HOOKS_MAX_DATA = 16 << 20,     /* bytes searched for 3.6's coextra_head; CPython has 400 KB of data */
};

/* The arrays are the snapshot's; NULL: none of the kind. */
struct interpreter_hooks {
    pst_hook eval_frame;
    pst_indexed_hook *code_extra, *code_watchers;
    size_t code_extra_count, code_watcher_count;
    pst_monitoring_tool *monitoring_tools;
    size_t monitoring_tool_count;
};

struct thread_hooks {
    pst_thread_hook trace, profile;   /* .hook.function is 0: none */
};

/* ---- hooks.c: during a walk ----------------------------------------------------------------------------- */

void interpreter_hooks_walk(struct walk *walk, struct pst_interpreter *interpreter);
void thread_hooks_walk(struct walk *walk, struct pst_thread *thread);
/* After it: files are opened. */
MUST_USE pst_error *hooks_symbolize(struct walk *walk);

/* ---- code_extra.c --------------------------------------------------------------------------------------- */

/* Who registered an index of co_extra. */
struct code_extra_users {
    uint64_t count;      /* at most CODE_MAX_EXTRAS */
    pst_addr freefuncs;  /* the array of their freefuncs */
};

/* Those of an interpreter. None before 3.6. */
MUST_USE pst_error *code_extra_find_users(const struct python *python, pst_addr interpreter,
                                          struct code_extra_users *users);

#endif
