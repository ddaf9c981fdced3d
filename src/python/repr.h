/*
 * What repr() of the target's own version gives, appended to a text. Bounded: reaching a limit is an error.
 */
#ifndef PYSTANDER_PYTHON_REPR_H
#define PYSTANDER_PYTHON_REPR_H

#include "base/text.h"
#include "python/value.h"

/* Of one repr: tuples in tuples can multiply what they share. */
enum {
    REPR_MAX_SIZE = 64 << 20,     /* bytes, before what the last object adds */
    REPR_MAX_OBJECTS = 3 << 19,
};

/* An object in a container that is a code object becomes "<code object NAME at 0x…, file "…", line N>". For
 * VALUE_OTHER: an error that names the type. */
MUST_USE pst_error *repr_add(const struct python *python, struct arena *arena, pst_addr object, struct text *text);
/* The same of a value that was read already. */
MUST_USE pst_error *repr_add_value(const struct python *python, struct arena *arena, const struct value *value,
                                   struct text *text);

/* ---- repr_number.c: pure functions ----------------------------------------------------------------------- */

/* As repr(float): the shortest text that makes the same number. */
void repr_add_double(double number, struct text *text);
void repr_add_complex(double real, double imaginary, struct text *text);
/* How many steps repr_add_int() takes, some nanoseconds each. */
uint64_t repr_count_int_steps(const struct value *value);
/* An int of any size, `value` being one; without 2.7's L. Its digits are below 2^digit_bits. */
MUST_USE pst_error *repr_add_int(const struct value *value, struct text *text);

/* ---- repr_text.c: pure functions ------------------------------------------------------------------------- */

/* A str of Python 3.`minor`; minor < 0: 2.7's unicode. */
void repr_add_str(pst_text str, int minor, struct text *text);
/* bytes; with `prefix` "": 2.7's str. */
void repr_add_bytes(pst_bytes bytes, const char *prefix, struct text *text);

#endif
