/* What stands above every text report: which target, which Python, what is wrong with them. */
#include "report/text_parts.h"

#include "report/escape.h"

#include <string.h>

const struct palette palette_none = {"", "", "", "", ""};
const struct palette palette_terminal = {
    .off = "\033[0m",
    .title = "\033[1m",
    .name = "\033[36m",
    .mark = "\033[1;31m",
    .dim = "\033[2m",
};

void add_count(struct text *text, uint64_t count)
{
    if (count >= 1000) {
        add_count(text, count / 1000);
        text_add_char(text, ',');
        count %= 1000;
        text_add_repeat(text, '0', count < 10 ? 2 : count < 100 ? 1 : 0);
    }
    text_add_unsigned(text, count);
}

void add_plain(struct text *text, const char *string)
{
    escape_text(text, (pst_text){string, strlen(string)}, ESCAPE_PLAIN);
}

static void add_problem(struct text *text, const char *where, const char *message, const char *hint,
                        size_t indent, const struct palette *palette)
{
    text_add_repeat(text, ' ', indent);
    text_add_string(text, palette->mark);
    text_add_string(text, "! ");
    text_add_string(text, palette->off);
    if (where && *where) {
        add_plain(text, where);
        text_add_string(text, ": ");
    }
    add_plain(text, message);
    text_add_char(text, '\n');
    if (hint) {
        text_add_repeat(text, ' ', indent + 2);
        add_plain(text, hint);
        text_add_char(text, '\n');
    }
}

void add_errors(struct text *text, const pst_error *error, bool with_where, size_t indent,
                const struct palette *palette)
{
    for (; error; error = pst_error_get_next(error))
        add_problem(text, with_where ? pst_error_get_where(error) : NULL, pst_error_get_message(error),
                    pst_error_get_hint(error), indent, palette);
}

/* An argument as one could type it into a shell. */
static void add_argument(struct text *text, pst_text argument)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^~";
    bool quote = argument.size == 0;
    for (size_t i = 0; i < argument.size && !quote; i++)
        quote = !((uint8_t)argument.data[i] >= 0x80 || (argument.data[i] && strchr(safe, argument.data[i])));
    if (!quote) {
        escape_text(text, argument, ESCAPE_NAME);
        return;
    }
    text_add_char(text, '\'');
    for (size_t i = 0; i < argument.size;) {
        const char *stop = memchr(argument.data + i, '\'', argument.size - i);
        size_t size = stop ? (size_t)(stop - argument.data) - i : argument.size - i;
        escape_text(text, (pst_text){argument.data + i, size}, ESCAPE_NAME);
        i += size;
        if (stop) {
            text_add_string(text, "'\\''");
            i++;
        }
    }
    text_add_char(text, '\'');
}

/* Adds as much of `line` (escaped already) as fits into `width` columns. */
static void add_cut(struct text *text, const struct text *line, size_t width)
{
    size_t column = 0, end = 0;
    size_t offset = 0;
    while (offset < line->size) {
        unsigned columns;
        offset += escape_point(NULL, line->data + offset, line->size - offset, ESCAPE_PLAIN, &columns);
        column += columns;
        if (column + 1 <= width)   /* room for the ellipsis */
            end = offset;
        if (column > width)
            break;
    }
    if (column <= width)
        end = line->size;
    text_add(text, line->data, end);
    if (end < line->size)
        text_add_string(text, "…");
}

/* Ends the title, which begins at `line_start` of the text, with the target's command line. */
static void add_command_line(struct text *text, const struct report *report, size_t line_start,
                             const struct palette *palette)
{
    struct text line = {0};
    pst_text argument;
    for (size_t i = 0; (argument = pst_target_get_argument(report->target, i)).data; i++) {
        if (i)
            text_add_char(&line, ' ');
        add_argument(&line, argument);
        if (report->width && line.size > 16 * report->width)
            break;   /* of megabytes of arguments, a terminal's width is shown */
    }
    if (line.size) {
        text_add_string(text, ": ");
        size_t used = text->size - line_start;
        if (report->width)
            add_cut(text, &line, report->width > used + 20 ? report->width - used : 20);
        else
            text_add(text, line.data, line.size);
    }
    text_add_string(text, palette->off);
    text_add_char(text, '\n');
    text_free(&line);
}

