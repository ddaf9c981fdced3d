#include "python/string.h"
#include "python/waiting.h"

#include "target/syscall.h"

#include <stdlib.h>
#include <string.h>

enum { ANY_INTERPRETER = -1 };

/* ---- one thread ------------------------------------------------------------------------------------------ */

static bool is_in(pst_addr address, pst_addr start, uint64_t size)
{
    return start && address >= start && address - start < size;
}

const struct pst_interpreter *waiting_get_interpreter(const struct waits *waits, const struct waiting *waiting)
{
    const struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    for (size_t i = 0; i < snapshot->interpreter_count; i++)
        if (snapshot->interpreters[i].id == waiting->thread->interpreter_id)
            return &snapshot->interpreters[i];
    return NULL;
}

/* To 3.6 the GIL is a static variable, which only the symbols of an image that was not stripped name: in 2.7 a pointer
 * to a lock, in 3.6 a condition. */
static pst_error *is_old_gil(struct waits *waits, pst_addr futex, bool *is_gil)
{
    enum { CONDITION_SIZE = 48, SEMAPHORE_WORD = 1 };
    const struct python *python = waits->python;
    bool is_2 = python_is_2(python);
    pst_addr address;
    *is_gil = false;
    TRY(location_find_symbol(python->target, &python->location, is_2 ? "interpreter_lock" : "gil_cond", &address));
    if (!address)
        return NULL;
    if (is_2)
        TRY(pointer_at(python, address, 0, &address));
    *is_gil = is_in(futex, address, is_2 ? SEMAPHORE_WORD : CONDITION_SIZE);
    return NULL;
}

/* A thread that comes back to Python waits at the condition, the mutex or, in 2.7, the lock that the GIL is made of. */
static pst_error *find_gil(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    const struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    const struct pst_interpreter *interpreter = waiting_get_interpreter(waits, waiting);
    bool is_gil = interpreter && is_in(futex, interpreter->gil_address, interpreter->gil_size);
    if (python_minor_version(waits->python) <= 306)
        TRY(is_old_gil(waits, futex, &is_gil));
    if (!is_gil)
        return NULL;
    waiting->wait = (pst_wait){.kind = PST_WAIT_GIL};
    waiting->lock = (struct lock_object){0};
    waiting->owner = OWNER_NONE;
    waiting->before_owner = ", held by ";
    /* Python/ceval_gil.c says that it is held a moment before it says by whom: then the last holder stands there. */
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (i != waiting->index && interpreter->gil_holder &&
            snapshot->threads[i].address == interpreter->gil_holder) {
            waiting->owner = OWNER_THREAD;
            waiting->owner_index = i;
        }
    }
    text_add_string(&waits->details->text, waiting->owner == OWNER_NONE ? "the GIL, which no thread holds now"
                                                                        : "the GIL");
    return waiting_say(waits, waiting);
}

/* Free-threaded builds stop all threads now and then: each is parked at its own state. */
static pst_error *find_stop(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    pst_addr state;
    if (!has(waits->python, F(PyThreadState_state)))
        return NULL;
    TRY(field_place(waits->python, waiting->thread->address, F(PyThreadState_state), &state));
    if (futex_find_parked(waits->python, futex) != state)
        return NULL;
    text_add_string(&waits->details->text, "the end of a stop of all threads");
    return waiting_say(waits, waiting);
}

static pst_error *say_futex(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    waiting->wait = (pst_wait){.kind = PST_WAIT_UNKNOWN};
    text_add_string(&waits->details->text, "a futex at ");
    text_add_hex(&waits->details->text, futex);
    return waiting_say(waits, waiting);
}

static pst_error *find_at_futex(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    TRY(find_gil(waits, waiting, futex));
    if (!waiting->is_waiting)
        TRY(waiting_find_in_frames(waits, waiting, futex));
    if (!waiting->is_waiting)
        TRY(find_stop(waits, waiting, futex));
    if (!waiting->is_waiting)
        TRY(waiting_search_lock(waits, waiting, futex));
    if (!waiting->is_waiting)
        TRY(waiting_search_held(waits, waiting, futex));
    return waiting->is_waiting ? NULL : say_futex(waits, waiting, futex);
}

