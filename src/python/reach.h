/*
 * The memory that values lead to: what has to be kept of a target so that its frames' variables can be looked at later.
 *
 * Objects are followed without knowing their kind: each word of one that holds the address of memory is a way to more
 * of it. So what is kept is more than what any one look needs, the nearest first, up to a limit.
 */
#ifndef PYSTANDER_PYTHON_REACH_H
#define PYSTANDER_PYTHON_REACH_H

#include "python/field.h"

enum {
    REACH_MAX_ROOTS = 1 << 20,     /* words of all frames */
    REACH_MAX_BLOCKS = 1 << 23,    /* objects, blocks of memory and pages in all */
    REACH_MAX_BLOCK_SIZE = 4096,   /* bytes of one object */
    REACH_RAW_SIZE = 512,          /* of memory that is no object: a list's items, a small dict's table; at first */
    REACH_RAW_GROWTH = 8,          /* times as much of each, when nothing nearer is left */
    REACH_MAX_RAW_SIZE = 1 << 28,
    REACH_MAX_SLOTS = 4096,        /* words of one frame */
    REACH_ROOTS_SIZE = 8 << 20,    /* bytes of the values of variables themselves, whatever the limit is */
};

/* Memory that goes on: [start, end) of it was looked at. */
struct reach_raw {
    pst_addr start, end;           /* start == end: that is all */
};

struct reach {
    uint64_t limit;                /* bytes of the cache's pages */
    uint64_t size;                 /* so far */
    pst_addr *queue;               /* what was found, in order; [0, next) was looked at */
    size_t count, next, capacity;
    pst_addr *seen;                /* open addressing; a power of two */
    size_t seen_capacity;
    struct reach_raw *raws;        /* memory whose size is not known, in order */
    size_t raw_count, raw_capacity;
    uint64_t multiplier;
    bool is_cut;                   /* there would be more */
};

void reach_start(struct reach *reach, uint64_t limit);
void reach_free(struct reach *reach);
/* Forgets what was found: for another walk. */
void reach_clear(struct reach *reach);

/* The variables and the value stack of a frame that runs `code`. What can't be read is left out. */
void reach_add_frame(struct reach *reach, const struct python *python, pst_addr frame, pst_addr code);
/* What a thread raises and handles. */
void reach_add_thread(struct reach *reach, const struct python *python, pst_addr thread);
/* Touches all that these lead to, the nearest first. */
void reach_follow(struct reach *reach, const struct python *python);

#endif
