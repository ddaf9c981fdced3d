/*
 * Instructions, as that version's Lib/dis.py lists them: what dis._unpack_opargs(), findlabels(), findlinestarts() and
 * _get_instructions_bytes() (3.13+: ArgResolver) do, over bytes that may be anything.
 */
#include "base/text.h"
#include "python/code_object.h"
#include "python/step.h"
#include "python/repr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_UNIT_SIZE = 2 };

struct listing {
    struct code_reader *reader;
    const struct opcodes *opcodes;
    struct pst_code *code;
    int version;                /* 313 */
    pst_instruction *items;
    size_t count;
    uint8_t *is_label;          /* by offset, one more than the code has bytes */
    struct text scratch;
    pst_error *problem;         /* the first thing that was wrong */
};

static void note(struct listing *listing, pst_error *error)
{
    if (listing->problem)
        pst_error_free(error);
    else
        listing->problem = error;
}

static const char *name_opcode(struct listing *listing, uint8_t opcode)
{
    const char *name = listing->opcodes->opcodes[opcode].name;
    if (name)
        return name;
    listing->scratch.size = 0;
    text_printf(&listing->scratch, "<%u>", opcode);
    text_add_char(&listing->scratch, '\0');
    name = listing->scratch.failed ? NULL : arena_copy(listing->reader->arena, listing->scratch.data,
                                                       listing->scratch.size);
    return name ? name : "";
}

/* ---- the walk ------------------------------------------------------------------------------------------- */

static struct step_reader walk(const struct listing *listing)
{
    return (struct step_reader){.opcodes = listing->opcodes, .bytes = listing->code->bytecode};
}

/* How many there are, as far as they can be told apart. */
static size_t count_instructions(struct listing *listing)
{
    size_t count = 0;
    struct step_reader reader = walk(listing);
    struct step step;
    while (step_next(&reader, &step))
        count++;
    if (reader.is_cut)
        note(listing, error_new(PST_ERROR_CORRUPT, "the instruction at offset %zu is cut off", reader.offset));
    return count;
}

/* ---- jumps and labels ----------------------------------------------------------------------------------- */

static void mark_label(struct listing *listing, int64_t offset)
{
    if (offset >= 0 && (uint64_t)offset <= listing->code->bytecode.size)
        listing->is_label[offset] = 1;
}

static void mark_jump(struct listing *listing, const struct step *step, pst_instruction *instruction)
{
    int64_t target = step_find_target(listing->opcodes, step, step->arg);
    if (target >= 0 && (uint64_t)target < listing->code->bytecode.size)
        instruction->jump_target = (int)target;
    else
        note(listing, error_new(PST_ERROR_CORRUPT, "the jump at offset %zu goes to %lld", step->offset,
                                (long long)target));
    /* 2.7's findlabels() knows no EXTENDED_ARG. */
    if (listing->version < 300)
        target = step_find_target(listing->opcodes, step, step->arg & 0xffff);
    mark_label(listing, target);
}

static void mark_exceptions(struct listing *listing)
{
    const struct pst_code *code = listing->code;
    for (size_t i = 0; i < code->exception_count; i++) {
        const pst_exception_range *range = &code->exceptions[i];
        if (listing->version >= 313) {
            mark_label(listing, range->start);
            mark_label(listing, range->end);
            mark_label(listing, range->target);
        } else if (range->end > range->start) {
            mark_label(listing, range->target);
        }
    }
}

/* 3.13+ */
static pst_error *number_labels(struct listing *listing)
{
    struct pst_code *code = listing->code;
    size_t count = 0;
    for (size_t offset = 0; offset <= code->bytecode.size; offset++)
        count += listing->is_label[offset];
    int *labels = arena_alloc(listing->reader->arena, count * sizeof *labels + 1);
    if (!labels)
        return error_no_memory();
    code->labels = labels;
    for (size_t offset = 0; offset <= code->bytecode.size; offset++) {
        if (listing->is_label[offset])
            labels[code->label_count++] = (int)offset;
    }
    return NULL;
}

