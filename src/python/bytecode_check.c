/*
 * Whether bytecode can be what a compiler made: whether its instructions exist and ask for what is there, jumps and
 * exception handlers lead to instructions, and it does not run off its end. The interpreter checks none of it: it would
 * have crashed. What is wrong here was overwritten.
 */
#include "python/code_object.h"
#include "python/step.h"

#include <stdlib.h>
#include <string.h>

struct check {
    const struct code_reader *reader;
    const struct pst_code *code;
    uint8_t *is_start;      /* of an instruction, by offset */
};

static pst_error *check_index(const struct step *step, int64_t index, const void *items, size_t count,
                              const char *what)
{
    if (!items || (index >= 0 && (uint64_t)index < count))
        return NULL; /* a list that could not be read has its error already */
    return error_new(PST_ERROR_CORRUPT, "the instruction at offset %zu asks for item %lld of %s, which has %zu",
                     step->offset, (long long)index, what, count);
}

static pst_error *check_name(const struct check *check, const struct step *step, int64_t index)
{
    const struct text_list *names = &check->code->lists[PST_CODE_NAMES];
    return check_index(step, index, names->items, names->count, "co_names");
}

static pst_error *check_local(const struct check *check, const struct step *step, int64_t index)
{
    const struct text_list *names = &check->code->localsplusnames;
    return check_index(step, index, names->items, names->count, "co_localsplusnames");
}

/* To 3.10. */
static pst_error *check_cell(const struct check *check, const struct step *step)
{
    const struct text_list *cells = &check->code->lists[PST_CODE_CELLVARS];
    const struct text_list *free_ones = &check->code->lists[PST_CODE_FREEVARS];
    const void *items = cells->items ? free_ones->items : NULL;
    return check_index(step, step->arg, items, cells->count + free_ones->count, "co_cellvars and co_freevars");
}

static pst_error *check_argument(const struct check *check, const struct step *step)
{
    const struct pst_code *code = check->code;
    const struct text_list *varnames = &code->lists[PST_CODE_VARNAMES];
    switch (check->reader->opcodes->opcodes[step->opcode].operand) {
    case OPERAND_CONST: return check_index(step, step->arg, code->constants, code->constant_count, "co_consts");
    case OPERAND_NAME: return check_name(check, step, step->arg);
    case OPERAND_GLOBAL:
    case OPERAND_ATTRIBUTE: return check_name(check, step, step->arg >> 1);
    case OPERAND_SUPER:
    case OPERAND_IMPORT: return check_name(check, step, step->arg >> 2);
    case OPERAND_LOCAL: return check_index(step, step->arg, varnames->items, varnames->count, "co_varnames");
    case OPERAND_CELL: return check_cell(check, step);
    case OPERAND_LOCALSPLUS: return check_local(check, step, step->arg);
    case OPERAND_LOCALSPLUS_PAIR: {
        TRY(check_local(check, step, step->arg >> 4));
        return check_local(check, step, step->arg & 15);
    }
    default: return NULL;
    }
}

static pst_error *check_opcode(const struct check *check, const struct step *step)
{
    const struct opcodes *opcodes = check->reader->opcodes;
    const struct opcode *known = &opcodes->opcodes[step->opcode];
    if (known->name && step->opcode != opcodes->cache && !known->is_instrumented && known->base == step->opcode)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "there is no instruction %u (at offset %zu)", step->opcode, step->offset);
}

static bool begins_with(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

/* RESUME ends the code of the frames below __init__() (Python/specialize.c, _Py_InitCleanup). */
static bool can_be_last(const char *name)
{
    static const char *const starts[] = {"RETURN_", "RERAISE", "RAISE_VARARGS", "JUMP_", "RESUME", "INTERPRETER_EXIT"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (begins_with(name, starts[i]))
            return true;
    }
    return false;
}

static pst_error *check_steps(struct check *check)
{
    const struct opcodes *opcodes = check->reader->opcodes;
    struct step_reader reader = {.opcodes = opcodes, .bytes = check->code->bytecode};
    struct step step = {0};
    while (step_next(&reader, &step)) {
        check->is_start[step.offset] = 1;
        TRY(check_opcode(check, &step));
        if (step.has_arg && step.opcode != opcodes->extended_arg)
            TRY(check_argument(check, &step));
    }
    if (reader.is_cut)
        return error_new(PST_ERROR_CORRUPT, "the instruction at offset %zu is cut off", reader.offset);
    if (reader.offset && !can_be_last(opcodes->opcodes[step.opcode].name))
        return error_new(PST_ERROR_CORRUPT, "it ends with %s", opcodes->opcodes[step.opcode].name);
    return NULL;
}

static bool is_start(const struct check *check, int64_t offset)
{
    return offset >= 0 && (uint64_t)offset < check->code->bytecode.size && check->is_start[offset];
}

static pst_error *check_jumps(const struct check *check)
{
    const struct opcodes *opcodes = check->reader->opcodes;
    struct step_reader reader = {.opcodes = opcodes, .bytes = check->code->bytecode};
    struct step step;
    while (step_next(&reader, &step)) {
        if (!step_is_jump(opcodes, &step))
            continue;
        int64_t target = step_find_target(opcodes, &step, step.arg);
        if (!is_start(check, target))
            return error_new(PST_ERROR_CORRUPT, "the jump at offset %zu goes to %lld, where no instruction is",
                             step.offset, (long long)target);
    }
    return NULL;
}

static pst_error *check_exceptions(const struct check *check)
{
    const struct pst_code *code = check->code;
    int64_t stacksize = code->numbers.stacksize;
    for (size_t i = 0; i < code->exception_count; i++) {
        const pst_exception_range *range = &code->exceptions[i];
        bool ends = (size_t)range->end == code->bytecode.size || is_start(check, range->end);
        if (range->start >= range->end || !is_start(check, range->start) || !ends || !is_start(check, range->target) ||
            (stacksize >= 0 && range->depth > stacksize))
            return error_new(PST_ERROR_CORRUPT, "handler %zu of the exception table, %d to %d, target %d, depth %d, "
                                                "does not fit the bytecode", i, range->start, range->end,
                             range->target, range->depth);
    }
    return NULL;
}

static pst_error *check_all(struct check *check)
{
    TRY(check_steps(check));
    TRY(check_jumps(check));
    return check_exceptions(check);
}

pst_error *bytecode_check(const struct code_reader *reader)
{
    if (!reader->code->bytecode.data || bytecode_is_blank(reader->code))
        return NULL; /* which is said already; nothing runs it */
    struct check check = {.reader = reader, .code = reader->code};
    check.is_start = calloc(reader->code->bytecode.size + 1, 1);
    pst_error *error = check.is_start ? check_all(&check) : error_no_memory();
    free(check.is_start);
    return error;
}
