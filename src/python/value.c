#include "python/value.h"

#include "python/object.h"
#include "python/string.h"

#include <string.h>

enum {
    TPFLAGS_HEAPTYPE = 1 << 9,
    DIGIT_SIZE = 4,     /* Include/cpython/longintrepr.h, on every 64-bit build */
    DIGIT_BITS = 30,
    LONG_SIGN_BITS = 3, /* 3.12+: lv_tag is the digit count, shifted, and the sign in the low bits */
    LONG_SIGN_MASK = 3,
    LONG_SIGN_NEGATIVE = 2,
};

/* ---- which type it is ---------------------------------------------------------------------------------- */

/* Where a type is found. A core without its files still has the symbols; a stripped program still the names. */
struct builtin_type {
    enum value_kind kind;
    const char *symbol;     /* NULL: it has none in any version */
    const char *name;       /* tp_name */
};

static const struct builtin_type builtin_types[] = {
    {VALUE_STR, "PyUnicode_Type", "str"},
    {VALUE_INT, "PyLong_Type", "int"},
    {VALUE_TUPLE, "PyTuple_Type", "tuple"},
    {VALUE_BYTES, "PyBytes_Type", "bytes"},
    {VALUE_FLOAT, "PyFloat_Type", "float"},
    {VALUE_BOOL, "PyBool_Type", "bool"},
    {VALUE_COMPLEX, "PyComplex_Type", "complex"},
    {VALUE_FROZENSET, "PyFrozenSet_Type", "frozenset"},
    {VALUE_SLICE, "PySlice_Type", "slice"},
    {VALUE_CODE, "PyCode_Type", "code"},
    {VALUE_ELLIPSIS, "PyEllipsis_Type", "ellipsis"},
    {VALUE_NONE, "_PyNone_Type", "NoneType"},
};

static const struct builtin_type builtin_types_2[] = {
    {VALUE_BYTES, "PyString_Type", "str"},
    {VALUE_STR, "PyUnicode_Type", "unicode"},
    {VALUE_INT, "PyInt_Type", "int"},
    {VALUE_LONG, "PyLong_Type", "long"},
    {VALUE_TUPLE, "PyTuple_Type", "tuple"},
    {VALUE_FLOAT, "PyFloat_Type", "float"},
    {VALUE_BOOL, "PyBool_Type", "bool"},
    {VALUE_COMPLEX, "PyComplex_Type", "complex"},
    {VALUE_FROZENSET, "PyFrozenSet_Type", "frozenset"},
    {VALUE_SLICE, "PySlice_Type", "slice"},
    {VALUE_CODE, "PyCode_Type", "code"},
    {VALUE_ELLIPSIS, "PyEllipsis_Type", "ellipsis"},
    {VALUE_NONE, NULL, "NoneType"},
};

enum { BUILTIN_TYPES = sizeof builtin_types_2 / sizeof *builtin_types_2 };
_Static_assert((int)BUILTIN_TYPES <= (int)VALUE_TYPES, "struct value_types has room for them");

static const struct builtin_type *get_types(const struct python *python, size_t *count)
{
    *count = python_is_2(python) ? BUILTIN_TYPES : sizeof builtin_types / sizeof *builtin_types;
    return python_is_2(python) ? builtin_types_2 : builtin_types;
}

static pst_error *find_types(const struct python *python, struct value_types *known)
{
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    for (size_t i = 0; i < count; i++) {
        pst_addr type = types[i].kind == VALUE_CODE ? python->location.code_type : 0;
        if (!type && types[i].symbol)
            TRY(location_find_symbol(python->target, &python->location, types[i].symbol, &type));
        known->types[i] = type;
    }
    known->complete = true;
    return NULL;
}

/* By its name, for a type that has no symbol. Classes of the program's own may have any name: they are on the heap. */
static pst_error *find_by_name(const struct python *python, struct value_types *known, pst_addr type,
                               enum value_kind *kind)
{
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    uint64_t flags;
    char name[16];
    *kind = VALUE_OTHER;
    TRY(type_get_flags(python, type, &flags));
    if (flags & TPFLAGS_HEAPTYPE)
        return NULL;
    TRY(type_get_name(python, type, name, sizeof name));
    for (size_t i = 0; i < count; i++) {
        if (!known->types[i] && strcmp(name, types[i].name) == 0) {
            known->types[i] = type;
            *kind = types[i].kind;
        }
    }
    return NULL;
}

