#include "python/linetable.h"

#include <limits.h>

/* The kinds of entry in a location table: Include/cpython/code.h, _PyCodeLocationInfoKind. */
enum {
    LOCATION_SHORT_LAST = 9,
    LOCATION_ONE_LINE0 = 10,
    LOCATION_ONE_LINE2 = 12,
    LOCATION_NO_COLUMNS = 13,
    LOCATION_LONG = 14,
    LOCATION_NONE = 15,
};

enum { CODE_UNIT_SIZE = 2 };

static const pst_position no_position = {-1, -1, -1, -1};

enum linetable_format linetable_format_of(int major, int minor)
{
    if (major < 3)
        return LINETABLE_LNOTAB_UNSIGNED;
    if (minor < 10)
        return LINETABLE_LNOTAB;
    return minor == 10 ? LINETABLE_310 : LINETABLE_LOCATIONS;
}

void linetable_start(struct linetable_reader *reader, const struct linetable *table)
{
    *reader = (struct linetable_reader){.table = table, .line = table->firstlineno};
}

static bool add(int *sum, long long value)
{
    long long total = *sum + value;
    if (total > INT_MAX || total < INT_MIN)
        return false;
    *sum = (int)total;
    return true;
}

/* ---- co_lnotab: pairs of (address delta, line delta); an entry ends where the next address is ------- */

static bool next_lnotab(struct linetable_reader *reader, struct line_range *range)
{
    const struct linetable *table = reader->table;
    if (reader->finished)
        return false;
    range->start = reader->end;
    range->position = (pst_position){reader->line, -1, -1, -1};
    while (reader->at + 1 < table->size) {
        uint8_t line_byte = table->bytes[reader->at + 1];
        int line_delta = table->format == LINETABLE_LNOTAB_UNSIGNED ? line_byte : (int8_t)line_byte;
        if (!add(&reader->end, table->bytes[reader->at]) || !add(&reader->line, line_delta))
            return false;
        reader->at += 2;
        if (reader->end > range->start) {
            range->end = reader->end;
            return true;
        }
        range->position.line = reader->line;
    }
    reader->finished = true;
    range->end = table->code_size;
    return range->end > range->start;
}

/* ---- 3.10: pairs of (address delta, signed line delta); -128: no line ------------------------------ */

static bool next_310(struct linetable_reader *reader, struct line_range *range)
{
    const struct linetable *table = reader->table;
    while (reader->at + 1 < table->size) {
        int address_delta = table->bytes[reader->at], line_delta = (int8_t)table->bytes[reader->at + 1];
        reader->at += 2;
        range->start = reader->end;
        range->position = no_position;
        if (!add(&reader->end, address_delta))
            return false;
        if (line_delta != -128) {
            if (!add(&reader->line, line_delta))
                return false;
            range->position.line = reader->line;
        }
        range->end = reader->end;
        if (range->end > range->start)
            return true;
    }
    reader->finished = true;
    return false;
}

/* ---- 3.11+: entries of varying length, the first byte of each has its high bit set ------------------ */

static bool read_byte(struct linetable_reader *reader, uint8_t *byte)
{
    if (reader->at >= reader->table->size)
        return false;
    *byte = reader->table->bytes[reader->at++];
    return true;
}

/* Six bits a byte, lowest first; bit 6 says that more follow. */
static bool read_varint(struct linetable_reader *reader, unsigned *value)
{
    uint64_t sum = 0;
    for (unsigned shift = 0;; shift += 6) {
        uint8_t byte;
        if (shift > 30 || !read_byte(reader, &byte) || byte & 0x80)
            return false;
        sum |= (uint64_t)(byte & 0x3f) << shift;
        if (!(byte & 0x40))
            break;
    }
    if (sum > UINT_MAX)
        return false;
    *value = (unsigned)sum;
    return true;
}

static bool add_line_delta(struct linetable_reader *reader)
{
    unsigned value;
    if (!read_varint(reader, &value))
        return false;
    long long delta = value >> 1;
    return add(&reader->line, value & 1 ? -delta : delta);
}

static bool read_long_entry(struct linetable_reader *reader, pst_position *position)
{
    unsigned lines, column, end_column;
    if (!add_line_delta(reader) || !read_varint(reader, &lines) || !read_varint(reader, &column) ||
        !read_varint(reader, &end_column) || column > INT_MAX || end_column > INT_MAX)
        return false;
    *position = (pst_position){reader->line, reader->line, (int)column - 1, (int)end_column - 1};
    return add(&position->end_line, lines);
}

static bool read_one_line_entry(struct linetable_reader *reader, int line_delta, pst_position *position)
{
    uint8_t column, end_column;
    if (!add(&reader->line, line_delta) || !read_byte(reader, &column) || !read_byte(reader, &end_column))
        return false;
    *position = (pst_position){reader->line, reader->line, column, end_column};
    return true;
}

static bool read_short_entry(struct linetable_reader *reader, int kind, pst_position *position)
{
    uint8_t byte;
    if (!read_byte(reader, &byte))
        return false;
    int column = kind * 8 + (byte >> 4);
    *position = (pst_position){reader->line, reader->line, column, column + (byte & 15)};
    return true;
}

static bool next_location(struct linetable_reader *reader, struct line_range *range)
{
    uint8_t first;
    reader->finished = reader->at == reader->table->size;
    if (!read_byte(reader, &first) || !(first & 0x80))
        return false;
    int kind = first >> 3 & 15;
    range->start = reader->end;
    if (!add(&reader->end, ((first & 7) + 1) * CODE_UNIT_SIZE))
        return false;
    range->end = reader->end;
    range->position = no_position;
    if (kind == LOCATION_NONE)
        return true;
    if (kind == LOCATION_LONG)
        return read_long_entry(reader, &range->position);
    if (kind == LOCATION_NO_COLUMNS) {
        bool sound = add_line_delta(reader);
        range->position = (pst_position){reader->line, reader->line, -1, -1};
        return sound;
    }
    if (kind <= LOCATION_SHORT_LAST)
        return read_short_entry(reader, kind, &range->position);
    return read_one_line_entry(reader, kind - LOCATION_ONE_LINE0, &range->position);
}

bool linetable_next(struct linetable_reader *reader, struct line_range *range)
{
    switch (reader->table->format) {
    case LINETABLE_LNOTAB_UNSIGNED:
    case LINETABLE_LNOTAB:
        return next_lnotab(reader, range);
    case LINETABLE_310:
        return next_310(reader, range);
    case LINETABLE_LOCATIONS:
        return next_location(reader, range);
    }
    return false;
}

bool linetable_find(const struct linetable *table, int offset, pst_position *position)
{
    if (offset < 0) {
        *position = (pst_position){table->firstlineno, -1, -1, -1};
        return true;
    }
    struct linetable_reader reader;
    struct line_range range;
    linetable_start(&reader, table);
    while (linetable_next(&reader, &range)) {
        if (offset < range.end) {
            *position = range.position;
            return true;
        }
    }
    return false;
}
