#include "python/stack_depth.h"

#include "python/step.h"

#include <stdlib.h>

enum {
    MAX_STATES = STACK_DEPTH_CHOICES, /* of one instruction, to 3.8; later a second one is a contradiction */
    MEAN_STATES = 4,                  /* of all instructions: few are in a "finally" */
    MIN_STATES = 256,
    MAX_HEIGHT = 40,                  /* of blocks: CO_MAXBLOCKS is 20, and as much again for what passes */
};

struct depth_instruction {
    uint32_t offset;
    uint32_t states;    /* 1 + index of the newest state before it; 0: nothing leads here */
    uint32_t setup;     /* 1 + index of the instruction that set up the "finally" or "with" which begins here */
    int32_t arg;        /* at most INT32_MAX, which is too much for any */
    uint8_t opcode;
    bool has_arg;
};

/* That an instruction may be executed with this depth and these blocks. */
struct depth_state {
    uint32_t instruction;
    uint32_t next;      /* 1 + index of another state before the same instruction */
    uint32_t block;     /* the innermost one; see block_of(). From 3.9 on always 0 */
    uint32_t depth : 24;
    uint32_t height : 8; /* of the blocks */
};

struct analysis {
    struct stack_depths *depths;
    const struct opcodes *opcodes;
    int version;
    struct depth_instruction *instructions;
    size_t instruction_count;
    struct depth_state *states;   /* [0, state_count), in the order in which they are looked at */
    size_t state_count, capacity;
    size_t max_states;            /* of one instruction */
    pst_error *error;
};

/* ---- instructions ------------------------------------------------------------------------------------------ */

static size_t count_instructions(struct step_reader reader)
{
    struct step step;
    size_t count = 0;
    while (step_next(&reader, &step))
        count++;
    return count;
}

static pst_error *read_instructions(struct analysis *analysis, pst_bytes bytecode, struct arena *arena)
{
    struct step_reader reader = {.opcodes = analysis->opcodes, .bytes = bytecode};
    struct step step;
    size_t count = count_instructions(reader);
    analysis->instructions = arena_alloc(arena, count * sizeof *analysis->instructions + 1);
    if (!analysis->instructions)
        return error_no_memory();
    while (analysis->instruction_count < count && step_next(&reader, &step))
        analysis->instructions[analysis->instruction_count++] = (struct depth_instruction){
            .offset = (uint32_t)step.offset,
            .opcode = step.opcode,
            .has_arg = step.has_arg,
            .arg = step.arg > INT32_MAX ? INT32_MAX : (int32_t)step.arg,
        };
    analysis->depths->code_size = (int)reader.offset;
    return NULL;
}

