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
    MAX_WORK = 1 << 22,        /* reads for one thread, and no more than a part of those that are left: */
    WORK_PART = 4,             /* what else there is to tell is not to be spoiled; nor by one message or note */
};

/* The exceptions of one thread, as they are read. */
struct reading {
    struct details *details;
    struct pst_thread *thread;
    pst_addr seen[MAX_COUNT];  /* each is told of once: a cause is mostly the context, too */
    size_t seen_count;
    size_t told_count;         /* with those of groups that are told of again */
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

/* From here on, only a part of the reads that are left may be done; *kept are those that end_part() gives back. */
static void begin_part(struct reading *reading, uint64_t *kept)
{
    struct memory *memory = reading->details->walk->python->memory;
    uint64_t left = memory_get_work_left(memory), part = left / WORK_PART;
    part = part < MAX_WORK ? part : MAX_WORK;
    memory_set_work(memory, part);
    *kept = left - part;
}

static void end_part(struct reading *reading, uint64_t kept)
{
    struct memory *memory = reading->details->walk->python->memory;
    memory_set_work(memory, kept + memory_get_work_left(memory));
}

/* The same of a part that made a text, and ended with this error. */
static pst_error *end_text(struct reading *reading, uint64_t kept, pst_error *error)
{
    bool is_used_up = !memory_get_work_left(reading->details->walk->python->memory);
    end_part(reading, kept);
    if (!error || !is_used_up || pst_error_get_code(error) != PST_ERROR_LIMIT)
        return error;
    pst_error_free(error);
    return error_new(PST_ERROR_LIMIT, "a text of too many objects: the rest was left out");
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

/* As str() or repr() has it. What went wrong with a part of it is kept. */
static pst_error *read_note(struct reading *reading, pst_addr object, bool by_str, pst_text *note)
{
    struct details *details = reading->details;
    struct repr repr;
    uint64_t kept;
    bool is_str;
    details->text.size = 0;
    repr_start(&repr, &details->types, &details->scratch, details->walk->bounds, &details->text);
    begin_part(reading, &kept);
    pst_error *error = by_str ? exception_read_str(&repr, object, &is_str) : repr_add_object(&repr, object);
    add_error(reading, end_text(reading, kept, error));
    add_error(reading, repr.error);
    arena_reset(&details->scratch);
    return details_copy_text(details, note);
}

/* traceback.py: str() of each of a sequence, of which lists and tuples are known here; repr() of anything else. */
static pst_error *read_notes(struct reading *reading, pst_addr value, pst_exception *exception)
{
    const struct python *python = reading->details->walk->python;
    pst_addr object;
    struct type *type;
    const pst_addr *items = &object;
    size_t count = 1;
    if (python_minor_version(python) < 311)
        return NULL;
    TRY(attribute_get(python, value, "__notes__", NULL, &object));
    TRY(drop_none(reading, &object));
    if (!object)
        return NULL;
    TRY(type_of(&reading->details->types, object, &type));
    bool is_sequence = type->flags & (TPFLAGS_LIST_SUBCLASS | TPFLAGS_TUPLE_SUBCLASS);
    if (is_sequence)
        TRY(read_items(reading, object, MAX_NOTES, "notes", &items, &count));
    pst_text *notes = allocate(reading, count * sizeof *notes);
    if (!notes)
        return error_no_memory();
    exception->notes = notes;
    for (size_t i = 0; i < count; i++)
        TRY(read_note(reading, items[i], is_sequence, &notes[exception->note_count++]));
    return NULL;
}

/* Tracebacks leave the module of 2.7's own out, as that of builtins. */
static pst_error *read_type_name(struct reading *reading, const struct type *type, pst_text *name)
{
    struct type plain = *type;
    if (python_is_2(reading->details->walk->python) && text_is(type->module, "exceptions"))
        plain.module = (pst_text){0};
    return details_read_type_name(reading->details, &plain, name);
}

static const pst_exception *read_exception(struct reading *reading, const struct raised *raised);
static const pst_exception *read_member(struct reading *reading, const struct raised *member);

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
        members[i] = read_member(reading, &member);
        if (!members[i])
            return NULL;
        exception->exception_count++;
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

static pst_error *read_cause(struct reading *reading, pst_addr value, pst_exception *exception)
{
    const struct python *python = reading->details->walk->python;
    uint64_t suppress;
    if (!has(python, F(PyBaseExceptionObject_cause)))
        return NULL;
    TRY(field_unsigned(python, value, F(PyBaseExceptionObject_suppress_context), &suppress));
    exception->suppress_context = suppress;
    return read_other(reading, value, F(PyBaseExceptionObject_cause), &exception->cause);
}

static pst_error *read_context(struct reading *reading, pst_addr value, pst_exception *exception)
{
    if (!has(reading->details->walk->python, F(PyBaseExceptionObject_context)))
        return NULL;
    return read_other(reading, value, F(PyBaseExceptionObject_context), &exception->context);
}

/* In the order in which tracebacks show them: then a context that they do not show, which may be a member, too. */
static void read_others(struct reading *reading, const struct instance *value, pst_exception *exception)
{
    add_error(reading, read_cause(reading, value->address, exception));
    if (!exception->suppress_context)
        add_error(reading, read_context(reading, value->address, exception));
    add_error(reading, read_members(reading, value->address, value->type, exception));
    if (exception->suppress_context)
        add_error(reading, read_context(reading, value->address, exception));
}

static pst_error *read_message(struct reading *reading, const struct instance *value, pst_exception *exception)
{
    struct details *details = reading->details;
    struct repr repr;
    uint64_t kept;
    details->text.size = 0;
    repr_start(&repr, &details->types, &details->scratch, details->walk->bounds, &details->text);
    begin_part(reading, &kept);
    pst_error *error = exception_read_message(&repr, value->address, &exception->message_is_str);
    error = end_text(reading, kept, error);
    arena_reset(&details->scratch);
    pst_error_free(error ? repr.error : NULL);
    error = error ? error : repr.error;
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
    read_others(reading, value, exception);
}

static bool is_told(const struct reading *reading, pst_addr address)
{
    for (size_t i = 0; i < reading->seen_count; i++)
        if (reading->seen[i] == address)
            return true;
    return false;
}

/* NULL: there are too many. */
static pst_exception *begin_exception(struct reading *reading, const struct raised *raised)
{
    if (reading->told_count == MAX_COUNT) {
        if (!reading->is_full)
            add_error(reading, error_new(PST_ERROR_LIMIT, "more than %d: the rest was left out", MAX_COUNT));
        reading->is_full = true;
        return NULL;
    }
    reading->told_count++;
    pst_exception *exception = allocate(reading, sizeof *exception);
    if (exception)
        *exception = (pst_exception){.handled = raised->handled};
    else
        add_error(reading, error_no_memory());
    return exception;
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
    return read_type_name(reading, type, name);
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
    exception->message_is_str = value->address && is_string(details->walk->python, value->type);
    if (exception->message_is_str)
        TRY(read_name(reading, value->address, &exception->message));
    else if (value->address)
        TRY(details_read_repr(details, value->address, details->walk->bounds, &exception->message));
    return read_traceback(reading, raised->traceback, exception);
}

static pst_error *read_into(struct reading *reading, const struct raised *raised, pst_exception *exception)
{
    struct instance value = {.address = raised->value};
    if (!raised->value && !raised->type)
        return error_new(PST_ERROR_CORRUPT, "one at the null pointer");
    if (value.address)
        TRY(type_of(&reading->details->types, value.address, &value.type));
    bool is_exception = value.type && value.type->flags & TPFLAGS_BASE_EXC_SUBCLASS;
    bool has_class = raised->type && !is_exception;
    TRY(has_class ? read_class_name(reading, raised->type, &exception->type)
                  : read_type_name(reading, value.type, &exception->type));
    if (!is_exception)
        return read_unmade(reading, raised, &value, exception);
    exception->address = value.address;
    read_parts(reading, &value, raised->traceback, exception);
    return NULL;
}

/* NULL: there is none to tell of: it was told of, or there are too many. */
static const pst_exception *read_exception(struct reading *reading, const struct raised *raised)
{
    pst_addr address = raised->value ? raised->value : raised->type;
    pst_exception *exception = is_told(reading, address) ? NULL : begin_exception(reading, raised);
    if (!exception)
        return NULL;
    reading->seen[reading->seen_count++] = address;
    add_error(reading, read_into(reading, raised, exception));
    return exception;
}

static pst_error *read_again(struct reading *reading, pst_addr address, pst_exception *exception)
{
    struct instance value = {.address = address};
    exception->address = address;
    exception->is_repeated = true;
    TRY(type_of(&reading->details->types, address, &value.type));
    TRY(read_type_name(reading, value.type, &exception->type));
    return read_message(reading, &value, exception);
}

/* Of a group: all are told of, so that their numbers are right; of one that was told of before, what it is. */
static const pst_exception *read_member(struct reading *reading, const struct raised *member)
{
    if (!is_told(reading, member->value))
        return read_exception(reading, member);
    pst_exception *exception = begin_exception(reading, member);
    if (exception)
        add_error(reading, read_again(reading, member->value, exception));
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

static void add_all(struct reading *reading)
{
    uint64_t kept;
    begin_part(reading, &kept);
    add_error(reading, add_raised(reading));
    add_error(reading, add_handled(reading));
    add_error(reading, add_kept(reading));
    add_error(reading, add_unhandled(reading));
    end_part(reading, kept);
}

void details_add_exceptions(struct details *details, struct pst_thread *thread)
{
    struct reading reading = {.details = details, .thread = thread};
    if (!thread->address)
        return;
    add_all(&reading);
    if (!reading.count)
        return;
    thread->exceptions = arena_copy(&details->walk->snapshot->arena, reading.found,
                                    reading.count * sizeof *reading.found);
    if (thread->exceptions)
        thread->exception_count = reading.count;
    else
        add_error(&reading, error_no_memory());
}
