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
    SHORT_DIGITS = 12,     /* 2.7: Include/floatobject.h, PyFloat_STR_PRECISION */
};

/* 0.d₁d₂d₃… × 10^point */
struct decimal {
    char digits[MAX_DIGITS + 1];
    int count, point;
};

/* What stands for the decimal point depends on the locale of the program that this library is part of: there is none
 * in what strtod() is given, and it is passed over in what snprintf() gives. */
static double decimal_value(const struct decimal *decimal)
{
    char text[MAX_DIGITS + 16];
    snprintf(text, sizeof text, "%se%d", decimal->digits, decimal->point - decimal->count);
    return strtod(text, NULL);
}

static void round_decimal(double number, int count, struct decimal *decimal)
{
    char text[MAX_DIGITS + 32];   /* d.ddde±ddd */
    const char *c = text;
    snprintf(text, sizeof text, "%.*e", count - 1, number);
    decimal->count = 0;
    for (; *c && *c != 'e'; c++)
        if (*c >= '0' && *c <= '9' && decimal->count < count)
            decimal->digits[decimal->count++] = *c;
    decimal->digits[decimal->count] = '\0';
    decimal->point = (*c ? atoi(c + 1) : 0) + 1;
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
    char exponent[16];
    int size = snprintf(exponent, sizeof exponent, "e%+03d", decimal->point - 1);
    text_add(text, exponent, (size_t)size);
}

/* Python/pystrtod.c, PyOS_double_to_string() with format 'r', or 'g' if `precision` is not 0; `with_point` is
 * Py_DTSF_ADD_DOT_0, `with_sign` Py_DTSF_SIGN. */
static void add_double(double number, int precision, bool with_point, bool with_sign, struct text *text)
{
    int max_point = precision ? precision - with_point : FIXED_MAX_POINT;
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
    if (number != 0 && precision)
        round_decimal(number, precision, &decimal);
    else if (number != 0)
        shorten(number, &decimal);
    strip_zeros(&decimal);
    if (decimal.point > max_point || decimal.point <= FIXED_MIN_POINT)
        add_exponential(&decimal, text);
    else
        add_fixed(&decimal, with_point, text);
}

void repr_add_double(double number, struct text *text)
{
    add_double(number, 0, true, false, text);
}

void repr_add_short_double(double number, struct text *text)
{
    add_double(number, SHORT_DIGITS, true, false, text);
}

/* Objects/complexobject.c, complex_repr(); 2.7: complex_format(). */
static void add_complex(double real, double imaginary, int precision, struct text *text)
{
    if (real == 0 && !signbit(real)) {
        add_double(imaginary, precision, false, false, text);
        text_add_char(text, 'j');
        return;
    }
    text_add_char(text, '(');
    add_double(real, precision, false, false, text);
    add_double(imaginary, precision, false, true, text);
    text_add_string(text, "j)");
}

void repr_add_complex(double real, double imaginary, struct text *text)
{
    add_complex(real, imaginary, 0, text);
}

void repr_add_short_complex(double real, double imaginary, struct text *text)
{
    add_complex(real, imaginary, SHORT_DIGITS, text);
}

/* ---- ints ---------------------------------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 uint128;

enum {
    PART_DIGITS = 18,   /* decimal ones of a part; the largest power of ten below 2^60 */
    CHUNK_BITS = 60,    /* of the int that are taken at a time: a whole number of digits of 15 or 30 bits */
};
static const uint64_t PART_BASE = 1000000000000000000;

static uint64_t digit_at(const struct value *value, size_t index)
{
    return bytes_unsigned(value->digits + index * value->digit_size, value->digit_size);
}

static uint64_t chunk_at(const struct value *value, size_t index)
{
    size_t digits = CHUNK_BITS / value->digit_bits;
    uint64_t chunk = 0;
    for (size_t i = digits; i-- > 0;)
        if (index * digits + i < value->digit_count)
            chunk = chunk << value->digit_bits | digit_at(value, index * digits + i);
    return chunk;
}

/* number / PART_BASE, for a number below PART_BASE * 2^64: Möller and Granlund, "Improved division by invariant
 * integers", whose second correction this divisor never needs. No processor divides so fast. */
static inline uint64_t divide(uint128 number, uint64_t *rest)
{
    enum { SHIFT = 4 };   /* until the divisor has its highest bit set */
    const uint64_t divisor = PART_BASE << SHIFT, inverse = 0x2725dd1d243aba0e; /* (2^128 - 1) / divisor - 2^64 */
    number <<= SHIFT;
    uint64_t high = (uint64_t)(number >> 64), low = (uint64_t)number;
    uint128 estimate = (uint128)inverse * high + number;
    uint64_t quotient = (uint64_t)(estimate >> 64) + 1;
    uint64_t left = low - quotient * divisor;
    if (left > (uint64_t)estimate) {
        quotient--;
        left += divisor;
    }
    *rest = left >> SHIFT;
    return quotient;
}

static size_t count_chunks(const struct value *value)
{
    return value->digit_count / (CHUNK_BITS / value->digit_bits) + 1;
}

/* From base 2^60 to base 10^18, as Objects/longobject.c, long_to_decimal_string(). Below 2^60 a chunk makes at most
 * one part more. */
static size_t convert(const struct value *value, uint64_t *parts)
{
    size_t count = 0;
    for (size_t i = count_chunks(value); i-- > 0;) {
        uint64_t carry = chunk_at(value, i);
        for (size_t j = 0; j < count; j++)
            carry = divide(((uint128)parts[j] << CHUNK_BITS) + carry, &parts[j]);
        for (; carry; carry /= PART_BASE)
            parts[count++] = carry % PART_BASE;
    }
    return count;
}

static void add_part(uint64_t part, struct text *text)
{
    char digits[PART_DIGITS];
    for (size_t i = sizeof digits; i-- > 0; part /= 10)
        digits[i] = (char)('0' + part % 10);
    text_add(text, digits, sizeof digits);
}

static pst_error *add_large(const struct value *value, struct text *text)
{
    if (value->digit_count > REPR_MAX_INT_BITS / value->digit_bits)
        return error_new(PST_ERROR_LIMIT, "an int of %zu digits of %u bits; at most %u are converted",
                         value->digit_count, value->digit_bits, REPR_MAX_INT_BITS / value->digit_bits);
    /* 60 bits are 1.0034 parts. */
    size_t chunks = count_chunks(value);
    uint64_t *parts = malloc((chunks + chunks / 256 + 2) * sizeof *parts);
    if (!parts)
        return error_no_memory();
    size_t count = convert(value, parts);
    text_add_unsigned(text, count ? parts[count - 1] : 0);
    for (size_t i = count ? count - 1 : 0; i-- > 0;)
        add_part(parts[i], text);
    free(parts);
    return NULL;
}

uint64_t repr_count_int_steps(const struct value *value)
{
    uint64_t chunks = count_chunks(value);
    return chunks * chunks / 2;
}

pst_error *repr_add_int(const struct value *value, struct text *text)
{
    if (value->is_negative)
        text_add_char(text, '-');
    if (value->digit_count * value->digit_bits > CHUNK_BITS)
        return add_large(value, text);
    text_add_unsigned(text, value->digit_count ? chunk_at(value, 0) : 0);
    return NULL;
}
