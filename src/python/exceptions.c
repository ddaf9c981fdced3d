/*
 * The exceptions of a thread: the one that it raises, and those that it handles. Include/cpython/pyerrors.h,
 * Include/cpython/pystate.h (struct _err_stackitem).
 */
#include "python/exceptions.h"

#include "python/attribute.h"
#include "python/exception.h"
#include "python/object.h"
#include "python/slot.h"
#include "python/string.h"

#include <string.h>

enum {
    MAX_COUNT = 200,           /* exceptions of one thread, those that led to others and those of groups included */
    MAX_STACK_ITEMS = 1 << 14, /* generators in each other */
    MAX_NOTES = 100,           /* of one exception */
    MAX_MEMBERS = 100,         /* of one group */
};

/* The exceptions of one thread, as they are read. */
struct reading {
    struct details *details;
    struct pst_thread *thread;
    pst_addr seen[MAX_COUNT];  /* each is told of once: a cause is mostly the context, too */
    size_t seen_count;
    bool is_full;              /* and that was said */
    const pst_exception *found[MAX_COUNT]; /* not those that others lead to */
    size_t count;
};

static void add_error(struct reading *reading, pst_error *error)
{
    walk_add_error(reading->details->walk, &reading->thread->errors, error_in(error, "its exceptions"));
}

static void *allocate(struct reading *reading, size_t size)
{
    return arena_alloc(&reading->details->walk->snapshot->arena, size + 1);
}

/* None stands for none. */
static pst_error *drop_none(struct reading *reading, pst_addr *object)
{
    struct type *type;
    if (!*object)
        return NULL;
    TRY(type_of(&reading->details->types, *object, &type));
    if (!type->is_heap && text_is(type->name, "NoneType"))
        *object = 0;
    return NULL;
}

/* ---- notes, groups --------------------------------------------------------------------------------------- */

/* The first `most` items of a tuple or list; of anything else, none. `what` they are. */
static pst_error *read_items(struct reading *reading, pst_addr object, size_t most, const char *what,
                             const pst_addr **items, size_t *count)
{
    const struct python *python = reading->details->walk->python;
    struct type *type;
    int64_t size;
    pst_addr array;
    *count = 0;
    TRY(type_of(&reading->details->types, object, &type));
    bool is_list = type->flags & TPFLAGS_LIST_SUBCLASS;
    if (!is_list && !(type->flags & TPFLAGS_TUPLE_SUBCLASS))
        return NULL;
    TRY(field_signed(python, object, F(PyVarObject_ob_size), &size));
    TRY(is_list ? field_address(python, object, F(PyListObject_ob_item), &array)
                : field_place(python, object, F(PyTupleObject_ob_item), &array));
    *count = size < 0 ? 0 : (uint64_t)size < most ? (size_t)size : most;
    if (size > (int64_t)most)
        add_error(reading, error_new(PST_ERROR_LIMIT, "%lld %s: after %zu the rest was left out", (long long)size, what,
                                     most));
    pst_addr *copy = allocate(reading, *count * sizeof *copy);
    if (!copy)
        return error_no_memory();
    for (size_t i = 0; i < *count; i++)
        TRY(pointer_at(python, array, i, &copy[i]));
    *items = copy;
    return NULL;
}

/* A str as it is, within the bounds. */
static pst_error *read_name(struct reading *reading, pst_addr str, pst_text *text)
{
    struct details *details = reading->details;
    struct repr repr;
    details->text.size = 0;
    repr_start(&repr, &details->types, &details->scratch, details->walk->bounds, &details->text);
    TRY(repr_add_name(&repr, str));
    arena_reset(&details->scratch);
    return details_copy_text(details, text);
}

static pst_error *read_notes(struct reading *reading, pst_addr value, pst_exception *exception)
{
    const struct python *python = reading->details->walk->python;
    pst_addr list;
    const pst_addr *items;
    size_t count;
    if (python_minor_version(python) < 311)
        return NULL;
    TRY(attribute_get(python, value, "__notes__", NULL, &list));
    if (!list)
        return NULL;
    TRY(read_items(reading, list, MAX_NOTES, "notes", &items, &count));
    pst_text *notes = allocate(reading, count * sizeof *notes);
    if (!notes)
        return error_no_memory();
    exception->notes = notes;
    for (size_t i = 0; i < count; i++) {
        struct type *type;
        TRY(type_of(&reading->details->types, items[i], &type));
        if (type->flags & TPFLAGS_UNICODE_SUBCLASS)
            TRY(read_name(reading, items[i], &notes[exception->note_count++]));
    }
    return NULL;
}

