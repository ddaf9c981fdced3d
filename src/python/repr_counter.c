/*
 * Counter: its items in the order of most_common(). Lib/collections/__init__.py.
 *
 * Of numbers, or of strings. What comparing anything else does nobody can know, and mostly it raises TypeError, as
 * numbers with strings do: these, and those of very many items or of very large counts, stay in the order of the dict,
 * as in Python after that TypeError.
 */
#include "python/dict.h"
#include "python/repr.h"
#include "python/string.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SORTED = 10000,     /* items: all must be read to know the first ones … */
    MAX_SORTED_BITS = 2048, /* … as wholes: ints … */
    MAX_SORTED_SIZE = 256,  /* … and characters or bytes of strings */
    PREFETCH_BATCH = 256,
};

enum order { ORDER_NONE, ORDER_NUMBERS, ORDER_STR, ORDER_BYTES };

/* An item, and its count as something to compare: a text, or sign × 0.digits × 2^exponent, where the digits are of 8
 * bits each, the first has its highest bit set, and the last is not 0. */
struct count {
    pst_addr key, value;
    size_t index;
    int sign;
    int64_t exponent;
    pst_text digits;
};

/* ---- counts as something to compare ---------------------------------------------------------------------- */

static void set_digits(struct count *count, const char *digits, size_t size)
{
    while (size && digits[size - 1] == 0)
        size--;
    count->digits = (pst_text){digits, size};
}

static uint64_t digit_at(const struct value *value, uint64_t index)
{
    return index < value->digit_count ? bytes_unsigned(value->digits + index * value->digit_size, value->digit_size)
                                      : 0;
}

/* The 8 bits of an int from bit `low` on, which may be before its lowest. */
static char bits_at(const struct value *value, int64_t low)
{
    uint64_t index = low < 0 ? 0 : (uint64_t)low / value->digit_bits;
    uint64_t bits = digit_at(value, index) | digit_at(value, index + 1) << value->digit_bits;
    return (char)(low < 0 ? bits << -low : bits >> (uint64_t)low % value->digit_bits);
}

static pst_error *measure_int(struct arena *arena, const struct value *value, struct count *count)
{
    if (!value->digit_count)
        return NULL;
    for (uint64_t top = digit_at(value, value->digit_count - 1); top; top >>= 1)
        count->exponent++;
    count->exponent += (int64_t)((value->digit_count - 1) * value->digit_bits);
    count->sign = value->is_negative ? -1 : 1;
    size_t size = (size_t)(count->exponent + 7) / 8;
    char *digits = arena_alloc(arena, size + 1);
    if (!digits)
        return error_no_memory();
    for (size_t i = 0; i < size; i++)
        digits[i] = bits_at(value, count->exponent - 8 * (int64_t)(i + 1));
    set_digits(count, digits, size);
    return NULL;
}

static pst_error *measure_float(struct arena *arena, double number, struct count *count)
{
    enum { SIZE = 8 };
    int exponent = 0;
    if (number == 0)
        return NULL;
    count->sign = signbit(number) ? -1 : 1;
    uint64_t bits = isinf(number) ? 0 : (uint64_t)ldexp(frexp(fabs(number), &exponent), 64);
    count->exponent = isinf(number) ? INT64_MAX : exponent;
    char *digits = arena_alloc(arena, SIZE);
    if (!digits)
        return error_no_memory();
    for (size_t i = 0; i < SIZE; i++)
        digits[i] = (char)(bits >> (56 - 8 * i));
    set_digits(count, digits, SIZE);
    return NULL;
}

static pst_error *is_too_large(const struct python *python, struct arena *arena, pst_addr object,
                               enum value_kind kind, bool *large)
{
    bool is_negative;
    uint64_t size;
    pst_text text;
    *large = false;
    if (kind == VALUE_INT || kind == VALUE_LONG) {
        TRY(value_get_int_size(python, object, kind, &is_negative, &size));
        *large = size > MAX_SORTED_BITS;
    } else if (kind == VALUE_STR) {
        TRY(string_read_start(python, arena, object, 1, &text, &size));
        *large = size > MAX_SORTED_SIZE;
    } else if (kind == VALUE_BYTES) {
        TRY(bytes_get_size(python, object, &size));
        *large = size > MAX_SORTED_SIZE;
    }
    return NULL;
}

