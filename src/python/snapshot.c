#include "python/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_ATTEMPTS = 6,         /* at a live target that is in the middle of a change */
    RESPITE_NS = 200 * 1000,  /* that it has then to get over it; longer each time */
    MAX_RETRIED_NS = 50 * 1000 * 1000, /* what took longer is not done again */
};

/* ---- after the walk --------------------------------------------------------------------------------- */

static void set_position(struct walk *walk, struct pst_frame *frame, const pst_position *position)
{
    if (position)
        frame->position = *position;
    if (position || frame->error)
        return;
    pst_error *error = error_new(PST_ERROR_CORRUPT, "the line table of %zu bytes has no entry for offset %d",
                                 frame->code->table.size, frame->lasti);
    if (walk->error_count++ < SNAPSHOT_MAX_ERRORS)
        frame->error = error;
    else
        error_list_add(&walk->snapshot->errors, error);
}

/* false: so many searches of this line table were made that the rest is better found in order. */
static bool find_position(struct walk *walk, struct pst_frame *frame)
{
    struct code *code = frame->code;
    if (!code || !code->table.bytes || !frame->has_lasti)
        return true;
    if (!code->has_memo || code->memo_offset != frame->lasti) {
        if (code->scanned > SNAPSHOT_MAX_SCAN)
            return false;
        code->scanned += code->table.size;
        code->has_memo = true;
        code->memo_offset = frame->lasti;
        code->memo_found = linetable_find(&code->table, frame->lasti, &code->memo_position);
    }
    set_position(walk, frame, code->memo_found ? &code->memo_position : NULL);
    return true;
}

/* A frame whose position is still to be found. Millions are sorted: what is compared is at hand. */
struct unplaced {
    uint32_t code;
    int32_t lasti;
    struct pst_frame *frame;
};

static int by_code_and_offset(const void *a, const void *b)
{
    const struct unplaced *x = a, *y = b;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    return x->lasti < y->lasti ? -1 : x->lasti > y->lasti;
}

/* Reads each line table once. */
static void find_sorted_positions(struct walk *walk, struct unplaced *unplaced, size_t count)
{
    struct linetable_reader reader;
    struct line_range range;
    const struct code *code = NULL;
    bool more = false;
    qsort(unplaced, count, sizeof *unplaced, by_code_and_offset);
    for (size_t i = 0; i < count; i++) {
        struct pst_frame *frame = unplaced[i].frame;
        pst_position first;
        if (frame->code != code) {
            code = frame->code;
            linetable_start(&reader, &code->table);
            more = linetable_next(&reader, &range);
        }
        while (more && frame->lasti >= range.end)
            more = linetable_next(&reader, &range);
        if (frame->lasti < 0)
            set_position(walk, frame, linetable_find(&code->table, frame->lasti, &first) ? &first : NULL);
        else
            set_position(walk, frame, more ? &range.position : NULL);
    }
}

static pst_error *find_positions(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    struct unplaced *unplaced = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        for (size_t j = 0; j < snapshot->threads[i].frame_count; j++) {
            struct pst_frame *frame = &snapshot->threads[i].frames[j];
            if (find_position(walk, frame))
                continue;
            if (count == capacity) {
                capacity = capacity ? capacity * 2 : 1024;
                struct unplaced *more = realloc(unplaced, capacity * sizeof *more);
                if (!more) {
                    free(unplaced);
                    return error_no_memory();
                }
                unplaced = more;
            }
            unplaced[count++] = (struct unplaced){frame->code->number, frame->lasti, frame};
        }
    }
    if (count)
        find_sorted_positions(walk, unplaced, count);
    free(unplaced);
    return NULL;
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

/* ---- one walk --------------------------------------------------------------------------------------- */

void walk_add_error(struct walk *walk, struct error_list *list, pst_error *error)
{
    if (error && walk->error_count++ >= SNAPSHOT_MAX_ERRORS)
        list = &walk->snapshot->errors;
    error_list_add(list, error);
}

pst_error *walk_begin(struct walk *walk)
{
    const struct pst_target *target = walk->python->target;
    walk->thread_count = walk->frame_count = walk->frames_size = walk->error_count = 0;
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
    active_threads_free(walk->active);
    lookup_free(&walk->inner_tids);
    lookup_free(&walk->tls);
}

void thread_clear(struct pst_thread *thread)
{
    for (size_t i = 0; i < thread->frame_count; i++)
        pst_error_free(thread->frames[i].error);
    free(thread->frames);
    error_list_free(&thread->errors);
}

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
    clear(walk->snapshot);
    walk->is_rehearsal = false;

    uint64_t longest_pause = 0;
    for (int attempt = 1;; attempt++) {
        TRY(target->operations->pause(target));
        memory_refresh(target->memory);
        interpreters_walk(walk);
        target->operations->resume(target);
        longest_pause = target->pause_ns > longest_pause ? target->pause_ns : longest_pause;
        if (attempt == MAX_ATTEMPTS || target->pause_ns > MAX_RETRIED_NS || target->errors.first ||
            !is_torn(walk->snapshot))
            break;
        clear(walk->snapshot);
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
    return find_positions(walk);
}

#define WISH(field)                                                                                            \
    (options && options->size >= offsetof(pst_snapshot_options, field) + sizeof options->field                 \
         ? options->field                                                                                      \
         : 0)