static const pst_exception *read_exception(struct reading *reading, const struct raised *raised);

static pst_error *read_members(struct reading *reading, pst_addr value, const struct type *type,
                               pst_exception *exception)
{
    const struct python *python = reading->details->walk->python;
    pst_addr tuple;
    const pst_addr *items;
    size_t count;
    struct type *group;
    if (!has(python, F(PyBaseExceptionGroupObject_excs)))
        return NULL;
    TRY(type_find_base(&reading->details->types, type, "", "BaseExceptionGroup", &group));
    if (!group)
        return NULL;
    TRY(field_address(python, value, F(PyBaseExceptionGroupObject_excs), &tuple));
    TRY(read_items(reading, tuple, MAX_MEMBERS, "exceptions in a group", &items, &count));
    const pst_exception **members = allocate(reading, count * sizeof *members);
    if (!members)
        return error_no_memory();
    exception->exceptions = members;
    for (size_t i = 0; i < count; i++) {
        const struct raised member = {.value = items[i], .handled = exception->handled};
        members[exception->exception_count] = read_exception(reading, &member);
        exception->exception_count += members[exception->exception_count] != NULL;
    }
    return NULL;
}

/* ---- one exception --------------------------------------------------------------------------------------- */

/* Another one that led to it. */
static pst_error *read_other(struct reading *reading, pst_addr value, enum field field, const pst_exception **other)
{
    pst_addr address;
    TRY(field_address(reading->details->walk->python, value, field, &address));
    if (address)
        *other = read_exception(reading, &(struct raised){.value = address, .handled = true});
    return NULL;
}

static pst_error *read_others(struct reading *reading, pst_addr value, pst_exception *exception)
{
    const struct python *python = reading->details->walk->python;
    uint64_t suppress;
    if (!has(python, F(PyBaseExceptionObject_cause)))
        return NULL;
    TRY(field_unsigned(python, value, F(PyBaseExceptionObject_suppress_context), &suppress));
    exception->suppress_context = suppress;
    TRY(read_other(reading, value, F(PyBaseExceptionObject_cause), &exception->cause));
    return read_other(reading, value, F(PyBaseExceptionObject_context), &exception->context);
}

static pst_error *read_message(struct reading *reading, const struct instance *value, pst_exception *exception)
{
    struct details *details = reading->details;
    struct repr repr;
    details->text.size = 0;
    repr_start(&repr, &details->types, &details->scratch, details->walk->bounds, &details->text);
    pst_error *error = exception_read_message(&repr, value->address);
    arena_reset(&details->scratch);
    if (!error)
        error = repr.error;
    pst_error *failure = details_copy_text(details, &exception->message);
    pst_error_free(failure ? error : NULL);
    return failure ? failure : error;
}

static pst_error *read_traceback(struct reading *reading, pst_addr traceback, pst_exception *exception)
{
    TRY(drop_none(reading, &traceback));
    return traceback_read(reading->details, traceback, exception);
}

/* Of an object that is one. */
static void read_parts(struct reading *reading, const struct instance *value, pst_addr traceback,
                       pst_exception *exception)
{
    const struct python *python = reading->details->walk->python;
    pst_error *error = NULL;
    if (!traceback && has(python, F(PyBaseExceptionObject_traceback)))
        error = field_address(python, value->address, F(PyBaseExceptionObject_traceback), &traceback);
    if (!error)
        error = read_traceback(reading, traceback, exception);
    add_error(reading, error);
    add_error(reading, read_message(reading, value, exception));
    add_error(reading, read_notes(reading, value->address, exception));
    add_error(reading, read_others(reading, value->address, exception));
    add_error(reading, read_members(reading, value->address, value->type, exception));
}

