#include "python/repr.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- floats -------------------------------------------------------------------------------------------- */

enum {
    SURE_DIGITS = 15,      /* a decimal of so many digits is the only one of its (normal) double */
    MAX_DIGITS = 17,       /* and no double needs more than so many */
    FIXED_MAX_POINT = 16,  /* Python/pystrtod.c, format 'r': an exponent from 1e16 on … */
    FIXED_MIN_POINT = -4,  /* … and below 1e-4 */
};

/* 0.d₁d₂d₃… × 10^point */
struct decimal {
    char digits[MAX_DIGITS + 1];
    int count, point;
};

static double decimal_value(const struct decimal *decimal)
{
    char text[MAX_DIGITS + 16];
    snprintf(text, sizeof text, "0.%se%d", decimal->digits, decimal->point);
    return strtod(text, NULL);
}

static void round_decimal(double number, int count, struct decimal *decimal)
{
    char text[MAX_DIGITS + 16];   /* d.ddde±ddd */
    snprintf(text, sizeof text, "%.*e", count - 1, number);
    decimal->digits[0] = text[0];
    memcpy(decimal->digits + 1, text + 2, (size_t)count - 1);
    decimal->digits[count] = '\0';
    decimal->count = count;
    decimal->point = atoi(strchr(text, 'e') + 1) + 1;
}

/* One more or less in the last digit; false: that would carry over. */
static bool step(struct decimal *decimal, int by)
{
    char *last = &decimal->digits[decimal->count - 1];
    if (*last + by < '0' || *last + by > '9')
        return false;
    *last = (char)(*last + by);
    return true;
}

/* The shortest decimal that makes the same double, and of these the nearest. Below a power of two doubles lie closer
 * together than above it: there the nearest decimal may make another double while its neighbour makes this one. */
static void shorten(double number, struct decimal *decimal)
{
    /* Of a subnormal number a few digits may be all that there are. */
    for (int count = number < DBL_MIN ? 1 : SURE_DIGITS; count < MAX_DIGITS; count++) {
        round_decimal(number, count, decimal);
        if (decimal_value(decimal) == number)
            return;
        struct decimal above = *decimal, below = *decimal;
        if (count > SURE_DIGITS && step(&above, 1) && decimal_value(&above) == number) {
            *decimal = above;
            return;
        }
        if (count > SURE_DIGITS && step(&below, -1) && decimal_value(&below) == number) {
            *decimal = below;
            return;
        }
    }
    round_decimal(number, MAX_DIGITS, decimal);
}

static void strip_zeros(struct decimal *decimal)
{
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
        decimal->digits[--decimal->count] = '\0';
}

static void add_fixed(const struct decimal *decimal, bool with_point, struct text *text)
{
    if (decimal->point <= 0) {
        text_add_string(text, "0.");
        text_add_repeat(text, '0', (size_t)-decimal->point);
        text_add(text, decimal->digits, (size_t)decimal->count);
    } else if (decimal->point >= decimal->count) {
        text_add(text, decimal->digits, (size_t)decimal->count);
        text_add_repeat(text, '0', (size_t)(decimal->point - decimal->count));
        if (with_point)
            text_add_string(text, ".0");
    } else {
        text_add(text, decimal->digits, (size_t)decimal->point);
        text_add_char(text, '.');
        text_add_string(text, decimal->digits + decimal->point);
    }
}

static void add_exponential(const struct decimal *decimal, struct text *text)
{
    text_add_char(text, decimal->digits[0]);
    if (decimal->count > 1) {
        text_add_char(text, '.');
        text_add_string(text, decimal->digits + 1);
    }
    text_printf(text, "e%+03d", decimal->point - 1);
}

/* Python/pystrtod.c, PyOS_double_to_string() with format 'r'; `with_point` is Py_DTSF_ADD_DOT_0, `with_sign`
 * Py_DTSF_SIGN. */
static void add_double(double number, bool with_point, bool with_sign, struct text *text)
{
    if (isnan(number)) {
        text_add_string(text, with_sign ? "+nan" : "nan");
        return;
    }
    if (signbit(number))
        text_add_char(text, '-');
    else if (with_sign)
        text_add_char(text, '+');
    number = fabs(number);
    if (isinf(number)) {
        text_add_string(text, "inf");
        return;
    }
    struct decimal decimal = {.digits = "0", .count = 1, .point = 1};
    if (number != 0)
        shorten(number, &decimal);
    strip_zeros(&decimal);
    if (decimal.point > FIXED_MAX_POINT || decimal.point <= FIXED_MIN_POINT)
        add_exponential(&decimal, text);
    else
        add_fixed(&decimal, with_point, text);
}

void repr_add_double(double number, struct text *text)
{
    add_double(number, true, false, text);
}

/* Objects/complexobject.c, complex_repr(). */
void repr_add_complex(double real, double imaginary, struct text *text)
{
    if (real == 0 && !signbit(real)) {
        add_double(imaginary, false, false, text);
        text_add_char(text, 'j');
        return;
    }
    text_add_char(text, '(');
    add_double(real, false, false, text);
    add_double(imaginary, false, true, text);
    text_add_string(text, "j)");
}

/* ---- ints ---------------------------------------------------------------------------------------------- */

static uint64_t digit_at(const struct value *value, size_t index)
{
    return bytes_unsigned(value->digits + index * value->digit_size, value->digit_size);
}

/* From base 2^digit_bits to base 10^9, as Objects/longobject.c, long_to_decimal_string(). */
static pst_error *convert(const struct value *value, uint32_t *parts, size_t capacity, size_t *count)
{
    enum { BASE = 1000000000 };
    *count = 0;
    for (size_t i = value->digit_count; i-- > 0;) {
        uint64_t carry = digit_at(value, i);
        for (size_t j = 0; j < *count; j++) {
            carry += (uint64_t)parts[j] << value->digit_bits;
            parts[j] = (uint32_t)(carry % BASE);
            carry /= BASE;
        }
        for (; carry; carry /= BASE) {
            if (*count == capacity)
                return error_new(PST_ERROR_CORRUPT, "an int with digits that are too large");
            parts[(*count)++] = (uint32_t)(carry % BASE);
        }
    }
    return NULL;
}

static pst_error *add_large(const struct value *value, struct text *text)
{
    enum { MAX_LARGE_DIGITS = 40000 /* 360,000 decimal ones; the time it takes grows with the square */ };
    if (value->digit_count > MAX_LARGE_DIGITS)
        return error_new(PST_ERROR_LIMIT, "an int of %zu digits of %u bits; at most %d are converted",
                         value->digit_count, value->digit_bits, MAX_LARGE_DIGITS);
    size_t capacity = value->digit_count * 34 / 33 + 2, count; /* 30 bits are 1.0035 times 9 decimal digits */
    uint32_t *parts = malloc(capacity * sizeof *parts);
    if (!parts)
        return error_no_memory();
    pst_error *error = convert(value, parts, capacity, &count);
    if (!error) {
        text_printf(text, "%u", count ? parts[count - 1] : 0);
        for (size_t i = count ? count - 1 : 0; i-- > 0;)
            text_printf(text, "%09u", parts[i]);
    }
    free(parts);
    return error;
}

pst_error *repr_add_int(const struct value *value, struct text *text)
{
    uint64_t small = 0;
    if (value->is_negative)
        text_add_char(text, '-');
    if (value->digit_count > 2)
        return add_large(value, text);
    for (size_t i = value->digit_count; i-- > 0;)
        small = small << value->digit_bits | digit_at(value, i);
    text_add_unsigned(text, small);
    return NULL;
}
