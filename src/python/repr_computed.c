/* What the class of an object computes, though the object itself has an attribute by that name. Objects/object.c,
 * _PyObject_GenericGetAttrWithDict(). */
#include "python/dict.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

/* The names that were found so far; and the last type of what stands in a class: all members of an enumeration have the
 * same. */
struct search {
    struct types *types;
    pst_text *names;
    size_t count, capacity;
    const struct type *last;
    bool is_last;
};

/* A property, or another descriptor with a __set__(). */
static pst_error *is_data_descriptor(struct search *search, const struct type *type, bool *result)
{
    struct type *property;
    pst_addr method;
    *result = search->is_last;
    if (type == search->last)
        return NULL;
    TRY(type_find_base(search->types, type, "", "property", &property));
    TRY(type_find_attribute(search->types, type, "__set__", &method));
    *result = property || method;
    search->last = type;
    search->is_last = *result;
    return NULL;
}

static pst_error *add_name(struct search *search, pst_addr key)
{
    if (search->count == search->capacity) {
        size_t capacity = search->capacity ? search->capacity * 2 : 4;
        pst_text *names = arena_alloc(search->types->arena, capacity * sizeof *names);
        if (!names)
            return error_no_memory();
        if (search->count)
            memcpy(names, search->names, search->count * sizeof *names);
        search->names = names;
        search->capacity = capacity;
    }
    return string_read(search->types->python, search->types->arena, key, &search->names[search->count++]);
}

static pst_error *search_class(struct search *search, pst_addr class)
{
    const struct python *python = search->types->python;
    struct dict_reader reader;
    pst_addr dict, key, value;
    TRY(field_address(python, class, F(PyTypeObject_tp_dict), &dict));
    if (!dict)
        return NULL;
    TRY(dict_start(python, dict, &reader));
    for (;;) {
        struct type *type;
        bool is_found;
        TRY(dict_next(&reader, &key, &value));
        if (!key)
            return NULL;
        TRY(type_of(search->types, value, &type));
        TRY(is_data_descriptor(search, type, &is_found));
        if (is_found)
            TRY(add_name(search, key));
    }
}

static pst_error *search_bases(struct types *types, struct type *type)
{
    struct search search = {.types = types};
    const pst_addr *bases;
    size_t count;
    TRY(type_read_mro(types, type, &bases, &count));
    (void)repr_kind_of(types, type); /* fills in the definer */
    for (size_t i = 0; i < count && bases[i] != type->definer_type; i++) {
        struct type *base;
        TRY(type_get(types, bases[i], &base));
        if (base->is_heap && base->flags) /* 2.7: a class may be no type */
            TRY(search_class(&search, bases[i]));
    }
    type->computed = search.names;
    type->computed_count = search.count;
    return NULL;
}

pst_error *repr_is_computed(struct repr *repr, const struct instance *object, const char *name, bool *result)
{
    struct type *type = object->type;
    if (!type->has_searched_computed)
        TRY(search_bases(repr->types, type));
    type->has_searched_computed = true;
    *result = false;
    for (size_t i = 0; i < type->computed_count && !*result; i++)
        *result = text_is(type->computed[i], name);
    return NULL;
}
