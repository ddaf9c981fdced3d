/*
 * What a frame has called, on memory made of byte arrays: the layouts of 3.12, 3.14 and 3.8, and their lies. Real
 * frames are compared by tests/oracle/calls.py.
 */
#include "python/call_site.h"
#include "python/code_object.h"
#include "python/object.h"
#include "python/value_stack.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
    CODE = 0x100000,
    FRAME = 0x110000,
    OBJECTS = 0x120000,
    MAP_SIZE = 0x4000,
    TYPE = OBJECTS,                     /* of types */
    FUNCTION_TYPE = OBJECTS + 0x400,    /* of what can be called */
    PLAIN_TYPE = OBJECTS + 0x800,
    TUPLE_TYPE = OBJECTS + 0xc00,
    BYTES_TYPE = OBJECTS + 0x1000,
    INT_TYPE = OBJECTS + 0x1400,
    FUNCTION = OBJECTS + 0x2000,
    FIRST = OBJECTS + 0x2100,
    SECOND = OBJECTS + 0x2200,
    NAMES = OBJECTS + 0x2300,
    CONSTANTS = OBJECTS + 0x2400,
    TABLE = OBJECTS + 0x2500,
    BYTES = OBJECTS + 0x2600,
    NAME = OBJECTS + 0x2700,
    NOWHERE = 0x900000,
    LOCALS = 3,
};

struct world {
    struct fake fake;
    struct python python;
    const struct opcodes *opcodes;
    struct arena arena;
    struct code code;
    uint8_t bytes[64];
    int size, call;             /* of the code; where the call begins */
    pst_addr stack;
};

static pst_addr place_of(const struct world *world, enum field field)
{
    return (pst_addr)world->python.layout.places[field].offset;
}

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    fake_put_unsigned(&world->fake, object + place_of(world, field), world->python.layout.places[field].size, value);
}

static void put_type(struct world *world, pst_addr type, uint64_t flags, bool is_callable)
{
    put(world, type, F(PyObject_ob_type), TYPE);
    put(world, type, F(PyTypeObject_tp_flags), flags);
    put(world, type, F(PyTypeObject_tp_call), is_callable ? 0x1234 : 0);
}

static void put_tuple(struct world *world, pst_addr tuple, pst_addr item)
{
    put(world, tuple, F(PyObject_ob_type), TUPLE_TYPE);
    put(world, tuple, F(PyVarObject_ob_size), 1);
    fake_put_unsigned(&world->fake, tuple + place_of(world, F(PyTupleObject_ob_item)), 8, item);
}

static void put_slot(struct world *world, int slot, uint64_t value)
{
    fake_put_unsigned(&world->fake, world->stack + 8 * (pst_addr)slot, 8, value);
}

static void put_objects(struct world *world)
{
    put_type(world, TYPE, TPFLAGS_TYPE_SUBCLASS, true);
    put_type(world, FUNCTION_TYPE, 0, true);
    put_type(world, PLAIN_TYPE, 0, false);
    put_type(world, TUPLE_TYPE, TPFLAGS_TUPLE_SUBCLASS, false);
    put_type(world, BYTES_TYPE, TPFLAGS_BYTES_SUBCLASS, false);
    put_type(world, INT_TYPE, TPFLAGS_LONG_SUBCLASS, false);
    put(world, FUNCTION, F(PyObject_ob_type), FUNCTION_TYPE);
    put(world, FIRST, F(PyObject_ob_type), PLAIN_TYPE);
    put(world, SECOND, F(PyObject_ob_type), PLAIN_TYPE);
    put(world, NAME, F(PyObject_ob_type), PLAIN_TYPE);
    put(world, TABLE, F(PyObject_ob_type), BYTES_TYPE);
    put_tuple(world, NAMES, NAME);
    put_tuple(world, CONSTANTS, NAMES);
}

static int add(struct world *world, const char *name, int arg)
{
    int start = world->size;
    for (int i = 0; i < 256; i++) {
        const struct opcode *opcode = &world->opcodes->opcodes[i];
        if (!opcode->name || strcmp(opcode->name, name) != 0)
            continue;
        world->bytes[start] = (uint8_t)i;
        world->bytes[start + 1] = (uint8_t)arg;
        world->size += 2 + 2 * opcode->cache_count;
        return start;
    }
    fail_msg("no opcode %s", name);
    return -1;
}

