/* decimal.Decimal and fractions.Fraction. Modules/_decimal/_decimal.c, libmpdec/io.c, mpd_to_sci(); Lib/decimal.py of
 * 2.7, Lib/fractions.py. */
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

#include <stdio.h>

enum {
    WORD_DIGITS = 19,          /* MPD_RDIGITS: decimal ones in a word of 64 bits */
    FLAG_NEGATIVE = 1,         /* mpd_t.flags: MPD_NEG … */
    FLAG_INFINITE = 2,
    FLAG_NAN = 4,
    FLAG_SIGNALING_NAN = 8,
    MIN_FIXED_POINT = -6,      /* of smaller numbers an exponent is shown */
};
static const uint64_t WORD_BASE = 10000000000000000000u;
static const int64_t MAX_SIZE = (int64_t)1 << 60; /* of digit counts and exponents: libmpdec's own are smaller */

struct decimal {
    bool is_negative;
    const char *special;       /* "NaN", of which the digits are the payload; NULL: a number */
    const char *digits;        /* the first shown_count of digit_count */
    uint64_t shown_count, digit_count;
    int64_t exponent;
};

/* ---- its text, which is cut as a str's is ---------------------------------------------------------------- */

struct cutter {
    struct text *text;
    uint64_t left, cut;        /* characters that there may be yet, that were left out */
};

/* `size` characters, of which the first `shown` are at hand: as many as there may be. */
static void add_some(struct cutter *cutter, const char *data, uint64_t shown, uint64_t size)
{
    uint64_t added = size < cutter->left ? size : cutter->left;
    added = added < shown ? added : shown;
    text_add(cutter->text, data, added);
    cutter->left -= added;
    cutter->cut += size - added;
    if (added < size)
        cutter->left = 0;
}

static void add_string(struct cutter *cutter, const char *string)
{
    add_some(cutter, string, strlen(string), strlen(string));
}

static void add_digits(struct cutter *cutter, const struct decimal *decimal, uint64_t from, uint64_t to)
{
    uint64_t shown = decimal->shown_count > from ? decimal->shown_count - from : 0;
    add_some(cutter, decimal->digits + (shown ? from : 0), shown < to - from ? shown : to - from, to - from);
}

static void add_exponent(struct cutter *cutter, int64_t exponent)
{
    char text[32];
    snprintf(text, sizeof text, "E%+lld", (long long)exponent);
    add_string(cutter, text);
}

/* mpd_to_sci(), with the E of a context that was not told otherwise. */
static void add_number(struct cutter *cutter, const struct decimal *decimal)
{
    int64_t count = (int64_t)decimal->digit_count, point = count + decimal->exponent;
    bool is_fixed = decimal->exponent <= 0 && point > MIN_FIXED_POINT;
    int64_t place = is_fixed ? point : 1; /* of the decimal point: so many digits are before it */
    if (place <= 0)
        add_string(cutter, "0.");
    for (int64_t zeros = place; zeros < 0; zeros++)
        add_string(cutter, "0");
    if (place > 0 && place < count) {
        add_digits(cutter, decimal, 0, (uint64_t)place);
        add_string(cutter, ".");
        add_digits(cutter, decimal, (uint64_t)place, decimal->digit_count);
    } else {
        add_digits(cutter, decimal, 0, decimal->digit_count);
    }
    if (place != point)
        add_exponent(cutter, point - place);
}

