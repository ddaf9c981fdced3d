#include "python/object.h"

#include <string.h>

enum {
    DIGIT_BITS = 30,         /* Include/cpython/longintrepr.h, on every 64-bit build */
    LONG_SIGN_BITS = 3,      /* 3.12+: lv_tag is the digit count, shifted, and the sign in the low bits */
    LONG_SIGN_MASK = 3,
    LONG_SIGN_NEGATIVE = 2,
    LONG_MAX_DIGITS = 3,     /* what can fit into 64 bits */
};

pst_error *object_get_type(const struct python *python, pst_addr object, pst_addr *type)
{
    return field_address(python, object, F(PyObject_ob_type), type);
}

pst_error *type_get_flags(const struct python *python, pst_addr type, uint64_t *flags)
{
    return field_unsigned(python, type, F(PyTypeObject_tp_flags), flags);
}

pst_error *object_is_static_type(const struct python *python, pst_addr object, bool *result)
{
    pst_addr type, type_of_type;
    uint64_t flags;
    TRY(object_get_type(python, object, &type));
    TRY(object_get_type(python, type, &type_of_type));
    *result = type == type_of_type; /* nothing but a type has a type that is its own type */
    if (!*result)
        return NULL;
    TRY(type_get_flags(python, object, &flags));
    *result = !(flags & TPFLAGS_HEAPTYPE);
    return NULL;
}

pst_error *object_expect(const struct python *python, pst_addr object, uint64_t flags, const char *wanted)
{
    pst_addr type;
    uint64_t found;
    TRY(object_get_type(python, object, &type));
    TRY(type_get_flags(python, type, &found));
    if (found & flags)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no %s", (unsigned long long)object, wanted);
}

pst_error *tuple_find_items(const struct python *python, pst_addr tuple, pst_addr *items, uint64_t *count)
{
    int64_t size;
    TRY(object_expect(python, tuple, TPFLAGS_TUPLE_SUBCLASS, "tuple"));
    TRY(field_signed(python, tuple, F(PyVarObject_ob_size), &size));
    TRY(field_place(python, tuple, F(PyTupleObject_ob_item), items));
    if (size < 0)
        return error_new(PST_ERROR_CORRUPT, "the tuple at 0x%llx has %lld items", (unsigned long long)tuple,
                         (long long)size);
    *count = (uint64_t)size;
    return NULL;
}

/* 1 for a field that is not in the head: a layout file may say so. */
static uint64_t head_number(const struct python *python, const uint8_t *head, enum field field, size_t size)
{
    int32_t offset = python->layout.places[field].offset;
    if (offset < 0 || (size_t)offset + size > OBJECT_HEAD_SIZE)
        return 1;
    return bytes_unsigned(head + offset, size);
}

/*
 * A reference count that a living object can have. In the place of a dead one's, allocators keep the address of the
 * next free block, or nothing. Include/object.h and, since 3.14, Include/refcount.h: the count has 32 bits, with an
 * overflow (never used) and flags above them.
 */
bool object_head_lives(const struct python *python, const uint8_t *head)
{
    enum { COUNT_BITS = 32, SHARED_FLAG_BITS = 2 };
    if (has(python, F(PyObject_ob_ref_local)))
        return head_number(python, head, F(PyObject_ob_ref_local), 4) ||
               (int64_t)head_number(python, head, F(PyObject_ob_ref_shared), 8) >> SHARED_FLAG_BITS > 0;
    uint64_t count = head_number(python, head, F(PyObject_ob_refcnt), 8), low = (uint32_t)count;
    uint64_t high = count >> COUNT_BITS;
    return low && (python_minor_version(python) >= 314 ? (high & 0xffff) == 0 : high == 0);
}

pst_error *object_lives(const struct python *python, pst_addr object, bool *lives)
{
    uint8_t head[OBJECT_HEAD_SIZE] = {0};
    uint64_t size = size_of(python, F(sizeof_PyObject));
    TRY(memory_read(python->memory, object, head, size < sizeof head ? size : sizeof head));
    *lives = object_head_lives(python, head);
    return NULL;
}

static pst_error *too_large(pst_addr object)
{
    return error_new(PST_ERROR_CORRUPT, "the int at 0x%llx does not fit into 64 bits", (unsigned long long)object);
}

static pst_error *read_digits(const struct python *python, pst_addr object, enum field digits, uint64_t count,
                              uint64_t *value)
{
    pst_addr place;
    TRY(field_place(python, object, digits, &place));
    if (count > LONG_MAX_DIGITS)
        return too_large(object);
    *value = 0;
    for (uint64_t i = count; i-- > 0;) {
        uint8_t bytes[4];
        TRY(memory_read(python->memory, place + i * sizeof bytes, bytes, sizeof bytes));
        if (*value >> (64 - DIGIT_BITS))
            return too_large(object);
        *value = *value << DIGIT_BITS | bytes_unsigned(bytes, sizeof bytes);
    }
    return NULL;
}

static pst_error *read_long(const struct python *python, pst_addr object, uint64_t *value)
{
    bool negative;
    uint64_t count;
    enum field digits;
    if (has(python, F(PyLongObject_long_value_lv_tag))) {
        uint64_t tag;
        TRY(field_unsigned(python, object, F(PyLongObject_long_value_lv_tag), &tag));
        negative = (tag & LONG_SIGN_MASK) == LONG_SIGN_NEGATIVE;
        count = tag >> LONG_SIGN_BITS;
        digits = F(PyLongObject_long_value_ob_digit);
    } else {
        int64_t size;
        TRY(field_signed(python, object, F(PyVarObject_ob_size), &size));
        negative = size < 0;
        count = negative ? 0 - (uint64_t)size : (uint64_t)size;
        digits = F(PyLongObject_ob_digit);
    }
    TRY(read_digits(python, object, digits, count, value));
    if (negative)
        *value = 0 - *value;
    return NULL;
}

pst_error *object_get_int(const struct python *python, pst_addr object, uint64_t *value)
{
    pst_addr type;
    uint64_t flags;
    TRY(object_get_type(python, object, &type));
    TRY(type_get_flags(python, type, &flags));
    if (flags & TPFLAGS_LONG_SUBCLASS)
        return read_long(python, object, value);
    if (python_is_2(python) && flags & TPFLAGS_INT_SUBCLASS)
        return field_unsigned(python, object, F(PyIntObject_ob_ival), value);
    return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no int", (unsigned long long)object);
}
