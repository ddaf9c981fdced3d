/*
 * Threads: PyThreadState (Include/cpython/pystate.h) and the operating system's threads they belong to.
 */
#include "python/walk.h"

#include "python/hooks.h"
#include "python/reach.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* ---- collecting ------------------------------------------------------------------------------------- */

static struct pst_thread *add_thread(struct pst_snapshot *snapshot)
{
    if (snapshot->thread_count == snapshot->thread_capacity) {
        size_t capacity = snapshot->thread_capacity ? snapshot->thread_capacity * 2 : 16;
        struct pst_thread *threads = realloc(snapshot->threads, capacity * sizeof *threads);
        if (!threads)
            return NULL;
        snapshot->threads = threads;
        snapshot->thread_capacity = capacity;
    }
    struct pst_thread *thread = &snapshot->threads[snapshot->thread_count++];
    *thread = (struct pst_thread){.holds_gil = PST_UNKNOWN};
    return thread;
}

/* ---- which thread of the operating system it is ----------------------------------------------------- */

static void set_tid(struct pst_thread *thread, const struct pst_target *target, size_t index)
{
    if (index != LOOKUP_NONE)
        thread->tid = target->threads[index].tid;
}

/* 3.11+: CPython notes the kernel's id itself, as it is numbered in the target's PID namespace. */
static pst_error *tid_from_native_id(struct walk *walk, struct pst_thread *thread)
{
    if (!has(walk->python, F(PyThreadState_native_thread_id)))
        return NULL;
    uint64_t id;
    TRY(field_unsigned(walk->python, thread->address, F(PyThreadState_native_thread_id), &id));
    set_tid(thread, walk->python->target, lookup_find(&walk->inner_tids, id, 0));
    return NULL;
}

/* Through the thread pointer, which a core has at hand and a stopped thread gives for one more call each. */
static pst_error *find_all_tls(struct walk *walk)
{
    struct pst_target *target = walk->python->target;
    walk->found_tls = true;
    if (!lookup_start(&walk->tls, target->thread_count))
        return error_no_memory();
    for (size_t i = 0; i < target->thread_count; i++) {
        struct target_thread *candidate = &target->threads[i];
        if (!candidate->has_tls && target->operations->read_tls)
            pst_error_free(target->operations->read_tls(target, candidate));
        if (candidate->has_tls)
            lookup_add(&walk->tls, candidate->tls, 0, i);
    }
    lookup_sort(&walk->tls);
    return NULL;
}

/* The ident is the address of the C library's struct pthread. On x86-64 that is the thread pointer; on aarch64, whose
 * thread pointer has the variables of the thread above it, the struct ends there (glibc 2.36: 0x740 bytes). */
static pst_error *tid_from_tls(struct walk *walk, struct pst_thread *thread)
{
    enum { MAX_PTHREAD_SIZE = 8192 };
    if (!walk->found_tls)
        TRY(find_all_tls(walk));
    uint64_t reach = walk->python->target->machine == EM_AARCH64 ? MAX_PTHREAD_SIZE : 0;
    size_t entry = lookup_find_from(&walk->tls, thread->ident);
    if (entry != LOOKUP_NONE && walk->tls.entries[entry].number - thread->ident <= reach)
        set_tid(thread, walk->python->target, walk->tls.entries[entry].position);
    return NULL;
}

/* Where glibc keeps the kernel's thread id in struct pthread (nptl/descr.h, unchanged since 2.4), from the
 * address that pthread_self() gives. musl has it elsewhere: a value that is no thread of the target's is
 * not believed, and the thread pointer decides. */
pst_addr thread_tid_place(const struct python *python, uint64_t ident)
{
    enum { X86_64_OFFSET = 720, AARCH64_OFFSET = 208 };
    return ident + (python->target->machine == EM_AARCH64 ? AARCH64_OFFSET : X86_64_OFFSET);
}

/* Through glibc's struct pthread, whose address is the ident. */
static void tid_from_pthread(struct walk *walk, struct pst_thread *thread)
{
    uint8_t bytes[4];
    pst_addr place = thread_tid_place(walk->python, thread->ident);
    pst_error *error = memory_read(walk->python->memory, place, bytes, sizeof bytes);
    if (error) {
        pst_error_free(error);
        return;
    }
    set_tid(thread, walk->python->target, lookup_find(&walk->inner_tids, bytes_unsigned(bytes, sizeof bytes), 0));
}

