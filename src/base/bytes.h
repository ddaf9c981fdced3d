/* Little-endian numbers out of bytes. The one place that knows the target's byte order. */
#ifndef PYSTANDER_BASE_BYTES_H
#define PYSTANDER_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* An unsigned number of 1 to 8 bytes. */
static inline uint64_t bytes_unsigned(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static inline int64_t bytes_signed(const uint8_t *bytes, size_t size)
{
    unsigned shift = 64 - 8 * (unsigned)size;
    return (int64_t)(bytes_unsigned(bytes, size) << shift) >> shift;
}

#endif