static void put_code(struct world *world)
{
    world->code = (struct code){.address = CODE, .table = {.code_size = world->size}};
    put(world, CODE, F(PyCodeObject_co_stacksize), 10);
    put(world, CODE, F(PyCodeObject_co_consts), CONSTANTS);
    if (layout_has(&world->python.layout, F(PyCodeObject_co_code))) {
        put(world, CODE, F(PyCodeObject_co_code), BYTES);
        put(world, BYTES, F(PyObject_ob_type), BYTES_TYPE);
        put(world, BYTES, F(PyVarObject_ob_size), (uint64_t)world->size);
        fake_put(&world->fake, BYTES + place_of(world, F(PyBytesObject_ob_sval)), world->bytes, (size_t)world->size);
        return;
    }
    put(world, CODE, F(PyCodeObject_co_nlocalsplus), LOCALS);
    put(world, CODE, F(PyCodeObject_co_exceptiontable), TABLE);
    put(world, CODE, F(PyVarObject_ob_size), (uint64_t)world->size / 2);
    fake_put(&world->fake, CODE + place_of(world, F(PyCodeObject_co_code_adaptive)), world->bytes,
             (size_t)world->size);
}

static void begin(struct world *world, int minor)
{
    bool found;
    *world = (struct world){0};
    assert_null(layout_load(3, minor, FLAVOUR_RELEASE, &world->python.layout, &found));
    assert_true(found);
    assert_null(opcodes_get(3, minor, &world->opcodes));
    fake_map(&world->fake, CODE, MAP_SIZE);
    fake_map(&world->fake, FRAME, MAP_SIZE);
    fake_map(&world->fake, OBJECTS, MAP_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    put_objects(world);
}

static void end(struct world *world)
{
    arena_free(&world->arena);
    pst_target_close(world->python.target);
    fake_free(&world->fake);
}

/* f(first, name=second) in progress, above another value. */
static void begin_312(struct world *world)
{
    begin(world, 12);
    add(world, "LOAD_CONST", 0);
    add(world, "LOAD_GLOBAL", 1);
    add(world, "LOAD_CONST", 0);
    add(world, "LOAD_CONST", 0);
    add(world, "KW_NAMES", 0);
    world->call = add(world, "CALL", 2);
    add(world, "RETURN_VALUE", 0);
    put_code(world);
    world->stack = FRAME + place_of(world, F(_PyInterpreterFrame_localsplus)) + 8 * LOCALS;
    put(world, FRAME, F(_PyInterpreterFrame_stacktop), UINT32_MAX);
    put_slot(world, 0, SECOND);
    put_slot(world, 2, FUNCTION);
    put_slot(world, 3, FIRST);
    put_slot(world, 4, SECOND);
}

static struct call_site find(struct world *world)
{
    struct call_site site;
    memory_outdate(world->python.memory);
    assert_null(call_site_find(&world->python, &world->arena, &world->code, FRAME, world->call, &site));
    return site;
}

/* ---- 3.12 -------------------------------------------------------------------------------------------------- */

static void test_call(void **state)
{
    (void)state;
    struct world world;
    begin_312(&world);
    struct call_site site = find(&world);
    assert_int_equal(site.kind, CALL_FUNCTION);
    assert_int_equal(site.callee, FUNCTION);
    assert_int_equal(site.self, 0);
    assert_int_equal(site.argument_count, 2);
    assert_int_equal(site.arguments[0].name, 0);
    assert_int_equal(site.arguments[0].value, FIRST);
    assert_int_equal(site.arguments[1].name, NAME);
    assert_int_equal(site.arguments[1].value, SECOND);
    put_slot(&world, 1, FUNCTION);      /* a method */
    put_slot(&world, 2, FIRST);
    site = find(&world);
    assert_int_equal(site.callee, FUNCTION);
    assert_int_equal(site.self, FIRST);
    world.call = 0;                     /* LOAD_CONST */
    assert_int_equal(find(&world).kind, CALL_NONE);
    end(&world);
}

static void expect_none(struct world *world, int slot, uint64_t value, uint64_t before)
{
    put_slot(world, slot, value);
    assert_int_equal(find(world).kind, CALL_NONE);
    put_slot(world, slot, before);
    assert_int_equal(find(world).kind, CALL_FUNCTION);
}

static void test_lies(void **state)
{
    (void)state;
    struct world world;
    begin_312(&world);
    expect_none(&world, 2, FIRST, FUNCTION);        /* which can't be called */
    expect_none(&world, 2, NOWHERE, FUNCTION);
    expect_none(&world, 3, 0, FIRST);
    expect_none(&world, 4, FIRST + 4, SECOND);
    expect_none(&world, 4, FRAME, SECOND);          /* its type is none */
    put(&world, NAMES, F(PyVarObject_ob_size), 3);  /* more names than arguments */
    assert_int_equal(find(&world).kind, CALL_NONE);
    put(&world, NAMES, F(PyVarObject_ob_size), 1);
    put(&world, FRAME, F(_PyInterpreterFrame_stacktop), LOCALS + 1);  /* it called Python */
    assert_int_equal(find(&world).kind, CALL_NONE);
    put(&world, FRAME, F(_PyInterpreterFrame_stacktop), UINT32_MAX);
    put(&world, CODE, F(PyCodeObject_co_stacksize), 4);               /* less than its code needs */
    assert_int_equal(find(&world).kind, CALL_NONE);
    end(&world);
}

static void run_with_faults(struct fake *fake, size_t failing, void *context)
{
    struct world *world = context;
    struct call_site site;
    (void)fake;
    memory_trim(world->python.memory, 0);
    world->code.stack_depths = NULL;
    pst_error *error = call_site_find(&world->python, &world->arena, &world->code, FRAME, world->call, &site);
    if (!failing)
        assert_null(error);
    if (!error && (site.kind != CALL_NONE || !failing)) { /* not all that was read is needed */
        assert_int_equal(site.callee, FUNCTION);
        assert_int_equal(site.argument_count, 2);
        assert_int_equal(site.arguments[0].value, FIRST);
        assert_int_equal(site.arguments[1].value, SECOND);
    }
    pst_error_free(error);
    arena_reset(&world->arena);
}

static void test_faults(void **state)
{
    (void)state;
    struct world world;
    begin_312(&world);
    fake_for_each_fault(&world.fake, run_with_faults, &world);
    end(&world);
}

/* ---- 3.14 -------------------------------------------------------------------------------------------------- */

static void test_tagged(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 14);
    add(&world, "LOAD_GLOBAL", 1);
    add(&world, "LOAD_CONST", 0);
    world.call = add(&world, "CALL", 1);
    put_code(&world);
    world.stack = FRAME + place_of(&world, F(_PyInterpreterFrame_localsplus)) + 8 * LOCALS;
    put(&world, FRAME, F(_PyInterpreterFrame_stackpointer), world.stack + 8 * 3);
    put_slot(&world, 0, FUNCTION | 1);
    put_slot(&world, 1, 1);                         /* PyStackRef_NULL */
    put_slot(&world, 2, FIRST | 1);
    struct call_site site = find(&world);
    assert_int_equal(site.kind, CALL_FUNCTION);
    assert_int_equal(site.callee, FUNCTION);
    assert_int_equal(site.self, 0);
    assert_int_equal(site.arguments[0].value, FIRST);
    expect_none(&world, 2, 7 << 2 | 3, FIRST);      /* a tagged int */
    put(&world, FRAME, F(_PyInterpreterFrame_stackpointer), world.stack + 8);   /* it has returned */
    assert_int_equal(find(&world).kind, CALL_NONE);
    end(&world);
}

