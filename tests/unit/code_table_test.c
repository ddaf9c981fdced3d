/* The tables of a code object as lists: co_lines(), co_positions(), the exception table. */
#include "python/code_object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static struct linetable make_table(enum linetable_format format, const uint8_t *bytes, size_t size, int firstlineno,
                                   int code_size)
{
    return (struct linetable){.format = format, .bytes = bytes, .size = size, .firstlineno = firstlineno,
                              .code_size = code_size};
}

static void assert_range(pst_line_range range, int start, int end, int line)
{
    assert_int_equal(range.start, start);
    assert_int_equal(range.end, end);
    assert_int_equal(range.line, line);
}

static void assert_corrupt(pst_error *error)
{
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_CORRUPT);
    pst_error_free(error);
}

/* ---- lines --------------------------------------------------------------------------------------------- */

/* def f():      # line 10
 *     a = 1     # 11: two entries in the table
 *     return a  # 12 */
static const uint8_t locations[] = {
    0x80 | 10 << 3 | 0, 0, 0,     /* one unit, the same line, columns 0 to 0 */
    0x80 | 11 << 3 | 0, 8, 9,     /* one unit, the next line */
    0x80 | 0 << 3 | 0, 0x41,      /* one unit, the short form: columns 4 to 5 */
    0x80 | 11 << 3 | 1, 11, 12,   /* two units, the next line */
};

static void test_lines_of_locations(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct linetable table = make_table(LINETABLE_LOCATIONS, locations, sizeof locations, 10, 10);
    const pst_line_range *lines;
    size_t count;
    assert_null(lines_list(&table, false, &arena, &lines, &count));
    assert_int_equal(count, 4);
    assert_range(lines[0], 0, 2, 10);
    assert_range(lines[1], 2, 4, 11);
    assert_range(lines[2], 4, 6, 11);
    assert_range(lines[3], 6, 10, 12);
    arena_free(&arena);
}

static void test_lines_are_merged(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct linetable table = make_table(LINETABLE_LOCATIONS, locations, sizeof locations, 10, 10);
    const pst_line_range *lines;
    size_t count;
    assert_null(lines_list(&table, true, &arena, &lines, &count));
    assert_int_equal(count, 3);
    assert_range(lines[1], 2, 6, 11);
    arena_free(&arena);
}

/* In 2.7 an instruction has one or three bytes. */
static void test_lines_of_lnotab(void **state)
{
    (void)state;
    static const uint8_t lnotab[] = {0, 1, 3, 1, 5, 255, 0, 45};
    struct arena arena = {0};
    struct linetable table = make_table(LINETABLE_LNOTAB_UNSIGNED, lnotab, sizeof lnotab, 1, 9);
    const pst_line_range *lines;
    size_t count;
    assert_null(lines_list(&table, false, &arena, &lines, &count));
    assert_int_equal(count, 3);
    assert_range(lines[0], 0, 3, 2);
    assert_range(lines[1], 3, 8, 3);
    assert_range(lines[2], 8, 9, 303);
    arena_free(&arena);
}

static void test_table_of_another_size(void **state)
{
    (void)state;
    struct arena arena = {0};
    const pst_line_range *lines;
    const pst_position *positions;
    size_t count;
    for (int code_size = 0; code_size <= 20; code_size += 2) {
        if (code_size == 10)
            continue;
        struct linetable table = make_table(LINETABLE_LOCATIONS, locations, sizeof locations, 10, code_size);
        assert_corrupt(lines_list(&table, false, &arena, &lines, &count));
        assert_corrupt(positions_list(&table, &arena, &positions, &count));
    }
    struct linetable early = make_table(LINETABLE_LOCATIONS, locations, sizeof locations, 10, 20);
    early.may_end_early = true;
    assert_null(lines_list(&early, false, &arena, &lines, &count));
    assert_null(positions_list(&early, &arena, &positions, &count));
    assert_int_equal(count, 5);
    struct linetable cut = make_table(LINETABLE_LOCATIONS, locations, sizeof locations - 1, 10, 10);
    assert_corrupt(lines_list(&cut, false, &arena, &lines, &count));
    assert_int_equal(count, 3);
    arena_free(&arena);
}

