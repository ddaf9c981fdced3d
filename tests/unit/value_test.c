/*
 * Constants in memory made of byte arrays: what sound ones give, and that lying ones give an error.
 */
#include "python/c_name.h"
#include "python/attribute.h"
#include "python/object.h"
#include "python/repr.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HEAP = 0x100000,
    HEAP_SIZE = 0x40000,
    TYPES = 0x200000,
    TYPE_SIZE = 0x1000,
    NAME_OFF = 0xf00,      /* of a type's name from the type */
    NOWHERE = 0x900000,
    HEAPTYPE = 1 << 9,
    STRUCT_SIZE = 0x100,   /* more than any object's head */
};

/* In TYPES, one after the other. */
enum type_index {
    STR, INT, LONG, BOOL, FLOAT, COMPLEX, BYTES, TUPLE, FROZENSET, SLICE, ELLIPSIS, NONE, CODE, OWN_INT, LIST,
    TYPE_COUNT
};

static const struct {
    const char *name, *name_2;
    uint64_t flags;
} types[TYPE_COUNT] = {
    [STR] = {"str", "unicode", TPFLAGS_UNICODE_SUBCLASS},
    [INT] = {"int", "int", TPFLAGS_LONG_SUBCLASS},
    [LONG] = {"long", "long", TPFLAGS_LONG_SUBCLASS},
    [BOOL] = {"bool", "bool", TPFLAGS_LONG_SUBCLASS},
    [FLOAT] = {"float", "float", 0},
    [COMPLEX] = {"complex", "complex", 0},
    [BYTES] = {"bytes", "str", TPFLAGS_BYTES_SUBCLASS},
    [TUPLE] = {"tuple", "tuple", 0},
    [FROZENSET] = {"frozenset", "frozenset", 0},
    [SLICE] = {"slice", "slice", 0},
    [ELLIPSIS] = {"ellipsis", "ellipsis", 0},
    [NONE] = {"NoneType", "NoneType", 0},
    [CODE] = {"code", "code", 0},
    [OWN_INT] = {"int", "int", TPFLAGS_LONG_SUBCLASS | HEAPTYPE},
    [LIST] = {"list", "list", 0},
};

struct world {
    struct fake fake;
    struct python python;
    struct value_types known;
    struct arena arena;
    struct text text;
    pst_addr next;      /* free in HEAP */
};

/* ---- building ------------------------------------------------------------------------------------------ */

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    assert_true(place->offset >= 0);
    pst_addr at = object + (pst_addr)place->offset;
    if (place->width) {
        uint64_t old = bytes_unsigned(fake_at(&world->fake, at, place->size), place->size);
        old &= ~((((uint64_t)1 << place->width) - 1) << place->bit);
        value = old | value << place->bit;
    }
    fake_put_unsigned(&world->fake, at, place->size, value);
}

static pst_addr place_of(const struct world *world, pst_addr object, enum field field)
{
    return object + (pst_addr)world->python.layout.places[field].offset;
}

static pst_addr type_at(enum type_index type)
{
    return TYPES + (pst_addr)type * TYPE_SIZE;
}

