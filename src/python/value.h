/*
 * Objects of the builtin types that constants are made of, read into one tagged struct. A container's items stay
 * addresses: whoever walks them decides how deep.
 */
#ifndef PYSTANDER_PYTHON_VALUE_H
#define PYSTANDER_PYTHON_VALUE_H

#include "python/field.h"

enum {
    VALUE_MAX_ITEMS = 1 << 20,  /* of one container; more is an error */
    VALUE_MAX_DIGITS = 1 << 20, /* 30-bit (15-bit) digits of one int */
    VALUE_MAX_DIGIT_COUNT = 1 << 30, /* that one may have whose size alone is asked for */
    VALUE_MAX_DEPTH = 200,      /* of containers in each other; CPython's own limit for a literal is below it */
};

enum value_kind {
    VALUE_NONE,
    VALUE_ELLIPSIS,
    VALUE_BOOL,
    VALUE_INT,       /* 2.7: int */
    VALUE_LONG,      /* 2.7's long */
    VALUE_FLOAT,
    VALUE_COMPLEX,
    VALUE_STR,       /* 2.7: unicode */
    VALUE_BYTES,     /* 2.7: str */
    VALUE_TUPLE,
    VALUE_FROZENSET,
    VALUE_SLICE,     /* items: start, stop, step */
    VALUE_CODE,
    VALUE_OTHER,     /* none of these; `type` says what */
};

struct value {
    enum value_kind kind;
    pst_addr address, type;
    bool boolean;
    bool is_negative;         /* INT, LONG */
    const uint8_t *digits;    /* INT, LONG: digit_count little-endian digits of digit_size bytes */
    size_t digit_count;
    unsigned digit_size, digit_bits; /* 4 and 30, or 2 and 15 */
    double real, imaginary;   /* FLOAT: real */
    pst_text text;            /* STR: as pst_text describes it */
    pst_bytes bytes;          /* BYTES */
    const pst_addr *items;    /* TUPLE, FROZENSET (in the order of iteration), SLICE */
    size_t item_count;
};

/* ---- value_type.c --------------------------------------------------------------------------------------- */

/* The kind of an object, by its type. */
MUST_USE pst_error *value_type_get_kind(const struct python *python, pst_addr object, pst_addr type,
                                        enum value_kind *kind);
/* Bytes of one digit, 2 or 4, of ints; `long_type` is PyLong_Type or PyBool_Type. */
MUST_USE pst_error *value_type_get_digit_size(const struct python *python, pst_addr long_type, unsigned *size);

/* ---- value.c -------------------------------------------------------------------------------------------- */

/* The kind alone. */
MUST_USE pst_error *value_get_kind(const struct python *python, pst_addr object, enum value_kind *kind);
/* What is in it lives in the arena. */
MUST_USE pst_error *value_read(const struct python *python, struct arena *arena, pst_addr object,
                               struct value *value);

/* The same of an object whose type was derived from that of `kind`. */
MUST_USE pst_error *value_read_as(const struct python *python, struct arena *arena, pst_addr object,
                                  enum value_kind kind, struct value *value);
/* How large an int is, VALUE_INT or VALUE_LONG, without reading the whole: as int.bit_length() has it. */
MUST_USE pst_error *value_get_int_size(const struct python *python, pst_addr object, enum value_kind kind,
                                       bool *is_negative, uint64_t *bits);

/* What an entry in the table of a set or frozenset holds; *item is 0: nothing, or what was deleted. */
MUST_USE pst_error *value_get_set_item(const struct python *python, pst_addr entry, pst_addr *item);

#endif
