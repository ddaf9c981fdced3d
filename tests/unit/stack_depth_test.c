/*
 * Depths of value stacks: small pieces of bytecode of several versions, in which each one's way to keep blocks matters;
 * and bytes that no compiler made. What real compilers make is compared by tests/oracle/depths.py.
 */
#include "python/code_object.h"
#include "python/stack_depth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_SIZE = 4096, CODE_UNIT_SIZE = 2 };

struct program {
    const struct opcodes *opcodes;
    uint8_t bytes[MAX_SIZE];
    size_t size;
    pst_exception_range exceptions[4];
    size_t exception_count;
    struct arena arena;
    struct stack_depths depths;
};

static void begin(struct program *program, int major, int minor)
{
    *program = (struct program){0};
    assert_null(opcodes_get(major, minor, &program->opcodes));
    assert_non_null(program->opcodes);
}

static void end(struct program *program)
{
    arena_free(&program->arena);
}

static int find_opcode(const struct opcodes *opcodes, const char *name)
{
    for (int i = 0; i < 256; i++)
        if (opcodes->opcodes[i].name && strcmp(opcodes->opcodes[i].name, name) == 0)
            return i;
    fail_msg("no opcode %s", name);
    return -1;
}

/* An instruction and its caches; where it begins. */
static int add(struct program *program, const char *name, int arg)
{
    size_t start = program->size;
    int opcode = find_opcode(program->opcodes, name);
    program->bytes[program->size++] = (uint8_t)opcode;
    if (program->opcodes->major == 2) {
        if (opcode >= program->opcodes->have_argument) {
            program->bytes[program->size++] = (uint8_t)arg;
            program->bytes[program->size++] = (uint8_t)(arg >> 8);
        }
    } else {
        program->bytes[program->size++] = (uint8_t)arg;
        program->size += (size_t)program->opcodes->opcodes[opcode].cache_count * CODE_UNIT_SIZE;
    }
    return (int)start;
}

/* Where the jump at `offset` goes to. */
static void jump_to(struct program *program, int offset, int target)
{
    bool in_units = program->opcodes->major == 3 && program->opcodes->minor >= 10;
    int size = program->opcodes->major == 2 ? 3 : CODE_UNIT_SIZE;
    uint8_t opcode = program->bytes[offset];
    size += program->opcodes->opcodes[opcode].cache_count * CODE_UNIT_SIZE;
    int from = program->opcodes->opcodes[opcode].operand == OPERAND_JUMP_ABSOLUTE ? 0 : offset + size;
    int distance = target > from ? target - from : from - target;
    program->bytes[offset + 1] = (uint8_t)(in_units ? distance / CODE_UNIT_SIZE : distance);
}

static void find(struct program *program)
{
    assert_null(stack_depths_find(program->opcodes, (pst_bytes){program->bytes, program->size}, program->exceptions,
                                  program->exception_count, &program->arena, &program->depths));
}

/* The only depth before an instruction; -1: none is known, -2: there are some. */
static int depth_at(const struct program *program, int offset)
{
    struct stack_depth choices[STACK_DEPTH_CHOICES];
    size_t count = stack_depths_get(&program->depths, offset, choices);
    return count == 1 ? choices[0].depth : count ? -2 : -1;
}

/* That one of the depths is this. */
static void expect_choice(const struct program *program, int offset, int depth, int blocks, enum passage passage,
                          int slot)
{
    struct stack_depth choices[STACK_DEPTH_CHOICES];
    size_t count = stack_depths_get(&program->depths, offset, choices);
    for (size_t i = 0; i < count; i++)
        if (choices[i].depth == depth && choices[i].block_count == blocks && choices[i].passage == passage &&
            (passage == PASSAGE_NONE || choices[i].passage_slot == slot))
            return;
    fail_msg("no depth %d, blocks %d, passage %d, slot %d before %d", depth, blocks, (int)passage, slot, offset);
}

