/* Little-endian numbers out of bytes. The one place that knows the target's byte order. */
#ifndef PYSTANDER_BASE_BYTES_H
#define PYSTANDER_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes: by far the most frequent. */
static inline uint64_t bytes_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* An unsigned number of 1 to 8 bytes. */
static inline uint64_t bytes_unsigned(const uint8_t *bytes, size_t size)
{
    if (size == 8)
        return bytes_word(bytes);
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* Nothing but zeros, of `size` > 0 bytes. */
static inline bool bytes_are_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static inline int64_t bytes_signed(const uint8_t *bytes, size_t size)
{
    unsigned shift = 64 - 8 * (unsigned)size;
    return (int64_t)(bytes_unsigned(bytes, size) << shift) >> shift;
}

#endif
