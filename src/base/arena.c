#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_SIZE = 64 * 1024, /* a larger thing has a block of its own */
    MAX_SPARE = 64,
};

struct arena_block {
    struct arena_block *older;
    size_t capacity;
    alignas(max_align_t) unsigned char bytes[];
};

/* Only a block of one thing is cleared as a whole: much of others is never touched. */
static struct arena_block *get_block(struct arena *arena, size_t capacity)
{
    struct arena_block *block = capacity == BLOCK_SIZE ? arena->spare : NULL;
    if (block) {
        arena->spare = block->older;
        arena->spare_count--;
        return block;
    }
    block = capacity == BLOCK_SIZE ? malloc(sizeof *block + capacity) : calloc(1, sizeof *block + capacity);
    if (block)
        block->capacity = capacity;
    return block;
}

static void *take(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > ARENA_MAX_SIZE)
        return NULL;
    size = (size + align - 1) / align * align;
    if (!arena->blocks || size > arena->capacity - arena->used) {
        size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct arena_block *block = capacity <= ARENA_MAX_SIZE - arena->total ? get_block(arena, capacity) : NULL;
        if (!block)
            return NULL;
        block->older = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
        arena->capacity = capacity;
        arena->total += capacity;
    }
    void *memory = arena->blocks->bytes + arena->used;
    arena->used += size;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = take(arena, size);
    if (memory && size <= BLOCK_SIZE)
        memset(memory, 0, size);
    return memory;
}

void *arena_copy(struct arena *arena, const void *bytes, size_t size)
{
    void *memory = take(arena, size);
    if (memory && size)
        memcpy(memory, bytes, size);
    return memory;
}

void arena_reset(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks, *older; block; block = older) {
        older = block->older;
        if (block->capacity == BLOCK_SIZE && arena->spare_count < MAX_SPARE) {
            block->older = arena->spare;
            arena->spare = block;
            arena->spare_count++;
        } else {
            free(block);
        }
    }
    *arena = (struct arena){.spare = arena->spare, .spare_count = arena->spare_count};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void arena_free(struct arena *arena)
{
    free_blocks(arena->blocks);
    free_blocks(arena->spare);
    *arena = (struct arena){0};
}
