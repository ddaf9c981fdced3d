/*
 * Line tables of real interpreters against what these interpreters say of them (co_positions(), co_lines(),
 * PyCode_Addr2Line), and tables that no compiler would write.
 */
#include "python/linetable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* CPython 2.7 */
static const uint8_t table_27[] = {
    0, 2, 3, 1, 3, 1, 25, 1, 3, 1, 3, 1, 6, 1, 13, 2, 4, 4, 7, 1,
};
static const pst_position positions_27[] = {
    {4, -1, -1, -1}, {4, -1, -1, -1}, {5, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1},
    {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1},
    {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1}, {6, -1, -1, -1}, {7, -1, -1, -1}, {8, -1, -1, -1},
    {8, -1, -1, -1}, {9, -1, -1, -1}, {9, -1, -1, -1}, {9, -1, -1, -1}, {10, -1, -1, -1}, {10, -1, -1, -1},
    {10, -1, -1, -1}, {10, -1, -1, -1}, {10, -1, -1, -1}, {10, -1, -1, -1}, {12, -1, -1, -1},
    {12, -1, -1, -1}, {16, -1, -1, -1}, {16, -1, -1, -1}, {16, -1, -1, -1}, {16, -1, -1, -1},
    {17, -1, -1, -1}, {17, -1, -1, -1},
};
/* CPython 3.8 */
static const uint8_t table_38[] = {
    0, 2, 6, 1, 2, 1, 2, 255, 2, 255, 6, 3, 2, 1, 2, 1, 2, 1, 2, 254, 10, 4, 4, 3, 2, 1, 2, 255, 2, 2, 2, 254,
};
static const pst_position positions_38[] = {
    {4, -1, -1, -1}, {4, -1, -1, -1}, {4, -1, -1, -1}, {5, -1, -1, -1}, {6, -1, -1, -1}, {5, -1, -1, -1},
    {4, -1, -1, -1}, {4, -1, -1, -1}, {4, -1, -1, -1}, {7, -1, -1, -1}, {8, -1, -1, -1}, {9, -1, -1, -1},
    {10, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1},
    {12, -1, -1, -1}, {12, -1, -1, -1}, {15, -1, -1, -1}, {16, -1, -1, -1}, {15, -1, -1, -1},
    {17, -1, -1, -1}, {15, -1, -1, -1}, {15, -1, -1, -1},
};
/* CPython 3.10 */
static const uint8_t table_310[] = {
    6, 2, 2, 1, 2, 1, 2, 255, 6, 255, 2, 3, 2, 1, 2, 1, 2, 1, 8, 254, 8, 4, 2, 3, 2, 1, 2, 255, 2, 2, 4, 254,
};
static const pst_position positions_310[] = {
    {4, -1, -1, -1}, {4, -1, -1, -1}, {4, -1, -1, -1}, {5, -1, -1, -1}, {6, -1, -1, -1}, {5, -1, -1, -1},
    {4, -1, -1, -1}, {4, -1, -1, -1}, {4, -1, -1, -1}, {7, -1, -1, -1}, {8, -1, -1, -1}, {9, -1, -1, -1},
    {10, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1}, {8, -1, -1, -1}, {12, -1, -1, -1},
    {12, -1, -1, -1}, {12, -1, -1, -1}, {12, -1, -1, -1}, {15, -1, -1, -1}, {16, -1, -1, -1},
    {15, -1, -1, -1}, {17, -1, -1, -1}, {15, -1, -1, -1}, {15, -1, -1, -1},
};
/* CPython 3.11 */
static const uint8_t table_311[] = {
    128, 0, 240, 4, 2, 9, 23, 240, 0, 2, 9, 23, 216, 19, 20, 216, 19, 20, 240, 3, 1, 19, 22, 240, 3, 2, 9, 23,
    241, 0, 2, 9, 23, 244, 0, 2, 9, 23, 128, 65, 240, 6, 5, 5, 14, 216, 12, 13, 136, 65, 216, 12, 13, 216, 14,
    15, 240, 5, 2, 13, 17, 241, 0, 2, 13, 17, 244, 0, 2, 13, 17, 136, 1, 240, 8, 0, 13, 14, 136, 65, 248, 136,
    65, 136, 5, 136, 5, 136, 5, 136, 5, 240, 6, 0, 13, 14, 216, 12, 13, 241, 3, 1, 13, 14, 224, 2, 3, 241, 5,
    2, 13, 4, 240, 0, 2, 5, 5,
};
static const pst_position positions_311[] = {
    {2, 2, 0, 0}, {4, 6, 8, 22}, {4, 6, 8, 22}, {5, 5, 19, 20}, {6, 6, 19, 20}, {5, 6, 18, 21}, {4, 6, 8, 22},
    {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22},
    {4, 4, 4, 5}, {7, 12, 4, 13}, {8, 8, 12, 13}, {8, 8, 12, 13}, {9, 9, 12, 13}, {10, 10, 14, 15},
    {8, 10, 12, 16}, {8, 10, 12, 16}, {8, 10, 12, 16}, {8, 10, 12, 16}, {8, 10, 12, 16}, {8, 10, 12, 16},
    {8, 10, 12, 16}, {8, 10, 12, 16}, {8, 8, 8, 9}, {12, 12, 12, 13}, {12, 12, 12, 13}, {-1, -1, -1, -1},
    {12, 12, 12, 13}, {12, 12, 8, 13}, {12, 12, 8, 13}, {12, 12, 8, 13}, {12, 12, 8, 13}, {15, 15, 12, 13},
    {16, 16, 12, 13}, {15, 16, 12, 13}, {15, 16, 12, 13}, {17, 17, 2, 3}, {15, 17, 12, 3}, {15, 17, 12, 3},
    {15, 17, 4, 4},
};
/* CPython 3.13 */
static const uint8_t table_313[] = {
    128, 0, 240, 6, 0, 20, 21, 216, 19, 20, 241, 3, 1, 19, 22, 243, 3, 2, 9, 23, 241, 2, 1, 19, 22, 136, 81,
    243, 3, 0, 10, 11, 241, 2, 1, 19, 22, 240, 3, 0, 5, 6, 240, 0, 2, 9, 23, 240, 6, 5, 5, 14, 217, 12, 13,
    216, 12, 13, 216, 14, 15, 241, 5, 2, 13, 17, 136, 1, 240, 8, 0, 13, 14, 240, 6, 0, 13, 14, 216, 12, 13,
    241, 3, 1, 13, 14, 224, 2, 3, 241, 5, 2, 13, 4, 240, 0, 2, 5, 5, 249, 242, 23, 2, 9, 23, 248, 241, 16, 0,
    13, 14, 250,
};
static const pst_position positions_313[] = {
    {2, 2, 0, 0}, {5, 5, 19, 20}, {6, 6, 19, 20}, {5, 6, 18, 21}, {5, 6, 18, 21}, {4, 6, 8, 22},
    {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22}, {5, 6, 18, 21}, {5, 6, 18, 21}, {5, 5, 13, 14},
    {4, 4, 9, 10}, {4, 4, 9, 10}, {4, 4, 9, 10}, {4, 4, 9, 10}, {5, 6, 18, 21}, {5, 6, 18, 21}, {4, 4, 4, 5},
    {4, 6, 8, 22}, {7, 12, 4, 13}, {8, 8, 12, 13}, {8, 8, 12, 13}, {9, 9, 12, 13}, {10, 10, 14, 15},
    {8, 10, 12, 16}, {8, 10, 12, 16}, {8, 8, 8, 9}, {12, 12, 12, 13}, {15, 15, 12, 13}, {16, 16, 12, 13},
    {15, 16, 12, 13}, {15, 16, 12, 13}, {17, 17, 2, 3}, {15, 17, 12, 3}, {15, 17, 12, 3}, {15, 17, 4, 4},
    {-1, -1, -1, -1}, {-1, -1, -1, -1}, {4, 6, 8, 22}, {4, 6, 8, 22}, {4, 6, 8, 22}, {-1, -1, -1, -1},
    {12, 12, 12, 13}, {12, 12, 12, 13}, {-1, -1, -1, -1}, {-1, -1, -1, -1}, {-1, -1, -1, -1},
};

