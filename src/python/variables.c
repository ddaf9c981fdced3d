#include "python/variables.h"

#include "python/c_name.h"
#include "python/details.h"
#include "python/dict.h"
#include "python/object.h"
#include "python/slot.h"
#include "python/string.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROOM = 4 * VARIABLES_MAX_COUNT, /* the slots of a frame, and its f_locals */
    MAX_ITEMS = 1 << 16,            /* of an f_locals; those that are no variables too */
};

/* The variables of one frame, as they are read. */
struct reading {
    struct details *details;
    struct walk *walk;
    pst_variable *variables;
    size_t count;
};

static pst_error *read_value(struct reading *reading, pst_addr value, pst_variable *variable)
{
    struct type *type;
    TRY(type_of(&reading->details->types, value, &type));
    variable->is_class = type->flags & TPFLAGS_TYPE_SUBCLASS || (!type->is_heap && text_is(type->name, "classobj"));
    TRY(details_read_type_name(reading->details, type, &variable->type));
    return details_read_repr(reading->details, value, reading->walk->bounds, &variable->repr);
}

/* What has no reads left in this thread may have some in the next. */
static pst_error *show_value(struct reading *reading, pst_variable *variable)
{
    pst_variable *memo = details_find_memo(reading->details, variable->address);
    if (memo->address == variable->address) {
        variable->type = memo->type;
        variable->repr = memo->repr;
        return memo->error ? error_copy(memo->error) : NULL;
    }
    pst_error *error = read_value(reading, variable->address, variable);
    if (error && memory_get_work_left(reading->walk->python->memory) < DETAILS_MIN_VALUE_WORK)
        return error;
    pst_error_free((pst_error *)memo->error);
    *memo = *variable;
    memo->error = error ? error_copy(error) : NULL;
    return error;
}

static void add_variable(struct reading *reading, pst_text name, pst_variable_kind kind, pst_addr value,
                         pst_error *error)
{
    pst_variable *variable = &reading->variables[reading->count++];
    *variable = (pst_variable){.name = name, .kind = kind, .address = value};
    if (!error)
        error = show_value(reading, variable);
    reading->walk->error_count += error != NULL;
    variable->error = error;
}

/* ---- slots ----------------------------------------------------------------------------------------------- */

pst_error *slot_read(const struct python *python, pst_addr slots, const struct variable_slot *slot, pst_addr *value)
{
    uint64_t word;
    TRY(pointer_at(python, slots, slot->index, &word));
    *value = slot_is_int(python, word) ? 0 : slot_untag(python, word);
    if (!*value || !slot->may_be_cell)
        return NULL;
    pst_addr type;
    TRY(object_get_type(python, *value, &type));
    char name[8];
    TRY(type_get_name(python, type, name, sizeof name));
    return strcmp(name, "cell") == 0 ? field_address(python, *value, F(PyCellObject_ob_ref), value) : NULL;
}

static pst_error *read_slots(struct reading *reading, const struct pst_frame *frame,
                             const struct code_variables *variables)
{
    const struct python *python = reading->walk->python;
    pst_addr slots;
    TRY(slots_find(python, frame->address, &slots));
    for (size_t i = 0; i < variables->count; i++) {
        const struct variable_slot *slot = &variables->slots[i];
        pst_addr value = 0;
        pst_error *error = slot_read(python, slots, slot, &value);
        if (error || value)
            add_variable(reading, slot->name, slot->kind, value, error);
    }
    return NULL;
}

/* ---- f_locals -------------------------------------------------------------------------------------------- */

static bool is_own_name(pst_text name)
{
    return name.size > 4 && memcmp(name.data, "__", 2) == 0 && memcmp(name.data + name.size - 2, "__", 2) == 0;
}

/* What stands in f_locals of one frame. */
struct namespace {
    struct pst_frame *frame;
    bool is_module;          /* it is f_globals */
    pst_addr text_type;      /* of the last name */
};

/* The keys of a dict may be anything; those that are no str are no names. */
static pst_error *is_text(const struct python *python, struct namespace *namespace, pst_addr object, bool *text)
{
    pst_addr type;
    uint64_t flags;
    TRY(object_get_type(python, object, &type));
    *text = type == namespace->text_type;
    if (*text)
        return NULL;
    TRY(type_get_flags(python, type, &flags));
    *text = flags & TPFLAGS_UNICODE_SUBCLASS || (python_is_2(python) && flags & TPFLAGS_BYTES_SUBCLASS);
    if (*text)
        namespace->text_type = type;
    return NULL;
}

/* Whether a slot has it already. Of what class bodies have in cells (__class__) there can be another of that name. */
static pst_error *is_in_slot(struct reading *reading, const struct pst_frame *frame, pst_text name, pst_addr value,
                             bool *in_slot)
{
    const struct python *python = reading->walk->python;
    const struct variable_slot *slot;
    pst_addr slots, content;
    TRY(code_find_variable(reading->walk, frame->code, name, &slot));
    *in_slot = slot != NULL;
    if (!slot || slot->kind != PST_VARIABLE_CELL || !frame->code->variables->has_dict)
        return NULL;
    TRY(slots_find(python, frame->address, &slots));
    TRY(slot_read(python, slots, slot, &content));
    *in_slot = content == value;
    return NULL;
}

