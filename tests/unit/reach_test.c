/* What variables lead to: the words before an object that lead to its attributes, by version; and that it comes to an
 * end wherever memory does. */
#include "python/c_name.h"
#include "python/reach.h"
#include "python/object.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORD = 8,
    TYPES = 0x200000,      /* type, then the instances' type */
    CODE = 0x201000,
    FRAME = 0x210000,
    OBJECT = 0x220000,
    ATTRIBUTES = 0x230000, /* its dict, or its values */
    VALUE = 0x240000,      /* of one attribute */
    REGION_SIZE = 0x1000,
};

struct world {
    struct fake fake;
    struct python python;
    struct value_types types;
    struct reach reach;
};

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    assert_true(place->offset >= 0);
    fake_put_unsigned(&world->fake, object + (pst_addr)place->offset, place->size, value);
}

static void put_word(struct world *world, pst_addr address, uint64_t word)
{
    fake_put_unsigned(&world->fake, address, WORD, word);
}

/* A frame with one variable, `variable`, an instance of a class. */
static void begin(struct world *world, int minor, enum flavour flavour, pst_addr variable)
{
    static const pst_addr regions[] = {TYPES, CODE, FRAME, OBJECT, ATTRIBUTES, VALUE};
    bool found;
    *world = (struct world){0};
    assert_null(layout_load(3, minor, flavour, &world->python.layout, &found));
    assert_true(found);
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
        fake_map(&world->fake, regions[i], REGION_SIZE);
    fake_map(&world->fake, UINT64_MAX - 4095, 4095); /* as far as a mapping goes */
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.version =
        (struct version){.major = 3, .minor = minor, .free_threaded = flavour == FLAVOUR_FREE_THREADED};
    world->python.location.type_type = TYPES;
    world->python.value_types = &world->types;
    const pst_addr class = TYPES + REGION_SIZE / 2;
    put(world, TYPES, F(PyObject_ob_type), TYPES);
    put(world, class, F(PyObject_ob_type), TYPES);
    put(world, class, F(PyTypeObject_tp_flags), TPFLAGS_MANAGED_DICT);
    put(world, class, F(PyTypeObject_tp_basicsize), 2 * WORD);
    put(world, OBJECT + 64, F(PyObject_ob_type), class);
    put(world, CODE, F(PyCodeObject_co_nlocalsplus), 1);
    put_word(world, FRAME + (pst_addr)world->python.layout.places[F(_PyInterpreterFrame_localsplus)].offset, variable);
    put_word(world, ATTRIBUTES + 64, VALUE);
    memory_begin(world->python.memory);
    reach_start(&world->reach, 1 << 20);
}

static void follow(struct world *world)
{
    reach_add_frame(&world->reach, &world->python, FRAME, CODE);
    reach_follow(&world->reach, &world->python);
}

struct search {
    pst_addr page;
    bool found;
};

static void look(void *context, const struct memory_page *page)
{
    struct search *search = context;
    search->found |= page->address == search->page && page->valid_end;
}

static bool was_touched(const struct world *world, pst_addr page)
{
    struct search search = {page, false};
    memory_visit(world->python.memory, look, &search);
    return search.found;
}

static void end(struct world *world)
{
    reach_free(&world->reach);
    known_type_names_free(world->types.names);
    pst_target_close(world->python.target);
    fake_free(&world->fake);
}

/* What a word before the object has to be so that the attributes are kept. */
static void expect_attributes(int minor, enum flavour flavour, int place, uint64_t word)
{
    struct world world;
    begin(&world, minor, flavour, OBJECT + 64);
    put_word(&world, OBJECT + 64 + (pst_addr)(int64_t)(place * WORD), word);
    follow(&world);
    assert_true(was_touched(&world, OBJECT));
    assert_true(was_touched(&world, ATTRIBUTES));
    assert_true(was_touched(&world, VALUE));
    end(&world);
}

static void test_attributes(void **state)
{
    (void)state;
    expect_attributes(11, FLAVOUR_RELEASE, -3, ATTRIBUTES);
    expect_attributes(11, FLAVOUR_RELEASE, -4, ATTRIBUTES + 32);
    expect_attributes(12, FLAVOUR_RELEASE, -3, ATTRIBUTES);
    expect_attributes(12, FLAVOUR_RELEASE, -3, ATTRIBUTES + 32 - 1); /* values */
    expect_attributes(13, FLAVOUR_RELEASE, -3, ATTRIBUTES);
    expect_attributes(14, FLAVOUR_RELEASE, -3, ATTRIBUTES);
    expect_attributes(13, FLAVOUR_FREE_THREADED, -1, ATTRIBUTES);
    expect_attributes(14, FLAVOUR_FREE_THREADED, -1, ATTRIBUTES);
}

/* The order of the attributes stands before their values: here on the page before. */
static void test_order_of_values(void **state)
{
    (void)state;
    for (int minor = 11; minor <= 12; minor++) {
        struct world world;
        const pst_addr values = ATTRIBUTES + MEMORY_PAGE_SIZE;
        begin(&world, minor, FLAVOUR_RELEASE, OBJECT + 64);
        put_word(&world, OBJECT + 64 - (minor == 11 ? 4 : 3) * WORD, minor == 11 ? values : values - 1);
        follow(&world);
        assert_true(was_touched(&world, values));
        assert_true(was_touched(&world, ATTRIBUTES));
        end(&world);
    }
}

/* Behind the last address there is no other. */
static void test_end_of_memory(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 12, FLAVOUR_RELEASE, UINT64_MAX - 511);
    follow(&world);
    assert_true(was_touched(&world, UINT64_MAX - 1023));
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_order_of_values),
        cmocka_unit_test(test_end_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
