#include "report/json_parts.h"

void json_add_interpreter(struct text *text, const pst_interpreter *interpreter)
{
    add_literal(text, "\"id\": ");
    text_add_signed(text, pst_interpreter_get_id(interpreter));
    add_literal(text, ", \"gil\": ");
    switch (pst_interpreter_get_gil(interpreter)) {
    case PST_GIL_FREE: add_literal(text, "\"free\""); break;
    case PST_GIL_HELD: add_literal(text, "\"held\""); break;
    case PST_GIL_DISABLED: add_literal(text, "\"disabled\""); break;
    case PST_GIL_UNKNOWN: add_literal(text, "null"); break;
    }
    add_literal(text, ", \"address\": ");
    add_address_or_null(text, pst_interpreter_get_address(interpreter));
}

static void add_ident(struct text *text, uint64_t ident)
{
    if (!ident) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '"');
    text_add_unsigned(text, ident);
    text_add_char(text, '"');
}

static void add_state(struct text *text, char state)
{
    escape_json(text, (pst_text){state ? &state : NULL, 1});
}

void json_add_thread(struct text *text, const pst_thread *thread)
{
    add_literal(text, "\"tid\": ");
    add_id(text, pst_thread_get_tid(thread));
    add_literal(text, ", \"ident\": ");
    add_ident(text, pst_thread_get_ident(thread));
    add_literal(text, ", \"name\": ");
    escape_json(text, pst_thread_get_name(thread));
    add_literal(text, ", \"os_name\": ");
    escape_json(text, pst_thread_get_os_name(thread));
    add_literal(text, ", \"interpreter\": ");
    add_natural(text, pst_thread_get_interpreter_id(thread));
    add_literal(text, ", \"main\": ");
    add_boolean(text, pst_thread_is_main(thread));
    add_literal(text, ", \"holds_gil\": ");
    add_maybe(text, pst_thread_holds_gil(thread));
    add_literal(text, ", \"state\": ");
    add_state(text, pst_thread_get_state(thread));
}