static bool is_futex(enum syscall_id id)
{
    return id == SYSCALL_futex || id == SYSCALL_futex_wait || id == SYSCALL_futex_waitv;
}

/* Who waits for the GIL wakes every few milliseconds, to ask for it once more. */
static pst_error *find_wake(struct waits *waits, struct waiting *waiting, const struct target_syscall *syscall)
{
    bool has_number = syscall->source == SYSCALL_REGISTERS &&
                      syscall_identify(waits->python->target->machine, syscall->number) == SYSCALL_futex;
    const struct pst_interpreter *interpreter = waiting_get_interpreter(waits, waiting);
    bool is_taken = interpreter && interpreter->gil_holder && interpreter->gil_holder != waiting->thread->address;
    return has_number && is_taken ? find_gil(waits, waiting, syscall->arguments[0]) : NULL;
}

static void add_error(struct waits *waits, struct waiting *waiting, pst_error *error)
{
    walk_add_error(waits->details->walk, &waiting->thread->errors, error_in(error, "what it waits for"));
}

/* A thread may be in several interpreters, one called by another; and to 3.12 an interpreter that another thread runs
 * is still said to be in the one that made it. Which of them is in the system call, their frames must say. */
static bool shares_thread(const struct waits *waits, const struct waiting *waiting)
{
    if (waits->details->walk->snapshot->interpreter_count < 2)
        return false;
    for (size_t i = 0; i < waits->count; i++) {
        const struct pst_thread *other = waits->items[i].thread;
        if (i != waiting->index && other->frame_count && other->tid == waiting->thread->tid)
            return true;
    }
    return false;
}

static pst_error *find(struct waits *waits, struct waiting *waiting, const struct target_syscall *syscall)
{
    if (!syscall || !syscall->known)
        return waiting_find_in_frames(waits, waiting, 0);
    if (!syscall->in_syscall)
        return find_wake(waits, waiting, syscall);
    enum syscall_id id = syscall_identify(waits->python->target->machine, syscall->number);
    if (shares_thread(waits, waiting))
        return waiting_find_in_frames(waits, waiting, is_futex(id) ? syscall->arguments[0] : 0);
    if (is_futex(id))
        return find_at_futex(waits, waiting, syscall->arguments[0]);
    add_error(waits, waiting, waiting_find_in_frames(waits, waiting, 0));
    return waiting_find_in_kernel(waits, waiting, syscall);
}

static void find_one(struct waits *waits, struct waiting *waiting)
{
    struct details *details = waits->details;
    const struct target_thread *source = waiting->thread->source;
    if (!waiting->thread->address || !waiting->thread->frame_count || (source && source->moved))
        return;
    details->text.size = 0;
    pst_error *error = find(waits, waiting, source ? &source->syscall : NULL);
    arena_reset(&details->scratch);
    add_error(waits, waiting, error);
}

/* ---- who holds it ---------------------------------------------------------------------------------------- */

static void set_owner(struct waits *waits, struct waiting *waiting, size_t index)
{
    /* After fork(), some versions still list the threads that were left behind. */
    if (!waits->items[index].thread->source && waits->python->target->thread_count) {
        waiting->owner = waits->python->target->is_forked ? OWNER_LEFT : OWNER_GONE;
        return;
    }
    waiting->owner = index == waiting->index ? OWNER_SELF : OWNER_THREAD;
    waiting->owner_index = index;
}

/* C code may hold a lock in a thread that has no PyThreadState any more, or not now. */
static void set_outside_owner(struct waits *waits, struct waiting *waiting)
{
    waiting->owner_tid = thread_find_by_ident(waits->details->walk, waiting->owner_ident);
    waiting->owner = waiting->owner_tid ? OWNER_OUTSIDE : OWNER_GONE;
}

static bool is_held_by_thread(const struct waiting *waiting)
{
    return waiting->owner == OWNER_THREAD || waiting->owner == OWNER_SELF;
}