static void begin(struct world *world, int major, int minor, unsigned digit_size)
{
    bool found;
    *world = (struct world){.next = HEAP};
    assert_null(layout_load(major, minor, FLAVOUR_RELEASE, &world->python.layout, &found));
    assert_true(found);
    fake_map(&world->fake, HEAP, HEAP_SIZE);
    fake_map(&world->fake, TYPES, (size_t)TYPE_COUNT * TYPE_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.value_types = &world->known;
    world->python.unicode_unit = 4;
    for (int i = 0; i < TYPE_COUNT; i++) {
        const char *name = major == 2 ? types[i].name_2 : types[i].name;
        fake_put(&world->fake, type_at(i) + NAME_OFF, name, strlen(name) + 1);
        put(world, type_at(i), F(PyTypeObject_tp_name), type_at(i) + NAME_OFF);
        put(world, type_at(i), F(PyTypeObject_tp_flags), types[i].flags);
        put(world, type_at(i), F(PyTypeObject_tp_itemsize), digit_size);
    }
}

static void end(struct world *world)
{
    text_free(&world->text);
    arena_free(&world->arena);
    pst_target_close(world->python.target);
    known_type_names_free(world->known.names);
    fake_free(&world->fake);
}

/* An object with `size` bytes behind its head. */
static pst_addr put_object(struct world *world, enum type_index type, size_t size)
{
    pst_addr object = world->next;
    world->next += STRUCT_SIZE + (size + 15) / 16 * 16;
    put(world, object, F(PyObject_ob_type), type_at(type));
    return object;
}

static pst_addr put_int(struct world *world, enum type_index type, bool negative, const uint64_t *digits, size_t count)
{
    unsigned digit_size = (unsigned)bytes_unsigned(
        fake_at(&world->fake, place_of(world, type_at(INT), F(PyTypeObject_tp_itemsize)), 8), 8);
    pst_addr object = put_object(world, type, count * digit_size);
    enum field place = F(PyLongObject_ob_digit);
    if (has(&world->python, F(PyLongObject_long_value_lv_tag))) {
        place = F(PyLongObject_long_value_ob_digit);
        put(world, object, F(PyLongObject_long_value_lv_tag), count << 3 | (count == 0 ? 1 : negative ? 2 : 0));
    } else {
        put(world, object, F(PyVarObject_ob_size), negative ? 0 - count : count);
    }
    for (size_t i = 0; i < count; i++)
        fake_put_unsigned(&world->fake, place_of(world, object, place) + i * digit_size, digit_size, digits[i]);
    return object;
}

static pst_addr put_small(struct world *world, uint64_t number)
{
    return put_int(world, INT, false, &number, number ? 1 : 0);
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static pst_addr put_float(struct world *world, double number)
{
    pst_addr object = put_object(world, FLOAT, 0);
    put(world, object, F(PyFloatObject_ob_fval), bits_of(number));
    return object;
}

static pst_addr put_complex(struct world *world, double real, double imaginary)
{
    pst_addr object = put_object(world, COMPLEX, 0);
    put(world, object, F(PyComplexObject_cval_real), bits_of(real));
    put(world, object, F(PyComplexObject_cval_imag), bits_of(imaginary));
    return object;
}

static pst_addr put_bytes(struct world *world, const void *bytes, size_t size)
{
    pst_addr object = put_object(world, BYTES, size);
    enum field place = python_is_2(&world->python) ? F(PyStringObject_ob_sval) : F(PyBytesObject_ob_sval);
    put(world, object, F(PyVarObject_ob_size), size);
    fake_put(&world->fake, place_of(world, object, place), bytes, size);
    return object;
}

static pst_addr put_str(struct world *world, const char *ascii)
{
    size_t size = strlen(ascii);
    pst_addr object = put_object(world, STR, size);
    put(world, object, F(PyASCIIObject_length), size);
    put(world, object, F(PyASCIIObject_state_kind), 1);
    put(world, object, F(PyASCIIObject_state_compact), 1);
    put(world, object, F(PyASCIIObject_state_ascii), 1);
    fake_put(&world->fake, object + size_of(&world->python, F(sizeof_PyASCIIObject)), ascii, size);
    return object;
}

static pst_addr put_tuple(struct world *world, const pst_addr *items, size_t count)
{
    pst_addr object = put_object(world, TUPLE, count * 8);
    put(world, object, F(PyVarObject_ob_size), count);
    for (size_t i = 0; i < count; i++)
        fake_put_unsigned(&world->fake, place_of(world, object, F(PyTupleObject_ob_item)) + 8 * i, 8, items[i]);
    return object;
}

static void put_entry(struct world *world, pst_addr set, size_t index, pst_addr key, int64_t hash)
{
    pst_addr table = bytes_unsigned(fake_at(&world->fake, place_of(world, set, F(PySetObject_table)), 8), 8);
    pst_addr entry = table + index * size_of(&world->python, F(sizeof_setentry));
    put(world, entry, F(setentry_key), key);
    put(world, entry, F(setentry_hash), (uint64_t)hash);
}

/* With room for `room` items, `used` of them in use, it says. */
static pst_addr put_set(struct world *world, size_t room, size_t used)
{
    pst_addr object = put_object(world, FROZENSET, 0);
    pst_addr table = put_object(world, LIST, room * size_of(&world->python, F(sizeof_setentry)));
    fake_put_unsigned(&world->fake, place_of(world, table, F(PyObject_ob_type)), 8, 0);
    put(world, object, F(PySetObject_mask), room - 1);
    put(world, object, F(PySetObject_used), used);
    put(world, object, F(PySetObject_table), table);
    return object;
}

static pst_addr put_slice(struct world *world, pst_addr start, pst_addr stop, pst_addr step)
{
    pst_addr object = put_object(world, SLICE, 0);
    put(world, object, F(PySliceObject_start), start);
    put(world, object, F(PySliceObject_stop), stop);
    put(world, object, F(PySliceObject_step), step);
    return object;
}

/* ---- expecting ----------------------------------------------------------------------------------------- */

static void expect(struct world *world, pst_addr object, const char *expected)
{
    world->text.size = 0;
    memory_refresh(world->python.memory);
    assert_null(repr_add(&world->python, &world->arena, object, &world->text));
    text_add_char(&world->text, '\0');
    assert_false(world->text.failed);
    assert_string_equal(world->text.data, expected);
}

static void expect_error(struct world *world, pst_addr object, pst_error_code code)
{
    world->text.size = 0;
    memory_refresh(world->python.memory);
    pst_error *error = repr_add(&world->python, &world->arena, object, &world->text);
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), code);
    pst_error_free(error);
}

