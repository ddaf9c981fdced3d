/*
 * Text that grows. A failure to grow is remembered (text_failed) and what follows is dropped, so that a
 * writer of many pieces asks once, at the end.
 */
#ifndef PYSTANDER_BASE_TEXT_H
#define PYSTANDER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *data;      /* not NUL-terminated */
    size_t size, capacity;
    bool failed;
};

/* Makes room for `size` > 0 more bytes. false: there is none. */
bool text_grow(struct text *text, size_t size);

/* For a writer that knows how much it will write at most: room for `size` > 0 bytes behind the text, or NULL.
 * What was written there becomes part of the text by text_commit(), with the place where it ends. */
static inline char *text_reserve(struct text *text, size_t size)
{
    if (text->failed || (text->capacity - text->size < size && !text_grow(text, size)))
        return NULL;
    return text->data + text->size;
}

static inline void text_commit(struct text *text, const char *end)
{
    text->size = (size_t)(end - text->data);
}

static inline void text_add(struct text *text, const void *bytes, size_t size)
{
    char *room = size ? text_reserve(text, size) : NULL;
    if (room) {
        memcpy(room, bytes, size);
        text->size += size;
    }
}

static inline void text_add_char(struct text *text, char c)
{
    text_add(text, &c, 1);
}

void text_add_string(struct text *text, const char *string);
void text_add_repeat(struct text *text, char c, size_t count);
void text_add_unsigned(struct text *text, uint64_t value);
void text_add_signed(struct text *text, int64_t value);
void text_add_hex(struct text *text, uint64_t value);   /* 0x… */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);

#endif
