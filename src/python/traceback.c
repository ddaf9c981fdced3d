/* Tracebacks. Include/cpython/traceback.h, Python/traceback.c. */
#include "python/exceptions.h"

enum {
    MAX_ENTRIES = 1 << 14,     /* of one traceback: the outermost and, half of them, the innermost */
    MAX_WALKED = 1 << 20,      /* to find the innermost ones */
    MAX_SCAN = 1 << 24,        /* bytes of one line table, searched anew for each entry of a traceback */
    KNOWN_LINES = 64,          /* a power of two: a recursion goes through the same two or three again and again */
};

/* Where one instruction is. */
struct known_line {
    const struct code *code;
    int lasti, line;
};

struct reading {
    struct walk *walk;
    struct known_line lines[KNOWN_LINES];
    pst_error *error;          /* the first one that spoiled an entry */
};

static void keep(struct reading *reading, pst_error *error)
{
    if (reading->error)
        pst_error_free(error);
    else
        reading->error = error;
}

/* How many there are; *is_end is false: as far as they could be walked, there are more. A traceback in a circle, which
 * Python does not let anybody make, is an error: `slow` goes half as fast. */
static pst_error *count_entries(struct reading *reading, pst_addr first, size_t *count, bool *is_end)
{
    const struct python *python = reading->walk->python;
    pst_addr slow = first;
    *count = 0;
    *is_end = true;
    for (pst_addr entry = first; entry; (*count)++) {
        *is_end = *count < MAX_WALKED;
        if (!*is_end)
            return NULL;
        pst_error *error = field_address(python, entry, F(PyTracebackObject_tb_next), &entry);
        if (error) {
            keep(reading, error);
            *is_end = false;
            ++*count;
            return NULL;
        }
        if (*count % 2)
            TRY(field_address(python, slow, F(PyTracebackObject_tb_next), &slow));
        if (entry && entry == slow)
            return error_new(PST_ERROR_CORRUPT, "the traceback at 0x%llx has no end", (unsigned long long)first);
    }
    return NULL;
}

static pst_error *find_code(const struct python *python, pst_addr frame, pst_addr *code)
{
    if (has(python, F(PyFrameObject_f_frame)))
        TRY(field_address(python, frame, F(PyFrameObject_f_frame), &frame));
    return frame_find_code(python, frame, code);
}

static struct known_line *find_known(struct reading *reading, const struct code *code, int lasti)
{
    return &reading->lines[(code->number * 31 + (unsigned)lasti / 2) % KNOWN_LINES];
}

/* 3.12+: the line is looked up when it is asked for. */
static pst_error *find_line(struct reading *reading, pst_addr entry, struct code *code, int *line)
{
    const struct python *python = reading->walk->python;
    int lasti;
    pst_position position = {-1, -1, -1, -1};
    TRY(field_int(python, entry, F(PyTracebackObject_tb_lineno), line));
    if (*line >= 0 || !code->table.bytes)
        return NULL;
    TRY(field_int(python, entry, F(PyTracebackObject_tb_lasti), &lasti));
    struct known_line *known = find_known(reading, code, lasti);
    if (known->code != code || known->lasti != lasti) {
        if (code->scanned > MAX_SCAN)
            return error_new(PST_ERROR_LIMIT, "too many lines of tracebacks in one code object");
        code->scanned += code->table.size;
        bool is_found = linetable_find(&code->table, lasti, &position);
        *known = (struct known_line){code, lasti, is_found ? position.line : *line};
    }
    *line = known->line;
    return NULL;
}

static pst_error *read_entry(struct reading *reading, pst_addr address, pst_traceback_entry *entry)
{
    struct walk *walk = reading->walk;
    pst_addr frame, code_address;
    struct code *code;
    *entry = (pst_traceback_entry){.line = -1};
    TRY(field_address(walk->python, address, F(PyTracebackObject_tb_frame), &frame));
    TRY(find_code(walk->python, frame, &code_address));
    TRY(code_get(walk, code_address, &code));
    entry->name = code->name;
    entry->qualname = code->qualname;
    entry->file = code->filename;
    return find_line(reading, address, code, &entry->line);
}

/* What can't be read of one entry is no reason to leave out those that it led to. */
static pst_error *read_entries(struct reading *reading, pst_addr first, size_t count, pst_exception *exception,
                               pst_traceback_entry *entries)
{
    size_t skipped = exception->traceback_gap_count, gap = exception->traceback_gap;
    pst_addr entry = first;
    for (size_t i = 0; i < count; i++) {
        if (i < gap || i >= gap + skipped)
            keep(reading, read_entry(reading, entry, &entries[exception->traceback_count++]));
        if (i + 1 == count)
            return NULL;
        pst_error *error = field_address(reading->walk->python, entry, F(PyTracebackObject_tb_next), &entry);
        if (!error)
            continue;
        exception->traceback_is_cut = true;
        exception->traceback_gap = exception->traceback_count;
        exception->traceback_gap_count = 0;
        return error;
    }
    return NULL;
}

static pst_error *read_traceback(struct reading *reading, struct details *details, pst_addr first,
                                 pst_exception *exception)
{
    size_t walked, count;
    bool is_end;
    TRY(count_entries(reading, first, &walked, &is_end));
    count = walked < MAX_ENTRIES ? walked : MAX_ENTRIES;
    exception->traceback_is_cut = count < walked || !is_end;
    exception->traceback_gap = is_end && count < walked ? MAX_ENTRIES / 2 : exception->traceback_is_cut ? count : 0;
    exception->traceback_gap_count = is_end ? walked - count : 0;
    TRY(details_spend(details, count * sizeof(pst_traceback_entry)));
    pst_traceback_entry *entries = arena_alloc(&reading->walk->snapshot->arena, count * sizeof *entries + 1);
    if (!entries)
        return error_no_memory();
    exception->traceback = entries;
    return read_entries(reading, first, is_end ? walked : count, exception, entries);
}

pst_error *traceback_read(struct details *details, pst_addr first, pst_exception *exception)
{
    struct reading reading = {.walk = details->walk};
    pst_error *error = read_traceback(&reading, details, first, exception);
    keep(&reading, error);
    return reading.error;
}
