#include "python/repr.h"

#include "python/object.h"
#include "python/string.h"

#include <string.h>

struct writer {
    const struct python *python;
    struct arena *arena;
    struct text *text;
    size_t start;          /* of this repr in the text */
    size_t object_count;   /* so far: tuples in tuples can multiply what they share */
};

static pst_error *add_object(struct writer *writer, pst_addr object, int depth);

/* ---- containers ---------------------------------------------------------------------------------------- */

static pst_error *add_items(struct writer *writer, const struct value *value, int depth)
{
    for (size_t i = 0; i < value->item_count; i++) {
        if (i)
            text_add_string(writer->text, ", ");
        TRY(error_in(add_object(writer, value->items[i], depth + 1), "item %zu", i));
    }
    return NULL;
}

static pst_error *add_tuple(struct writer *writer, const struct value *value, int depth)
{
    text_add_char(writer->text, '(');
    TRY(add_items(writer, value, depth));
    text_add_string(writer->text, value->item_count == 1 ? ",)" : ")");
    return NULL;
}

static pst_error *add_frozenset(struct writer *writer, const struct value *value, int depth)
{
    bool is_2 = python_is_2(writer->python);
    text_add_string(writer->text, "frozenset(");
    if (value->item_count || is_2) {
        text_add_char(writer->text, is_2 ? '[' : '{');
        TRY(add_items(writer, value, depth));
        text_add_char(writer->text, is_2 ? ']' : '}');
    }
    text_add_char(writer->text, ')');
    return NULL;
}

static pst_error *add_slice(struct writer *writer, const struct value *value, int depth)
{
    text_add_string(writer->text, "slice(");
    TRY(add_items(writer, value, depth));
    text_add_char(writer->text, ')');
    return NULL;
}

/* ---- code ---------------------------------------------------------------------------------------------- */

/* A name as "%U" gives it; in 2.7 as "%.100s" or so does, which ends at a NUL. */
static pst_error *add_name(struct writer *writer, pst_addr code, enum field field, size_t max_size_2)
{
    const struct python *python = writer->python;
    pst_addr object;
    pst_text name;
    TRY(field_address(python, code, field, &object));
    if (python_is_2(python)) {
        pst_bytes bytes;
        TRY(bytes_read(python, writer->arena, object, &bytes.data, &bytes.size));
        bytes.size = strnlen((const char *)bytes.data, bytes.size < max_size_2 ? bytes.size : max_size_2);
        TRY(string_decode(writer->arena, bytes, &name));
    } else {
        TRY(string_read(python, writer->arena, object, &name));
    }
    text_add(writer->text, name.data, name.size);
    return NULL;
}

/* Objects/codeobject.c, code_repr(). */
static pst_error *add_code(struct writer *writer, pst_addr code)
{
    enum { NAME_SIZE_2 = 100, FILENAME_SIZE_2 = 300 };
    struct text *text = writer->text;
    int line;
    TRY(field_int(writer->python, code, F(PyCodeObject_co_firstlineno), &line));
    text_add_string(text, "<code object ");
    TRY(add_name(writer, code, F(PyCodeObject_co_name), NAME_SIZE_2));
    text_add_string(text, " at ");
    text_add_hex(text, code);
    text_add_string(text, ", file \"");
    TRY(add_name(writer, code, F(PyCodeObject_co_filename), FILENAME_SIZE_2));
    text_add_string(text, "\", line ");
    text_add_signed(text, line ? line : -1);
    text_add_char(text, '>');
    return NULL;
}

/* ---- ints ---------------------------------------------------------------------------------------------- */

/* What takes long for its size counts as reads do: a lie may be made of many. */
static pst_error *spend_on_int(const struct python *python, const struct value *value)
{
    enum { STEPS_PER_READ = 32 };
    uint64_t work = repr_count_int_steps(value) / STEPS_PER_READ, left = memory_get_work_left(python->memory);
    if (work > left)
        return error_new(PST_ERROR_LIMIT, "an int of %zu digits of %u bits: too much work, after what was read before",
                         value->digit_count, value->digit_bits);
    if (work)
        memory_set_work(python->memory, left - work);
    return NULL;
}

static pst_error *add_int(struct writer *writer, const struct value *value)
{
    TRY(spend_on_int(writer->python, value));
    TRY(repr_add_int(value, writer->text));
    if (value->kind == VALUE_LONG)
        text_add_char(writer->text, 'L');
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------------------- */

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

static pst_error *check_limits(struct writer *writer, int depth)
{
    if (depth > VALUE_MAX_DEPTH)
        return error_new(PST_ERROR_LIMIT, "more than %d objects in each other", VALUE_MAX_DEPTH);
    if (++writer->object_count > REPR_MAX_OBJECTS)
        return error_new(PST_ERROR_LIMIT, "a repr of more than %d objects", REPR_MAX_OBJECTS);
    if (writer->text->size - writer->start > REPR_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a repr of more than %d bytes", REPR_MAX_SIZE);
    return NULL;
}

static pst_error *add_value(struct writer *writer, const struct value *value, int depth)
{
    struct text *text = writer->text;
    bool is_2 = python_is_2(writer->python);
    TRY(check_limits(writer, depth));
    switch (value->kind) {
    case VALUE_NONE: text_add_string(text, "None"); return NULL;
    case VALUE_ELLIPSIS: text_add_string(text, "Ellipsis"); return NULL;
    case VALUE_BOOL: text_add_string(text, value->boolean ? "True" : "False"); return NULL;
    case VALUE_INT:
    case VALUE_LONG: return add_int(writer, value);
    case VALUE_FLOAT: repr_add_double(value->real, text); return NULL;
    case VALUE_COMPLEX: repr_add_complex(value->real, value->imaginary, text); return NULL;
    case VALUE_STR: repr_add_str(value->text, is_2 ? -1 : writer->python->layout.minor, text); return NULL;
    case VALUE_BYTES: repr_add_bytes(value->bytes, is_2 ? "" : "b", text); return NULL;
    case VALUE_TUPLE: return add_tuple(writer, value, depth);
    case VALUE_FROZENSET: return add_frozenset(writer, value, depth);
    case VALUE_SLICE: return add_slice(writer, value, depth);
    case VALUE_CODE: return add_code(writer, value->address);
    case VALUE_OTHER: break;
    }
    return refuse(writer->python, value);
}

static pst_error *add_object(struct writer *writer, pst_addr object, int depth)
{
    struct value value;
    TRY(value_read(writer->python, writer->arena, object, &value));
    return add_value(writer, &value, depth);
}

pst_error *repr_add_value(const struct python *python, struct arena *arena, const struct value *value,
                          struct text *text)
{
    struct writer writer = {.python = python, .arena = arena, .text = text, .start = text->size};
    return add_value(&writer, value, 0);
}

pst_error *repr_add(const struct python *python, struct arena *arena, pst_addr object, struct text *text)
{
    struct writer writer = {.python = python, .arena = arena, .text = text, .start = text->size};
    return add_object(&writer, object, 0);
}
