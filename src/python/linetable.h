/*
 * Line tables: which source position belongs to which instruction. Pure functions over bytes.
 *
 * The four formats, and where CPython describes them:
 *     to 2.7     co_lnotab, unsigned line deltas       Objects/lnotab_notes.txt
 *     3.6–3.9    co_lnotab, signed line deltas         Objects/lnotab_notes.txt
 *     3.10       co_linetable, -128 is “no line”       Objects/lnotab_notes.txt
 *     3.11+      co_linetable, the location table      Objects/locations.md (InternalDocs/code_objects.md)
 */
#ifndef PYSTANDER_PYTHON_LINETABLE_H
#define PYSTANDER_PYTHON_LINETABLE_H

#include "pystander/pystander.h"

enum linetable_format {
    LINETABLE_LNOTAB_UNSIGNED,
    LINETABLE_LNOTAB,
    LINETABLE_310,
    LINETABLE_LOCATIONS,
};

enum linetable_format linetable_format_of(int major, int minor);

struct linetable {
    enum linetable_format format;
    const uint8_t *bytes;
    size_t size;
    int firstlineno;
    int code_size; /* bytes of co_code: where the last entry of a co_lnotab ends */
    bool may_end_early; /* it need not describe all of the code: see bytecode_is_blank() */
};

/* The instructions in [start, end), byte offsets into co_code, have this position. */
struct line_range {
    int start, end;
    pst_position position;
};

struct linetable_reader {
    const struct linetable *table;
    size_t at;      /* bytes read */
    int end;        /* of the range before */
    int line;       /* as the deltas have it */
    bool finished;  /* all entries were read; a co_lnotab's last range was given */
};

void linetable_start(struct linetable_reader *reader, const struct linetable *table);

/* The next range, in order of address; false at the end of the table, and where it is no sound table any
 * more (an offset or a line that overflows, an entry that is cut off). */
bool linetable_next(struct linetable_reader *reader, struct line_range *range);

/* The position of the instruction at `offset`; false when the table has none for it. A negative offset is
 * an instruction before the first: co_firstlineno, as PyCode_Addr2Line() answers. */
bool linetable_find(const struct linetable *table, int offset, pst_position *position);

#endif
