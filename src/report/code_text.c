/* The text of `pystander code`; docs/text.md describes it. */
#include "report/code_parts.h"
#include "report/escape.h"
#include "report/text_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES_SHOWN = 3,     /* of a code object that many threads run */
    DUMP_ROW_SIZE = 32,   /* bytes */
    CODE_UNIT_SIZE = 2,
};

#define ANY_COPY SIZE_MAX

struct printer {
    const struct report *report;
    struct report_sink *sink;
    struct text *text;   /* the sink's */
    const struct palette *palette;
    struct code_places places;
};

/* ---- the line that every code object has ---- */

static void add_name(struct text *text, pst_text name)
{
    if (name.data)
        escape_text(text, name, ESCAPE_NAME);
    else
        text_add_char(text, '?');
}

static const char *describe_flag(const char *flag)
{
    static const char *const kinds[][2] = {
        {"GENERATOR", "generator"},
        {"COROUTINE", "coroutine"},
        {"ITERABLE_COROUTINE", "iterable coroutine"},
        {"ASYNC_GENERATOR", "async generator"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i][0], flag))
            return kinds[i][1];
    return NULL;
}

/* (148 bytes, generator) */
static void add_kind(struct text *text, const pst_code *code)
{
    const char *flag;
    text_add_string(text, " (");
    add_count(text, pst_code_get_bytes(code, PST_CODE_BYTECODE).size);
    text_add_string(text, " bytes");
    for (size_t i = 0; (flag = pst_code_get_flag_name(code, i)); i++) {
        const char *kind = describe_flag(flag);
        if (!kind)
            continue;
        text_add_string(text, ", ");
        text_add_string(text, kind);
    }
    text_add_char(text, ')');
}

static void add_place(struct text *text, const struct code_place *place)
{
    pid_t tid = pst_thread_get_tid(place->thread);
    int line = pst_frame_get_position(place->frame).line;
    text_add_string(text, "thread ");
    if (tid > 0)
        text_add_signed(text, tid);
    else
        text_add_char(text, '?');
    if (line >= 0) {
        text_add_string(text, " at line ");
        text_add_signed(text, line);
    }
}

static void add_places(const struct printer *printer, pst_addr address)
{
    struct text *text = printer->text;
    size_t count;
    const struct code_place *places = code_places_find(&printer->places, address, &count);
    for (size_t i = 0; i < count && i < PLACES_SHOWN; i++) {
        text_add_string(text, i ? ", " : ": ");
        add_place(text, &places[i]);
    }
    if (count > PLACES_SHOWN) {
        text_add_string(text, " and ");
        add_count(text, count - PLACES_SHOWN);
        text_add_string(text, " more");
    }
    /* Else it would not have been found. */
    if (!count && printer->report->code->which == PST_CODE_RUNNING)
        text_add_string(text, ": suspended");
}

/* 0x7f0011223344 /srv/app.py:12 Server.handle (148 bytes): thread 4711 at line 15 */
static void add_title(const struct printer *printer, const pst_code *code)
{
    struct text *text = printer->text;
    pst_text qualname = pst_code_get_qualname(code);
    text_add_hex(text, pst_code_get_address(code));
    text_add_char(text, ' ');
    add_name(text, pst_code_get_filename(code));
    text_add_char(text, ':');
    text_add_signed(text, pst_code_get_numbers(code)->firstlineno);
    text_add_char(text, ' ');
    text_add_string(text, printer->palette->name);
    add_name(text, qualname.data ? qualname : pst_code_get_name(code));
    text_add_string(text, printer->palette->off);
    add_kind(text, code);
    add_places(printer, pst_code_get_address(code));
    text_add_char(text, '\n');
    add_errors(text, pst_code_get_errors(code), false, 2, printer->palette);
}

/* ---- every field ---- */

enum { LABEL_WIDTH = 20 };

