#include "python/hooks.h"

#include "image/symbolize.h"
#include "python/c_name.h"
#include "python/object.h"
#include "python/string.h"

#include <string.h>

/* ---- of an interpreter ----------------------------------------------------------------------------------- */

static pst_error *read_code_extra(struct walk *walk, pst_addr interpreter, struct interpreter_hooks *hooks)
{
    const struct python *python = walk->python;
    struct code_extra_users users;
    if (!has(python, F(PyCodeObject_co_extra)))
        return NULL;
    TRY(code_extra_find_users(python, interpreter, &users));
    hooks->code_extra = arena_alloc(&walk->snapshot->arena, (users.count + 1) * sizeof *hooks->code_extra);
    if (!hooks->code_extra)
        return error_no_memory();
    for (size_t i = 0; i < users.count; i++) {
        pst_indexed_hook *user = &hooks->code_extra[hooks->code_extra_count];
        user->index = i;
        TRY(pointer_at(python, users.freefuncs, i, &user->hook.function));
        hooks->code_extra_count++;
    }
    return NULL;
}

static pst_error *read_code_watchers(struct walk *walk, pst_addr interpreter, struct interpreter_hooks *hooks)
{
    const struct python *python = walk->python;
    uint64_t active;
    pst_addr watchers;
    if (!has(python, F(PyInterpreterState_code_watchers)))
        return NULL;
    TRY(field_unsigned(python, interpreter, F(PyInterpreterState_active_code_watchers), &active));
    TRY(field_place(python, interpreter, F(PyInterpreterState_code_watchers), &watchers));
    hooks->code_watchers = arena_alloc(&walk->snapshot->arena, HOOKS_CODE_WATCHERS * sizeof *hooks->code_watchers);
    if (!hooks->code_watchers)
        return error_no_memory();
    for (size_t i = 0; i < HOOKS_CODE_WATCHERS; i++) {
        pst_addr function;
        if (!(active >> i & 1))
            continue;
        TRY(pointer_at(python, watchers, i, &function));
        hooks->code_watchers[hooks->code_watcher_count++] = (pst_indexed_hook){i, {function, NULL}};
    }
    return NULL;
}

static pst_error *read_monitoring_tool(struct walk *walk, pst_addr names, int id, struct interpreter_hooks *hooks)
{
    pst_addr object;
    TRY(pointer_at(walk->python, names, (uint64_t)id, &object));
    if (!object)
        return NULL;
    pst_monitoring_tool *tool = &hooks->monitoring_tools[hooks->monitoring_tool_count++];
    tool->id = id;
    return string_read(walk->python, &walk->snapshot->arena, object, &tool->name);
}

static pst_error *read_monitoring_tools(struct walk *walk, struct pst_interpreter *interpreter)
{
    const struct python *python = walk->python;
    struct interpreter_hooks *hooks = interpreter->hooks;
    pst_addr names;
    if (!has(python, F(PyInterpreterState_monitoring_tool_names)))
        return NULL;
    TRY(field_place(python, interpreter->address, F(PyInterpreterState_monitoring_tool_names), &names));
    hooks->monitoring_tools =
        arena_alloc(&walk->snapshot->arena, HOOKS_MONITORING_TOOLS * sizeof *hooks->monitoring_tools);
    if (!hooks->monitoring_tools)
        return error_no_memory();
    for (int id = 0; id < HOOKS_MONITORING_TOOLS; id++)
        error_list_add(&walk->snapshot->errors,
                       error_in(read_monitoring_tool(walk, names, id, hooks), "interpreter %lld: monitoring tool %d",
                                (long long)interpreter->id, id));
    return NULL;
}

static pst_error *read_eval_frame(const struct python *python, pst_addr interpreter, pst_hook *hook)
{
    if (!has(python, F(PyInterpreterState_eval_frame)))
        return NULL;
    return field_address(python, interpreter, F(PyInterpreterState_eval_frame), &hook->function);
}

