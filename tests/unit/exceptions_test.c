/*
 * Exceptions in memory made of byte arrays, by the layout of a CPython 3.12: circles, chains without end, and limits.
 * What sound ones are, tests/oracle asks Python.
 */
#include "python/c_name.h"
#include "python/exceptions.h"
#include "python/object.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
    TYPE = 0x10000,
    TUPLE_TYPE = TYPE + 0xa00,
    THREAD = 0x20000,
    STACK_ITEM = 0x21000,
    OBJECTS = 0x100000,   /* exceptions or entries of tracebacks, one behind the other */
    OBJECT_SIZE = 0x80,
    COUNT = 20000,
    MOST_TOLD = 200,
    MOST_ENTRIES = 1 << 14,
};

struct world {
    struct fake fake;
    struct python python;
    struct value_types value_types;
    struct pst_snapshot snapshot;
    struct walk walk;
    struct details details;
    struct pst_thread thread;
};

static pst_addr object_at(size_t index)
{
    return OBJECTS + index * OBJECT_SIZE;
}

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    assert_true(place->offset >= 0);
    fake_put_unsigned(&world->fake, object + (pst_addr)place->offset, place->size, value);
}

static void begin(struct world *world)
{
    bool found;
    *world = (struct world){0};
    assert_null(layout_load(3, 12, FLAVOUR_RELEASE, &world->python.layout, &found));
    assert_true(found);
    fake_map(&world->fake, TYPE, 0x1000);
    fake_map(&world->fake, THREAD, 0x2000);
    fake_map(&world->fake, OBJECTS, COUNT * OBJECT_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.version = (struct version){.major = 3, .minor = 12};
    world->python.value_types = &world->value_types;
    world->walk = (struct walk){.python = &world->python, .snapshot = &world->snapshot, .bounds = REPR_UNBOUNDED};
    world->details.walk = &world->walk;
    types_start(&world->details.types, &world->python, &world->details.type_names);
    put(world, TYPE, F(PyTypeObject_tp_flags), TPFLAGS_BASE_EXC_SUBCLASS);
    put(world, TYPE, F(PyTypeObject_tp_name), TYPE + 0x800);
    fake_put(&world->fake, TYPE + 0x800, "E", sizeof "E");
}

static void end(struct world *world)
{
    known_type_names_free(world->value_types.names);
    types_free(&world->details.types);
    arena_free(&world->details.type_names);
    arena_free(&world->details.scratch);
    text_free(&world->details.text);
    error_list_free(&world->thread.errors);
    error_list_free(&world->snapshot.errors);
    code_table_free(&world->snapshot.codes);
    arena_free(&world->snapshot.arena);
    pst_target_close(world->python.target);
    fake_free(&world->fake);
}

/* ---- tracebacks ----------------------------------------------------------------------------------------- */

/* `count` entries, the last of which goes on with the one at `next`; COUNT: it is the last. */
static void put_entries(struct world *world, size_t count, size_t next)
{
    for (size_t i = 0; i < count; i++)
        put(world, object_at(i), F(PyTracebackObject_tb_next), object_at(i + 1));
    put(world, object_at(count - 1), F(PyTracebackObject_tb_next), next == COUNT ? 0 : object_at(next));
}

static void test_circles_of_tracebacks(void **state)
{
    (void)state;
    static const size_t circles[][2] = {{1, 0}, {2, 0}, {2, 1}, {7, 3}, {1000, 0}, {1000, 999}, {1000, 1}};
    for (size_t i = 0; i < sizeof circles / sizeof *circles; i++) {
        struct world world;
        pst_exception exception = {0};
        begin(&world);
        put_entries(&world, circles[i][0], circles[i][1]);
        pst_error *error = traceback_read(&world.details, object_at(0), &exception);
        assert_non_null(error);
        assert_non_null(strstr(pst_error_get_message(error), "has no end"));
        assert_int_equal(exception.traceback_count, 0);
        pst_error_free(error);
        end(&world);
    }
}

static void test_long_tracebacks(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, MOST_ENTRIES, MOST_ENTRIES + 1, COUNT};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct world world;
        pst_exception exception = {0};
        size_t count = counts[i] < MOST_ENTRIES ? counts[i] : MOST_ENTRIES;
        begin(&world);
        put_entries(&world, counts[i], COUNT);
        /* They have no frames: each is told of nevertheless. */
        pst_error *error = traceback_read(&world.details, object_at(0), &exception);
        assert_non_null(error);
        assert_null(strstr(pst_error_get_message(error), "has no end"));
        assert_int_equal(exception.traceback_count, count);
        assert_int_equal(exception.traceback[count - 1].line, -1);
        assert_true(exception.traceback_is_cut == (counts[i] > MOST_ENTRIES));
        assert_int_equal(exception.traceback_gap, counts[i] > MOST_ENTRIES ? MOST_ENTRIES / 2 : 0);
        assert_int_equal(exception.traceback_gap_count, counts[i] - count);
        pst_error_free(error);
        end(&world);
    }
}