static pst_error *find_tid(struct walk *walk, struct pst_thread *thread)
{
    TRY(tid_from_native_id(walk, thread));
    /* The threads are listed when they are stopped: in a rehearsal there is nothing to compare with. */
    if (walk->is_rehearsal) {
        if (!has(walk->python, F(PyThreadState_native_thread_id)))
            memory_note(walk->python->memory, thread_tid_place(walk->python, thread->ident));
        return NULL;
    }
    if (!thread->tid && thread->ident)
        tid_from_pthread(walk, thread);
    if (!thread->tid && thread->ident)
        TRY(tid_from_tls(walk, thread));
    return NULL;
}

pid_t thread_find_by_ident(struct walk *walk, uint64_t ident)
{
    struct pst_thread thread = {.ident = ident};
    tid_from_pthread(walk, &thread);
    if (!thread.tid)
        pst_error_free(tid_from_tls(walk, &thread));
    return thread.tid;
}

/* ---- one thread ------------------------------------------------------------------------------------- */

static pst_maybe holds_gil(const struct pst_interpreter *interpreter, pst_addr thread)
{
    if (interpreter->gil != PST_GIL_HELD && interpreter->gil != PST_GIL_FREE)
        return PST_UNKNOWN;
    return interpreter->gil == PST_GIL_HELD && interpreter->gil_holder == thread;
}

static pst_error *read_thread(struct walk *walk, struct pst_thread *thread)
{
    TRY(field_unsigned(walk->python, thread->address, F(PyThreadState_thread_id), &thread->ident));
    return find_tid(walk, thread);
}

static pst_error *walk_thread(struct walk *walk, const struct pst_interpreter *interpreter, pst_addr address)
{
    struct pst_thread *thread = add_thread(walk->snapshot);
    if (!thread)
        return error_no_memory();
    thread->address = address;
    thread->has_python = true;
    thread->interpreter_id = interpreter->id;
    thread->holds_gil = holds_gil(interpreter, address);
    walk_add_error(walk, &thread->errors, read_thread(walk, thread));
    frames_walk(walk, thread);
    if (walk->reach)
        reach_add_thread(walk->reach, walk->python, address);
    if (walk->with_hooks)
        thread_hooks_walk(walk, thread);
    return NULL;
}

/* ---- the list of an interpreter --------------------------------------------------------------------- */

/* The addresses of the thread states of an interpreter, newest first. What was found before an error stays. */
static pst_error *list_threads(struct walk *walk, const struct pst_interpreter *interpreter, pst_addr **threads,
                               size_t *count)
{
    const struct python *python = walk->python;
    size_t capacity = 0;
    pst_addr address, checkpoint = 0;
    TRY(interpreter_get_threads(python, interpreter->address, &address));
    while (address) {
        if (walk->thread_count + *count >= SNAPSHOT_MAX_THREADS)
            return error_new(PST_ERROR_LIMIT, "more than %d threads in all: the rest was left out",
                             SNAPSHOT_MAX_THREADS);
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            pst_addr *more = realloc(*threads, capacity * sizeof *more);
            if (!more)
                return error_no_memory();
            *threads = more;
        }
        (*threads)[(*count)++] = address;
        if ((*count & (*count - 1)) == 0)
            checkpoint = address;
        TRY(field_address(python, address, F(PyThreadState_next), &address));
        if (address && address == checkpoint)
            return error_new(PST_ERROR_CORRUPT, "the list of threads forms a circle at 0x%llx",
                             (unsigned long long)address);
    }
    return NULL;
}

/* 3.11 puts a new PyThreadState at the head of the list a moment before it links the others to it, and before it gives
 * it its ids: a list that ends with one that has none is cut off. (From 3.12 on the ids come later.) */
static pst_error *check_list_end(const struct walk *walk, size_t first)
{
    const struct pst_snapshot *snapshot = walk->snapshot;
    if (snapshot->thread_count == first || python_minor_version(walk->python) >= 312)
        return NULL;
    const struct pst_thread *last = &snapshot->threads[snapshot->thread_count - 1];
    if (last->ident || last->errors.first)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the list ends with the thread at 0x%llx, which is just being made: "
                                        "others are missing", (unsigned long long)last->address);
}

void threads_walk(struct walk *walk, const struct pst_interpreter *interpreter)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    size_t first = snapshot->thread_count, count = 0;
    pst_addr *threads = NULL;
    pst_error *error = list_threads(walk, interpreter, &threads, &count);
    if (walk->is_rehearsal)
        threads_prefetch(walk->python, threads, count);
    for (size_t i = 0; i < count; i++)
        error_list_add(&snapshot->errors, walk_thread(walk, interpreter, threads[i]));
    free(threads);
    walk->thread_count += count;
    if (!error)
        error = check_list_end(walk, first);
    error_list_add(&snapshot->errors, error_in(error, "interpreter %lld: threads", (long long)interpreter->id));
    thread_names_walk(walk, interpreter, first);
}

