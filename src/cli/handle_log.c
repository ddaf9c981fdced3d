/* What `handle` has to say: to standard error, which main() made the kernel's log if it was not there. */
#include "cli/handle.h"
#include "cli/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 800 /* the kernel takes 1,024 bytes at a time, and some are escaped */ };

void handle_log(const char *format, ...)
{
    va_list arguments;
    char *line = NULL;
    va_start(arguments, format);
    if (vasprintf(&line, format, arguments) < 0)
        line = NULL;
    va_end(arguments);
    if (line)
        message("%.*s", MAX_LINE, line);
    free(line);
}

void handle_log_error(const struct handle *handle, const pst_error *error)
{
    const char *where = pst_error_get_where(error), *hint = pst_error_get_hint(error);
    handle_log("process %d (%s): %s%s%s%s%s", handle->pid, handle->name, where, *where ? ": " : "",
               pst_error_get_message(error), hint ? "; " : "", hint ? hint : "");
}
