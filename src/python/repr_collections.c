/*
 * What is left of collections: deque, ChainMap, UserDict and its like, and the views of mappings written in Python.
 * Modules/_collectionsmodule.c; Lib/collections/__init__.py, Lib/_collections_abc.py; 2.7: UserDict.py, _abcoll.py.
 */
#include "python/object.h"
#include "python/repr.h"

/* ---- deque ------------------------------------------------------------------------------------------------ */

/* Where its next item is: blocks of so many that lead to each other. */
struct place_in_blocks {
    pst_addr block;
    uint64_t index, block_size;
};

/* A BLOCK is two links, and items. */
static uint64_t get_block_size(const struct python *python)
{
    enum { WORD = 8, LINKS = 2 };
    uint64_t words = size_of(python, F(sizeof_BLOCK)) / WORD;
    return words > LINKS ? words - LINKS : 1;
}

static pst_error *next_in_blocks(const struct python *python, struct place_in_blocks *place, pst_addr *item)
{
    pst_addr data;
    TRY(field_place(python, place->block, F(BLOCK_data), &data));
    TRY(pointer_at(python, data, place->index, item));
    place->index++;
    if (place->index < place->block_size)
        return NULL;
    place->index = 0;
    return field_address(python, place->block, F(BLOCK_rightlink), &place->block);
}

static pst_error *read_deque(const struct python *python, pst_addr deque, struct place_in_blocks *place,
                             uint64_t *count)
{
    int64_t size;
    place->block_size = get_block_size(python);
    TRY(field_signed(python, deque, has(python, F(dequeobject_len)) ? F(dequeobject_len) : F(PyVarObject_ob_size),
                     &size));
    TRY(field_address(python, deque, F(dequeobject_leftblock), &place->block));
    TRY(field_unsigned(python, deque, F(dequeobject_leftindex), &place->index));
    *count = (uint64_t)size;
    if (size >= 0 && (!size || place->index < place->block_size))
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the deque at 0x%llx has %lld items from %llu of %llu on",
                     (unsigned long long)deque, (long long)size, (unsigned long long)place->index,
                     (unsigned long long)place->block_size);
}

pst_error *repr_add_deque(struct repr *repr, const struct instance *object)
{
    struct place_in_blocks place;
    uint64_t count;
    int64_t max_size;
    TRY(read_deque(repr->python, object->address, &place, &count));
    TRY(field_signed(repr->python, object->address, F(dequeobject_maxlen), &max_size));
    repr_add_class_name(repr, object, "deque");
    text_add_string(repr->text, "([");
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        pst_addr item;
        TRY(next_in_blocks(repr->python, &place, &item));
        TRY(error_in(repr_add_object(repr, item), "item %llu", (unsigned long long)i));
    }
    text_add_char(repr->text, ']');
    if (max_size >= 0) {
        text_add_string(repr->text, ", maxlen=");
        text_add_signed(repr->text, max_size);
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- those written in Python ------------------------------------------------------------------------------- */

/* The items of its list `maps`. */
pst_error *repr_add_chain_map(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr maps, items;
    uint64_t count;
    TRY(repr_get_attribute(repr, object, "maps", &maps));
    if (!maps)
        return repr_add_attributes(repr, object);
    TRY(object_expect(python, maps, TPFLAGS_LIST_SUBCLASS, "list"));
    TRY(field_unsigned(python, maps, F(PyVarObject_ob_size), &count));
    TRY(field_address(python, maps, F(PyListObject_ob_item), &items));
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    TRY(repr_add_array(repr, items, count));
    text_add_char(repr->text, ')');
    return NULL;
}

/* UserDict, UserList, UserString: as what they keep. */
pst_error *repr_add_user_data(struct repr *repr, const struct instance *object)
{
    pst_addr data;
    TRY(repr_get_attribute(repr, object, "data", &data));
    return data ? repr_add_object(repr, data) : repr_add_attributes(repr, object);
}

/* KeysView and its like, of mappings written in Python. */
pst_error *repr_add_mapping_view(struct repr *repr, const struct instance *object)
{
    pst_addr mapping;
    TRY(repr_get_attribute(repr, object, "_mapping", &mapping));
    if (!mapping)
        return repr_add_attributes(repr, object);
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    TRY(repr_add_object(repr, mapping));
    text_add_char(repr->text, ')');
    return NULL;
}
