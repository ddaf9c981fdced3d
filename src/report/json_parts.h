/* What the JSON printers share. */
#ifndef PYSTANDER_REPORT_JSON_PARTS_H
#define PYSTANDER_REPORT_JSON_PARTS_H

#include "report/escape.h"
#include "report/report.h"

/* A key with what stands before and after it. The size of a literal is known to the compiler. */
#define add_literal(text, literal) text_add(text, literal, sizeof(literal) - 1)

static inline void add_boolean(struct text *text, bool value)
{
    if (value)
        add_literal(text, "true");
    else
        add_literal(text, "false");
}

static inline void add_maybe(struct text *text, pst_maybe value)
{
    if (value == PST_UNKNOWN)
        add_literal(text, "null");
    else
        add_boolean(text, value == PST_YES);
}

static inline void add_address(struct text *text, pst_addr address)
{
    text_add_char(text, '"');
    text_add_hex(text, address);
    text_add_char(text, '"');
}

static inline void add_address_or_null(struct text *text, pst_addr address)
{
    if (address)
        add_address(text, address);
    else
        add_literal(text, "null");
}

/* A number that is not known when it is below zero. */
static inline void add_natural(struct text *text, int64_t value)
{
    if (value >= 0)
        text_add_unsigned(text, (uint64_t)value);
    else
        add_literal(text, "null");
}

/* A process or thread id, where 0 is not known. */
static inline void add_id(struct text *text, pid_t id)
{
    add_natural(text, id > 0 ? id : -1);
}

/* The members that every command has of an interpreter and of a thread, without braces. */
void json_add_interpreter(struct text *text, const pst_interpreter *interpreter);
void json_add_thread(struct text *text, const pst_thread *thread);

#endif
