#include "target/replay.h"

#include "target/covering.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 1024 };

struct replay {
    struct target_operations operations; /* first: a target has no room for its kind's own data but this */
    struct pst_target *origin;
    struct page_store *store;
    struct replay_options options;
    pst_addr *stored;      /* the addresses of what was in the store at first, sorted */
    size_t stored_count;
};

/* ---- memory ---------------------------------------------------------------------------------------------- */

static bool take_stored(const struct page_store *store, struct memory_page *page)
{
    const struct stored_page *stored = page_store_find(store, page->address);
    if (!stored)
        return false;
    page->valid_start = (uint16_t)(stored->address - page->address);
    page->valid_end = (uint16_t)(page->valid_start + stored->size);
    memcpy(page->bytes + page->valid_start, stored->bytes, stored->size);
    return true;
}

static void read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    const struct replay *replay = context;
    struct memory_page *missing[BATCH];
    size_t missing_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (take_stored(replay->store, pages[i]))
            continue;
        missing[missing_count++] = pages[i];
        if (missing_count == BATCH) {
            memory_read_pages(replay->origin->memory, missing, missing_count);
            missing_count = 0;
        }
    }
    if (missing_count)
        memory_read_pages(replay->origin->memory, missing, missing_count);
}

/* Puts what is in the store over the bytes. */
static void overlay(const struct page_store *store, pst_addr address, uint8_t *bytes, size_t size)
{
    /* Counted, not compared: the last page there can be has none behind it. */
    size_t count = size ? (size_t)((address & (MEMORY_PAGE_SIZE - 1)) + size - 1) / MEMORY_PAGE_SIZE + 1 : 0;
    for (size_t i = 0; i < count; i++) {
        pst_addr page = (address & ~(pst_addr)(MEMORY_PAGE_SIZE - 1)) + i * MEMORY_PAGE_SIZE;
        const struct stored_page *stored = page_store_find(store, page);
        if (!stored)
            continue;
        pst_addr start = stored->address > address ? stored->address : address;
        pst_addr stored_end = stored->address + stored->size, end = address + size;
        if (stored_end < end)
            end = stored_end;
        if (start < end)
            memcpy(bytes + (start - address), stored->bytes + (start - stored->address), end - start);
    }
}

/* What is searched, and not read for its own sake, is not set aside; but what was is what the small core will show. */
static size_t read_range(void *context, pst_addr address, uint8_t *bytes, size_t size)
{
    const struct replay *replay = context;
    size_t got;
    memory_read_range(replay->origin->memory, address, bytes, size, &got);
    overlay(replay->store, address, bytes, got);
    return got;
}

static pst_error *list_stored(struct replay *replay)
{
    replay->stored = page_store_list(replay->store);
    replay->stored_count = replay->stored ? replay->store->count : 0;
    return replay->stored ? NULL : error_no_memory();
}

/* The first of the stored that is not below the page of `address`; stored_count: there is none. */
static size_t find_stored(const struct replay *replay, pst_addr address)
{
    size_t low = 0, high = replay->stored_count;
    address &= ~(pst_addr)(MEMORY_PAGE_SIZE - 1);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (replay->stored[middle] < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next run of stored pages. */
static bool find_used_in_store(const struct replay *replay, pst_addr *start, pst_addr *end)
{
    size_t at = find_stored(replay, *start);
    if (at == replay->stored_count || replay->stored[at] >= *end)
        return false;
    if (replay->stored[at] > *start)
        *start = replay->stored[at];
    pst_addr run_end = (replay->stored[at] & ~(pst_addr)(MEMORY_PAGE_SIZE - 1)) + MEMORY_PAGE_SIZE;
    while (++at < replay->stored_count && replay->stored[at] == run_end && run_end < *end)
        run_end += MEMORY_PAGE_SIZE;
    if (run_end < *end)
        *end = run_end;
    return *start < *end;
}

static bool find_used(void *context, pst_addr *start, pst_addr *end)
{
    const struct replay *replay = context;
    if (replay->options.search_store)
        return find_used_in_store(replay, start, end);
    return memory_find_used(replay->origin->memory, start, end);
}

/* ---- the target ------------------------------------------------------------------------------------------ */

static struct replay *replay_of(const struct pst_target *target)
{
    return (struct replay *)(uintptr_t)target->operations;
}

static pst_error *open_file(struct pst_target *target, const char *path, const struct segment *segment, int *fd)
{
    const struct replay *replay = replay_of(target);
    *fd = -1;
    if (!replay->options.with_files || !replay->origin->operations->open_file)
        return NULL;
    /* The origin knows its own segments. */
    if (segment)
        segment = target_find_segment(replay->origin, segment->start);
    return replay->origin->operations->open_file(replay->origin, path, segment, fd);
}

static void close_replay(struct pst_target *target)
{
    struct replay *replay = replay_of(target);
    target->operations = NULL;
    /* The pages go to the store as the cache is closed. */
    memory_close(target->memory);
    target->memory = NULL;
    free(replay->stored);
    free(replay);
}

static void *copy_array(const void *array, size_t count, size_t size)
{
    void *copy = calloc(count + 1, size);
    if (copy && count)
        memcpy(copy, array, count * size);
    return copy;
}

static pst_error *copy_origin(const struct replay *replay, struct pst_target *target)
{
    const struct pst_target *origin = replay->origin;
    target->pid = origin->pid;
    target->machine = origin->machine;
    target->content_size = origin->content_size;
    target->executable = origin->executable ? strdup(origin->executable) : NULL;
    target->threads = copy_array(origin->threads, origin->thread_count, sizeof *origin->threads);
    if ((origin->executable && !target->executable) || !target->threads)
        return error_no_memory();
    target->thread_count = origin->thread_count;
    return covering_segments(origin, replay->stored, replay->stored_count, &target->segments, &target->segment_count);
}

pst_error *replay_open(struct pst_target *origin, struct page_store *store, const struct replay_options *options,
                       struct pst_target **result)
{
    const pst_target_options wishes = {
        .size = sizeof wishes,
        .layout_file = origin->layout_file,
        .assume_version = origin->assume_version,
    };
    struct pst_target *target;
    struct replay *replay = calloc(1, sizeof *replay);
    pst_error *error = replay ? target_new(PST_TARGET_CORE, &wishes, &target) : error_no_memory();
    if (error) {
        free(replay);
        return error;
    }
    *replay = (struct replay){.operations = {.close = close_replay, .open_file = open_file},
                              .origin = origin, .store = store, .options = *options};
    target->operations = &replay->operations;
    error = list_stored(replay);
    if (!error)
        error = copy_origin(replay, target);
    target->symbols_noted = copy_array(options->symbols, options->symbol_count, sizeof *options->symbols);
    target->symbol_noted_count = target->symbols_noted ? options->symbol_count : 0;
    if (!error)
        error = memory_open((struct memory_source){.read_pages = read_pages, .read_range = read_range,
                                                   .find_used = find_used, .context = replay},
                            &target->memory);
    if (error) {
        pst_target_close(target);
        return error;
    }
    target_limit_work(target);
    memory_set_keeper(target->memory, page_store_keep, store);
    *result = target;
    return NULL;
}
