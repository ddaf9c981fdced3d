/*
 * numpy's arrays and scalars, in a form of our own: "array([1, 2, 3], dtype=int64, shape=(3,))", "numpy.int64(3)".
 * numpy writes its own in Python, and cuts what is large in another way.
 *
 * Its structs are an interface that extension modules are compiled for, the same on every version of Python:
 * numpy/ndarraytypes.h, PyArrayObject_fields and PyArray_Descr, which is another in 2.x; arrayscalars.h. Everything
 * stands behind the head of an object.
 */
#include "python/repr.h"

#include "python/string.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    /* PyArrayObject_fields: where its members are. */
    ARRAY_DATA = 0,
    ARRAY_ND = 8,
    ARRAY_DIMENSIONS = 16,
    ARRAY_STRIDES = 24,
    ARRAY_DESCR = 40,
    /* PyArray_Descr; in 1.x the size of an item, of 4 bytes, is followed by its alignment, which is never 0. In 2.x
     * flags of 8 bytes stand there, the upper half of which is not used, and then the size, of 8 bytes. */
    DESCR_KIND = 8,
    DESCR_BYTEORDER = 10,
    DESCR_SIZE_1 = 16,
    DESCR_ALIGNMENT_1 = 20,
    DESCR_SIZE_2 = 24,
    DESCR_MIN_SIZE = 32,

    MAX_DIMENSIONS = 64,       /* NPY_MAXDIMS; to 1.26 32 */
    MAX_ITEM_SIZE = 1 << 16,   /* bytes; of a larger one nothing is shown */
    UCS4_SIZE = 4,
};

/* The type of an array's items. */
struct dtype {
    char kind;                 /* 'i', 'f' …: numpy/ndarraytypes.h, NPY_TYPECHAR */
    bool is_swapped;           /* big-endian */
    uint64_t size;             /* bytes of one */
};

struct array {
    struct dtype dtype;
    pst_addr data;
    size_t dimension_count;
    int64_t dimensions[MAX_DIMENSIONS], strides[MAX_DIMENSIONS];
};

static pst_error *get_word(const struct repr *repr, pst_addr object, unsigned offset, uint64_t *word)
{
    return pointer_at(repr->python, object + size_of(repr->python, F(sizeof_PyObject)) + offset, 0, word);
}

/* ---- floats ---------------------------------------------------------------------------------------------- */

/* A kind of float: bits of its mantissa, and the exponent of its smallest normal number. */
struct float_kind {
    int mantissa_bits, min_exponent;
};

static const struct float_kind half = {10, -14}, single = {23, -126};

/* Whether a number, rounded to that kind, is `wanted`, which is one of it: half a step away the even one of two is
 * taken, and below a power of two steps are half as large. */
static bool rounds_to(double number, double wanted, struct float_kind kind)
{
    int exponent;
    double mantissa = frexp(fabs(wanted), &exponent);
    exponent = exponent - 1 < kind.min_exponent ? kind.min_exponent : exponent - 1;
    double step = ldexp(1, exponent - kind.mantissa_bits), distance = fabs(number - wanted);
    bool is_first = mantissa == 0.5 && exponent > kind.min_exponent && fabs(number) < fabs(wanted);
    bool is_even = (uint64_t)(fabs(wanted) / step) % 2 == 0;
    step /= is_first ? 4 : 2;
    return distance < step || (distance == step && is_even);
}

/* The same with another last digit of the mantissa in "1.234e-05"; false: that would carry over. */
static bool step_digit(const char *text, int by, double *number)
{
    char changed[64];
    snprintf(changed, sizeof changed, "%s", text);
    char *last = strchr(changed, 'e');
    if (!last || last == changed || last[-1] + by < '0' || last[-1] + by > '9')
        return false;
    last[-1] = (char)(last[-1] + by);
    *number = strtod(changed, NULL);
    return true;
}

/* The double whose repr is the shortest text that makes the same float of that kind, and of these the nearest. */
static double widen(double number, struct float_kind kind)
{
    char text[64];
    for (int digits = 1; digits < DBL_DIG && isfinite(number) && number != 0; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, number);
        double shorter = strtod(text, NULL), next;
        if (rounds_to(shorter, number, kind))
            return shorter;
        for (int by = 1; by >= -1; by -= 2)
            if (step_digit(text, by, &next) && rounds_to(next, number, kind))
                return next;
    }
    return number;
}

