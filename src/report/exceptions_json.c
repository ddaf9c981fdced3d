/* The exceptions of a thread in JSON. */
#include "report/exceptions.h"

#include "report/json_parts.h"

static void add_exception(struct text *text, const pst_exception *exception);

static void add_or_null(struct text *text, const pst_exception *exception)
{
    if (exception)
        add_exception(text, exception);
    else
        add_literal(text, "null");
}

static void add_notes(struct text *text, const pst_exception *exception)
{
    text_add_char(text, '[');
    for (size_t i = 0; i < exception->note_count; i++) {
        if (i)
            add_literal(text, ", ");
        escape_json(text, exception->notes[i]);
    }
    text_add_char(text, ']');
}

static void add_traceback(struct text *text, const pst_exception *exception)
{
    text_add_char(text, '[');
    for (size_t i = 0; i < exception->traceback_count; i++) {
        const pst_traceback_entry *entry = &exception->traceback[i];
        if (i)
            add_literal(text, ",\n   ");
        add_literal(text, "{\"name\": ");
        escape_json(text, entry->name);
        add_literal(text, ", \"qualname\": ");
        escape_json(text, entry->qualname);
        add_literal(text, ", \"file\": ");
        escape_json(text, entry->file);
        add_literal(text, ", \"line\": ");
        add_natural(text, entry->line);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

static void add_gap(struct text *text, const pst_exception *exception)
{
    if (!exception->traceback_is_cut) {
        add_literal(text, "null");
        return;
    }
    add_literal(text, "{\"index\": ");
    text_add_unsigned(text, exception->traceback_gap);
    add_literal(text, ", \"count\": ");
    if (exception->traceback_gap_count)
        text_add_unsigned(text, exception->traceback_gap_count);
    else
        add_literal(text, "null");
    text_add_char(text, '}');
}

static void add_members(struct text *text, const pst_exception *exception)
{
    text_add_char(text, '[');
    for (size_t i = 0; i < exception->exception_count; i++) {
        if (i)
            add_literal(text, ", ");
        add_exception(text, exception->exceptions[i]);
    }
    text_add_char(text, ']');
}

static void add_exception(struct text *text, const pst_exception *exception)
{
    add_literal(text, "{\"type\": ");
    escape_json(text, exception->type);
    add_literal(text, ", \"message\": ");
    escape_json(text, exception->message);
    add_literal(text, ", \"message_is_str\": ");
    add_boolean(text, exception->message_is_str);
    add_literal(text, ", \"notes\": ");
    add_notes(text, exception);
    add_literal(text, ", \"handled\": ");
    add_boolean(text, exception->handled);
    add_literal(text, ", \"address\": ");
    add_address_or_null(text, exception->address);
    add_literal(text, ", \"is_repeated\": ");
    add_boolean(text, exception->is_repeated);
    add_literal(text, ",\n  \"traceback\": ");
    add_traceback(text, exception);
    add_literal(text, ", \"traceback_is_cut\": ");
    add_boolean(text, exception->traceback_is_cut);
    add_literal(text, ", \"traceback_gap\": ");
    add_gap(text, exception);
    add_literal(text, ",\n  \"cause\": ");
    add_or_null(text, exception->cause);
    add_literal(text, ", \"context\": ");
    add_or_null(text, exception->context);
    add_literal(text, ", \"suppress_context\": ");
    add_boolean(text, exception->suppress_context);
    add_literal(text, ", \"exceptions\": ");
    add_members(text, exception);
    text_add_char(text, '}');
}

void exceptions_add_json(struct text *text, const pst_thread *thread)
{
    const pst_exception *exception;
    text_add_char(text, '[');
    for (size_t i = 0; (exception = pst_thread_get_exception(thread, i)); i++) {
        if (i)
            add_literal(text, ",\n ");
        add_exception(text, exception);
    }
    text_add_char(text, ']');
}
