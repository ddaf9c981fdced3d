/* The JSON of `pystander info`; docs/json.md is its reference. */
#include "report/json_parts.h"

static void add_null(struct text *text)
{
    add_literal(text, "null");
}

/* What a hook is called: its symbol, or where there is none its address; null: there is no hook. */
static void add_hook(struct text *text, pst_hook hook)
{
    if (hook.symbol)
        escape_json_string(text, hook.symbol);
    else
        add_address_or_null(text, hook.function);
}

static void add_eval_frame(struct text *text, const pst_interpreter *interpreter)
{
    pst_hook hook = pst_interpreter_get_eval_frame(interpreter);
    add_literal(text, ",\n  \"eval_frame\": ");
    add_hook(text, hook);
    add_literal(text, ", \"eval_frame_address\": ");
    add_address_or_null(text, hook.function);
}

/* `name` is that of the member with the symbol. */
static void add_indexed_hooks(struct text *text, const pst_indexed_hook *hooks, size_t count, const char *name)
{
    if (!hooks) {
        add_null(text);
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            add_literal(text, ", ");
        add_literal(text, "{\"index\": ");
        text_add_unsigned(text, hooks[i].index);
        text_printf(text, ", \"%s\": ", name);
        add_hook(text, hooks[i].hook);
        add_literal(text, ", \"address\": ");
        add_address_or_null(text, hooks[i].hook.function);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

static void add_tools(struct text *text, const pst_monitoring_tool *tools, size_t count)
{
    if (!tools) {
        add_null(text);
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            add_literal(text, ", ");
        add_literal(text, "{\"id\": ");
        text_add_signed(text, tools[i].id);
        add_literal(text, ", \"name\": ");
        escape_json(text, tools[i].name);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

static void add_interpreter(struct text *text, const pst_interpreter *interpreter)
{
    size_t count;
    text_add_char(text, '{');
    json_add_interpreter(text, interpreter);
    add_eval_frame(text, interpreter);
    add_literal(text, ",\n  \"code_extra\": ");
    const pst_indexed_hook *hooks = pst_interpreter_get_code_extra(interpreter, &count);
    add_indexed_hooks(text, hooks, count, "freefunc");
    add_literal(text, ",\n  \"code_watchers\": ");
    hooks = pst_interpreter_get_code_watchers(interpreter, &count);
    add_indexed_hooks(text, hooks, count, "callback");
    add_literal(text, ",\n  \"monitoring_tools\": ");
    const pst_monitoring_tool *tools = pst_interpreter_get_monitoring_tools(interpreter, &count);
    add_tools(text, tools, count);
    text_add_char(text, '}');
}

/* The object that a hook is called with. */
static void add_object(struct text *text, const pst_thread_hook *hook)
{
    if (!hook || !hook->object) {
        add_null(text);
        return;
    }
    add_literal(text, "{\"address\": ");
    add_address(text, hook->object);
    add_literal(text, ", \"type\": ");
    escape_json(text, hook->type);
    add_literal(text, ", \"qualname\": ");
    escape_json(text, hook->name);
    add_literal(text, ", \"file\": ");
    escape_json(text, hook->file);
    add_literal(text, ", \"line\": ");
    add_natural(text, hook->line);
    text_add_char(text, '}');
}

static void add_frame(struct text *text, const pst_frame *frame)
{
    if (!frame) {
        add_null(text);
        return;
    }
    add_literal(text, "{\"name\": ");
    escape_json(text, pst_frame_get_name(frame));
    add_literal(text, ", \"qualname\": ");
    escape_json(text, pst_frame_get_qualname(frame));
    add_literal(text, ", \"file\": ");
    escape_json(text, pst_frame_get_file(frame));
    add_literal(text, ", \"line\": ");
    add_natural(text, pst_frame_get_position(frame).line);
    text_add_char(text, '}');
}

static void add_thread_hook(struct text *text, const char *name, const pst_thread_hook *hook)
{
    pst_hook function = hook ? hook->hook : (pst_hook){0};
    text_printf(text, ",\n  \"%s\": ", name);
    add_hook(text, function);
    text_printf(text, ", \"%s_address\": ", name);
    add_address_or_null(text, function.function);
    text_printf(text, ", \"%s_object\": ", name);
    add_object(text, hook);
}

static void add_thread(struct text *text, const pst_thread *thread)
{
    const pst_thread_hook *trace = pst_thread_get_trace(thread), *profile = pst_thread_get_profile(thread);
    text_add_char(text, '{');
    json_add_thread(text, thread);
    add_literal(text, ", \"has_python\": ");
    add_boolean(text, pst_thread_has_python(thread));
    add_literal(text, ", \"frame_count\": ");
    text_add_unsigned(text, pst_thread_get_frame_count(thread));
    add_literal(text, ",\n  \"innermost\": ");
    add_frame(text, pst_thread_get_frame(thread, 0));
    add_thread_hook(text, "trace", trace);
    add_thread_hook(text, "profile", profile);
    add_literal(text, ",\n  \"errors\": ");
    report_json_errors(pst_thread_get_errors(thread), text);
    text_add_char(text, '}');
}

void report_info_json(const struct report *report, struct report_sink *sink)
{
    struct text *text = &sink->text;
    const pst_snapshot *snapshot = report->snapshot;
    report_json_head(report, "pystander.info/1", text);
    add_literal(text, ",\n\"interpreters\": [");
    size_t interpreter_count = snapshot ? pst_snapshot_get_interpreter_count(snapshot) : 0;
    for (size_t i = 0; i < interpreter_count && report_checkpoint(sink); i++) {
        text_add_string(text, i ? ",\n" : "\n");
        add_interpreter(text, pst_snapshot_get_interpreter(snapshot, i));
    }
    add_literal(text, "],\n\"threads\": [");
    size_t thread_count = snapshot ? pst_snapshot_get_thread_count(snapshot) : 0;
    for (size_t i = 0; i < thread_count && report_checkpoint(sink); i++) {
        text_add_string(text, i ? ",\n" : "\n");
        add_thread(text, pst_snapshot_get_thread(snapshot, i));
    }
    add_literal(text, "],\n\"pause_ns\": ");
    if (snapshot)
        text_add_unsigned(text, pst_snapshot_get_pause_ns(snapshot));
    else
        add_null(text);
    add_literal(text, "}\n");
}