static double decode_half(uint64_t bits)
{
    int exponent = bits >> 10 & 0x1f;
    double mantissa = (double)(bits & 0x3ff), number;
    if (exponent == 0x1f)
        number = mantissa != 0 ? NAN : INFINITY;
    else
        number = exponent ? ldexp(mantissa + 0x400, exponent - 25) : ldexp(mantissa, -24);
    return bits >> 15 & 1 ? -number : number;
}

static double decode_float(uint64_t bits, uint64_t size)
{
    uint32_t low = (uint32_t)bits;
    float number;
    double wide;
    if (size == 2)
        return widen(decode_half(bits), half);
    if (size == 4) {
        memcpy(&number, &low, sizeof number);
        return widen((double)number, single);
    }
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

/* ---- one item -------------------------------------------------------------------------------------------- */

static pst_error *read_bits(const struct repr *repr, pst_addr address, uint64_t size, bool is_swapped, uint64_t *bits)
{
    uint8_t bytes[8], turned[8];
    TRY(memory_read(repr->python->memory, address, bytes, size));
    for (size_t i = 0; i < size; i++)
        turned[i] = bytes[is_swapped ? size - 1 - i : i];
    *bits = bytes_unsigned(turned, size);
    return NULL;
}

static pst_error *add_integer(struct repr *repr, pst_addr address, const struct dtype *dtype)
{
    uint64_t bits;
    TRY(read_bits(repr, address, dtype->size, dtype->is_swapped, &bits));
    unsigned shift = 64 - 8 * (unsigned)dtype->size;
    if (dtype->kind == 'b')
        text_add_string(repr->text, bits ? "True" : "False");
    else if (dtype->kind == 'u')
        text_add_unsigned(repr->text, bits);
    else
        text_add_signed(repr->text, (int64_t)(bits << shift) >> shift);
    return NULL;
}

static pst_error *add_float(struct repr *repr, pst_addr address, const struct dtype *dtype)
{
    uint64_t bits;
    TRY(read_bits(repr, address, dtype->size, dtype->is_swapped, &bits));
    repr_add_double(decode_float(bits, dtype->size), repr->text);
    return NULL;
}

static pst_error *add_complex(struct repr *repr, pst_addr address, const struct dtype *dtype)
{
    uint64_t size = dtype->size / 2, real, imaginary;
    TRY(read_bits(repr, address, size, dtype->is_swapped, &real));
    TRY(read_bits(repr, address + size, size, dtype->is_swapped, &imaginary));
    repr_add_complex(decode_float(real, size), decode_float(imaginary, size), repr->text);
    return NULL;
}

/* Zeros at the end are padding. */
static pst_error *add_bytes(struct repr *repr, pst_addr address, const struct dtype *dtype)
{
    uint64_t size = dtype->size;
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return error_no_memory();
    pst_error *error = memory_read(repr->python->memory, address, bytes, size);
    while (!error && size && bytes[size - 1] == 0)
        size--;
    uint64_t shown = repr_get_shown(repr, size);
    if (!error)
        repr_add_bytes((pst_bytes){bytes, shown}, python_is_2(repr->python) ? "" : "b", repr->text);
    if (!error && size > shown) {
        text_add_char(repr->text, ' ');
        repr_add_cut(repr, size - shown);
    }
    free(bytes);
    return error;
}

static void put_character(uint32_t c, struct text *text)
{
    char bytes[4];
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(heads[size] | c);
    text_add(text, bytes, size);
}

static pst_error *add_characters(struct repr *repr, pst_addr address, const struct dtype *dtype)
{
    struct text text = {0};
    uint64_t count = dtype->size / UCS4_SIZE, c;
    size_t end = 0;
    pst_error *error = NULL;
    for (uint64_t i = 0; i < count && !error; i++) {
        error = read_bits(repr, address + i * UCS4_SIZE, UCS4_SIZE, dtype->is_swapped, &c);
        if (!error && c > 0x10ffff)
            error = error_new(PST_ERROR_CORRUPT, "the impossible character 0x%llx", (unsigned long long)c);
        if (!error)
            put_character((uint32_t)c, &text);
        end = !error && c ? text.size : end;
    }
    if (!error && text.failed)
        error = error_no_memory();
    if (!error)
        repr_add_quoted(repr, (pst_text){text.data, end});
    text_free(&text);
    return error;
}

static pst_error *add_reference(struct repr *repr, pst_addr address)
{
    pst_addr object;
    TRY(pointer_at(repr->python, address, 0, &object));
    if (object)
        return repr_add_object(repr, object);
    text_add_string(repr->text, "None");
    return NULL;
}

static bool is_one_of(uint64_t size, uint64_t first, uint64_t last)
{
    return size >= first && size <= last && (size & (size - 1)) == 0;
}

/* Of a kind that is not known: "…". */
static pst_error *add_item(struct repr *repr, pst_addr address, const struct dtype *dtype)
{
    switch (dtype->size <= MAX_ITEM_SIZE ? dtype->kind : 0) {
    case 'b':
    case 'i':
    case 'u':
        if (is_one_of(dtype->size, 1, 8))
            return add_integer(repr, address, dtype);
        break;
    case 'f':
        if (is_one_of(dtype->size, 2, 8))
            return add_float(repr, address, dtype);
        break;
    case 'c':
        if (is_one_of(dtype->size, 8, 16))
            return add_complex(repr, address, dtype);
        break;
    case 'S': return add_bytes(repr, address, dtype);
    case 'U': return add_characters(repr, address, dtype);
    case 'O':
        if (dtype->size == 8)
            return add_reference(repr, address);
        break;
    default: break;
    }
    text_add_string(repr->text, "…");
    return NULL;
}

/* ---- arrays ---------------------------------------------------------------------------------------------- */

static pst_error *read_dtype(const struct repr *repr, pst_addr descr, struct dtype *dtype)
{
    uint8_t bytes[DESCR_MIN_SIZE];
    pst_addr start = descr + size_of(repr->python, F(sizeof_PyObject));
    TRY(memory_read(repr->python->memory, start, bytes, sizeof bytes));
    bool is_1 = bytes_unsigned(bytes + DESCR_ALIGNMENT_1, 4);
    dtype->kind = (char)bytes[DESCR_KIND];
    dtype->is_swapped = bytes[DESCR_BYTEORDER] == '>';
    dtype->size = is_1 ? bytes_unsigned(bytes + DESCR_SIZE_1, 4) : bytes_unsigned(bytes + DESCR_SIZE_2, 8);
    return NULL;
}

static pst_error *read_array(const struct repr *repr, pst_addr object, struct array *array)
{
    uint64_t count, dimensions, strides, descr, word;
    TRY(get_word(repr, object, ARRAY_DATA, &array->data));
    TRY(get_word(repr, object, ARRAY_ND, &count));
    TRY(get_word(repr, object, ARRAY_DIMENSIONS, &dimensions));
    TRY(get_word(repr, object, ARRAY_STRIDES, &strides));
    TRY(get_word(repr, object, ARRAY_DESCR, &descr));
    array->dimension_count = (uint32_t)count; /* an int */
    if (array->dimension_count > MAX_DIMENSIONS)
        return error_new(PST_ERROR_CORRUPT, "an array of %zu dimensions", array->dimension_count);
    for (size_t i = 0; i < array->dimension_count; i++) {
        TRY(pointer_at(repr->python, dimensions, i, &word));
        array->dimensions[i] = (int64_t)word;
        TRY(pointer_at(repr->python, strides, i, &word));
        array->strides[i] = (int64_t)word;
        if (array->dimensions[i] < 0)
            return error_new(PST_ERROR_CORRUPT, "a dimension of %lld", (long long)array->dimensions[i]);
    }
    return read_dtype(repr, descr, &array->dtype);
}

/* Nested lists, in the order of C. */
static pst_error *add_items(struct repr *repr, const struct array *array, size_t dimension, pst_addr address)
{
    if (dimension == array->dimension_count)
        return add_item(repr, address, &array->dtype);
    uint64_t count = (uint64_t)array->dimensions[dimension];
    text_add_char(repr->text, '[');
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        if (repr->text->failed || repr->text->size - repr->start > REPR_MAX_SIZE)
            return error_new(PST_ERROR_LIMIT, "a repr of more than %d bytes", REPR_MAX_SIZE);
        TRY(add_items(repr, array, dimension + 1, address + i * (uint64_t)array->strides[dimension]));
    }
    text_add_char(repr->text, ']');
    return NULL;
}