static pst_error *find_owner(struct waits *waits, struct waiting *waiting)
{
    const struct held_lock *holder;
    if (waiting->owner != OWNER_UNKNOWN)
        return NULL;
    if (waiting->owner_ident) {
        size_t index = lookup_find(&waits->idents, waiting->owner_ident, waiting->thread->interpreter_id);
        if (index == LOOKUP_NONE)
            index = lookup_find(&waits->idents, waiting->owner_ident, ANY_INTERPRETER);
        if (index != LOOKUP_NONE)
            set_owner(waits, waiting, index);
        else
            set_outside_owner(waits, waiting);
    }
    bool is_lock = waiting->wait.kind == PST_WAIT_LOCK || waiting->wait.kind == PST_WAIT_RLOCK;
    if (!is_lock || waiting->owner == OWNER_OUTSIDE)
        return NULL;
    bool is_sure = is_held_by_thread(waiting);
    TRY(lock_find_holder(waits, waiting->lock.address, is_sure ? waiting->owner_index : NO_THREAD, &holder));
    if (!holder)
        return NULL;
    if (!is_sure)
        set_owner(waits, waiting, holder->thread);
    if (!is_sure && is_held_by_thread(waiting) && holder->may_be_released)
        waiting->owner = OWNER_PERHAPS;
    waiting->holder = holder;
    return NULL;
}

/* ---- the text -------------------------------------------------------------------------------------------- */

void waiting_add_thread(struct text *text, const struct pst_thread *thread)
{
    text_printf(text, "thread %d", (int)thread->tid);
    if (!thread->name.size)
        return;
    text_add_string(text, " \"");
    for (size_t i = 0; i < thread->name.size; i++) {
        if (thread->name.data[i] == '"' || thread->name.data[i] == '\\')
            text_add_char(text, '\\'); /* a name could go on as if it was said here */
        text_add_char(text, thread->name.data[i]);
    }
    text_add_char(text, '"');
}

static pst_text get_last_part(pst_text path)
{
    const char *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
    return slash ? (pst_text){slash + 1, path.size - (size_t)(slash + 1 - path.data)} : path;
}

/* "file.py"; "package/__init__.py", for there are many of that name. */
static pst_text get_short_name(pst_text path)
{
    pst_text name = get_last_part(path);
    if (name.size == path.size || (!text_is(name, "__init__.py") && !text_is(name, "__main__.py")))
        return name;
    pst_text folder = get_last_part((pst_text){path.data, path.size - name.size - 1});
    return (pst_text){folder.data, folder.size + 1 + name.size};
}

/* ", in f (file.py:10)" */
static void add_place(struct text *text, const struct held_lock *holder)
{
    const struct code *code = holder->frame->code;
    pst_text name = code->qualname.size ? code->qualname : code->name, file = get_short_name(code->filename);
    text_add_string(text, ", in ");
    text_add(text, name.data, name.size);
    text_add_string(text, " (");
    text_add(text, file.data, file.size);
    if (holder->line >= 0)
        text_printf(text, ":%d", holder->line);
    text_add_char(text, ')');
}

static bool runs_python_alone(const struct waits *waits, const struct waiting *waiting)
{
    for (size_t i = 0; i < waits->count; i++)
        if (waits->items[i].thread->frame_count && i != waiting->index)
            return false;
    return true;
}

static void add_unknown_owner(const struct waits *waits, const struct waiting *waiting, struct text *text)
{
    bool is_lock = waiting->wait.kind == PST_WAIT_LOCK || waiting->wait.kind == PST_WAIT_RLOCK;
    if (!is_lock)
        return;
    text_add_string(text, waiting->owner == OWNER_NONE ? ", which is not locked" : ", holder unknown");
    if (waiting->owner != OWNER_UNKNOWN)
        return;
    if (waiting->lock.type == LOCK_TYPE_SEMAPHORE)
        text_add_string(text, ": it may be another process");
    else if (waits->python->target->is_forked && runs_python_alone(waits, waiting))
        text_add_string(text, ": it may have been lost when this process was forked");
}

