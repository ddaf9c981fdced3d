/* The JSON of `pystander stack`; docs/json.md is its reference. */
#include "report/json_parts.h"
#include "report/exceptions.h"
#include "report/locals.h"
#include "report/waits.h"

#include "report/calendar.h"
#include "report/source.h"

#include <string.h>

const char *report_error_kind(pst_error_code code)
{
    switch (code) {
    case PST_ERROR_USAGE: return "usage";
    case PST_ERROR_OPEN: return "open";
    case PST_ERROR_PERMISSION: return "permission";
    case PST_ERROR_NOT_CORE: return "not-core";
    case PST_ERROR_NOT_PYTHON: return "not-python";
    case PST_ERROR_UNSUPPORTED: return "unsupported";
    case PST_ERROR_READ: return "read";
    case PST_ERROR_CORRUPT: return "corrupt";
    case PST_ERROR_LIMIT: return "limit";
    case PST_ERROR_NOT_STOPPED: return "not-stopped";
    case PST_ERROR_MEMORY: return "memory";
    case PST_ERROR_SYSTEM: return "system";
    }
    return "system";
}

static void add_problem(struct text *text, const struct report_problem *problem)
{
    add_literal(text, "{\"where\": ");
    escape_json_string(text, problem->where ? problem->where : "");
    add_literal(text, ", \"message\": ");
    escape_json_string(text, problem->message);
    add_literal(text, ", \"kind\": \"");
    text_add_string(text, report_error_kind(problem->code));
    add_literal(text, "\", \"address\": ");
    add_address_or_null(text, problem->address);
    add_literal(text, ", \"hint\": ");
    escape_json_string(text, problem->hint);
    text_add_char(text, '}');
}

void report_json_error_items(const pst_error *error, struct text *text, bool *is_first)
{
    for (; error; error = pst_error_get_next(error)) {
        if (!*is_first)
            add_literal(text, ", ");
        *is_first = false;
        add_problem(text, &(struct report_problem){.code = pst_error_get_code(error),
                                                   .address = pst_error_get_address(error),
                                                   .where = pst_error_get_where(error),
                                                   .message = pst_error_get_message(error),
                                                   .hint = pst_error_get_hint(error)});
    }
}

void report_json_errors(const pst_error *errors, struct text *text)
{
    bool is_first = true;
    text_add_char(text, '[');
    report_json_error_items(errors, text, &is_first);
    text_add_char(text, ']');
}

/* ---- the head ---- */

static void add_arguments(struct text *text, const pst_target *target)
{
    pst_text argument = target ? pst_target_get_argument(target, 0) : (pst_text){NULL, 0};
    if (!argument.data) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 1; argument.data; argument = pst_target_get_argument(target, i++)) {
        if (i > 1)
            add_literal(text, ", ");
        escape_json(text, argument);
    }
    text_add_char(text, ']');
}

static void add_number(struct text *text, bool is_known, int64_t number)
{
    if (is_known)
        text_add_signed(text, number);
    else
        add_literal(text, "null");
}

static void add_signal(struct text *text, const pst_target *target)
{
    pst_signal signal;
    if (!target || !pst_target_get_signal(target, &signal)) {
        add_literal(text, "null");
        return;
    }
    add_literal(text, "{\"number\": ");
    text_add_signed(text, signal.number);
    add_literal(text, ", \"name\": ");
    escape_json_string(text, signal.name);
    add_literal(text, ", \"code\": ");
    add_number(text, signal.has_code, signal.code);
    add_literal(text, ", \"address\": ");
    if (signal.has_address)
        add_address(text, signal.address);
    else
        add_literal(text, "null");
    add_literal(text, ", \"code_name\": ");
    escape_json_string(text, signal.code_name);
    add_literal(text, ", \"description\": ");
    escape_json_string(text, signal.description);
    add_literal(text, ", \"place\": ");
    escape_json_string(text, signal.place);
    add_literal(text, ", \"instruction\": ");
    add_address_or_null(text, signal.has_instruction ? signal.instruction : 0);
    add_literal(text, ", \"instruction_place\": ");
    escape_json_string(text, signal.instruction_place);
    add_literal(text, ", \"sender_pid\": ");
    add_id(text, signal.has_sender ? signal.sender_pid : 0);
    add_literal(text, ", \"sender_uid\": ");
    add_number(text, signal.has_sender, signal.sender_uid);
    add_literal(text, ", \"syscall\": ");
    add_number(text, signal.has_syscall, signal.syscall);
    add_literal(text, ", \"syscall_arch\": ");
    add_number(text, signal.has_syscall, signal.syscall_arch);
    add_literal(text, ", \"tid\": ");
    add_id(text, signal.tid);
    text_add_char(text, '}');
}

