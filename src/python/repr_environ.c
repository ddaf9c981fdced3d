/* os.environ, from 3.x on: a dict of bytes, which it decodes as they are asked for. Lib/os.py, _Environ. */
#include "python/dict.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

/* Whether the attribute is os.py's own function that decodes UTF-8: the encoding is what it has in its only cell. */
static pst_error *decodes_utf8(struct repr *repr, const struct instance *object, const char *name, bool *yes)
{
    const struct python *python = repr->python;
    struct type *type;
    pst_addr function, qualname, closure, cells, cell, encoding;
    uint64_t count;
    *yes = false;
    TRY(repr_get_attribute(repr, object, name, &function));
    if (!function)
        return NULL;
    TRY(type_of(repr->types, function, &type));
    if (type->is_heap || !text_is(type->name, "function"))
        return NULL;
    TRY(field_address(python, function, F(PyFunctionObject_func_qualname), &qualname));
    TRY(field_address(python, function, F(PyFunctionObject_func_closure), &closure));
    TRY(string_equals(python, qualname, "_createenviron.<locals>.decode", yes));
    if (!*yes) /* 3.15+ */
        TRY(string_equals(python, qualname, "_create_environ_mapping.<locals>.decode", yes));
    if (!*yes)
        return NULL;
    *yes = false;
    TRY(tuple_find_items(python, closure, &cells, &count));
    if (count != 1)
        return NULL;
    TRY(pointer_at(python, cells, 0, &cell));
    TRY(field_address(python, cell, F(PyCellObject_ob_ref), &encoding));
    return encoding ? string_equals(python, encoding, "utf-8", yes) : NULL;
}

static pst_error *add_text(struct repr *repr, pst_addr bytes)
{
    pst_text text;
    TRY(object_expect(repr->python, bytes, TPFLAGS_BYTES_SUBCLASS, "bytes"));
    TRY(string_read(repr->python, repr->arena, bytes, &text));
    repr_add_quoted(repr, text);
    return NULL;
}

static pst_error *add_items(struct repr *repr, pst_addr dict)
{
    struct dict_reader reader;
    uint64_t used;
    TRY(dict_start_items(repr->python, dict, &reader, &used));
    text_add_string(repr->text, "environ({");
    for (uint64_t i = 0; i < used && repr_begin_item(repr, i, used - i); i++) {
        pst_addr key, value;
        TRY(dict_next_item(&reader, &key, &value));
        TRY(add_text(repr, key));
        text_add_string(repr->text, ": ");
        TRY(add_text(repr, value));
    }
    text_add_string(repr->text, "})");
    return NULL;
}

/* _Environ.__repr__(); os.environb, and one in another encoding, are as any object. */
pst_error *repr_add_environ(struct repr *repr, const struct instance *object)
{
    static const char *const names[] = {"decodekey", "decodevalue"};
    pst_addr dict;
    bool is_known = true;
    TRY(repr_get_attribute(repr, object, "_data", &dict));
    for (size_t i = 0; i < 2 && is_known; i++)
        TRY(decodes_utf8(repr, object, names[i], &is_known));
    return dict && is_known ? add_items(repr, dict) : repr_add_attributes(repr, object);
}