/* ---- from 3.9 on ------------------------------------------------------------------------------------------- */

static void test_effects(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 12);
    add(&program, "RESUME", 0);
    int first = add(&program, "LOAD_GLOBAL", 1);        /* NULL and it */
    int second = add(&program, "LOAD_CONST", 0);
    int third = add(&program, "LOAD_CONST", 0);
    int call = add(&program, "CALL", 2);
    int unpack = add(&program, "UNPACK_EX", 3);         /* three, and a list of the rest */
    int build = add(&program, "BUILD_MAP", 1);
    int rest = add(&program, "RETURN_VALUE", 0);
    find(&program);
    assert_true(program.depths.is_complete);
    assert_int_equal(depth_at(&program, first), 0);
    assert_int_equal(depth_at(&program, second), 2);
    assert_int_equal(depth_at(&program, third), 3);
    assert_int_equal(depth_at(&program, call), 4);
    assert_int_equal(depth_at(&program, call + 2), 4);  /* its caches are a part of it */
    assert_int_equal(depth_at(&program, unpack), 1);
    assert_int_equal(depth_at(&program, build), 4);
    assert_int_equal(depth_at(&program, rest), 3);
    assert_int_equal(depth_at(&program, (int)program.size), -1);
    assert_int_equal(depth_at(&program, -1), -1);
    end(&program);
}

static void test_extended_arg(void **state)
{
    (void)state;
    struct program program;
    int start;
    uint8_t opcode;
    int64_t arg;
    begin(&program, 3, 10);
    add(&program, "LOAD_CONST", 0);
    add(&program, "EXTENDED_ARG", 1);
    int unpack = add(&program, "UNPACK_SEQUENCE", 2);
    int after = add(&program, "NOP", 0);
    find(&program);
    assert_int_equal(depth_at(&program, after), 258);
    assert_true(stack_depths_get_instruction(&program.depths, unpack + 1, &start, &opcode, &arg));
    assert_int_equal(start, unpack);
    assert_int_equal(arg, 258);
    assert_false(stack_depths_get_instruction(&program.depths, (int)program.size, &start, &opcode, &arg));
    end(&program);
}

static void test_loop(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 10);
    add(&program, "LOAD_FAST", 0);
    add(&program, "GET_ITER", 0);
    int head = add(&program, "FOR_ITER", 0);
    int body = add(&program, "POP_TOP", 0);
    int back = add(&program, "JUMP_ABSOLUTE", 0);
    int behind = add(&program, "LOAD_CONST", 0);
    int last = add(&program, "RETURN_VALUE", 0);
    int nowhere = add(&program, "LOAD_CONST", 0);
    jump_to(&program, head, behind);
    jump_to(&program, back, head);
    find(&program);
    assert_int_equal(depth_at(&program, head), 1);
    assert_int_equal(depth_at(&program, body), 2);
    assert_int_equal(depth_at(&program, behind), 0);
    assert_int_equal(depth_at(&program, last), 1);
    assert_int_equal(depth_at(&program, nowhere), -1);
    end(&program);
}

static void test_exception_table(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 13);
    int start = add(&program, "LOAD_CONST", 0);
    add(&program, "RETURN_VALUE", 0);
    int handler = add(&program, "PUSH_EXC_INFO", 0);
    int body = add(&program, "POP_TOP", 0);
    program.exceptions[0] = (pst_exception_range){.start = start, .end = handler, .target = handler, .depth = 3,
                                                  .lasti = 1};
    program.exceptions[1] = (pst_exception_range){.start = start, .end = handler, .target = handler + 1, .depth = 9};
    program.exception_count = 2;    /* the second one leads to no instruction */
    find(&program);
    assert_true(program.depths.is_complete);
    assert_int_equal(depth_at(&program, handler), 5);
    assert_int_equal(depth_at(&program, body), 6);
    end(&program);
}

