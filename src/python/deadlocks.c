/*
 * Who waits for whom. A thread waits for one thing at a time, so that from each at most one way leads on, and whoever
 * comes back to where it was is in a circle. A wait with a timeout ends by itself, and is in none; nor is one for a
 * lock that perhaps nobody has.
 */
#include "python/waiting.h"

#include <stdlib.h>

static size_t next_of(const struct waits *waits, size_t index)
{
    const struct waiting *waiting = &waits->items[index];
    bool is_owned = waiting->owner == OWNER_THREAD || waiting->owner == OWNER_SELF;
    bool ends = waiting->wait.has_timeout || waiting->has_unknown_timeout;
    return waiting->is_waiting && is_owned && !ends ? waiting->owner_index : NO_THREAD;
}

static pst_error *write_line(struct waits *waits, size_t index, pst_text *line)
{
    const struct waiting *waiting = &waits->items[index];
    struct text *text = &waits->details->text;
    text->size = 0;
    waiting_add_thread(text, waiting->thread);
    text_add_string(text, " waits for ");
    text_add(text, waiting->wait.detail.data, waiting->wait.detail.size);
    return details_copy_text(waits->details, line);
}

static pst_error *add_deadlock(struct waits *waits, size_t first)
{
    struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    size_t count = 0, index = first;
    do {
        count++;
        index = next_of(waits, index);
    } while (index != first);
    pid_t *tids = arena_alloc(&snapshot->arena, count * sizeof *tids);
    pst_text *lines = arena_alloc(&snapshot->arena, count * sizeof *lines);
    if (!tids || !lines)
        return error_no_memory();
    for (size_t i = 0; i < count; i++, index = next_of(waits, index)) {
        tids[i] = waits->items[index].thread->tid;
        TRY(write_line(waits, index, &lines[i]));
    }
    snapshot->deadlocks[snapshot->deadlock_count++] = (pst_deadlock){.tids = tids, .lines = lines, .tid_count = count};
    return NULL;
}

/* `seen` is in which walk each thread was met, counted from 1. */
static pst_error *find_all(struct waits *waits, size_t *seen)
{
    struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    for (size_t start = 0; start < waits->count; start++) {
        size_t index = start;
        while (index != NO_THREAD && !seen[index]) {
            seen[index] = start + 1;
            index = next_of(waits, index);
        }
        if (index == NO_THREAD || seen[index] != start + 1)
            continue;
        if (!snapshot->deadlocks)
            snapshot->deadlocks = arena_alloc(&snapshot->arena, waits->count * sizeof *snapshot->deadlocks);
        if (!snapshot->deadlocks)
            return error_no_memory();
        TRY(add_deadlock(waits, index));
    }
    return NULL;
}

void waits_find_deadlocks(struct waits *waits)
{
    size_t *seen = calloc(waits->count + 1, sizeof *seen);
    pst_error *error = seen ? find_all(waits, seen) : error_no_memory();
    error_list_add(&waits->details->walk->snapshot->errors, error_in(error, "deadlocks"));
    free(seen);
}
