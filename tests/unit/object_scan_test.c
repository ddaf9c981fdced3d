/* The search for objects by their type, over memory made of byte arrays. */
#include "python/object_scan.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    HEAP = 0x100000,
    HEAP_SIZE = 0x200000, /* several pieces */
    OTHER = 0x700000,
    OTHER_SIZE = 0x1000,
    TYPE = 0x123450,
    SECOND_TYPE = 0x223450,
};

struct world {
    struct fake fake;
    struct python python;
    struct error_list errors;
    pst_addr off;
};

static void begin(struct world *world)
{
    bool found;
    *world = (struct world){0};
    assert_null(layout_load(3, 12, FLAVOUR_RELEASE, &world->python.layout, &found));
    fake_map(&world->fake, HEAP, HEAP_SIZE);
    fake_map(&world->fake, OTHER, OTHER_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->off = (pst_addr)world->python.layout.places[F(PyObject_ob_type)].offset;
}

static void end(struct world *world)
{
    error_list_free(&world->errors);
    pst_target_close(world->python.target);
    fake_free(&world->fake);
}

static void put_object(struct world *world, pst_addr object, pst_addr type)
{
    fake_put_unsigned(&world->fake, object + world->off, 8, type);
}

static void assert_finds(struct world *world, const pst_addr *types, size_t type_count, const pst_addr *objects,
                         const size_t *object_types, size_t count)
{
    struct object_scan scan;
    pst_addr object;
    size_t type;
    assert_null(object_scan_start(&scan, &world->python, types, type_count, &world->errors));
    for (size_t i = 0; i < count; i++) {
        assert_true(object_scan_next(&scan, &object, &type));
        assert_int_equal(object, objects[i]);
        assert_int_equal(type, object_types[i]);
    }
    assert_false(object_scan_next(&scan, &object, &type));
    assert_false(object_scan_next(&scan, &object, &type));
    object_scan_free(&scan);
}

/* At the start and the end of a mapping, on both sides of the end of a piece, right behind each other. */
static void test_finds_all(void **state)
{
    (void)state;
    struct world world;
    const pst_addr type = TYPE, piece_end = HEAP + OBJECT_SCAN_PIECE_SIZE;
    begin(&world);
    const pst_addr objects[] = {HEAP - world.off, HEAP + 0x108, HEAP + 0x110, piece_end - 8 - world.off,
                                piece_end - world.off, HEAP + HEAP_SIZE - 8 - world.off, OTHER + 0x20};
    const size_t types[sizeof objects / sizeof *objects] = {0};
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        put_object(&world, objects[i], TYPE);
    assert_finds(&world, &type, 1, objects, types, sizeof objects / sizeof *objects);
    assert_null(world.errors.first);
    end(&world);
}

static void test_several_types(void **state)
{
    (void)state;
    struct world world;
    const pst_addr types[] = {0, TYPE, SECOND_TYPE}; /* the first is not there: it counts for nothing */
    const pst_addr objects[] = {HEAP + 0x40, HEAP + 0x80, OTHER + 0x40};
    const size_t object_types[] = {1, 0, 1};
    begin(&world);
    put_object(&world, objects[0], SECOND_TYPE);
    put_object(&world, objects[1], TYPE);
    put_object(&world, objects[2], SECOND_TYPE);
    put_object(&world, OTHER + 0x80, 0);
    assert_finds(&world, types, 3, objects, object_types, 3);
    end(&world);
}

/* A word whose lower half alone is the type's, and a type at an address that is no multiple of eight. */
static void test_near_misses(void **state)
{
    (void)state;
    struct world world;
    const pst_addr type = TYPE;
    begin(&world);
    put_object(&world, HEAP + 0x40, TYPE | (uint64_t)1 << 32);
    fake_put_unsigned(&world.fake, HEAP + 0x84 + world.off, 8, TYPE);
    assert_finds(&world, &type, 1, NULL, NULL, 0);
    end(&world);
}

static void test_what_is_not_written_to(void **state)
{
    (void)state;
    struct world world;
    const pst_addr type = TYPE, object = OTHER + 0x20;
    const size_t object_type = 0;
    begin(&world);
    put_object(&world, HEAP + 0x40, TYPE);
    put_object(&world, object, TYPE);
    world.python.target->segments[0].writable = false;
    assert_finds(&world, &type, 1, &object, &object_type, 1);
    end(&world);
}

static void test_unreadable(void **state)
{
    (void)state;
    struct world world;
    const pst_addr type = TYPE, object = OTHER + 0x20;
    const size_t object_type = 0;
    begin(&world);
    put_object(&world, HEAP + 0x40, TYPE);
    put_object(&world, object, TYPE);
    world.fake.fail_at = world.fake.read_count + 1;
    world.python.target->segments[0].end = HEAP + MEMORY_PAGE_SIZE;
    assert_finds(&world, &type, 1, &object, &object_type, 1);
    assert_int_equal(world.errors.count, 1);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_all),   cmocka_unit_test(test_several_types),
        cmocka_unit_test(test_near_misses), cmocka_unit_test(test_what_is_not_written_to),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
