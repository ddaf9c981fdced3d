/*
 * Flags to 3.10 whose value is that of no one member: "<Permission.WRITE|READ: 6>". Lib/enum.py, Flag.__repr__(),
 * _decompose(); Lib/re.py, RegexFlag.__repr__().
 */
#include "python/repr.h"

#include "python/dict.h"
#include "python/string.h"

#include <stdlib.h>

enum {
    BITS_WORDS = 8,            /* 512 bits: more than any enumeration of flags has */
    MAX_MEMBERS = 1 << 12,
};

/* An int in two's complement. */
struct bits {
    uint64_t words[BITS_WORDS];
};

struct flag {
    pst_addr name, value;      /* name 0: None */
    struct bits bits;
    size_t index;
};

/* Those of a class, in their order; of a value, those that stand for it. */
struct flags {
    struct flag *items;        /* malloc()ed */
    size_t count;
    bool are_known;            /* false: one is too wide, or there are too many */
};

/* ---- bits ------------------------------------------------------------------------------------------------ */

static bool is_negative(const struct bits *bits)
{
    return bits->words[BITS_WORDS - 1] >> 63;
}

static struct bits invert(struct bits bits)
{
    for (size_t i = 0; i < BITS_WORDS; i++)
        bits.words[i] = ~bits.words[i];
    return bits;
}

static bool are_zero(const struct bits *bits)
{
    uint64_t all = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        all |= bits->words[i];
    return all == 0;
}

/* Whether all bits of `part` are in `whole`. */
static bool contains(const struct bits *whole, const struct bits *part)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        missing |= part->words[i] & ~whole->words[i];
    return missing == 0;
}

static bool have_common(const struct bits *one, const struct bits *other)
{
    uint64_t common = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        common |= one->words[i] & other->words[i];
    return common != 0;
}

static void clear_bits(struct bits *bits, const struct bits *cleared)
{
    for (size_t i = 0; i < BITS_WORDS; i++)
        bits->words[i] &= ~cleared->words[i];
}

static bool are_equal(const struct bits *one, const struct bits *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

/* < 0, 0, > 0 */
static int compare(const struct bits *one, const struct bits *other)
{
    if (is_negative(one) != is_negative(other))
        return is_negative(one) ? -1 : 1;
    for (size_t i = BITS_WORDS; i-- > 0;)
        if (one->words[i] != other->words[i])
            return one->words[i] < other->words[i] ? -1 : 1;
    return 0;
}

static bool is_power_of_two(const struct bits *bits)
{
    int count = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        count += __builtin_popcountll(bits->words[i]);
    return count == 1 && !is_negative(bits);
}

/* The highest one alone, of some that are not negative. */
static struct bits highest_bit(const struct bits *bits)
{
    struct bits highest = {0};
    for (size_t i = BITS_WORDS; i-- > 0;) {
        if (bits->words[i] == 0)
            continue;
        highest.words[i] = (uint64_t)1 << (63 - __builtin_clzll(bits->words[i]));
        break;
    }
    return highest;
}

static void negate(struct bits *bits)
{
    *bits = invert(*bits);
    for (size_t i = 0; i < BITS_WORDS && ++bits->words[i] == 0; i++)
        continue;
}

/* *fits is false: it is no int, or has too many bits. */
static pst_error *read_bits(struct repr *repr, pst_addr object, struct bits *bits, bool *fits)
{
    struct value value;
    enum value_kind kind;
    *bits = (struct bits){0};
    TRY(value_get_kind(repr->python, object, &kind));
    *fits = kind == VALUE_INT || kind == VALUE_BOOL;
    if (!*fits)
        return NULL;
    TRY(value_read(repr->python, repr->arena, object, &value));
    *fits = value.digit_count * value.digit_bits < BITS_WORDS * 64;
    for (size_t i = 0; i < value.digit_count && *fits; i++) {
        uint64_t digit = bytes_unsigned(value.digits + i * value.digit_size, value.digit_size);
        size_t at = i * value.digit_bits;
        bits->words[at / 64] |= digit << at % 64;
        if (at % 64 + value.digit_bits > 64)
            bits->words[at / 64 + 1] |= digit >> (64 - at % 64);
    }
    if (value.is_negative)
        negate(bits);
    return NULL;
}

/* ---- the members ----------------------------------------------------------------------------------------- */

static pst_error *read_flag(struct repr *repr, pst_addr member, struct flags *flags, struct flag *flag)
{
    struct instance instance = {.address = member};
    enum value_kind kind;
    bool fits;
    *flag = (struct flag){.index = flags->count};
    TRY(type_of(repr->types, member, &instance.type));
    TRY(repr_get_attribute(repr, &instance, "_name_", &flag->name));
    TRY(repr_get_attribute(repr, &instance, "_value_", &flag->value));
    flags->are_known &= flag->name && flag->value;
    if (!flags->are_known)
        return NULL;
    TRY(value_get_kind(repr->python, flag->name, &kind));
    if (kind == VALUE_NONE)
        flag->name = 0;
    TRY(read_bits(repr, flag->value, &flag->bits, &fits));
    flags->are_known &= fits;
    return NULL;
}

/* What a dict of the class has as values: _value2member_map_, or of _member_map_, where aliases have a name of their
 * own, those that are none. */
static pst_error *read_flags(struct repr *repr, const struct instance *object, const char *map, bool without_aliases,
                             struct flags *flags)
{
    struct dict_reader reader;
    pst_addr dict;
    uint64_t used;
    TRY(type_find_attribute(repr->types, object->type, map, &dict));
    if (!dict)
        return NULL;
    TRY(dict_start_items(repr->python, dict, &reader, &used));
    flags->are_known = used <= MAX_MEMBERS;
    if (!flags->are_known)
        return NULL;
    flags->items = malloc((used + 1) * sizeof *flags->items);
    if (!flags->items)
        return error_no_memory();
    for (uint64_t i = 0; i < used && flags->are_known; i++) {
        pst_addr key, member;
        TRY(dict_next_item(&reader, &key, &member));
        TRY(read_flag(repr, member, flags, &flags->items[flags->count]));
        flags->count += !without_aliases || flags->items[flags->count].name == key;
    }
    return NULL;
}

/* ---- _decompose() ---------------------------------------------------------------------------------------- */

static void choose(struct flags *choice, const struct flag *flag)
{
    choice->items[choice->count] = *flag;
    choice->items[choice->count].index = choice->count;
    choice->count++;
}

static const struct flag *find_flag(const struct flags *flags, const struct bits *bits)
{
    for (size_t i = 0; i < flags->count; i++)
        if (are_equal(&flags->items[i].bits, bits))
            return &flags->items[i];
    return NULL;
}

/* To 3.8: all that were ever asked for, single bits without a name included. */
static void choose_of_all(const struct flags *all, const struct bits *value, struct flags *choice)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct flag *flag = &all->items[i];
        bool counts = flag->name || (!is_negative(value) && is_power_of_two(&flag->bits));
        if (counts && !are_zero(&flag->bits) && contains(value, &flag->bits))
            choose(choice, flag);
    }
}

