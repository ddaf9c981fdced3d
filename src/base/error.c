#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pst_error {
    pst_error_code code;
    int errnum;
    pst_addr address;
    char *where;   /* scopes, outermost first, ": " between */
    char *message;
    char *hint;
    char *field;
    pst_error *next;
};

/* What error_no_memory() returns: the one error that needs no memory. It is shared, so it never gets a
 * scope, and stands on a list only where the list has nothing else. */
static pst_error no_memory = {.code = PST_ERROR_MEMORY, .message = (char *)"out of memory"};

static char *format_text(const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        return NULL;
    return text;
}

static pst_error *error_make(pst_error_code code, int errnum, char *message)
{
    pst_error *error = message ? calloc(1, sizeof *error) : NULL;
    if (!error) {
        free(message);
        return &no_memory;
    }
    error->code = code;
    error->errnum = errnum;
    error->message = message;
    return error;
}

pst_error *error_no_memory(void)
{
    return &no_memory;
}

pst_error *error_new(pst_error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *message = format_text(format, arguments);
    va_end(arguments);
    return error_make(code, 0, message);
}

pst_error *error_system(pst_error_code code, int errnum, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *what = format_text(format, arguments);
    va_end(arguments);
    char *message = NULL;
    if (what && asprintf(&message, "%s: %s", what, strerror(errnum)) < 0)
        message = NULL;
    free(what);
    return error_make(code, errnum, message);
}

pst_error *error_read(pst_addr address, size_t size, int errnum, const char *why)
{
    char *message = NULL;
    if (asprintf(&message, "cannot read %zu byte%s at 0x%llx: %s", size, size == 1 ? "" : "s",
                 (unsigned long long)address, why) < 0)
        message = NULL;
    pst_error *error = error_make(PST_ERROR_READ, errnum, message);
    if (error != &no_memory)
        error->address = address;
    return error;
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

pst_error *error_copy(const pst_error *error)
{
    if (error == &no_memory)
        return &no_memory;
    pst_error *copy = error_make(error->code, error->errnum, copy_text(error->message));
    if (copy == &no_memory)
        return copy;
    copy->address = error->address;
    copy->where = copy_text(error->where);
    copy->hint = copy_text(error->hint);
    copy->field = copy_text(error->field);
    return copy;
}

/* Replaces *slot by the text; keeps the old one when memory is out. */
static void replace_text(char **slot, char *text)
{
    if (!text)
        return;
    free(*slot);
    *slot = text;
}

pst_error *error_in(pst_error *error, const char *format, ...)
{
    if (!error || error == &no_memory)
        return error;
    va_list arguments;
    va_start(arguments, format);
    char *scope = format_text(format, arguments);
    va_end(arguments);
    if (scope && error->where) {
        char *joined = NULL;
        if (asprintf(&joined, "%s: %s", scope, error->where) < 0)
            joined = NULL;
        free(scope);
        scope = joined;
    }
    replace_text(&error->where, scope);
    return error;
}

pst_error *error_of_field(pst_error *error, const char *field, const char *origin)
{
    if (!error || error == &no_memory || error->field)
        return error;
    error->field = strdup(field);
    char *message = NULL;
    if (asprintf(&message, "%s (offset from %s): %s", field, origin, error->message) >= 0)
        replace_text(&error->message, message);
    return error;
}

pst_error *error_hint(pst_error *error, const char *format, ...)
{
    if (!error || error == &no_memory || error->hint)
        return error;
    va_list arguments;
    va_start(arguments, format);
    error->hint = format_text(format, arguments);
    va_end(arguments);
    return error;
}

void error_list_add(struct error_list *list, pst_error *error)
{
    if (!error)
        return;
    list->count++;
    if (error == &no_memory) {
        if (!list->first)
            list->first = error;
        return;
    }
    if (list->count > ERROR_LIST_MAX + 1 && list->last) {
        char *message = NULL;
        if (asprintf(&message, "%zu more errors were left out", list->count - ERROR_LIST_MAX) >= 0)
            replace_text(&list->last->message, message);
        pst_error_free(error);
        return;
    }
    if (list->last)
        list->last->next = error;
    else
        list->first = error;
    list->last = error;
}

void error_list_free(struct error_list *list)
{
    for (pst_error *error = list->first; error;) {
        pst_error *next = error->next;
        pst_error_free(error);
        error = next;
    }
    *list = (struct error_list){0};
}

void pst_error_free(pst_error *error)
{
    if (!error || error == &no_memory)
        return;
    free(error->where);
    free(error->message);
    free(error->hint);
    free(error->field);
    free(error);
}

pst_error_code pst_error_get_code(const pst_error *error)
{
    return error->code;
}

int pst_error_get_errno(const pst_error *error)
{
    return error->errnum;
}

pst_addr pst_error_get_address(const pst_error *error)
{
    return error->address;
}

const char *pst_error_get_where(const pst_error *error)
{
    return error->where ? error->where : "";
}

const char *pst_error_get_message(const pst_error *error)
{
    return error->message;
}

const char *pst_error_get_hint(const pst_error *error)
{
    return error->hint;
}

const pst_error *pst_error_get_next(const pst_error *error)
{
    return error->next;
}