static void add_time(struct text *text, bool is_known, int64_t seconds)
{
    if (!is_known || !calendar_has(seconds)) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '"');
    calendar_add(text, seconds, "T", "Z");
    text_add_char(text, '"');
}

static void add_details(struct text *text, const struct report *report)
{
    static const char *const writers[] = {NULL, "kernel", "gdb", "pystander"};
    pst_process_details details = {0};
    if (report->target && (pst_target_get_kind(report->target) == PST_TARGET_CORE || report->with_details))
        pst_target_get_process_details(report->target, &details);
    add_literal(text, ", \"uid\": ");
    add_number(text, details.has_user, details.uid);
    add_literal(text, ", \"gid\": ");
    add_number(text, details.has_user, details.gid);
    add_literal(text, ", \"ppid\": ");
    add_id(text, details.parent);
    add_literal(text, ", \"started\": ");
    add_time(text, details.has_start, details.start);
    add_literal(text, ", \"written\": ");
    add_time(text, details.has_written, details.written);
    add_literal(text, ", \"writer\": ");
    escape_json_string(text, writers[details.writer]);
}

static void add_target(struct text *text, const struct report *report)
{
    const pst_target *target = report->target;
    pst_target_kind kind = target ? pst_target_get_kind(target) : report->kind;
    if (kind == PST_TARGET_PROCESS)
        add_literal(text, "{\"kind\": \"process\", \"pid\": ");
    else
        add_literal(text, "{\"kind\": \"core\", \"pid\": ");
    add_id(text, target ? pst_target_get_pid(target) : report->pid);
    add_literal(text, ", \"path\": ");
    escape_json_string(text, target ? pst_target_get_path(target) : report->path);
    add_literal(text, ", \"executable\": ");
    escape_json_string(text, target ? pst_target_get_executable(target) : NULL);
    add_literal(text, ", \"arguments\": ");
    add_arguments(text, target);
    add_literal(text, ", \"arch\": ");
    escape_json_string(text, target ? pst_target_get_arch(target) : NULL);
    add_literal(text, ", \"signal\": ");
    add_signal(text, target);
    add_details(text, report);
    text_add_char(text, '}');
}

static void add_python(struct text *text, const pst_snapshot *snapshot)
{
    const pst_python *python = snapshot ? pst_snapshot_get_python(snapshot) : NULL;
    if (!python) {
        add_literal(text, "null");
        return;
    }
    add_literal(text, "{\"version\": ");
    escape_json_string(text, python->version);
    add_literal(text, ", \"hexversion\": ");
    text_add_unsigned(text, python->hexversion);
    add_literal(text, ", \"free_threaded\": ");
    add_boolean(text, python->free_threaded);
    add_literal(text, ", \"debug_build\": ");
    add_boolean(text, python->debug_build);
    add_literal(text, ", \"runtime_address\": ");
    add_address_or_null(text, python->runtime);
    add_literal(text, ", \"layout\": [");
    const char *origin;
    for (size_t i = 0; (origin = pst_snapshot_get_layout_source(snapshot, i)); i++) {
        if (i)
            add_literal(text, ", ");
        escape_json_string(text, origin);
    }
    add_literal(text, "]}");
}

void report_json_title(const struct report *report, const char *schema, struct text *text)
{
    add_literal(text, "{\"schema\": ");
    escape_json_string(text, schema);
    add_literal(text, ",\n\"target\": ");
    add_target(text, report);
    add_literal(text, ",\n\"python\": ");
    add_python(text, report->snapshot);
}

void report_json_own_errors(const struct report *report, struct text *text, bool *is_first)
{
    for (size_t i = 0; i < report->problem_count; i++) {
        if (!*is_first)
            add_literal(text, ", ");
        *is_first = false;
        add_problem(text, &report->problems[i]);
    }
    if (report->target)
        report_json_error_items(pst_target_get_errors(report->target), text, is_first);
    if (report->snapshot)
        report_json_error_items(pst_snapshot_get_errors(report->snapshot), text, is_first);
}

void report_json_head(const struct report *report, const char *schema, struct text *text)
{
    bool is_first = true;
    report_json_title(report, schema, text);
    add_literal(text, ",\n\"errors\": [");
    report_json_own_errors(report, text, &is_first);
    text_add_char(text, ']');
}