/* From 3.9 on: the members that were defined, then what is left bit by bit. */
static void choose_of_members(const struct flags *members, const struct flags *all, const struct bits *value,
                              struct flags *choice)
{
    struct bits left = *value;
    for (size_t i = 0; i < members->count; i++) {
        if (are_zero(&members->items[i].bits) || !contains(value, &members->items[i].bits))
            continue;
        choose(choice, &members->items[i]);
        clear_bits(&left, &members->items[i].bits);
    }
    while (!is_negative(value) && !are_zero(&left)) {
        struct bits bit = highest_bit(&left);
        const struct flag *flag = find_flag(all, &bit);
        if (flag)
            choose(choice, flag);
        clear_bits(&left, &bit);
    }
}

/* The highest first, and equal ones in their order. */
static int compare_flags(const void *left, const void *right)
{
    const struct flag *one = left, *other = right;
    int order = compare(&other->bits, &one->bits);
    return order ? order : one->index < other->index ? -1 : one->index > other->index;
}

static pst_error *decompose(const struct python *python, const struct flags *members, const struct flags *all,
                            const struct bits *value, struct flags *choice)
{
    choice->items = malloc((members->count + all->count + BITS_WORDS * 64) * sizeof *choice->items);
    if (!choice->items)
        return error_no_memory();
    if (python_minor_version(python) < 309)
        choose_of_all(all, value, choice);
    else
        choose_of_members(members, all, value, choice);
    const struct flag *itself = find_flag(all, value);
    if (choice->count == 0 && itself)
        choose(choice, itself);
    qsort(choice->items, choice->count, sizeof *choice->items, compare_flags);
    bool has_itself = choice->count > 1 && are_equal(&choice->items[0].bits, value);
    if (has_itself)
        memmove(choice->items, choice->items + 1, --choice->count * sizeof *choice->items);
    return NULL;
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

/* str(m._name_ or m._value_) */
static pst_error *add_flag(struct repr *repr, const struct flag *flag, struct text *text)
{
    struct value value;
    pst_text name = {0};
    if (flag->name)
        TRY(string_read(repr->python, repr->arena, flag->name, &name));
    text_add(text, name.data, name.size);
    if (name.size)
        return NULL;
    TRY(value_read(repr->python, repr->arena, flag->value, &value));
    return repr_add_int(&value, text);
}

static pst_error *add_names(struct repr *repr, const struct flags *choice, struct text *text)
{
    for (size_t i = 0; i < choice->count; i++) {
        if (i)
            text_add_char(text, '|');
        TRY(add_flag(repr, &choice->items[i], text));
    }
    return NULL;
}

/* Cuts what was made as a whole. */
static pst_error *take(struct repr *repr, struct text *text, pst_error *error)
{
    if (!error && text->failed)
        error = error_no_memory();
    if (!error)
        repr_add_text(repr, (pst_text){text->data, text->size});
    text_free(text);
    return error;
}

/* The members, all values, and those of them that were chosen. */
struct composite {
    struct flags members, all, choice;
    struct bits bits;
};

static void free_composite(struct composite *composite)
{
    free(composite->members.items);
    free(composite->all.items);
    free(composite->choice.items);
}

static pst_error *read_composite(struct repr *repr, const struct instance *object, pst_addr value,
                                 struct composite *composite, bool *is_known)
{
    bool fits;
    *is_known = false;
    TRY(read_bits(repr, value, &composite->bits, &fits));
    TRY(read_flags(repr, object, "_value2member_map_", false, &composite->all));
    TRY(read_flags(repr, object, "_member_map_", true, &composite->members));
    *is_known = fits && composite->all.are_known && composite->members.are_known;
    if (!*is_known)
        return NULL;
    return decompose(repr->python, &composite->members, &composite->all, &composite->bits, &composite->choice);
}

static pst_error *add_composite(struct repr *repr, const struct instance *object, const struct flags *choice,
                                pst_addr value)
{
    struct text names = {0};
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '.');
    TRY(take(repr, &names, add_names(repr, choice, &names)));
    text_add_string(repr->text, ": ");
    TRY(repr_add_inside(repr, value));
    text_add_char(repr->text, '>');
    return NULL;
}

