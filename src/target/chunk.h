/* Room for the pages of a cache: memory.c. */
#ifndef PYSTANDER_TARGET_CHUNK_H
#define PYSTANDER_TARGET_CHUNK_H

#include "target/memory.h"

/* Pages are handed out in order and never move: `bytes` and `pages` are parallel arrays in one mapping. */
struct chunk {
    uint8_t *bytes;
    struct memory_page *pages;
    size_t size;             /* bytes of the mapping */
    size_t count, capacity;
};

struct chunks {
    struct chunk *items;
    size_t count;
    bool are_large;          /* the first, too */
};

/* Before the first page is taken: how many there may be. */
void chunks_expect(struct chunks *chunks, size_t page_count);
/* A page that is empty but for its `bytes`; NULL: no memory. */
struct memory_page *chunks_take_page(struct chunks *chunks);
/* All pages may be taken again. One chunk stays, so that filling it again costs no page faults. */
void chunks_reset(struct chunks *chunks);
void chunks_free(struct chunks *chunks);

#endif
