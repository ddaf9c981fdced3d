/* The exceptions of a thread, as Python prints them: Lib/traceback.py. */
#include "report/exceptions.h"

#include "report/escape.h"
#include "report/excerpt.h"
#include "report/source.h"
#include "report/text_parts.h"

#include <string.h>

enum {
    INDENT = 4,
    GROUP_INDENT = 4,
    FOLD_COUNT = 12,         /* entries that are shown at each end of a traceback */
};

struct printer {
    struct text *text;
    struct source *source;
    const struct palette *palette;
};

static void add_exception(struct printer *printer, const pst_exception *exception, size_t indent);

static void begin_line(struct printer *printer, size_t indent)
{
    text_add_repeat(printer->text, ' ', indent);
}

/* ---- tracebacks -------------------------------------------------------------------------------------------- */

static void add_entry(struct printer *printer, const pst_traceback_entry *entry, size_t indent)
{
    struct text *text = printer->text;
    pst_position position = {entry->line, -1, -1, -1};
    begin_line(printer, indent + 2);
    if (!entry->file.data && !entry->name.data) {
        text_add_string(text, "(a call that could not be read)\n");
        return;
    }
    text_add_string(text, "File ");
    add_quoted(text, entry->file);
    if (entry->line >= 0) {
        text_add_string(text, ", line ");
        text_add_signed(text, entry->line);
    }
    text_add_string(text, ", in ");
    escape_text(text, entry->qualname.data ? entry->qualname : entry->name, ESCAPE_NAME);
    text_add_char(text, '\n');
    pst_text line = source_get_line(printer->source, entry->file, entry->line);
    if (line.data)
        excerpt_add(text, line, position, indent + 4, printer->palette->mark, printer->palette->off);
}

/* So many were left out, 0: nobody knows how many. */
static void add_fold(struct printer *printer, size_t count, size_t indent)
{
    begin_line(printer, indent + 2);
    text_add_string(printer->text, "… ");
    if (count)
        add_count(printer->text, count);
    text_add_string(printer->text, count ? " more calls …\n" : "inner calls were left out …\n");
}

/* One gap suffices: what was left out in the middle of it is counted, too. */
static void add_traceback(struct printer *printer, const pst_exception *exception, size_t indent)
{
    size_t count = exception->traceback_count, missing = exception->traceback_gap_count;
    if (!count)
        return;
    begin_line(printer, indent);
    text_add_string(printer->text, "Traceback (most recent call last):\n");
    for (size_t i = 0; i < count; i++) {
        if (count > 2 * FOLD_COUNT + 1 && i == FOLD_COUNT) {
            add_fold(printer, count - 2 * FOLD_COUNT + missing, indent);
            i = count - FOLD_COUNT;
        }
        add_entry(printer, &exception->traceback[i], indent);
    }
    if (exception->traceback_is_cut && !missing)
        add_fold(printer, 0, indent);
}

/* ---- exceptions ---------------------------------------------------------------------------------------------- */

/* Text of several lines, each at the indent; the last is not ended. */
static void add_lines(struct printer *printer, pst_text lines, size_t indent)
{
    for (size_t start = 0, i = 0; i <= lines.size; i++) {
        if (i < lines.size && lines.data[i] != '\n')
            continue;
        if (start) {
            text_add_char(printer->text, '\n');
            begin_line(printer, indent);
        }
        escape_text(printer->text, (pst_text){lines.data + start, i - start}, ESCAPE_PLAIN);
        start = i + 1;
    }
}

/* Python's own tracebacks leave this module out, as that of builtins. */
static pst_text without_main(pst_text type)
{
    static const char main[] = "__main__.";
    size_t size = sizeof main - 1;
    return type.size > size && memcmp(type.data, main, size) == 0 ? (pst_text){type.data + size, type.size - size}
                                                                  : type;
}

/* "ValueError: message", and the notes. */
static void add_title(struct printer *printer, const pst_exception *exception, size_t indent)
{
    struct text *text = printer->text;
    begin_line(printer, indent);
    text_add_string(text, printer->palette->name);
    if (exception->type.data)
        escape_text(text, without_main(exception->type), ESCAPE_NAME);
    else
        text_add_char(text, '?');
    text_add_string(text, printer->palette->off);
    if (exception->message.size) {
        text_add_string(text, ": ");
        add_lines(printer, exception->message, indent);
    }
    if (exception->address && exception->message.data && !exception->message_is_str)
        text_add_string(text, "  (its __str__ was not run)");
    text_add_string(text, exception->is_repeated ? "  (already shown)\n" : "\n");
    for (size_t i = 0; i < exception->note_count; i++) {
        begin_line(printer, indent);
        add_lines(printer, exception->notes[i], indent);
        text_add_char(text, '\n');
    }
}

static void add_members(struct printer *printer, const pst_exception *exception, size_t indent)
{
    for (size_t i = 0; i < exception->exception_count; i++) {
        begin_line(printer, indent + 2);
        text_add_string(printer->text, "---- ");
        text_add_unsigned(printer->text, i + 1);
        text_add_string(printer->text, " ----\n");
        add_exception(printer, exception->exceptions[i], indent + GROUP_INDENT);
    }
}

static void add_reason(struct printer *printer, const pst_exception *exception, size_t indent)
{
    const pst_exception *other = exception->cause;
    if (!other && !exception->suppress_context)
        other = exception->context;
    if (!other)
        return;
    add_exception(printer, other, indent);
    text_add_char(printer->text, '\n');
    begin_line(printer, indent);
    text_add_string(printer->text,
                    exception->cause
                        ? "The above exception was the direct cause of the following exception:\n\n"
                        : "During handling of the above exception, another exception occurred:\n\n");
}

static void add_exception(struct printer *printer, const pst_exception *exception, size_t indent)
{
    add_reason(printer, exception, indent);
    add_traceback(printer, exception, indent);
    add_title(printer, exception, indent);
    add_members(printer, exception, indent);
}

void exceptions_add_text(struct text *text, const pst_thread *thread, struct source *source,
                         const struct palette *palette)
{
    struct printer printer = {.text = text, .source = source, .palette = palette};
    const pst_exception *exception;
    for (size_t i = 0; (exception = pst_thread_get_exception(thread, i)); i++) {
        text_add_string(text, exception->handled ? "  Handling an exception:\n" : "  Raising an exception:\n");
        add_exception(&printer, exception, INDENT);
    }
}
