/*
 * What is left of an exception that went through the whole program: sys.excepthook is called for it when no frame of it
 * is there any more, and no except block. Python/pythonrun.c, _PyErr_PrintEx().
 */
#include "python/dict.h"
#include "python/exceptions.h"
#include "python/object.h"
#include "python/string.h"

static pst_error *find_sys(const struct walk *walk, int64_t interpreter_id, pst_addr *sys)
{
    const struct pst_snapshot *snapshot = walk->snapshot;
    *sys = 0;
    for (size_t i = 0; i < snapshot->interpreter_count; i++)
        if (snapshot->interpreters[i].id == interpreter_id)
            return field_address(walk->python, snapshot->interpreters[i].address, F(PyInterpreterState_sysdict), sys);
    return NULL;
}

static bool is_method(const struct type *type)
{
    return !type->is_heap && (text_is(type->name, "method") || text_is(type->name, "instancemethod"));
}

/* The code object that a call of this object runs, if it is a function, a method, or an instance of a class that has
 * such a __call__; else 0. */
static pst_error *find_called(struct details *details, pst_addr object, pst_addr *code)
{
    const struct python *python = details->walk->python;
    struct type *type;
    *code = 0;
    TRY(type_of(&details->types, object, &type));
    if (type->is_heap) {
        TRY(type_get_own(python, type->address, "__call__", &object));
        if (!object)
            return NULL;
        TRY(type_of(&details->types, object, &type));
    }
    if (is_method(type)) {
        TRY(field_address(python, object, F(PyMethodObject_im_func), &object));
        TRY(type_of(&details->types, object, &type));
    }
    bool is_function = !type->is_heap && text_is(type->name, "function");
    return is_function ? field_address(python, object, F(PyFunctionObject_func_code), code) : NULL;
}

static pst_error *is_in_hook(struct details *details, pst_addr sys, const struct code *outermost, bool *in_hook)
{
    pst_addr hook, code = 0;
    TRY(dict_get(details->walk->python, sys, "excepthook", NULL, &hook));
    if (hook)
        TRY(find_called(details, hook, &code));
    *in_hook = code == outermost->address;
    return NULL;
}

/* They stand there from before the hook is called. */
static pst_error *read_last(const struct python *python, pst_addr sys, struct raised *raised)
{
    if (python_minor_version(python) >= 312)
        return dict_get(python, sys, "last_exc", NULL, &raised->value);
    TRY(dict_get(python, sys, "last_type", NULL, &raised->type));
    TRY(dict_get(python, sys, "last_value", NULL, &raised->value));
    return dict_get(python, sys, "last_traceback", NULL, &raised->traceback);
}

/* In a rehearsal it is not known yet: the oldest one, which is the last in the list. */
static bool is_main(const struct walk *walk, const struct pst_thread *thread)
{
    const struct pst_snapshot *snapshot = walk->snapshot;
    return walk->is_rehearsal ? thread == &snapshot->threads[snapshot->thread_count - 1] : thread->is_main;
}

pst_error *unhandled_find(struct details *details, const struct pst_thread *thread, struct raised *raised)
{
    *raised = (struct raised){0};
    if (!is_main(details->walk, thread) || !thread->frame_count || thread->truncated)
        return NULL;
    const struct code *outermost = thread->frames[thread->frame_count - 1].code;
    /* As in nearly all programs: then there is nothing to look up. */
    if (!outermost || text_is(outermost->name, "<module>"))
        return NULL;
    pst_addr sys;
    bool in_hook = false;
    TRY(find_sys(details->walk, thread->interpreter_id, &sys));
    if (sys)
        TRY(is_in_hook(details, sys, outermost, &in_hook));
    return in_hook ? read_last(details->walk->python, sys, raised) : NULL;
}