/* ---- 3.8 --------------------------------------------------------------------------------------------------- */

/* f() in a "finally", into which a return leads as well, which leaves one value more on the stack. */
static void test_passage(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 8);
    add(&world, "SETUP_FINALLY", 14);
    add(&world, "LOAD_CONST", 0);
    add(&world, "POP_JUMP_IF_FALSE", 12);
    add(&world, "LOAD_CONST", 0);
    add(&world, "POP_BLOCK", 0);
    add(&world, "CALL_FINALLY", 4);
    add(&world, "POP_BLOCK", 0);
    add(&world, "BEGIN_FINALLY", 0);
    add(&world, "LOAD_GLOBAL", 0);
    world.call = add(&world, "CALL_FUNCTION", 0);
    put_code(&world);
    world.stack = FRAME + 0x1000;
    put(&world, FRAME, F(PyFrameObject_f_valuestack), world.stack);
    put_slot(&world, 1, FUNCTION);
    put_slot(&world, 2, FUNCTION);                  /* left there by an earlier call */
    assert_int_equal(find(&world).kind, CALL_FUNCTION);
    put_slot(&world, 0, FIRST);                     /* what is returned; where to go on is no int */
    assert_int_equal(find(&world).kind, CALL_NONE);
    put(&world, SECOND, F(PyObject_ob_type), INT_TYPE);
    put(&world, SECOND, F(PyVarObject_ob_size), 1);
    fake_put_unsigned(&world.fake, SECOND + place_of(&world, F(PyLongObject_ob_digit)), 4, 12);
    put_slot(&world, 1, SECOND);
    assert_int_equal(find(&world).kind, CALL_FUNCTION);
    put(&world, FRAME, F(PyFrameObject_f_iblock), 3);
    assert_int_equal(find(&world).kind, CALL_NONE);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_tagged),
        cmocka_unit_test(test_passage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
