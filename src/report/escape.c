#include "report/escape.h"

#include "report/utf8.h"
#include "report/width.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

/* A form such as \x1b, \ud800, \U000e0001: as short as Python would write it. */
static unsigned add_escape(struct text *text, uint32_t point)
{
    char form[10] = {'\\', 'x'};
    unsigned length = 4;
    switch (point) {
    case '\n': memcpy(form, "\\n", length = 2); break;
    case '\r': memcpy(form, "\\r", length = 2); break;
    case '\t': memcpy(form, "\\t", length = 2); break;
    default:
        if (point > 0xffff) {
            form[1] = 'U';
            length = 10;
        } else if (point > 0xff) {
            form[1] = 'u';
            length = 6;
        }
        for (unsigned i = length; i-- > 2; point >>= 4)
            form[i] = digits[point & 15];
    }
    if (text)
        text_add(text, form, length);
    return length;
}

bool escape_needed(uint32_t point)
{
    if (point < 0xa0)
        return point < 0x20 || point >= 0x7f;
    if (point < 0x200e)
        return point == 0x61c;
    if (point <= 0x2069)
        return point <= 0x200f || (point >= 0x2028 && point <= 0x202e) || point >= 0x2066;
    if (point < 0xd800)
        return false;
    return point <= 0xdfff || point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb) ||
           (point & 0xfffe) == 0xfffe || (point >= 0xe0000 && point <= 0xe007f);
}

size_t escape_point(struct text *text, const char *bytes, size_t size, enum escape_style style,
                    unsigned *width)
{
    uint32_t point;
    size_t length = utf8_decode((const uint8_t *)bytes, size, &point);
    if (!length) {
        *width = add_escape(text, (uint8_t)bytes[0]);
        return 1;
    }
    if (escape_needed(point)) {
        *width = add_escape(text, point);
        return length;
    }
    *width = width_of(point);
    if ((point == '\\' && style != ESCAPE_PLAIN) || (point == '"' && style == ESCAPE_QUOTED)) {
        if (text)
            text_add_char(text, '\\');
        ++*width;
    }
    if (text)
        text_add(text, bytes, length);
    return length;
}

/* How many bytes from the front are printable ASCII that no style escapes. */
static size_t plain_run(const char *bytes, size_t size)
{
    size_t i = 0;
    while (i < size && bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\' && bytes[i] != '"')
        i++;
    return i;
}

size_t escape_text(struct text *text, pst_text string, enum escape_style style)
{
    size_t columns = 0;
    for (size_t i = 0; i < string.size;) {
        size_t run = plain_run(string.data + i, string.size - i);
        text_add(text, string.data + i, run);
        columns += run;
        i += run;
        if (i < string.size) {
            unsigned width;
            i += escape_point(text, string.data + i, string.size - i, style, &width);
            columns += width;
        }
    }
    return columns;
}

#define ONES (UINT64_MAX / 255)

/* How many bytes from the front a JSON string can hold as they are: printable ASCII but `"` and `\`.
 * Eight at a time: this is where a large report spends its time. */
static size_t json_run(const char *bytes, size_t size)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        uint64_t quote = word ^ ONES * '"', backslash = word ^ ONES * '\\', del = word ^ ONES * 0x7f;
        /* The high bit of some byte is set if it is below 0x20, not ASCII, or became zero above. */
        uint64_t odd = (word - ONES * 0x20) | word | (quote - ONES) | (backslash - ONES) | (del - ONES);
        if (odd & ONES * 0x80)
            break;
    }
    while (i < size && bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\')
        i++;
    return i;
}

static void add_json_unit(struct text *text, uint32_t unit)
{
    char form[6] = {'\\', 'u'};
    for (unsigned i = 6; i-- > 2; unit >>= 4)
        form[i] = digits[unit & 15];
    text_add(text, form, sizeof form);
}

static void add_json_escape(struct text *text, uint32_t point)
{
    switch (point) {
    case '"': text_add(text, "\\\"", 2); return;
    case '\\': text_add(text, "\\\\", 2); return;
    case '\n': text_add(text, "\\n", 2); return;
    case '\r': text_add(text, "\\r", 2); return;
    case '\t': text_add(text, "\\t", 2); return;
    }
    if (point > 0xffff) {
        add_json_unit(text, 0xd800 + ((point - 0x10000) >> 10));
        point = 0xdc00 + ((point - 0x10000) & 0x3ff);
    }
    add_json_unit(text, point);
}

void escape_json(struct text *text, pst_text string)
{
    if (!string.data) {
        text_add(text, "null", 4);
        return;
    }
    text_add_char(text, '"');
    size_t start = 0;   /* of what is not added yet */
    for (size_t i = 0; i < string.size;) {
        i += json_run(string.data + i, string.size - i);
        if (i == string.size)
            break;
        uint32_t point;
        size_t length = utf8_decode((const uint8_t *)string.data + i, string.size - i, &point);
        if (length > 1 && !escape_needed(point)) {
            i += length;
            continue;
        }
        text_add(text, string.data + start, i - start);
        add_json_escape(text, length ? point : 0xdc00u + (uint8_t)string.data[i]);
        i += length ? length : 1;
        start = i;
    }
    text_add(text, string.data + start, string.size - start);
    text_add_char(text, '"');
}

void escape_json_string(struct text *text, const char *string)
{
    escape_json(text, (pst_text){string, string ? strlen(string) : 0});
}
