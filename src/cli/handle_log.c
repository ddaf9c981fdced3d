/*
 * What `handle` has to say. The kernel starts it without standard streams, so it says it where the kernel itself tells
 * of crashes: its log, which needs no service that runs, and which journald and syslogd read.
 */
#include "cli/handle.h"
#include "cli/message.h"
#include "report/escape.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_LINE = 900 /* the kernel takes 1,024 bytes at a time */ };

static bool has_reader(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

static void write_to_kernel(const char *line)
{
    struct text text = {0};
    text_add_string(&text, "<12>pystander: ");   /* facility user, level warning */
    escape_text(&text, (pst_text){line, strnlen(line, MAX_LINE)}, ESCAPE_PLAIN);
    text_add_char(&text, '\n');
    int fd = open("/dev/kmsg", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    /* Where that does not take it, there is nobody to tell. */
    if (fd >= 0 && !text.failed && write(fd, text.data, text.size < 1000 ? text.size : 1000) < 0)
        text.failed = true;
    if (fd >= 0)
        close(fd);
    text_free(&text);
}

void handle_log(const char *format, ...)
{
    va_list arguments;
    char *line = NULL;
    va_start(arguments, format);
    if (vasprintf(&line, format, arguments) < 0)
        line = NULL;
    va_end(arguments);
    if (line && has_reader(STDERR_FILENO))
        message("%s", line);
    else if (line)
        write_to_kernel(line);
    free(line);
}

void handle_log_error(const struct handle *handle, const pst_error *error)
{
    const char *where = pst_error_get_where(error), *hint = pst_error_get_hint(error);
    handle_log("process %d (%s): %s%s%s%s%s", handle->pid, handle->name, where, *where ? ": " : "",
               pst_error_get_message(error), hint ? "; " : "", hint ? hint : "");
}
