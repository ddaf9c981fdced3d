/* Locks that no call shows: found by the futex that a thread waits at. */
#include "python/slot.h"
#include "python/variables.h"
#include "python/waiting.h"

enum {
    MAX_SEARCHED = 4,       /* innermost frames whose slots are searched */
    MAX_SLOTS = 256,        /* of each */
};

static pst_error *try_slot(struct waits *waits, struct waiting *waiting, pst_addr object, pst_addr futex, bool *found)
{
    struct lock_object lock;
    TRY(lock_read(&waits->details->types, object, &lock));
    *found = lock.type && lock_has_futex(waits->python, &lock, futex);
    if (!*found)
        return NULL;
    waiting->lock = lock;
    TRY(waiting_be_at_lock(waits, waiting));
    return waiting_climb(waits, waiting);
}

/* What lies there may be old: only what has the futex counts. */
static pst_error *search_frame(struct waits *waits, struct waiting *waiting, const struct pst_frame *frame,
                               pst_addr futex, bool *found)
{
    const struct code_variables *variables;
    uint64_t stack_size;
    pst_addr slots;
    TRY(code_get_variables(waits->details->walk, frame->code, &variables));
    TRY(field_unsigned(waits->python, frame->code->address, F(PyCodeObject_co_stacksize), &stack_size));
    TRY(slots_find(waits->python, frame->address, &slots));
    for (size_t i = 0; i < variables->count + stack_size && i < MAX_SLOTS && !*found; i++) {
        uint64_t word;
        TRY(pointer_at(waits->python, slots, i, &word));
        if (word && !slot_is_int(waits->python, word))
            pst_error_free(try_slot(waits, waiting, slot_untag(waits->python, word), futex, found));
    }
    return NULL;
}

pst_error *waiting_search_lock(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    struct pst_thread *thread = waiting->thread;
    bool found = false;
    for (size_t i = 0; i < thread->frame_count && i < MAX_SEARCHED && !found; i++)
        if (thread->frames[i].code)
            TRY(search_frame(waits, waiting, &thread->frames[i], futex, &found));
    return NULL;
}

pst_error *waiting_search_held(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    bool found = false;
    pst_addr lock, parked = futex_find_parked(waits->python, futex);
    TRY(held_lock_find_at(waits, futex, &lock));
    if (!lock && parked)
        TRY(held_lock_find_at(waits, parked, &lock));
    return lock ? try_slot(waits, waiting, lock, futex, &found) : NULL;
}
