/*
 * Code objects as marshal has them, on memory made of byte arrays: the exact bytes, references among them, and what is
 * left of one that can't be written (nothing). The objects are those of a CPython 3.9.
 */
#include "python/c_name.h"
#include "python/object.h"
#include "python/pyc.h"
#include "python/value.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HEAP = 0x100000,
    HEAP_SIZE = 0x100000,
    STEP = 0x100,        /* from one object to the next */
    TYPES = 0x200000,
    TYPE_STEP = 0x1000,
};

/* In the order of value_type.c. */
enum type { STR, INT, TUPLE, BYTES, FLOAT, BOOL, COMPLEX, FROZENSET, SLICE, CODE, ELLIPSIS, NONE, TYPE_COUNT, FOREIGN };

struct world {
    struct fake fake;
    struct python python;
    struct value_types types;
    const struct opcodes *opcodes;
    pst_addr next, empty, nothing, empty_bytes;
    struct text bytes;
    struct marshal marshal;
};

/* ---- building --------------------------------------------------------------------------------------- */

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    assert_true(place->offset >= 0);
    pst_addr at = object + (pst_addr)place->offset;
    if (place->width) {
        uint64_t old = bytes_unsigned(fake_at(&world->fake, at, place->size), place->size);
        value = (old & ~((((uint64_t)1 << place->width) - 1) << place->bit)) | value << place->bit;
    }
    fake_put_unsigned(&world->fake, at, place->size, value);
}

static pst_addr place_of(const struct world *world, enum field field)
{
    return (pst_addr)world->python.layout.places[field].offset;
}

static pst_addr type_at(enum type type)
{
    return TYPES + (pst_addr)type * TYPE_STEP;
}

static pst_addr make(struct world *world, enum type type)
{
    pst_addr object = world->next;
    world->next += STEP;
    put(world, object, F(PyObject_ob_refcnt), 1);
    put(world, object, F(PyObject_ob_type), type_at(type));
    return object;
}

static pst_addr make_str(struct world *world, const char *text)
{
    pst_addr object = make(world, STR);
    put(world, object, F(PyASCIIObject_length), strlen(text));
    put(world, object, F(PyASCIIObject_state_kind), 1);
    put(world, object, F(PyASCIIObject_state_compact), 1);
    put(world, object, F(PyASCIIObject_state_ascii), 1);
    fake_put(&world->fake, object + size_of(&world->python, F(sizeof_PyASCIIObject)), text, strlen(text));
    return object;
}

static pst_addr make_bytes(struct world *world, const void *bytes, size_t size)
{
    pst_addr object = make(world, BYTES);
    put(world, object, F(PyVarObject_ob_size), size);
    fake_put(&world->fake, object + place_of(world, F(PyBytesObject_ob_sval)), bytes, size);
    return object;
}

static pst_addr make_int(struct world *world, bool is_negative, uint64_t count, uint32_t low, uint32_t high)
{
    pst_addr object = make(world, INT);
    pst_addr digits = object + place_of(world, F(PyLongObject_ob_digit));
    put(world, object, F(PyVarObject_ob_size), is_negative ? 0 - count : count);
    fake_put_unsigned(&world->fake, digits, 4, low);
    fake_put_unsigned(&world->fake, digits + 4, 4, high);
    return object;
}

static pst_addr make_tuple(struct world *world, const pst_addr *items, size_t count)
{
    pst_addr object = make(world, TUPLE);
    put(world, object, F(PyVarObject_ob_size), count);
    for (size_t i = 0; i < count; i++)
        fake_put_unsigned(&world->fake, object + place_of(world, F(PyTupleObject_ob_item)) + 8 * i, 8, items[i]);
    return object;
}

static void begin(struct world *world)
{
    bool found;
    *world = (struct world){.next = HEAP};
    assert_null(layout_load(3, 9, FLAVOUR_RELEASE, &world->python.layout, &found));
    assert_true(found);
    assert_null(opcodes_get(3, 9, &world->opcodes));
    fake_map(&world->fake, HEAP, HEAP_SIZE);
    fake_map(&world->fake, TYPES, (FOREIGN + 1) * TYPE_STEP);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.location.code_type = type_at(CODE);
    world->python.version = (struct version){.major = 3, .minor = 9};
    world->python.value_types = &world->types;
    world->types.complete = true;
    for (enum type type = STR; type < TYPE_COUNT; type++)
        world->types.types[type] = type_at(type);
    put(world, type_at(STR), F(PyTypeObject_tp_flags), TPFLAGS_UNICODE_SUBCLASS);
    put(world, type_at(BYTES), F(PyTypeObject_tp_flags), TPFLAGS_BYTES_SUBCLASS);
    put(world, type_at(INT), F(PyTypeObject_tp_flags), TPFLAGS_LONG_SUBCLASS);
    put(world, type_at(INT), F(PyTypeObject_tp_itemsize), 4);
    put(world, type_at(FOREIGN), F(PyTypeObject_tp_flags), 1 << 9);
    world->empty = make_tuple(world, NULL, 0);
    world->nothing = make(world, NONE);
    world->empty_bytes = make_bytes(world, "", 0);
    marshal_start(&world->marshal, &world->python, world->opcodes, &world->bytes);
}