static pst_error *find_kind(const struct python *python, pst_addr type, enum value_kind *kind)
{
    struct value_types *known = python->value_types;
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    if (!known->complete)
        TRY(find_types(python, known));
    for (size_t i = 0; i < count; i++) {
        if (type && known->types[i] == type) {
            *kind = types[i].kind;
            return NULL;
        }
    }
    return find_by_name(python, known, type, kind);
}

pst_error *value_get_kind(const struct python *python, pst_addr object, enum value_kind *kind)
{
    pst_addr type;
    TRY(object_get_type(python, object, &type));
    return find_kind(python, type, kind);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static pst_error *too_many(pst_addr object, const char *what, uint64_t count, size_t most)
{
    return error_new(PST_ERROR_LIMIT, "the object at 0x%llx has %llu %s; at most %zu are read",
                     (unsigned long long)object, (unsigned long long)count, what, most);
}

static pst_error *check_digits(const struct value *value)
{
    for (size_t i = 0; i < value->digit_count; i++) {
        uint64_t digit = bytes_unsigned(value->digits + i * DIGIT_SIZE, DIGIT_SIZE);
        if (digit >> DIGIT_BITS || (i == value->digit_count - 1 && digit == 0))
            return error_new(PST_ERROR_CORRUPT, "digit %zu of the int at 0x%llx is 0x%llx", i,
                             (unsigned long long)value->address, (unsigned long long)digit);
    }
    return NULL;
}

/* Include/cpython/longintrepr.h, struct _longobject. */
static pst_error *read_long(const struct python *python, struct arena *arena, struct value *value)
{
    uint64_t count;
    pst_addr place;
    enum field digits = F(PyLongObject_ob_digit);
    if (has(python, F(PyLongObject_long_value_lv_tag))) {
        uint64_t tag;
        TRY(field_unsigned(python, value->address, F(PyLongObject_long_value_lv_tag), &tag));
        value->is_negative = (tag & LONG_SIGN_MASK) == LONG_SIGN_NEGATIVE;
        count = tag >> LONG_SIGN_BITS;
        /* Zero has one digit in memory, and none in other versions. */
        count = (tag & LONG_SIGN_MASK) == 1 ? 0 : count;
        digits = F(PyLongObject_long_value_ob_digit);
    } else {
        int64_t size;
        TRY(field_signed(python, value->address, F(PyVarObject_ob_size), &size));
        value->is_negative = size < 0;
        count = size < 0 ? 0 - (uint64_t)size : (uint64_t)size;
    }
    if (count > VALUE_MAX_DIGITS)
        return too_many(value->address, "digits", count, VALUE_MAX_DIGITS);
    TRY(field_place(python, value->address, digits, &place));
    uint8_t *bytes = arena_alloc(arena, count * DIGIT_SIZE + 1);
    if (!bytes)
        return error_no_memory();
    TRY(memory_read(python->memory, place, bytes, count * DIGIT_SIZE));
    value->digits = bytes;
    value->digit_count = count;
    return check_digits(value);
}

/* 2.7's int (Include/intobject.h): in digits, as all others. */
static pst_error *read_short_int(const struct python *python, struct arena *arena, struct value *value)
{
    int64_t number;
    TRY(field_signed(python, value->address, F(PyIntObject_ob_ival), &number));
    value->is_negative = number < 0;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint8_t *bytes = arena_alloc(arena, 3 * DIGIT_SIZE);
    if (!bytes)
        return error_no_memory();
    for (; left; left >>= DIGIT_BITS, value->digit_count++)
        for (unsigned i = 0; i < DIGIT_SIZE; i++)
            bytes[value->digit_count * DIGIT_SIZE + i] = (uint8_t)((left & ((1u << DIGIT_BITS) - 1)) >> 8 * i);
    value->digits = bytes;
    return NULL;
}

static pst_error *read_bool(const struct python *python, struct arena *arena, struct value *value)
{
    if (python_is_2(python))
        TRY(read_short_int(python, arena, value));
    else
        TRY(read_long(python, arena, value));
    value->boolean = value->digit_count > 0;
    return NULL;
}

static pst_error *read_double(const struct python *python, pst_addr object, enum field field, double *number)
{
    uint64_t bits;
    TRY(field_unsigned(python, object, field, &bits));
    memcpy(number, &bits, sizeof bits); /* IEEE 754 on both sides */
    return NULL;
}

static pst_error *read_complex(const struct python *python, struct value *value)
{
    TRY(read_double(python, value->address, F(PyComplexObject_cval_real), &value->real));
    return read_double(python, value->address, F(PyComplexObject_cval_imag), &value->imaginary);
}

/* ---- containers ---------------------------------------------------------------------------------------- */

static pst_error *read_tuple(const struct python *python, struct arena *arena, struct value *value)
{
    uint64_t count;
    pst_addr place;
    TRY(field_unsigned(python, value->address, F(PyVarObject_ob_size), &count));
    if (count > VALUE_MAX_ITEMS)
        return too_many(value->address, "items", count, VALUE_MAX_ITEMS);
    TRY(field_place(python, value->address, F(PyTupleObject_ob_item), &place));
    uint8_t *bytes = arena_alloc(arena, count * sizeof(pst_addr) + 1);
    if (!bytes)
        return error_no_memory();
    TRY(memory_read(python->memory, place, bytes, count * sizeof(pst_addr)));
    pst_addr *items = (pst_addr *)(void *)bytes;
    for (uint64_t i = 0; i < count; i++)
        items[i] = bytes_unsigned(bytes + i * sizeof(pst_addr), sizeof(pst_addr));
    value->items = items;
    value->item_count = count;
    return NULL;
}

/* Objects/setobject.c: a table of mask + 1 entries; free ones have no key. That of a deleted item has the hash -1,
 * which no object has. */
static pst_error *read_set(const struct python *python, struct arena *arena, struct value *value)
{
    uint64_t mask, used, entry_size = size_of(python, F(sizeof_setentry));
    pst_addr table;
    TRY(field_unsigned(python, value->address, F(PySetObject_mask), &mask));
    TRY(field_unsigned(python, value->address, F(PySetObject_used), &used));
    TRY(field_address(python, value->address, F(PySetObject_table), &table));
    if (used > mask || mask >= (uint64_t)VALUE_MAX_ITEMS * 8 || mask & (mask + 1))
        return error_new(PST_ERROR_CORRUPT, "the set at 0x%llx has %llu of %llu + 1 entries",
                         (unsigned long long)value->address, (unsigned long long)used, (unsigned long long)mask);
    pst_addr *items = arena_alloc(arena, used * sizeof *items + 1);
    if (!items)
        return error_no_memory();
    value->items = items;
    for (uint64_t i = 0; i <= mask; i++) {
        pst_addr key;
        int64_t hash;
        TRY(field_address(python, table + i * entry_size, F(setentry_key), &key));
        if (!key)
            continue;
        TRY(field_signed(python, table + i * entry_size, F(setentry_hash), &hash));
        if (hash == -1)
            continue;
        if (value->item_count == used)
            return error_new(PST_ERROR_CORRUPT, "the set at 0x%llx has more than %llu items",
                             (unsigned long long)value->address, (unsigned long long)used);
        items[value->item_count++] = key;
    }
    if (value->item_count != used)
        return error_new(PST_ERROR_CORRUPT, "the set at 0x%llx has %zu items, not %llu",
                         (unsigned long long)value->address, value->item_count, (unsigned long long)used);
    return NULL;
}

static pst_error *read_slice(const struct python *python, struct arena *arena, struct value *value)
{
    static const enum field parts[] = {F(PySliceObject_start), F(PySliceObject_stop), F(PySliceObject_step)};
    const size_t count = sizeof parts / sizeof *parts;
    pst_addr *items = arena_alloc(arena, count * sizeof *items);
    if (!items)
        return error_no_memory();
    for (size_t i = 0; i < count; i++)
        TRY(field_address(python, value->address, parts[i], &items[i]));
    value->items = items;
    value->item_count = count;
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------------------- */

pst_error *value_read(const struct python *python, struct arena *arena, pst_addr object, struct value *value)
{
    *value = (struct value){.address = object, .digit_size = DIGIT_SIZE, .digit_bits = DIGIT_BITS};
    TRY(object_get_type(python, object, &value->type));
    TRY(find_kind(python, value->type, &value->kind));
    switch (value->kind) {
    case VALUE_BOOL: return read_bool(python, arena, value);
    case VALUE_INT: return python_is_2(python) ? read_short_int(python, arena, value) : read_long(python, arena, value);
    case VALUE_LONG: return read_long(python, arena, value);
    case VALUE_FLOAT: return read_double(python, object, F(PyFloatObject_ob_fval), &value->real);
    case VALUE_COMPLEX: return read_complex(python, value);
    case VALUE_STR: return string_read(python, arena, object, &value->text);
    case VALUE_BYTES: return bytes_read(python, arena, object, &value->bytes.data, &value->bytes.size);
    case VALUE_TUPLE: return read_tuple(python, arena, value);
    case VALUE_FROZENSET: return read_set(python, arena, value);
    case VALUE_SLICE: return read_slice(python, arena, value);
    case VALUE_NONE:
    case VALUE_ELLIPSIS:
    case VALUE_CODE:
    case VALUE_OTHER: break;
    }
    return NULL;
}
