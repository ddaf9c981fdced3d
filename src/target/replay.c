#include "target/replay.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 1024 };

struct replay {
    struct target_operations operations; /* first: a target has no room for its kind's own data but this */
    struct pst_target *origin;
    struct page_store *store;
    bool with_files;
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

/* What is searched, and not read for its own sake, goes past the store. */
static size_t read_range(void *context, pst_addr address, uint8_t *bytes, size_t size)
{
    const struct replay *replay = context;
    size_t got;
    memory_read_range(replay->origin->memory, address, bytes, size, &got);
    return got;
}

static bool find_used(void *context, pst_addr *start, pst_addr *end)
{
    const struct replay *replay = context;
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
    if (!replay->with_files || !replay->origin->operations->open_file)
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
    free(replay);
}

static void *copy_array(const void *array, size_t count, size_t size)
{
    void *copy = calloc(count + 1, size);
    if (copy && count)
        memcpy(copy, array, count * size);
    return copy;
}

static pst_error *copy_origin(const struct pst_target *origin, struct pst_target *target)
{
    target->pid = origin->pid;
    target->machine = origin->machine;
    target->executable = origin->executable ? strdup(origin->executable) : NULL;
    target->segments = copy_array(origin->segments, origin->segment_count, sizeof *origin->segments);
    target->threads = copy_array(origin->threads, origin->thread_count, sizeof *origin->threads);
    if ((origin->executable && !target->executable) || !target->segments || !target->threads)
        return error_no_memory();
    target->segment_count = origin->segment_count;
    target->thread_count = origin->thread_count;
    return NULL;
}

pst_error *replay_open(struct pst_target *origin, struct page_store *store, bool with_files,
                       struct pst_target **result)
{
    const pst_target_options options = {
        .size = sizeof options,
        .layout_file = origin->layout_file,
        .assume_version = origin->assume_version,
    };
    struct pst_target *target;
    struct replay *replay = calloc(1, sizeof *replay);
    pst_error *error = replay ? target_new(PST_TARGET_CORE, &options, &target) : error_no_memory();
    if (error) {
        free(replay);
        return error;
    }
    *replay = (struct replay){{.close = close_replay, .open_file = open_file}, origin, store, with_files};
    target->operations = &replay->operations;
    error = copy_origin(origin, target);
    if (!error)
        error = memory_open((struct memory_source){.read_pages = read_pages, .read_range = read_range,
                                                   .find_used = find_used, .context = replay},
                            &target->memory);
    if (error) {
        pst_target_close(target);
        return error;
    }
    memory_set_keeper(target->memory, page_store_keep, store);
    *result = target;
    return NULL;
}