static void end(struct world *world)
{
    marshal_free(&world->marshal);
    text_free(&world->bytes);
    pst_target_close(world->python.target);
    known_type_names_free(world->types.names);
    fake_free(&world->fake);
}

/* LOAD_CONST 0, RETURN_VALUE. */
static pst_addr make_code(struct world *world, const char *name, const pst_addr *constants, size_t count)
{
    static const uint8_t instructions[] = {100, 0, 83, 0};
    pst_addr code = make(world, CODE);
    put(world, code, F(PyCodeObject_co_firstlineno), 7);
    put(world, code, F(PyCodeObject_co_stacksize), 1);
    put(world, code, F(PyCodeObject_co_flags), 0x43);
    put(world, code, F(PyCodeObject_co_code), make_bytes(world, instructions, sizeof instructions));
    put(world, code, F(PyCodeObject_co_consts), make_tuple(world, constants, count));
    put(world, code, F(PyCodeObject_co_names), world->empty);
    put(world, code, F(PyCodeObject_co_varnames), world->empty);
    put(world, code, F(PyCodeObject_co_freevars), world->empty);
    put(world, code, F(PyCodeObject_co_cellvars), world->empty);
    put(world, code, F(PyCodeObject_co_filename), make_str(world, "a.py"));
    put(world, code, F(PyCodeObject_co_name), make_str(world, name));
    put(world, code, F(PyCodeObject_co_lnotab), world->empty_bytes);
    return code;
}

static void expect_error(pst_error *error, pst_error_code code, const char *part)
{
    assert_non_null(error);
    if (pst_error_get_code(error) != code || !strstr(pst_error_get_message(error), part))
        fail_msg("no \"%s\" in: %s", part, pst_error_get_message(error));
    pst_error_free(error);
}

static void expect_bytes(const struct world *world, size_t start, const void *expected, size_t size)
{
    assert_int_equal(world->bytes.size - start, size);
    assert_memory_equal(world->bytes.data + start, expected, size);
}

/* ---- tests ------------------------------------------------------------------------------------------ */

#define INT32(a, b, c, d) a, b, c, d
#define HEAD 0xe3, INT32(0, 0, 0, 0), INT32(0, 0, 0, 0), INT32(0, 0, 0, 0), INT32(0, 0, 0, 0), INT32(1, 0, 0, 0), \
    INT32(0x43, 0, 0, 0), 's', INT32(4, 0, 0, 0), 100, 0, 83, 0

static void test_code(void **state)
{
    (void)state;
    static const uint8_t first[] = {
        HEAD,
        0xa9, 1, 'N',                                     /* 1: co_consts; 0 is the code object itself */
        0xa9, 0, 'r', INT32(2, 0, 0, 0), 'r', INT32(2, 0, 0, 0), 'r', INT32(2, 0, 0, 0), /* 2: the empty tuple */
        0xda, 4, 'a', '.', 'p', 'y', 0xda, 1, 'f',        /* 3, 4 */
        INT32(7, 0, 0, 0),
        0xf3, INT32(0, 0, 0, 0),                          /* 5 */
    };
    static const uint8_t second[] = {
        HEAD,
        0xa9, 1, 'r', INT32(0, 0, 0, 0),                  /* the first code object */
        'r', INT32(2, 0, 0, 0), 'r', INT32(2, 0, 0, 0), 'r', INT32(2, 0, 0, 0), 'r', INT32(2, 0, 0, 0),
        0xda, 4, 'a', '.', 'p', 'y', 0xda, 1, 'g',
        INT32(7, 0, 0, 0),
        'r', INT32(5, 0, 0, 0),
    };
    struct world world;
    begin(&world);
    pst_addr f = make_code(&world, "f", &world.nothing, 1);
    pst_addr g = make_code(&world, "g", &f, 1);
    assert_null(marshal_add_code(&world.marshal, f));
    expect_bytes(&world, 0, first, sizeof first);
    assert_null(marshal_add_code(&world.marshal, g));
    expect_bytes(&world, sizeof first, second, sizeof second);
    assert_int_equal(world.marshal.code_count, 2);
    assert_true(world.marshal.codes[0] == f && world.marshal.codes[1] == g);
    end(&world);
}

