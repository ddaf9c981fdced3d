/*
 * The copies of a code object's bytecode that threads execute in free-threaded builds, on memory made of byte arrays:
 * co_tlbc of a CPython 3.14, and its lies.
 */
#include "python/code_object.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CODE = 0x100000,
    ARRAY = 0x110000,
    FIRST = 0x120000,     /* of the copies */
    MAP_SIZE = 0x1000,
    NOWHERE = 0x900000,
};

struct world {
    struct fake fake;
    struct python python;
    const struct opcodes *opcodes;
    struct arena arena;
    struct pst_code code;
};

static pst_addr place_of(const struct world *world, enum field field)
{
    return (pst_addr)world->python.layout.places[field].offset;
}

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    fake_put_unsigned(&world->fake, object + place_of(world, field), world->python.layout.places[field].size, value);
}

static void put_entry(struct world *world, size_t index, pst_addr value)
{
    fake_put_unsigned(&world->fake, ARRAY + place_of(world, F(_PyCodeArray_entries)) + 8 * index, 8, value);
}

static int find_opcode(const struct opcodes *opcodes, const char *name)
{
    for (int i = 0; i < 256; i++)
        if (opcodes->opcodes[i].name && strcmp(opcodes->opcodes[i].name, name) == 0)
            return i;
    fail_msg("no opcode %s", name);
    return -1;
}

/* RESUME 0; BINARY_OP 0 with its caches; RETURN_VALUE. `resume` and `binary`: what they are specialised to. */
static size_t make_units(const struct world *world, uint8_t units[32], const char *resume, const char *binary)
{
    int base = find_opcode(world->opcodes, "BINARY_OP");
    size_t size = 0;
    memset(units, 0, 32);
    units[size] = (uint8_t)find_opcode(world->opcodes, resume);
    size += 2;
    units[size] = (uint8_t)find_opcode(world->opcodes, binary);
    units[size + 2] = 0x34;     /* counter 3, backoff 4 */
    size += 2 + 2 * (size_t)world->opcodes->opcodes[base].cache_count;
    units[size] = (uint8_t)find_opcode(world->opcodes, "RETURN_VALUE");
    return size + 2;
}

static struct code_reader reader_of(struct world *world)
{
    return (struct code_reader){&world->python, world->opcodes, &world->arena, &world->code};
}

/* Copies 1 and 3; a thread with index 2 never ran it. */
static void begin(struct world *world)
{
    bool found;
    uint8_t units[32];
    *world = (struct world){0};
    assert_null(layout_load(3, 14, FLAVOUR_FREE_THREADED, &world->python.layout, &found));
    assert_true(found);
    assert_null(opcodes_get(3, 14, &world->opcodes));
    fake_map(&world->fake, CODE, MAP_SIZE);
    fake_map(&world->fake, ARRAY, MAP_SIZE);
    fake_map(&world->fake, FIRST, MAP_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    size_t size = make_units(world, units, "RESUME", "BINARY_OP");
    world->code.address = CODE;
    world->code.table.code_size = (int)size;
    fake_put(&world->fake, CODE + place_of(world, F(PyCodeObject_co_code_adaptive)), units, size);
    put(world, CODE, F(PyCodeObject_co_tlbc), ARRAY);
    put(world, ARRAY, F(_PyCodeArray_size), 4);
    put_entry(world, 0, CODE + place_of(world, F(PyCodeObject_co_code_adaptive)));
    put_entry(world, 1, FIRST);
    put_entry(world, 3, FIRST + 0x100);
    make_units(world, units, "RESUME_CHECK", "BINARY_OP_ADD_INT");
    fake_put(&world->fake, FIRST, units, size);
    make_units(world, units, "RESUME", "BINARY_OP_ADD_FLOAT");
    fake_put(&world->fake, FIRST + 0x100, units, size);
    struct code_reader reader = reader_of(world);
    assert_null(bytecode_read(&reader));
}

static void end(struct world *world)
{
    arena_free(&world->arena);
    pst_target_close(world->python.target);
    fake_free(&world->fake);
}

/* As memory is now. */
static pst_error *read_copies(struct world *world)
{
    struct code_reader reader = reader_of(world);
    memory_outdate(world->python.memory);
    world->code.copies = NULL;
    world->code.copy_count = 0;
    return code_copies_read(&reader);
}

static void expect_corrupt(pst_error *error, const char *message)
{
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_CORRUPT);
    assert_non_null(strstr(pst_error_get_message(error), message));
    pst_error_free(error);
}

static void test_copies(void **state)
{
    (void)state;
    struct world world;
    uint8_t units[32];
    begin(&world);
    struct code_reader reader = reader_of(&world);
    assert_null(read_copies(&world));
    assert_null(instructions_read(&reader));
    size_t count;
    const pst_code_copy *copies = pst_code_get_copies(&world.code, &count);
    assert_int_equal(count, 2);
    assert_int_equal(copies[0].index, 1);
    assert_int_equal(copies[1].index, 3);
    size_t size = make_units(&world, units, "RESUME_CHECK", "BINARY_OP_ADD_INT");
    assert_int_equal(copies[0].adaptive.size, size);
    assert_memory_equal(copies[0].adaptive.data, units, size);
    assert_string_equal(world.code.instructions[1].adaptive, "BINARY_OP");
    assert_string_equal(copies[0].instructions[0].adaptive, "RESUME_CHECK");
    assert_string_equal(copies[0].instructions[1].adaptive, "BINARY_OP_ADD_INT");
    assert_string_equal(copies[0].instructions[1].name, "BINARY_OP");
    assert_string_equal(copies[1].instructions[1].adaptive, "BINARY_OP_ADD_FLOAT");
    assert_int_equal(copies[1].instructions[1].counter, 3);
    assert_int_equal(copies[1].instructions[1].backoff, 4);
    end(&world);
}

static void test_place(void **state)
{
    (void)state;
    struct world world;
    pst_addr first;
    begin(&world);
    assert_null(code_copy_find(&world.python, CODE, 3, &first));
    assert_int_equal(first, FIRST + 0x100);
    expect_corrupt(code_copy_find(&world.python, CODE, 4, &first), "tlbc_index is 4, the code object has 4 copies");
    expect_corrupt(code_copy_find(&world.python, CODE, -1, &first), "tlbc_index is -1");
    end(&world);
}

static void test_lies(void **state)
{
    (void)state;
    struct world world;
    uint8_t units[32];
    begin(&world);
    make_units(&world, units, "RESUME", "COMPARE_OP");
    fake_put(&world.fake, FIRST, units, 4);
    expect_corrupt(read_copies(&world), "");
    make_units(&world, units, "NOP", "BINARY_OP");
    fake_put(&world.fake, FIRST, units, 4);
    expect_corrupt(read_copies(&world), "it is not of the same code");
    put(&world, ARRAY, F(_PyCodeArray_size), (uint64_t)-1);
    expect_corrupt(read_copies(&world), "there can't be -1 copies");
    put(&world, ARRAY, F(_PyCodeArray_size), (uint64_t)1 << 40);
    expect_corrupt(read_copies(&world), "there can't be");
    put(&world, ARRAY, F(_PyCodeArray_size), 2);
    put_entry(&world, 1, NOWHERE);
    pst_error *error = read_copies(&world);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_READ);
    pst_error_free(error);
    put(&world, CODE, F(PyCodeObject_co_tlbc), 0);
    assert_null(read_copies(&world));
    assert_int_equal(world.code.copy_count, 0);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies), cmocka_unit_test(test_place), cmocka_unit_test(test_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
