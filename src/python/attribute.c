#include "python/attribute.h"

#include "python/object.h"

/* 3.13+: the values follow the object itself, until the dict takes them over and marks them invalid. */
static pst_error *read_inline_values(const struct python *python, pst_addr object, pst_addr type,
                                     struct attributes *attributes)
{
    uint64_t basic_size, valid;
    TRY(field_unsigned(python, type, F(PyTypeObject_tp_basicsize), &basic_size));
    pst_addr values = object + basic_size;
    TRY(field_unsigned(python, values, F(PyDictValues_valid), &valid));
    if (valid)
        TRY(field_place(python, values, F(PyDictValues_values), &attributes->values));
    return NULL;
}

/* 3.11+: the words before the object. 3.11 has two, values at -4 and dict at -3; 3.12 one at -3, whose low
 * bit says “values”; 3.13+ the dict at -3, and free-threaded builds at -1 (pycore_object.h). */
static pst_error *read_managed(const struct python *python, pst_addr object, pst_addr type, uint64_t flags,
                               struct attributes *attributes)
{
    int version = python_minor_version(python);
    uint64_t words_before = version >= 313 && python->version.free_threaded ? 1 : 3;
    if (version >= 313 && flags & TPFLAGS_INLINE_VALUES) {
        TRY(read_inline_values(python, object, type, attributes));
        if (attributes->values)
            return NULL;
    }
    if (version == 311) {
        TRY(pointer_at(python, object - 4 * 8, 0, &attributes->values));
        if (attributes->values)
            return NULL;
    }
    TRY(pointer_at(python, object - words_before * 8, 0, &attributes->dict));
    if (version == 312 && attributes->dict & 1)
        *attributes = (struct attributes){.values = attributes->dict + 1};
    return NULL;
}

pst_error *attributes_find(const struct python *python, pst_addr object, pst_addr type,
                           struct attributes *attributes)
{
    uint64_t flags;
    int64_t dict_offset;
    *attributes = (struct attributes){0};
    TRY(type_get_flags(python, type, &flags));
    if (python_minor_version(python) >= 311 && flags & TPFLAGS_MANAGED_DICT)
        return read_managed(python, object, type, flags, attributes);
    TRY(field_signed(python, type, F(PyTypeObject_tp_dictoffset), &dict_offset));
    /* A negative offset counts from the end of an object of varying size; none of those is asked for. */
    if (dict_offset > 0)
        TRY(pointer_at(python, object + (uint64_t)dict_offset, 0, &attributes->dict));
    return NULL;
}

pst_error *attribute_get(const struct python *python, pst_addr object, const char *name,
                         struct attribute_memo *memo, pst_addr *value)
{
    pst_addr type;
    struct attributes attributes;
    *value = 0;
    TRY(object_get_type(python, object, &type));
    TRY(attributes_find(python, object, type, &attributes));
    if (attributes.dict)
        return dict_get(python, attributes.dict, name, memo, value);
    if (!attributes.values)
        return NULL;
    pst_addr keys;
    TRY(field_address(python, type, F(PyHeapTypeObject_ht_cached_keys), &keys));
    return keys ? dict_get_from_values(python, keys, attributes.values, name, memo, value) : NULL;
}
