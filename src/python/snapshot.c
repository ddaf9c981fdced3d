#include "python/walk.h"

#include "python/details.h"
#include "python/hooks.h"
#include "python/python.h"
#include "python/reach.h"
#include "python/waiting.h"
#include "target/syscall.h"


#include <stdlib.h>
#include <time.h>

enum {
    MAX_ATTEMPTS = 6,         /* at a live target that is in the middle of a change */
    RESPITE_NS = 200 * 1000,  /* that it has then to get over it, and who waited, to wait again (epoll_wait() ends when
                               * a thread is stopped in it); longer each time */
    MAX_RETRIED_NS = 50 * 1000 * 1000, /* what took longer is not done again */
};

/* Empties it for another walk, which finds its memory at hand. */
static void clear(struct pst_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->thread_count; i++)
        thread_clear(&snapshot->threads[i]);
    code_table_free(&snapshot->codes);
    error_list_free(&snapshot->errors);
    arena_reset(&snapshot->arena);
    arena_reset(&snapshot->frames);
    *snapshot = (struct pst_snapshot){
        .arena = snapshot->arena,
        .frames = snapshot->frames,
        .threads = snapshot->threads,
        .thread_capacity = snapshot->thread_capacity,
    };
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

static bool frame_is_torn(const struct pst_frame *frame)
{
    bool torn = makes_no_sense(pst_frame_get_errors(frame));
    for (size_t i = 0; i < frame->variable_count && !torn; i++)
        torn = makes_no_sense(frame->variables[i].error);
    return torn;
}

static bool is_torn(const struct pst_snapshot *snapshot)
{
    bool torn = makes_no_sense(snapshot->errors.first);
    for (size_t i = 0; i < snapshot->thread_count && !torn; i++) {
        const struct pst_thread *thread = &snapshot->threads[i];
        torn = makes_no_sense(thread->errors.first);
        for (size_t j = 0; j < thread->frame_count && !torn; j++)
            torn = frame_is_torn(&thread->frames[j]);
    }
    return torn;
}

/* What comes after the frames. In a rehearsal the target's threads are not listed yet. */
static pst_error *complete(struct walk *walk)
{
    if (!walk->is_rehearsal) {
        TRY(threads_join_target(walk));
        TRY(positions_find(walk));
    }
    details_walk(walk);
    if (!walk->is_rehearsal)
        threads_drop_unwanted(walk);
    return NULL;
}

/* Brings all that the whole walk touches into the cache, and forgets what it found. */
static void rehearse(struct walk *walk)
{
    walk->is_rehearsal = true;
    interpreters_walk(walk);
    pst_error_free(complete(walk));
    walk->is_rehearsal = false;
    clear_walk(walk);
}

/* At the first pause: notes what each thread was doing. At those that follow at once, a thread that slept is still busy
 * with having been stopped: then what was noted holds. */
static void keep_states(struct walk *walk, struct pst_target *target)
{
    struct lookup *states = &walk->states;
    bool is_first = !states->entries;
    if (is_first && !lookup_start(states, target->thread_count))
        return;
    for (size_t i = 0; i < target->thread_count; i++) {
        struct target_thread *thread = &target->threads[i];
        size_t state = is_first ? LOOKUP_NONE : lookup_find(states, (uint64_t)thread->tid, 0);
        if (is_first)
            lookup_add(states, (uint64_t)thread->tid, 0, (size_t)thread->state);
        else if (state != LOOKUP_NONE)
            thread->state = (char)state;
    }
    if (is_first)
        lookup_sort(states);
}

/* The frames are read while the target stands still. What is told beside them is mostly in pages that were read then
 * already, and is decoded when it goes on; *late: not all of it was. `with_all`: it is to be. */
