/*
 * What is left of collections: deque, ChainMap, UserDict and its like, and the views of mappings written in Python.
 * Modules/_collectionsmodule.c; Lib/collections/__init__.py, Lib/_collections_abc.py; 2.7: UserDict.py, _abcoll.py.
 */
#include "python/deque.h"
#include "python/object.h"
#include "python/repr.h"

/* ---- deque ------------------------------------------------------------------------------------------------ */

pst_error *repr_add_deque(struct repr *repr, const struct instance *object)
{
    struct deque_reader items;
    uint64_t count;
    int64_t max_size;
    TRY(deque_start(repr->python, object->address, &items, &count));
    TRY(field_signed(repr->python, object->address, F(dequeobject_maxlen), &max_size));
    repr_add_class_name(repr, object, "deque");
    text_add_string(repr->text, "([");
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        pst_addr item;
        TRY(deque_next(&items, &item));
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
