/*
 * Who is inside of a “with lock:”, be it in a frame of the thread, in a generator that is such a block by way of
 * contextlib.contextmanager(), or by an ExitStack (Lib/contextlib.py).
 */
#include "python/attribute.h"
#include "python/deque.h"
#include "python/object.h"
#include "python/running.h"
#include "python/string.h"
#include "python/waiting.h"

#include <limits.h>
#include <stdlib.h>

enum {
    MAX_HELD = 1 << 16,
    MAX_RELEASED = 64,       /* of one thread: calls of Condition.wait() in each other */
    MAX_INNER = 256,         /* generators and calls of stacks that the blocks of one frame lead to */
};

/* ---- which lock it is ------------------------------------------------------------------------------------ */

static pst_error *is_of_class(struct waits *waits, const struct type *type, const char *module, const char *class,
                              bool *is_it)
{
    struct type *base;
    TRY(type_find_base(&waits->details->types, type, module, class, &base));
    *is_it = base != NULL;
    return NULL;
}

/* The lock of the object: itself, or of a condition its own. 0: there is none. Of no use after an error. */
static pst_error *find_lock(struct waits *waits, pst_addr manager, pst_addr *lock)
{
    struct lock_object found;
    struct type *type;
    bool is_it;
    *lock = manager;
    TRY(lock_read(&waits->details->types, manager, &found));
    if (found.type)
        return NULL;
    TRY(type_of(&waits->details->types, manager, &type));
    TRY(is_of_class(waits, type, "threading", "_RLock", &is_it));
    if (is_it)
        return NULL;
    *lock = 0;
    TRY(is_of_class(waits, type, "threading", "Condition", &is_it));
    if (is_it)
        return attribute_get(waits->python, manager, "_lock", NULL, lock);
    TRY(is_of_class(waits, type, "threading", "_Condition", &is_it));
    return is_it ? attribute_get(waits->python, manager, "_Condition__lock", NULL, lock) : NULL;
}

/* That of a context manager that contextlib made of a function; 0: it is none, or has ended. */
static pst_error *find_generator(struct waits *waits, pst_addr manager, pst_addr *generator)
{
    bool is_2 = python_is_2(waits->python), is_it;
    struct type *type;
    *generator = 0;
    TRY(type_of(&waits->details->types, manager, &type));
    TRY(is_of_class(waits, type, "contextlib", is_2 ? "GeneratorContextManager" : "_GeneratorContextManager", &is_it));
    return is_it ? attribute_get(waits->python, manager, "gen", NULL, generator) : NULL;
}

/* The __exit__ methods that an ExitStack will call; 0: it is none. */
static pst_error *find_stack(struct waits *waits, pst_addr manager, pst_addr *deque)
{
    struct type *type;
    bool is_it;
    *deque = 0;
    TRY(type_of(&waits->details->types, manager, &type));
    TRY(is_of_class(waits, type, "contextlib", "ExitStack", &is_it));
    if (is_it)
        TRY(attribute_get(waits->python, manager, "_exit_callbacks", NULL, deque));
    if (!*deque)
        return NULL;
    TRY(type_of(&waits->details->types, *deque, &type));
    *deque = type_is(type, "collections", "deque") ? *deque : 0;
    return NULL;
}

/* Of an entry of it: (is_sync, method). To 3.7 the method is a function around another. */
static pst_error *read_callback(struct waits *waits, pst_addr entry, pst_addr *manager)
{
    pst_addr items, method;
    uint64_t count;
    bool exits;
    TRY(tuple_find_items(waits->python, entry, &items, &count));
    TRY(count == 2 ? pointer_at(waits->python, items, 1, &method)
                   : error_new(PST_ERROR_CORRUPT, "it has %llu items", (unsigned long long)count));
    TRY(with_block_is_exit(waits, method, manager, &exits));
    *manager = exits ? *manager : 0;
    return NULL;
}

/* ---- the list -------------------------------------------------------------------------------------------- */

/* Of one thread, from its innermost frame outwards. */
struct lister {
    struct waits *waits;
    size_t thread;
    struct pst_frame *frame;
    size_t inner_count;              /* of what is no block of the frame itself, but was looked into for it */
    pst_addr released[MAX_RELEASED]; /* locks that frames further in have let go of, and will take back */
    size_t released_count;
};

