/* Which variables a code object has, and in which slots. */
#include "base/lookup.h"
#include "python/code_object.h"
#include "python/string.h"
#include "python/variables.h"

#include <stdlib.h>

enum { CO_OPTIMIZED = 0x1 };

/* What a code object says of its arguments. */
struct signature {
    uint64_t positional, keyword_only;
    uint64_t flags;
    size_t count;            /* of all arguments */
};

/* A tuple of names. */
struct names {
    const pst_addr *objects;
    size_t count;
};

static pst_error *read_signature(const struct python *python, pst_addr code, struct signature *signature)
{
    *signature = (struct signature){0};
    TRY(field_unsigned(python, code, F(PyCodeObject_co_argcount), &signature->positional));
    if (has(python, F(PyCodeObject_co_kwonlyargcount)))
        TRY(field_unsigned(python, code, F(PyCodeObject_co_kwonlyargcount), &signature->keyword_only));
    TRY(field_unsigned(python, code, F(PyCodeObject_co_flags), &signature->flags));
    if (signature->positional > VARIABLES_MAX_COUNT || signature->keyword_only > VARIABLES_MAX_COUNT)
        return error_new(PST_ERROR_CORRUPT, "the code object at 0x%llx claims %llu and %llu arguments",
                         (unsigned long long)code, (unsigned long long)signature->positional,
                         (unsigned long long)signature->keyword_only);
    signature->count = signature->positional + signature->keyword_only + !!(signature->flags & CO_VARARGS) +
                       !!(signature->flags & CO_VARKEYWORDS);
    return NULL;
}

static pst_error *read_names(struct walk *walk, pst_addr code, enum field field, struct names *names)
{
    const struct python *python = walk->python;
    pst_addr tuple;
    uint64_t count;
    pst_addr items;
    TRY(field_address(python, code, field, &tuple));
    TRY(field_unsigned(python, tuple, F(PyVarObject_ob_size), &count));
    if (count > VARIABLES_MAX_COUNT)
        return error_new(PST_ERROR_LIMIT, "%s has %llu names; at most %d are read", field_get_name(field),
                         (unsigned long long)count, VARIABLES_MAX_COUNT);
    TRY(field_place(python, tuple, F(PyTupleObject_ob_item), &items));
    pst_addr *objects = arena_alloc(&walk->snapshot->arena, count * sizeof *objects + 1);
    if (!objects)
        return error_no_memory();
    for (uint64_t i = 0; i < count; i++)
        TRY(pointer_at(python, items, i, &objects[i]));
    memory_prefetch(python->memory, objects, count);
    *names = (struct names){objects, count};
    return NULL;
}

/* The argument that comes as number `position` in the signature: *args stands before the keyword-only ones there, and
 * behind them among the variables. */
static size_t argument_at(const struct signature *signature, size_t position)
{
    bool has_varargs = signature->flags & CO_VARARGS;
    size_t first_behind = signature->positional + has_varargs;
    if (!has_varargs || position < signature->positional || position >= first_behind + signature->keyword_only)
        return position;
    return position == signature->positional ? signature->positional + signature->keyword_only : position - 1;
}

static pst_error *add(struct walk *walk, struct code_variables *variables, pst_addr name, struct variable_slot slot)
{
    TRY(string_read(walk->python, &walk->snapshot->arena, name, &slot.name));
    variables->slots[variables->count++] = slot;
    return NULL;
}

static pst_error *make_room(struct walk *walk, struct code_variables *variables, size_t count)
{
    variables->slots = arena_alloc(&walk->snapshot->arena, count * sizeof *variables->slots + 1);
    return variables->slots ? NULL : error_no_memory();
}

static pst_error *too_many_arguments(const struct code *code, size_t arguments, size_t names)
{
    return error_new(PST_ERROR_CORRUPT, "the code object at 0x%llx has %zu arguments, but %zu names",
                     (unsigned long long)code->address, arguments, names);
}

/* ---- to 3.10: variables, then cells, then free variables ------------------------------------------------- */