static void expect_kind(struct world *world, pst_addr object, enum value_kind expected)
{
    enum value_kind kind;
    memory_refresh(world->python.memory);
    assert_null(value_get_kind(&world->python, object, &kind));
    assert_int_equal(kind, expected);
}

/* ---- sound ones ---------------------------------------------------------------------------------------- */

static const uint64_t max_digits[] = {0x3fffffff, 0x3fffffff, 0x3fffffff}, max_digits_15[] = {0x7fff, 0x7fff, 1};

static void check_numbers(int minor)
{
    struct world world;
    begin(&world, 3, minor, 4);
    expect(&world, put_object(&world, NONE, 0), "None");
    expect(&world, put_object(&world, ELLIPSIS, 0), "Ellipsis");
    expect(&world, put_small(&world, 0), "0");
    expect(&world, put_small(&world, 1073741823), "1073741823");
    expect(&world, put_int(&world, INT, true, max_digits, 1), "-1073741823");
    expect(&world, put_int(&world, INT, false, max_digits, 2), "1152921504606846975");
    expect(&world, put_int(&world, INT, true, max_digits, 3), "-1237940039285380274899124223");
    expect(&world, put_int(&world, BOOL, false, NULL, 0), "False");
    expect(&world, put_int(&world, BOOL, false, (uint64_t[]){1}, 1), "True");
    expect(&world, put_float(&world, -0.25), "-0.25");
    expect(&world, put_complex(&world, 1, -2), "(1-2j)");
    expect(&world, put_bytes(&world, "a\0'", 3), "b\"a\\x00'\"");
    expect(&world, put_str(&world, "it's"), "\"it's\"");
    end(&world);
}

static void test_numbers(void **state)
{
    (void)state;
    check_numbers(6);
    check_numbers(9);
    check_numbers(12);
    check_numbers(14);
}

static void test_digits_of_15_bits(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 3, 9, 2);
    expect(&world, put_int(&world, INT, false, max_digits_15, 1), "32767");
    expect(&world, put_int(&world, INT, true, max_digits_15, 3), "-2147483647");
    expect(&world, put_int(&world, BOOL, false, max_digits_15 + 2, 1), "True");
    expect_error(&world, put_int(&world, INT, false, (uint64_t[]){0x8000}, 1), PST_ERROR_CORRUPT);
    end(&world);
    begin(&world, 3, 9, 3);
    expect_error(&world, put_small(&world, 1), PST_ERROR_CORRUPT);
    end(&world);
}

static void test_numbers_of_2(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 2, 7, 4);
    pst_addr number = put_object(&world, INT, 0), truth = put_object(&world, BOOL, 0);
    put(&world, number, F(PyIntObject_ob_ival), (uint64_t)INT64_MIN);
    expect(&world, number, "-9223372036854775808");
    put(&world, number, F(PyIntObject_ob_ival), (uint64_t)INT64_MAX);
    expect(&world, number, "9223372036854775807");
    put(&world, number, F(PyIntObject_ob_ival), 0);
    expect(&world, number, "0");
    expect(&world, truth, "False");
    put(&world, truth, F(PyIntObject_ob_ival), 1);
    expect(&world, truth, "True");
    put(&world, truth, F(PyIntObject_ob_ival), 2);
    expect_error(&world, truth, PST_ERROR_CORRUPT);
    expect(&world, put_int(&world, LONG, true, max_digits, 1), "-1073741823L");
    expect(&world, put_bytes(&world, "\xe9", 1), "'\\xe9'");
    expect(&world, put_set(&world, 8, 0), "frozenset([])");
    end(&world);
}

