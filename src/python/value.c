#include "python/value.h"

#include "python/object.h"
#include "python/string.h"

#include <string.h>

enum {
    SHORT_DIGIT_SIZE = 4, /* of the digits that 2.7's int is given here */
    SHORT_DIGIT_BITS = 30,
    /* 3.12+: lv_tag is the digit count, shifted, and the sign in the low bits (Include/cpython/longintrepr.h). */
    LONG_SIGN_BITS = 3,
    LONG_SIGN_MASK = 3,
    LONG_SIGN_POSITIVE = 0,
    LONG_SIGN_ZERO = 1,
    LONG_SIGN_NEGATIVE = 2,
};

pst_error *value_get_kind(const struct python *python, pst_addr object, enum value_kind *kind)
{
    pst_addr type;
    TRY(object_get_type(python, object, &type));
    return value_type_get_kind(python, object, type, kind);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static pst_error *too_many(pst_addr object, const char *what, uint64_t count, size_t most)
{
    return error_new(PST_ERROR_LIMIT, "the object at 0x%llx has %llu %s; at most %zu are read",
                     (unsigned long long)object, (unsigned long long)count, what, most);
}

static pst_error *corrupt_int(const struct value *value, const char *what, uint64_t number)
{
    return error_new(PST_ERROR_CORRUPT, "the int at 0x%llx has %s 0x%llx", (unsigned long long)value->address, what,
                     (unsigned long long)number);
}

static pst_error *check_digits(const struct value *value)
{
    for (size_t i = 0; i < value->digit_count; i++) {
        uint64_t digit = bytes_unsigned(value->digits + i * value->digit_size, value->digit_size);
        if (digit >> value->digit_bits || (i == value->digit_count - 1 && digit == 0))
            return corrupt_int(value, "the impossible digit", digit);
    }
    return NULL;
}

static pst_error *read_tag(const struct python *python, struct value *value, uint64_t *count)
{
    uint64_t tag;
    TRY(field_unsigned(python, value->address, F(PyLongObject_long_value_lv_tag), &tag));
    unsigned sign = tag & LONG_SIGN_MASK;
    *count = tag >> LONG_SIGN_BITS;
    if (sign > LONG_SIGN_NEGATIVE || (sign == LONG_SIGN_ZERO) != (*count == 0))
        return corrupt_int(value, "the impossible lv_tag", tag);
    value->is_negative = sign == LONG_SIGN_NEGATIVE;
    return NULL;
}

static pst_error *read_size(const struct python *python, struct value *value, uint64_t *count)
{
    int64_t size;
    TRY(field_signed(python, value->address, F(PyVarObject_ob_size), &size));
    value->is_negative = size < 0;
    *count = size < 0 ? 0 - (uint64_t)size : (uint64_t)size;
    return NULL;
}

/* All but the digits themselves, which are at *place. */
static pst_error *read_long_head(const struct python *python, struct value *value, uint64_t *count, pst_addr *place)
{
    bool is_tagged = has(python, F(PyLongObject_long_value_lv_tag));
    TRY(is_tagged ? read_tag(python, value, count) : read_size(python, value, count));
    TRY(value_type_get_digit_size(python, value->type, &value->digit_size));
    value->digit_bits = value->digit_size * 8 - (value->digit_size == 2 ? 1 : 2);
    return field_place(python, value->address,
                       is_tagged ? F(PyLongObject_long_value_ob_digit) : F(PyLongObject_ob_digit), place);
}

/* Include/cpython/longintrepr.h, struct _longobject. */
static pst_error *read_long(const struct python *python, struct arena *arena, struct value *value)
{
    uint64_t count;
    pst_addr place;
    TRY(read_long_head(python, value, &count, &place));
    if (count > VALUE_MAX_DIGITS)
        return too_many(value->address, "digits", count, VALUE_MAX_DIGITS);
    uint8_t *bytes = arena_alloc(arena, count * value->digit_size + 1);
    if (!bytes)
        return error_no_memory();
    TRY(memory_read(python->memory, place, bytes, count * value->digit_size));
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
    value->digit_size = SHORT_DIGIT_SIZE;
    value->digit_bits = SHORT_DIGIT_BITS;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint8_t *bytes = arena_alloc(arena, (64 / SHORT_DIGIT_BITS + 1) * SHORT_DIGIT_SIZE);
    if (!bytes)
        return error_no_memory();
    for (; left; left >>= SHORT_DIGIT_BITS, value->digit_count++)
        for (unsigned i = 0; i < SHORT_DIGIT_SIZE; i++)
            bytes[value->digit_count * SHORT_DIGIT_SIZE + i] =
                (uint8_t)((left & ((1u << SHORT_DIGIT_BITS) - 1)) >> 8 * i);
    value->digits = bytes;
    return NULL;
}

/* An int of 0 or 1. */
static pst_error *read_bool(const struct python *python, struct arena *arena, struct value *value)
{
    TRY(python_is_2(python) ? read_short_int(python, arena, value) : read_long(python, arena, value));
    uint64_t first = value->digit_count ? bytes_unsigned(value->digits, value->digit_size) : 0;
    if (value->digit_count > 1 || first > 1 || value->is_negative)
        return error_new(PST_ERROR_CORRUPT, "the bool at 0x%llx is neither False nor True",
                         (unsigned long long)value->address);
    value->boolean = first;
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

/* 2.7: the key of a deleted item is a str of setobject.c's own, of which nobody asks the hash; another one of that text
 * has the hash of the entry. */
static pst_error *is_dummy(const struct python *python, pst_addr key, int64_t hash, bool *result)
{
    enum value_kind kind;
    int64_t own_hash;
    TRY(value_get_kind(python, key, &kind));
    *result = false;
    if (kind == VALUE_BYTES)
        TRY(string_equals(python, key, "<dummy key>", result));
    if (!*result)
        return NULL;
    TRY(field_signed(python, key, F(PyStringObject_ob_shash), &own_hash));
    *result = own_hash != hash;
    return NULL;
}

pst_error *value_get_set_item(const struct python *python, pst_addr entry, pst_addr *item)
{
    int64_t hash;
    bool was_deleted;
    TRY(field_address(python, entry, F(setentry_key), item));
    if (!*item)
        return NULL;
    TRY(field_signed(python, entry, F(setentry_hash), &hash));
    was_deleted = hash == -1; /* which no object has */
    if (python_is_2(python))
        TRY(is_dummy(python, *item, hash, &was_deleted));
    if (was_deleted)
        *item = 0;
    return NULL;
}

/* Objects/setobject.c: a table of mask + 1 entries. (In a frozenset it takes a set operation of 3.x to delete one.) */
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
        TRY(value_get_set_item(python, table + i * entry_size, &key));
        if (!key)
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

static pst_error *read_contents(const struct python *python, struct arena *arena, pst_addr object,
                                struct value *value)
{
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

pst_error *value_read(const struct python *python, struct arena *arena, pst_addr object, struct value *value)
{
    *value = (struct value){.address = object};
    TRY(object_get_type(python, object, &value->type));
    TRY(value_type_get_kind(python, object, value->type, &value->kind));
    return read_contents(python, arena, object, value);
}

pst_error *value_read_as(const struct python *python, struct arena *arena, pst_addr object, enum value_kind kind,
                         struct value *value)
{
    *value = (struct value){.address = object, .kind = kind};
    TRY(object_get_type(python, object, &value->type));
    return read_contents(python, arena, object, value);
}

static unsigned bit_length(uint64_t number)
{
    unsigned bits = 0;
    for (; number; number >>= 1)
        bits++;
    return bits;
}

static pst_error *get_long_size(const struct python *python, struct value *value, uint64_t *bits)
{
    uint64_t count, top;
    uint8_t bytes[8];
    pst_addr place;
    TRY(read_long_head(python, value, &count, &place));
    *bits = 0;
    if (!count)
        return NULL;
    if (count > VALUE_MAX_DIGIT_COUNT)
        return corrupt_int(value, "the impossible digit count", count);
    TRY(memory_read(python->memory, place + (count - 1) * value->digit_size, bytes, value->digit_size));
    top = bytes_unsigned(bytes, value->digit_size);
    if (top >> value->digit_bits || !top)
        return corrupt_int(value, "the impossible digit", top);
    *bits = (count - 1) * value->digit_bits + bit_length(top);
    return NULL;
}

pst_error *value_get_int_size(const struct python *python, pst_addr object, enum value_kind kind, bool *is_negative,
                              uint64_t *bits)
{
    struct value value = {.address = object, .kind = kind};
    int64_t number;
    TRY(object_get_type(python, object, &value.type));
    if (kind == VALUE_INT && python_is_2(python)) {
        TRY(field_signed(python, object, F(PyIntObject_ob_ival), &number));
        *is_negative = number < 0;
        *bits = bit_length(number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
        return NULL;
    }
    TRY(get_long_size(python, &value, bits));
    *is_negative = value.is_negative;
    return NULL;
}
