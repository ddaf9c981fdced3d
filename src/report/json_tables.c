#include "report/json_tables.h"

#include "report/json_parts.h"

#include <string.h>

/* What is reserved and written at once. */
enum { PIECE_COUNT = 1 << 12, NUMBER_MAX = 11, PAIRS = 100 };

static const char hex_pairs[] =
    "000102030405060708090a0b0c0d0e0f"
    "101112131415161718191a1b1c1d1e1f"
    "202122232425262728292a2b2c2d2e2f"
    "303132333435363738393a3b3c3d3e3f"
    "404142434445464748494a4b4c4d4e4f"
    "505152535455565758595a5b5c5d5e5f"
    "606162636465666768696a6b6c6d6e6f"
    "707172737475767778797a7b7c7d7e7f"
    "808182838485868788898a8b8c8d8e8f"
    "909192939495969798999a9b9c9d9e9f"
    "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
    "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
    "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
    "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
    "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
    "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
static const char decimal_pairs[PAIRS * 2 + 1] =
    "00010203040506070809"
    "10111213141516171819"
    "20212223242526272829"
    "30313233343536373839"
    "40414243444546474849"
    "50515253545556575859"
    "60616263646566676869"
    "70717273747576777879"
    "80818283848586878889"
    "90919293949596979899";

void json_add_bytes(struct report_sink *sink, pst_bytes bytes)
{
    struct text *text = &sink->text;
    if (!bytes.data) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '"');
    for (size_t start = 0; start < bytes.size && report_checkpoint(sink); start += PIECE_COUNT) {
        size_t count = bytes.size - start < PIECE_COUNT ? bytes.size - start : PIECE_COUNT;
        const uint8_t *from = bytes.data + start;
        char *to = text_reserve(text, 2 * count);
        if (!to)
            return;
        for (size_t i = 0; i < count; i++)
            memcpy(to + 2 * i, hex_pairs + 2 * from[i], 2);
        text_commit(text, to + 2 * count);
    }
    text_add_char(text, '"');
}

/* At most NUMBER_MAX bytes. Returns their end. */
static char *put_number(char *to, int value)
{
    char digits[NUMBER_MAX + 1], *start = digits + sizeof digits;
    if (value < 0) {
        memcpy(to, "null", 4);
        return to + 4;
    }
    if (value < 10) {
        *to = (char)('0' + value);
        return to + 1;
    }
    for (; value >= PAIRS; value /= PAIRS)
        memcpy(start -= 2, decimal_pairs + 2 * (value % PAIRS), 2);
    memcpy(start -= 2, decimal_pairs + 2 * value, 2);
    start += value < 10;
    size_t size = (size_t)(digits + sizeof digits - start);
    memcpy(to, start, size);
    return to + size;
}

void json_add_lines(struct report_sink *sink, const pst_line_range *lines, size_t count)
{
    struct text *text = &sink->text;
    if (!lines) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t start = 0; start < count && report_checkpoint(sink); start += PIECE_COUNT) {
        size_t end = count - start < PIECE_COUNT ? count : start + PIECE_COUNT;
        char *to = text_reserve(text, (end - start) * (3 * NUMBER_MAX + 5));
        if (!to)
            return;
        for (size_t i = start; i < end; i++) {
            if (i)
                *to++ = ',';
            *to++ = '[';
            to = put_number(to, lines[i].start);
            *to++ = ',';
            to = put_number(to, lines[i].end);
            *to++ = ',';
            to = put_number(to, lines[i].line);
            *to++ = ']';
        }
        text_commit(text, to);
    }
    text_add_char(text, ']');
}

/* ",[1,1,0,10]": the last that was written, for those like it that follow. Copied in words, hence the room. */
struct entry {
    char bytes[64];
    size_t size, lines_size;   /* the latter up to the columns */
    pst_position position;
};

static void set_entry(struct entry *entry, pst_position position)
{
    char *to = entry->bytes + entry->lines_size;
    if (!entry->lines_size || position.line != entry->position.line || position.end_line != entry->position.end_line) {
        to = entry->bytes;
        *to++ = ',';
        *to++ = '[';
        to = put_number(to, position.line);
        *to++ = ',';
        to = put_number(to, position.end_line);
        *to++ = ',';
        entry->lines_size = (size_t)(to - entry->bytes);
    }
    to = put_number(to, position.column);
    *to++ = ',';
    to = put_number(to, position.end_column);
    *to++ = ']';
    entry->size = (size_t)(to - entry->bytes);
    entry->position = position;
}

static bool is_equal(const pst_position *a, const pst_position *b)
{
    return a->line == b->line && a->end_line == b->end_line && a->column == b->column && a->end_column == b->end_column;
}

void json_add_positions(struct report_sink *sink, const pst_position *positions, size_t count)
{
    struct text *text = &sink->text;
    struct entry entry = {.size = 0};
    if (!positions) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t start = 0; start < count && report_checkpoint(sink); start += PIECE_COUNT) {
        size_t end = count - start < PIECE_COUNT ? count : start + PIECE_COUNT;
        char *to = text_reserve(text, (end - start + 1) * sizeof entry.bytes);
        if (!to)
            return;
        for (size_t i = start; i < end; i++) {
            if (!i || !is_equal(&positions[i], &entry.position))
                set_entry(&entry, positions[i]);
            size_t comma = i ? 0 : 1;   /* the first has none */
            memcpy(to, entry.bytes + comma, 32);
            if (entry.size > 32)
                memcpy(to + 32, entry.bytes + comma + 32, 31);
            to += entry.size - comma;
        }
        text_commit(text, to);
    }
    text_add_char(text, ']');
}
