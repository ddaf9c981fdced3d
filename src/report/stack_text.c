/* The text of `pystander stack`; docs/text.md describes it. */
#include "report/text_parts.h"

#include "report/escape.h"
#include "report/exceptions.h"
#include "report/excerpt.h"
#include "report/locals.h"
#include "report/source.h"
#include "report/waits.h"

#include <stdlib.h>
#include <string.h>

/* A deeper stack is shown by its two ends. */
#define FOLD_OUTER_COUNT 20
#define FOLD_INNER_COUNT 50
/* Of calls that repeat the same line, this many are shown, as in Python's own tracebacks. */
#define REPEAT_SHOWN_COUNT 3
/* Of the threads without Python, this many are named. */
#define OTHERS_SHOWN_COUNT 8

/* Idle threads stand in the same places by the hundred: what a frame looked like is kept for the next one. */
#define MEMO_SLOTS 64
#define MEMO_MAX_SIZE 4096

struct frame_memo {
    pst_addr code;       /* 0: unused */
    int lasti;
    char *data;
    size_t size;
};

struct printer {
    const struct report *report;
    struct report_sink *sink;
    struct text *text;   /* the sink's */
    const struct palette *palette;
    struct source source;
    struct thread_naming naming;
    struct entry *entries;   /* scratch, for one thread at a time */
    size_t entry_capacity;
    struct frame_memo memo[MEMO_SLOTS];
};

/* A line of a folded stack: a frame, or how often the frame above it repeats. */
struct entry {
    size_t frame;     /* index, 0 is the innermost */
    size_t repeats;   /* 0: the frame itself */
};

/* ---- frames ---- */

static void add_file_and_line(struct printer *printer, pst_text file, int line)
{
    struct text *text = printer->text;
    text_add_string(text, "  File ");
    if (file.data) {
        text_add_char(text, '"');
        escape_text(text, file, ESCAPE_QUOTED);
        text_add_char(text, '"');
    } else {
        text_add_char(text, '?');
    }
    if (line >= 0) {
        text_add_string(text, ", line ");
        text_add_signed(text, line);
    }
}

/* What only -v shows of a frame. */
static void add_frame_details(struct printer *printer, const pst_frame *frame, pst_position position)
{
    struct text *text = printer->text;
    int lasti;
    text_add_string(text, printer->palette->dim);
    text_add_string(text, "    code ");
    text_add_hex(text, pst_frame_get_code(frame));
    if (pst_frame_get_lasti(frame, &lasti)) {
        text_add_string(text, ", lasti ");
        text_add_signed(text, lasti);
    }
    if (position.column >= 0) {
        text_add_string(text, ", columns ");
        text_add_signed(text, position.column);
        text_add_string(text, " to ");
        text_add_signed(text, position.end_column);
        if (position.end_line != position.line) {
            text_add_string(text, " of line ");
            text_add_signed(text, position.end_line);
        }
    }
    if (pst_frame_get_firstlineno(frame) >= 0) {
        text_add_string(text, ", defined in line ");
        text_add_signed(text, pst_frame_get_firstlineno(frame));
    }
    text_add_string(text, printer->palette->off);
    text_add_char(text, '\n');
}

static void format_frame(struct printer *printer, const pst_frame *frame)
{
    struct text *text = printer->text;
    pst_text name = pst_frame_get_qualname(frame);
    if (!name.data)
        name = pst_frame_get_name(frame);
    pst_text file = pst_frame_get_file(frame);
    pst_position position = pst_frame_get_position(frame);

    add_file_and_line(printer, file, position.line);
    text_add_string(text, ", in ");
    text_add_string(text, printer->palette->name);
    if (name.data)
        escape_text(text, name, ESCAPE_NAME);
    else
        text_add_char(text, '?');
    text_add_string(text, printer->palette->off);
    text_add_char(text, '\n');
    pst_text line = source_get_line(&printer->source, file, position.line);
    if (line.data)
        excerpt_add(text, line, position, 4, printer->palette->mark, printer->palette->off);
    if (printer->report->verbose)
        add_frame_details(printer, frame, position);
    add_errors(text, pst_frame_get_errors(frame), false, 4, printer->palette);
    locals_add_text(text, printer->report, frame, printer->palette);
}

static void remember_frame(struct frame_memo *memo, pst_addr code, int lasti, const char *data, size_t size)
{
    char *copy = size <= MEMO_MAX_SIZE ? realloc(memo->data, size) : NULL;
    memo->code = copy ? code : 0;
    if (!copy)
        return;
    memcpy(copy, data, size);
    *memo = (struct frame_memo){code, lasti, copy, size};
}