/* false: it was read before, or there are too many. */
static bool note(struct reading *reading, pst_addr address)
{
    for (size_t i = 0; i < reading->seen_count; i++)
        if (reading->seen[i] == address)
            return false;
    if (reading->seen_count == MAX_COUNT) {
        if (!reading->is_full)
            add_error(reading, error_new(PST_ERROR_LIMIT, "more than %d: the rest was left out", MAX_COUNT));
        reading->is_full = true;
        return false;
    }
    reading->seen[reading->seen_count++] = address;
    return true;
}

/* 2.7: classes that are no types. */
static pst_error *read_old_class_name(struct reading *reading, pst_addr class, pst_text *name)
{
    const struct python *python = reading->details->walk->python;
    struct arena *scratch = &reading->details->scratch;
    struct text *text = &reading->details->text;
    pst_addr dict, module, object;
    pst_text part = {0};
    text->size = 0;
    TRY(field_address(python, class, F(PyClassObject_cl_dict), &dict));
    TRY(dict_get(python, dict, "__module__", NULL, &module));
    if (module) {
        TRY(string_read(python, scratch, module, &part));
        text_add(text, part.data, part.size);
        text_add_char(text, '.');
    }
    TRY(field_address(python, class, F(PyClassObject_cl_name), &object));
    TRY(string_read(python, scratch, object, &part));
    text_add(text, part.data, part.size);
    arena_reset(scratch);
    return details_copy_text(reading->details, name);
}

static pst_error *read_class_name(struct reading *reading, pst_addr class, pst_text *name)
{
    struct type *type;
    if (has(reading->details->walk->python, F(PyClassObject_cl_name))) {
        TRY(type_of(&reading->details->types, class, &type));
        if (!type->is_heap && text_is(type->name, "classobj"))
            return read_old_class_name(reading, class, name);
    }
    TRY(type_get(&reading->details->types, class, &type));
    return details_read_type_name(reading->details, type, name);
}

static bool is_string(const struct python *python, const struct type *type)
{
    return type->flags & TPFLAGS_UNICODE_SUBCLASS || (python_is_2(python) && type->flags & TPFLAGS_BYTES_SUBCLASS);
}

/* To 3.11: what an exception will be made of, its message or arguments; in 2.7 an instance of an old class, too. */
static pst_error *read_unmade(struct reading *reading, const struct raised *raised, const struct instance *value,
                              pst_exception *exception)
{
    struct details *details = reading->details;
    if (value->address && !value->type->is_heap && text_is(value->type->name, "instance"))
        exception->address = value->address;
    if (value->address && is_string(details->walk->python, value->type))
        TRY(read_name(reading, value->address, &exception->message));
    else if (value->address)
        TRY(details_read_repr(details, value->address, details->walk->bounds, &exception->message));
    return read_traceback(reading, raised->traceback, exception);
}

static pst_error *read_into(struct reading *reading, const struct raised *raised, pst_exception *exception)
{
    struct instance value = {.address = raised->value};
    if (value.address)
        TRY(type_of(&reading->details->types, value.address, &value.type));
    bool is_exception = value.type && value.type->flags & TPFLAGS_BASE_EXC_SUBCLASS;
    bool has_class = raised->type && !is_exception;
    TRY(has_class ? read_class_name(reading, raised->type, &exception->type)
                  : details_read_type_name(reading->details, value.type, &exception->type));
    if (!is_exception)
        return read_unmade(reading, raised, &value, exception);
    exception->address = value.address;
    read_parts(reading, &value, raised->traceback, exception);
    return NULL;
}

/* NULL: there is none to tell of. */
static const pst_exception *read_exception(struct reading *reading, const struct raised *raised)
{
    pst_addr address = raised->value ? raised->value : raised->type;
    if (!note(reading, address))
        return NULL;
    pst_exception *exception = allocate(reading, sizeof *exception);
    if (!exception) {
        add_error(reading, error_no_memory());
        return NULL;
    }
    exception->handled = raised->handled;
    add_error(reading, read_into(reading, raised, exception));
    return exception;
}

/* ---- those of a thread ----------------------------------------------------------------------------------- */