static void add_label(struct text *text, const char *label)
{
    size_t size = strlen(label);
    text_add_string(text, "  ");
    text_add_string(text, label);
    text_add_repeat(text, ' ', size < LABEL_WIDTH ? LABEL_WIDTH - size : 1);
}

static void add_number_field(struct text *text, const char *label, int64_t value)
{
    add_label(text, label);
    text_add_signed(text, value);
    text_add_char(text, '\n');
}

static void add_text_field(struct text *text, const char *label, pst_text value)
{
    add_label(text, label);
    add_name(text, value);
    text_add_char(text, '\n');
}

static void add_flags(struct text *text, const pst_code *code)
{
    const char *flag;
    int64_t flags = pst_code_get_numbers(code)->flags;
    add_label(text, "co_flags");
    if (flags < 0)
        text_add_char(text, '?');
    else
        text_add_hex(text, (uint64_t)flags);
    for (size_t i = 0; (flag = pst_code_get_flag_name(code, i)); i++) {
        text_add_string(text, i ? ", " : ": ");
        add_plain(text, flag);
    }
    text_add_char(text, '\n');
}

static void add_head_fields(struct text *text, const pst_code *code)
{
    const pst_code_numbers *numbers = pst_code_get_numbers(code);
    add_text_field(text, "co_name", pst_code_get_name(code));
    if (pst_code_get_qualname(code).data)
        add_text_field(text, "co_qualname", pst_code_get_qualname(code));
    add_text_field(text, "co_filename", pst_code_get_filename(code));
    add_number_field(text, "co_firstlineno", numbers->firstlineno);
    add_number_field(text, "co_argcount", numbers->argcount);
    add_number_field(text, "co_posonlyargcount", numbers->posonlyargcount);
    add_number_field(text, "co_kwonlyargcount", numbers->kwonlyargcount);
    add_number_field(text, "co_nlocals", numbers->nlocals);
    add_number_field(text, "co_stacksize", numbers->stacksize);
    add_flags(text, code);
}

static void add_list(const struct printer *printer, const pst_code *code, const char *label, pst_code_list list)
{
    struct text *text = printer->text;
    size_t count;
    const pst_text *items = pst_code_get_list(code, list, &count);
    add_label(text, label);
    if (!items || !count)
        text_add_char(text, items ? '-' : '?');
    for (size_t i = 0; items && i < count && report_checkpoint(printer->sink); i++) {
        if (i)
            text_add_string(text, ", ");
        add_name(text, items[i]);
    }
    text_add_char(text, '\n');
}

static void add_constant(struct text *text, const pst_constant *constant)
{
    if (constant->code) {
        text_add_string(text, "code object at ");
        text_add_hex(text, constant->code);
    } else if (constant->repr.data) {
        escape_text(text, constant->repr, ESCAPE_PLAIN);
    } else {
        text_add_char(text, '?');
    }
}

static void add_constants(const struct printer *printer, const pst_code *code)
{
    struct text *text = printer->text;
    size_t count;
    const pst_constant *constants = pst_code_get_constants(code, &count);
    if (!constants || !count) {
        add_label(text, "co_consts");
        text_add_string(text, constants ? "-\n" : "?\n");
        return;
    }
    for (size_t i = 0; i < count && report_checkpoint(printer->sink); i++) {
        add_label(text, i ? "" : "co_consts");
        text_add_unsigned(text, i);
        text_add_string(text, ": ");
        add_constant(text, &constants[i]);
        text_add_char(text, '\n');
    }
}

