/*
 * Text that grows. A failure to grow is remembered (text_failed) and what follows is dropped, so that a
 * writer of many pieces asks once, at the end.
 */
#ifndef PYSTANDER_BASE_TEXT_H
#define PYSTANDER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;      /* not NUL-terminated */
    size_t size, capacity;
    bool failed;
};

void text_add(struct text *text, const void *bytes, size_t size);
void text_add_string(struct text *text, const char *string);
void text_add_char(struct text *text, char c);
void text_add_repeat(struct text *text, char c, size_t count);
void text_add_unsigned(struct text *text, uint64_t value);
void text_add_signed(struct text *text, int64_t value);
void text_add_hex(struct text *text, uint64_t value);   /* 0x… */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);

#endif