static void test_generator(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 10);
    int first = add(&program, "GEN_START", 0);
    int second = add(&program, "LOAD_CONST", 0);
    find(&program);
    assert_int_equal(depth_at(&program, first), 1);
    assert_int_equal(depth_at(&program, second), 0);
    end(&program);
    begin(&program, 3, 12);
    first = add(&program, "RETURN_GENERATOR", 0);
    second = add(&program, "POP_TOP", 0);
    int third = add(&program, "LOAD_CONST", 0);
    find(&program);
    assert_int_equal(depth_at(&program, first), 0);
    assert_int_equal(depth_at(&program, second), 1);
    assert_int_equal(depth_at(&program, third), 0);
    end(&program);
}

/* ---- to 3.8 ------------------------------------------------------------------------------------------------ */

/* for x in y: try: return z finally: f() — by version. *call is in the "finally". */
static void make_finally(struct program *program, int *call)
{
    bool has_loops = program->opcodes->major == 2 || program->opcodes->minor < 8;
    int loop = has_loops ? add(program, "SETUP_LOOP", 0) : -1;
    add(program, "LOAD_FAST", 0);
    add(program, "GET_ITER", 0);
    int head = add(program, "FOR_ITER", 0);
    add(program, "STORE_FAST", 1);
    int setup = add(program, "SETUP_FINALLY", 0);
    add(program, "LOAD_FAST", 1);
    int choice = add(program, "POP_JUMP_IF_FALSE", 0);
    add(program, "LOAD_FAST", 1);
    int leave = -1;
    if (!has_loops) {
        add(program, "POP_BLOCK", 0);
        leave = add(program, "CALL_FINALLY", 0);
    }
    add(program, "RETURN_VALUE", 0);
    int otherwise = add(program, "POP_BLOCK", 0);
    if (has_loops)
        add(program, "LOAD_CONST", 0);
    else
        add(program, "BEGIN_FINALLY", 0);
    int handler = add(program, "LOAD_GLOBAL", 0);
    *call = add(program, "CALL_FUNCTION", 0);
    add(program, "POP_TOP", 0);
    add(program, "END_FINALLY", 0);
    int back = add(program, "JUMP_ABSOLUTE", 0);
    int behind = (int)program->size;
    if (has_loops)
        add(program, "POP_BLOCK", 0);
    add(program, "LOAD_CONST", 0);
    add(program, "RETURN_VALUE", 0);
    if (loop >= 0)
        jump_to(program, loop, (int)program->size - 4);
    jump_to(program, head, behind);
    jump_to(program, setup, handler);
    jump_to(program, choice, otherwise);
    jump_to(program, back, head);
    if (leave >= 0)
        jump_to(program, leave, handler);
}

static void test_finally(void **state)
{
    (void)state;
    struct program program;
    int call;
    begin(&program, 2, 7);
    make_finally(&program, &call);
    find(&program);
    assert_true(program.depths.is_complete);
    assert_int_equal(depth_at(&program, call), -2);
    expect_choice(&program, call, 3, 1, PASSAGE_NOTHING, 1);    /* below: the iterator; in: the loop */
    expect_choice(&program, call, 4, 1, PASSAGE_RETURN, 1);
    expect_choice(&program, call, 5, 1, PASSAGE_EXCEPTION, 1);
    assert_int_equal(depth_at(&program, (int)program.size - 1), 1);
    end(&program);
    begin(&program, 3, 7);
    make_finally(&program, &call);
    find(&program);
    expect_choice(&program, call, 3, 1, PASSAGE_NOTHING, 1);
    expect_choice(&program, call, 4, 1, PASSAGE_RETURN, 1);
    expect_choice(&program, call, 8, 2, PASSAGE_NONE, 0);
    assert_int_equal(depth_at(&program, (int)program.size - 2), 1);
    end(&program);
    begin(&program, 3, 8);
    make_finally(&program, &call);
    find(&program);
    expect_choice(&program, call, 3, 0, PASSAGE_NOTHING, 1);
    expect_choice(&program, call, 4, 0, PASSAGE_RETURN, 1);
    expect_choice(&program, call, 8, 1, PASSAGE_NONE, 0);
    assert_int_equal(depth_at(&program, (int)program.size - 2), 1);
    end(&program);
}

