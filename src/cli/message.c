#include "cli/message.h"

#include "cli/command.h"
#include "report/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_line(struct text *text, const char *prefix, const char *line)
{
    text_add_string(text, prefix);
    escape_text(text, (pst_text){line, strlen(line)}, ESCAPE_PLAIN);
    text_add_char(text, '\n');
}

static void print(struct text *text)
{
    /* When standard error does not take it, there is nobody left to tell. */
    if (write(STDERR_FILENO, text->data, text->size) < 0)
        text->size = 0;
    text_free(text);
}

static void vmessage(const char *format, va_list arguments)
{
    char *line = NULL;
    if (vasprintf(&line, format, arguments) < 0)
        return;
    struct text text = {0};
    add_line(&text, "pystander: ", line);
    print(&text);
    free(line);
}

void message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vmessage(format, arguments);
    va_end(arguments);
}

void message_error(const pst_error *error, const char *hint)
{
    struct text text = {0}, line = {0};
    const char *where = pst_error_get_where(error);
    if (*where)
        text_printf(&line, "%s: ", where);
    text_add_string(&line, pst_error_get_message(error));
    text_add_char(&line, '\0');
    add_line(&text, "pystander: ", line.failed ? "out of memory" : line.data);
    if (pst_error_get_hint(error))
        add_line(&text, "  ", pst_error_get_hint(error));
    if (hint)
        add_line(&text, "  ", hint);
    print(&text);
    text_free(&line);
}

void usage_failure(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vmessage(format, arguments);
    va_end(arguments);
    exit(EXIT_USAGE);
}

int exit_code_of(pst_error_code code)
{
    switch (code) {
    case PST_ERROR_USAGE:
        return EXIT_USAGE;
    case PST_ERROR_OPEN:
    case PST_ERROR_PERMISSION:
    case PST_ERROR_MEMORY:
    case PST_ERROR_SYSTEM:
        return EXIT_OPEN;
    case PST_ERROR_NOT_CORE:
    case PST_ERROR_NOT_PYTHON:
    case PST_ERROR_UNSUPPORTED:
    case PST_ERROR_READ:
    case PST_ERROR_CORRUPT:
    case PST_ERROR_LIMIT:
    case PST_ERROR_NOT_STOPPED:
        return EXIT_NOTHING;
    }
    return EXIT_OPEN;
}