static void test_positions(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct linetable table = make_table(LINETABLE_LOCATIONS, locations, sizeof locations, 10, 10);
    const pst_position *positions;
    size_t count;
    assert_null(positions_list(&table, &arena, &positions, &count));
    assert_int_equal(count, 5);
    assert_int_equal(positions[2].line, 11);
    assert_int_equal(positions[2].column, 4);
    assert_int_equal(positions[2].end_column, 5);
    assert_memory_equal(&positions[3], &positions[4], sizeof *positions);
    arena_free(&arena);
}

/* ---- exceptions ---------------------------------------------------------------------------------------- */

/* The example of Objects/exception_handling_notes.txt. */
static void test_exceptions(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {148, 8, 65, 36, 6, 0x80 | 1, 1, 2, 7};
    struct arena arena = {0};
    const pst_exception_range *ranges;
    size_t count;
    assert_null(exceptions_list((pst_bytes){bytes, sizeof bytes}, 300, &arena, &ranges, &count));
    assert_int_equal(count, 2);
    assert_int_equal(ranges[0].start, 40);
    assert_int_equal(ranges[0].end, 56);
    assert_int_equal(ranges[0].target, 200);
    assert_int_equal(ranges[0].depth, 3);
    assert_false(ranges[0].lasti);
    assert_true(ranges[1].lasti);
    assert_int_equal(ranges[1].depth, 3);
    arena_free(&arena);
}

static void test_exceptions_outside(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {148, 8, 65, 36, 6};
    static const uint8_t no_start[] = {20, 8, 1, 6}, start_inside[] = {148, 0x88, 1, 6};
    struct arena arena = {0};
    const pst_exception_range *ranges;
    size_t count;
    assert_corrupt(exceptions_list((pst_bytes){bytes, sizeof bytes}, 198, &arena, &ranges, &count));
    assert_corrupt(exceptions_list((pst_bytes){no_start, sizeof no_start}, 300, &arena, &ranges, &count));
    assert_corrupt(exceptions_list((pst_bytes){start_inside, sizeof start_inside}, 300, &arena, &ranges, &count));
    for (size_t size = 1; size < sizeof bytes; size++)
        assert_corrupt(exceptions_list((pst_bytes){bytes, size}, 300, &arena, &ranges, &count));
    assert_null(exceptions_list((pst_bytes){bytes, 0}, 300, &arena, &ranges, &count));
    assert_int_equal(count, 0);
    arena_free(&arena);
}

/* ---- anything ------------------------------------------------------------------------------------------ */

/* Whatever the bytes are: ranges in order, inside the code, and no read past the end (the sanitizers watch). */
static void test_random_bytes(void **state)
{
    (void)state;
    enum { ROUNDS = 40000, MAX_SIZE = 24, MAX_CODE_SIZE = 120 };
    srand(20);
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = (size_t)rand() % MAX_SIZE, count;
        int code_size = rand() % MAX_CODE_SIZE, end = 0;
        uint8_t *bytes = malloc(size + !size);
        assert_non_null(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rand();
        if (size && rand() % 2)
            bytes[0] |= 0x80;
        struct arena arena = {0};
        enum linetable_format format = (enum linetable_format)(round % (LINETABLE_LOCATIONS + 1));
        struct linetable table = make_table(format, bytes, size, rand() % 100, code_size);
        const pst_line_range *lines;
        const pst_position *positions;
        const pst_exception_range *ranges;
        pst_error_free(lines_list(&table, round % 3 == 0, &arena, &lines, &count));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(lines[i].start, end);
            assert_true(lines[i].end > lines[i].start);
            end = lines[i].end;
            assert_true(end <= code_size);
        }
        if (table.format == LINETABLE_LOCATIONS) {
            pst_error_free(positions_list(&table, &arena, &positions, &count));
            assert_true(count <= (size_t)code_size / 2);
        }
        pst_error_free(exceptions_list((pst_bytes){bytes, size}, code_size, &arena, &ranges, &count));
        for (size_t i = 0; i < count; i++) {
            assert_true(ranges[i].start >= 0 && ranges[i].start <= ranges[i].end && ranges[i].end <= code_size);
            assert_true(ranges[i].target >= 0 && ranges[i].target <= code_size && ranges[i].depth >= 0);
        }
        arena_free(&arena);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_locations),   cmocka_unit_test(test_lines_are_merged),
        cmocka_unit_test(test_lines_of_lnotab),      cmocka_unit_test(test_table_of_another_size),
        cmocka_unit_test(test_positions),            cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_exceptions_outside),   cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