static const struct {
    int major, minor;
    const uint8_t *bytes;
    size_t size;
    int firstlineno, code_size;
    const pst_position *positions; /* of every code unit (2.7: of every second byte) */
} cases[] = {
    {2, 7, table_27, sizeof table_27, 2, 72, positions_27},
    {3, 8, table_38, sizeof table_38, 2, 52, positions_38},
    {3, 10, table_310, sizeof table_310, 2, 54, positions_310},
    {3, 11, table_311, sizeof table_311, 2, 90, positions_311},
    {3, 13, table_313, sizeof table_313, 2, 96, positions_313},
};

static void test_positions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct linetable table = {linetable_format_of(cases[i].major, cases[i].minor), cases[i].bytes,
                                        cases[i].size, cases[i].firstlineno, cases[i].code_size, false};
        for (int offset = 0; offset < cases[i].code_size; offset += 2) {
            const pst_position *expected = &cases[i].positions[offset / 2];
            pst_position found;
            assert_true(linetable_find(&table, offset, &found));
            assert_int_equal(found.line, expected->line);
            assert_int_equal(found.end_line, expected->end_line);
            assert_int_equal(found.column, expected->column);
            assert_int_equal(found.end_column, expected->end_column);
        }
        pst_position beyond;
        assert_false(linetable_find(&table, cases[i].code_size, &beyond));
    }
}

