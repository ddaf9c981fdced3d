#include "python/walk.h"

#include <stdlib.h>

void walk_add_error(struct walk *walk, struct error_list *list, pst_error *error)
{
    if (error && walk->error_count++ >= SNAPSHOT_MAX_ERRORS)
        list = &walk->snapshot->errors;
    error_list_add(list, error);
}

pst_error *walk_begin(struct walk *walk)
{
    const struct pst_target *target = walk->python->target;
    walk->thread_count = walk->frame_count = walk->error_count = 0;
    walk->found_tls = false;
    lookup_free(&walk->tls);
    if (!lookup_start(&walk->inner_tids, target->thread_count))
        return error_no_memory();
    for (size_t i = 0; i < target->thread_count; i++)
        lookup_add(&walk->inner_tids, (uint64_t)target->threads[i].inner_tid, 0, i);
    lookup_sort(&walk->inner_tids);
    return NULL;
}

void walk_free(struct walk *walk)
{
    lookup_free(&walk->inner_tids);
    lookup_free(&walk->tls);
    lookup_free(&walk->states);
    free(walk->frames);
}

bool walk_wants_thread(const struct walk *walk, pid_t tid)
{
    for (size_t i = 0; i < walk->tid_count; i++)
        if (walk->tids[i] == tid)
            return true;
    return walk->tid_count == 0;
}

void frame_clear(struct pst_frame *frame)
{
    pst_error_free(frame->error);
    for (size_t i = 0; i < frame->variable_count; i++)
        pst_error_free((pst_error *)frame->variables[i].error);
}

void thread_clear(struct pst_thread *thread)
{
    for (size_t i = 0; i < thread->frame_count; i++)
        frame_clear(&thread->frames[i]);
    error_list_free(&thread->errors);
}