/* The last one that does not begin behind `offset`; false: there is none. */
static bool find_instruction(const struct stack_depths *depths, int64_t offset, size_t *index)
{
    size_t low = 0, high = depths->instruction_count;
    if (offset < 0 || offset >= depths->code_size)
        return false;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (depths->instructions[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    *index = low;
    return high > low;
}

static bool can_jump(const struct opcodes *opcodes, const struct depth_instruction *instruction)
{
    uint8_t operand = opcodes->opcodes[instruction->opcode].operand;
    return instruction->has_arg && (operand == OPERAND_JUMP_ABSOLUTE || operand == OPERAND_JUMP_FORWARD ||
                                    operand == OPERAND_JUMP_BACKWARD);
}

/* false: it jumps to where no instruction begins. */
static bool find_target(const struct analysis *analysis, size_t index, size_t *target)
{
    const struct depth_instruction *instruction = &analysis->instructions[index];
    bool is_last = index + 1 == analysis->instruction_count;
    size_t end = is_last ? (size_t)analysis->depths->code_size : instruction[1].offset;
    struct step step = {.offset = instruction->offset, .size = end - instruction->offset,
                        .opcode = instruction->opcode};
    int64_t offset = step_find_target(analysis->opcodes, &step, instruction->arg);
    return find_instruction(analysis->depths, offset, target) && analysis->instructions[*target].offset == offset;
}

/* ---- states ------------------------------------------------------------------------------------------------ */

static bool grow(struct analysis *analysis)
{
    if (analysis->state_count < analysis->capacity)
        return true;
    size_t capacity = analysis->capacity ? analysis->capacity * 2 : analysis->instruction_count;
    struct depth_state *states = realloc(analysis->states, capacity * sizeof *states);
    if (!states)
        return false;
    analysis->states = states;
    analysis->capacity = capacity;
    return true;
}

/* Each is added, and so looked at, once. */
static void add_state(struct analysis *analysis, size_t index, int64_t depth, uint32_t block, unsigned height)
{
    struct depth_instruction *instruction = &analysis->instructions[index];
    size_t count = 0;
    if (depth < 0 || depth > STACK_DEPTH_MAX || analysis->error)
        return; /* no compiler's work */
    for (uint32_t at = instruction->states; at; at = analysis->states[at - 1].next, count++) {
        if (analysis->states[at - 1].depth == depth && analysis->states[at - 1].block == block)
            return;
    }
    size_t most = analysis->instruction_count * MEAN_STATES + MIN_STATES;
    if (count == analysis->max_states || analysis->state_count == most || height > MAX_HEIGHT) {
        analysis->depths->is_complete = false;
        return;
    }
    if (!grow(analysis)) {
        analysis->error = error_no_memory();
        return;
    }
    analysis->states[analysis->state_count++] = (struct depth_state){
        .instruction = (uint32_t)index, .next = instruction->states, .block = block, .depth = (uint32_t)depth,
        .height = height};
    instruction->states = (uint32_t)analysis->state_count;
}

/* ---- where control goes ------------------------------------------------------------------------------------ */

/* The state of which a step is taken, and what of it goes on. A copy: the states move as they grow. */
struct path {
    struct depth_state state;
    uint32_t number;    /* 1 + its index */
    const struct depth_instruction *instruction;
    const struct opcode *opcode;
    int64_t depth;      /* behind it, if control goes on */
};

static uint32_t find_passage(const struct analysis *analysis, size_t index, int64_t depth, uint32_t block);

static void go_on(struct analysis *analysis, const struct path *path, int64_t depth, uint32_t block, unsigned height)
{
    size_t next = (size_t)path->state.instruction + 1;
    if (next == analysis->instruction_count)
        return;
    uint32_t passage = find_passage(analysis, next, depth, block);
    add_state(analysis, next, depth, passage ? passage : block, height + (passage != 0));
}

static void jump(struct analysis *analysis, const struct path *path, uint32_t block, unsigned height)
{
    size_t target;
    if (!find_target(analysis, path->state.instruction, &target))
        return;
    int64_t depth = (int64_t)path->state.depth + stack_effect_get(&path->opcode->jump_effect, path->instruction->arg);
    uint32_t passage = find_passage(analysis, target, depth, block);
    add_state(analysis, target, depth, passage ? passage : block, height + (passage != 0));
}

/* ---- blocks, to 3.8 ---------------------------------------------------------------------------------------- */

/* What a block is now. Its number is that of the state before the instruction that set it up, which knows the block
 * around it in turn: what is alike has one number. */
enum block_kind {
    BLOCK_SET_UP,
    BLOCK_HANDLER,      /* an exception left it: EXCEPT_HANDLER; from 3.x on */
    BLOCK_EXITED,       /* the same, without the __exit__ that was below the exception */
    BLOCK_SILENCED,     /* the same, as that returned true: a why_code lies on the exception. 3.6, 3.7 */
    /* No block any more: */
    BLOCK_HANDLED,      /* 3.6: as PASSAGE_NOTHING, and the handler that it was set up in is over, too */
    BLOCK_EXITING,      /* 3.8: a "with" is left by a return: at WITH_CLEANUP_START, instead of what set it up */
    BLOCK_PASSAGE,      /* + enum passage: what passes is on the stack */
};

enum { KIND_BITS = 4, KINDS = 1 << KIND_BITS };

static uint32_t block_of(uint32_t number, unsigned kind)
{
    return number << KIND_BITS | kind;
}

static const struct depth_state *get_setup(const struct depth_state *states, uint32_t block)
{
    return &states[(block >> KIND_BITS) - 1];
}

/* The block around it; 0: there is none. */
static uint32_t get_outer(const struct depth_state *states, uint32_t block)
{
    uint32_t outer = get_setup(states, block)->block;
    return block % KINDS == BLOCK_HANDLED ? get_setup(states, outer)->block : outer;
}

static const struct opcode *get_setup_opcode(const struct stack_depths *depths, const struct depth_state *setup)
{
    return &depths->opcodes->opcodes[depths->instructions[setup->instruction].opcode];
}

static int exception_size(const struct opcodes *opcodes)
{
    return opcodes->major < 3 ? 3 : 6;
}

/* b_level: the handler begins with the exception on top of it. */
static int get_level(const struct stack_depths *depths, const struct depth_state *setup)
{
    const struct opcode *opcode = get_setup_opcode(depths, setup);
    int pushed = opcode->flow == FLOW_LOOP ? 0 : exception_size(depths->opcodes);
    return (int)setup->depth + opcode->jump_effect.constant - pushed;
}

static int passage_size(enum passage passage)
{
    switch (passage) {
    case PASSAGE_NONE: return 0;
    case PASSAGE_NOTHING:
    case PASSAGE_BREAK: return 1;
    case PASSAGE_RETURN:
    case PASSAGE_CONTINUE: return 2;
    case PASSAGE_EXCEPTION: return 3;
    }
    return 0;
}

/* 3.6 ends the handler before the "finally" that deletes its variable. */
static bool is_handled(const struct analysis *analysis, const struct depth_state *setup, int64_t depth, uint32_t block)
{
    enum { KEPT_SIZE = 3 }; /* what POP_EXCEPT takes off */
    return analysis->version == 306 && setup->block % KINDS == BLOCK_HANDLER &&
           get_outer(analysis->states, setup->block) == block &&
           get_level(analysis->depths, setup) - KEPT_SIZE + 1 == depth;
}

/* Where a "finally" begins and control comes without an exception: its block is over. It pushed one value, 3.8: on
 * top of what is to be returned, if it comes from a return. 0: it is not so. */
static uint32_t find_passage(const struct analysis *analysis, size_t index, int64_t depth, uint32_t block)
{
    const struct depth_instruction *instruction = &analysis->instructions[index];
    if (!instruction->setup)
        return 0;
    uint32_t number = analysis->instructions[instruction->setup - 1].states;
    for (; number; number = analysis->states[number - 1].next) {
        const struct depth_state *setup = &analysis->states[number - 1];
        int64_t size = depth - get_level(analysis->depths, setup);
        if (setup->block == block && (size == 1 || (size == 2 && analysis->version == 308)))
            return block_of(number, BLOCK_PASSAGE + (size == 1 ? PASSAGE_NOTHING : PASSAGE_RETURN));
        if (is_handled(analysis, setup, depth, block))
            return block_of(number, BLOCK_HANDLED);
    }
    return 0;
}

/* Into the handler of the block, with what passes; or, 3.x, an exception. */
static void enter(struct analysis *analysis, uint32_t block, unsigned kind)
{
    const struct depth_state setup = *get_setup(analysis->states, block);
    int size = kind < BLOCK_PASSAGE ? exception_size(analysis->opcodes) : passage_size(kind - BLOCK_PASSAGE);
    size_t target;
    if (find_target(analysis, setup.instruction, &target))
        add_state(analysis, target, get_level(analysis->depths, &setup) + size,
                  block_of(block >> KIND_BITS, kind), setup.height + 1u);
}

/* A return, break or continue leaves the blocks, innermost first, up to the first "finally". Where a loop's ends, and
 * where it begins, other ways lead as well. */
static void leave(struct analysis *analysis, uint32_t block, enum passage passage)
{
    while (block) {
        const struct depth_state *setup = get_setup(analysis->states, block);
        unsigned flow = get_setup_opcode(analysis->depths, setup)->flow;
        bool is_set_up = block % KINDS == BLOCK_SET_UP;
        if (is_set_up && flow == FLOW_LOOP && passage != PASSAGE_RETURN)
            return;
        if (is_set_up && (flow == FLOW_FINALLY || flow == FLOW_WITH)) {
            enter(analysis, block, BLOCK_PASSAGE + passage);
            return;
        }
        block = get_outer(analysis->states, block);
    }
}

static void set_up(struct analysis *analysis, const struct path *path)
{
    uint32_t block = block_of(path->number, BLOCK_SET_UP);
    unsigned height = path->state.height + 1u;
    size_t target;
    bool is_clean_up = path->opcode->flow == FLOW_FINALLY || path->opcode->flow == FLOW_WITH;
    if (is_clean_up && find_target(analysis, path->state.instruction, &target))
        analysis->instructions[target].setup = path->state.instruction + 1;
    go_on(analysis, path, path->depth, block, height);
    if (path->opcode->flow == FLOW_LOOP || (path->opcode->flow == FLOW_EXCEPT && analysis->version < 300))
        jump(analysis, path, path->state.block, path->state.height);
    else
        enter(analysis, block, analysis->version < 300 ? BLOCK_PASSAGE + PASSAGE_EXCEPTION : BLOCK_HANDLER);
}

/* 2.7 has no block for an exception that is handled: END_FINALLY is the end of "except" as well. What passes lies
 * lower then. */
static bool is_end_of(const struct analysis *analysis, const struct path *path, const struct depth_state *setup,
                      unsigned kind)
{
    if (analysis->version >= 300)
        return true;
    bool is_exited = get_setup_opcode(analysis->depths, setup)->flow == FLOW_WITH;
    int level = get_level(analysis->depths, setup) - is_exited;
    return (int)path->state.depth == level + passage_size(kind - BLOCK_PASSAGE);
}

static void end_finally(struct analysis *analysis, const struct path *path)
{
    const struct depth_state setup = *get_setup(analysis->states, path->state.block);
    unsigned kind = path->state.block % KINDS;
    if (kind == BLOCK_SILENCED)
        go_on(analysis, path, get_level(analysis->depths, &setup) - 1, setup.block, setup.height);
    if (kind == BLOCK_HANDLED)
        go_on(analysis, path, path->depth, get_outer(analysis->states, path->state.block), setup.height);
    if (kind < BLOCK_PASSAGE || !is_end_of(analysis, path, &setup, kind))
        return; /* the exception goes on its way */
    enum passage passage = kind - BLOCK_PASSAGE;
    if (passage == PASSAGE_NOTHING)
        go_on(analysis, path, path->depth, setup.block, setup.height);
    else if (passage != PASSAGE_EXCEPTION && analysis->version < 308) /* 3.8: back to behind CALL_FINALLY */
        leave(analysis, setup.block, passage);
}

/* Whether the code is what is executed however a "with" ends. */
static bool is_end_of_with(const struct analysis *analysis, uint32_t block)
{
    return block && block % KINDS != BLOCK_SET_UP &&
           get_setup_opcode(analysis->depths, get_setup(analysis->states, block))->flow == FLOW_WITH;
}

/* __exit__ is called, and no more on the stack. */
static void call_exit(struct analysis *analysis, const struct path *path)
{
    uint32_t number = path->state.block >> KIND_BITS;
    unsigned kind = path->state.block % KINDS;
    unsigned height = path->state.height;
    if (!is_end_of_with(analysis, path->state.block)) {
        if (analysis->version == 308)
            go_on(analysis, path, path->depth, block_of(path->number, BLOCK_EXITING), height + 1);
    } else if (kind == BLOCK_HANDLER) {
        go_on(analysis, path, path->depth + 1, block_of(number, BLOCK_EXITED), height);
    } else if (kind >= BLOCK_PASSAGE) {
        go_on(analysis, path, path->depth, path->state.block, height);
        if (kind == BLOCK_PASSAGE + PASSAGE_EXCEPTION) /* it is silenced */
            go_on(analysis, path, path->depth - 2, block_of(number, BLOCK_PASSAGE + PASSAGE_NOTHING), height);
    }
}

static void end_exit(struct analysis *analysis, const struct path *path)
{
    uint32_t number = path->state.block >> KIND_BITS;
    unsigned height = path->state.height;
    go_on(analysis, path, path->depth, path->state.block, height);
    if (path->state.block % KINDS != BLOCK_EXITED)
        return;
    if (analysis->version >= 308)
        go_on(analysis, path, get_level(analysis->depths, get_setup(analysis->states, path->state.block)),
              block_of(number, BLOCK_PASSAGE + PASSAGE_NOTHING), height);
    else
        go_on(analysis, path, path->depth + 1, block_of(number, BLOCK_SILENCED), height);
}

/* What ends a block that is there; __exit__ may be called when it has ended. */
static void end_block(struct analysis *analysis, const struct path *path)
{
    if (path->opcode->flow == FLOW_EXIT) {
        call_exit(analysis, path);
        return;
    }
    const struct depth_state setup = *get_setup(analysis->states, path->state.block);
    unsigned kind = path->state.block % KINDS;
    switch ((enum flow)path->opcode->flow) {
    case FLOW_POP_BLOCK:
        if (kind == BLOCK_SET_UP) /* to 3.7 it takes off what is left in the block */
            go_on(analysis, path, analysis->version < 308 ? get_level(analysis->depths, &setup) : path->depth,
                  setup.block, setup.height);
        return;
    case FLOW_POP_HANDLER:
        if (kind == BLOCK_HANDLER)
            go_on(analysis, path, path->depth, setup.block, setup.height);
        return;
    case FLOW_POP_FINALLY:
        if (kind != BLOCK_SET_UP)
            go_on(analysis, path, path->depth - (kind == BLOCK_HANDLER ? exception_size(analysis->opcodes) - 1 : 0),
                  setup.block, setup.height);
        return;
    case FLOW_END_FINALLY: end_finally(analysis, path); return;
    case FLOW_EXIT_DONE: end_exit(analysis, path); return;
    default: return;
    }
}

/* ---- all of it --------------------------------------------------------------------------------------------- */

static void follow(struct analysis *analysis, size_t index)
{
    struct path path = {.state = analysis->states[index], .number = (uint32_t)index + 1};
    path.instruction = &analysis->instructions[path.state.instruction];
    path.opcode = &analysis->opcodes->opcodes[path.instruction->opcode];
    path.depth = (int64_t)path.state.depth + stack_effect_get(&path.opcode->effect, path.instruction->arg);
    if (!path.opcode->name)
        return;
    switch ((enum flow)path.opcode->flow) {
    case FLOW_NEXT:
        go_on(analysis, &path, path.depth, path.state.block, path.state.height);
        if (!can_jump(analysis->opcodes, path.instruction))
            return;
        jump(analysis, &path, path.state.block, path.state.height);
        return;
    case FLOW_JUMP: jump(analysis, &path, path.state.block, path.state.height); return;
    case FLOW_RETURN: leave(analysis, path.state.block, PASSAGE_RETURN); return;
    case FLOW_BREAK: leave(analysis, path.state.block, PASSAGE_BREAK); return;
    case FLOW_CONTINUE: leave(analysis, path.state.block, PASSAGE_CONTINUE); return;
    case FLOW_LOOP:
    case FLOW_EXCEPT:
    case FLOW_FINALLY:
    case FLOW_WITH: set_up(analysis, &path); return;
    case FLOW_END:
    case FLOW_COUNT: return;
    default:
        if (path.state.block || path.opcode->flow == FLOW_EXIT)
            end_block(analysis, &path);
    }
}

static void add_entries(struct analysis *analysis, const pst_exception_range *exceptions, size_t exception_count)
{
    const struct opcode *first = &analysis->opcodes->opcodes[analysis->instructions[0].opcode];
    /* 3.10: GEN_START takes off what a generator is sent first. */
    add_state(analysis, 0, first->name && first->effect.constant < 0 ? -first->effect.constant : 0, 0, 0);
    for (size_t i = 0; i < exception_count; i++) {
        size_t target;
        if (find_instruction(analysis->depths, exceptions[i].target, &target) &&
            analysis->instructions[target].offset == (uint32_t)exceptions[i].target)
            add_state(analysis, target, (int64_t)exceptions[i].depth + (exceptions[i].lasti != 0) + 1, 0, 0);
    }
}

static pst_error *analyse(struct analysis *analysis, pst_bytes bytecode, const pst_exception_range *exceptions,
                          size_t exception_count, struct arena *arena)
{
    struct stack_depths *depths = analysis->depths;
    TRY(read_instructions(analysis, bytecode, arena));
    depths->instructions = analysis->instructions;
    depths->instruction_count = analysis->instruction_count;
    if (analysis->instruction_count)
        add_entries(analysis, exceptions, exception_count);
    for (size_t i = 0; i < analysis->state_count && !analysis->error && depths->is_complete; i++)
        follow(analysis, i);
    TRY(analysis->error);
    depths->states = arena_copy(arena, analysis->states, analysis->state_count * sizeof *analysis->states);
    depths->state_count = analysis->state_count;
    return depths->states ? NULL : error_no_memory();
}

pst_error *stack_depths_find(const struct opcodes *opcodes, pst_bytes bytecode, const pst_exception_range *exceptions,
                             size_t exception_count, struct arena *arena, struct stack_depths *depths)
{
    *depths = (struct stack_depths){.opcodes = opcodes, .is_complete = true};
    if (bytecode.size > STACK_DEPTH_MAX_CODE)
        return error_new(PST_ERROR_LIMIT, "the code has %zu bytes, more than %d", bytecode.size,
                         STACK_DEPTH_MAX_CODE);
    struct analysis analysis = {.depths = depths, .opcodes = opcodes,
                                .version = opcodes->major * 100 + opcodes->minor};
    analysis.max_states = analysis.version >= 309 ? 1 : MAX_STATES;
    pst_error *error = analyse(&analysis, bytecode, exceptions, exception_count, arena);
    free(analysis.states);
    return error;
}

/* ---- questions --------------------------------------------------------------------------------------------- */

bool stack_depths_get_instruction(const struct stack_depths *depths, int offset, int *start, uint8_t *opcode,
                                  int64_t *arg)
{
    size_t index;
    if (!find_instruction(depths, offset, &index))
        return false;
    const struct depth_instruction *instruction = &depths->instructions[index];
    *start = (int)instruction->offset;
    *opcode = instruction->opcode;
    *arg = instruction->arg;
    return true;
}

static struct stack_depth describe(const struct stack_depths *depths, const struct depth_state *state)
{
    struct stack_depth result = {.depth = (int)state->depth};
    for (uint32_t block = state->block; block;) {
        const struct depth_state *setup = get_setup(depths->states, block);
        unsigned kind = block % KINDS;
        result.block_count += kind <= BLOCK_SILENCED;
        if (kind >= BLOCK_PASSAGE && !result.passage) {
            result.passage = kind - BLOCK_PASSAGE;
            result.passage_slot = get_level(depths, setup);
        }
        block = get_outer(depths->states, block);
    }
    return result;
}

static bool is_among(const struct stack_depth *choices, size_t count, const struct stack_depth *depth)
{
    for (size_t i = 0; i < count; i++) {
        if (choices[i].depth == depth->depth && choices[i].block_count == depth->block_count &&
            choices[i].passage == depth->passage && choices[i].passage_slot == depth->passage_slot)
            return true;
    }
    return false;
}

size_t stack_depths_get(const struct stack_depths *depths, int offset, struct stack_depth *choices)
{
    size_t index, count = 0;
    if (!depths->is_complete || !find_instruction(depths, offset, &index))
        return 0;
    for (uint32_t at = depths->instructions[index].states; at; at = depths->states[at - 1].next) {
        struct stack_depth depth = describe(depths, &depths->states[at - 1]);
        if (!is_among(choices, count, &depth))
            choices[count++] = depth;
    }
    return count;
}