static void check_containers(int minor)
{
    struct world world;
    begin(&world, 3, minor, 4);
    pst_addr one = put_small(&world, 1), two = put_small(&world, 2), none = put_object(&world, NONE, 0);
    pst_addr items[] = {one, two, none};
    expect(&world, put_tuple(&world, NULL, 0), "()");
    expect(&world, put_tuple(&world, items, 1), "(1,)");
    pst_addr tuple = put_tuple(&world, items, 3);
    expect(&world, tuple, "(1, 2, None)");
    expect(&world, put_slice(&world, one, none, tuple), "slice(1, None, (1, 2, None))");

    expect(&world, put_set(&world, 8, 0), "frozenset()");
    pst_addr set = put_set(&world, 8, 3);
    put_entry(&world, set, 7, one, 1);
    put_entry(&world, set, 0, two, 2);
    put_entry(&world, set, 1, none, -1); /* was deleted */
    put_entry(&world, set, 3, tuple, 77);
    expect(&world, set, "frozenset({2, (1, 2, None), 1})");
    end(&world);
}

static void test_containers(void **state)
{
    (void)state;
    check_containers(6);
    check_containers(12);
}

/* What has a builtin's name and is none, and what is no constant. */
static void test_other_types(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 3, 12, 4);
    pst_addr own = put_int(&world, OWN_INT, false, max_digits, 1);
    expect_error(&world, own, PST_ERROR_UNSUPPORTED);
    expect_kind(&world, own, VALUE_OTHER);
    expect_error(&world, put_object(&world, LIST, 0), PST_ERROR_UNSUPPORTED);
    expect_error(&world, NOWHERE, PST_ERROR_READ);
    expect_error(&world, 0, PST_ERROR_READ);
    expect_kind(&world, put_object(&world, CODE, 0), VALUE_CODE);
    expect_kind(&world, put_object(&world, INT, 0), VALUE_INT);
    end(&world);
}

/* 2.7 cuts names at so many bytes, and where a C string ends. */
static void test_nested_code(void **state)
{
    (void)state;
    struct world world;
    char expected[600], long_name[260], long_file[700];
    begin(&world, 3, 12, 4);
    pst_addr code = put_object(&world, CODE, 0x200);
    put(&world, code, F(PyCodeObject_co_name), put_str(&world, "f"));
    put(&world, code, F(PyCodeObject_co_filename), put_str(&world, "\"x\".py"));
    snprintf(expected, sizeof expected, "(<code object f at 0x%llx, file \"\"x\".py\", line -1>,)",
             (unsigned long long)code);
    expect(&world, put_tuple(&world, &code, 1), expected);
    end(&world);

    begin(&world, 2, 7, 4);
    memset(long_name, 'n', sizeof long_name);
    memcpy(long_name + 99, "\xc3\xa9", 2);
    memset(long_file, 'p', sizeof long_file);
    code = put_object(&world, CODE, 0x200);
    put(&world, code, F(PyCodeObject_co_name), put_bytes(&world, long_name, sizeof long_name));
    put(&world, code, F(PyCodeObject_co_filename), put_bytes(&world, long_file, sizeof long_file));
    put(&world, code, F(PyCodeObject_co_firstlineno), 7);
    snprintf(expected, sizeof expected, "(<code object %.99s\xed\xb3\x83 at 0x%llx, file \"%.300s\", line 7>,)",
             long_name, (unsigned long long)code, long_file);
    expect(&world, put_tuple(&world, &code, 1), expected);
    put(&world, code, F(PyCodeObject_co_name), put_bytes(&world, "a\0b", 3));
    put(&world, code, F(PyCodeObject_co_filename), put_bytes(&world, "", 0));
    snprintf(expected, sizeof expected, "(<code object a at 0x%llx, file \"\", line 7>,)", (unsigned long long)code);
    expect(&world, put_tuple(&world, &code, 1), expected);
    end(&world);
}

/* ---- lies ---------------------------------------------------------------------------------------------- */

