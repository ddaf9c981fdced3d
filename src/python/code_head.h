/*
 * The members of a code object as they stood at one moment: what tells whether it was the same living object all the
 * while that it was decoded. A live target goes on meanwhile, and the memory of what dies is used again at once; but as
 * long as a code object lives, what its members point to does neither change nor die.
 */
#ifndef PYSTANDER_PYTHON_CODE_HEAD_H
#define PYSTANDER_PYTHON_CODE_HEAD_H

#include "python/field.h"

enum { CODE_HEAD_SIZE = 320 }; /* bytes; the largest PyCodeObject without its bytecode has 256 */

struct code_head {
    pst_addr address;
    bool is_settled;    /* it was the same and lived after all that belongs to it was brought into the cache */
    uint8_t bytes[CODE_HEAD_SIZE];
};

/* How many bytes are of interest. */
size_t code_head_size(const struct python *python);
/* Reads it now, past the cache. false: it can't be read. */
bool code_head_read(const struct python *python, pst_addr address, struct code_head *head);
/* Whether those that were read before are the same still: settles them. */
void code_heads_settle(const struct python *python, struct code_head *heads, size_t count);
/* Whether it lives. */
bool code_head_lives(const struct python *python, const struct code_head *head);
/* Whether `now` is the same code object as before, and lives. */
bool code_head_is_same(const struct python *python, const struct code_head *before, const struct code_head *now);

#endif
