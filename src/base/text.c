#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_grow(struct text *text, size_t size)
{
    if (text->failed)
        return false;
    if (size <= text->capacity - text->size)
        return true;
    size_t capacity = text->capacity ? text->capacity : 4096;
    while (capacity - text->size < size) {
        if (capacity > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_add_repeat(struct text *text, char c, size_t count)
{
    char *room = count ? text_reserve(text, count) : NULL;
    if (room) {
        memset(room, c, count);
        text->size += count;
    }
}

void text_add_unsigned(struct text *text, uint64_t value)
{
    char digits[20];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_add(text, digits + start, sizeof digits - start);
}

void text_add_signed(struct text *text, int64_t value)
{
    if (value < 0)
        text_add_char(text, '-');
    text_add_unsigned(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_add_hex(struct text *text, uint64_t value)
{
    char digits[18];
    size_t start = sizeof digits;
    do {
        digits[--start] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    digits[--start] = 'x';
    digits[--start] = '0';
    text_add(text, digits + start, sizeof digits - start);
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *formatted = NULL;
    int size = vasprintf(&formatted, format, arguments);
    va_end(arguments);
    if (size < 0) {
        text->failed = true;
        return;
    }
    text_add(text, formatted, (size_t)size);
    free(formatted);
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}
