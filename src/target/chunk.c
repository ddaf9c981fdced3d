#include "target/chunk.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    /* Pages are populated some at a time, which costs less than a page fault for each. */
    POPULATED_PAGES = 64,
    /* What is wanted beyond a few pages is held in huge ones, if the kernel has any: 2 MB cost as much then as 500 KB
     * in small ones do, and are read and written faster. */
    SMALL_CHUNK_PAGES = 512,
    SMALL_CHUNK_SIZE = SMALL_CHUNK_PAGES * (MEMORY_PAGE_SIZE + sizeof(struct memory_page)),
    LARGE_CHUNK_SIZE = 2 << 20,
    LARGE_CHUNK_PAGES = LARGE_CHUNK_SIZE / (MEMORY_PAGE_SIZE + sizeof(struct memory_page)),
};

void chunks_expect(struct chunks *chunks, size_t page_count)
{
    chunks->are_large = page_count > SMALL_CHUNK_PAGES;
}

static uint8_t *map(size_t size)
{
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

/* LARGE_CHUNK_SIZE bytes where a huge page can be. */
static uint8_t *map_large(void)
{
    uint8_t *bytes = map(2 * (size_t)LARGE_CHUNK_SIZE);
    if (!bytes)
        return NULL;
    size_t before = -(uintptr_t)bytes & (LARGE_CHUNK_SIZE - 1);
    if (before)
        munmap(bytes, before);
    munmap(bytes + before + LARGE_CHUNK_SIZE, LARGE_CHUNK_SIZE - before);
    madvise(bytes + before, LARGE_CHUNK_SIZE, MADV_HUGEPAGE);
    return bytes + before;
}

static bool add_chunk(struct chunks *chunks)
{
    struct chunk *items = realloc(chunks->items, (chunks->count + 1) * sizeof *items);
    if (!items)
        return false;
    chunks->items = items;
    struct chunk chunk = {.size = SMALL_CHUNK_SIZE, .capacity = SMALL_CHUNK_PAGES};
    bool is_large = chunks->are_large || chunks->count;
    if (is_large)
        chunk = (struct chunk){.size = LARGE_CHUNK_SIZE, .capacity = LARGE_CHUNK_PAGES};
    chunk.bytes = is_large ? map_large() : map(chunk.size);
    if (!chunk.bytes)
        return false;
    chunk.pages = (struct memory_page *)(void *)(chunk.bytes + chunk.capacity * MEMORY_PAGE_SIZE);
    items[chunks->count++] = chunk;
    return true;
}

/* Those that are taken next. Linux before 5.14 can't, and the first use of each will do it. */
static void populate(const struct chunk *chunk)
{
    size_t left = chunk->capacity - chunk->count;
    madvise(chunk->bytes + chunk->count * MEMORY_PAGE_SIZE,
            (left < POPULATED_PAGES ? left : POPULATED_PAGES) * MEMORY_PAGE_SIZE, MADV_POPULATE_WRITE);
}

struct memory_page *chunks_take_page(struct chunks *chunks)
{
    struct chunk *chunk = chunks->count ? &chunks->items[chunks->count - 1] : NULL;
    if (!chunk || chunk->count == chunk->capacity) {
        if (!add_chunk(chunks))
            return NULL;
        chunk = &chunks->items[chunks->count - 1];
    }
    if (chunk->count % POPULATED_PAGES == 0)
        populate(chunk);
    struct memory_page *page = &chunk->pages[chunk->count];
    *page = (struct memory_page){.bytes = chunk->bytes + chunk->count++ * MEMORY_PAGE_SIZE};
    return page;
}

void chunks_reset(struct chunks *chunks)
{
    if (!chunks->count)
        return;
    struct chunk *newest = &chunks->items[chunks->count - 1]; /* a large one, if there is any */
    for (struct chunk *chunk = chunks->items; chunk < newest; chunk++)
        munmap(chunk->bytes, chunk->size);
    newest->count = 0;
    chunks->items[0] = *newest;
    chunks->count = 1;
}

void chunks_free(struct chunks *chunks)
{
    for (size_t i = 0; i < chunks->count; i++)
        munmap(chunks->items[i].bytes, chunks->items[i].size);
    free(chunks->items);
    *chunks = (struct chunks){0};
}
