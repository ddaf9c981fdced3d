/*
 * Strings: str of every form (Include/cpython/unicodeobject.h), bytes, and 2.7's str and unicode.
 */
#ifndef PYSTANDER_PYTHON_STRING_H
#define PYSTANDER_PYTHON_STRING_H

#include "python/field.h"

#include <string.h>

enum {
    STRING_MAX_SIZE = 64 << 20,  /* bytes of one string or bytes object; beyond it is taken for a lie */
    STRING_MAX_TOTAL = ARENA_MAX_SIZE / 4 * 3, /* bytes in one arena; of a core no more than it has itself, and: */
    STRING_MIN_TOTAL = 96 << 20,  /* of a core, however small: text is up to five times what it is made of, as repr() */
    STRING_MAX_C_SIZE = 1024,    /* bytes of one of C's: names of functions and capsules */
    STRING_MAX_UNCHECKED = 4096, /* of more, the last byte is read before there is made room for all */
};

/* The text of a str, as pst_text describes it. Of 2.7's str (bytes) and bytes objects: decoded as UTF-8
 * with surrogateescape, as Python 3 decodes file names. Lives in the arena. */
MUST_USE pst_error *string_read(const struct python *python, struct arena *arena, pst_addr object, pst_text *text);

/* The first `most` characters of one, which may be of any length: *count characters. */
MUST_USE pst_error *string_read_start(const struct python *python, struct arena *arena, pst_addr object, uint64_t most,
                                      pst_text *text, uint64_t *count);

/* The text of `count` characters of 2 (UTF-16) or 4 bytes each that are no object. */
MUST_USE pst_error *string_read_units(const struct python *python, struct arena *arena, pst_addr address,
                                      unsigned unit, uint64_t count, pst_text *text);

/* One character by its number, of bytes one byte; *exists is false where the string has ended before. */
MUST_USE pst_error *string_read_character(const struct python *python, pst_addr object, uint64_t index,
                                          uint64_t *character, bool *exists);

/* A text of C, which ends at a NUL, as string_decode() makes it of the bytes. */
MUST_USE pst_error *string_read_c(const struct python *python, struct arena *arena, pst_addr address, pst_text *text);

/* Its characters from the one up to the other, as far as there are so many. */
MUST_USE pst_error *string_read_part(const struct python *python, struct arena *arena, pst_addr object, uint64_t from,
                                     uint64_t to, pst_text *text);

/* Bytes as text, as string_read() makes it of them. */
MUST_USE pst_error *string_decode(struct arena *arena, pst_bytes bytes, pst_text *text);

/* Whether a str (2.7: or bytes) equals an ASCII name. An object that is no string equals nothing. */
MUST_USE pst_error *string_equals(const struct python *python, pst_addr object, const char *name, bool *equal);

/* The bytes of a bytes object (2.7: str). */
MUST_USE pst_error *bytes_read(const struct python *python, struct arena *arena, pst_addr object,
                               const uint8_t **bytes, size_t *size);
/* The first `most` of them; *count: how many there are. */
MUST_USE pst_error *bytes_read_start(const struct python *python, struct arena *arena, pst_addr object, uint64_t most,
                                     pst_bytes *bytes, uint64_t *count);
/* `size` bytes that are no object; if it is 0, from nowhere. */
MUST_USE pst_error *bytes_read_at(const struct python *python, struct arena *arena, pst_addr address, uint64_t size,
                                  pst_bytes *bytes);
MUST_USE pst_error *bytes_get_size(const struct python *python, pst_addr object, uint64_t *size);

static inline bool text_is(pst_text text, const char *string)
{
    size_t size = strlen(string);
    return text.size == size && (!size || memcmp(text.data, string, size) == 0);
}

#endif
