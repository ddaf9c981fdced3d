/* The items of a collections.deque. Modules/_collectionsmodule.c. */
#ifndef PYSTANDER_PYTHON_DEQUE_H
#define PYSTANDER_PYTHON_DEQUE_H

#include "python/field.h"

/* Where the next one is: blocks of so many that lead to each other. */
struct deque_reader {
    const struct python *python;
    pst_addr block;
    uint64_t index, block_size;
};

/* Readies a reader; *count is how many there are. */
MUST_USE pst_error *deque_start(const struct python *python, pst_addr deque, struct deque_reader *reader,
                                uint64_t *count);
/* Whoever asks counts. */
MUST_USE pst_error *deque_next(struct deque_reader *reader, pst_addr *item);

#endif