static int compare_offsets(const void *a, const void *b)
{
    const int *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

/* 0: there is none. */
static int find_label(const struct pst_code *code, int64_t offset)
{
    int wanted = (int)offset;
    if (offset != wanted || !code->label_count)
        return 0;
    const int *found = bsearch(&wanted, code->labels, code->label_count, sizeof *code->labels, compare_offsets);
    return found ? (int)(found - code->labels) + 1 : 0;
}

/* ---- what arguments mean --------------------------------------------------------------------------------- */

static pst_text keep_scratch(struct listing *listing)
{
    const struct text *text = &listing->scratch;
    const char *copy = text->failed ? NULL : arena_copy(listing->reader->arena, text->data, text->size);
    if (!copy && text->size)
        note(listing, error_no_memory());
    return copy ? (pst_text){copy, text->size} : (pst_text){0};
}

/* The text with `what` in the place of "$". */
static pst_text mark_text(struct listing *listing, const char *pattern, const void *what, size_t size)
{
    const char *place = strchr(pattern, '$');
    if (!place)
        return (pst_text){pattern, strlen(pattern)};
    listing->scratch.size = 0;
    text_add(&listing->scratch, pattern, (size_t)(place - pattern));
    text_add(&listing->scratch, what, size);
    text_add_string(&listing->scratch, place + 1);
    return keep_scratch(listing);
}

static pst_text show_text(struct listing *listing, uint8_t operand, uint64_t index)
{
    const char *text = opcodes_get_text(listing->opcodes, operand, index);
    return text ? (pst_text){text, strlen(text)} : (pst_text){0};
}

/* One name of a list; a list that could not be read has its error elsewhere. */
static pst_text show_name(struct listing *listing, const struct text_list *list, int64_t index, const char *what)
{
    if (!list->items)
        return (pst_text){0};
    if (index >= 0 && (uint64_t)index < list->count)
        return list->items[index];
    note(listing, error_new(PST_ERROR_CORRUPT, "an instruction asks for item %lld of %s, which has %zu",
                            (long long)index, what, list->count));
    return (pst_text){0};
}

/* The lowest `bits` of the argument say how the name is marked. */
static pst_text show_marked_name(struct listing *listing, uint8_t operand, int64_t arg, unsigned bits)
{
    pst_text name = show_name(listing, &listing->code->lists[PST_CODE_NAMES], arg >> bits, "co_names");
    const char *pattern = opcodes_get_text(listing->opcodes, operand, (uint64_t)arg & ((1u << bits) - 1));
    return pattern && name.size ? mark_text(listing, pattern, name.data, name.size) : name;
}

/* To 3.10: of the cells and then the free variables. */
static pst_text show_cell(struct listing *listing, int64_t index)
{
    const struct text_list *cells = &listing->code->lists[PST_CODE_CELLVARS];
    const struct text_list *free_ones = &listing->code->lists[PST_CODE_FREEVARS];
    if (!cells->items || !free_ones->items)
        return (pst_text){0};
    if (index >= 0 && (uint64_t)index < cells->count)
        return cells->items[index];
    return show_name(listing, free_ones, index - (int64_t)cells->count, "co_freevars");
}

static pst_text show_pair(struct listing *listing, int64_t arg)
{
    const struct text_list *names = &listing->code->localsplusnames;
    pst_text first = show_name(listing, names, arg >> 4, "co_localsplusnames");
    pst_text second = show_name(listing, names, arg & 15, "co_localsplusnames");
    if (!first.data || !second.data)
        return (pst_text){0};
    listing->scratch.size = 0;
    text_add(&listing->scratch, first.data, first.size);
    text_add_string(&listing->scratch, ", ");
    text_add(&listing->scratch, second.data, second.size);
    return keep_scratch(listing);
}

static pst_text show_constant(struct listing *listing, int64_t index)
{
    const struct pst_code *code = listing->code;
    if (!code->constants)
        return (pst_text){0};
    if (index < 0 || (uint64_t)index >= code->constant_count) {
        note(listing, error_new(PST_ERROR_CORRUPT, "an instruction asks for item %lld of co_consts, which has %zu",
                                (long long)index, code->constant_count));
        return (pst_text){0};
    }
    const pst_constant *constant = &code->constants[index];
    if (!constant->code)
        return constant->repr;
    listing->scratch.size = 0;
    pst_error *error = repr_add(listing->reader->python, listing->reader->arena, constant->code, &listing->scratch);
    if (!error)
        return keep_scratch(listing);
    note(listing, error);
    return (pst_text){0};
}

static pst_text show_jump(struct listing *listing, const struct step *step)
{
    uint8_t operand = listing->opcodes->opcodes[step->opcode].operand;
    int64_t target = step_find_target(listing->opcodes, step, step->arg);
    int label = listing->version >= 313 ? find_label(listing->code, target) : 0;
    const char *pattern = opcodes_get_text(listing->opcodes, operand, 0);
    /* In 2.7 an EXTENDED_ARG has made a long of it. */
    const char *suffix = listing->version < 300 && step->arg > 0xffff ? "L" : "";
    char number[32];
    if (!pattern)
        return (pst_text){0};
    int size = snprintf(number, sizeof number, "%s%lld%s", label ? "L" : "", label ? label : (long long)target, suffix);
    return mark_text(listing, pattern, number, (size_t)size);
}

static pst_text show_bits(struct listing *listing, uint8_t operand, int64_t arg)
{
    listing->scratch.size = 0;
    for (unsigned bit = 0; bit < 31; bit++) {
        const char *text = arg >> bit & 1 ? opcodes_get_text(listing->opcodes, operand, bit) : NULL;
        if (!text)
            continue;
        text_add_string(&listing->scratch, listing->scratch.size ? ", " : "");
        text_add_string(&listing->scratch, text);
    }
    return keep_scratch(listing);
}

static pst_text show_argument(struct listing *listing, const struct step *step)
{
    const struct pst_code *code = listing->code;
    uint8_t operand = listing->opcodes->opcodes[step->opcode].operand;
    uint64_t index = (uint64_t)step->arg;
    switch ((enum operand)operand) {
    case OPERAND_NONE:
    case OPERAND_NUMBER:
    case OPERAND_COUNT: return (pst_text){0};
    case OPERAND_CONST: return show_constant(listing, step->arg);
    case OPERAND_NAME: return show_name(listing, &code->lists[PST_CODE_NAMES], step->arg, "co_names");
    case OPERAND_GLOBAL:
    case OPERAND_ATTRIBUTE: return show_marked_name(listing, operand, step->arg, 1);
    case OPERAND_SUPER:
    case OPERAND_IMPORT: return show_marked_name(listing, operand, step->arg, 2);
    case OPERAND_LOCAL: return show_name(listing, &code->lists[PST_CODE_VARNAMES], step->arg, "co_varnames");
    case OPERAND_CELL: return show_cell(listing, step->arg);
    case OPERAND_LOCALSPLUS: return show_name(listing, &code->localsplusnames, step->arg, "co_localsplusnames");
    case OPERAND_LOCALSPLUS_PAIR: return show_pair(listing, step->arg);
    case OPERAND_JUMP_ABSOLUTE:
    case OPERAND_JUMP_FORWARD:
    case OPERAND_JUMP_BACKWARD:
    case OPERAND_JUMP_BACKWARD_FROM: return show_jump(listing, step);
    case OPERAND_COMPARE_16: return show_text(listing, operand, index >> 4);
    case OPERAND_COMPARE:
    case OPERAND_BINARY:
    case OPERAND_INTRINSIC_1:
    case OPERAND_INTRINSIC_2:
    case OPERAND_CONVERT:
    case OPERAND_CONSTANT:
    case OPERAND_SPECIAL: return show_text(listing, operand, index);
    case OPERAND_IS:
    case OPERAND_CONTAINS: return show_text(listing, operand, index != 0);
    case OPERAND_FORMAT: return show_text(listing, operand, index & 7);
    case OPERAND_FUNCTION: return show_bits(listing, operand, step->arg);
    }
    return (pst_text){0};
}

/* ---- what it has become ---------------------------------------------------------------------------------- */

/* The counter in the first code unit of the cache. Include/internal/pycore_backoff.h; to 3.12 pycore_code.h,
 * adaptive_counter_bits(). */
static void read_counter(const struct listing *listing, const uint8_t *units, pst_instruction *instruction)
{
    const struct opcode *base = &listing->opcodes->opcodes[instruction->opcode];
    if (!base->has_family || !base->cache_count)
        return;
    instruction->cache = (uint16_t)(units[2] | units[3] << 8);
    unsigned bits = listing->version >= 315 ? 3 : 4;
    /* 3.11: ADAPTIVE instructions alone back off, specialised ones count misses (Python/ceval.c, miss:). */
    const char *name = listing->opcodes->opcodes[units[0]].name;
    if (listing->version == 311 && name && !strstr(name, "_ADAPTIVE"))
        bits = 0;
    instruction->counter = instruction->cache >> bits;
    instruction->backoff = bits ? instruction->cache & ((1 << bits) - 1) : -1;
}

/* `adaptive` is what stands in memory of all of them. */
static void read_adaptive(struct listing *listing, pst_bytes adaptive, pst_instruction *instruction)
{
    size_t offset = (size_t)instruction->offset, size = CODE_UNIT_SIZE + (size_t)instruction->cache_size;
    if (size > adaptive.size || offset > adaptive.size - size)
        return;
    instruction->adaptive = name_opcode(listing, adaptive.data[offset]);
    read_counter(listing, adaptive.data + offset, instruction);
}

/* The same instructions as they stand in the copies. */
static pst_error *list_copies(struct listing *listing)
{
    for (size_t i = 0; i < listing->code->copy_count; i++) {
        pst_code_copy *copy = &listing->code->copies[i];
        pst_instruction *items = arena_copy(listing->reader->arena, listing->items, listing->count * sizeof *items + 1);
        if (!items)
            return error_no_memory();
        for (size_t j = 0; j < listing->count; j++)
            read_adaptive(listing, copy->adaptive, &items[j]);
        copy->instructions = items;
    }
    return NULL;
}

/* ---- lines ----------------------------------------------------------------------------------------------- */

/* findlinestarts(), from the ranges of co_lines(). From 3.13 on a range without a line is a start, too. */
static void find_lines(struct listing *listing)
{
    const struct pst_code *code = listing->code;
    size_t at = 0;
    int last_line = -2;
    for (size_t i = 0; i < listing->count; i++) {
        pst_instruction *instruction = &listing->items[i];
        for (; at < code->line_count && code->lines[at].start <= instruction->offset; at++) {
            int line = code->lines[at].line;
            bool starts = line != last_line && (line != -1 || listing->version >= 313);
            if (starts)
                last_line = line;
            if (code->lines[at].start == instruction->offset)
                instruction->starts_line = starts;
        }
        size_t unit = (size_t)instruction->offset / CODE_UNIT_SIZE;
        instruction->position = (pst_position){-1, -1, -1, -1};
        if (at > 0 && instruction->offset < code->lines[at - 1].end)
            instruction->position.line = code->lines[at - 1].line;
        if (code->positions && unit < code->position_count)
            instruction->position = code->positions[unit];
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------- */

static void fill(struct listing *listing, const struct step *step, pst_instruction *instruction)
{
    const struct opcode *known = &listing->opcodes->opcodes[step->opcode];
    if (!known->name)
        note(listing, error_new(PST_ERROR_CORRUPT, "there is no instruction %u (at offset %zu)", step->opcode,
                                step->offset));
    *instruction = (pst_instruction){
        .offset = (int)step->offset,
        .opcode = step->opcode,
        .name = name_opcode(listing, step->opcode),
        .has_arg = step->has_arg,
        .arg = step->arg,
        .jump_target = -1,
        .cache_size = known->cache_count * CODE_UNIT_SIZE,
        .counter = -1,
        .backoff = -1,
    };
    read_adaptive(listing, listing->code->adaptive, instruction);
    if (step_is_jump(listing->opcodes, step))
        mark_jump(listing, step, instruction);
}

static pst_error *list_all(struct listing *listing)
{
    struct pst_code *code = listing->code;
    struct step_reader reader = walk(listing);
    struct step step;
    for (size_t i = 0; i < listing->count && step_next(&reader, &step); i++)
        fill(listing, &step, &listing->items[i]);
    mark_exceptions(listing);
    if (listing->version >= 313)
        TRY(number_labels(listing));
    reader = walk(listing);
    for (size_t i = 0; i < listing->count && step_next(&reader, &step); i++) {
        listing->items[i].is_jump_target = listing->is_label[step.offset];
        listing->items[i].label = find_label(code, (int64_t)step.offset);
        if (step.has_arg)
            listing->items[i].argrepr = show_argument(listing, &step);
    }
    find_lines(listing);
    code->instructions = listing->items;
    code->instruction_count = listing->count;
    return list_copies(listing);
}

pst_error *instructions_read(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    if (!code->bytecode.data)
        return NULL;    /* which is said already */
    struct listing listing = {
        .reader = reader,
        .opcodes = reader->opcodes,
        .code = code,
        .version = reader->opcodes->major * 100 + reader->opcodes->minor,
    };
    listing.count = count_instructions(&listing);
    listing.items = arena_alloc(reader->arena, listing.count * sizeof *listing.items + 1);
    listing.is_label = calloc(code->bytecode.size + 1, 1);
    pst_error *error = listing.items && listing.is_label ? list_all(&listing) : error_no_memory();
    if (error)
        note(&listing, error);
    free(listing.is_label);
    text_free(&listing.scratch);
    return listing.problem;
}

const int *pst_code_get_labels(const pst_code *code, size_t *count)
{
    *count = code->label_count;
    return code->labels;
}