static void test_ints(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0xa9, 6,
        'i', INT32(0, 0, 0, 0),
        'i', INT32(0xff, 0xff, 0xff, 0x7f),
        'i', INT32(0, 0, 0, 0x80),
        'l', INT32(3, 0, 0, 0), 0, 0, 0, 0, 2, 0,                     /* 1 << 31 */
        'l', INT32(0xfd, 0xff, 0xff, 0xff), 1, 0, 0, 0, 2, 0,         /* -(1 << 31) - 1 */
        'l', INT32(4, 0, 0, 0), 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f,
    };
    static const uint8_t head[] = {HEAD};
    struct world world;
    begin(&world);
    const pst_addr ints[] = {
        make_int(&world, false, 0, 0, 0),
        make_int(&world, false, 2, 0x3fffffff, 1),
        make_int(&world, true, 2, 0, 2),
        make_int(&world, false, 2, 0, 2),
        make_int(&world, true, 2, 1, 2),
        make_int(&world, false, 2, 0x3fffffff, 0x3fffffff),
    };
    assert_null(marshal_add_code(&world.marshal, make_code(&world, "f", ints, sizeof ints / sizeof *ints)));
    assert_true(world.bytes.size > sizeof head + sizeof expected);
    assert_memory_equal(world.bytes.data + sizeof head, expected, sizeof expected);
    end(&world);
}

/* Nothing of it is left, and what it would have been referred to by is free again. */
static void test_failures(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    pst_addr sound = make_code(&world, "f", &world.nothing, 1);
    const pst_addr two[] = {make_code(&world, "h", &world.nothing, 1), make(&world, FOREIGN)};
    pst_addr broken = make_code(&world, "g", two, 2);
    assert_non_null(broken);
    for (int i = 0; i < 3; i++) {
        expect_error(marshal_add_code(&world.marshal, broken), PST_ERROR_UNSUPPORTED, "");
        assert_int_equal(world.bytes.size, 0);
        assert_int_equal(world.marshal.written_count, 0);
        assert_int_equal(world.marshal.code_count, 0);
    }
    assert_null(marshal_add_code(&world.marshal, sound));
    size_t size = world.bytes.size, count = world.marshal.written_count;
    expect_error(marshal_add_code(&world.marshal, broken), PST_ERROR_UNSUPPORTED, "");
    expect_error(marshal_add_code(&world.marshal, world.nothing), PST_ERROR_CORRUPT, "");
    assert_int_equal(world.bytes.size, size);
    assert_int_equal(world.marshal.written_count, count);
    assert_null(marshal_add_code(&world.marshal, two[0]));
    assert_int_equal(world.marshal.code_count, 2);
    end(&world);
}

static void test_circles(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    pst_addr inner = make_code(&world, "g", &world.nothing, 1), constants = make_tuple(&world, &inner, 1);
    pst_addr code = make_code(&world, "f", &inner, 1);
    put(&world, inner, F(PyCodeObject_co_consts), constants);
    fake_put_unsigned(&world.fake, constants + place_of(&world, F(PyTupleObject_ob_item)), 8, code);
    expect_error(marshal_add_code(&world.marshal, code), PST_ERROR_CORRUPT, "is in itself");
    assert_int_equal(world.bytes.size, 0);
    end(&world);
}

/* More of them than there are slots at first; every one is found again after some failed in between. */
static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    struct world world;
    begin(&world);
    const pst_addr foreign = make(&world, FOREIGN);
    pst_addr codes[COUNT];
    for (int i = 0; i < COUNT; i++)
        codes[i] = make_code(&world, "f", i % 3 ? &world.nothing : &foreign, 1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            size_t size = world.bytes.size;
            pst_error *error = marshal_add_code(&world.marshal, codes[i]);
            if (!(i % 3))
                expect_error(error, PST_ERROR_UNSUPPORTED, "");
            else
                assert_null(error);
            /* A reference takes five bytes. */
            assert_true(!(i % 3) ? world.bytes.size == size : round ? world.bytes.size == size + 5
                                                                    : world.bytes.size > size + 5);
        }
    }
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code),     cmocka_unit_test(test_ints), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_circles),  cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