static pst_error *walk_paused(struct walk *walk, struct pst_target *target, bool with_all, bool *late)
{
    uint64_t before, after;
    TRY(target->operations->pause(target));
    keep_states(walk, target);
    memory_refresh(target->memory);
    if (with_all)
        rehearse(walk);
    interpreters_walk(walk);
    if (walk->reach && target->operations->read_registers)
        target->operations->read_registers(target);
    if (walk->with_waits) {
        syscall_read(target);
        waits_prefetch(walk);
    }
    memory_settle(target->memory);
    bool is_counted = memory_count_late(target->memory, &before);
    target->operations->resume(target);
    TRY(complete(walk));
    *late = !is_counted || !memory_count_late(target->memory, &after) || before != after;
    return NULL;
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
    if (target->operations->prepare)
        target->operations->prepare(target);
    rehearse(walk);

    uint64_t longest_pause = 0;
    bool late = false;
    for (int attempt = 1;; attempt++) {
        TRY(walk_paused(walk, target, late, &late));
        longest_pause = target->pause_ns > longest_pause ? target->pause_ns : longest_pause;
        bool is_incomplete = late && attempt == 1;
        if (!is_incomplete && (attempt == MAX_ATTEMPTS || target->pause_ns > MAX_RETRIED_NS || target->errors.first ||
                               !is_torn(walk->snapshot)))
            break;
        clear_walk(walk);
        nanosleep(&(struct timespec){.tv_nsec = attempt * RESPITE_NS}, NULL);
    }
    walk->snapshot->pause_ns = longest_pause;
    return NULL;
}

/* NULL: there is no room for it. */
static struct target_syscall *copy_syscalls(const struct pst_target *target)
{
    struct target_syscall *syscalls = calloc(target->thread_count + 1, sizeof *syscalls);
    for (size_t i = 0; syscalls && i < target->thread_count; i++)
        syscalls[i] = target->threads[i].syscall;
    return syscalls;
}

static bool is_same_call(const struct target_syscall *one, const struct target_syscall *other)
{
    return one->known && other->known && one->in_syscall == other->in_syscall &&
           (!one->in_syscall ||
            (one->number == other->number && one->turns == other->turns && one->stack_pointer == other->stack_pointer &&
             memcmp(one->arguments, other->arguments, sizeof one->arguments) == 0));
}

/* The frames were read in between: what a thread that moved waits for, or that it holds, may be of two times. */
static void find_moved(struct pst_target *target, const struct target_syscall *before)
{
    for (size_t i = 0; before && i < target->thread_count; i++)
        target->threads[i].moved = !is_same_call(&before[i], &target->threads[i].syscall);
}

/* What an earlier snapshot read of a process that runs is outdated. */
static pst_error *walk_running(struct walk *walk, struct pst_target *target)
{
    struct target_syscall *before = NULL;
    memory_begin(target->memory);
    if (target->operations->pause) {
        syscall_read(target);
        before = copy_syscalls(target);
        memory_refresh(target->memory);
    }
    interpreters_walk(walk);
    if (walk->with_waits)
        syscall_read(target);
    find_moved(target, before);
    free(before);
    return complete(walk);
}

static pst_error *fill(struct walk *walk, struct pst_target *target)
{
    if (target->operations->pause && !target->no_pause)
        TRY(walk_stopped(walk, target));
    else
        TRY(walk_running(walk, target));
    return walk->with_hooks ? hooks_symbolize(walk) : NULL;
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

/* 0: as it is when nothing was asked for. PST_UNBOUNDED is SIZE_MAX, as in struct repr_bounds. */
static size_t bound_of(size_t wish, size_t usual)
{
    return wish ? wish : usual;
}

/* What a thread waits for and holds, frames beyond those that are asked for say, too: a few of the nearest, for who
 * asks for few of a deep stack wants it quickly. A small core holds what is read. */
static size_t frames_to_read(size_t shown, const struct reach *reach)
{
    enum { NEAREST = 1000 };
    return reach || shown == 0 || shown > NEAREST ? shown : NEAREST;
}

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
        .max_frames = frames_to_read(WISH(max_frames), reach),
        .shown_frames = WISH(max_frames),
        .tids = WISH(tids),
        .tid_count = WISH(tid_count),
        .with_hooks = WISH(with_hooks),
        .with_locals = WISH(with_locals),
        .with_waits = true,
        .bounds = {bound_of(WISH(value_depth), 4), bound_of(WISH(value_items), 10), bound_of(WISH(value_chars), 300)},
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
    arena_free(&snapshot->arena);
    arena_free(&snapshot->frames);
    free(snapshot->threads);
    free(snapshot);
}
