/* types.SimpleNamespace. Objects/namespaceobject.c. */
#include "python/dict.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SORTED = 10000 }; /* attributes; of more the order is that of the dict */

struct attribute {
    pst_text name;      /* empty: the key is no name, and it is not shown */
    pst_addr value;
};

static pst_error *next_attribute(const struct repr *repr, struct dict_reader *reader, struct attribute *attribute)
{
    const struct python *python = repr->python;
    pst_addr key, type;
    uint64_t flags;
    *attribute = (struct attribute){0};
    TRY(dict_next_item(reader, &key, &attribute->value));
    TRY(object_get_type(python, key, &type));
    TRY(type_get_flags(python, type, &flags));
    return flags & TPFLAGS_UNICODE_SUBCLASS ? string_read(python, repr->arena, key, &attribute->name) : NULL;
}

/* By their characters: UTF-8 has the same order. */
static int compare(const void *one, const void *other)
{
    const struct attribute *x = one, *y = other;
    size_t common = x->name.size < y->name.size ? x->name.size : y->name.size;
    int order = common ? memcmp(x->name.data, y->name.data, common) : 0;
    return order ? order : x->name.size < y->name.size ? -1 : x->name.size > y->name.size;
}

/* To 3.8 they are sorted. The caller frees them. */
static pst_error *read_sorted(const struct repr *repr, struct dict_reader *reader, uint64_t count,
                              struct attribute **sorted)
{
    *sorted = calloc(count + 1, sizeof **sorted);
    if (!*sorted)
        return error_no_memory();
    for (uint64_t i = 0; i < count; i++)
        TRY(next_attribute(repr, reader, &(*sorted)[i]));
    qsort(*sorted, count, sizeof **sorted, compare);
    return NULL;
}

static pst_error *add_attributes(struct repr *repr, struct dict_reader *reader, uint64_t count,
                                 const struct attribute *sorted)
{
    uint64_t shown = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct attribute attribute;
        if (sorted)
            attribute = sorted[i];
        else
            TRY(next_attribute(repr, reader, &attribute));
        if (!attribute.name.size)
            continue;
        if (!repr_begin_item(repr, shown, count - i))
            return NULL;
        shown++;
        repr_add_text(repr, attribute.name);
        text_add_char(repr->text, '=');
        TRY(error_in(repr_add_object(repr, attribute.value), "attribute %llu", (unsigned long long)i));
    }
    return NULL;
}

pst_error *repr_add_namespace(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    struct dict_reader reader;
    struct attribute *sorted = NULL;
    uint64_t count;
    pst_addr dict;
    TRY(field_address(python, object->address, F(_PyNamespaceObject_ns_dict), &dict));
    TRY(dict_start_items(python, dict, &reader, &count));
    if (object->type->is_heap)
        repr_add_text(repr, object->type->name);
    else
        text_add_string(repr->text, "namespace");
    text_add_char(repr->text, '(');
    if (object->is_open) {
        text_add_string(repr->text, "...)");
        return NULL;
    }
    bool is_sorted = python_minor_version(python) < 309 && count <= MAX_SORTED;
    pst_error *error = is_sorted ? read_sorted(repr, &reader, count, &sorted) : NULL;
    if (!error)
        error = add_attributes(repr, &reader, count, sorted);
    free(sorted);
    text_add_char(repr->text, ')');
    return error;
}