static void add_frame(struct printer *printer, const pst_frame *frame)
{
    struct text *text = printer->text;
    int lasti;
    pst_addr code = pst_frame_get_code(frame);
    if (!pst_frame_get_lasti(frame, &lasti) || pst_frame_get_errors(frame) || pst_frame_get_variable(frame, 0)) {
        format_frame(printer, frame);
        return;
    }
    struct frame_memo *memo = &printer->memo[(code / 16 + (unsigned)lasti) % MEMO_SLOTS];
    if (memo->code == code && memo->lasti == lasti) {
        text_add(text, memo->data, memo->size);
        return;
    }
    size_t start = text->size;
    format_frame(printer, frame);
    if (!text->failed)
        remember_frame(memo, code, lasti, text->data + start, text->size - start);
}

/* The same function on the same line, as far as a reader can tell. */
static bool frame_repeats(const pst_frame *frame, const pst_frame *outer)
{
    return pst_frame_get_position(frame).line == pst_frame_get_position(outer).line &&
           !pst_frame_get_errors(frame) && !pst_frame_get_errors(outer) && !pst_frame_get_variable(frame, 0) &&
           text_equal(pst_frame_get_name(frame), pst_frame_get_name(outer)) &&
           text_equal(pst_frame_get_file(frame), pst_frame_get_file(outer));
}

/* Fills printer->entries, the outermost first. Returns their count. */
static size_t list_entries(struct printer *printer, const pst_thread *thread, size_t frame_count)
{
    if (frame_count > printer->entry_capacity) {
        free(printer->entries);
        printer->entries = calloc(frame_count, sizeof *printer->entries);
        printer->entry_capacity = printer->entries ? frame_count : 0;
        if (!printer->entries) {
            printer->text->failed = true;
            return 0;
        }
    }
    size_t count = 0, run = 0;
    const pst_frame *outer = NULL;
    for (size_t i = frame_count; i-- > 0;) {
        const pst_frame *frame = pst_thread_get_frame(thread, i);
        run = outer && frame_repeats(frame, outer) ? run + 1 : 0;
        outer = frame;
        if (run > REPEAT_SHOWN_COUNT)
            printer->entries[count - 1].repeats++;
        else
            printer->entries[count++] = (struct entry){i, run == REPEAT_SHOWN_COUNT};
    }
    return count;
}

static void add_entries(struct printer *printer, const pst_thread *thread, size_t from, size_t to)
{
    for (size_t i = from; i < to && report_checkpoint(printer->sink); i++) {
        const struct entry *entry = &printer->entries[i];
        if (!entry->repeats) {
            add_frame(printer, pst_thread_get_frame(thread, entry->frame));
            continue;
        }
        text_add_string(printer->text, "  [Previous line repeated ");
        add_count(printer->text, entry->repeats);
        text_add_string(printer->text, entry->repeats == 1 ? " more time]\n" : " more times]\n");
    }
}

static void add_fold(struct printer *printer, size_t from, size_t to)
{
    size_t hidden = 0;
    for (size_t i = from; i < to; i++)
        hidden += printer->entries[i].repeats ? printer->entries[i].repeats : 1;
    text_add_string(printer->text, printer->palette->dim);
    text_add_string(printer->text, "  … ");
    add_count(printer->text, hidden);
    text_add_string(printer->text, " more frames …");
    text_add_string(printer->text, printer->palette->off);
    text_add_char(printer->text, '\n');
}

static void add_frames(struct printer *printer, const pst_thread *thread)
{
    if (pst_thread_is_truncated(thread))
        text_add_string(printer->text, "  … outer frames were left out …\n");
    size_t count = list_entries(printer, thread, pst_thread_get_frame_count(thread));
    if (printer->report->max_frames || count <= FOLD_OUTER_COUNT + FOLD_INNER_COUNT + 1) {
        add_entries(printer, thread, 0, count);
        return;
    }
    add_entries(printer, thread, 0, FOLD_OUTER_COUNT);
    add_fold(printer, FOLD_OUTER_COUNT, count - FOLD_INNER_COUNT);
    add_entries(printer, thread, count - FOLD_INNER_COUNT, count);
}

/* ---- threads ---- */

static void add_thread_header(struct printer *printer, const pst_thread *thread)
{
    text_add_string(printer->text, printer->palette->title);
    add_thread_title(printer->text, &printer->naming, thread);
    text_add_string(printer->text, printer->palette->off);
    text_add_char(printer->text, '\n');
}

static void add_thread(struct printer *printer, const pst_thread *thread)
{
    text_add_char(printer->text, '\n');
    add_thread_header(printer, thread);
    add_errors(printer->text, pst_thread_get_errors(thread), false, 2, printer->palette);
    if (pst_thread_get_frame_count(thread))
        add_frames(printer, thread);
    else if (!pst_thread_get_errors(thread))
        text_add_string(printer->text, pst_thread_has_python(thread) ? "  no Python frames\n" : "  no Python\n");
    wait_add_text(printer->text, thread, printer->palette);
    exceptions_add_text(printer->text, thread, &printer->source, printer->palette);
}