/* Adds the arguments, and notes the cells that some of them live in: 3.x moves them there, 2.7 copies them. */
static pst_error *add_arguments(struct walk *walk, struct code_variables *variables, const struct signature *signature,
                                const struct names *names, const struct lookup *cells)
{
    for (size_t i = 0; i < signature->count; i++) {
        size_t index = argument_at(signature, i);
        size_t cell = lookup_find(cells, names->objects[index], 0);
        struct variable_slot slot = {.index = (uint32_t)(cell == LOOKUP_NONE ? index : names->count + cell),
                                     .kind = PST_VARIABLE_ARGUMENT, .may_be_cell = cell != LOOKUP_NONE};
        TRY(add(walk, variables, names->objects[index], slot));
    }
    return NULL;
}

/* Cells that are no arguments, or free variables. */
static pst_error *add_cells(struct walk *walk, struct code_variables *variables, const struct names *cells,
                            const struct lookup *arguments, size_t first_index, pst_variable_kind kind)
{
    for (size_t i = 0; i < cells->count; i++) {
        struct variable_slot slot = {.index = (uint32_t)(first_index + i), .kind = kind, .may_be_cell = true};
        if (lookup_find(arguments, cells->objects[i], 0) == LOOKUP_NONE)
            TRY(add(walk, variables, cells->objects[i], slot));
    }
    return NULL;
}

static bool look_up(struct lookup *lookup, const pst_addr *names, size_t count)
{
    if (!lookup_start(lookup, count))
        return false;
    for (size_t i = 0; i < count; i++)
        lookup_add(lookup, names[i], 0, i);
    lookup_sort(lookup);
    return true;
}

struct separate_names {
    struct names locals, cells, frees;
    struct lookup cells_by_name, arguments_by_name; /* the names of variables are interned */
};

static pst_error *list_separate(struct walk *walk, struct code_variables *variables, const struct signature *signature,
                                struct separate_names *names)
{
    size_t count = names->locals.count;
    if (!look_up(&names->cells_by_name, names->cells.objects, names->cells.count) ||
        !look_up(&names->arguments_by_name, names->locals.objects, signature->count))
        return error_no_memory();
    TRY(add_arguments(walk, variables, signature, &names->locals, &names->cells_by_name));
    for (size_t i = signature->count; i < count; i++)
        TRY(add(walk, variables, names->locals.objects[i],
                (struct variable_slot){.index = (uint32_t)i, .kind = PST_VARIABLE_LOCAL}));
    TRY(add_cells(walk, variables, &names->cells, &names->arguments_by_name, count, PST_VARIABLE_CELL));
    return add_cells(walk, variables, &names->frees, &names->arguments_by_name, count + names->cells.count,
                     PST_VARIABLE_FREE);
}

static pst_error *read_separate(struct walk *walk, const struct code *code, struct code_variables *variables,
                                const struct signature *signature)
{
    struct separate_names names = {0};
    TRY(read_names(walk, code->address, F(PyCodeObject_co_varnames), &names.locals));
    TRY(read_names(walk, code->address, F(PyCodeObject_co_cellvars), &names.cells));
    TRY(read_names(walk, code->address, F(PyCodeObject_co_freevars), &names.frees));
    if (signature->count > names.locals.count)
        return too_many_arguments(code, signature->count, names.locals.count);
    TRY(make_room(walk, variables, names.locals.count + names.cells.count + names.frees.count));
    pst_error *error = list_separate(walk, variables, signature, &names);
    lookup_free(&names.cells_by_name);
    lookup_free(&names.arguments_by_name);
    return error;
}

/* ---- from 3.11 on: co_localsplusnames -------------------------------------------------------------------- */

static struct variable_slot slot_of_kind(size_t index, uint8_t kind)
{
    return (struct variable_slot){
        .index = (uint32_t)index,
        .kind = kind & CO_FAST_FREE ? PST_VARIABLE_FREE
                : kind & CO_FAST_CELL ? PST_VARIABLE_CELL
                                      : PST_VARIABLE_LOCAL,
        .may_be_cell = kind & (CO_FAST_FREE | CO_FAST_CELL),
        .is_hidden = kind & CO_FAST_HIDDEN,
    };
}

/* Those behind the arguments that live in cells, or do not. In 3.12+ a local that an inlined comprehension has in a
 * cell stands among the other locals. */
