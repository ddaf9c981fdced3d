/*
 * What is prefetched of code objects: all that decoding asks for, in a few reads; and nothing that a lying head could
 * make of it, in the layouts of every kind.
 */
#include "python/c_name.h"
#include "python/code_prefetch.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HEAP = 0x100000,
    HEAP_SIZE = 0x40000,
    HEADS = 128,
    ROUNDS = 200,
};

struct world {
    struct fake fake;
    struct python python;
    struct value_types types;
};

static const struct {
    int minor;
    enum flavour flavour;
} layouts[] = {
    {6, FLAVOUR_RELEASE},
    {9, FLAVOUR_RELEASE},
    {11, FLAVOUR_RELEASE},
    {12, FLAVOUR_DEBUG},
    {14, FLAVOUR_FREE_THREADED},
};

static void begin(struct world *world, int minor, enum flavour flavour)
{
    bool found;
    *world = (struct world){0};
    assert_null(layout_load(3, minor, flavour, &world->python.layout, &found));
    assert_true(found);
    fake_map(&world->fake, HEAP, HEAP_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.value_types = &world->types;
    world->types.complete = true;
    memory_set_work(world->python.memory, MEMORY_MAX_WORK);
}

static void end(struct world *world)
{
    pst_target_close(world->python.target);
    known_type_names_free(world->types.names);
    fake_free(&world->fake);
}

static void put(struct world *world, struct code_head *head, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    if (place->offset >= 0)
        memcpy(head->bytes + place->offset, &value, 8);
}

static bool is_held(struct world *world, pst_addr address)
{
    size_t before = world->fake.read_count;
    uint8_t byte;
    assert_null(memory_read(world->python.memory, address, &byte, 1));
    return world->fake.read_count == before;
}

/* A code object at HEAP whose constants are a tuple of one str, each on pages of its own. */
static void fetches_what_is_asked_for(void **state)
{
    (void)state;
    enum { CONSTS = HEAP + 0x4000, ITEM = HEAP + 0x8000, LINES = HEAP + 0xc000, NAME = HEAP + 0x10000 };
    struct world world;
    struct code_head head = {.address = HEAP};
    begin(&world, 12, FLAVOUR_RELEASE);
    const struct place *places = world.python.layout.places;
    put(&world, &head, F(PyVarObject_ob_size), 2000);    /* code units */
    put(&world, &head, F(PyCodeObject_co_consts), CONSTS);
    put(&world, &head, F(PyCodeObject_co_linetable), LINES);
    put(&world, &head, F(PyCodeObject_co_name), NAME);
    fake_put_unsigned(&world.fake, CONSTS + (pst_addr)places[F(PyVarObject_ob_size)].offset, 8, 1);
    fake_put_unsigned(&world.fake, CONSTS + (pst_addr)places[F(PyTupleObject_ob_item)].offset, 8, ITEM);
    fake_put_unsigned(&world.fake, LINES + (pst_addr)places[F(PyVarObject_ob_size)].offset, 8, 3000);
    codes_prefetch(&world.python, &head, 1, false);
    assert_in_range(world.fake.read_count, 1, 4);
    assert_true(is_held(&world, HEAP) && is_held(&world, HEAP + 4100));
    assert_true(is_held(&world, CONSTS) && is_held(&world, ITEM) && is_held(&world, NAME));
    assert_true(is_held(&world, LINES) && is_held(&world, LINES + 3000));
    assert_false(is_held(&world, HEAP + 0x20000));
    end(&world);
}

static void fetches_heads_alone(void **state)
{
    (void)state;
    struct world world;
    struct code_head head = {.address = HEAP};
    begin(&world, 12, FLAVOUR_RELEASE);
    put(&world, &head, F(PyCodeObject_co_consts), HEAP + 0x4000);
    put(&world, &head, F(PyCodeObject_co_name), HEAP + 0x8000);
    codes_prefetch(&world.python, &head, 1, true);
    assert_true(is_held(&world, HEAP) && is_held(&world, HEAP + 0x8000));
    assert_false(is_held(&world, HEAP + 0x4000));
    end(&world);
}

/* Pointers into the heap, to nowhere, and to both ends of the address space. */
static uint64_t lie(void)
{
    uint64_t number = (uint64_t)random();
    switch (number % 6) {
    case 0: return HEAP + number / 6 % HEAP_SIZE;
    case 1: return UINT64_MAX - number / 6 % 2048;
    case 2: return number / 6 % 4096;
    case 3: return number << 33 ^ number;
    case 4: return 0;
    default: return number / 6 % (1 << 18);
    }
}

static void survives_lies(void **state)
{
    (void)state;
    static struct code_head heads[HEADS];
    srandom(1);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        for (int round = 0; round < ROUNDS; round++) {
            struct world world;
            begin(&world, layouts[i].minor, layouts[i].flavour);
            for (pst_addr at = HEAP; at < HEAP + HEAP_SIZE; at += 8 * (1 + (pst_addr)random() % 32))
                fake_put_unsigned(&world.fake, at, 8, lie());
            for (size_t head = 0; head < HEADS; head++) {
                heads[head].address = lie();
                for (size_t at = 0; at < CODE_HEAD_SIZE; at += 8) {
                    uint64_t value = lie();
                    memcpy(heads[head].bytes + at, &value, 8);
                }
            }
            codes_prefetch(&world.python, heads, HEADS, round % 2);
            end(&world);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_what_is_asked_for),
        cmocka_unit_test(fetches_heads_alone),
        cmocka_unit_test(survives_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
