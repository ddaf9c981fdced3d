/*
 * libFuzzer on the pure functions over bytes: line tables of all formats, exception tables, instructions, depths
 * of stacks. Whatever the bytes are, lists are in order and within the code, and agree with each other and with
 * what is asked of one offset.
 *
 *     build/asan-clang/tests/tables_fuzzer -max_total_time=60
 */
#include "python/code_object.h"
#include "python/stack_depth.h"
#include "python/step.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition))                                                                                      \
            abort();                                                                                           \
    } while (0)

/* What comes before the bytes: which format, how much code, which line it begins on. */
enum { HEAD_SIZE = 4, MAX_CODE_SIZE = 1 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const struct linetable *table, bool merge)
{
    struct arena arena = {0};
    const pst_line_range *lines;
    pst_position position;
    size_t count;
    int end = 0;
    pst_error_free(lines_list(table, merge, &arena, &lines, &count));
    for (size_t i = 0; i < count; i++) {
        CHECK(lines[i].start == end && lines[i].end > end && lines[i].end <= table->code_size);
        end = lines[i].end;
        CHECK(linetable_find(table, lines[i].start, &position) && position.line == lines[i].line);
        CHECK(linetable_find(table, end - 1, &position) && position.line == lines[i].line);
    }
    arena_free(&arena);
}

static void check_positions(const struct linetable *table)
{
    struct arena arena = {0};
    const pst_position *positions;
    pst_position position;
    size_t count;
    pst_error_free(positions_list(table, &arena, &positions, &count));
    CHECK(count <= (size_t)table->code_size / 2);
    for (size_t i = 0; i < count; i++)
        CHECK(linetable_find(table, (int)i * 2, &position) && memcmp(&position, &positions[i], sizeof position) == 0);
    arena_free(&arena);
}

static void check_exceptions(pst_bytes bytes, int code_size)
{
    struct arena arena = {0};
    const pst_exception_range *ranges;
    size_t count;
    pst_error_free(exceptions_list(bytes, code_size, &arena, &ranges, &count));
    for (size_t i = 0; i < count; i++)
        CHECK(ranges[i].start >= 0 && ranges[i].start <= ranges[i].end && ranges[i].end <= code_size &&
              ranges[i].target >= 0 && ranges[i].target <= code_size && ranges[i].depth >= 0);
    arena_free(&arena);
}

/* Of one of the versions that there are. */
static const struct opcodes *choose_opcodes(unsigned choice)
{
    const struct opcodes *opcodes = NULL;
    int minor = 6 + (int)(choice % 11);
    CHECK(!opcodes_get(minor == 16 ? 2 : 3, minor == 16 ? 7 : minor, &opcodes) && opcodes);
    return opcodes;
}

/* One depth from 3.9 on, and no deeper than can be. */
static void check_depths(const struct opcodes *opcodes, pst_bytes bytes)
{
    struct arena arena = {0};
    struct stack_depths depths;
    struct stack_depth choices[STACK_DEPTH_CHOICES];
    const pst_exception_range *ranges = NULL;
    size_t count = 0, most = opcodes->major == 3 && opcodes->minor >= 9 ? 1 : STACK_DEPTH_CHOICES;
    if (opcodes->major == 3 && opcodes->minor >= 11)
        pst_error_free(exceptions_list(bytes, (int)bytes.size, &arena, &ranges, &count));
    pst_error_free(stack_depths_find(opcodes, bytes, ranges, count, &arena, &depths));
    CHECK(depths.state_count <= most * depths.instruction_count);
    for (int offset = -1; offset <= (int)bytes.size; offset++) {
        size_t found = stack_depths_get(&depths, offset, choices);
        CHECK(found <= most);
        for (size_t i = 0; i < found; i++)
            CHECK(choices[i].depth >= 0 && choices[i].depth <= STACK_DEPTH_MAX && choices[i].block_count >= 0);
    }
    arena_free(&arena);
}

static void check_steps(const struct opcodes *opcodes, pst_bytes bytes)
{
    struct step_reader reader = {.opcodes = opcodes, .bytes = bytes};
    struct step step;
    size_t end = 0;
    while (step_next(&reader, &step)) {
        CHECK(step.offset == end && step.size && step.size <= bytes.size - step.offset);
        end = step.offset + step.size;
        if (step_is_jump(opcodes, &step))
            (void)step_find_target(opcodes, &step, step.arg);
    }
    CHECK(reader.is_cut || end == bytes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return 0;
    pst_bytes bytes = {data + HEAD_SIZE, size - HEAD_SIZE};
    struct linetable table = {
        .format = (enum linetable_format)(data[0] % (LINETABLE_LOCATIONS + 1)),
        .may_end_early = data[0] & 0x80,
        .bytes = bytes.data,
        .size = bytes.size,
        .firstlineno = (int8_t)data[3] * 1000003,
        .code_size = (data[1] | data[2] << 8) % MAX_CODE_SIZE,
    };
    if (table.format == LINETABLE_LOCATIONS || table.format == LINETABLE_310)
        table.code_size &= ~1;
    check_lines(&table, false);
    check_lines(&table, true);
    if (table.format == LINETABLE_LOCATIONS)
        check_positions(&table);
    check_exceptions(bytes, table.code_size);
    check_steps(choose_opcodes(data[3]), bytes);
    check_depths(choose_opcodes(data[3]), bytes);
    return 0;
}