/* An instruction before the first has the line of the def. */
static void test_not_started(void **state)
{
    (void)state;
    const struct linetable table = {LINETABLE_LOCATIONS, table_313, sizeof table_313, 7, 96, false};
    pst_position found;
    assert_true(linetable_find(&table, -1, &found));
    assert_int_equal(found.line, 7);
    assert_int_equal(found.column, -1);
}

/* 3.10 writes -128 for “no line”, 3.11+ has a kind of its own. */
static void test_no_line(void **state)
{
    (void)state;
    static const uint8_t old[] = {2, 1, 4, 128, 2, 1}, new[] = {0xf8 | 1, 0x80 | 13 << 3, 2};
    const struct linetable tables[] = {{LINETABLE_310, old, sizeof old, 10, 8, false},
                                       {LINETABLE_LOCATIONS, new, sizeof new, 10, 6, false}};
    pst_position found;
    assert_true(linetable_find(&tables[0], 2, &found));
    assert_int_equal(found.line, -1);
    assert_true(linetable_find(&tables[0], 6, &found));
    assert_int_equal(found.line, 12);
    assert_true(linetable_find(&tables[1], 2, &found));
    assert_int_equal(found.line, -1);
    assert_true(linetable_find(&tables[1], 4, &found));
    assert_int_equal(found.line, 11);
    assert_int_equal(found.end_line, 11);
}

/* Every table of up to three bytes, and every cut of a real one: it ends, and ranges go forward. */
static void test_hostile(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1u << 24; value += 7) {
        const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16)};
        const struct linetable table = {(enum linetable_format)(value % 4), bytes, sizeof bytes, 1, 100, false};
        struct linetable_reader reader;
        struct line_range range;
        int end = 0, count = 0;
        linetable_start(&reader, &table);
        while (linetable_next(&reader, &range)) {
            assert_int_equal(range.start, end);
            assert_true(range.end > range.start);
            end = range.end;
            assert_true(++count < 10);
        }
    }
    for (size_t size = 0; size < sizeof table_311; size++) {
        const struct linetable table = {LINETABLE_LOCATIONS, table_311, size, 1, 90, false};
        pst_position found;
        (void)linetable_find(&table, 80, &found);
    }
}

/* Lines near the ends of an int: no overflow, no answer. */
static void test_overflow(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {2, 127};
    const struct linetable table = {LINETABLE_310, bytes, sizeof bytes, 2147483647, 2, false};
    pst_position found;
    assert_false(linetable_find(&table, 0, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions), cmocka_unit_test(test_not_started), cmocka_unit_test(test_no_line),
        cmocka_unit_test(test_hostile),   cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