/* ---- the stacks ---- */

static void add_frame(struct text *text, const pst_frame *frame, struct source *source, bool with_locals)
{
    pst_text file = pst_frame_get_file(frame);
    pst_position position = pst_frame_get_position(frame);
    int lasti;
    add_literal(text, "{\"kind\": \"python\", \"name\": ");
    escape_json(text, pst_frame_get_name(frame));
    add_literal(text, ", \"qualname\": ");
    escape_json(text, pst_frame_get_qualname(frame));
    add_literal(text, ", \"file\": ");
    escape_json(text, file);
    add_literal(text, ", \"line\": ");
    add_natural(text, position.line);
    add_literal(text, ", \"end_line\": ");
    add_natural(text, position.end_line);
    add_literal(text, ", \"column\": ");
    add_natural(text, position.column);
    add_literal(text, ", \"end_column\": ");
    add_natural(text, position.end_column);
    add_literal(text, ", \"lasti\": ");
    if (pst_frame_get_lasti(frame, &lasti))
        text_add_signed(text, lasti);
    else
        add_literal(text, "null");
    add_literal(text, ", \"code\": ");
    add_address_or_null(text, pst_frame_get_code(frame));
    add_literal(text, ", \"source\": ");
    escape_json(text, source_get_line(source, file, position.line));
    if (with_locals) {
        add_literal(text, ",\n \"locals\": ");
        locals_add_json(text, frame);
    }
    add_literal(text, ", \"errors\": ");
    report_json_errors(pst_frame_get_errors(frame), text);
    text_add_char(text, '}');
}

static void add_thread(struct report_sink *sink, const pst_thread *thread, struct source *source, bool with_locals)
{
    struct text *text = &sink->text;
    text_add_char(text, '{');
    json_add_thread(text, thread);
    add_literal(text, ", \"frames\": [");
    size_t count = pst_thread_get_frame_count(thread);
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        if (i)
            text_add_char(text, ',');
        text_add_char(text, '\n');
        add_frame(text, pst_thread_get_frame(thread, i), source, with_locals);
    }
    add_literal(text, "], \"truncated\": ");
    add_boolean(text, pst_thread_is_truncated(thread));
    add_literal(text, ", \"waiting_on\": ");
    wait_add_json(text, thread);
    add_literal(text, ", \"exceptions\": ");
    exceptions_add_json(text, thread);
    add_literal(text, ", \"errors\": ");
    report_json_errors(pst_thread_get_errors(thread), text);
    text_add_char(text, '}');
}

static void add_changed_sources(struct text *text, const struct source *source)
{
    text_add_char(text, '[');
    for (size_t i = 0; i < source->changed_count; i++) {
        if (i)
            add_literal(text, ", ");
        escape_json(text, source->changed[i]);
    }
    text_add_char(text, ']');
}

void report_stack_json(const struct report *report, struct report_sink *sink)
{
    struct text *text = &sink->text;
    const pst_snapshot *snapshot = report->snapshot;
    struct source source = {.target = report->with_source ? report->target : NULL};

    report_json_head(report, "pystander.stack/1", text);
    add_literal(text, ",\n\"interpreters\": [");
    size_t interpreter_count = snapshot ? pst_snapshot_get_interpreter_count(snapshot) : 0;
    for (size_t i = 0; i < interpreter_count; i++) {
        if (i)
            add_literal(text, ", ");
        text_add_char(text, '{');
        json_add_interpreter(text, pst_snapshot_get_interpreter(snapshot, i));
        text_add_char(text, '}');
    }
    add_literal(text, "],\n\"threads\": [");
    size_t thread_count = snapshot ? pst_snapshot_get_thread_count(snapshot) : 0;
    for (size_t i = 0; i < thread_count && report_checkpoint(sink); i++) {
        if (i)
            text_add_char(text, ',');
        text_add_char(text, '\n');
        add_thread(sink, pst_snapshot_get_thread(snapshot, i), &source, report->with_locals);
    }
    add_literal(text, "],\n\"deadlocks\": ");
    deadlocks_add_json(text, snapshot);
    add_literal(text, ",\n\"changed_sources\": ");
    if (report->with_source && snapshot)
        add_changed_sources(text, &source);
    else
        add_literal(text, "null");
    add_literal(text, ",\n\"pause_ns\": ");
    if (snapshot)
        text_add_unsigned(text, pst_snapshot_get_pause_ns(snapshot));
    else
        add_literal(text, "null");
    add_literal(text, "}\n");
    source_free(&source);
}