static pst_error *add_decimal(struct repr *repr, const struct decimal *decimal)
{
    if (repr->bounds.chars == SIZE_MAX && decimal->digit_count > REPR_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a Decimal of %llu digits", (unsigned long long)decimal->digit_count);
    text_add_string(repr->text, "Decimal(");
    struct cutter cutter = {.text = repr->text, .left = repr_get_left(repr)};
    text_add_char(repr->text, '\'');
    if (decimal->is_negative)
        add_string(&cutter, "-");
    if (decimal->special) {
        add_string(&cutter, decimal->special);
        add_digits(&cutter, decimal, 0, decimal->digit_count);
    } else {
        add_number(&cutter, decimal);
    }
    text_add_char(repr->text, '\'');
    if (cutter.cut) {
        text_add_char(repr->text, ' ');
        repr_add_cut(repr, cutter.cut);
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- that of _decimal ------------------------------------------------------------------------------------ */

/* The digits of a word; of the first one without zeros before them. */
static size_t write_word(uint64_t word, bool is_first, char digits[WORD_DIGITS])
{
    char all[WORD_DIGITS];
    size_t start = 0;
    for (size_t i = WORD_DIGITS; i-- > 0; word /= 10)
        all[i] = (char)('0' + word % 10);
    while (is_first && start < WORD_DIGITS - 1 && all[start] == '0')
        start++;
    memcpy(digits, all + start, WORD_DIGITS - start);
    return WORD_DIGITS - start;
}

static pst_error *write_digits(const uint8_t *words, uint64_t count, struct decimal *decimal, char *digits)
{
    decimal->digits = digits;
    for (uint64_t i = count; i-- > 0;) {
        uint64_t word = bytes_word(words + i * 8);
        if (word >= WORD_BASE)
            return error_new(PST_ERROR_CORRUPT, "a Decimal with the word %llu", (unsigned long long)word);
        decimal->shown_count += write_word(word, decimal->shown_count == 0, digits + decimal->shown_count);
    }
    return NULL;
}

/* Of `length` words, the lowest first, so many of the last as there is room for. */
static pst_error *read_words(struct repr *repr, pst_addr words, uint64_t length, struct decimal *decimal)
{
    uint64_t left = repr_get_left(repr), last;
    uint64_t count = left / WORD_DIGITS + 2 < length ? left / WORD_DIGITS + 2 : length;
    TRY(pointer_at(repr->python, words, length - 1, &last));
    uint8_t *bytes = arena_alloc(repr->arena, count * 8);
    char *digits = arena_alloc(repr->arena, count * WORD_DIGITS);
    if (!bytes || !digits)
        return error_no_memory();
    TRY(memory_read(repr->python->memory, words + (length - count) * 8, bytes, count * 8));
    TRY(write_digits(bytes, count, decimal, digits));
    decimal->digit_count = decimal->shown_count + (length - count) * WORD_DIGITS;
    return NULL;
}

static pst_error *read_number(struct repr *repr, pst_addr number, struct decimal *decimal)
{
    const struct python *python = repr->python;
    uint64_t flags;
    int64_t length;
    pst_addr words;
    TRY(field_unsigned(python, number, F(mpd_t_flags), &flags));
    TRY(field_signed(python, number, F(mpd_t_len), &length));
    TRY(field_signed(python, number, F(mpd_t_exp), &decimal->exponent));
    TRY(field_address(python, number, F(mpd_t_data), &words));
    decimal->is_negative = flags & FLAG_NEGATIVE;
    decimal->special = flags & FLAG_INFINITE          ? "Infinity"
                       : flags & FLAG_SIGNALING_NAN ? "sNaN"
                       : flags & FLAG_NAN           ? "NaN"
                                                      : NULL;
    if (flags & FLAG_INFINITE || (decimal->special && length == 0))
        return NULL;
    if (length <= 0 || length > MAX_SIZE / WORD_DIGITS || decimal->exponent > MAX_SIZE || decimal->exponent < -MAX_SIZE)
        return error_new(PST_ERROR_CORRUPT, "a Decimal of %lld words with the exponent %lld", (long long)length,
                         (long long)decimal->exponent);
    return read_words(repr, words, (uint64_t)length, decimal);
}

pst_error *repr_add_decimal(struct repr *repr, const struct instance *object)
{
    struct decimal decimal = {0};
    pst_addr number;
    TRY(field_place(repr->python, object->address, F(PyDecObject_dec), &number));
    TRY(read_number(repr, number, &decimal));
    return add_decimal(repr, &decimal);
}

/* ---- that of 2.7 and _pydecimal: _sign, _int, _exp, _is_special ------------------------------------------ */

/* _exp of what is no number is a letter. */
static pst_error *read_special(const struct repr *repr, pst_addr exponent, struct decimal *decimal)
{
    pst_text letter;
    TRY(string_read(repr->python, repr->arena, exponent, &letter));
    decimal->special = text_is(letter, "F") ? "Infinity" : text_is(letter, "n") ? "NaN" : "sNaN";
    if (text_is(letter, "F"))
        decimal->digit_count = decimal->shown_count = 0;
    return NULL;
}

static pst_error *read_exponent(const struct repr *repr, pst_addr exponent, struct decimal *decimal)
{
    uint64_t number;
    TRY(object_get_int(repr->python, exponent, &number));
    decimal->exponent = (int64_t)number;
    if (decimal->exponent > MAX_SIZE || decimal->exponent < -MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a Decimal with the exponent %lld", (long long)decimal->exponent);
    return NULL;
}

/* As many as there may be. */
static pst_error *read_digits(struct repr *repr, pst_addr string, struct decimal *decimal)
{
    uint64_t most = repr_get_left(repr);
    pst_text text;
    pst_bytes bytes;
    if (python_is_2(repr->python)) {
        TRY(bytes_read_start(repr->python, repr->arena, string, most, &bytes, &decimal->digit_count));
        text = (pst_text){(const char *)bytes.data, bytes.size};
    } else {
        TRY(string_read_start(repr->python, repr->arena, string, most, &text, &decimal->digit_count));
    }
    decimal->digits = text.data;
    decimal->shown_count = text.size;
    return NULL;
}

pst_error *repr_add_decimal_2(struct repr *repr, const struct instance *object)
{
    static const char *const names[] = {"_sign", "_int", "_exp"};
    pst_addr parts[3];
    struct decimal decimal = {0};
    enum value_kind kind;
    uint64_t sign;
    bool are_there = true;
    for (size_t i = 0; i < 3 && are_there; i++) {
        TRY(repr_get_attribute(repr, object, names[i], &parts[i]));
        are_there = parts[i];
    }
    if (!are_there)
        return repr_add_attributes(repr, object);
    TRY(object_get_int(repr->python, parts[0], &sign));
    decimal.is_negative = sign;
    TRY(read_digits(repr, parts[1], &decimal));
    TRY(value_get_kind(repr->python, parts[2], &kind));
    TRY((kind == VALUE_BYTES || kind == VALUE_STR ? read_special : read_exponent)(repr, parts[2], &decimal));
    return add_decimal(repr, &decimal);
}

/* ---- Fraction -------------------------------------------------------------------------------------------- */

/* Fraction.__repr__(): in 2.7 whatever the class is called. */
pst_error *repr_add_fraction(struct repr *repr, const struct instance *object)
{
    pst_addr numerator, denominator;
    TRY(repr_get_attribute(repr, object, "_numerator", &numerator));
    TRY(repr_get_attribute(repr, object, "_denominator", &denominator));
    if (!numerator || !denominator)
        return repr_add_attributes(repr, object);
    if (python_is_2(repr->python))
        text_add_string(repr->text, "Fraction");
    else
        repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    TRY(repr_add_str_of(repr, numerator));
    text_add_string(repr->text, ", ");
    TRY(repr_add_str_of(repr, denominator));
    text_add_char(repr->text, ')');
    return NULL;
}
