/*
 * repr() of numbers and texts: pure functions, against what Python printed, and against arithmetic done another way.
 */
#include "python/repr.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t chance_state;

static uint64_t chance(void)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state;
}

static int set_up(void **state)
{
    (void)state;
    chance_state = 0x9e3779b97f4a7c15;
    return 0;
}

/* The text is `expected`; empties it. */
static void expect(struct text *text, const char *expected)
{
    assert_false(text->failed);
    text_add_char(text, '\0');
    assert_string_equal(text->data, expected);
    text->size = 0;
}

/* ---- floats -------------------------------------------------------------------------------------------- */

static const struct {
    double number;
    const char *repr;
} floats[] = {
    {0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"},
    {0.1 + 0.2, "0.30000000000000004"}, {1e15, "1000000000000000.0"}, {9999999999999998.0, "9999999999999998.0"},
    {1e16, "1e+16"}, {12345678901234567.0, "1.2345678901234568e+16"}, {1e22, "1e+22"}, {1e23, "1e+23"},
    {1e100, "1e+100"}, {0.0001, "0.0001"}, {0.00012345, "0.00012345"}, {0.00001, "1e-05"}, {1.5e-7, "1.5e-07"},
    {5e-324, "5e-324"}, {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {2.225073858507201e-308, "2.225073858507201e-308"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
    {123456.789, "123456.789"}, {5.684341886080802e-14, "5.684341886080802e-14"} /* 2^-44: no nearest 16 digits */,
    {9007199254740993.0, "9007199254740992.0"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}, {NAN, "nan"}, {-NAN, "nan"},
};

static void test_floats(void **state)
{
    (void)state;
    struct text text = {0};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        repr_add_double(floats[i].number, &text);
        expect(&text, floats[i].repr);
    }
    text_free(&text);
}

/* A program that this library is part of may have any locale. */
static void test_floats_in_another_locale(void **state)
{
    (void)state;
    char folder[] = "/tmp/pystander-locale-XXXXXX", command[200];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    bool has_comma = system(command) != -1 && setenv("LOCPATH", folder, 1) == 0 &&
                     setlocale(LC_NUMERIC, "de_DE.UTF-8") && strcmp(localeconv()->decimal_point, ",") == 0;
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    unsetenv("LOCPATH");
    if (!has_comma) {
        puts("skipped: unit repr, another locale: no localedef that makes de_DE");
        skip();
    }
    test_floats(state);
    setlocale(LC_NUMERIC, "C");
}

static int count_digits(const char *repr)
{
    int count = 0;
    for (const char *c = repr; *c && *c != 'e'; c++)
        count += (*c >= '0' && *c <= '9') && (count || *c != '0');
    for (size_t size = strcspn(repr, "e"); size && (repr[size - 1] == '0' || repr[size - 1] == '.'); size--)
        count -= repr[size - 1] == '0' && count > 1;
    return count ? count : 1;
}

/* It makes the same number, nothing with fewer digits does, and no other text with as many is nearer. */
static void check_shortest(double number, struct text *text)
{
    char shorter[40], nearest[40];
    repr_add_double(number, text);
    text_add_char(text, '\0');
    assert_true(strtod(text->data, NULL) == number);
    int digits = count_digits(text->data);
    assert_in_range(digits, 1, 17);
    if (digits > 1) {
        snprintf(shorter, sizeof shorter, "%.*e", digits - 2, number);
        assert_true(strtod(shorter, NULL) != number);
    }
    snprintf(nearest, sizeof nearest, "%.*e", digits - 1, number);
    if (strtod(nearest, NULL) == number)
        assert_true(strtold(nearest, NULL) == strtold(text->data, NULL));
    text->size = 0;
}

static void test_floats_are_shortest(void **state)
{
    (void)state;
    struct text text = {0};
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = chance();
        double number;
        memcpy(&number, &bits, sizeof number);
        if (isfinite(number))
            check_shortest(number, &text);
        check_shortest((double)(chance() % 1000000) / 1000, &text);
        bits = chance() & 0x8000ffffffffffff; /* subnormal */
        memcpy(&number, &bits, sizeof number);
        check_shortest(number, &text);
    }
    for (int power = -1074; power < 1024; power++)
        check_shortest(ldexp(1, power), &text);
    text_free(&text);
}

static void test_complex(void **state)
{
    (void)state;
    static const struct {
        double real, imaginary;
        const char *repr;
    } complexes[] = {
        {1, 2, "(1+2j)"}, {0, 2, "2j"}, {-0.0, 2, "(-0+2j)"}, {0, -0.0, "-0j"}, {0, 0, "0j"}, {1, -0.0, "(1-0j)"},
        {1.5, -2.25, "(1.5-2.25j)"}, {NAN, INFINITY, "(nan+infj)"}, {0, NAN, "nanj"}, {-INFINITY, NAN, "(-inf+nanj)"},
        {1e16, 1e-5, "(1e+16+1e-05j)"}, {0, -INFINITY, "-infj"},
    };
    struct text text = {0};
    for (size_t i = 0; i < sizeof complexes / sizeof *complexes; i++) {
        repr_add_complex(complexes[i].real, complexes[i].imaginary, &text);
        expect(&text, complexes[i].repr);
    }
    text_free(&text);
}

/* ---- ints ---------------------------------------------------------------------------------------------- */

enum { MAX_DECIMALS = 4000, MAX_DIGITS = MAX_DECIMALS };

/* The digits of a decimal number: its value by Horner's rule, decimal digit by decimal digit. */
static void parse_int(const char *decimal, unsigned digit_bits, uint8_t *bytes, struct value *value)
{
    static uint32_t digits[MAX_DIGITS];
    *value = (struct value){.kind = VALUE_INT, .digit_size = digit_bits == 15 ? 2 : 4, .digit_bits = digit_bits,
                            .digits = bytes, .is_negative = *decimal == '-'};
    for (const char *c = decimal + value->is_negative; *c; c++) {
        uint64_t carry = (uint64_t)(*c - '0');
        for (size_t i = 0; i < value->digit_count; i++, carry >>= digit_bits) {
            carry += (uint64_t)digits[i] * 10;
            digits[i] = (uint32_t)(carry & ((1u << digit_bits) - 1));
        }
        if (carry)
            digits[value->digit_count++] = (uint32_t)carry;
    }
    for (size_t i = 0; i < value->digit_count; i++)
        for (unsigned j = 0; j < value->digit_size; j++)
            bytes[i * value->digit_size + j] = (uint8_t)(digits[i] >> 8 * j);
}

static void check_int(const char *decimal, struct text *text)
{
    static uint8_t bytes[MAX_DIGITS * 4];
    for (unsigned digit_bits = 15; digit_bits <= 30; digit_bits += 15) {
        struct value value;
        parse_int(decimal, digit_bits, bytes, &value);
        assert_null(repr_add_int(&value, text));
        expect(text, decimal);
    }
}

static void test_ints(void **state)
{
    (void)state;
    static char decimal[MAX_DECIMALS + 1];
    struct text text = {0};
    static const char *const known[] = {
        "0", "1", "-1", "9", "10", "32767", "32768", "1073741823", "1073741824", "-1073741824",
        "1152921504606846975", "1152921504606846976", "-1152921504606846977", "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "1329227995784915872903807060280344575",
        "1329227995784915872903807060280344576",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check_int(known[i], &text);
    /* Where a part of 18 decimal digits is full, and where the next one begins. */
    for (size_t size = 1; size <= 200; size++) {
        memset(decimal, '9', size);
        decimal[size] = '\0';
        check_int(decimal, &text);
        memset(decimal, '0', size);
        decimal[0] = '1';
        check_int(decimal, &text);
    }
    for (size_t round = 0; round < 300; round++) {
        size_t size = round < 280 ? 1 + round : (round - 279) * (MAX_DECIMALS / 20);
        for (size_t i = 0; i < size; i++)
            decimal[i] = (char)('0' + chance() % 10);
        decimal[0] = (char)('1' + chance() % 9);
        decimal[size] = '\0';
        check_int(decimal, &text);
    }
    text_free(&text);
}

static void test_int_that_is_too_large(void **state)
{
    (void)state;
    struct text text = {0};
    const size_t count = 40001;
    uint8_t *digits = malloc(count * 4);
    assert_non_null(digits);
    memset(digits, 1, count * 4);
    struct value value = {.kind = VALUE_INT, .digits = digits, .digit_count = count, .digit_size = 4,
                          .digit_bits = 30};
    pst_error *error = repr_add_int(&value, &text);
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_LIMIT);
    pst_error_free(error);
    assert_true(repr_count_int_steps(&value) > 100000000);
    value.digit_count = 2;
    assert_true(repr_count_int_steps(&value) < 10);
    text_free(&text);
    free(digits);
}

/* ---- texts --------------------------------------------------------------------------------------------- */

static void check_str(const char *str, size_t size, int minor, const char *expected)
{
    struct text text = {0};
    repr_add_str((pst_text){str, size}, minor, &text);
    expect(&text, expected);
    text_free(&text);
}

#define CHECK_STR(str, minor, expected) check_str(str, sizeof str - 1, minor, expected)

static void test_str(void **state)
{
    (void)state;
    CHECK_STR("", 12, "''");
    CHECK_STR("name", 12, "'name'");
    CHECK_STR("don't", 12, "\"don't\"");
    CHECK_STR("\"", 12, "'\"'");
    CHECK_STR("'\"", 12, "'\\'\"'");
    CHECK_STR("\\", 12, "'\\\\'");
    CHECK_STR("\t\n\r\v\0\x1f\x7f ", 12, "'\\t\\n\\r\\x0b\\x00\\x1f\\x7f '");
    CHECK_STR("caf\u00e9", 12, "'caf\u00e9'");
    CHECK_STR("\u00a0\u00ad\u00ff\u0100", 12, "'\\xa0\\xad\u00ff\u0100'");
    CHECK_STR("\u2028\ufeff\uffff", 12, "'\\u2028\\ufeff\\uffff'");
    CHECK_STR("\U0001f600\U000e0001\U0010ffff", 12, "'\U0001f600\\U000e0001\\U0010ffff'");
    CHECK_STR("\xed\xa0\xbd\xed\xb8\x80", 12, "'\\ud83d\\ude00'"); /* two surrogates are no character */
}

/* A character is printable from the version on whose Unicode has it. */
static void test_printable_by_version(void **state)
{
    (void)state;
    CHECK_STR("\u0560", 6, "'\\u0560'");
    CHECK_STR("\u0560", 7, "'\u0560'");
    CHECK_STR("\u088f", 14, "'\\u088f'");
    CHECK_STR("\u088f", 15, "'\u088f'");
    CHECK_STR("\u088f", 16, "'\u088f'");
    CHECK_STR("\u0378", 15, "'\\u0378'");
}

static void test_unicode_of_2(void **state)
{
    (void)state;
    CHECK_STR("", -1, "u''");
    CHECK_STR("a'\u00e9\u0100\U0001f600\n", -1, "u\"a'\\xe9\\u0100\\U0001f600\\n\"");
    CHECK_STR("\xed\xa0\xbd", -1, "u'\\ud83d'");
}

static void test_bytes(void **state)
{
    (void)state;
    struct text text = {0};
    static const uint8_t bytes[] = {'a', '\'', 0, '\t', '\n', '\r', 0x1f, ' ', '~', 0x7f, 0x80, 0xff, '\\'};
    repr_add_bytes((pst_bytes){NULL, 0}, "b", &text);
    expect(&text, "b''");
    repr_add_bytes((pst_bytes){bytes, sizeof bytes}, "b", &text);
    expect(&text, "b\"a'\\x00\\t\\n\\r\\x1f ~\\x7f\\x80\\xff\\\\\"");
    repr_add_bytes((pst_bytes){bytes, 2}, "", &text);
    expect(&text, "\"a'\"");
    repr_add_bytes((pst_bytes){(const uint8_t *)"'\"", 2}, "b", &text);
    expect(&text, "b'\\'\"'");
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_floats, set_up),
        cmocka_unit_test_setup(test_floats_in_another_locale, set_up),
        cmocka_unit_test_setup(test_floats_are_shortest, set_up),
        cmocka_unit_test_setup(test_complex, set_up),
        cmocka_unit_test_setup(test_ints, set_up),
        cmocka_unit_test_setup(test_int_that_is_too_large, set_up),
        cmocka_unit_test_setup(test_str, set_up),
        cmocka_unit_test_setup(test_printable_by_version, set_up),
        cmocka_unit_test_setup(test_unicode_of_2, set_up),
        cmocka_unit_test_setup(test_bytes, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