static void test_lying_ints(void **state)
{
    (void)state;
    struct world world;
    static const uint64_t tags[] = {0, 2, 3, 1 << 3 | 1, 1 << 3 | 3};
    begin(&world, 3, 12, 4);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        pst_addr object = put_small(&world, 5);
        put(&world, object, F(PyLongObject_long_value_lv_tag), tags[i]);
        expect_error(&world, object, PST_ERROR_CORRUPT);
    }
    expect_error(&world, put_int(&world, INT, false, (uint64_t[]){0x40000000}, 1), PST_ERROR_CORRUPT);
    expect_error(&world, put_int(&world, INT, false, (uint64_t[]){1, 0}, 2), PST_ERROR_CORRUPT);
    expect_error(&world, put_int(&world, BOOL, false, (uint64_t[]){2}, 1), PST_ERROR_CORRUPT);
    expect_error(&world, put_int(&world, BOOL, true, (uint64_t[]){1}, 1), PST_ERROR_CORRUPT);
    expect_error(&world, put_int(&world, BOOL, false, max_digits, 2), PST_ERROR_CORRUPT);
    pst_addr object = put_small(&world, 5);
    put(&world, object, F(PyLongObject_long_value_lv_tag), (uint64_t)(VALUE_MAX_DIGITS + 1) << 3);
    expect_error(&world, object, PST_ERROR_LIMIT);
    put(&world, object, F(PyLongObject_long_value_lv_tag), (uint64_t)VALUE_MAX_DIGITS << 3);
    expect_error(&world, object, PST_ERROR_READ);
    end(&world);

    begin(&world, 3, 9, 4);
    object = put_small(&world, 5);
    put(&world, object, F(PyVarObject_ob_size), (uint64_t)INT64_MIN);
    expect_error(&world, object, PST_ERROR_LIMIT);
    end(&world);
}

static void expect_size(struct world *world, pst_addr object, uint64_t bits, bool is_negative)
{
    uint64_t found;
    bool negative;
    memory_refresh(world->python.memory);
    assert_null(value_get_int_size(&world->python, object, VALUE_INT, &negative, &found));
    assert_int_equal(found, bits);
    assert_int_equal(negative, is_negative);
}

static void refuse_size(struct world *world, pst_addr object, pst_error_code code)
{
    uint64_t bits;
    bool is_negative;
    memory_refresh(world->python.memory);
    pst_error *error = value_get_int_size(&world->python, object, VALUE_INT, &is_negative, &bits);
    assert_int_equal(pst_error_get_code(error), code);
    pst_error_free(error);
}

/* As int.bit_length(); nothing but the highest digit is read. */
static void test_int_sizes(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 3, 11, 4);
    expect_size(&world, put_small(&world, 0), 0, false);
    expect_size(&world, put_small(&world, 1), 1, false);
    expect_size(&world, put_int(&world, INT, true, (uint64_t[]){0x3fffffff}, 1), 30, true);
    expect_size(&world, put_int(&world, INT, false, (uint64_t[]){0x40000000, 4}, 2), 33, false);
    refuse_size(&world, put_int(&world, INT, false, (uint64_t[]){1, 0}, 2), PST_ERROR_CORRUPT);
    refuse_size(&world, put_int(&world, INT, false, (uint64_t[]){1, 0x40000000}, 2), PST_ERROR_CORRUPT);
    pst_addr object = put_small(&world, 1);
    put(&world, object, F(PyVarObject_ob_size), (uint64_t)INT64_MIN);
    refuse_size(&world, object, PST_ERROR_CORRUPT);
    put(&world, object, F(PyVarObject_ob_size), 1 << 29);
    refuse_size(&world, object, PST_ERROR_READ);
    end(&world);
}

/* An object that has its dict behind -2^63 items. */
static void test_lying_count_before_a_dict(void **state)
{
    (void)state;
    struct world world;
    struct attributes attributes;
    begin(&world, 3, 8, 4);
    put(&world, type_at(OWN_INT), F(PyTypeObject_tp_dictoffset), (uint64_t)-8);
    pst_addr object = put_object(&world, OWN_INT, 0);
    put(&world, object, F(PyVarObject_ob_size), (uint64_t)INT64_MIN);
    pst_error *error = attributes_find(&world.python, object, type_at(OWN_INT), &attributes);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_CORRUPT);
    pst_error_free(error);
    end(&world);
}

static void test_lying_sets(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 3, 12, 4);
    pst_addr one = put_small(&world, 1);
    pst_addr fewer = put_set(&world, 8, 2), more = put_set(&world, 8, 1), odd = put_set(&world, 7, 0);
    put_entry(&world, fewer, 3, one, 1);
    expect_error(&world, fewer, PST_ERROR_CORRUPT);
    put_entry(&world, more, 3, one, 1);
    put_entry(&world, more, 4, one, 1);
    expect_error(&world, more, PST_ERROR_CORRUPT);
    expect_error(&world, odd, PST_ERROR_CORRUPT);
    expect_error(&world, put_set(&world, 8, 9), PST_ERROR_CORRUPT);
    pst_addr huge = put_set(&world, 8, 0);
    put(&world, huge, F(PySetObject_mask), UINT64_MAX);
    expect_error(&world, huge, PST_ERROR_CORRUPT);
    put(&world, huge, F(PySetObject_mask), 7);
    put(&world, huge, F(PySetObject_used), 1);
    put(&world, huge, F(PySetObject_table), NOWHERE);
    expect_error(&world, huge, PST_ERROR_READ);
    end(&world);
}

