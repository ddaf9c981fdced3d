/*
 * Memory that is freed all at once: what a snapshot holds lives in its arena.
 * Every function may return NULL: no memory, or the arena has ARENA_MAX_SIZE bytes.
 */
#ifndef PYSTANDER_BASE_ARENA_H
#define PYSTANDER_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

enum { ARENA_MAX_SIZE = 1 << 29 };

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used, capacity;   /* bytes of the newest block */
    size_t total;            /* bytes in all blocks */
    struct arena_block *spare; /* kept by arena_reset() */
    size_t spare_count;
};

/* Zeroed and aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_copy(struct arena *arena, const void *bytes, size_t size);
void arena_free(struct arena *arena);
/* Empties it and keeps some of the memory for the next use. */
void arena_reset(struct arena *arena);

#endif
