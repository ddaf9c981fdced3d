#include "python/value_stack.h"

#include "python/code_object.h"
#include "python/object.h"
#include "python/value.h"

enum {
    WORD = 8,
    STACKREF_TAGS = 3,         /* 3.14+: low bits of a _PyStackRef (pycore_stackref.h) */
    STACKREF_INT = 3,          /* all set: a small int, not an object */
    WHY_RETURN = 8, WHY_BREAK = 16, WHY_CONTINUE = 32, /* to 3.7: Python/ceval.c, enum why_code */
};

/* ---- objects ----------------------------------------------------------------------------------------------- */

/* The type of the object, if its own type is a type; 0: it is not so. */
static pst_addr find_type(const struct python *python, pst_addr object)
{
    pst_addr type = 0, metatype;
    uint64_t flags = 0;
    if (!object || object % WORD)
        return 0;
    pst_error *error = object_get_type(python, object, &type);
    if (!error && type && type % WORD == 0)
        error = object_get_type(python, type, &metatype);
    if (!error && type && type % WORD == 0)
        error = type_get_flags(python, metatype, &flags);
    pst_error_free(error);
    return !error && flags & TPFLAGS_TYPE_SUBCLASS ? type : 0;
}

bool object_is_there(const struct python *python, pst_addr object)
{
    return find_type(python, object) != 0;
}

bool object_is_callable(const struct python *python, pst_addr object)
{
    pst_addr type = find_type(python, object), call = 0;
    if (type)
        pst_error_free(field_address(python, type, F(PyTypeObject_tp_call), &call));
    return call != 0;
}

bool object_has_flag(const struct python *python, pst_addr object, uint64_t flag)
{
    pst_addr type = find_type(python, object);
    uint64_t flags = 0;
    if (type)
        pst_error_free(type_get_flags(python, type, &flags));
    return flags & flag;
}

/* ---- slots ------------------------------------------------------------------------------------------------- */

pst_error *value_stack_read(const struct value_stack *stack, int64_t slot, pst_addr *object)
{
    *object = 0;
    TRY(pointer_at(stack->python, stack->base, (uint64_t)slot, object));
    if (python_minor_version(stack->python) >= 314)
        *object = (*object & STACKREF_TAGS) == STACKREF_INT ? 0 : *object & ~(pst_addr)STACKREF_TAGS;
    return NULL;
}

pst_error *value_stack_peek(const struct value_stack *stack, int64_t from_top, pst_addr *object)
{
    *object = 0;
    if (from_top < 0 || from_top >= stack->depth)
        return NULL;
    return value_stack_read(stack, stack->depth - 1 - from_top, object);
}

static pst_error *find_base(const struct python *python, pst_addr frame, pst_addr code, pst_addr *base)
{
    int locals;
    if (!has(python, F(_PyInterpreterFrame_localsplus)))
        return field_address(python, frame, F(PyFrameObject_f_valuestack), base);
    TRY(field_int(python, code, F(PyCodeObject_co_nlocalsplus), &locals));
    TRY(field_place(python, frame, F(_PyInterpreterFrame_localsplus), base));
    if (locals < 0 || locals > CODE_MAX_NAMES)
        return error_new(PST_ERROR_CORRUPT, "co_nlocalsplus is %d", locals);
    *base += (pst_addr)locals * WORD;
    return NULL;
}

/* ---- the code's depths ------------------------------------------------------------------------------------- */

static pst_error *find_depths(const struct python *python, struct arena *arena, const struct code *code,
                              struct stack_depths *depths)
{
    struct arena scratch = {0};
    struct pst_code whole = {.address = code->address, .table = {.code_size = code->table.code_size}};
    struct code_reader reader = {.python = python, .arena = &scratch, .code = &whole};
    TRY(opcodes_get(python->layout.major, python->layout.minor, &reader.opcodes));
    if (!reader.opcodes || whole.table.code_size > STACK_DEPTH_MAX_CODE)
        return NULL;
    pst_error *error = bytecode_read(&reader);
    if (!error)
        error = code_read_exceptions(&reader);
    if (!error)
        error = stack_depths_find(reader.opcodes, whole.bytecode, whole.exceptions, whole.exception_count, arena,
                                  depths);
    arena_free(&scratch);
    return error;
}

/* It takes time as reading does, and of a forged core many may be asked for. */
static void count_work(const struct python *python, const struct stack_depths *depths)
{
    uint64_t left = memory_get_work_left(python->memory), work = depths->instruction_count + depths->state_count;
    memory_set_work(python->memory, left > work ? left - work : 0);
}

pst_error *code_get_stack_depths(const struct python *python, struct arena *arena, struct code *code,
                                 const struct stack_depths **depths)
{
    *depths = code->stack_depths;
    if (*depths)
        return NULL;
    struct stack_depths *found = arena_alloc(arena, sizeof *found);
    if (!found)
        return error_no_memory();
    *depths = code->stack_depths = found; /* empty ones, if that fails */
    pst_error *error = find_depths(python, arena, code, found);
    count_work(python, found);
    return error_in(error, "PyCodeObject.co_code");
}

/* ---- to 3.10: which depth it is ---------------------------------------------------------------------------- */

