/* The variables of a frame, below its source line. */
#include "report/locals.h"

#include "report/escape.h"
#include "report/text_parts.h"

#include <string.h>

enum { INDENT = 6 };

static bool has_type(const pst_variable *variable, const char *type)
{
    return text_equal(variable->type, (pst_text){type, strlen(type)});
}

/* What every module is full of: its imports, functions and classes. -v shows them, too. */
static bool is_furniture(const pst_variable *variable)
{
    static const char *const types[] = {"module", "function", "builtin_function_or_method"};
    if (variable->is_class)
        return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (has_type(variable, types[i]))
            return true;
    return false;
}

static bool is_of_module(const pst_frame *frame)
{
    pst_text name = pst_frame_get_name(frame);
    return text_equal(name, (pst_text){"<module>", sizeof "<module>" - 1});
}

static void add_variable(struct text *text, const pst_variable *variable, const struct palette *palette)
{
    text_add_repeat(text, ' ', INDENT);
    text_add_string(text, palette->dim);
    escape_text(text, variable->name, ESCAPE_NAME);
    text_add_string(text, " = ");
    text_add_string(text, palette->off);
    if (variable->repr.data)
        escape_text(text, variable->repr, ESCAPE_PLAIN);
    else
        text_add_char(text, '?');
    text_add_char(text, '\n');
    add_errors(text, variable->error, false, INDENT + 2, palette);
}

void locals_add_text(struct text *text, const struct report *report, const pst_frame *frame,
                     const struct palette *palette)
{
    const pst_variable *variable;
    bool is_module = is_of_module(frame);
    for (size_t i = 0; (variable = pst_frame_get_variable(frame, i)); i++)
        if (report->verbose || !is_module || !is_furniture(variable))
            add_variable(text, variable, palette);
}
