/* The tables of opcodes: each one is read, and says what is known of its version. */
#include "python/opcodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const int versions[][2] = {
#define MICROS(major, minor, first, last)
#define VERSION(major, minor) {major, minor},
#include "../../layouts/versions.def"
#undef VERSION
#undef MICROS
};

enum { VERSION_COUNT = sizeof versions / sizeof *versions };

static const struct opcodes *get(int major, int minor)
{
    const struct opcodes *opcodes;
    pst_error *error = opcodes_get(major, minor, &opcodes);
    if (error)
        fail_msg("%d.%d: %s", major, minor, pst_error_get_message(error));
    assert_non_null(opcodes);
    return opcodes;
}

static const struct opcode *find(const struct opcodes *opcodes, const char *name)
{
    for (int i = 0; i < 256; i++) {
        if (opcodes->opcodes[i].name && strcmp(opcodes->opcodes[i].name, name) == 0)
            return &opcodes->opcodes[i];
    }
    fail_msg("no %s", name);
    return NULL;
}

static void test_all(void **state)
{
    (void)state;
    for (int v = 0; v < VERSION_COUNT; v++) {
        const struct opcodes *opcodes = get(versions[v][0], versions[v][1]);
        assert_int_equal(opcodes->major, versions[v][0]);
        assert_int_equal(opcodes->minor, versions[v][1]);
        assert_true(opcodes->magic > 3000);
        assert_true(opcodes->extended_arg > 0);
        assert_string_equal(opcodes->flags.names[0], "OPTIMIZED");
        int named = 0;
        for (int i = 0; i < 256; i++) {
            const struct opcode *opcode = &opcodes->opcodes[i], *base = &opcodes->opcodes[opcode->base];
            if (!opcode->name)
                continue;
            named++;
            assert_non_null(base->name);
            assert_false(base->is_specialised);
            assert_int_equal(base->base, opcode->base);
            assert_int_equal(base->cache_count, opcode->cache_count);
            assert_int_equal(base->operand, opcode->operand);
            assert_true(opcode->operand < OPERAND_COUNT);
        }
        assert_true(named > 100);
        assert_ptr_equal(opcodes, get(versions[v][0], versions[v][1]));
    }
}

static void test_flags(void **state)
{
    (void)state;
    for (int v = 0; v < VERSION_COUNT; v++) {
        const struct opcodes *opcodes = get(versions[v][0], versions[v][1]);
        assert_string_equal(opcodes->flags.names[5], "GENERATOR");
        if (opcodes->major == 2)
            continue;
        assert_string_equal(opcodes->flags.names[7], "COROUTINE");
        assert_string_equal(opcodes->flags.names[8], "ITERABLE_COROUTINE");
        assert_string_equal(opcodes->flags.names[9], "ASYNC_GENERATOR");
    }
    assert_string_equal(get(2, 7)->flags.names[13], "FUTURE_DIVISION");
    assert_null(get(2, 7)->flags.names[12]);
    assert_string_equal(get(3, 15)->flags.names[27], "METHOD");
    assert_string_equal(get(3, 13)->flags.names[25], "NO_MONITORING_EVENTS");
    assert_null(get(3, 13)->flags.names[31]);
}

static void test_specialised(void **state)
{
    (void)state;
    const struct opcodes *opcodes = get(3, 11);
    const struct opcode *attribute = find(opcodes, "LOAD_ATTR_SLOT");
    assert_true(attribute->is_specialised);
    assert_string_equal(opcodes->opcodes[attribute->base].name, "LOAD_ATTR");
    assert_int_equal(attribute->cache_count, 4);
    assert_string_equal(opcodes->opcodes[find(opcodes, "EXTENDED_ARG_QUICK")->base].name, "EXTENDED_ARG");
    assert_int_equal(opcodes->enter_executor, -1);
    assert_int_equal(opcodes->instrumented_line, -1);

    opcodes = get(3, 15);
    const struct opcode *call = find(opcodes, "INSTRUMENTED_CALL");
    assert_true(call->is_instrumented);
    assert_false(call->is_specialised);
    assert_string_equal(opcodes->opcodes[call->base].name, "CALL");
    assert_int_equal(call->cache_count, 3);
    assert_string_equal(opcodes->opcodes[opcodes->enter_executor].name, "ENTER_EXECUTOR");
    assert_int_equal(opcodes->opcodes[opcodes->instrumented_line].base, opcodes->instrumented_line);
    assert_string_equal(opcodes->opcodes[opcodes->resume].name, "RESUME");
    assert_int_equal(opcodes->cache, 0);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(opcodes_get_text(get(3, 8), OPERAND_COMPARE, 10), "exception match");
    assert_null(opcodes_get_text(get(3, 8), OPERAND_COMPARE, 12));
    assert_null(opcodes_get_text(get(3, 8), OPERAND_COMPARE, UINT64_MAX));
    assert_string_equal(opcodes_get_text(get(3, 14), OPERAND_COMPARE_16, 5), "bool(==)");
    assert_string_equal(opcodes_get_text(get(3, 11), OPERAND_GLOBAL, 1), "NULL + $");
    assert_null(opcodes_get_text(get(3, 11), OPERAND_GLOBAL, 0));
    assert_null(opcodes_get_text(get(3, 9), OPERAND_JUMP_ABSOLUTE, 0));
    assert_string_equal(opcodes_get_text(get(3, 10), OPERAND_JUMP_ABSOLUTE, 0), "to $");
}

static void test_unknown_version(void **state)
{
    (void)state;
    const struct opcodes *opcodes;
    pst_error *error = opcodes_get(3, 5, &opcodes);
    assert_null(error);
    assert_null(opcodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_specialised),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_unknown_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