/* ---- together with the operating system's threads ---------------------------------------------------- */

/* The order of the target's own list: the crashing thread first in a core, by age in a live process. */
struct place_in_target {
    size_t target_index;
    size_t snapshot_index;
};

static int by_place(const void *a, const void *b)
{
    const struct place_in_target *x = a, *y = b;
    if (x->target_index != y->target_index)
        return x->target_index < y->target_index ? -1 : 1;
    return x->snapshot_index < y->snapshot_index ? -1 : x->snapshot_index > y->snapshot_index;
}

static void copy_from_target(struct pst_thread *thread, const struct pst_target *target,
                             const struct target_thread *source)
{
    thread->source = source;
    thread->tid = source->tid;
    thread->state = source->state;
    thread->is_main = source->tid == target->pid;
    if (source->running)
        error_list_add(&thread->errors,
                       error_new(PST_ERROR_NOT_STOPPED, "did not stop (state %c): read while it ran",
                                 source->state ? source->state : '?'));
}

static pst_error *copy_os_name(struct pst_snapshot *snapshot, struct pst_thread *thread,
                               const struct target_thread *source)
{
    if (!source->has_name)
        return NULL;
    size_t size = strnlen(source->name, sizeof source->name);
    thread->os_name = (pst_text){arena_copy(&snapshot->arena, source->name, size + 1), size};
    return thread->os_name.data ? NULL : error_no_memory();
}

/* Adds what the operating system knows to the Python threads from entry `first` on that have its number: a thread can
 * be in several interpreters. */
static pst_error *join_thread(struct walk *walk, const struct lookup *tids, size_t first, size_t index,
                              size_t *target_index)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    const struct pst_target *target = walk->python->target;
    const struct target_thread *source = &target->threads[index];
    if (target_index[tids->entries[first].position] != SIZE_MAX)
        return NULL; /* a core that has two threads of one number */
    for (size_t i = first; i < tids->count && tids->entries[i].number == tids->entries[first].number; i++) {
        size_t position = tids->entries[i].position;
        target_index[position] = index;
        copy_from_target(&snapshot->threads[position], target, source);
        TRY(copy_os_name(snapshot, &snapshot->threads[position], source));
    }
    return NULL;
}

/* Adds what the operating system knows, and the threads that run no Python. `tids` is of the others. */
static pst_error *add_target_threads(struct walk *walk, const struct lookup *tids, size_t *target_index)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    const struct pst_target *target = walk->python->target;
    size_t python_count = snapshot->thread_count;
    for (size_t i = 0; i < python_count; i++)
        target_index[i] = SIZE_MAX;
    for (size_t i = 0; i < target->thread_count; i++) {
        const struct target_thread *source = &target->threads[i];
        size_t entry = lookup_find_entry(tids, (uint64_t)source->tid, 0);
        if (entry != LOOKUP_NONE)
            TRY(join_thread(walk, tids, entry, i, target_index));
        if (entry != LOOKUP_NONE || !walk_wants_thread(walk, source->tid))
            continue;
        struct pst_thread *thread = add_thread(snapshot);
        if (!thread)
            return error_no_memory();
        target_index[snapshot->thread_count - 1] = i;
        copy_from_target(thread, target, source);
        TRY(copy_os_name(snapshot, thread, source));
    }
    return NULL;
}

static struct pst_thread *find_tid_in(struct pst_snapshot *snapshot, pid_t tid)
{
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (snapshot->threads[i].tid == tid)
            return &snapshot->threads[i];
    return NULL;
}

/* A main thread that has exited while others run is still listed (as a zombie), but glibc has forgotten its id.
 * If it is the one thread that no PyThreadState claims, and one PyThreadState has no thread, they are each other's. */
static void match_exited_main(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    const struct target_thread *leader = target_find_thread(walk->python->target, walk->python->target->pid);
    if (!leader || leader->state != 'Z' || find_tid_in(snapshot, leader->tid))
        return;
    struct pst_thread *lost = find_tid_in(snapshot, 0);
    if (!lost)
        return;
    lost->tid = leader->tid;
    if (find_tid_in(snapshot, 0))
        lost->tid = 0; /* there are two: no telling which */
}

/*
 * A PyThreadState is made by the thread that starts another. Until that one runs for the first time, it has no ids
 * (3.12+) or, before, those of the thread that made it, which may have ended since; and no frames. There is nothing to
 * tell of it yet: its system thread, if there is one, is listed without Python. (Two with frames are of two
 * interpreters: a thread can be in both.)
 */
struct running {
    struct lookup idents, tids;   /* of the threads that have frames, by interpreter */
};