/* "int64", "float32", "<U5", "S3", ">i4" */
static void add_dtype(const struct dtype *dtype, struct text *text)
{
    static const struct {
        char kind;
        const char *name;
    } names[] = {{'i', "int"}, {'u', "uint"}, {'f', "float"}, {'c', "complex"}};
    unsigned long long size = dtype->size;
    char kind = dtype->kind >= ' ' && dtype->kind < 0x7f ? dtype->kind : '?';
    if (kind == 'b')
        text_add_string(text, "bool");
    else if (kind == 'O')
        text_add_string(text, "object");
    else if (kind == 'U')
        text_printf(text, "%cU%llu", dtype->is_swapped ? '>' : '<', size / UCS4_SIZE);
    else if (kind == 'M' || kind == 'm')
        text_add_string(text, kind == 'M' ? "datetime64" : "timedelta64");
    else if (dtype->is_swapped)
        text_printf(text, ">%c%llu", kind, size);
    else {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (names[i].kind == kind) {
                text_printf(text, "%s%llu", names[i].name, size * 8);
                return;
            }
        text_printf(text, "%c%llu", kind, size);
    }
}

pst_error *repr_add_ndarray(struct repr *repr, const struct instance *object)
{
    struct array array;
    TRY(read_array(repr, object->address, &array));
    bool is_plain = text_is(object->type->name, "ndarray");
    if (is_plain)
        text_add_string(repr->text, "array");
    else
        repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    TRY(add_items(repr, &array, 0, array.data));
    text_add_string(repr->text, ", dtype=");
    add_dtype(&array.dtype, repr->text);
    text_add_string(repr->text, ", shape=(");
    for (size_t i = 0; i < array.dimension_count; i++)
        text_printf(repr->text, i ? ", %lld" : "%lld", (long long)array.dimensions[i]);
    text_add_string(repr->text, array.dimension_count == 1 ? ",))" : "))");
    return NULL;
}