pst_error *repr_add_composite_flag(struct repr *repr, const struct instance *object, pst_addr value)
{
    struct composite composite = {0};
    bool is_known;
    pst_error *error = read_composite(repr, object, value, &composite, &is_known);
    if (!error)
        error = is_known ? add_composite(repr, object, &composite.choice, value) : repr_add_attributes(repr, object);
    free_composite(&composite);
    return error;
}

static void add_hex(const struct bits *bits, struct text *text)
{
    bool has_begun = false;
    text_add_string(text, "0x");
    for (size_t i = BITS_WORDS * 16; i-- > 0;) {
        unsigned digit = bits->words[i / 16] >> i % 16 * 4 & 15;
        has_begun |= digit != 0;
        if (has_begun)
            text_add_char(text, "0123456789abcdef"[digit]);
    }
}

static pst_error *add_regex_names(struct repr *repr, const struct flags *members, struct bits left, struct text *text)
{
    bool negative = is_negative(&left);
    size_t count = 0;
    struct text names = {0};
    if (negative)
        left = invert(left);
    for (size_t i = 0; i < members->count; i++) {
        const struct flag *flag = &members->items[i];
        if (!have_common(&left, &flag->bits))
            continue;
        clear_bits(&left, &flag->bits);
        text_add_string(&names, count++ ? "|re." : "re.");
        TRY(add_flag(repr, flag, &names));
    }
    if (!are_zero(&left)) {
        text_add_string(&names, count++ ? "|" : "");
        add_hex(&left, &names);
    }
    text_add_string(text, !negative ? "" : count > 1 ? "~(" : "~");
    text_add(text, names.data, names.size);
    text_add_string(text, negative && count > 1 ? ")" : "");
    text_free(&names);
    return NULL;
}

static pst_error *add_regexflag(struct repr *repr, const struct instance *object, struct flags *members)
{
    struct flags itself = {.are_known = true};
    struct flag flag;
    struct text names = {0};
    TRY(read_flag(repr, object->address, &itself, &flag));
    TRY(read_flags(repr, object, "_member_map_", true, members));
    if (!itself.are_known || !members->are_known)
        return repr_add_attributes(repr, object);
    if (!flag.name)
        return take(repr, &names, add_regex_names(repr, members, flag.bits, &names));
    text_add_string(repr->text, "re.");
    return repr_add_name(repr, flag.name);
}

/* RegexFlag.__repr__(), 3.8 to 3.10: a name alone is that of a member. */
pst_error *repr_add_regexflag(struct repr *repr, const struct instance *object)
{
    struct flags members = {0};
    pst_error *error = add_regexflag(repr, object, &members);
    free(members.items);
    return error;
}
