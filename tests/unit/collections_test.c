/*
 * Dicts searched by hash, ordered dicts, deques and arrays in memory made of byte arrays: what lies about them.
 */
#include "python/c_name.h"
#include "python/dict.h"
#include "python/object.h"
#include "python/ordered_dict.h"
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
    STRUCT_SIZE = 0x100,   /* more than any object's head */
};

/* In TYPES, one after the other. */
enum type_index { INT, DICT, DEQUE, ARRAY, LIST, TYPE_COUNT };

static const struct {
    const char *name;
    uint64_t flags;
} types[TYPE_COUNT] = {
    [INT] = {"int", TPFLAGS_LONG_SUBCLASS},
    [DICT] = {"dict", TPFLAGS_DICT_SUBCLASS},
    [DEQUE] = {"deque", 0},
    [ARRAY] = {"array", 0},
    [LIST] = {"list", TPFLAGS_LIST_SUBCLASS},
};

struct world {
    struct fake fake;
    struct python python;
    struct value_types known;
    struct arena arena;
    struct types types;
    struct text text;
    pst_addr next;      /* free in HEAP */
};

/* ---- building ------------------------------------------------------------------------------------------ */

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    assert_true(place->offset >= 0 && place->size && !place->width);
    fake_put_unsigned(&world->fake, object + (pst_addr)place->offset, place->size, value);
}

static pst_addr place_of(const struct world *world, pst_addr object, enum field field)
{
    return object + (pst_addr)world->python.layout.places[field].offset;
}

static pst_addr type_at(enum type_index type)
{
    return TYPES + (pst_addr)type * TYPE_SIZE;
}

static void begin(struct world *world, int minor)
{
    bool found;
    *world = (struct world){.next = HEAP};
    assert_null(layout_load(3, minor, FLAVOUR_RELEASE, &world->python.layout, &found));
    assert_true(found);
    fake_map(&world->fake, HEAP, HEAP_SIZE);
    fake_map(&world->fake, TYPES, (size_t)TYPE_COUNT * TYPE_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.value_types = &world->known;
    for (int i = 0; i < TYPE_COUNT; i++) {
        fake_put(&world->fake, type_at(i) + NAME_OFF, types[i].name, strlen(types[i].name) + 1);
        put(world, type_at(i), F(PyTypeObject_tp_name), type_at(i) + NAME_OFF);
        put(world, type_at(i), F(PyTypeObject_tp_flags), types[i].flags);
        put(world, type_at(i), F(PyTypeObject_tp_itemsize), 4);
    }
    types_start(&world->types, &world->python, &world->arena);
}

static void end(struct world *world)
{
    text_free(&world->text);
    types_free(&world->types);
    arena_free(&world->arena);
    pst_target_close(world->python.target);
    known_type_names_free(world->known.names);
    fake_free(&world->fake);
}

static pst_addr put_bytes(struct world *world, size_t size)
{
    pst_addr address = world->next;
    world->next += (size + 15) / 16 * 16;
    return address;
}

static pst_addr put_object(struct world *world, enum type_index type)
{
    pst_addr object = put_bytes(world, STRUCT_SIZE);
    put(world, object, F(PyObject_ob_type), type_at(type));
    return object;
}

static pst_addr put_int(struct world *world, uint64_t number)
{
    pst_addr object = put_object(world, INT);
    put(world, object, F(PyLongObject_long_value_lv_tag), number ? 1 << 3 : 1);
    fake_put_unsigned(&world->fake, place_of(world, object, F(PyLongObject_long_value_ob_digit)), 4, number);
    return object;
}

static void expect_error(pst_error *error, pst_error_code code)
{
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), code);
    pst_error_free(error);
}

/* ---- dicts, by hash -------------------------------------------------------------------------------------- */

enum { TABLE_SIZE = 8, ENTRIES = 5, EMPTY = 0xff, DUMMY = 0xfe };