pst_error *pst_snapshot_take(pst_target *target, const pst_snapshot_options *options, pst_snapshot **result)
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
    };
    pst_error *error = fill(&walk, target);
    walk_free(&walk);
    if (error) {
        pst_snapshot_free(snapshot);
        return error;
    }
    describe_python(snapshot, python);
    *result = snapshot;
    return NULL;
}

void pst_snapshot_free(pst_snapshot *snapshot)
{
    if (!snapshot)
        return;
    clear(snapshot);
    free(snapshot);
}

/* ---- questions -------------------------------------------------------------------------------------- */

static bool thread_is_partial(const struct pst_thread *thread)
{
    if (thread->errors.first)
        return true;
    for (size_t i = 0; i < thread->frame_count; i++)
        if (pst_frame_get_errors(&thread->frames[i]))
            return true;
    return false;
}

bool pst_snapshot_is_partial(const pst_snapshot *snapshot)
{
    if (snapshot->errors.first)
        return true;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (thread_is_partial(&snapshot->threads[i]))
            return true;
    return false;
}

const pst_python *pst_snapshot_get_python(const pst_snapshot *snapshot)
{
    return &snapshot->python;
}

const char *pst_snapshot_get_layout_source(const pst_snapshot *snapshot, size_t index)
{
    const size_t most = sizeof snapshot->layout_sources / sizeof *snapshot->layout_sources;
    return index < most ? snapshot->layout_sources[index] : NULL;
}

uint64_t pst_snapshot_get_pause_ns(const pst_snapshot *snapshot)
{
    return snapshot->pause_ns;
}

const pst_error *pst_snapshot_get_errors(const pst_snapshot *snapshot)
{
    return snapshot->errors.first;
}

size_t pst_snapshot_get_interpreter_count(const pst_snapshot *snapshot)
{
    return snapshot->interpreter_count;
}

const pst_interpreter *pst_snapshot_get_interpreter(const pst_snapshot *snapshot, size_t index)
{
    return index < snapshot->interpreter_count ? &snapshot->interpreters[index] : NULL;
}

size_t pst_snapshot_get_thread_count(const pst_snapshot *snapshot)
{
    return snapshot->thread_count;
}

const pst_thread *pst_snapshot_get_thread(const pst_snapshot *snapshot, size_t index)
{
    return index < snapshot->thread_count ? &snapshot->threads[index] : NULL;
}

int64_t pst_interpreter_get_id(const pst_interpreter *interpreter)
{
    return interpreter->id;
}

pst_addr pst_interpreter_get_address(const pst_interpreter *interpreter)
{
    return interpreter->address;
}

pst_gil pst_interpreter_get_gil(const pst_interpreter *interpreter)
{
    return interpreter->gil;
}

pid_t pst_thread_get_tid(const pst_thread *thread)
{
    return thread->tid;
}

bool pst_thread_has_python(const pst_thread *thread)
{
    return thread->has_python;
}

uint64_t pst_thread_get_ident(const pst_thread *thread)
{
    return thread->ident;
}

pst_text pst_thread_get_name(const pst_thread *thread)
{
    return thread->name;
}

pst_text pst_thread_get_os_name(const pst_thread *thread)
{
    return thread->os_name;
}

int64_t pst_thread_get_interpreter_id(const pst_thread *thread)
{
    return thread->interpreter_id;
}

bool pst_thread_is_main(const pst_thread *thread)
{
    return thread->is_main;
}

pst_maybe pst_thread_holds_gil(const pst_thread *thread)
{
    return thread->holds_gil;
}

char pst_thread_get_state(const pst_thread *thread)
{
    return thread->state;
}

bool pst_thread_is_truncated(const pst_thread *thread)
{
    return thread->truncated;
}

size_t pst_thread_get_frame_count(const pst_thread *thread)
{
    return thread->frame_count;
}

const pst_frame *pst_thread_get_frame(const pst_thread *thread, size_t index)
{
    return index < thread->frame_count ? &thread->frames[index] : NULL;
}

const pst_error *pst_thread_get_errors(const pst_thread *thread)
{
    return thread->errors.first;
}

pst_text pst_frame_get_name(const pst_frame *frame)
{
    return frame->code ? frame->code->name : (pst_text){0};
}

pst_text pst_frame_get_qualname(const pst_frame *frame)
{
    return frame->code ? frame->code->qualname : (pst_text){0};
}

pst_text pst_frame_get_file(const pst_frame *frame)
{
    return frame->code ? frame->code->filename : (pst_text){0};
}

int pst_frame_get_firstlineno(const pst_frame *frame)
{
    return frame->code ? frame->code->table.firstlineno : -1;
}

pst_position pst_frame_get_position(const pst_frame *frame)
{
    return frame->position;
}

bool pst_frame_get_lasti(const pst_frame *frame, int *lasti)
{
    *lasti = frame->lasti;
    return frame->has_lasti;
}

pst_addr pst_frame_get_code(const pst_frame *frame)
{
    return frame->code ? frame->code->address : 0;
}

const pst_error *pst_frame_get_errors(const pst_frame *frame)
{
    if (frame->error)
        return frame->error;
    return frame->code ? frame->code->errors.first : NULL;
}
