/* Numbers, strings and names, cut where the bounds say. Objects/longobject.c, unicodeobject.c, bytesobject.c. */
#include "python/repr.h"

#include "python/string.h"

#include <string.h>

enum {
    MAX_INT_DIGITS = 4300,          /* what CPython 3.11+ itself converts at most; within bounds, nor do we */
    MAX_BOUNDED_INT_BITS = 14285,   /* that many digits, or one more */
    MIN_NAME = 80,                  /* characters that a name has before it is cut */
};

/* Characters of UTF-8. */
static uint64_t count_characters(pst_text text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

/* The first `count` of them. */
static pst_text start_of(pst_text text, uint64_t count)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] & 0xc0) != 0x80 && count-- == 0)
            return (pst_text){text.data, i};
    return text;
}

/* The name of a class is measured anew for each of the objects that share it: as soon as that takes as long as reads
 * do, it counts as they do. */
static void spend_on_text(const struct python *python, size_t size)
{
    enum { BYTES_PER_READ = 128 };
    uint64_t work = size / BYTES_PER_READ, left = memory_get_work_left(python->memory);
    if (work)
        memory_set_work(python->memory, work < left ? left - work : 0);
}

/* Of a name of so many characters. */
static uint64_t get_shown_of_name(struct repr *repr, uint64_t count)
{
    size_t left = repr_get_left(repr);
    return repr_choose_shown(count, left > MIN_NAME ? left : MIN_NAME);
}

void repr_add_text(struct repr *repr, pst_text text)
{
    spend_on_text(repr->python, text.size);
    uint64_t count = count_characters(text), shown = get_shown_of_name(repr, count);
    text = start_of(text, shown);
    text_add(repr->text, text.data, text.size);
    if (count > shown)
        repr_add_cut(repr, count - shown);
}

void repr_add_type_name(struct repr *repr, const struct type *type)
{
    if (type->module.data) {
        repr_add_text(repr, type->module);
        text_add_char(repr->text, '.');
    }
    repr_add_text(repr, type->qualname);
}

void repr_cut_number(struct repr *repr, size_t start, size_t left)
{
    size_t size = repr->text->size - start, shown = repr_choose_shown(size, left);
    if (size <= shown)
        return;
    repr->text->size = start + shown;
    text_add_char(repr->text, ' ');
    repr_add_cut(repr, size - shown);
}

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

static pst_error *add_int(struct repr *repr, const struct value *value)
{
    size_t left = repr_get_left(repr), start = repr->text->size;
    TRY(spend_on_int(repr->python, value));
    TRY(repr_add_int(value, repr->text));
    if (value->kind == VALUE_LONG)
        text_add_char(repr->text, 'L');
    repr_cut_number(repr, start, left);
    return NULL;
}

static void add_int_size(struct repr *repr, bool is_negative, uint64_t bits)
{
    text_printf(repr->text, "<%sint of %llu bits>", is_negative ? "negative " : "", (unsigned long long)bits);
}

static pst_error *has_too_many_digits(struct repr *repr, const struct value *value, bool *yes)
{
    size_t start = repr->text->size;
    TRY(repr_add_int(value, repr->text));
    *yes = repr->text->size - start - value->is_negative > MAX_INT_DIGITS;
    repr->text->size = start;
    return NULL;
}

/* An int that is no constant: of a large one only the size is read. `kind`: how it is read, as_kind: how shown. */
static pst_error *add_int_object(struct repr *repr, pst_addr object, enum value_kind kind, enum value_kind as_kind)
{
    bool is_negative, is_long = false, is_bounded = repr->bounds.chars != SIZE_MAX;
    uint64_t bits;
    struct value value;
    TRY(value_get_int_size(repr->python, object, kind, &is_negative, &bits));
    if (bits > (is_bounded ? MAX_BOUNDED_INT_BITS : REPR_MAX_INT_BITS)) {
        add_int_size(repr, is_negative, bits);
        return NULL;
    }
    TRY(value_read_as(repr->python, repr->arena, object, kind, &value));
    value.kind = as_kind;
    if (is_bounded && bits == MAX_BOUNDED_INT_BITS)
        TRY(has_too_many_digits(repr, &value, &is_long));
    if (!is_long)
        return add_int(repr, &value);
    add_int_size(repr, is_negative, bits);
    return NULL;
}

/* So many characters of a string were shown, and there are more. */
static void add_rest(struct repr *repr, uint64_t shown, uint64_t count)
{
    if (count <= shown)
        return;
    text_add_char(repr->text, ' ');
    repr_add_cut(repr, count - shown);
}

/* As many characters as may have to be shown of a string of which that many are wanted. */
static uint64_t get_most(uint64_t left)
{
    return left > UINT64_MAX - REPR_MAX_CUT_SIZE ? left : left + REPR_MAX_CUT_SIZE;
}