/* With a table of eight indices of a byte, and five entries. */
static pst_addr put_dict(struct world *world)
{
    pst_addr dict = put_object(world, DICT), keys = put_bytes(world, 0x200);
    put(world, dict, F(PyDictObject_ma_keys), keys);
    put(world, dict, F(PyDictObject_ma_used), ENTRIES);
    put(world, keys, F(PyDictKeysObject_dk_log2_size), 3);
    put(world, keys, F(PyDictKeysObject_dk_log2_index_bytes), 3);
    put(world, keys, F(PyDictKeysObject_dk_nentries), ENTRIES);
    memset(fake_at(&world->fake, place_of(world, keys, F(PyDictKeysObject_dk_indices)), TABLE_SIZE), EMPTY, TABLE_SIZE);
    return dict;
}

static pst_addr keys_of(struct world *world, pst_addr dict)
{
    return bytes_unsigned(fake_at(&world->fake, place_of(world, dict, F(PyDictObject_ma_keys)), 8), 8);
}

static void put_index(struct world *world, pst_addr dict, size_t slot, uint8_t index)
{
    fake_put(&world->fake, place_of(world, keys_of(world, dict), F(PyDictKeysObject_dk_indices)) + slot, &index, 1);
}

static void put_entry(struct world *world, pst_addr dict, size_t index, pst_addr key, pst_addr value)
{
    pst_addr entries = place_of(world, keys_of(world, dict), F(PyDictKeysObject_dk_indices)) + TABLE_SIZE;
    pst_addr entry = entries + index * size_of(&world->python, F(sizeof_PyDictKeyEntry));
    put(world, entry, F(PyDictKeyEntry_me_key), key);
    put(world, entry, F(PyDictKeyEntry_me_value), value);
}

static void expect_found(struct world *world, pst_addr dict, pst_addr key, uint64_t hash, pst_addr expected)
{
    pst_addr value;
    memory_refresh(world->python.memory);
    assert_null(dict_find(&world->python, dict, key, hash, &value));
    assert_int_equal(value, expected);
}

static void test_search_by_hash(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 12);
    pst_addr dict = put_dict(&world), key = put_int(&world, 1), other = put_int(&world, 2), value = put_int(&world, 3);
    put_entry(&world, dict, 0, other, other);
    put_entry(&world, dict, 1, key, value);
    put_index(&world, dict, 5, 1);
    expect_found(&world, dict, key, 5, value);
    expect_found(&world, dict, key, 5 + 8, value);
    expect_found(&world, dict, key, 4, 0);
    expect_found(&world, dict, other, 5, 0);
    expect_found(&world, dict, 0, 5, 0);
    /* From slot 5 on, with a hash of 5: 5 * 5 + (5 >> 5) + 1 = 26, that is slot 2. */
    put_index(&world, dict, 5, 0);
    put_index(&world, dict, 2, 1);
    expect_found(&world, dict, key, 5, value);
    put_index(&world, dict, 5, DUMMY);
    expect_found(&world, dict, key, 5, value);
    end(&world);
}

static void test_search_ends(void **state)
{
    (void)state;
    struct world world;
    pst_addr value;
    begin(&world, 12);
    pst_addr dict = put_dict(&world), key = put_int(&world, 1), other = put_int(&world, 2);
    put_entry(&world, dict, 0, other, other);
    for (size_t slot = 0; slot < TABLE_SIZE; slot++)
        put_index(&world, dict, slot, slot % 2 ? DUMMY : 0);
    expect_found(&world, dict, key, 12345, 0);
    for (size_t slot = 0; slot < TABLE_SIZE; slot++)
        put_index(&world, dict, slot, ENTRIES);
    memory_refresh(world.python.memory);
    expect_error(dict_find(&world.python, dict, key, 1, &value), PST_ERROR_CORRUPT);
    static const uint64_t lies[] = {0, 4, 5, 39, 40, 63, 64, 255};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        put(&world, keys_of(&world, dict), F(PyDictKeysObject_dk_log2_size), lies[i]);
        memory_refresh(world.python.memory);
        pst_error_free(dict_find(&world.python, dict, key, UINT64_MAX, &value));
        assert_int_equal(value, 0);
    }
    put(&world, dict, F(PyDictObject_ma_keys), NOWHERE);
    memory_refresh(world.python.memory);
    expect_error(dict_find(&world.python, dict, key, 1, &value), PST_ERROR_READ);
    end(&world);
}