static bool is_unborn(const struct running *running, const struct pst_thread *thread)
{
    if (thread->frame_count || thread->errors.first)
        return false;
    if (!thread->ident || !thread->tid)
        return true;
    return lookup_find(&running->idents, thread->ident, thread->interpreter_id) != LOOKUP_NONE ||
           lookup_find(&running->tids, (uint64_t)thread->tid, thread->interpreter_id) != LOOKUP_NONE;
}

static pst_error *find_running(const struct pst_snapshot *snapshot, struct running *running)
{
    if (!lookup_start(&running->idents, snapshot->thread_count) ||
        !lookup_start(&running->tids, snapshot->thread_count))
        return error_no_memory();
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct pst_thread *thread = &snapshot->threads[i];
        if (!thread->frame_count)
            continue;
        lookup_add(&running->idents, thread->ident, thread->interpreter_id, i);
        if (thread->tid)
            lookup_add(&running->tids, (uint64_t)thread->tid, thread->interpreter_id, i);
    }
    lookup_sort(&running->idents);
    lookup_sort(&running->tids);
    return NULL;
}

static pst_error *drop_unborn(struct pst_snapshot *snapshot)
{
    struct running running = {0};
    pst_error *error = find_running(snapshot, &running);
    size_t kept = 0;
    for (size_t i = 0; !error && i < snapshot->thread_count; i++) {
        struct pst_thread *thread = &snapshot->threads[i];
        if (is_unborn(&running, thread))
            thread_clear(thread);
        else
            snapshot->threads[kept++] = *thread;
    }
    if (!error)
        snapshot->thread_count = kept;
    lookup_free(&running.idents);
    lookup_free(&running.tids);
    return error;
}

static void drop_outer_frames(const struct walk *walk, struct pst_thread *thread)
{
    if (!walk->shown_frames || thread->frame_count <= walk->shown_frames)
        return;
    for (size_t i = walk->shown_frames; i < thread->frame_count; i++)
        frame_clear(&thread->frames[i]);
    thread->frame_count = walk->shown_frames;
    thread->truncated = true;
}

static bool is_wanted_deadlock(const struct walk *walk, const pst_deadlock *deadlock)
{
    for (size_t i = 0; i < deadlock->tid_count; i++)
        if (walk_wants_thread(walk, deadlock->tids[i]))
            return true;
    return false;
}

void threads_drop_unwanted(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    size_t kept = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        struct pst_thread *thread = &snapshot->threads[i];
        drop_outer_frames(walk, thread);
        if (walk_wants_thread(walk, thread->tid))
            snapshot->threads[kept++] = *thread;
        else
            thread_clear(thread);
    }
    snapshot->thread_count = kept;
    kept = 0;
    for (size_t i = 0; i < snapshot->deadlock_count; i++)
        if (is_wanted_deadlock(walk, &snapshot->deadlocks[i]))
            snapshot->deadlocks[kept++] = snapshot->deadlocks[i];
    snapshot->deadlock_count = kept;
}

static bool look_up_tids(const struct pst_snapshot *snapshot, struct lookup *tids)
{
    if (!lookup_start(tids, snapshot->thread_count))
        return false;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (snapshot->threads[i].tid)
            lookup_add(tids, (uint64_t)snapshot->threads[i].tid, 0, i);
    lookup_sort(tids);
    return true;
}

static pst_error *sort_threads(struct pst_snapshot *snapshot, const size_t *target_index,
                               struct place_in_target *places, struct pst_thread *sorted)
{
    for (size_t i = 0; i < snapshot->thread_count; i++)
        places[i] = (struct place_in_target){target_index[i], i};
    qsort(places, snapshot->thread_count, sizeof *places, by_place);
    for (size_t i = 0; i < snapshot->thread_count; i++)
        sorted[i] = snapshot->threads[places[i].snapshot_index];
    if (snapshot->thread_count) /* without one there is no array */
        memcpy(snapshot->threads, sorted, snapshot->thread_count * sizeof *sorted);
    return NULL;
}

pst_error *threads_join_target(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    TRY(drop_unborn(snapshot));
    match_exited_main(walk);
    size_t most = snapshot->thread_count + walk->python->target->thread_count + 1;
    size_t *target_index = calloc(most, sizeof *target_index);
    struct place_in_target *places = calloc(most, sizeof *places);
    struct pst_thread *sorted = calloc(most, sizeof *sorted);
    struct lookup tids = {0};
    bool ready = target_index && places && sorted && look_up_tids(snapshot, &tids);
    pst_error *error = ready ? add_target_threads(walk, &tids, target_index) : error_no_memory();
    if (!error)
        error = sort_threads(snapshot, target_index, places, sorted);
    lookup_free(&tids);
    free(target_index);
    free(places);
    free(sorted);
    return error;
}