/* Where the next entry can't be read, nobody knows how many are missing. */
static void test_broken_tracebacks(void **state)
{
    (void)state;
    struct world world;
    pst_exception exception = {0};
    begin(&world);
    put_entries(&world, 100, COUNT);
    put(&world, object_at(99), F(PyTracebackObject_tb_next), 0x666000);
    pst_error *error = traceback_read(&world.details, object_at(0), &exception);
    assert_non_null(error);
    assert_int_equal(exception.traceback_count, 101);
    assert_true(exception.traceback_is_cut);
    assert_int_equal(exception.traceback_gap, 101);
    assert_int_equal(exception.traceback_gap_count, 0);
    pst_error_free(error);
    end(&world);
}

/* ---- exceptions ------------------------------------------------------------------------------------------ */

/* `count` of them, each the context of the one before it; the last one's is that at `next`; COUNT: none. */
static void put_chain(struct world *world, size_t count, size_t next)
{
    put(world, THREAD, F(PyThreadState_exc_info), STACK_ITEM);
    put(world, STACK_ITEM, F(_PyErr_StackItem_exc_value), object_at(0));
    for (size_t i = 0; i < count; i++) {
        put(world, object_at(i), F(PyObject_ob_type), TYPE);
        put(world, object_at(i), F(PyBaseExceptionObject_context), object_at(i + 1));
    }
    put(world, object_at(count - 1), F(PyBaseExceptionObject_context), next == COUNT ? 0 : object_at(next));
}

/* How many are told of, one behind the other. */
static size_t tell(struct world *world)
{
    size_t count = 0;
    world->thread.address = THREAD;
    details_add_exceptions(&world->details, &world->thread);
    assert_int_equal(world->thread.exception_count, 1);
    for (const pst_exception *one = world->thread.exceptions[0]; one; one = one->context) {
        assert_int_equal(one->address, object_at(count));
        assert_true(one->handled);
        count++;
    }
    return count;
}

static size_t count_errors(const struct world *world, const char *message)
{
    size_t count = 0;
    for (const pst_error *error = world->thread.errors.first; error; error = pst_error_get_next(error))
        count += strstr(pst_error_get_message(error), message) != NULL;
    return count;
}

static void test_circles_of_exceptions(void **state)
{
    (void)state;
    static const size_t circles[][2] = {{1, 0}, {2, 0}, {2, 1}, {5, 2}, {MOST_TOLD, 0}};
    for (size_t i = 0; i < sizeof circles / sizeof *circles; i++) {
        struct world world;
        begin(&world);
        put_chain(&world, circles[i][0], circles[i][1]);
        assert_int_equal(tell(&world), circles[i][0]);
        assert_int_equal(count_errors(&world, "the rest was left out"), 0);
        end(&world);
    }
}

static void test_chains_without_end(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    put_chain(&world, 1000, COUNT);
    assert_int_equal(tell(&world), MOST_TOLD);
    assert_int_equal(count_errors(&world, "the rest was left out"), 1);
    end(&world);
}

static void put_tuple(struct world *world, pst_addr tuple, const pst_addr *items, size_t count)
{
    const struct place *place = &world->python.layout.places[F(PyTupleObject_ob_item)];
    put(world, TUPLE_TYPE, F(PyTypeObject_tp_flags), TPFLAGS_TUPLE_SUBCLASS);
    put(world, TUPLE_TYPE, F(PyTypeObject_tp_name), TYPE + 0x800);
    put(world, tuple, F(PyObject_ob_type), TUPLE_TYPE);
    put(world, tuple, F(PyVarObject_ob_size), count);
    for (size_t i = 0; i < count; i++)
        fake_put_unsigned(&world->fake, tuple + (pst_addr)place->offset + i * 8, 8, items[i]);
}