static pst_error *add_slots(struct walk *walk, struct code_variables *variables, const struct names *names,
                            const uint8_t *kinds, size_t first, bool in_cells)
{
    for (size_t i = first; i < names->count; i++) {
        struct variable_slot slot = slot_of_kind(i, kinds[i]);
        if (slot.may_be_cell == in_cells)
            TRY(add(walk, variables, names->objects[i], slot));
    }
    return NULL;
}

static pst_error *read_merged(struct walk *walk, const struct code *code, struct code_variables *variables,
                              const struct signature *signature)
{
    const struct python *python = walk->python;
    struct names names;
    pst_addr object;
    const uint8_t *kinds;
    size_t kind_count;
    TRY(read_names(walk, code->address, F(PyCodeObject_co_localsplusnames), &names));
    TRY(field_address(python, code->address, F(PyCodeObject_co_localspluskinds), &object));
    TRY(bytes_read(python, &walk->snapshot->arena, object, &kinds, &kind_count));
    if (kind_count != names.count)
        return error_new(PST_ERROR_CORRUPT, "the code object at 0x%llx has %zu kinds for %zu names",
                         (unsigned long long)code->address, kind_count, names.count);
    if (signature->count > names.count)
        return too_many_arguments(code, signature->count, names.count);
    TRY(make_room(walk, variables, names.count));
    for (size_t i = 0; i < signature->count; i++) {
        size_t index = argument_at(signature, i);
        struct variable_slot slot = slot_of_kind(index, kinds[index]);
        slot.kind = PST_VARIABLE_ARGUMENT;
        TRY(add(walk, variables, names.objects[index], slot));
    }
    TRY(add_slots(walk, variables, &names, kinds, signature->count, false));
    return add_slots(walk, variables, &names, kinds, signature->count, true);
}

/* ---- both ------------------------------------------------------------------------------------------------ */

static pst_error *read_variables(struct walk *walk, const struct code *code, struct code_variables *variables)
{
    struct signature signature;
    TRY(read_signature(walk->python, code->address, &signature));
    variables->has_dict = !(signature.flags & CO_OPTIMIZED);
    return has(walk->python, F(PyCodeObject_co_localsplusnames)) ? read_merged(walk, code, variables, &signature)
                                                                 : read_separate(walk, code, variables, &signature);
}

pst_error *code_get_variables(struct walk *walk, struct code *code, const struct code_variables **result)
{
    if (!code->variables) {
        struct code_variables *variables = arena_alloc(&walk->snapshot->arena, sizeof *variables);
        if (!variables)
            return error_no_memory();
        TRY(read_variables(walk, code, variables));
        code->variables = variables;
    }
    *result = code->variables;
    return NULL;
}

/* ---- by name --------------------------------------------------------------------------------------------- */

static int compare_names(pst_text one, pst_text other)
{
    if (one.size != other.size)
        return one.size < other.size ? -1 : 1;
    return one.size ? memcmp(one.data, other.data, one.size) : 0;
}

static int compare_slots(const void *one, const void *other)
{
    const struct variable_slot *const *a = one, *const *b = other;
    return compare_names((*a)->name, (*b)->name);
}

/* A class body's free variables are not its own, and may have the names of others that are. */
static bool is_in_dict(const struct code_variables *variables, const struct variable_slot *slot)
{
    return !slot->is_hidden && !(variables->has_dict && slot->kind == PST_VARIABLE_FREE);
}

static pst_error *sort_names(struct walk *walk, struct code_variables *variables)
{
    variables->by_name = arena_alloc(&walk->snapshot->arena, variables->count * sizeof *variables->by_name + 1);
    if (!variables->by_name)
        return error_no_memory();
    for (size_t i = 0; i < variables->count; i++)
        if (is_in_dict(variables, &variables->slots[i]))
            variables->by_name[variables->name_count++] = &variables->slots[i];
    if (variables->name_count)
        qsort(variables->by_name, variables->name_count, sizeof *variables->by_name, compare_slots);
    return NULL;
}

pst_error *code_find_variable(struct walk *walk, struct code *code, pst_text name, const struct variable_slot **slot)
{
    struct code_variables *variables = code->variables;
    if (!variables->by_name)
        TRY(sort_names(walk, variables));
    size_t first = 0, end = variables->name_count;
    *slot = NULL;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = compare_names(variables->by_name[middle]->name, name);
        if (order == 0) {
            *slot = variables->by_name[middle];
            return NULL;
        }
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}
