/* The variables of a frame in JSON. */
#include "report/json_parts.h"

#include "report/locals.h"

static const char *const kind_names[] = {
    [PST_VARIABLE_ARGUMENT] = "argument",
    [PST_VARIABLE_LOCAL] = "local",
    [PST_VARIABLE_CELL] = "cell",
    [PST_VARIABLE_FREE] = "free",
};

static void add_variable(struct text *text, const pst_variable *variable)
{
    add_literal(text, "{\"name\": ");
    escape_json(text, variable->name);
    add_literal(text, ", \"kind\": ");
    escape_json_string(text, kind_names[variable->kind]);
    add_literal(text, ", \"type\": ");
    escape_json(text, variable->type);
    add_literal(text, ", \"repr\": ");
    escape_json(text, variable->repr);
    add_literal(text, ", \"address\": ");
    add_address_or_null(text, variable->address);
    add_literal(text, ", \"errors\": ");
    report_json_errors(variable->error, text);
    text_add_char(text, '}');
}

void locals_add_json(struct text *text, const pst_frame *frame)
{
    const pst_variable *variable;
    text_add_char(text, '[');
    for (size_t i = 0; (variable = pst_frame_get_variable(frame, i)); i++) {
        if (i)
            add_literal(text, ",\n  ");
        add_variable(text, variable);
    }
    text_add_char(text, ']');
}
