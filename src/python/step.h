/* The walk over bytecode, instruction by instruction. A pure function over bytes that may be anything. */
#ifndef PYSTANDER_PYTHON_STEP_H
#define PYSTANDER_PYTHON_STEP_H

#include "python/opcodes.h"
#include "pystander/pystander.h"

struct step_reader {
    const struct opcodes *opcodes;
    pst_bytes bytes;            /* co_code */
    size_t offset;              /* of the next instruction */
    int64_t extended;           /* what EXTENDED_ARGs have gathered for it */
    bool is_cut;                /* the instruction at `offset` is cut off, or takes in too much: it ended there */
};

/* One instruction. */
struct step {
    size_t offset, size;        /* with its caches */
    uint8_t opcode;
    bool has_arg;
    int64_t arg;
};

/* false: there is none any more, or is_cut. */
bool step_next(struct step_reader *reader, struct step *step);
bool step_is_jump(const struct opcodes *opcodes, const struct step *step);
/* Where a jump with this argument goes, be it in the code or not. */
int64_t step_find_target(const struct opcodes *opcodes, const struct step *step, int64_t arg);

#endif