/* Rows of hexadecimal digits, each behind its offset. */
static void add_bytes(const struct printer *printer, const char *label, pst_bytes bytes)
{
    struct text *text = printer->text;
    add_label(text, label);
    if (!bytes.data) {
        text_add_string(text, "?\n");
        return;
    }
    add_count(text, bytes.size);
    text_add_string(text, bytes.size == 1 ? " byte\n" : " bytes\n");
    for (size_t row = 0; row < bytes.size && report_checkpoint(printer->sink); row += DUMP_ROW_SIZE) {
        text_printf(text, "  %8zu  ", row);
        for (size_t i = row; i < bytes.size && i < row + DUMP_ROW_SIZE; i++) {
            if (i > row && i % CODE_UNIT_SIZE == 0)
                text_add_char(text, ' ');
            text_add_char(text, "0123456789abcdef"[bytes.data[i] >> 4]);
            text_add_char(text, "0123456789abcdef"[bytes.data[i] & 15]);
        }
        text_add_char(text, '\n');
    }
}

static void add_exceptions(const struct printer *printer, const pst_code *code)
{
    struct text *text = printer->text;
    size_t count;
    const pst_exception_range *ranges = pst_code_get_exceptions(code, &count);
    for (size_t i = 0; ranges && i < count && report_checkpoint(printer->sink); i++) {
        add_label(text, i ? "" : "exceptions");
        text_printf(text, "%d-%d: to %d, depth %d%s\n", ranges[i].start, ranges[i].end, ranges[i].target,
                    ranges[i].depth, ranges[i].lasti ? ", lasti" : "");
    }
}

static void add_extras(struct text *text, const pst_code *code)
{
    size_t count;
    const pst_code_extra *extras = pst_code_get_extras(code, &count);
    for (size_t i = 0; extras && i < count; i++) {
        add_label(text, i ? "" : "co_extra");
        text_add_unsigned(text, extras[i].index);
        text_add_string(text, ": ");
        text_add_hex(text, extras[i].value);
        if (extras[i].freefunc) {
            text_add_string(text, ", freed by ");
            if (extras[i].symbol)
                add_name(text, (pst_text){extras[i].symbol, strlen(extras[i].symbol)});
            else
                text_add_hex(text, extras[i].freefunc);
        }
        text_add_char(text, '\n');
    }
}

/* What is executed: from 3.11 on the bytecode as it is specialised, and its copies. */
static void add_adaptive(const struct printer *printer, const pst_code *code)
{
    size_t count;
    const pst_code_copy *copies = pst_code_get_copies(code, &count);
    add_bytes(printer, "adaptive", pst_code_get_bytes(code, PST_CODE_ADAPTIVE));
    for (size_t i = 0; copies && i < count; i++) {
        char label[40];
        snprintf(label, sizeof label, "adaptive, copy %zu", copies[i].index);
        add_bytes(printer, label, copies[i].adaptive);
    }
}

/* As sys.hexversion. */
static bool is_from(const struct printer *printer, uint32_t version)
{
    return pst_snapshot_get_python(printer->report->snapshot)->hexversion >= version;
}

static void add_fields(const struct printer *printer, const pst_code *code)
{
    struct text *text = printer->text;
    add_head_fields(text, code);
    add_list(printer, code, "co_names", PST_CODE_NAMES);
    add_list(printer, code, "co_varnames", PST_CODE_VARNAMES);
    add_list(printer, code, "co_freevars", PST_CODE_FREEVARS);
    add_list(printer, code, "co_cellvars", PST_CODE_CELLVARS);
    add_constants(printer, code);
    add_extras(text, code);
    add_bytes(printer, "co_code", pst_code_get_bytes(code, PST_CODE_BYTECODE));
    if (is_from(printer, 0x030b0000))
        add_adaptive(printer, code);
    add_bytes(printer, is_from(printer, 0x030a0000) ? "co_linetable" : "co_lnotab",
              pst_code_get_bytes(code, PST_CODE_LINETABLE));
    if (is_from(printer, 0x030b0000))
        add_bytes(printer, "co_exceptiontable", pst_code_get_bytes(code, PST_CODE_EXCEPTIONTABLE));
    add_exceptions(printer, code);
}

/* ---- the line table ---- */

static void add_column(struct text *text, const char *name, int column)
{
    if (column < 0)
        return;
    text_add_string(text, name);
    text_add_signed(text, column);
}