/* Threads that run no Python stand together at the end, but for the one that a core is about. */
static bool is_other(const struct printer *printer, const pst_thread *thread)
{
    return !pst_thread_has_python(thread) && !thread_was_struck(&printer->naming, thread);
}

static void add_short_thread(struct printer *printer, const pst_thread *thread, bool is_first)
{
    struct text *text = printer->text;
    pst_text os_name = pst_thread_get_os_name(thread);
    text_add_string(text, is_first ? " " : ", ");
    text_add_signed(text, pst_thread_get_tid(thread));
    if (os_name.data && os_name.size) {
        text_add_string(text, " [");
        escape_text(text, os_name, ESCAPE_NAME);
        text_add_char(text, ']');
    }
}

/* One line for all threads that run no Python. */
static void add_others_summary(struct printer *printer, size_t thread_count, size_t other_count)
{
    struct text *text = printer->text;
    size_t shown = 0;
    add_count(text, other_count);
    text_add_string(text, other_count == 1 ? " thread runs no Python:" : " threads run no Python:");
    for (size_t i = 0; i < thread_count && shown < OTHERS_SHOWN_COUNT; i++) {
        const pst_thread *thread = pst_snapshot_get_thread(printer->report->snapshot, i);
        if (is_other(printer, thread))
            add_short_thread(printer, thread, shown++ == 0);
    }
    text_add_string(text, other_count > shown ? " …\n" : "\n");
}

/* With -v each thread that runs no Python has its line; otherwise only those with errors. */
static void add_other_threads(struct printer *printer, size_t thread_count, size_t other_count)
{
    bool verbose = printer->report->verbose;
    text_add_char(printer->text, '\n');
    if (!verbose)
        add_others_summary(printer, thread_count, other_count);
    for (size_t i = 0; i < thread_count && report_checkpoint(printer->sink); i++) {
        const pst_thread *thread = pst_snapshot_get_thread(printer->report->snapshot, i);
        if (!is_other(printer, thread) || (!verbose && !pst_thread_get_errors(thread)))
            continue;
        add_thread_title(printer->text, &printer->naming, thread);
        text_add_string(printer->text, ": no Python\n");
        add_errors(printer->text, pst_thread_get_errors(thread), false, 2, printer->palette);
    }
}

static void add_changed_sources(struct printer *printer)
{
    const struct source *source = &printer->source;
    if (source->changed_count)
        text_add_string(printer->text, "\nNot shown, because it changed after the process had started:\n");
    for (size_t i = 0; i < source->changed_count; i++) {
        text_add_string(printer->text, "  ");
        escape_text(printer->text, source->changed[i], ESCAPE_NAME);
        text_add_char(printer->text, '\n');
    }
}

static void add_threads(struct printer *printer)
{
    const pst_snapshot *snapshot = printer->report->snapshot;
    size_t count = pst_snapshot_get_thread_count(snapshot), other_count = 0;
    for (size_t i = 0; i < count && report_checkpoint(printer->sink); i++) {
        const pst_thread *thread = pst_snapshot_get_thread(snapshot, i);
        if (is_other(printer, thread))
            other_count++;
        else
            add_thread(printer, thread);
    }
    if (other_count)
        add_other_threads(printer, count, other_count);
}

void report_stack_text(const struct report *report, struct report_sink *sink)
{
    struct printer printer = {
        .report = report,
        .sink = sink,
        .text = &sink->text,
        .palette = report->colour ? &palette_terminal : &palette_none,
        .source = {.target = report->with_source ? report->target : NULL},
    };
    report_text_head(report, printer.text, printer.palette);
    if (report->snapshot) {
        printer.naming = thread_naming_of(report);
        deadlocks_add_text(printer.text, report->snapshot, printer.palette);
        add_threads(&printer);
        add_changed_sources(&printer);
    }
    source_free(&printer.source);
    free(printer.entries);
    for (size_t i = 0; i < MEMO_SLOTS; i++)
        free(printer.memo[i].data);
}

static bool thread_failed(const pst_thread *thread)
{
    if (pst_thread_get_errors(thread))
        return true;
    size_t count = pst_thread_get_frame_count(thread);
    for (size_t i = 0; i < count; i++)
        if (pst_frame_get_errors(pst_thread_get_frame(thread, i)))
            return true;
    return false;
}

size_t report_count_failed_threads(const pst_snapshot *snapshot)
{
    size_t failed = 0, count = pst_snapshot_get_thread_count(snapshot);
    for (size_t i = 0; i < count; i++)
        failed += thread_failed(pst_snapshot_get_thread(snapshot, i));
    return failed;
}