/* The type of all exceptions is this one, and has a __str__. */
static void put_type(struct world *world, const char *name)
{
    put(world, TYPE, F(PyTypeObject_tp_name), TYPE + 0x810);
    put(world, TYPE, F(PyTypeObject_tp_str), TYPE + 0x840);
    fake_put(&world->fake, TYPE + 0x810, name, strlen(name) + 1);
    put(world, TYPE, F(PyTypeObject_tp_mro), TYPE + 0x900);
    put_tuple(world, TYPE + 0x900, (pst_addr[]){TYPE}, 1);
}

/* Each member keeps its place: one that is nowhere, one that is there twice, the group itself. */
static void test_members(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    put_type(&world, "BaseExceptionGroup");
    put_chain(&world, 1, COUNT);
    put(&world, object_at(0), F(PyBaseExceptionGroupObject_excs), object_at(10));
    put_tuple(&world, object_at(10), (pst_addr[]){0, object_at(1), object_at(1), object_at(0)}, 4);
    put(&world, object_at(1), F(PyObject_ob_type), TYPE);
    put(&world, object_at(1), F(PyBaseExceptionGroupObject_excs), object_at(20));
    put_tuple(&world, object_at(20), NULL, 0);
    assert_int_equal(tell(&world), 1);
    assert_int_equal(count_errors(&world, "null pointer"), 1);
    const pst_exception *group = world.thread.exceptions[0];
    assert_int_equal(group->exception_count, 4);
    assert_null(group->exceptions[0]->type.data);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(group->exceptions[i]->address, object_at(i < 3 ? 1 : 0));
        assert_true(group->exceptions[i]->is_repeated == (i > 1));
        assert_int_equal(group->exceptions[i]->exception_count, 0);
    }
    end(&world);
}

/* Each has the one before it twice: as one tree they are more than anybody can write down. */
static void put_shared(struct world *world, size_t count)
{
    put_type(world, "OSError");
    put_chain(world, count, COUNT);
    for (size_t i = 0; i < count; i++) {
        pst_addr next = i + 1 < count ? object_at(i + 1) : 0;
        put(world, object_at(i), F(PyBaseExceptionObject_context), 0);
        put(world, object_at(i), F(PyOSErrorObject_myerrno), next);
        put(world, object_at(i), F(PyOSErrorObject_strerror), next);
    }
}

static void test_shared_exceptions(void **state)
{
    (void)state;
    static const size_t chars[] = {300, SIZE_MAX};
    for (size_t i = 0; i < sizeof chars / sizeof *chars; i++) {
        struct world world;
        begin(&world);
        put_shared(&world, 60);
        world.walk.bounds.chars = chars[i];
        uint64_t before = memory_get_work_left(world.python.memory);
        assert_int_equal(tell(&world), 1);
        assert_true(memory_get_work_left(world.python.memory) >= before / 4 * 3);
        assert_int_equal(count_errors(&world, ""), chars[i] == SIZE_MAX);
        assert_int_equal(count_errors(&world, "too many objects"), chars[i] == SIZE_MAX);
        if (chars[i] != SIZE_MAX)
            assert_true(world.thread.exceptions[0]->message.size < 10 * chars[i]);
        end(&world);
    }
}

static void test_circle_of_stack_items(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    put_chain(&world, 1, COUNT);
    put(&world, STACK_ITEM, F(_PyErr_StackItem_previous_item), STACK_ITEM);
    assert_int_equal(tell(&world), 1);
    assert_int_equal(count_errors(&world, "generators"), 1);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circles_of_tracebacks),
        cmocka_unit_test(test_long_tracebacks),
        cmocka_unit_test(test_broken_tracebacks),
        cmocka_unit_test(test_circles_of_exceptions),
        cmocka_unit_test(test_chains_without_end),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_shared_exceptions),
        cmocka_unit_test(test_circle_of_stack_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
