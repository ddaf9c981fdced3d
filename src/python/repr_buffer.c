/* bytearray, memoryview, array. Objects/bytearrayobject.c, memoryobject.c, Modules/arraymodule.c. */
#include "python/repr.h"
#include "python/string.h"

#include <math.h>
#include <string.h>

static pst_error *read_size(const struct repr *repr, pst_addr object, uint64_t *count)
{
    int64_t size;
    TRY(field_signed(repr->python, object, F(PyVarObject_ob_size), &size));
    *count = (uint64_t)size;
    return size >= 0 ? NULL
                     : error_new(PST_ERROR_CORRUPT, "the object at 0x%llx has %lld items", (unsigned long long)object,
                                 (long long)size);
}

/* ---- bytearray, memoryview ------------------------------------------------------------------------------- */

/* Before 3.15 a bytearray escapes ' between " as well. */
static void add_bytes(struct repr *repr, pst_bytes bytes)
{
    struct text text = {0};
    repr_add_bytes(bytes, "b", &text);
    repr->text->failed |= text.failed;
    bool escapes = text.size > 1 && text.data[1] == '"' && python_minor_version(repr->python) < 315;
    for (size_t i = 0; i < text.size; i++) {
        if (escapes && text.data[i] == '\'')
            text_add_char(repr->text, '\\');
        text_add_char(repr->text, text.data[i]);
    }
    text_free(&text);
}

