#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 * 1024 };

struct arena_block {
    struct arena_block *older;
    alignas(max_align_t) unsigned char bytes[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > ARENA_MAX_SIZE)
        return NULL;
    size = (size + align - 1) / align * align;
    if (size > arena->capacity - arena->used) {
        size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct arena_block *block =
            capacity <= ARENA_MAX_SIZE - arena->total ? calloc(1, sizeof *block + capacity) : NULL;
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

void *arena_copy(struct arena *arena, const void *bytes, size_t size)
{
    void *memory = arena_alloc(arena, size);
    if (memory && size)
        memcpy(memory, bytes, size);
    return memory;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    if (!block || block->older || arena->capacity > BLOCK_SIZE) {
        arena_free(arena);
        return;
    }
    memset(block->bytes, 0, arena->used);
    arena->used = 0;
}

void arena_free(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block;) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    *arena = (struct arena){0};
}
