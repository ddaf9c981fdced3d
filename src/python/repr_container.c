/* tuple, list, set, frozenset. Objects/tupleobject.c, listobject.c, setobject.c. */
#include "python/repr.h"
#include "python/string.h"

static pst_error *read_count(const struct repr *repr, pst_addr object, uint64_t *count)
{
    int64_t size;
    *count = 0;
    TRY(field_signed(repr->python, object, F(PyVarObject_ob_size), &size));
    if (size < 0)
        return error_new(PST_ERROR_CORRUPT, "the container at 0x%llx has %lld items", (unsigned long long)object,
                         (long long)size);
    if (!repr->types && size > VALUE_MAX_ITEMS)
        return error_new(PST_ERROR_LIMIT, "the constant at 0x%llx has %lld items; at most %d are read",
                         (unsigned long long)object, (long long)size, VALUE_MAX_ITEMS);
    *count = (uint64_t)size;
    return NULL;
}

/* The name of the type of an object, which of those of just a builtin type is not looked up. */
static void add_type_name(struct repr *repr, const struct instance *object, const char *builtin)
{
    if (object->type)
        text_add(repr->text, object->type->name.data, object->type->name.size);
    else
        text_add_string(repr->text, builtin);
}

pst_error *repr_add_tuple(struct repr *repr, const struct instance *object)
{
    pst_addr items;
    uint64_t count;
    TRY(read_count(repr, object->address, &count));
    TRY(field_place(repr->python, object->address, F(PyTupleObject_ob_item), &items));
    text_add_char(repr->text, '(');
    size_t start = repr->text->size;
    TRY(repr_add_array(repr, items, count));
    bool is_cut = repr->text->size > start && repr->depth > repr->bounds.depth;
    text_add_string(repr->text, count == 1 && !is_cut ? ",)" : ")");
    return NULL;
}

pst_error *repr_add_list(struct repr *repr, const struct instance *object)
{
    pst_addr items;
    uint64_t count;
    TRY(read_count(repr, object->address, &count));
    TRY(field_address(repr->python, object->address, F(PyListObject_ob_item), &items));
    text_add_char(repr->text, '[');
    TRY(repr_add_array(repr, items, count));
    text_add_char(repr->text, ']');
    return NULL;
}

/* ---- sets ------------------------------------------------------------------------------------------------- */

/* A table of mask + 1 entries. */
struct set_table {
    pst_addr entries;
    uint64_t mask, used, entry_size;
};

static pst_error *read_table(const struct repr *repr, pst_addr set, struct set_table *table)
{
    const struct python *python = repr->python;
    table->entry_size = size_of(python, F(sizeof_setentry));
    TRY(field_unsigned(python, set, F(PySetObject_mask), &table->mask));
    TRY(field_unsigned(python, set, F(PySetObject_used), &table->used));
    TRY(field_address(python, set, F(PySetObject_table), &table->entries));
    if (table->used <= table->mask && (table->mask & (table->mask + 1)) == 0 && table->mask >> 48 == 0)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the set at 0x%llx has %llu of %llu + 1 entries", (unsigned long long)set,
                     (unsigned long long)table->used, (unsigned long long)table->mask);
}

/* The item at or behind `*at`, which then is behind it; 0: there is none. */
static pst_error *next_item(const struct repr *repr, const struct set_table *table, uint64_t *at, pst_addr *item)
{
    const struct python *python = repr->python;
    for (uint64_t end = *at + REPR_MAX_SCAN; *at <= table->mask; (*at)++) {
        if (*at == end)
            return error_new(PST_ERROR_LIMIT, "a set with %d unused entries on end", REPR_MAX_SCAN);
        TRY(value_get_set_item(python, table->entries + *at * table->entry_size, item));
        if (!*item)
            continue;
        (*at)++;
        return NULL;
    }
    *item = 0;
    return NULL;
}

static pst_error *add_set_items(struct repr *repr, pst_addr set, const struct set_table *table)
{
    uint64_t at = 0, count = 0;
    pst_addr item;
    for (;; count++) {
        TRY(next_item(repr, table, &at, &item));
        if (!item || count == table->used)
            break;
        if (!repr_begin_item(repr, count, table->used - count))
            return NULL;
        TRY(error_in(repr_add_object(repr, item), "item %llu", (unsigned long long)count));
    }
    if (!item && count == table->used)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the set at 0x%llx has %s than %llu items", (unsigned long long)set,
                     item ? "more" : "fewer", (unsigned long long)table->used);
}

/* set_repr(): the braces alone are those of 3.x's set itself. */
pst_error *repr_add_set(struct repr *repr, const struct instance *object)
{
    struct set_table table;
    bool is_2 = python_is_2(repr->python);
    bool is_named = is_2 || !object->type || !text_is(object->type->qualname, "set") || object->type->is_heap;
    TRY(read_table(repr, object->address, &table));
    if (is_named || !table.used)
        add_type_name(repr, object, "frozenset");
    if (is_named || !table.used)
        text_add_char(repr->text, '(');
    if (table.used || is_2) {
        text_add_char(repr->text, is_2 ? '[' : '{');
        TRY(add_set_items(repr, object->address, &table));
        text_add_char(repr->text, is_2 ? ']' : '}');
    }
    if (is_named || !table.used)
        text_add_char(repr->text, ')');
    return NULL;
}
