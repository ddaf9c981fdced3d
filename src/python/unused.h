/*
 * Entries of hash tables that are not in use. A set or dict that was large once may have a million of them in a row:
 * they are looked at in blocks.
 */
#ifndef PYSTANDER_PYTHON_UNUSED_H
#define PYSTANDER_PYTHON_UNUSED_H

#include "python/field.h"

enum { UNUSED_MAX = 1 << 20 /* in a row, that a search for the next item passes over */ };

/* Entries of `size` bytes at `first`. One is not in use if its field `null` is 0, or its field `marked` is `mark`. */
struct unused {
    pst_addr first;
    uint64_t size;
    enum field null, marked;
    uint64_t mark;
};

/* The index of the first entry from `index` on that is in use, or can't be read; `end`: there is none before it. */
uint64_t unused_skip(const struct python *python, const struct unused *unused, uint64_t index, uint64_t end);

#endif