static pst_error *add_str(struct repr *repr, pst_addr object)
{
    uint64_t count;
    pst_text text;
    TRY(string_read_start(repr->python, repr->arena, object, get_most(repr_get_left(repr)), &text, &count));
    uint64_t shown = repr_get_shown(repr, count);
    repr_add_str(start_of(text, shown), python_is_2(repr->python) ? -1 : repr->python->layout.minor, repr->text);
    add_rest(repr, shown, count);
    return NULL;
}

static pst_error *add_bytes(struct repr *repr, pst_addr object)
{
    uint64_t count;
    pst_bytes bytes;
    TRY(bytes_read_start(repr->python, repr->arena, object, get_most(repr_get_left(repr)), &bytes, &count));
    uint64_t shown = repr_get_shown(repr, count);
    bytes.size = bytes.size < shown ? bytes.size : shown;
    repr_add_bytes(bytes, python_is_2(repr->python) ? "" : "b", repr->text);
    add_rest(repr, shown, count);
    return NULL;
}

/* One that has its value in itself. */
pst_error *repr_add_scalar_value(struct repr *repr, const struct value *value)
{
    struct text *text = repr->text;
    switch (value->kind) {
    case VALUE_NONE: text_add_string(text, "None"); break;
    case VALUE_ELLIPSIS: text_add_string(text, "Ellipsis"); break;
    case VALUE_BOOL: text_add_string(text, value->boolean ? "True" : "False"); break;
    case VALUE_INT:
    case VALUE_LONG: return add_int(repr, value);
    case VALUE_FLOAT: repr_add_double(value->real, text); break;
    case VALUE_COMPLEX: repr_add_complex(value->real, value->imaginary, text); break;
    case VALUE_STR: repr_add_str(value->text, python_is_2(repr->python) ? -1 : repr->python->layout.minor, text); break;
    case VALUE_BYTES: repr_add_bytes(value->bytes, python_is_2(repr->python) ? "" : "b", text); break;
    default: break; /* containers: see add_builtin() */
    }
    return NULL;
}

pst_error *repr_add_scalar(struct repr *repr, pst_addr object, enum value_kind kind)
{
    struct value value;
    if (kind == VALUE_STR)
        return add_str(repr, object);
    if (kind == VALUE_BYTES)
        return add_bytes(repr, object);
    if (!repr_is_strict(repr) && (kind == VALUE_INT || kind == VALUE_LONG))
        return add_int_object(repr, object, kind, kind);
    TRY(value_read_as(repr->python, repr->arena, object, kind, &value));
    return repr_add_scalar_value(repr, &value);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

pst_error *repr_add_name(struct repr *repr, pst_addr str)
{
    pst_text text;
    uint64_t count, left = repr_get_left(repr);
    TRY(string_read_start(repr->python, repr->arena, str, get_most(left > MIN_NAME ? left : MIN_NAME), &text, &count));
    uint64_t shown = get_shown_of_name(repr, count);
    if (count > shown) /* in 2.7 these are bytes, of which the text may have fewer characters */
        TRY(string_read_start(repr->python, repr->arena, str, shown, &text, &count));
    text_add(repr->text, text.data, text.size);
    if (count > shown)
        repr_add_cut(repr, count - shown);
    return NULL;
}

void repr_add_quoted(struct repr *repr, pst_text text)
{
    uint64_t count = count_characters(text), shown = repr_get_shown(repr, count);
    text = start_of(text, shown);
    if (python_is_2(repr->python))
        repr_add_bytes((pst_bytes){(const uint8_t *)text.data, text.size}, "", repr->text);
    else
        repr_add_str(text, repr->python->layout.minor, repr->text);
    add_rest(repr, shown, count);
}

pst_error *repr_add_name_field(struct repr *repr, pst_addr object, enum field field, size_t most_2)
{
    pst_addr str;
    pst_text name;
    pst_bytes bytes;
    TRY(field_address(repr->python, object, field, &str));
    if (!python_is_2(repr->python))
        return repr_add_name(repr, str);
    TRY(bytes_read(repr->python, repr->arena, str, &bytes.data, &bytes.size));
    bytes.size = strnlen((const char *)bytes.data, bytes.size < most_2 ? bytes.size : most_2);
    TRY(string_decode(repr->arena, bytes, &name));
    repr_add_text(repr, name);
    return NULL;
}

/* "%s" */
pst_error *repr_add_str_of(struct repr *repr, pst_addr object)
{
    enum value_kind kind;
    TRY(value_get_kind(repr->python, object, &kind));
    if (kind == VALUE_STR || (kind == VALUE_BYTES && python_is_2(repr->python)))
        return repr_add_name(repr, object);
    if (kind != VALUE_INT && kind != VALUE_LONG)
        return repr_add_object(repr, object);
    return add_int_object(repr, object, kind, VALUE_INT);
}
