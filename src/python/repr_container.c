/* tuple, list, set, frozenset. Objects/tupleobject.c, listobject.c, setobject.c. */
#include "python/repr.h"
#include "python/string.h"
#include "python/unused.h"

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
        repr_add_text(repr, object->type->name);
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
    bool is_cut = repr->depth > repr->bounds.depth || !repr_get_left(repr);
    TRY(repr_add_array(repr, items, count));
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

/* A table of mask + 1 entries; free ones have no key. That of a deleted item has the hash -1, which no object has; in
 * 2.7 the key "<dummy key>", a str of its own. */
struct set_table {
    pst_addr entries;
    uint64_t mask, used, entry_size;
    pst_addr dummy;        /* 2.7, once it was met */
};

static pst_error *read_table(const struct repr *repr, pst_addr set, struct set_table *table)
{
    const struct python *python = repr->python;
    table->dummy = 0;
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
static pst_error *next_item(const struct repr *repr, struct set_table *table, uint64_t *at, pst_addr *item)
{
    const struct python *python = repr->python;
    bool is_2 = python_is_2(python), is_deleted;
    uint64_t end = table->mask + 1 - *at > UNUSED_MAX ? *at + UNUSED_MAX : table->mask + 1;
    do {
        const struct unused unused = {table->entries, table->entry_size, F(setentry_key),
                                      is_2 ? F(setentry_key) : F(setentry_hash), is_2 ? table->dummy : UINT64_MAX};
        *item = 0;
        *at = unused_skip(python, &unused, *at, end);
        if (*at > table->mask)
            return NULL;
        if (*at == end)
            return error_new(PST_ERROR_LIMIT, "a set with %d unused entries on end", UNUSED_MAX);
        pst_addr entry = table->entries + (*at)++ * table->entry_size;
        TRY(field_address(python, entry, F(setentry_key), item));
        pst_addr living = *item;
        if (is_2)
            TRY(value_get_set_item(python, entry, &living));
        is_deleted = !living;
        if (is_deleted)
            table->dummy = *item;
    } while (is_deleted);
    return NULL;
}

static pst_error *add_set_items(struct repr *repr, pst_addr set, struct set_table *table)
{
    uint64_t at = 0, count = 0;
    pst_addr item;
    for (;; count++) {
        pst_error *error = next_item(repr, table, &at, &item);
        bool is_complete = error && count == table->used && pst_error_get_code(error) == PST_ERROR_LIMIT;
        if (error && !is_complete)
            return repr_end_items(repr, count ? ", " : "", table->used - count, error);
        pst_error_free(error);
        if (is_complete)
            return NULL; /* whether there are more than it says would take too long to see */
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