void interpreter_hooks_walk(struct walk *walk, struct pst_interpreter *interpreter)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    struct interpreter_hooks *hooks = arena_alloc(&snapshot->arena, sizeof *hooks);
    long long id = (long long)interpreter->id;
    pst_addr address = interpreter->address;
    if (!hooks) {
        error_list_add(&snapshot->errors, error_no_memory());
        return;
    }
    interpreter->hooks = hooks;
    error_list_add(&snapshot->errors, error_in(read_eval_frame(walk->python, address, &hooks->eval_frame),
                                               "interpreter %lld: eval_frame", id));
    error_list_add(&snapshot->errors, error_in(read_code_extra(walk, address, hooks),
                                               "interpreter %lld: co_extra", id));
    error_list_add(&snapshot->errors, error_in(read_code_watchers(walk, address, hooks),
                                               "interpreter %lld: code watchers", id));
    error_list_add(&snapshot->errors, error_in(read_monitoring_tools(walk, interpreter),
                                               "interpreter %lld: monitoring tools", id));
}

/* ---- of a thread ----------------------------------------------------------------------------------------- */

/* The function behind a method; `object` itself if it is a function; else 0. */
static pst_error *find_function(const struct python *python, pst_addr object, const char *type, pst_addr *function)
{
    *function = 0;
    if (strcmp(type, "method") == 0 || strcmp(type, "instancemethod") == 0) {
        char inner[16];
        pst_addr inner_type;
        TRY(field_address(python, object, F(PyMethodObject_im_func), &object));
        TRY(object_get_type(python, object, &inner_type));
        TRY(type_get_name(python, inner_type, inner, sizeof inner));
        *function = strcmp(inner, "function") == 0 ? object : 0;
    } else if (strcmp(type, "function") == 0) {
        *function = object;
    }
    return NULL;
}

static pst_error *read_function(struct walk *walk, pst_addr function, pst_thread_hook *hook)
{
    const struct python *python = walk->python;
    enum field name_field = has(python, F(PyFunctionObject_func_qualname)) ? F(PyFunctionObject_func_qualname)
                                                                           : F(PyFunctionObject_func_name);
    pst_addr name, code_address;
    struct code *code;
    TRY(field_address(python, function, name_field, &name));
    TRY(string_read(python, &walk->snapshot->arena, name, &hook->name));
    TRY(field_address(python, function, F(PyFunctionObject_func_code), &code_address));
    TRY(code_get(walk, code_address, &code));
    hook->file = code->filename;
    hook->line = code->table.firstlineno;
    return NULL;
}

static pst_error *read_object(struct walk *walk, pst_thread_hook *hook)
{
    const struct python *python = walk->python;
    char name[256];
    pst_addr type, function;
    TRY(object_get_type(python, hook->object, &type));
    TRY(type_get_name(python, type, name, sizeof name));
    size_t size = strlen(name);
    hook->type = (pst_text){arena_copy(&walk->snapshot->arena, name, size + 1), size};
    if (!hook->type.data)
        return error_no_memory();
    TRY(find_function(python, hook->object, name, &function));
    return function ? read_function(walk, function, hook) : NULL;
}

static pst_error *read_thread_hook(struct walk *walk, pst_addr thread, enum field function, enum field object,
                                   pst_thread_hook *hook)
{
    const struct python *python = walk->python;
    hook->line = -1;
    TRY(field_address(python, thread, function, &hook->hook.function));
    if (!hook->hook.function || !has(python, object))
        return NULL;
    TRY(field_address(python, thread, object, &hook->object));
    return hook->object ? read_object(walk, hook) : NULL;
}

void thread_hooks_walk(struct walk *walk, struct pst_thread *thread)
{
    struct thread_hooks *hooks = arena_alloc(&walk->snapshot->arena, sizeof *hooks);
    if (!hooks) {
        walk_add_error(walk, &thread->errors, error_no_memory());
        return;
    }
    thread->hooks = hooks;
    walk_add_error(walk, &thread->errors, error_in(read_thread_hook(walk, thread->address, F(PyThreadState_c_tracefunc),
                                                                    F(PyThreadState_c_traceobj), &hooks->trace),
                                                   "the trace function"));
    walk_add_error(walk, &thread->errors, error_in(read_thread_hook(walk, thread->address,
                                                                    F(PyThreadState_c_profilefunc),
                                                                    F(PyThreadState_c_profileobj), &hooks->profile),
                                                   "the profile function"));
}

