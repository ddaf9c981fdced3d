#include "python/walk.h"

#include "python/hooks.h"
#include "python/python.h"
#include "python/reach.h"

#include <stdlib.h>
#include <time.h>

enum {
    MAX_ATTEMPTS = 6,         /* at a live target that is in the middle of a change */
    RESPITE_NS = 200 * 1000,  /* that it has then to get over it; longer each time */
    MAX_RETRIED_NS = 50 * 1000 * 1000, /* what took longer is not done again */
};

/* Empties it for another walk. */
static void clear(struct pst_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->thread_count; i++)
        thread_clear(&snapshot->threads[i]);
    free(snapshot->threads);
    code_table_free(&snapshot->codes);
    error_list_free(&snapshot->errors);
    arena_free(&snapshot->arena);
    *snapshot = (struct pst_snapshot){0};
}

static void clear_walk(struct walk *walk)
{
    clear(walk->snapshot);
    if (walk->reach)
        reach_clear(walk->reach);
}

static bool makes_no_sense(const pst_error *error)
{
    for (; error; error = pst_error_get_next(error)) {
        pst_error_code code = pst_error_get_code(error);
        if (code == PST_ERROR_READ || code == PST_ERROR_CORRUPT)
            return true;
    }
    return false;
}

static bool is_torn(const struct pst_snapshot *snapshot)
{
    bool torn = makes_no_sense(snapshot->errors.first);
    for (size_t i = 0; i < snapshot->thread_count && !torn; i++) {
        const struct pst_thread *thread = &snapshot->threads[i];
        torn = makes_no_sense(thread->errors.first);
        for (size_t j = 0; j < thread->frame_count && !torn; j++)
            torn = makes_no_sense(pst_frame_get_errors(&thread->frames[j]));
    }
    return torn;
}

/*
 * Reads a live target twice: once while it runs, to learn which pages matter, and again when it stands
 * still, out of a cache that memory_refresh() filled in a few large reads.
 *
 * A thread may have been stopped within the few instructions that make or leave a frame, or change a dict: the
 * pointer to its innermost frame is then not set yet (3.11, 3.12), or a generator that yields is cut off from
 * its caller (3.12+). A moment later that is over, so what makes no sense is looked at again.
 */
static pst_error *walk_stopped(struct walk *walk, struct pst_target *target)
{
    memory_begin(target->memory);
    walk->is_rehearsal = true;
    interpreters_walk(walk);
    clear_walk(walk);
    walk->is_rehearsal = false;

    uint64_t longest_pause = 0;
    for (int attempt = 1;; attempt++) {
        TRY(target->operations->pause(target));
        memory_refresh(target->memory);
        interpreters_walk(walk);
        if (walk->reach && target->operations->read_registers)
            target->operations->read_registers(target);
        target->operations->resume(target);
        longest_pause = target->pause_ns > longest_pause ? target->pause_ns : longest_pause;
        if (attempt == MAX_ATTEMPTS || target->pause_ns > MAX_RETRIED_NS || target->errors.first ||
            !is_torn(walk->snapshot))
            break;
        clear_walk(walk);
        nanosleep(&(struct timespec){.tv_nsec = attempt * RESPITE_NS}, NULL);
    }
    walk->snapshot->pause_ns = longest_pause;
    return NULL;
}

/* What an earlier snapshot read of a process that runs is outdated. */
static void walk_running(struct walk *walk, struct pst_target *target)
{
    memory_begin(target->memory);
    if (target->operations->pause)
        memory_refresh(target->memory);
    interpreters_walk(walk);
}

static pst_error *fill(struct walk *walk, struct pst_target *target)
{
    if (target->operations->pause && !target->no_pause)
        TRY(walk_stopped(walk, target));
    else
        walk_running(walk, target);
    TRY(threads_join_target(walk));
    if (walk->with_hooks)
        TRY(hooks_symbolize(walk));
    return positions_find(walk);
}

static void describe_python(struct pst_snapshot *snapshot, const struct python *python)
{
    const struct version *version = &python->version;
    version_format(version, snapshot->version, sizeof snapshot->version);
    snapshot->python = (pst_python){
        .hexversion = version->hexversion,
        .version = snapshot->version,
        .free_threaded = version->free_threaded,
        .debug_build = version->debug,
        .runtime = python->location.runtime ? python->location.runtime : python->location.interp_head,
    };
    size_t count = 0;
    for (int source = 0; source <= LAYOUT_FILE; source++)
        if (python->layout_sources[source])
            snapshot->layout_sources[count++] = layout_source_get_name(source);
}

#define WISH(field)                                                                                            \
    (options && options->size >= offsetof(pst_snapshot_options, field) + sizeof options->field                 \
         ? options->field                                                                                      \
         : 0)

pst_error *snapshot_take(struct pst_target *target, const pst_snapshot_options *options, struct reach *reach,
                         pst_snapshot **result)
{
    struct python *python;
    *result = NULL;
    TRY(python_open(target, &python));
    struct pst_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return error_no_memory();
    struct walk walk = {
        .python = python,
        .snapshot = snapshot,
        .max_frames = WISH(max_frames),
        .tids = WISH(tids),
        .tid_count = WISH(tid_count),
        .with_hooks = WISH(with_hooks),
        .reach = reach,
    };
    pst_error *error = fill(&walk, target);
    walk_free(&walk);
    active_threads_free(walk.active);
    if (error) {
        pst_snapshot_free(snapshot);
        return error;
    }
    describe_python(snapshot, python);
    *result = snapshot;
    return NULL;
}

pst_error *pst_snapshot_take(pst_target *target, const pst_snapshot_options *options, pst_snapshot **result)
{
    return snapshot_take(target, options, NULL, result);
}

void pst_snapshot_free(pst_snapshot *snapshot)
{
    if (!snapshot)
        return;
    clear(snapshot);
    free(snapshot);
}
