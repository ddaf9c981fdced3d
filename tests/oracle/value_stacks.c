/*
 * What the library knows of value stacks and calls, for tests/oracle/depths.py and calls.py.
 *
 * value_stacks all PID: of every code object a line: its address, co_stacksize, the greatest depth, how many
 *     instructions it has, how many of them have no depth, some depths, or return with too few values, the
 *     nanoseconds that it took, its name.
 * value_stacks at PID: for each line of its input, ADDRESS OFFSET, a line: the instruction's offset, its name, and its
 *     depths, DEPTH/BLOCKS/PASSAGE/SLOT each.
 * value_stacks calls PID|CORE [SYSROOT]: for each of the innermost frames of each thread a line of JSON: what it has
 *     called.
 */
#include "python/call_site.h"
#include "python/code_object.h"
#include "python/python.h"
#include "python/stack_depth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int fail(pst_error *error)
{
    fprintf(stderr, "value_stacks: %s\n", pst_error_get_message(error));
    pst_error_free(error);
    return 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

struct counts {
    size_t instructions, unknown, several, poor_returns;
    int greatest;
};

static void count(const struct opcodes *opcodes, const struct stack_depths *depths, struct counts *counts)
{
    struct stack_depth choices[STACK_DEPTH_CHOICES];
    int64_t arg;
    uint8_t opcode;
    for (int offset = 0, start; stack_depths_get_instruction(depths, offset, &start, &opcode, &arg); offset++) {
        if (start != offset)
            continue;
        size_t found = stack_depths_get(depths, offset, choices);
        counts->instructions++;
        counts->unknown += found == 0;
        counts->several += found > 1;
        for (size_t i = 0; i < found; i++) {
            if (choices[i].depth > counts->greatest)
                counts->greatest = choices[i].depth;
            counts->poor_returns += strcmp(opcodes->opcodes[opcode].name, "RETURN_VALUE") == 0 && choices[i].depth < 1;
        }
    }
}

static void print_one(const struct opcodes *opcodes, const pst_code *code)
{
    struct arena arena = {0};
    struct stack_depths depths;
    struct counts counts = {0};
    uint64_t start = now_ns();
    pst_error *error = stack_depths_find(opcodes, code->bytecode, code->exceptions, code->exception_count, &arena,
                                         &depths);
    uint64_t elapsed = now_ns() - start;
    if (!error)
        count(opcodes, &depths, &counts);
    printf("0x%" PRIx64 " %" PRId64 " %d %zu %zu %zu %zu %" PRIu64 " %.*s%s%s\n", code->address,
           code->numbers.stacksize, counts.greatest, counts.instructions, counts.unknown, counts.several,
           counts.poor_returns, elapsed, (int)code->name.size, code->name.data, error ? " error: " : "",
           error ? pst_error_get_message(error) : "");
    pst_error_free(error);
    arena_free(&arena);
}

static pst_error *print_all(pst_target *target, const pst_snapshot *snapshot, const struct opcodes *opcodes)
{
    pst_code_options options = {.size = sizeof options, .which = PST_CODE_ALL};
    pst_code_search *search;
    const pst_code *code = NULL;
    TRY(pst_code_search_open(target, snapshot, &options, &search));
    pst_error *error = pst_code_search_next(search, &code);
    while (!error && code) {
        if (code->bytecode.data && !bytecode_is_blank(code))
            print_one(opcodes, code);
        error = pst_code_search_next(search, &code);
    }
    pst_code_search_close(search);
    return error;
}

/* ---- at ----------------------------------------------------------------------------------------------------- */

static pst_error *read_depths(const struct python *python, const struct opcodes *opcodes, pst_addr address,
                              struct arena *arena, struct stack_depths *depths)
{
    struct pst_code code = {0};
    struct code_reader reader = {python, opcodes, arena, &code};
    code_read_head(&reader, address);
    code_read_body(&reader);
    pst_error *error = stack_depths_find(opcodes, code.bytecode, code.exceptions, code.exception_count, arena, depths);
    error_list_free(&code.errors);
    return error;
}

static void print_choices(const struct opcodes *opcodes, const struct stack_depths *depths, int offset)
{
    struct stack_depth choices[STACK_DEPTH_CHOICES];
    int start;
    uint8_t opcode;
    int64_t arg;
    if (!stack_depths_get_instruction(depths, offset, &start, &opcode, &arg)) {
        printf("-1 none\n");
        return;
    }
    printf("%d %s", start, opcodes->opcodes[opcode].name);
    size_t found = stack_depths_get(depths, offset, choices);
    for (size_t i = 0; i < found; i++)
        printf(" %d/%d/%d/%d", choices[i].depth, choices[i].block_count, (int)choices[i].passage,
               choices[i].passage_slot);
    printf("\n");
}

static pst_error *answer(const struct python *python, const struct opcodes *opcodes)
{
    struct arena arena = {0};
    struct stack_depths depths = {0};
    pst_addr address, last = 0;
    pst_error *error = NULL;
    int offset;
    memory_begin(python->memory);
    while (!error && scanf("%" SCNx64 " %d", &address, &offset) == 2) {
        if (address != last) {
            arena_reset(&arena);
            error = read_depths(python, opcodes, address, &arena, &depths);
        }
        last = address;
        if (!error)
            print_choices(opcodes, &depths, offset);
    }
    arena_free(&arena);
    return error;
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

static void print_site(const struct pst_thread *thread, size_t number, const struct pst_frame *frame,
                       const struct call_site *site)
{
    static const char *const kinds[] = {"none", "call", "enter", "exit", "iterate"};
    size_t known = site->argument_count < CALL_SITE_MAX_ARGUMENTS ? site->argument_count : CALL_SITE_MAX_ARGUMENTS;
    printf("{\"ident\": %" PRIu64 ", \"frame\": %zu, \"function\": \"%.*s\", \"lasti\": %d, \"kind\": \"%s\", "
           "\"callee\": %" PRIu64 ", \"self\": %" PRIu64 ", \"count\": %zu, \"star\": %" PRIu64
           ", \"double_star\": %" PRIu64 ", \"arguments\": [",
           thread->ident, number, (int)frame->code->name.size, frame->code->name.data, frame->lasti, kinds[site->kind],
           site->callee, site->self, site->argument_count, site->star, site->double_star);
    for (size_t i = 0; i < known; i++)
        printf("%s[%" PRIu64 ", %" PRIu64 "]", i ? ", " : "", site->arguments[i].name, site->arguments[i].value);
    printf("]}\n");
}

static pst_error *print_calls(const struct python *python, pst_snapshot *snapshot)
{
    enum { FRAMES = 4 };
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct pst_thread *thread = &snapshot->threads[i];
        for (size_t j = 0; j < thread->frame_count && j < FRAMES; j++) {
            const struct pst_frame *frame = &thread->frames[j];
            struct call_site site;
            if (!frame->code || !frame->has_lasti)
                continue;
            TRY(call_site_find(python, &snapshot->arena, frame->code, frame->address, frame->lasti, &site));
            print_site(thread, j, frame, &site);
        }
    }
    return NULL;
}

/* ---- the target -------------------------------------------------------------------------------------------- */

static pst_error *run(pst_target *target, const char *what)
{
    struct python *python;
    const struct opcodes *opcodes;
    pst_snapshot *snapshot;
    TRY(python_open(target, &python));
    TRY(opcodes_get(python->layout.major, python->layout.minor, &opcodes));
    if (strcmp(what, "at") == 0)
        return answer(python, opcodes);
    TRY(pst_snapshot_take(target, NULL, &snapshot));
    pst_error *error = strcmp(what, "all") == 0 ? print_all(target, snapshot, opcodes)
                                                : print_calls(python, snapshot);
    pst_snapshot_free(snapshot);
    return error;
}

int main(int argc, char **argv)
{
    pst_target *target;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: value_stacks all|at|calls PID\n       value_stacks calls CORE [SYSROOT]\n");
        return 64;
    }
    pst_target_options options = {.size = sizeof options, .sysroot = argc == 4 ? argv[3] : NULL};
    char *end;
    long pid = strtol(argv[2], &end, 10);
    pst_error *error = *end ? pst_target_open_core(argv[2], &options, &target)
                            : pst_target_open_process((pid_t)pid, &options, &target);
    if (error)
        return fail(error);
    error = run(target, argv[1]);
    pst_target_close(target);
    return error ? fail(error) : 0;
}