/* A module's names with two underscores at both ends are the import system's. */
static pst_error *add_name(struct reading *reading, struct namespace *namespace, pst_addr key, pst_addr value)
{
    const struct python *python = reading->walk->python;
    bool text, in_slot;
    pst_text name;
    TRY(is_text(python, namespace, key, &text));
    if (!text)
        return NULL;
    TRY(string_read(python, &reading->walk->snapshot->arena, key, &name));
    TRY(is_in_slot(reading, namespace->frame, name, value, &in_slot));
    if (!in_slot && !(namespace->is_module && is_own_name(name)))
        add_variable(reading, name, PST_VARIABLE_LOCAL, value, NULL);
    return NULL;
}

/* A name that can't be read takes none of the others with it. */
static pst_error *read_dict(struct reading *reading, struct namespace *namespace, pst_addr dict)
{
    struct dict_reader reader;
    uint64_t used;
    pst_error *first = NULL;
    TRY(dict_start_items(reading->walk->python, dict, &reader, &used));
    for (uint64_t i = 0; i < used; i++) {
        pst_addr key, value;
        bool is_full = reading->count == ROOM || i == MAX_ITEMS;
        pst_error *error = is_full ? error_new(PST_ERROR_LIMIT, "%llu names: too many, the rest was left out",
                                               (unsigned long long)used)
                                   : dict_next_item(&reader, &key, &value);
        bool is_end = error != NULL;
        if (!is_end)
            error = add_name(reading, namespace, key, value);
        pst_error_free(first ? error : NULL);
        first = first ? first : error;
        if (is_end)
            break;
    }
    return first;
}

/* To 3.12 functions have theirs there too, once it was asked for; from 3.13 on what was added to them. 0: none. */
static pst_error *find_dict(const struct python *python, const struct pst_frame *frame, pst_addr *dict)
{
    pst_addr object;
    if (!has(python, F(_PyInterpreterFrame_f_locals)))
        return field_address(python, frame->address, F(PyFrameObject_f_locals), dict);
    if (frame->code->variables->has_dict || !has(python, F(PyFrameObject_f_extra_locals))) {
        TRY(field_address(python, frame->address, F(_PyInterpreterFrame_f_locals), dict));
        *dict = slot_untag(python, *dict);
        return NULL;
    }
    *dict = 0;
    TRY(field_address(python, frame->address, F(_PyInterpreterFrame_frame_obj), &object));
    return object ? field_address(python, object, F(PyFrameObject_f_extra_locals), dict) : NULL;
}

static pst_error *read_namespace(struct reading *reading, struct pst_frame *frame)
{
    const struct python *python = reading->walk->python;
    bool is_object = !has(python, F(_PyInterpreterFrame_f_globals));
    struct namespace namespace = {.frame = frame};
    pst_addr dict, globals, type;
    uint64_t flags;
    TRY(find_dict(python, frame, &dict));
    if (!dict)
        return NULL;
    TRY(field_address(python, frame->address, is_object ? F(PyFrameObject_f_globals) : F(_PyInterpreterFrame_f_globals),
                      &globals));
    namespace.is_module = dict == slot_untag(python, globals);
    TRY(object_get_type(python, dict, &type));
    TRY(type_get_flags(python, type, &flags));
    /* Any mapping may be given to exec(). */
    return flags & TPFLAGS_DICT_SUBCLASS ? read_dict(reading, &namespace, dict) : NULL;
}

/* ---- frames ---------------------------------------------------------------------------------------------- */

static pst_error *copy_variables(struct reading *reading, struct pst_frame *frame)
{
    size_t size = reading->count * sizeof *frame->variables;
    TRY(details_spend(reading->details, size));
    frame->variables = arena_copy(&reading->walk->snapshot->arena, reading->variables, size);
    return frame->variables ? NULL : error_no_memory();
}

static pst_error *keep_variables(struct reading *reading, struct pst_frame *frame)
{
    if (!reading->count)
        return NULL;
    pst_error *error = copy_variables(reading, frame);
    if (!error)
        frame->variable_count = reading->count;
    for (size_t i = frame->variable_count; i < reading->count; i++)
        pst_error_free((pst_error *)reading->variables[i].error);
    return error;
}

static pst_error *read_frame(struct reading *reading, struct pst_frame *frame)
{
    const struct code_variables *variables;
    TRY(code_get_variables(reading->walk, frame->code, &variables));
    reading->count = 0;
    pst_error *error = read_slots(reading, frame, variables);
    if (!error)
        error = read_namespace(reading, frame);
    pst_error *failure = keep_variables(reading, frame);
    pst_error_free(failure ? error : NULL);
    return failure ? failure : error;
}

void details_add_variables(struct details *details, struct pst_thread *thread)
{
    struct walk *walk = details->walk;
    struct reading reading = {.details = details, .walk = walk,
                              .variables = malloc(ROOM * sizeof *reading.variables)};
    if (!reading.variables) {
        walk_add_error(walk, &thread->errors, error_no_memory());
        return;
    }
    size_t count = walk->shown_frames && walk->shown_frames < thread->frame_count ? walk->shown_frames
                                                                                   : thread->frame_count;
    for (size_t i = 0; i < count; i++) {
        struct pst_frame *frame = &thread->frames[i];
        if (!frame->code)
            continue;
        pst_error *error = read_frame(&reading, frame);
        walk_add_error(walk, &thread->errors, error_in(error, "frame %zu: variables", i));
    }
    free(reading.variables);
}