/* ---- ordered dicts ------------------------------------------------------------------------------------------ */

static pst_addr put_node(struct world *world, pst_addr key, uint64_t hash)
{
    pst_addr node = put_bytes(world, 0x40);
    put(world, node, F(_odictnode_key), key);
    put(world, node, F(_odictnode_hash), hash);
    return node;
}

static void test_ordered_dict(void **state)
{
    (void)state;
    struct world world;
    struct ordered_dict_reader reader;
    uint64_t used;
    pst_addr key, value;
    begin(&world, 12);
    pst_addr dict = put_dict(&world), one = put_int(&world, 1), two = put_int(&world, 2);
    put_entry(&world, dict, 0, one, two);
    put_entry(&world, dict, 1, two, one);
    put_index(&world, dict, 1, 0);
    put_index(&world, dict, 2, 1);
    pst_addr first = put_node(&world, two, 2), last = put_node(&world, one, 1);
    put(&world, dict, F(PyODictObject_od_first), first);
    put(&world, first, F(_odictnode_next), last);
    assert_null(ordered_dict_start(&world.python, dict, &reader, &used));
    assert_int_equal(used, ENTRIES);
    assert_null(ordered_dict_next(&reader, &key, &value));
    assert_true(key == two && value == one);
    assert_null(ordered_dict_next(&reader, &key, &value));
    assert_true(key == one && value == two);
    expect_error(ordered_dict_next(&reader, &key, &value), PST_ERROR_CORRUPT);
    /* One that leads to itself goes on for as long as it is asked. */
    put(&world, last, F(_odictnode_next), last);
    memory_refresh(world.python.memory);
    assert_null(ordered_dict_start(&world.python, dict, &reader, &used));
    for (int i = 0; i < 1000; i++)
        assert_null(ordered_dict_next(&reader, &key, &value));
    put(&world, last, F(_odictnode_key), type_at(INT));
    memory_refresh(world.python.memory);
    expect_error(ordered_dict_next(&reader, &key, &value), PST_ERROR_CORRUPT);
    end(&world);
}

/* ---- deques, arrays ------------------------------------------------------------------------------------------- */

typedef pst_error *adder(struct repr *repr, const struct instance *object);

static pst_error *add(struct world *world, adder *adder, pst_addr object, struct repr_bounds bounds)
{
    struct type type = {.name = {"deque", 5}};
    struct repr repr;
    world->text.size = 0;
    memory_refresh(world->python.memory);
    repr_start(&repr, &world->types, &world->arena, bounds, &world->text);
    pst_error *error = adder(&repr, &(struct instance){.address = object, .type = &type});
    pst_error_free(repr.error);
    text_add_char(&world->text, '\0');
    return error;
}

static void expect_text(struct world *world, adder *adder, pst_addr object, struct repr_bounds bounds,
                        const char *expected)
{
    assert_null(add(world, adder, object, bounds));
    assert_string_equal(world->text.data, expected);
}

static pst_addr put_deque(struct world *world, uint64_t count, pst_addr block, uint64_t index)
{
    pst_addr deque = put_object(world, DEQUE);
    put(world, deque, F(PyVarObject_ob_size), count);
    put(world, deque, F(dequeobject_leftblock), block);
    put(world, deque, F(dequeobject_leftindex), index);
    put(world, deque, F(dequeobject_maxlen), UINT64_MAX);
    return deque;
}