static pst_error *add_held(struct lister *lister, struct held_lock held)
{
    struct waits *waits = lister->waits;
    for (size_t i = 0; i < lister->released_count; i++)
        if (lister->released[i] == held.lock)
            return NULL;
    if (waits->held_count == MAX_HELD)
        return error_new(PST_ERROR_LIMIT, "more than %d locks are held", MAX_HELD);
    if (waits->held_count == waits->held_capacity) {
        size_t capacity = waits->held_capacity ? waits->held_capacity * 2 : 32;
        struct held_lock *more = realloc(waits->held, capacity * sizeof *more);
        if (!more)
            return error_no_memory();
        waits->held = more;
        waits->held_capacity = capacity;
    }
    waits->held[waits->held_count++] = held;
    return NULL;
}

static pst_error *add_manager(struct lister *lister, pst_addr manager, struct held_lock held);

/* frame->code is NULL: it has ended. */
static pst_error *read_generator(struct waits *waits, pst_addr generator, struct pst_frame *frame)
{
    pst_addr code;
    int64_t lasti;
    *frame = (struct pst_frame){0};
    TRY(generator_find_frame(waits->python, generator, &frame->address));
    if (!frame->address)
        return NULL;
    TRY(frame_find_code(waits->python, frame->address, &code));
    TRY(frame_find_lasti(waits->python, frame->address, code, &lasti));
    frame->has_lasti = lasti >= 0 && lasti <= INT_MAX;
    frame->lasti = frame->has_lasti ? (int)lasti : 0;
    return code_get(waits->details->walk, code, &frame->code);
}

/* The place that is shown stays that of the frame: it is among those of the thread. */
static pst_error *add_generator(struct lister *lister, pst_addr generator, struct held_lock held)
{
    struct waits *waits = lister->waits;
    struct with_blocks blocks = {.count = 0};
    struct pst_frame frame;
    if (lister->inner_count++ >= MAX_INNER)
        return NULL;
    pst_error *error = read_generator(waits, generator, &frame);
    if (!error && frame.code)
        error = with_blocks_read(waits, &frame, &blocks);
    for (size_t i = 0; i < blocks.count && !error; i++) {
        error = with_block_find_release(waits, &frame, blocks.items[i].handler, &held.may_be_released);
        if (!error)
            TRY(add_manager(lister, blocks.items[i].manager, held));
    }
    pst_error_free(error); /* what has the name is no generator */
    return NULL;
}

static pst_error *add_stack(struct lister *lister, pst_addr deque, struct held_lock held)
{
    struct deque_reader reader;
    uint64_t count = 0;
    pst_error *error = deque_start(lister->waits->python, deque, &reader, &count);
    while (!error && count-- > 0 && lister->inner_count++ < MAX_INNER) {
        pst_addr entry, manager = 0;
        error = deque_next(&reader, &entry);
        if (!error)
            pst_error_free(read_callback(lister->waits, entry, &manager)); /* another function that it will call */
        if (manager)
            TRY(add_manager(lister, manager, held));
    }
    pst_error_free(error);
    return NULL;
}

static pst_error *add_manager(struct lister *lister, pst_addr manager, struct held_lock held)
{
    pst_addr generator = 0, stack = 0;
    pst_error *error = find_lock(lister->waits, manager, &held.lock);
    if (!error && !held.lock)
        error = find_generator(lister->waits, manager, &generator);
    if (!error && !held.lock && !generator)
        error = find_stack(lister->waits, manager, &stack);
    pst_error_free(error); /* an object of another kind */
    if (!error && held.lock)
        return add_held(lister, held);
    if (!error && generator)
        return add_generator(lister, generator, held);
    return !error && stack ? add_stack(lister, stack, held) : NULL;
}

static pst_error *add_frame(struct lister *lister)
{
    struct with_blocks blocks;
    lister->inner_count = 0;
    TRY(with_blocks_read(lister->waits, lister->frame, &blocks));
    for (size_t i = 0; i < blocks.count; i++) {
        struct held_lock held = {.thread = lister->thread, .frame = lister->frame,
                                 .handler = blocks.items[i].handler};
        TRY(add_manager(lister, blocks.items[i].manager, held));
    }
    return NULL;
}

/* Condition.wait() lets go of the condition's lock, whatever its thread does now: sleep, wait for the lock or the GIL,
 * run a handler of signals. What was taken by a “with” further in is no matter of it. */
static pst_error *note_released(struct lister *lister)
{
    pst_addr self, lock = 0;
    if (!waiting_is_in(lister->frame->code, "threading.py", "wait"))
        return NULL;
    TRY(waiting_read_self(lister->waits, lister->frame, &self));
    if (self)
        TRY(find_lock(lister->waits, self, &lock));
    if (lock && lister->released_count == MAX_RELEASED)
        return error_new(PST_ERROR_LIMIT, "more than %d calls of Condition.wait() in each other", MAX_RELEASED);
    if (lock)
        lister->released[lister->released_count++] = lock;
    return NULL;
}