/* The why_code, or where to go on, in a slot; 0: it is no such number. */
static uint64_t read_number(const struct value_stack *stack, int slot)
{
    uint64_t flag = python_is_2(stack->python) ? TPFLAGS_INT_SUBCLASS : TPFLAGS_LONG_SUBCLASS, number = 0;
    pst_addr object;
    pst_error *error = value_stack_read(stack, slot, &object);
    if (!error && object_has_flag(stack->python, object, flag))
        error = object_get_int(stack->python, object, &number);
    pst_error_free(error);
    return error ? 0 : number;
}

static bool is_none(const struct value_stack *stack, int slot)
{
    pst_addr object;
    enum value_kind kind = VALUE_OTHER;
    pst_error *error = value_stack_read(stack, slot, &object);
    if (!error && object_is_there(stack->python, object))
        error = value_get_kind(stack->python, object, &kind);
    pst_error_free(error);
    return !error && kind == VALUE_NONE;
}

/* 3.8: NULL or where to go on, in the first slot; or that above a value which is returned. */
static bool passes_38(const struct value_stack *stack, const struct stack_depth *choice)
{
    pst_addr first = 0;
    pst_error_free(value_stack_read(stack, choice->passage_slot, &first));
    if (choice->passage == PASSAGE_NOTHING)
        return !first || read_number(stack, choice->passage_slot);
    return first && read_number(stack, choice->passage_slot + 1);
}

/* Whether what passes through the "finally" is on the stack where this depth has it. */
static bool passes(const struct value_stack *stack, const struct stack_depth *choice)
{
    if (choice->passage == PASSAGE_NONE)
        return true;
    if (python_minor_version(stack->python) == 308)
        return passes_38(stack, choice);
    uint64_t second = read_number(stack, choice->passage_slot + 1);
    bool has_value = second == WHY_RETURN || second == WHY_CONTINUE;
    switch (choice->passage) {
    case PASSAGE_RETURN: return second == WHY_RETURN;
    case PASSAGE_CONTINUE: return second == WHY_CONTINUE;
    case PASSAGE_BREAK: return !has_value && read_number(stack, choice->passage_slot) == WHY_BREAK;
    case PASSAGE_NOTHING: return !has_value && is_none(stack, choice->passage_slot);
    default: return !has_value && !is_none(stack, choice->passage_slot);
    }
}

static pst_error *choose(const struct stack_depth *choices, size_t choice_count, pst_addr frame,
                         struct value_stack stack, struct value_stack *stacks, size_t *count)
{
    const struct python *python = stack.python;
    int block_count = 0;
    if (python_minor_version(python) <= 308)
        TRY(field_int(python, frame, F(PyFrameObject_f_iblock), &block_count));
    for (size_t i = 0; i < choice_count; i++) {
        stack.depth = choices[i].depth;
        if (choices[i].block_count == block_count && passes(&stack, &choices[i]))
            stacks[(*count)++] = stack;
    }
    return NULL;
}

/* ---- from 3.11 on: whether it is saved --------------------------------------------------------------------- */

/* -1: it is not. To 3.13 it is when the frame calls Python, and has given the arguments away; later whenever it
 * calls. */
static pst_error *read_saved_depth(const struct value_stack *stack, pst_addr frame, int64_t *depth)
{
    const struct python *python = stack->python;
    pst_addr first;
    *depth = -1;
    if (has(python, F(_PyInterpreterFrame_stackpointer))) {
        pst_addr top;
        TRY(field_address(python, frame, F(_PyInterpreterFrame_stackpointer), &top));
        if (top)
            *depth = (int64_t)(top - stack->base) / WORD;
        return NULL;
    }
    int top;
    TRY(field_int(python, frame, F(_PyInterpreterFrame_stacktop), &top));
    TRY(field_place(python, frame, F(_PyInterpreterFrame_localsplus), &first));
    if (top >= 0)
        *depth = top - (int64_t)(stack->base - first) / WORD;
    return NULL;
}

static pst_error *check_saved(const struct stack_depth *choices, size_t choice_count, pst_addr frame, int stack_size,
                              struct value_stack stack, struct value_stack *stacks, size_t *count)
{
    int64_t saved;
    TRY(read_saved_depth(&stack, frame, &saved));
    bool is_known = choice_count == 1, saves_always = has(stack.python, F(_PyInterpreterFrame_stackpointer));
    if (saved > stack_size || (saved < 0 && !is_known))
        return NULL;
    stack.depth = saved >= 0 ? (int)saved : choices[0].depth;
    stack.is_before = is_known && (saves_always ? saved == choices[0].depth : saved < 0);
    stacks[(*count)++] = stack;
    return NULL;
}

pst_error *value_stacks_find(const struct python *python, struct arena *arena, struct code *code, pst_addr address,
                             int lasti, struct value_stack *stacks, size_t *count)
{
    const struct stack_depths *depths;
    struct stack_depth choices[STACK_DEPTH_CHOICES];
    struct value_stack stack = {.python = python, .is_before = true};
    int stack_size;
    *count = 0;
    TRY(code_get_stack_depths(python, arena, code, &depths));
    size_t choice_count = stack_depths_get(depths, lasti, choices);
    TRY(field_int(python, code->address, F(PyCodeObject_co_stacksize), &stack_size));
    TRY(find_base(python, address, code->address, &stack.base));
    for (size_t i = 0; i < choice_count; i++) {
        if (choices[i].depth > stack_size)
            return NULL;
    }
    if (has(python, F(_PyInterpreterFrame_localsplus)))
        return check_saved(choices, choice_count, address, stack_size, stack, stacks, count);
    return choose(choices, choice_count, address, stack, stacks, count);
}
