#include "python/repr.h"

#include <string.h>

/* ---- what is printable ----------------------------------------------------------------------------------- */

struct printable_range {
    uint32_t first, last : 24, minor : 8;
};

static const struct printable_range printable_ranges[] = {
#define PRINTABLE(first, last, minor) {first, last, minor},
#include "../../layouts/printable.def"
#undef PRINTABLE
};

/* str.isprintable() of one character from U+0080 on. */
static bool is_printable(uint32_t c, int minor)
{
    size_t low = 0, high = sizeof printable_ranges / sizeof *printable_ranges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (printable_ranges[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof printable_ranges / sizeof *printable_ranges && c >= printable_ranges[low].first &&
           minor >= (int)printable_ranges[low].minor;
}

/* ---- quotes ------------------------------------------------------------------------------------------------ */

/* Single ones, unless only these are in the text. */
static char choose_quote(const char *data, size_t size)
{
    return size && memchr(data, '\'', size) && !memchr(data, '"', size) ? '"' : '\'';
}

static void add_hex(char letter, uint32_t c, unsigned digits, struct text *text)
{
    char escape[10] = {'\\', letter};
    for (unsigned i = digits; i-- > 0; c >>= 4)
        escape[2 + i] = "0123456789abcdef"[c & 15];
    text_add(text, escape, 2 + digits);
}

/* A character below U+0080, as str, bytes and their forerunners have it alike. */
static void add_ascii(uint8_t c, char quote, struct text *text)
{
    if (c == (uint8_t)quote || c == '\\') {
        text_add_char(text, '\\');
        text_add_char(text, (char)c);
    } else if (c == '\t') {
        text_add_string(text, "\\t");
    } else if (c == '\n') {
        text_add_string(text, "\\n");
    } else if (c == '\r') {
        text_add_string(text, "\\r");
    } else if (c < ' ' || c >= 0x7f) {
        add_hex('x', c, 2, text);
    } else {
        text_add_char(text, (char)c);
    }
}

/* How many bytes from here on are shown as they are. */
static size_t plain_size(const char *data, size_t size, char quote)
{
    size_t i = 0;
    while (i < size && data[i] >= ' ' && data[i] < 0x7f && data[i] != quote && data[i] != '\\')
        i++;
    return i;
}

/* ---- str ------------------------------------------------------------------------------------------------- */

/* The character at `data`, of a text that string_read() made: UTF-8 with surrogates. Its size in bytes. */
static size_t next_character(const char *data, size_t left, uint32_t *c)
{
    uint8_t first = (uint8_t)data[0];
    size_t size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > left)
        size = left;
    *c = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        *c = *c << 6 | ((uint8_t)data[i] & 0x3f);
    return size;
}

static void add_escaped(uint32_t c, struct text *text)
{
    if (c > 0xffff)
        add_hex('U', c, 8, text);
    else if (c > 0xff)
        add_hex('u', c, 4, text);
    else
        add_hex('x', c, 2, text);
}

/* Objects/unicodeobject.c, unicode_repr(). */
void repr_add_str(pst_text str, int minor, struct text *text)
{
    char quote = choose_quote(str.data, str.size);
    if (minor < 0)
        text_add_char(text, 'u');
    text_add_char(text, quote);
    for (size_t i = 0; i < str.size;) {
        size_t plain = plain_size(str.data + i, str.size - i, quote);
        text_add(text, str.data + i, plain);
        i += plain;
        if (i == str.size)
            break;
        uint32_t c;
        size_t size = next_character(str.data + i, str.size - i, &c);
        if (c < 0x80)
            add_ascii((uint8_t)c, quote, text);
        else if (is_printable(c, minor))
            text_add(text, str.data + i, size);
        else
            add_escaped(c, text);
        i += size;
    }
    text_add_char(text, quote);
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

/* Objects/bytesobject.c, PyBytes_Repr(). */
void repr_add_bytes(pst_bytes bytes, const char *prefix, struct text *text)
{
    const char *data = (const char *)bytes.data;
    char quote = choose_quote(data, bytes.size);
    text_add_string(text, prefix);
    text_add_char(text, quote);
    for (size_t i = 0; i < bytes.size; i++) {
        size_t plain = plain_size(data + i, bytes.size - i, quote);
        text_add(text, data + i, plain);
        i += plain;
        if (i < bytes.size)
            add_ascii(bytes.data[i], quote, text);
    }
    text_add_char(text, quote);
}
