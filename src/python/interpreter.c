/* Interpreters and who holds their GIL. Include/internal/pycore_interp.h, pycore_gil.h, Python/ceval_gil.c. */
#include "python/dict.h"
#include "python/hooks.h"
#include "python/object.h"
#include "python/reach.h"
#include "python/walk.h"

/* ---- the GIL ---------------------------------------------------------------------------------------- */

/* To 3.6 whoever is the current thread holds the GIL. */
static pst_error *read_gil_of_current(const struct python *python, struct pst_interpreter *interpreter)
{
    if (!python->location.tstate_current)
        return NULL;
    TRY(pointer_at(python, python->location.tstate_current, 0, &interpreter->gil_holder));
    interpreter->gil = interpreter->gil_holder ? PST_GIL_HELD : PST_GIL_FREE;
    return NULL;
}

static pst_error *read_gil_state(const struct python *python, struct pst_interpreter *interpreter, pst_addr gil,
                                 enum field locked_field, enum field holder_field)
{
    int locked;
    TRY(field_int(python, gil, locked_field, &locked));
    interpreter->gil = locked == 1 ? PST_GIL_HELD : PST_GIL_FREE;
    if (locked == 1)
        TRY(field_address(python, gil, holder_field, &interpreter->gil_holder));
    return NULL;
}

/* 3.12+: an interpreter has its own GIL or shares the main one's; ceval.gil says which. */
static pst_error *read_gil_of_interpreter(const struct python *python, struct pst_interpreter *interpreter)
{
    pst_addr gil;
    TRY(field_address(python, interpreter->address, F(PyInterpreterState_ceval_gil), &gil));
    if (!gil)
        return NULL;
    interpreter->gil_address = gil;
    interpreter->gil_size = size_of(python, F(sizeof__gil_runtime_state));
    if (has(python, F(_gil_runtime_state_enabled))) {
        int enabled;
        TRY(field_int(python, gil, F(_gil_runtime_state_enabled), &enabled));
        if (!enabled) {
            interpreter->gil = PST_GIL_DISABLED;
            return NULL;
        }
    }
    return read_gil_state(python, interpreter, gil, F(_gil_runtime_state_locked), F(_gil_runtime_state_last_holder));
}

static pst_error *read_gil(const struct python *python, struct pst_interpreter *interpreter)
{
    if (has(python, F(PyInterpreterState_ceval_gil)))
        return read_gil_of_interpreter(python, interpreter);
    if (has(python, F(_PyRuntimeState_ceval_gil)))
        TRY(field_place(python, python->location.runtime, F(_PyRuntimeState_ceval_gil), &interpreter->gil_address));
    interpreter->gil_size = size_of(python, F(sizeof__gil_runtime_state));
    if (has(python, F(_PyRuntimeState_ceval_gil_locked)))
        return read_gil_state(python, interpreter, python->location.runtime, F(_PyRuntimeState_ceval_gil_locked),
                              F(_PyRuntimeState_ceval_gil_last_holder));
    return read_gil_of_current(python, interpreter);
}

/* ---- the list --------------------------------------------------------------------------------------- */

pst_error *interpreter_get_head(const struct python *python, pst_addr *interpreter)
{
    if (python->location.runtime)
        return field_address(python, python->location.runtime, F(_PyRuntimeState_interpreters_head), interpreter);
    return pointer_at(python, python->location.interp_head, 0, interpreter);
}

pst_error *interpreter_get_threads(const struct python *python, pst_addr interpreter, pst_addr *thread)
{
    enum field head = has(python, F(PyInterpreterState_threads_head)) ? F(PyInterpreterState_threads_head)
                                                                      : F(PyInterpreterState_tstate_head);
    return field_address(python, interpreter, head, thread);
}

pst_error *interpreter_get_modules(const struct python *python, pst_addr interpreter, pst_addr *modules)
{
    enum field field = has(python, F(PyInterpreterState_imports_modules)) ? F(PyInterpreterState_imports_modules)
                                                                          : F(PyInterpreterState_modules);
    return field_address(python, interpreter, field, modules);
}

pst_error *interpreter_read_sys(const struct python *python, pst_addr interpreter, const char *name, uint64_t *value)
{
    pst_addr sysdict, object;
    *value = 0;
    TRY(field_address(python, interpreter, F(PyInterpreterState_sysdict), &sysdict));
    TRY(dict_get(python, sysdict, name, NULL, &object));
    return object ? object_get_int(python, object, value) : NULL;
}

static pst_error *count_interpreters(const struct python *python, size_t *count)
{
    pst_addr address, checkpoint = 0;
    *count = 0;
    TRY(interpreter_get_head(python, &address));
    while (address) {
        if (++*count > SNAPSHOT_MAX_INTERPRETERS || address == checkpoint)
            return error_new(PST_ERROR_CORRUPT, "the list of interpreters does not end");
        if ((*count & (*count - 1)) == 0)
            checkpoint = address;
        TRY(field_address(python, address, F(PyInterpreterState_next), &address));
    }
    return NULL;
}

static pst_error *read_interpreter(const struct python *python, pst_addr address, struct pst_interpreter *interpreter)
{
    interpreter->address = address;
    if (has(python, F(PyInterpreterState_id)))
        TRY(field_signed(python, address, F(PyInterpreterState_id), &interpreter->id));
    return read_gil(python, interpreter);
}

/* Reads the whole list before any thread of it, so that every interpreter is told even if one is broken. */
static pst_error *read_interpreters(struct walk *walk)
{
    const struct python *python = walk->python;
    struct pst_snapshot *snapshot = walk->snapshot;
    size_t count;
    pst_addr address;
    error_list_add(&snapshot->errors, count_interpreters(python, &count));
    snapshot->interpreters = arena_alloc(&snapshot->arena, (count + 1) * sizeof *snapshot->interpreters);
    if (!snapshot->interpreters)
        return error_no_memory();
    TRY(interpreter_get_head(python, &address));
    while (address && snapshot->interpreter_count < count) {
        struct pst_interpreter *interpreter = &snapshot->interpreters[snapshot->interpreter_count];
        /* To 3.6 there are no ids; new interpreters go to the front, so the main one is the last. */
        interpreter->id = (int64_t)(count - 1 - snapshot->interpreter_count++);
        error_list_add(&snapshot->errors, error_in(read_interpreter(python, address, interpreter),
                                                   "interpreter at 0x%llx", (unsigned long long)address));
        if (walk->with_hooks)
            interpreter_hooks_walk(walk, interpreter);
        TRY(field_address(python, address, F(PyInterpreterState_next), &address));
    }
    return NULL;
}

void interpreters_walk(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    error_list_add(&snapshot->errors, walk_begin(walk));
    error_list_add(&snapshot->errors, error_in(read_interpreters(walk), "interpreters"));
    for (size_t i = 0; i < snapshot->interpreter_count; i++)
        threads_walk(walk, &snapshot->interpreters[i]);
    if (!walk->reach)
        return;
    codes_read_whole(walk);
    reach_follow(walk->reach, walk->python);
}
