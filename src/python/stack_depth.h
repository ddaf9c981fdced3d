/*
 * How deep the value stack of a frame is, from its bytecode alone: an interpreter keeps the stack pointer of what
 * it executes in a register. Control flow is followed from the start and from the exception handlers, and each
 * instruction's stack effect (layouts/X.Y.opcodes) is added up. Pure functions over bytes that may be anything.
 *
 * From 3.9 on there is one depth for an instruction. To 3.8 the code of a "finally" runs with what passes through
 * it on the stack: nothing, a return, an exception. There are some then, and the frame's own block stack, and what
 * lies on the value stack, tell which holds.
 */
#ifndef PYSTANDER_PYTHON_STACK_DEPTH_H
#define PYSTANDER_PYTHON_STACK_DEPTH_H

#include "base/arena.h"
#include "python/opcodes.h"
#include "pystander/pystander.h"

enum {
    STACK_DEPTH_MAX_CODE = 1 << 18,   /* bytes; larger code is not looked at */
    STACK_DEPTH_MAX = 1 << 20,        /* values on the stack */
    STACK_DEPTH_CHOICES = 16,         /* depths of one instruction */
};

/* What passes through the "finally" that an instruction is in, so what lies on the stack for END_FINALLY. */
enum passage {
    PASSAGE_NONE,       /* it is in none, or an exception does: from 3.x on that has a block of its own */
    PASSAGE_NOTHING,    /* None; 3.8: NULL, or where to go on */
    PASSAGE_BREAK,      /* a why_code; so the next two, above another value */
    PASSAGE_RETURN,     /* 3.8: the value, and where to go on */
    PASSAGE_CONTINUE,
    PASSAGE_EXCEPTION,  /* 2.7: traceback, value, type */
};

/* One depth that the stack may have before an instruction. */
struct stack_depth {
    int depth;
    int block_count;    /* to 3.8: f_iblock, if it is this one; else 0 */
    enum passage passage;
    int passage_slot;   /* the first of the values that pass */
};

struct depth_instruction;
struct depth_state;

/* Of all instructions of a code object. */
struct stack_depths {
    const struct opcodes *opcodes;
    const struct depth_instruction *instructions;
    size_t instruction_count;
    const struct depth_state *states;
    size_t state_count;
    int code_size;
    bool is_complete;   /* false: ways to an instruction disagree, or there were too many; none is sure then */
};

/* `bytecode` is co_code, without specialisation and the like. What it holds lives in the arena. */
MUST_USE pst_error *stack_depths_find(const struct opcodes *opcodes, pst_bytes bytecode,
                                      const pst_exception_range *exceptions, size_t exception_count,
                                      struct arena *arena, struct stack_depths *depths);

/* The instruction that `offset` is in (its caches are a part of it); false: there is none. */
bool stack_depths_get_instruction(const struct stack_depths *depths, int offset, int *start, uint8_t *opcode,
                                  int64_t *arg);
/* The depths that the stack may have before that instruction, at most STACK_DEPTH_CHOICES of them. 0: it is not
 * known: nothing leads there, or is_complete says so. */
size_t stack_depths_get(const struct stack_depths *depths, int offset, struct stack_depth *choices);

#endif
