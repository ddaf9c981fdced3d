/*
 * Strings: str of every form (Include/cpython/unicodeobject.h), bytes, and 2.7's str and unicode.
 */
#ifndef PYSTANDER_PYTHON_STRING_H
#define PYSTANDER_PYTHON_STRING_H

#include "python/field.h"

enum {
    STRING_MAX_SIZE = 64 << 20,  /* bytes of one string or bytes object; beyond it is taken for a lie */
    STRING_MAX_TOTAL = ARENA_MAX_SIZE / 4 * 3, /* bytes in one arena; of a core no more than it has itself, and: */
    STRING_MIN_TOTAL = 96 << 20,  /* of a core, however small: text is up to five times what it is made of, as repr() */
    STRING_MAX_UNCHECKED = 4096, /* of more, the last byte is read before there is made room for all */
};

/* The text of a str, as pst_text describes it. Of 2.7's str (bytes) and bytes objects: decoded as UTF-8
 * with surrogateescape, as Python 3 decodes file names. Lives in the arena. */
MUST_USE pst_error *string_read(const struct python *python, struct arena *arena, pst_addr object, pst_text *text);

/* Bytes as text, as string_read() makes it of them. */
MUST_USE pst_error *string_decode(struct arena *arena, pst_bytes bytes, pst_text *text);

/* Whether a str (2.7: or bytes) equals an ASCII name. An object that is no string equals nothing. */
MUST_USE pst_error *string_equals(const struct python *python, pst_addr object, const char *name, bool *equal);

/* The bytes of a bytes object (2.7: str). */
MUST_USE pst_error *bytes_read(const struct python *python, struct arena *arena, pst_addr object,
                               const uint8_t **bytes, size_t *size);
MUST_USE pst_error *bytes_get_size(const struct python *python, pst_addr object, uint64_t *size);

#endif
