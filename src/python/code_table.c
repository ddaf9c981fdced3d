/* The tables of a code object as lists. Pure functions over bytes. */
#include "python/code_object.h"

enum { CODE_UNIT_SIZE = 2 };

/* ---- the line table ---------------------------------------------------------------------------------- */

/* More ranges than this the table cannot have: each entry takes a byte or two, a co_lnotab has one range more, and
 * none is empty (in 2.7 an instruction may have one byte). */
static size_t most_ranges(const struct linetable *table)
{
    size_t least_size = table->format == LINETABLE_LOCATIONS ? 1 : 2;
    size_t most = table->size / least_size + 1, code_size = (size_t)table->code_size;
    return most < code_size ? most : code_size;
}

static pst_error *unsound(const struct linetable *table, const struct linetable_reader *reader)
{
    return error_new(PST_ERROR_CORRUPT, "it is not sound: byte %zu of %zu, offset %d of %d in the code", reader->at,
                     table->size, reader->end, table->code_size);
}

/* A compiler's table describes just the code, neither more nor less. An old one ends with the last line. */
static bool is_complete(const struct linetable *table, const struct linetable_reader *reader)
{
    bool states_end =
        (table->format == LINETABLE_310 || table->format == LINETABLE_LOCATIONS) && !table->may_end_early;
    return reader->finished && reader->at == table->size && (!states_end || reader->end == table->code_size);
}

pst_error *lines_list(const struct linetable *table, bool merge, struct arena *arena, const pst_line_range **lines,
                      size_t *count)
{
    pst_line_range *list = arena_alloc(arena, most_ranges(table) * sizeof *list + 1);
    struct linetable_reader reader;
    struct line_range range;
    *lines = list;
    *count = 0;
    if (!list)
        return error_no_memory();
    linetable_start(&reader, table);
    while (linetable_next(&reader, &range)) {
        if (range.end > table->code_size)
            return unsound(table, &reader);
        if (merge && *count && list[*count - 1].line == range.position.line)
            list[*count - 1].end = range.end;
        else
            list[(*count)++] = (pst_line_range){range.start, range.end, range.position.line};
    }
    return is_complete(table, &reader) ? NULL : unsound(table, &reader);
}

pst_error *positions_list(const struct linetable *table, struct arena *arena, const pst_position **positions,
                          size_t *count)
{
    size_t units = (size_t)table->code_size / CODE_UNIT_SIZE;
    pst_position *list = arena_alloc(arena, units * sizeof *list + 1);
    struct linetable_reader reader;
    struct line_range range;
    *positions = list;
    *count = 0;
    if (!list)
        return error_no_memory();
    linetable_start(&reader, table);
    while (linetable_next(&reader, &range)) {
        if (range.end > table->code_size)
            return unsound(table, &reader);
        while (*count * CODE_UNIT_SIZE < (size_t)range.end)
            list[(*count)++] = range.position;
    }
    return is_complete(table, &reader) ? NULL : unsound(table, &reader);
}

/* ---- the exception table ------------------------------------------------------------------------------- */

enum {
    ENTRY_START = 0x80,      /* in the first byte of an entry */
    NUMBER_CONTINUES = 0x40,
    NUMBER_BITS = 6,
    ENTRY_LEAST_SIZE = 4,    /* bytes */
};

struct byte_reader {
    const uint8_t *at, *end;
};

/* Six bits a byte, highest first. */
static bool read_number(struct byte_reader *reader, bool is_first, int limit, int *number)
{
    int64_t value = 0;
    for (bool more = true; more; is_first = false) {
        if (reader->at == reader->end || !(*reader->at & ENTRY_START) == is_first)
            return false;
        uint8_t byte = *reader->at++;
        more = byte & NUMBER_CONTINUES;
        value = value << NUMBER_BITS | (byte & (NUMBER_CONTINUES - 1));
        if (value > limit)
            return false;
    }
    *number = (int)value;
    return true;
}

static bool read_entry(struct byte_reader *reader, int code_size, pst_exception_range *range)
{
    int units = code_size / CODE_UNIT_SIZE, start, length, target, depth_and_lasti;
    if (!read_number(reader, true, units, &start) || !read_number(reader, false, units - start, &length) ||
        !read_number(reader, false, units, &target) || !read_number(reader, false, CODE_MAX_SIZE, &depth_and_lasti))
        return false;
    *range = (pst_exception_range){
        .start = start * CODE_UNIT_SIZE,
        .end = (start + length) * CODE_UNIT_SIZE,
        .target = target * CODE_UNIT_SIZE,
        .depth = depth_and_lasti >> 1,
        .lasti = depth_and_lasti & 1,
    };
    return true;
}

pst_error *exceptions_list(pst_bytes table, int code_size, struct arena *arena, const pst_exception_range **ranges,
                           size_t *count)
{
    pst_exception_range *list = arena_alloc(arena, table.size / ENTRY_LEAST_SIZE * sizeof *list + 1);
    struct byte_reader reader = {table.data, table.data + table.size};
    *ranges = list;
    *count = 0;
    if (!list)
        return error_no_memory();
    while (reader.at != reader.end) {
        size_t at = (size_t)(reader.at - table.data);
        if (*count == table.size / ENTRY_LEAST_SIZE || !read_entry(&reader, code_size, &list[*count]))
            return error_new(PST_ERROR_CORRUPT, "it is not sound: the entry at byte %zu of %zu", at, table.size);
        (*count)++;
    }
    return NULL;
}