/* ---- symbols --------------------------------------------------------------------------------------------- */

/* A snapshot outlives its target, and a target's symbols do not. */
static pst_error *name_hook(struct walk *walk, pst_hook *hook)
{
    const char *symbol = hook->function ? symbolize(walk->python->target, hook->function) : NULL;
    if (!symbol)
        return NULL;
    hook->symbol = arena_copy(&walk->snapshot->arena, symbol, strlen(symbol) + 1);
    return hook->symbol ? NULL : error_no_memory();
}

/* To 3.10, CPython's own evaluator stands there as well. Where its name was stripped, a function of the interpreter's
 * image is taken for it: those that replace it come from other ones. */
static bool is_default_evaluator(const struct python *python, const pst_hook *hook)
{
    static const char name[] = "_PyEval_EvalFrameDefault";
    const struct location *location = &python->location;
    const char *path = location->segment ? location->segment->path : NULL, *slash = path ? strrchr(path, '/') : NULL;
    const char *file = slash ? slash + 1 : path;
    if (hook->symbol && strcmp(hook->symbol, name) == 0)
        return true;
    bool has_name = !hook->symbol || !file || strncmp(hook->symbol, file, strlen(file)) != 0 ||
                    strncmp(hook->symbol + strlen(file), "+0x", 3) != 0;
    return !has_name && python_minor_version(python) < 311 && hook->function >= location->image.start &&
           hook->function < location->image.end;
}

static pst_error *name_interpreter_hooks(struct walk *walk, struct interpreter_hooks *hooks)
{
    TRY(name_hook(walk, &hooks->eval_frame));
    if (is_default_evaluator(walk->python, &hooks->eval_frame))
        hooks->eval_frame = (pst_hook){0};
    for (size_t i = 0; i < hooks->code_extra_count; i++)
        TRY(name_hook(walk, &hooks->code_extra[i].hook));
    for (size_t i = 0; i < hooks->code_watcher_count; i++)
        TRY(name_hook(walk, &hooks->code_watchers[i].hook));
    return NULL;
}

pst_error *hooks_symbolize(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    for (size_t i = 0; i < snapshot->interpreter_count; i++)
        if (snapshot->interpreters[i].hooks)
            TRY(name_interpreter_hooks(walk, snapshot->interpreters[i].hooks));
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        struct thread_hooks *hooks = snapshot->threads[i].hooks;
        if (!hooks)
            continue;
        TRY(name_hook(walk, &hooks->trace.hook));
        TRY(name_hook(walk, &hooks->profile.hook));
    }
    return NULL;
}

/* ---- what a caller may ask ------------------------------------------------------------------------------- */

pst_hook pst_interpreter_get_eval_frame(const pst_interpreter *interpreter)
{
    return interpreter->hooks ? interpreter->hooks->eval_frame : (pst_hook){0};
}

const pst_indexed_hook *pst_interpreter_get_code_extra(const pst_interpreter *interpreter, size_t *count)
{
    *count = interpreter->hooks ? interpreter->hooks->code_extra_count : 0;
    return interpreter->hooks ? interpreter->hooks->code_extra : NULL;
}

const pst_indexed_hook *pst_interpreter_get_code_watchers(const pst_interpreter *interpreter, size_t *count)
{
    *count = interpreter->hooks ? interpreter->hooks->code_watcher_count : 0;
    return interpreter->hooks ? interpreter->hooks->code_watchers : NULL;
}

const pst_monitoring_tool *pst_interpreter_get_monitoring_tools(const pst_interpreter *interpreter, size_t *count)
{
    *count = interpreter->hooks ? interpreter->hooks->monitoring_tool_count : 0;
    return interpreter->hooks ? interpreter->hooks->monitoring_tools : NULL;
}

static const pst_thread_hook *if_set(const pst_thread_hook *hook)
{
    return hook->hook.function ? hook : NULL;
}

const pst_thread_hook *pst_thread_get_trace(const pst_thread *thread)
{
    return thread->hooks ? if_set(&thread->hooks->trace) : NULL;
}

const pst_thread_hook *pst_thread_get_profile(const pst_thread *thread)
{
    return thread->hooks ? if_set(&thread->hooks->profile) : NULL;
}