/* line 12, columns 4-10; line 12, column 4 to line 13, column 2; no line */
static void add_position(struct text *text, pst_position position)
{
    if (position.line < 0) {
        text_add_string(text, "no line");
        return;
    }
    text_add_string(text, "line ");
    text_add_signed(text, position.line);
    if (position.end_line < 0 || position.end_line == position.line) {
        add_column(text, position.end_column < 0 ? ", column " : ", columns ", position.column);
        add_column(text, position.column < 0 ? ", to column " : "-", position.end_column);
        return;
    }
    add_column(text, ", column ", position.column);
    text_add_string(text, " to line ");
    text_add_signed(text, position.end_line);
    add_column(text, ", column ", position.end_column);
}

static void add_line_row(struct text *text, size_t start, size_t end, pst_position position)
{
    text_printf(text, "  %8zu-%-8zu ", start, end);
    add_position(text, position);
    text_add_char(text, '\n');
}

static bool is_equal(const pst_position *a, const pst_position *b)
{
    return a->line == b->line && a->end_line == b->end_line && a->column == b->column && a->end_column == b->end_column;
}

/* Code units of the same position share a row. */
static void add_position_rows(const struct printer *printer, const pst_position *positions, size_t count)
{
    for (size_t start = 0, end; start < count && report_checkpoint(printer->sink); start = end) {
        for (end = start + 1; end < count && is_equal(&positions[start], &positions[end]);)
            end++;
        add_line_row(printer->text, start * CODE_UNIT_SIZE, end * CODE_UNIT_SIZE, positions[start]);
    }
}

static void add_lines(const struct printer *printer, const pst_code *code)
{
    struct text *text = printer->text;
    size_t line_count, position_count;
    const pst_line_range *lines = pst_code_get_lines(code, &line_count);
    const pst_position *positions = pst_code_get_positions(code, &position_count);
    text_add_string(text, lines || positions ? "  lines\n" : "  lines               ?\n");
    if (positions) {
        add_position_rows(printer, positions, position_count);
        return;
    }
    for (size_t i = 0; lines && i < line_count && report_checkpoint(printer->sink); i++)
        add_line_row(text, (size_t)lines[i].start, (size_t)lines[i].end,
                     (pst_position){lines[i].line, -1, -1, -1});
}

/* ---- the disassembly ---- */

/* One of the copies of the bytecode, with marks where threads execute it; or all of them, if `copy` is ANY_COPY. */
static void add_dis_of(const struct printer *printer, const pst_code *code, const pst_instruction *instructions,
                       size_t copy)
{
    size_t count;
    const struct code_place *places = code_places_find(&printer->places, pst_code_get_address(code), &count);
    int *marks = calloc(count + 1, sizeof *marks);
    struct dis_part part = {.instructions = instructions, .is_copy = copy && copy != ANY_COPY, .marks = marks};
    for (size_t i = 0; marks && i < count; i++) {
        int lasti;
        if (pst_frame_get_lasti(places[i].frame, &lasti) && lasti >= 0 &&
            (copy == ANY_COPY || copy == pst_frame_get_copy(places[i].frame)))
            marks[part.mark_count++] = lasti;
    }
    printer->text->failed |= !marks;
    report_code_dis(printer->report, code, &part, printer->text);
    free(marks);
}

/* Copy 2 of the bytecode, which thread 4711 executes: */
static void add_copy_title(const struct printer *printer, const pst_code *code, size_t copy)
{
    struct text *text = printer->text;
    size_t count;
    const struct code_place *places = code_places_find(&printer->places, pst_code_get_address(code), &count);
    text_printf(text, "Copy %zu of the bytecode", copy);
    for (size_t i = 0; i < count; i++) {
        if (pst_frame_get_copy(places[i].frame) != copy)
            continue;
        text_printf(text, ", which thread %ld executes", (long)pst_thread_get_tid(places[i].thread));
        break;  /* the copies of one thread are no other's */
    }
    text_add_string(text, ":\n");
}

