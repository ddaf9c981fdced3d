#include "python/repr.h"

#include "python/object.h"
#include "python/string.h"

static pst_error *add_nested(const struct python *python, struct arena *arena, pst_addr object, int depth,
                             struct text *text);

static pst_error *add_items(const struct python *python, struct arena *arena, const struct value *value, int depth,
                            struct text *text)
{
    for (size_t i = 0; i < value->item_count; i++) {
        if (i)
            text_add_string(text, ", ");
        TRY(error_in(add_nested(python, arena, value->items[i], depth + 1, text), "item %zu", i));
    }
    return NULL;
}

static pst_error *add_tuple(const struct python *python, struct arena *arena, const struct value *value, int depth,
                            struct text *text)
{
    text_add_char(text, '(');
    TRY(add_items(python, arena, value, depth, text));
    text_add_string(text, value->item_count == 1 ? ",)" : ")");
    return NULL;
}

static pst_error *add_frozenset(const struct python *python, struct arena *arena, const struct value *value,
                                int depth, struct text *text)
{
    bool is_2 = python_is_2(python);
    text_add_string(text, "frozenset(");
    if (value->item_count || is_2) {
        text_add_char(text, is_2 ? '[' : '{');
        TRY(add_items(python, arena, value, depth, text));
        text_add_char(text, is_2 ? ']' : '}');
    }
    text_add_char(text, ')');
    return NULL;
}

static pst_error *add_slice(const struct python *python, struct arena *arena, const struct value *value, int depth,
                            struct text *text)
{
    text_add_string(text, "slice(");
    TRY(add_items(python, arena, value, depth, text));
    text_add_char(text, ')');
    return NULL;
}

/* Objects/codeobject.c, code_repr(); 2.7 cuts names. */
static pst_error *add_code(const struct python *python, struct arena *arena, pst_addr code, struct text *text)
{
    enum { NAME_SIZE_2 = 100, FILENAME_SIZE_2 = 300 };
    pst_addr object;
    pst_text name, filename;
    int line;
    TRY(field_address(python, code, F(PyCodeObject_co_name), &object));
    TRY(string_read(python, arena, object, &name));
    TRY(field_address(python, code, F(PyCodeObject_co_filename), &object));
    TRY(string_read(python, arena, object, &filename));
    TRY(field_int(python, code, F(PyCodeObject_co_firstlineno), &line));
    if (python_is_2(python) && name.size > NAME_SIZE_2)
        name.size = NAME_SIZE_2;
    if (python_is_2(python) && filename.size > FILENAME_SIZE_2)
        filename.size = FILENAME_SIZE_2;
    text_add_string(text, "<code object ");
    text_add(text, name.data, name.size);
    text_add_string(text, " at ");
    text_add_hex(text, code);
    text_add_string(text, ", file \"");
    text_add(text, filename.data, filename.size);
    text_add_string(text, "\", line ");
    text_add_signed(text, line ? line : -1);
    text_add_char(text, '>');
    return NULL;
}

static pst_error *refuse(const struct python *python, const struct value *value)
{
    char name[64] = "?";
    pst_error_free(type_get_name(python, value->type, name, sizeof name));
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c >= 0x7f)
            *c = '?';
    return error_new(PST_ERROR_UNSUPPORTED, "the object at 0x%llx is no constant, but a %s",
                     (unsigned long long)value->address, name);
}

static pst_error *add_value(const struct python *python, struct arena *arena, const struct value *value, int depth,
                            struct text *text)
{
    int minor = python_is_2(python) ? -1 : python->layout.minor;
    if (depth > VALUE_MAX_DEPTH)
        return error_new(PST_ERROR_LIMIT, "more than %d objects in each other", VALUE_MAX_DEPTH);
    if (text->size > REPR_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a repr of more than %d bytes", REPR_MAX_SIZE);
    switch (value->kind) {
    case VALUE_NONE: text_add_string(text, "None"); return NULL;
    case VALUE_ELLIPSIS: text_add_string(text, "Ellipsis"); return NULL;
    case VALUE_BOOL: text_add_string(text, value->boolean ? "True" : "False"); return NULL;
    case VALUE_INT: return repr_add_int(value, text);
    case VALUE_LONG: TRY(repr_add_int(value, text)); text_add_char(text, 'L'); return NULL;
    case VALUE_FLOAT: repr_add_double(value->real, text); return NULL;
    case VALUE_COMPLEX: repr_add_complex(value->real, value->imaginary, text); return NULL;
    case VALUE_STR: repr_add_str(value->text, minor, text); return NULL;
    case VALUE_BYTES: repr_add_bytes(value->bytes, python_is_2(python) ? "" : "b", text); return NULL;
    case VALUE_TUPLE: return add_tuple(python, arena, value, depth, text);
    case VALUE_FROZENSET: return add_frozenset(python, arena, value, depth, text);
    case VALUE_SLICE: return add_slice(python, arena, value, depth, text);
    case VALUE_CODE: return add_code(python, arena, value->address, text);
    case VALUE_OTHER: break;
    }
    return refuse(python, value);
}

static pst_error *add_nested(const struct python *python, struct arena *arena, pst_addr object, int depth,
                             struct text *text)
{
    struct value value;
    TRY(value_read(python, arena, object, &value));
    return add_value(python, arena, &value, depth, text);
}

pst_error *repr_add_value(const struct python *python, struct arena *arena, const struct value *value,
                          struct text *text)
{
    return add_value(python, arena, value, 0, text);
}

pst_error *repr_add(const struct python *python, struct arena *arena, pst_addr object, struct text *text)
{
    return add_nested(python, arena, object, 0, text);
}