static void test_lying_tuples(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 3, 12, 4);
    pst_addr cycle = put_tuple(&world, (pst_addr[]){0}, 1);
    fake_put_unsigned(&world.fake, place_of(&world, cycle, F(PyTupleObject_ob_item)), 8, cycle);
    expect_error(&world, cycle, PST_ERROR_LIMIT);
    expect_error(&world, put_tuple(&world, (pst_addr[]){0}, 1), PST_ERROR_READ);
    pst_addr huge = put_tuple(&world, NULL, 0);
    put(&world, huge, F(PyVarObject_ob_size), VALUE_MAX_ITEMS + 1);
    expect_error(&world, huge, PST_ERROR_LIMIT);
    put(&world, huge, F(PyVarObject_ob_size), UINT64_MAX);
    expect_error(&world, huge, PST_ERROR_CORRUPT);
    put(&world, huge, F(PyVarObject_ob_size), VALUE_MAX_ITEMS);
    expect_error(&world, huge, PST_ERROR_READ);

    /* Forty levels of twice the level below. */
    pst_addr level = put_tuple(&world, NULL, 0);
    for (int i = 0; i < 40; i++)
        level = put_tuple(&world, (pst_addr[]){level, level}, 2);
    expect_error(&world, level, PST_ERROR_LIMIT);
    end(&world);
}

/* Ints that are too much work together, though each alone is not. */
static void test_work(void **state)
{
    (void)state;
    struct world world;
    const size_t count = 3000;
    uint64_t digits[3000];
    for (size_t i = 0; i < count; i++)
        digits[i] = 1;
    begin(&world, 3, 12, 4);
    pst_addr number = put_int(&world, INT, false, digits, count);
    memory_set_work(world.python.memory, 60000);
    assert_null(repr_add(&world.python, &world.arena, number, &world.text));
    pst_error *error = repr_add(&world.python, &world.arena, number, &world.text);
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_LIMIT);
    pst_error_free(error);
    end(&world);
}

/* ---- faults -------------------------------------------------------------------------------------------- */

/* With any read failing: an error, or what it would be without. */
static void read_all(struct fake *fake, size_t failing, void *context)
{
    const struct world *built = context;
    struct python python = built->python;
    struct value_types known = {0};
    struct arena arena = {0};
    struct text text = {0};
    python.value_types = &known;
    python.memory = fake_memory(fake);
    pst_error *error = repr_add(&python, &arena, built->next, &text);
    assert_true(failing || !error);
    if (!error) {
        text_add_char(&text, '\0');
        assert_string_equal(text.data, "(1, -0.25, 'name', b'bytes', frozenset({1}), slice(1, None, True), 1j)");
    }
    pst_error_free(error);
    known_type_names_free(known.names);
    text_free(&text);
    arena_free(&arena);
    memory_close(python.memory);
}

static void test_faults(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 3, 14, 4);
    pst_addr one = put_small(&world, 1), set = put_set(&world, 8, 1);
    put_entry(&world, set, 5, one, 1);
    pst_addr slice = put_slice(&world, one, put_object(&world, NONE, 0),
                               put_int(&world, BOOL, false, (uint64_t[]){1}, 1));
    pst_addr items[] = {one, put_float(&world, -0.25), put_str(&world, "name"), put_bytes(&world, "bytes", 5), set,
                        slice, put_complex(&world, 0, 1)};
    world.next = put_tuple(&world, items, sizeof items / sizeof *items);
    fake_for_each_fault(&world.fake, read_all, &world);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_digits_of_15_bits),
        cmocka_unit_test(test_numbers_of_2),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_nested_code),
        cmocka_unit_test(test_lying_ints),
        cmocka_unit_test(test_int_sizes),
        cmocka_unit_test(test_lying_count_before_a_dict),
        cmocka_unit_test(test_lying_sets),
        cmocka_unit_test(test_lying_tuples),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
