/*
 * The opcodes of one CPython minor version: layouts/X.Y.opcodes, which layouts/generate-opcodes writes from what
 * the interpreter itself says (opcode, dis, inspect, importlib.util). Parsed when they are first needed.
 */
#ifndef PYSTANDER_PYTHON_OPCODES_H
#define PYSTANDER_PYTHON_OPCODES_H

#include "base/error.h"

/* What an instruction's argument means, so how dis shows it. */
enum operand {
    OPERAND_NONE,       /* "none": it takes no argument */
    OPERAND_NUMBER,     /* "number": and nothing else */
#define OPERAND(identifier, name) OPERAND_##identifier,
#include "python/operands.def"
#undef OPERAND
    OPERAND_COUNT
};

/* Where control goes after an instruction. */
enum flow {
#define FLOW(identifier, name) FLOW_##identifier,
#include "python/flows.def"
#undef FLOW
    FLOW_COUNT
};

/* The terms of stack effects. */
enum effect_term {
    EFFECT_NONE,        /* a constant alone */
#define EFFECT(identifier, name, formula) EFFECT_##identifier,
#include "python/effects.def"
#undef EFFECT
    EFFECT_COUNT
};

/* By how much the value stack grows: constant + factor * term(argument). */
struct stack_effect {
    int8_t constant, factor;
    uint8_t term;         /* enum effect_term */
};

struct opcode {
    const char *name;     /* NULL: there is no such opcode */
    uint8_t base;         /* of a specialised or instrumented one: the opcode in co_code; else itself */
    uint8_t cache_count;  /* code units of inline cache behind it (3.11+) */
    uint8_t operand;      /* enum operand */
    uint8_t flow;         /* enum flow */
    struct stack_effect effect, jump_effect; /* if control goes on; if it jumps */
    bool is_specialised, is_instrumented;
    bool has_family;      /* others are specialisations of it */
};

/* Names by number (comparisons, CO_ flags …); NULL where there is none. */
struct opcode_names {
    const char *const *names;
    size_t count;
};

struct opcodes {
    int major, minor;
    uint16_t magic;                 /* of .pyc files: the first two bytes; 0: not known */
    int have_argument;              /* opcodes from here on take an argument */
    struct opcode opcodes[256];
    /* Of the opcodes that matter by name; -1: this version has none. */
    int extended_arg, enter_executor, instrumented_line, instrumented_instruction, resume, cache;
    struct opcode_names flags;      /* by bit: "OPTIMIZED" … */
    struct opcode_names operands[OPERAND_COUNT]; /* of OPERAND_COMPARE: "<", "<=" …; empty for most */
};

int64_t stack_effect_get(const struct stack_effect *effect, int64_t arg);

/* One of `operands`, or NULL. */
const char *opcodes_get_text(const struct opcodes *opcodes, enum operand operand, uint64_t index);

/* The table of a version, kept for ever (it is made once); *opcodes is NULL if there is none. */
MUST_USE pst_error *opcodes_get(int major, int minor, const struct opcodes **opcodes);

#endif