/* ---- what no compiler makes -------------------------------------------------------------------------------- */

static void test_contradiction(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 12);
    int first = add(&program, "LOAD_CONST", 0);
    int choice = add(&program, "POP_JUMP_IF_NONE", 0);
    add(&program, "LOAD_CONST", 0);
    int both = add(&program, "NOP", 0);
    jump_to(&program, choice, both);
    find(&program);
    assert_false(program.depths.is_complete);
    assert_int_equal(depth_at(&program, both), -1);
    assert_int_equal(depth_at(&program, first), -1);
    end(&program);
}

/* Each time round the stack would be deeper. */
static void test_growth(void **state)
{
    (void)state;
    static const int versions[][2] = {{2, 7}, {3, 6}, {3, 8}, {3, 10}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct program program;
        begin(&program, versions[i][0], versions[i][1]);
        int first = add(&program, "LOAD_CONST", 0);
        int back = add(&program, "JUMP_ABSOLUTE", 0);
        jump_to(&program, back, first);
        find(&program);
        assert_false(program.depths.is_complete);
        assert_true(program.depths.state_count <= 2 * STACK_DEPTH_CHOICES);
        end(&program);
    }
}

/* Blocks in blocks, without end. */
static void test_blocks(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 7);
    int first = add(&program, "SETUP_FINALLY", 0);
    int back = add(&program, "JUMP_ABSOLUTE", 0);
    add(&program, "RETURN_VALUE", 0);
    jump_to(&program, first, back);
    jump_to(&program, back, first);
    find(&program);
    assert_false(program.depths.is_complete);
    end(&program);
}

static void test_limit(void **state)
{
    (void)state;
    struct program program;
    begin(&program, 3, 12);
    uint8_t *bytes = calloc(STACK_DEPTH_MAX_CODE + 2, 1);
    pst_error *error = stack_depths_find(program.opcodes, (pst_bytes){bytes, STACK_DEPTH_MAX_CODE + 2}, NULL, 0,
                                         &program.arena, &program.depths);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_LIMIT);
    pst_error_free(error);
    assert_null(stack_depths_find(program.opcodes, (pst_bytes){bytes, 0}, NULL, 0, &program.arena, &program.depths));
    assert_int_equal(depth_at(&program, 0), -1);
    free(bytes);
    end(&program);
}

static void test_anything(void **state)
{
    (void)state;
    enum { ROUNDS = 3000, SIZE = 300 };
    uint32_t seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        struct program program;
        struct stack_depth choices[STACK_DEPTH_CHOICES];
        int version = round % 11;
        begin(&program, version ? 3 : 2, version ? 5 + version : 7);
        program.size = SIZE;
        for (size_t i = 0; i < SIZE; i++) {
            seed = seed * 1664525 + 1013904223;
            program.bytes[i] = (uint8_t)(seed >> 24);
            if (program.opcodes->major == 3 && i % 2) /* or most would jump out of it */
                program.bytes[i] %= 32;
        }
        program.exceptions[0] = (pst_exception_range){.target = (int)(seed >> 24), .depth = (int)(seed >> 8)};
        program.exception_count = 1;
        find(&program);
        for (int offset = 0; offset < SIZE; offset++) {
            size_t count = stack_depths_get(&program.depths, offset, choices);
            assert_true(count <= STACK_DEPTH_CHOICES);
            for (size_t i = 0; i < count; i++)
                assert_true(choices[i].depth >= 0 && choices[i].depth <= STACK_DEPTH_MAX);
        }
        end(&program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_effects),
        cmocka_unit_test(test_extended_arg),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_exception_table),
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_finally),
        cmocka_unit_test(test_contradiction),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