static void add_core(struct text *text, const struct report *report, const struct palette *palette)
{
    const char *path = pst_target_get_path(report->target);
    pid_t pid = pst_target_get_pid(report->target);
    size_t line_start = text->size;
    text_add_string(text, palette->title);
    text_add_string(text, path ? "Core " : "Crashed process ");
    if (path && strcmp(path, "-") == 0)
        text_add_string(text, "(standard input)");
    else if (path)
        escape_text(text, (pst_text){path, strlen(path)}, ESCAPE_NAME);
    if (path && pid > 0)
        text_add_string(text, " of process ");
    if (pid > 0)
        text_add_signed(text, pid);
    add_command_line(text, report, line_start, palette);
    const char *executable = pst_target_get_executable(report->target);
    if (executable) {
        text_add_string(text, "Executable ");
        escape_text(text, (pst_text){executable, strlen(executable)}, ESCAPE_NAME);
        text_add_char(text, '\n');
    }
    add_details(text, report);
}

static void add_layout(struct text *text, const pst_snapshot *snapshot, const pst_python *python)
{
    const char *origin = pst_snapshot_get_layout_source(snapshot, 0);
    if (origin) {
        text_add_string(text, "Layout from ");
        for (size_t i = 0; (origin = pst_snapshot_get_layout_source(snapshot, i)); i++) {
            if (i)
                text_add_string(text, ", ");
            add_plain(text, origin);
        }
        text_add_string(text, "; ");
    }
    text_add_string(text, "runtime at ");
    text_add_hex(text, python->runtime);
    uint64_t pause = pst_snapshot_get_pause_ns(snapshot);
    if (pause) {
        text_add_string(text, "; paused for ");
        add_count(text, (pause + 500) / 1000);
        text_add_string(text, " µs");
    }
    text_add_char(text, '\n');
}

static void add_python(struct text *text, const struct report *report)
{
    const pst_python *python = pst_snapshot_get_python(report->snapshot);
    if (!python)
        return;
    text_add_string(text, "Python ");
    add_plain(text, python->version ? python->version : "?");
    if (python->free_threaded)
        text_add_string(text, ", free-threaded");
    if (python->debug_build)
        text_add_string(text, ", debug build");
    const char *arch = pst_target_get_arch(report->target);
    if (arch && report->verbose) {
        text_add_string(text, ", ");
        add_plain(text, arch);
    }
    text_add_char(text, '\n');
    if (report->verbose)
        add_layout(text, report->snapshot, python);
}

static void add_process(struct text *text, const struct report *report, const struct palette *palette)
{
    size_t line_start = text->size;
    text_add_string(text, palette->title);
    text_add_string(text, "Process ");
    text_add_signed(text, pst_target_get_pid(report->target));
    add_command_line(text, report, line_start, palette);
}

void report_text_head(const struct report *report, struct text *text, const struct palette *palette)
{
    if (report->target && pst_target_get_kind(report->target) == PST_TARGET_CORE)
        add_core(text, report, palette);
    else if (report->target)
        add_process(text, report, palette);
    if (report->snapshot)
        add_python(text, report);
    for (size_t i = 0; i < report->problem_count; i++) {
        const struct report_problem *problem = &report->problems[i];
        add_problem(text, problem->where, problem->message, problem->hint, 0, palette);
    }
    if (report->target)
        add_errors(text, pst_target_get_errors(report->target), true, 0, palette);
    if (report->snapshot)
        add_errors(text, pst_snapshot_get_errors(report->snapshot), true, 0, palette);
}