static void keep_first(pst_error **first, pst_error *error)
{
    pst_error_free(*first ? error : NULL);
    *first = *first ? *first : error;
}

static pst_error *list_thread(struct waits *waits, size_t index)
{
    const struct pst_thread *thread = &waits->details->walk->snapshot->threads[index];
    struct lister lister = {.waits = waits, .thread = index};
    pst_error *first = NULL, *error = NULL;
    for (size_t i = 0; i < thread->frame_count && !error; i++) {
        lister.frame = &thread->frames[i];
        if (!lister.frame->code)
            continue;
        keep_first(&first, add_frame(&lister));
        error = note_released(&lister); /* those further out may hold nothing any more */
        arena_reset(&waits->details->scratch);
    }
    keep_first(&first, error);
    return first;
}

/* ---- finding one ----------------------------------------------------------------------------------------- */

static bool index_all(struct waits *waits)
{
    if (!lookup_start(&waits->held_by_lock, waits->held_count))
        return false;
    for (size_t i = 0; i < waits->held_count; i++)
        lookup_add(&waits->held_by_lock, waits->held[i].lock, (int64_t)waits->held[i].thread,
                   waits->held_count - 1 - i);
    lookup_sort(&waits->held_by_lock);
    return true;
}

pst_error *held_locks_list(struct waits *waits)
{
    const struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    pst_error *first = NULL;
    if (waits->has_held)
        return NULL;
    waits->has_held = true;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (!snapshot->threads[i].source || !snapshot->threads[i].source->moved)
            keep_first(&first, list_thread(waits, i));
    if (!index_all(waits))
        keep_first(&first, error_no_memory());
    return first;
}

/* The entry of the thread that is inside, of several in each other the outermost; LOOKUP_NONE: none is, or several
 * are, of which one at least has let go of the lock. */
static size_t find_entry(const struct waits *waits, pst_addr lock, size_t thread)
{
    const struct lookup *held = &waits->held_by_lock;
    if (thread != NO_THREAD)
        return lookup_find_entry(held, lock, (int64_t)thread);
    size_t first = lookup_find_from(held, lock), end = lookup_find_from(held, lock + 1);
    if (first == LOOKUP_NONE || held->entries[first].number != lock)
        return LOOKUP_NONE;
    const struct lookup_entry *last = &held->entries[(end == LOOKUP_NONE ? held->count : end) - 1];
    return last->group == held->entries[first].group ? first : LOOKUP_NONE;
}

pst_error *lock_find_holder(struct waits *waits, pst_addr lock, size_t thread, const struct held_lock **holder)
{
    *holder = NULL;
    pst_error *error = held_locks_list(waits);
    size_t entry = find_entry(waits, lock, thread);
    if (entry == LOOKUP_NONE)
        return error;
    struct held_lock *held = &waits->held[waits->held_count - 1 - waits->held_by_lock.entries[entry].position];
    *holder = held;
    if (held->has_line)
        return error;
    held->has_line = true;
    keep_first(&error, with_block_find_line(waits, held->frame->code, held->handler, &held->line));
    keep_first(&error, with_block_find_release(waits, held->frame, held->handler, &held->may_be_released));
    arena_reset(&waits->details->scratch);
    return error;
}

static pst_error *index_places(struct waits *waits)
{
    const struct lookup *held = &waits->held_by_lock;
    if (!lookup_start(&waits->held_by_place, held->count))
        return error_no_memory();
    for (size_t i = 0; i < held->count; i++) {
        struct lock_object lock;
        if (i && held->entries[i].number == held->entries[i - 1].number)
            continue;
        pst_error *error = lock_read(&waits->details->types, held->entries[i].number, &lock);
        if (!error && lock_get_place(&lock))
            lookup_add(&waits->held_by_place, lock_get_place(&lock), 0, i);
        pst_error_free(error);
    }
    lookup_sort(&waits->held_by_place);
    return NULL;
}

pst_error *held_lock_find_at(struct waits *waits, pst_addr place, pst_addr *lock)
{
    *lock = 0;
    TRY(held_locks_list(waits));
    if (!waits->held_by_place.entries)
        TRY(index_places(waits));
    size_t entry = lookup_find(&waits->held_by_place, place, 0);
    if (entry != LOOKUP_NONE)
        *lock = waits->held_by_lock.entries[entry].number;
    return NULL;
}