static void add_owner(const struct waits *waits, const struct waiting *waiting, struct text *text)
{
    if (waiting->owner == OWNER_NONE || waiting->owner == OWNER_UNKNOWN) {
        add_unknown_owner(waits, waiting, text);
        return;
    }
    if (!waiting->before_owner)
        return;
    text_add_string(text, waiting->owner == OWNER_PERHAPS ? ", perhaps held by " : waiting->before_owner);
    if (waiting->owner == OWNER_GONE || waiting->owner == OWNER_LEFT)
        text_add_string(text, "a thread that no longer exists");
    else if (waiting->owner == OWNER_OUTSIDE)
        text_printf(text, "thread %d, which runs no Python now", (int)waiting->owner_tid);
    else if (waiting->owner_index == waiting->index)
        text_add_string(text, "this thread itself");
    else
        waiting_add_thread(text, waits->items[waiting->owner_index].thread);
    text_add_string(text, waiting->behind_owner ? waiting->behind_owner : "");
    if (waiting->lock.level > 1)
        text_printf(text, ", %llu levels", (unsigned long long)waiting->lock.level);
    if (waiting->owner == OWNER_LEFT)
        text_add_string(text, ": it was lost when this process was forked");
    else if (waiting->owner == OWNER_GONE && waits->python->target->is_forked)
        text_add_string(text, ": it may have been lost when this process was forked");
    if (waiting->holder)
        add_place(text, waiting->holder);
    if (waiting->owner == OWNER_PERHAPS)
        text_add_string(text, ", which has called a release() since");
}

static pst_error *write_detail(struct waits *waits, struct waiting *waiting)
{
    struct text *text = &waits->details->text;
    pst_wait *wait = &waiting->wait;
    text->size = 0;
    text_add(text, waiting->what.data, waiting->what.size);
    add_owner(waits, waiting, text);
    if (wait->has_timeout && wait->kind != PST_WAIT_SLEEP) {
        text_add_string(text, " (timeout ");
        number_add(wait->timeout, text);
        text_add_string(text, " s)");
    }
    if (waiting->has_unknown_timeout && wait->kind != PST_WAIT_SLEEP)
        text_add_string(text, " (timeout unknown)");
    TRY(details_copy_text(waits->details, &wait->detail));
    if (is_held_by_thread(waiting))
        wait->owner_tid = waits->details->walk->snapshot->threads[waiting->owner_index].tid;
    else if (waiting->owner == OWNER_OUTSIDE)
        wait->owner_tid = waiting->owner_tid;
    pst_wait *copy = arena_copy(&waits->details->walk->snapshot->arena, wait, sizeof *wait);
    if (!copy)
        return error_no_memory();
    waiting->thread->wait = copy;
    return NULL;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static bool begin(struct waits *waits)
{
    struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    waits->items = calloc(snapshot->thread_count + 1, sizeof *waits->items);
    if (!waits->items || !lookup_start(&waits->idents, 2 * snapshot->thread_count))
        return false;
    waits->count = snapshot->thread_count;
    for (size_t i = 0; i < waits->count; i++) {
        waits->items[i].thread = &snapshot->threads[i];
        waits->items[i].index = i;
        if (!snapshot->threads[i].ident)
            continue;
        lookup_add(&waits->idents, snapshot->threads[i].ident, snapshot->threads[i].interpreter_id, i);
        lookup_add(&waits->idents, snapshot->threads[i].ident, ANY_INTERPRETER, i);
    }
    lookup_sort(&waits->idents);
    return true;
}

static void end(struct waits *waits)
{
    lookup_free(&waits->idents);
    free(waits->items);
    lookup_free(&waits->held_by_lock);
    lookup_free(&waits->held_by_place);
    free(waits->held);
}

static void find_all(struct waits *waits)
{
    for (size_t i = 0; i < waits->count; i++)
        find_one(waits, &waits->items[i]);
    for (size_t i = 0; i < waits->count; i++) {
        struct waiting *waiting = &waits->items[i];
        if (!waiting->is_waiting)
            continue;
        pst_error *error = find_owner(waits, waiting);
        if (!error)
            error = write_detail(waits, waiting);
        add_error(waits, waiting, error);
    }
    waits_find_deadlocks(waits);
}

void details_add_waits(struct details *details)
{
    struct waits waits = {.details = details, .python = details->walk->python};
    if (begin(&waits))
        find_all(&waits);
    else
        error_list_add(&details->walk->snapshot->errors, error_no_memory());
    end(&waits);
}
