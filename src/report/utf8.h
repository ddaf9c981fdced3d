/* UTF-8 as it comes out of a target: lone surrogates are three bytes each, and any byte may be wrong. */
#ifndef PYSTANDER_REPORT_UTF8_H
#define PYSTANDER_REPORT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The code point at the front of `size` > 0 bytes. Returns how many bytes it takes, 0 if the first byte
 * begins nothing valid (overlong and truncated forms, past U+10FFFF). Surrogates are let through. */
static inline size_t utf8_decode(const uint8_t *bytes, size_t size, uint32_t *point)
{
    uint32_t first = bytes[0];
    if (first < 0x80) {
        *point = first;
        return 1;
    }
    if (first < 0xc2 || first > 0xf4)
        return 0;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size < length)
        return 0;
    uint32_t value = first & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10ffff)
        return 0;
    *point = value;
    return length;
}

#endif