pst_error *repr_add_bytearray(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    bool has_start = has(python, F(PyByteArrayObject_ob_start));
    uint64_t count;
    pst_addr start;
    pst_bytes bytes;
    TRY(read_size(repr, object->address, &count));
    TRY(field_address(python, object->address,
                      has_start ? F(PyByteArrayObject_ob_start) : F(PyByteArrayObject_ob_bytes), &start));
    repr_add_class_name(repr, object, "bytearray");
    text_add_char(repr->text, '(');
    uint64_t shown = repr_get_shown(repr, count);
    TRY(bytes_read_at(python, repr->arena, start, shown, &bytes));
    add_bytes(repr, bytes);
    if (shown < count) {
        text_add_char(repr->text, ' ');
        repr_add_cut(repr, count - shown);
    }
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_memoryview(struct repr *repr, const struct instance *object)
{
    enum { RELEASED = 1 }; /* _Py_MEMORYVIEW_RELEASED */
    uint64_t flags = 0;
    if (has(repr->python, F(PyMemoryViewObject_flags)))
        TRY(field_unsigned(repr->python, object->address, F(PyMemoryViewObject_flags), &flags));
    text_add_string(repr->text, flags & RELEASED ? "<released memory" : "<memory");
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- numbers as C has them ------------------------------------------------------------------------------- */

static void add_signed(struct repr *repr, int64_t number)
{
    size_t start = repr->text->size, left = repr_get_left(repr);
    text_add_signed(repr->text, number);
    repr_cut_number(repr, start, left);
}

static void add_unsigned(struct repr *repr, uint64_t number, const char *suffix)
{
    size_t start = repr->text->size, left = repr_get_left(repr);
    text_add_unsigned(repr->text, number);
    text_add_string(repr->text, suffix);
    repr_cut_number(repr, start, left);
}

/* IEEE 754, 16 bits. */
static double read_half(uint64_t bits)
{
    enum { MANTISSA_BITS = 10, MAX_EXPONENT = 31, BIAS = 15 };
    uint64_t mantissa = bits & ((1 << MANTISSA_BITS) - 1), exponent = bits >> MANTISSA_BITS & MAX_EXPONENT;
    double number = ldexp((double)mantissa, 1 - BIAS - MANTISSA_BITS);
    if (exponent == MAX_EXPONENT)
        number = mantissa ? NAN : INFINITY;
    else if (exponent)
        number = ldexp((double)(mantissa | 1 << MANTISSA_BITS), (int)exponent - BIAS - MANTISSA_BITS);
    return bits >> 15 & 1 ? -number : number;
}

static double read_float(const uint8_t *bytes, unsigned size)
{
    uint64_t bits = bytes_unsigned(bytes, size);
    if (size == 2)
        return read_half(bits);
    uint32_t short_bits = (uint32_t)bits;
    float short_number;
    double number;
    memcpy(&short_number, &short_bits, sizeof short_number);
    memcpy(&number, &bits, sizeof number);
    return size == 4 ? (double)short_number : number;
}

/* An array may be said to be as long as all memory, and the shortest text of a float is much work. */
static pst_error *spend_on_float(const struct repr *repr)
{
    enum { READS_PER_FLOAT = 8 };
    uint64_t left = memory_get_work_left(repr->python->memory);
    if (left < READS_PER_FLOAT)
        return error_new(PST_ERROR_LIMIT, "too many floats, after what was read before");
    memory_set_work(repr->python->memory, left - READS_PER_FLOAT);
    return NULL;
}

pst_error *repr_add_element(struct repr *repr, pst_addr address, struct element element)
{
    uint8_t bytes[16];
    TRY(memory_read(repr->python->memory, address, bytes, element.size));
    if (element.kind == ELEMENT_FLOAT || element.kind == ELEMENT_COMPLEX)
        TRY(spend_on_float(repr));
    switch (element.kind) {
    case ELEMENT_SIGNED: add_signed(repr, bytes_signed(bytes, element.size)); break;
    case ELEMENT_UNSIGNED: add_unsigned(repr, bytes_unsigned(bytes, element.size), ""); break;
    case ELEMENT_LONG: add_unsigned(repr, bytes_unsigned(bytes, element.size), "L"); break;
    case ELEMENT_FLOAT: repr_add_double(read_float(bytes, element.size), repr->text); break;
    case ELEMENT_COMPLEX:
        repr_add_complex(read_float(bytes, element.size / 2), read_float(bytes + element.size / 2, element.size / 2),
                         repr->text);
    }
    return NULL;
}

/* ---- array ----------------------------------------------------------------------------------------------- */

enum { TYPECODE_SIZE = 3 }; /* 3.15+: "Zd", before that one character */

/* What arrays of each typecode hold. */
static const struct array_type {
    char typecode[TYPECODE_SIZE];
    bool is_text;
    enum element_kind kind;
    unsigned least, most;     /* bytes of each item */
} array_types[] = {
    {"b", false, ELEMENT_SIGNED, 1, 1},   {"B", false, ELEMENT_UNSIGNED, 1, 1},
    {"h", false, ELEMENT_SIGNED, 2, 2},   {"H", false, ELEMENT_UNSIGNED, 2, 2},
    {"i", false, ELEMENT_SIGNED, 4, 4},   {"I", false, ELEMENT_UNSIGNED, 4, 4},
    {"l", false, ELEMENT_SIGNED, 4, 8},   {"L", false, ELEMENT_UNSIGNED, 4, 8},
    {"q", false, ELEMENT_SIGNED, 8, 8},   {"Q", false, ELEMENT_UNSIGNED, 8, 8},
    {"e", false, ELEMENT_FLOAT, 2, 2},    {"f", false, ELEMENT_FLOAT, 4, 4},
    {"d", false, ELEMENT_FLOAT, 8, 8},    {"Zf", false, ELEMENT_COMPLEX, 8, 8},
    {"Zd", false, ELEMENT_COMPLEX, 16, 16}, {"c", true, ELEMENT_UNSIGNED, 1, 1},
    {"u", true, ELEMENT_UNSIGNED, 2, 4},  {"w", true, ELEMENT_UNSIGNED, 4, 4},
};

struct array {
    char typecode[TYPECODE_SIZE];
    bool is_text;
    struct element element;
    pst_addr items;
    uint64_t count;
};

static pst_error *find_type(pst_addr object, uint64_t item_size, struct array *array)
{
    for (size_t i = 0; i < sizeof array_types / sizeof *array_types; i++) {
        const struct array_type *type = &array_types[i];
        if (strcmp(type->typecode, array->typecode) != 0 || item_size < type->least || item_size > type->most)
            continue;
        array->is_text = type->is_text;
        array->element = (struct element){type->kind, (unsigned)item_size};
        return NULL;
    }
    return error_new(PST_ERROR_CORRUPT, "the array at 0x%llx has items of %llu bytes, and the typecode 0x%02x",
                     (unsigned long long)object, (unsigned long long)item_size, (uint8_t)array->typecode[0]);
}

static pst_error *read_typecode(const struct python *python, pst_addr description, char typecode[TYPECODE_SIZE])
{
    size_t size = python_minor_version(python) >= 315 ? TYPECODE_SIZE - 1 : 1;
    pst_addr place;
    TRY(field_place(python, description, F(arraydescr_typecode), &place));
    return memory_read(python->memory, place, typecode, size);
}

static pst_error *read_array(const struct repr *repr, pst_addr object, struct array *array)
{
    const struct python *python = repr->python;
    pst_addr description;
    uint64_t item_size;
    *array = (struct array){0};
    TRY(read_size(repr, object, &array->count));
    TRY(field_address(python, object, F(arrayobject_ob_item), &array->items));
    TRY(field_address(python, object, F(arrayobject_ob_descr), &description));
    TRY(read_typecode(python, description, array->typecode));
    TRY(field_unsigned(python, description, F(arraydescr_itemsize), &item_size));
    TRY(find_type(object, item_size, array));
    if (python_is_2(python) && strchr("IL", array->typecode[0]))
        array->element.kind = ELEMENT_LONG;
    return NULL;
}

/* As a str. */
static pst_error *add_characters(struct repr *repr, const struct array *array)
{
    bool is_2 = python_is_2(repr->python);
    uint64_t shown = repr_get_shown(repr, array->count);
    pst_text text;
    pst_bytes bytes;
    if (array->element.size == 1) {
        TRY(bytes_read_at(repr->python, repr->arena, array->items, shown, &bytes));
        repr_add_bytes(bytes, "", repr->text);
    } else {
        TRY(string_read_units(repr->python, repr->arena, array->items, array->element.size, shown, &text));
        repr_add_str(text, is_2 ? -1 : repr->python->layout.minor, repr->text);
    }
    if (shown < array->count) {
        text_add_char(repr->text, ' ');
        repr_add_cut(repr, array->count - shown);
    }
    return NULL;
}

static pst_error *add_elements(struct repr *repr, const struct array *array)
{
    text_add_char(repr->text, '[');
    for (uint64_t i = 0; i < array->count && repr_begin_item(repr, i, array->count - i); i++)
        TRY(repr_add_element(repr, array->items + i * array->element.size, array->element));
    text_add_char(repr->text, ']');
    return NULL;
}

pst_error *repr_add_array_object(struct repr *repr, const struct instance *object)
{
    struct array array;
    TRY(read_array(repr, object->address, &array));
    repr_add_class_name(repr, object, "array");
    text_add_string(repr->text, "('");
    text_add_string(repr->text, array.typecode);
    text_add_char(repr->text, '\'');
    if (array.count) {
        text_add_string(repr->text, ", ");
        TRY(array.is_text ? add_characters(repr, &array) : add_elements(repr, &array));
    }
    text_add_char(repr->text, ')');
    return NULL;
}