static void test_deque(void **state)
{
    (void)state;
    struct world world;
    const struct repr_bounds few = {4, 3, SIZE_MAX};
    begin(&world, 12);
    uint64_t block_size = size_of(&world.python, F(sizeof_BLOCK)) / 8 - 2;
    pst_addr number = put_int(&world, 7), block = put_bytes(&world, 0x400);
    for (uint64_t i = 0; i < block_size; i++)
        fake_put_unsigned(&world.fake, place_of(&world, block, F(BLOCK_data)) + 8 * i, 8, number);
    put(&world, block, F(BLOCK_rightlink), block);
    expect_text(&world, repr_add_deque, put_deque(&world, 0, NOWHERE, 99), few, "deque([])");
    expect_text(&world, repr_add_deque, put_deque(&world, 2, block, block_size - 1), few, "deque([7, 7])");
    expect_text(&world, repr_add_deque, put_deque(&world, INT64_MAX, block, 0), few,
                "deque([7, 7, 7, … +9,223,372,036,854,775,804])");
    expect_error(add(&world, repr_add_deque, put_deque(&world, INT64_MAX, block, 0), REPR_UNBOUNDED), PST_ERROR_LIMIT);
    expect_error(add(&world, repr_add_deque, put_deque(&world, UINT64_MAX, block, 0), few), PST_ERROR_CORRUPT);
    expect_error(add(&world, repr_add_deque, put_deque(&world, 1, block, block_size), few), PST_ERROR_CORRUPT);
    expect_error(add(&world, repr_add_deque, put_deque(&world, 1, NOWHERE, 0), few), PST_ERROR_READ);
    end(&world);
}

static pst_addr put_array(struct world *world, uint64_t count, char typecode, uint64_t item_size, pst_addr items)
{
    pst_addr array = put_object(world, ARRAY), description = put_bytes(world, 0x40);
    put(world, array, F(PyVarObject_ob_size), count);
    put(world, array, F(arrayobject_ob_item), items);
    put(world, array, F(arrayobject_ob_descr), description);
    put(world, description, F(arraydescr_typecode), (uint8_t)typecode);
    put(world, description, F(arraydescr_itemsize), item_size);
    return array;
}

static void test_array(void **state)
{
    (void)state;
    struct world world;
    const struct repr_bounds few = {4, 2, SIZE_MAX}, short_text = {4, 2, 20};
    begin(&world, 12);
    pst_addr items = put_bytes(&world, 0x100);
    fake_put_unsigned(&world.fake, items, 8, 0xfffe0041);
    expect_text(&world, repr_add_array_object, put_array(&world, 0, 'i', 4, NOWHERE), few, "deque('i')");
    expect_text(&world, repr_add_array_object, put_array(&world, 2, 'h', 2, items), few, "deque('h', [65, -2])");
    expect_text(&world, repr_add_array_object, put_array(&world, INT64_MAX, 'H', 2, items), few,
                "deque('H', [65, 65534, … +9,223,372,036,854,775,805])");
    expect_text(&world, repr_add_array_object, put_array(&world, 1, 'B', 1, items), few, "deque('B', [65])");
    expect_error(add(&world, repr_add_array_object, put_array(&world, 1, 'u', 4, items), few), PST_ERROR_CORRUPT);
    expect_error(add(&world, repr_add_array_object, put_array(&world, 1, 'h', 4, items), few), PST_ERROR_CORRUPT);
    expect_error(add(&world, repr_add_array_object, put_array(&world, 1, 'x', 4, items), few), PST_ERROR_CORRUPT);
    expect_error(add(&world, repr_add_array_object, put_array(&world, UINT64_MAX, 'h', 2, items), few),
                 PST_ERROR_CORRUPT);
    expect_error(add(&world, repr_add_array_object, put_array(&world, 1, 'q', 8, NOWHERE), few), PST_ERROR_READ);
    expect_error(add(&world, repr_add_array_object, put_array(&world, INT64_MAX, 'u', 4, items), REPR_UNBOUNDED),
                 PST_ERROR_CORRUPT);
    fake_put_unsigned(&world.fake, items, 4, 0x1f600);
    expect_text(&world, repr_add_array_object, put_array(&world, 1, 'u', 4, items), short_text,
                "deque('u', '\U0001f600')");
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_by_hash), cmocka_unit_test(test_search_ends),
        cmocka_unit_test(test_ordered_dict),   cmocka_unit_test(test_deque),
        cmocka_unit_test(test_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