/* Members of a struct that has the parts of a raised exception; those that a version lacks stay 0. */
static pst_error *read_raised(const struct python *python, pst_addr holder, enum field type, enum field value,
                              enum field traceback, struct raised *raised)
{
    if (has(python, value))
        TRY(field_address(python, holder, value, &raised->value));
    if (has(python, type))
        TRY(field_address(python, holder, type, &raised->type));
    if (has(python, traceback))
        TRY(field_address(python, holder, traceback, &raised->traceback));
    return NULL;
}

static pst_error *add(struct reading *reading, struct raised raised)
{
    TRY(drop_none(reading, &raised.value));
    TRY(drop_none(reading, &raised.type));
    if (!raised.value && !raised.type)
        return NULL;
    const pst_exception *exception = read_exception(reading, &raised);
    if (exception)
        reading->found[reading->count++] = exception;
    return NULL;
}

static pst_error *add_raised(struct reading *reading)
{
    const struct python *python = reading->details->walk->python;
    struct raised raised = {0};
    if (has(python, F(PyThreadState_current_exception)))
        TRY(field_address(python, reading->thread->address, F(PyThreadState_current_exception), &raised.value));
    else
        TRY(read_raised(python, reading->thread->address, F(PyThreadState_curexc_type), F(PyThreadState_curexc_value),
                        F(PyThreadState_curexc_traceback), &raised));
    return add(reading, raised);
}

/* 3.7+: one for the thread, and one for each generator or coroutine that it runs. */
static pst_error *add_handled(struct reading *reading)
{
    const struct python *python = reading->details->walk->python;
    pst_addr item;
    if (!has(python, F(PyThreadState_exc_info))) {
        struct raised raised = {.handled = true};
        TRY(read_raised(python, reading->thread->address, F(PyThreadState_exc_type), F(PyThreadState_exc_value),
                        F(PyThreadState_exc_traceback), &raised));
        return add(reading, raised);
    }
    TRY(field_address(python, reading->thread->address, F(PyThreadState_exc_info), &item));
    for (int i = 0; item; i++) {
        struct raised raised = {.handled = true};
        if (i == MAX_STACK_ITEMS)
            return error_new(PST_ERROR_LIMIT, "more than %d generators in each other", MAX_STACK_ITEMS);
        TRY(read_raised(python, item, F(_PyErr_StackItem_exc_type), F(_PyErr_StackItem_exc_value),
                        F(_PyErr_StackItem_exc_traceback), &raised));
        TRY(add(reading, raised));
        TRY(field_address(python, item, F(_PyErr_StackItem_previous_item), &item));
    }
    return NULL;
}

/* To 3.6 frames keep what was handled before: in 2.7 those that have handled one, in 3.6 generators. */
static pst_error *add_kept(struct reading *reading)
{
    const struct python *python = reading->details->walk->python;
    if (!has(python, F(PyFrameObject_f_exc_type)))
        return NULL;
    for (size_t i = 0; i < reading->thread->frame_count; i++) {
        struct raised raised = {.handled = true};
        TRY(read_raised(python, reading->thread->frames[i].address, F(PyFrameObject_f_exc_type),
                        F(PyFrameObject_f_exc_value), F(PyFrameObject_f_exc_traceback), &raised));
        TRY(add(reading, raised));
    }
    return NULL;
}

static pst_error *add_unhandled(struct reading *reading)
{
    struct raised raised;
    TRY(unhandled_find(reading->details, reading->thread, &raised));
    return add(reading, raised);
}

void details_add_exceptions(struct details *details, struct pst_thread *thread)
{
    struct reading reading = {.details = details, .thread = thread};
    if (!thread->address)
        return;
    add_error(&reading, add_raised(&reading));
    add_error(&reading, add_handled(&reading));
    add_error(&reading, add_kept(&reading));
    add_error(&reading, add_unhandled(&reading));
    if (!reading.count)
        return;
    thread->exceptions = arena_copy(&details->walk->snapshot->arena, reading.found,
                                    reading.count * sizeof *reading.found);
    if (thread->exceptions)
        thread->exception_count = reading.count;
    else
        add_error(&reading, error_no_memory());
}
