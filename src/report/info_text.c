/* The text of `pystander info`; docs/text.md describes it. */
#include "report/text_parts.h"

#include "report/escape.h"

#include <string.h>

static void add_hook(struct text *text, pst_hook hook)
{
    if (hook.symbol)
        escape_text(text, (pst_text){hook.symbol, strlen(hook.symbol)}, ESCAPE_NAME);
    else
        text_add_hex(text, hook.function);
}

static void add_place(struct text *text, pst_text file, int line)
{
    text_add_string(text, "File ");
    if (file.data)
        add_quoted(text, file);
    else
        text_add_char(text, '?');
    if (line >= 0) {
        text_add_string(text, ", line ");
        text_add_signed(text, line);
    }
}

/* ---- interpreters ---- */

static void add_gil(struct text *text, const struct report *report, const pst_interpreter *interpreter)
{
    switch (pst_interpreter_get_gil(interpreter)) {
    case PST_GIL_FREE: text_add_string(text, ", the GIL is free"); break;
    case PST_GIL_HELD: text_add_string(text, ", the GIL is held"); break;
    case PST_GIL_DISABLED: text_add_string(text, ", without a GIL"); break;
    case PST_GIL_UNKNOWN: break;
    }
    size_t count = pst_snapshot_get_thread_count(report->snapshot);
    for (size_t i = 0; i < count; i++) {
        const pst_thread *thread = pst_snapshot_get_thread(report->snapshot, i);
        if (pst_thread_holds_gil(thread) != PST_YES || pst_thread_get_tid(thread) <= 0 ||
            pst_thread_get_interpreter_id(thread) != pst_interpreter_get_id(interpreter))
            continue;
        text_add_string(text, " by thread ");
        text_add_signed(text, pst_thread_get_tid(thread));
        break;
    }
}

static void add_code_hooks(struct text *text, const pst_interpreter *interpreter)
{
    size_t count;
    const pst_indexed_hook *hooks = pst_interpreter_get_code_extra(interpreter, &count);
    for (size_t i = 0; i < count; i++) {
        text_printf(text, "  co_extra index %zu: ", hooks[i].index);
        if (hooks[i].hook.function) {
            text_add_string(text, "freed by ");
            add_hook(text, hooks[i].hook);
        } else {
            text_add_string(text, "no freefunc");
        }
        text_add_char(text, '\n');
    }
    hooks = pst_interpreter_get_code_watchers(interpreter, &count);
    for (size_t i = 0; i < count; i++) {
        text_printf(text, "  code watcher %zu: ", hooks[i].index);
        add_hook(text, hooks[i].hook);
        text_add_char(text, '\n');
    }
}

static void add_interpreter(struct text *text, const struct report *report, const pst_interpreter *interpreter,
                            const struct palette *palette)
{
    size_t count;
    text_add_char(text, '\n');
    text_add_string(text, palette->title);
    text_add_string(text, "Interpreter ");
    text_add_signed(text, pst_interpreter_get_id(interpreter));
    text_add_string(text, " at ");
    text_add_hex(text, pst_interpreter_get_address(interpreter));
    add_gil(text, report, interpreter);
    text_add_string(text, palette->off);
    text_add_char(text, '\n');
    pst_hook eval_frame = pst_interpreter_get_eval_frame(interpreter);
    if (eval_frame.function) {
        text_add_string(text, "  frames are evaluated by ");
        add_hook(text, eval_frame);
        text_add_char(text, '\n');
    }
    add_code_hooks(text, interpreter);
    const pst_monitoring_tool *tools = pst_interpreter_get_monitoring_tools(interpreter, &count);
    for (size_t i = 0; i < count; i++) {
        text_printf(text, "  monitoring tool %d: ", tools[i].id);
        if (tools[i].name.data)
            add_quoted(text, tools[i].name);
        else
            text_add_char(text, '?');
        text_add_char(text, '\n');
    }
}

/* ---- threads ---- */

static void add_thread_hook(struct text *text, const char *what, const pst_thread_hook *hook)
{
    if (!hook)
        return;
    text_add_string(text, "  ");
    text_add_string(text, what);
    text_add_string(text, " by ");
    add_hook(text, hook->hook);
    if (hook->name.data) {
        text_add_string(text, ": ");
        escape_text(text, hook->name, ESCAPE_NAME);
        text_add_string(text, ", ");
        add_place(text, hook->file, hook->line);
    } else if (hook->type.data) {
        text_add_string(text, ": ");
        escape_text(text, hook->type, ESCAPE_NAME);
        text_add_string(text, " object at ");
        text_add_hex(text, hook->object);
    }
    text_add_char(text, '\n');
}

static void add_innermost(struct text *text, const pst_frame *frame, const struct palette *palette)
{
    pst_text qualname = pst_frame_get_qualname(frame);
    pst_text name = qualname.data ? qualname : pst_frame_get_name(frame);
    text_add_string(text, "  ");
    add_place(text, pst_frame_get_file(frame), pst_frame_get_position(frame).line);
    text_add_string(text, ", in ");
    text_add_string(text, palette->name);
    if (name.data)
        escape_text(text, name, ESCAPE_NAME);
    else
        text_add_char(text, '?');
    text_add_string(text, palette->off);
    text_add_char(text, '\n');
}

static void add_thread(struct text *text, const struct thread_naming *naming, const pst_thread *thread,
                       const struct palette *palette)
{
    size_t count = pst_thread_get_frame_count(thread);
    text_add_char(text, '\n');
    text_add_string(text, palette->title);
    add_thread_title(text, naming, thread);
    text_add_string(text, palette->off);
    if (!pst_thread_has_python(thread)) {
        text_add_string(text, ": no Python");
    } else {
        text_add_string(text, ": ");
        add_count(text, count);
        text_add_string(text, count == 1 ? " frame" : " frames");
    }
    text_add_char(text, '\n');
    add_errors(text, pst_thread_get_errors(thread), false, 2, palette);
    if (count)
        add_innermost(text, pst_thread_get_frame(thread, 0), palette);
    add_thread_hook(text, "traced", pst_thread_get_trace(thread));
    add_thread_hook(text, "profiled", pst_thread_get_profile(thread));
}

void report_info_text(const struct report *report, struct report_sink *sink)
{
    struct text *text = &sink->text;
    const struct palette *palette = report->colour ? &palette_terminal : &palette_none;
    const pst_snapshot *snapshot = report->snapshot;
    struct report head = *report;
    head.verbose = true; /* where the offsets came from is what is asked for here */
    report_text_head(&head, text, palette);
    const char *executable = report->target ? pst_target_get_executable(report->target) : NULL;
    if (executable && pst_target_get_kind(report->target) == PST_TARGET_PROCESS) {
        text_add_string(text, "Executable ");
        escape_text(text, (pst_text){executable, strlen(executable)}, ESCAPE_NAME);
        text_add_char(text, '\n');
    }
    if (report->target && pst_target_get_kind(report->target) == PST_TARGET_PROCESS)
        add_details(text, &head);
    if (!snapshot)
        return;
    size_t count = pst_snapshot_get_interpreter_count(snapshot);
    for (size_t i = 0; i < count && report_checkpoint(sink); i++)
        add_interpreter(text, report, pst_snapshot_get_interpreter(snapshot, i), palette);
    struct thread_naming naming = thread_naming_of(report);
    count = pst_snapshot_get_thread_count(snapshot);
    for (size_t i = 0; i < count && report_checkpoint(sink); i++)
        add_thread(text, &naming, pst_snapshot_get_thread(snapshot, i), palette);
}