/* As the copies differ in what was specialised alone, they are shown when that is. */
static void add_dis(const struct printer *printer, const pst_code *code)
{
    size_t count, copy_count;
    const pst_code_copy *copies = pst_code_get_copies(code, &copy_count);
    bool has_copies = printer->report->adaptive && copies && copy_count;
    add_dis_of(printer, code, pst_code_get_instructions(code, &count), has_copies ? 0 : ANY_COPY);
    for (size_t i = 0; has_copies && i < copy_count && report_checkpoint(printer->sink); i++) {
        if (!copies[i].instructions)
            continue;
        add_copy_title(printer, code, copies[i].index);
        add_dis_of(printer, code, copies[i].instructions, copies[i].index);
    }
}

/* ---- the report ---- */

static void add_code(const struct printer *printer, const pst_code *code)
{
    const struct report *report = printer->report;
    bool has_body = report->verbose || report->code->lines || report->code->instructions || report->adaptive;
    if (has_body || report->code->count == 1)
        text_add_char(printer->text, '\n');
    add_title(printer, code);
    if (report->verbose)
        add_fields(printer, code);
    else if (report->adaptive && !report->code->instructions && is_from(printer, 0x030b0000))
        add_adaptive(printer, code);
    else if (report->adaptive && !report->code->instructions)   /* what is executed is co_code itself */
        add_bytes(printer, "co_code", pst_code_get_bytes(code, PST_CODE_BYTECODE));
    if (report->verbose || report->code->lines)
        add_lines(printer, code);
    if (report->code->instructions)
        add_dis(printer, code);
}

static void add_thread_errors(const struct printer *printer, const pst_thread *thread)
{
    add_errors(printer->text, pst_thread_get_errors(thread), true, 0, printer->palette);
    const pst_error *last = NULL;   /* frames of one code object share its errors */
    size_t count = pst_thread_get_frame_count(thread);
    for (size_t i = 0; i < count; i++) {
        const pst_error *error = pst_frame_get_errors(pst_thread_get_frame(thread, i));
        if (error != last)
            add_errors(printer->text, error, true, 0, printer->palette);
        last = error;
    }
}

static void add_end(const struct printer *printer)
{
    struct text *text = printer->text;
    const struct report_code *of_code = printer->report->code;
    const pst_snapshot *snapshot = printer->report->snapshot;
    uint64_t scanned_size = pst_code_search_get_scanned_size(of_code->search);
    text_add_char(text, '\n');
    if (of_code->count)
        add_count(text, of_code->count);
    else
        text_add_string(text, "No");
    text_add_string(text, of_code->count == 1 ? " code object" : " code objects");
    if (scanned_size) {
        text_add_string(text, "; searched ");
        add_count(text, (scanned_size + 1023) / 1024);
        text_add_string(text, " KiB of memory");
    }
    text_add_char(text, '\n');
    size_t thread_count = report_code_needs_threads(printer->report) ? pst_snapshot_get_thread_count(snapshot) : 0;
    for (size_t i = 0; i < thread_count; i++)
        add_thread_errors(printer, pst_snapshot_get_thread(snapshot, i));
    add_errors(text, pst_code_search_get_errors(of_code->search), true, 0, printer->palette);
    add_errors(text, of_code->failure, true, 0, printer->palette);
}

void report_code_text(const struct report *report, struct report_sink *sink)
{
    struct printer printer = {
        .report = report,
        .sink = sink,
        .text = &sink->text,
        .palette = report->colour ? &palette_terminal : &palette_none,
    };
    const pst_code *code;
    report_text_head(report, &sink->text, printer.palette);
    if (!report->code || !report->code->search)
        return;
    printer.places = code_places_of(report->snapshot);
    while (report_checkpoint(sink) && (code = report_code_next(report->code)))
        add_code(&printer, code);
    add_end(&printer);
    code_places_free(&printer.places);
}