/* ---- scalars --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;          /* the tp_name of the type that has the __repr__ */
    struct dtype dtype;
} scalars[] = {
    {"numpy.bool", {'b', false, 1}},       {"numpy.bool_", {'b', false, 1}},
    {"numpy.int8", {'i', false, 1}},       {"numpy.int16", {'i', false, 2}},
    {"numpy.int32", {'i', false, 4}},      {"numpy.int64", {'i', false, 8}},
    {"numpy.longlong", {'i', false, 8}},   {"numpy.uint8", {'u', false, 1}},
    {"numpy.uint16", {'u', false, 2}},     {"numpy.uint32", {'u', false, 4}},
    {"numpy.uint64", {'u', false, 8}},     {"numpy.ulonglong", {'u', false, 8}},
    {"numpy.float16", {'f', false, 2}},    {"numpy.float32", {'f', false, 4}},
    {"numpy.float64", {'f', false, 8}},    {"numpy.complex64", {'c', false, 8}},
    {"numpy.complex128", {'c', false, 16}},
};

/* "numpy.int64(3)" */
pst_error *repr_add_numpy_scalar(struct repr *repr, const struct instance *object)
{
    pst_addr value = object->address + size_of(repr->python, F(sizeof_PyObject));
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        if (!text_is(object->type->definer, scalars[i].name))
            continue;
        TRY(repr_add_tp_name(repr, object));
        text_add_char(repr->text, '(');
        TRY(add_item(repr, value, &scalars[i].dtype));
        text_add_char(repr->text, ')');
        return NULL;
    }
    return repr_add_attributes(repr, object);
}

static pst_error *add_string_scalar(struct repr *repr, const struct instance *object, enum value_kind kind)
{
    TRY(repr_add_tp_name(repr, object));
    text_add_char(repr->text, '(');
    TRY(repr_add_scalar(repr, object->address, kind));
    text_add_char(repr->text, ')');
    return NULL;
}

/* numpy.str_ is a str, numpy.bytes_ bytes. */
pst_error *repr_add_numpy_str(struct repr *repr, const struct instance *object)
{
    return add_string_scalar(repr, object, VALUE_STR);
}

pst_error *repr_add_numpy_bytes(struct repr *repr, const struct instance *object)
{
    return add_string_scalar(repr, object, VALUE_BYTES);
}
