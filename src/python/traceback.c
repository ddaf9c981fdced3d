/* Tracebacks. Include/cpython/traceback.h, Python/traceback.c. */
#include "python/exceptions.h"

enum {
    MAX_ENTRIES = 1 << 14, /* of one traceback */
    MAX_SCAN = 1 << 24,    /* bytes of one line table, searched anew for each entry of a traceback */
};

/* A traceback in a circle, which Python does not let anybody make, is an error: `slow` goes half as fast. */
static pst_error *count_entries(const struct python *python, pst_addr first, size_t *count, bool *is_cut)
{
    pst_addr slow = first;
    *is_cut = false;
    for (pst_addr entry = first; entry; (*count)++) {
        *is_cut = *count == MAX_ENTRIES;
        if (*is_cut)
            return NULL;
        TRY(field_address(python, entry, F(PyTracebackObject_tb_next), &entry));
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

/* 3.12+: the line is looked up when it is asked for. */
static pst_error *find_line(const struct python *python, pst_addr entry, struct code *code, int *line)
{
    int lasti;
    pst_position position = {-1, -1, -1, -1};
    TRY(field_int(python, entry, F(PyTracebackObject_tb_lineno), line));
    if (*line >= 0 || !code->table.bytes)
        return NULL;
    TRY(field_int(python, entry, F(PyTracebackObject_tb_lasti), &lasti));
    code->scanned += code->table.size;
    if (code->scanned > MAX_SCAN)
        return error_new(PST_ERROR_LIMIT, "too many lines of tracebacks in one code object");
    if (linetable_find(&code->table, lasti, &position))
        *line = position.line;
    return NULL;
}

static pst_error *read_entry(struct walk *walk, pst_addr address, pst_traceback_entry *entry)
{
    pst_addr frame, code_address;
    struct code *code;
    entry->line = -1;
    TRY(field_address(walk->python, address, F(PyTracebackObject_tb_frame), &frame));
    TRY(find_code(walk->python, frame, &code_address));
    TRY(code_get(walk, code_address, &code));
    entry->name = code->name;
    entry->qualname = code->qualname;
    entry->file = code->filename;
    return find_line(walk->python, address, code, &entry->line);
}

pst_error *traceback_read(struct details *details, pst_addr first, pst_exception *exception)
{
    struct walk *walk = details->walk;
    size_t count = 0;
    TRY(count_entries(walk->python, first, &count, &exception->traceback_is_cut));
    TRY(details_spend(details, count * sizeof(pst_traceback_entry)));
    pst_traceback_entry *entries = arena_alloc(&walk->snapshot->arena, count * sizeof *entries + 1);
    if (!entries)
        return error_no_memory();
    exception->traceback = entries;
    for (pst_addr entry = first; exception->traceback_count < count; exception->traceback_count++) {
        TRY(read_entry(walk, entry, &entries[exception->traceback_count]));
        TRY(field_address(walk->python, entry, F(PyTracebackObject_tb_next), &entry));
    }
    return NULL;
}
