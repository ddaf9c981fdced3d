#include "python/attribute.h"

#include "python/object.h"
#include "python/old_class.h"

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

/* A negative tp_dictoffset counts from the end of an object of varying size: a subclass of tuple or int
 * (Objects/object.c, _PyObject_GetDictPtr(), _PyObject_VAR_SIZE). *offset becomes that from its start. */
static pst_error *find_dict_behind_items(const struct python *python, pst_addr object, pst_addr type, int64_t *offset)
{
    enum { WORD = 8, MAX_ITEMS = 1 << 30, MAX_ITEM_SIZE = 1 << 20 };
    int64_t count;
    uint64_t basic_size, item_size;
    TRY(field_signed(python, object, F(PyVarObject_ob_size), &count));
    TRY(field_unsigned(python, type, F(PyTypeObject_tp_basicsize), &basic_size));
    TRY(field_unsigned(python, type, F(PyTypeObject_tp_itemsize), &item_size));
    uint64_t items = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    if (items > MAX_ITEMS || item_size > MAX_ITEM_SIZE || basic_size > MAX_ITEM_SIZE)
        return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx has %lld items of %llu bytes",
                         (unsigned long long)object, (long long)count, (unsigned long long)item_size);
    uint64_t size = basic_size + items * item_size;
    *offset += (int64_t)((size + WORD - 1) / WORD * WORD);
    return NULL;
}

pst_error *attributes_find(const struct python *python, pst_addr object, pst_addr type,
                           struct attributes *attributes)
{
    uint64_t flags;
    int64_t dict_offset;
    bool is_old;
    *attributes = (struct attributes){0};
    TRY(type_is_of_old_instances(python, type, &is_old));
    if (is_old)
        return field_address(python, object, F(PyInstanceObject_in_dict), &attributes->dict);
    TRY(type_get_flags(python, type, &flags));
    if (python_minor_version(python) >= 311 && flags & TPFLAGS_MANAGED_DICT)
        return read_managed(python, object, type, flags, attributes);
    TRY(field_signed(python, type, F(PyTypeObject_tp_dictoffset), &dict_offset));
    if (dict_offset < 0)
        TRY(find_dict_behind_items(python, object, type, &dict_offset));
    return dict_offset ? pointer_at(python, object + (uint64_t)dict_offset, 0, &attributes->dict) : NULL;
}

pst_error *attributes_start(const struct python *python, pst_addr object, pst_addr type, struct dict_reader *reader,
                            uint64_t *used, bool *any)
{
    struct attributes attributes;
    pst_addr keys;
    TRY(attributes_find(python, object, type, &attributes));
    *any = attributes.dict || attributes.values;
    if (attributes.dict)
        return dict_start_items(python, attributes.dict, reader, used);
    if (!attributes.values)
        return NULL;
    TRY(field_address(python, type, F(PyHeapTypeObject_ht_cached_keys), &keys));
    *any = keys != 0;
    return keys ? dict_start_values(python, keys, attributes.values, reader, used) : NULL;
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