/* *order is ORDER_NONE: it is nothing that can be compared here. */
static pst_error *measure(const struct python *python, struct arena *arena, struct count *count, enum order *order)
{
    struct value value = {0};
    bool is_large;
    *order = ORDER_NONE;
    TRY(value_get_kind(python, count->value, &value.kind));
    if (value.kind > VALUE_BYTES || value.kind == VALUE_NONE)
        return NULL;
    TRY(is_too_large(python, arena, count->value, value.kind, &is_large));
    if (is_large)
        return NULL;
    TRY(value_read(python, arena, count->value, &value));
    switch (value.kind) {
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_LONG:
        *order = ORDER_NUMBERS;
        return measure_int(arena, &value, count);
    case VALUE_FLOAT:
        *order = isnan(value.real) ? ORDER_NONE : ORDER_NUMBERS;
        return isnan(value.real) ? NULL : measure_float(arena, value.real, count);
    case VALUE_STR:
        *order = ORDER_STR;
        count->digits = value.text;
        break;
    case VALUE_BYTES:
        *order = ORDER_BYTES;
        count->digits = (pst_text){(const char *)value.bytes.data, value.bytes.size};
        break;
    default:
        break;
    }
    count->sign = 1;
    return NULL;
}

static int compare_digits(pst_text x, pst_text y)
{
    size_t common = x.size < y.size ? x.size : y.size;
    int order = common ? memcmp(x.data, y.data, common) : 0;
    return order ? order : x.size < y.size ? -1 : x.size > y.size;
}

/* The larger count first; of equal ones, that which was there first. */
static int compare(const void *one, const void *other)
{
    const struct count *x = one, *y = other;
    int order = x->sign - y->sign;
    if (!order && x->exponent != y->exponent)
        order = x->exponent < y->exponent ? -x->sign : x->sign;
    if (!order)
        order = compare_digits(x->digits, y->digits) * x->sign;
    return order ? -order : x->index < y->index ? -1 : 1;
}

/* ---- items ----------------------------------------------------------------------------------------------- */

/* Many values are objects of their own: brings those of a batch in at one go. */
static void prefetch(const struct python *python, const struct count *counts, size_t count)
{
    pst_addr values[PREFETCH_BATCH];
    if (count > PREFETCH_BATCH)
        count = PREFETCH_BATCH;
    for (size_t i = 0; i < count; i++)
        values[i] = counts[i].value;
    memory_prefetch(python->memory, values, count);
}

static pst_error *read_items(struct dict_reader *reader, struct count *counts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        counts[i].index = i;
        TRY(dict_next_item(reader, &counts[i].key, &counts[i].value));
    }
    return NULL;
}

static pst_error *sort(const struct repr *repr, struct count *counts, size_t count)
{
    enum order order, first = ORDER_NONE;
    for (size_t i = 0; i < count; i++) {
        if (i % PREFETCH_BATCH == 0)
            prefetch(repr->python, counts + i, count - i);
        TRY(error_in(measure(repr->python, repr->arena, &counts[i], &order), "value %zu", i));
        if (i == 0)
            first = order;
        if (order == ORDER_NONE || order != first)
            return NULL;
    }
    qsort(counts, count, sizeof *counts, compare);
    return NULL;
}

static pst_error *add_item(struct repr *repr, pst_addr key, pst_addr value)
{
    TRY(repr_add_object(repr, key));
    text_add_string(repr->text, ": ");
    return repr_add_object(repr, value);
}

static pst_error *add_items(struct repr *repr, struct dict_reader *reader, uint64_t used, const struct count *sorted)
{
    for (uint64_t i = 0; i < used && repr_begin_item(repr, i, used - i); i++) {
        pst_addr key, value;
        pst_error *error = sorted ? NULL : dict_next_item(reader, &key, &value);
        if (error)
            return repr_end_items(repr, "", used - i, error);
        if (sorted)
            key = sorted[i].key, value = sorted[i].value;
        TRY(error_in(add_item(repr, key, value), "item %llu", (unsigned long long)i));
    }
    return NULL;
}

static pst_error *add_sorted(struct repr *repr, struct dict_reader *reader, size_t used)
{
    struct count *counts = calloc(used, sizeof *counts);
    if (!counts)
        return error_no_memory();
    pst_error *error = read_items(reader, counts, used);
    /* One value that can't be read spoils the order, and not the rest. */
    if (!error)
        pst_error_free(sort(repr, counts, used));
    if (!error)
        error = add_items(repr, reader, used, counts);
    free(counts);
    return error;
}

pst_error *repr_add_counter(struct repr *repr, const struct instance *object)
{
    struct dict_reader reader;
    uint64_t used;
    TRY(dict_start_items(repr->python, object->address, &reader, &used));
    repr_add_text(repr, object->type->name);
    if (!used) {
        text_add_string(repr->text, "()");
        return NULL;
    }
    text_add_string(repr->text, "({");
    TRY(used <= MAX_SORTED ? add_sorted(repr, &reader, used) : add_items(repr, &reader, used, NULL));
    text_add_string(repr->text, "})");
    return NULL;
}
