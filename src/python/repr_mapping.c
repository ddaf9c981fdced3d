/*
 * dict, frozendict, defaultdict, OrderedDict, their views and proxies. Objects/dictobject.c, odictobject.c,
 * descrobject.c, Modules/_collectionsmodule.c; OrderedDict of 2.7: Lib/collections.py.
 */
#include "python/dict.h"
#include "python/ordered_dict.h"
#include "python/repr.h"
#include "python/string.h"

/* What is shown of each item. */
enum shown { SHOWN_KEYS, SHOWN_VALUES, SHOWN_PAIRS, SHOWN_ITEMS };

/* The items of a mapping, one by one. */
struct items {
    bool is_ordered;
    struct dict_reader dict;
    struct ordered_dict_reader ordered;
    uint64_t count;
};

static pst_error *start(const struct repr *repr, pst_addr mapping, bool is_ordered, struct items *items)
{
    *items = (struct items){.is_ordered = is_ordered};
    return is_ordered ? ordered_dict_start(repr->python, mapping, &items->ordered, &items->count)
                      : dict_start_items(repr->python, mapping, &items->dict, &items->count);
}

static pst_error *next(struct items *items, pst_addr *key, pst_addr *value)
{
    return items->is_ordered ? ordered_dict_next(&items->ordered, key, value)
                             : dict_next_item(&items->dict, key, value);
}

static pst_error *add_item(struct repr *repr, pst_addr key, pst_addr value, enum shown shown)
{
    text_add_string(repr->text, shown == SHOWN_PAIRS ? "(" : "");
    if (shown != SHOWN_VALUES)
        TRY(repr_add_object(repr, key));
    text_add_string(repr->text, shown == SHOWN_PAIRS ? ", " : shown == SHOWN_ITEMS ? ": " : "");
    if (shown != SHOWN_KEYS)
        TRY(repr_add_object(repr, value));
    text_add_string(repr->text, shown == SHOWN_PAIRS ? ")" : "");
    return NULL;
}

/* All of them in braces if items are shown, else in brackets. */
static pst_error *add_items(struct repr *repr, struct items *items, enum shown shown)
{
    text_add_char(repr->text, shown == SHOWN_ITEMS ? '{' : '[');
    for (uint64_t i = 0; i < items->count && repr_begin_item(repr, i, items->count - i); i++) {
        pst_addr key, value;
        pst_error *error = next(items, &key, &value);
        if (error) {
            TRY(repr_end_items(repr, "", items->count - i, error));
            break;
        }
        TRY(error_in(add_item(repr, key, value, shown), "item %llu", (unsigned long long)i));
    }
    text_add_char(repr->text, shown == SHOWN_ITEMS ? '}' : ']');
    return NULL;
}

/* ---- dicts ----------------------------------------------------------------------------------------------- */

pst_error *repr_add_dict(struct repr *repr, const struct instance *object)
{
    struct items items;
    TRY(start(repr, object->address, false, &items));
    return add_items(repr, &items, SHOWN_ITEMS);
}

/* The repr() of the dict looks out for itself, that of what is around it does not. */
static pst_error *add_inner_dict(struct repr *repr, const struct instance *object)
{
    if (!object->is_open)
        return repr_add_dict(repr, object);
    text_add_string(repr->text, "{...}");
    return NULL;
}

pst_error *repr_add_frozendict(struct repr *repr, const struct instance *object)
{
    struct items items;
    TRY(start(repr, object->address, false, &items));
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    if (items.count)
        TRY(add_inner_dict(repr, object));
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_defaultdict(struct repr *repr, const struct instance *object)
{
    pst_addr factory;
    enum value_kind kind = VALUE_NONE;
    TRY(field_address(repr->python, object->address, F(defdictobject_default_factory), &factory));
    if (factory)
        TRY(value_get_kind(repr->python, factory, &kind));
    repr_add_class_name(repr, object, "defaultdict");
    text_add_char(repr->text, '(');
    if (kind != VALUE_NONE)
        TRY(repr_add_marked(repr, factory));
    else
        text_add_string(repr->text, "None");
    text_add_string(repr->text, ", ");
    TRY(add_inner_dict(repr, object));
    text_add_char(repr->text, ')');
    return NULL;
}

/* 3.12+: as a dict; before, as a list of pairs. */
pst_error *repr_add_ordered_dict(struct repr *repr, const struct instance *object)
{
    struct items items;
    TRY(start(repr, object->address, true, &items));
    if (object->type->origin == REPR_IN_PYTHON)
        repr_add_text(repr, object->type->name);
    else
        repr_add_last_name(repr, object);
    text_add_char(repr->text, '(');
    if (items.count)
        TRY(add_items(repr, &items, python_minor_version(repr->python) >= 312 ? SHOWN_ITEMS : SHOWN_PAIRS));
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- views and proxies ----------------------------------------------------------------------------------- */

/* "odict_items" and the like are those of an OrderedDict. */
pst_error *repr_add_dict_view(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_text name = object->type->name;
    bool is_ordered = name.size && name.data[0] == 'o';
    pst_text what = is_ordered ? (pst_text){name.data + 1, name.size - 1} : name;
    enum shown shown = text_is(what, "dict_keys")     ? SHOWN_KEYS
                       : text_is(what, "dict_values") ? SHOWN_VALUES
                                                      : SHOWN_PAIRS;
    pst_addr dict;
    struct items items;
    TRY(field_address(python, object->address,
                      python_is_2(python) ? F(dictviewobject_dv_dict) : F(_PyDictViewObject_dv_dict), &dict));
    TRY(start(repr, dict, is_ordered, &items));
    repr_add_text(repr, name);
    text_add_char(repr->text, '(');
    TRY(add_items(repr, &items, shown));
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_mappingproxy(struct repr *repr, const struct instance *object)
{
    bool is_2 = python_is_2(repr->python);
    text_add_string(repr->text, is_2 ? "dict_proxy(" : "mappingproxy(");
    TRY(repr_add_field(repr, object->address, is_2 ? F(proxyobject_dict) : F(mappingproxyobject_mapping)));
    text_add_char(repr->text, ')');
    return NULL;
}
