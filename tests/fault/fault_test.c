/*
 * The Nth read fails, for every N: no crash, no leak (run it under ASan), and either an error or a snapshot
 * that says what is missing.
 *
 *     fault_test PID|CORE
 *
 * The target must not change meanwhile: a parked process, or a core. It is read once whole, and then once
 * for every page that was read, with just that page unreadable.
 */
#include "python/python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Passes reads on to the target's real memory, but for one page. */
struct faulty_source {
    struct memory *real;
    size_t page_count;   /* pages asked for so far */
    size_t fail_at;      /* the page, by number, that fails; SIZE_MAX: none */
    pst_addr failed;     /* its address */
};

static void read_faulty(void *context, struct memory_page *const *pages, size_t count)
{
    struct faulty_source *source = context;
    for (size_t i = 0; i < count; i++) {
        struct memory_page *page = pages[i];
        if (source->page_count++ == source->fail_at || page->address == source->failed) {
            source->failed = page->address;
            page->why = "made to fail";
            continue;
        }
        size_t got = 0;
        pst_error *error = memory_read_some(source->real, page->address, page->bytes, MEMORY_PAGE_SIZE, &got);
        if (error && got < MEMORY_PAGE_SIZE)
            page->why = "not there";
        pst_error_free(error);
        page->valid_end = (uint16_t)got;
    }
}

static const char *check_errors(const pst_error *error)
{
    for (; error; error = pst_error_get_next(error))
        if (!*pst_error_get_message(error))
            return "an error without a message";
    return NULL;
}

static const char *check_snapshot(const pst_snapshot *snapshot)
{
    const char *wrong = check_errors(pst_snapshot_get_errors(snapshot));
    for (size_t i = 0; i < pst_snapshot_get_thread_count(snapshot); i++) {
        const pst_thread *thread = pst_snapshot_get_thread(snapshot, i);
        if (!wrong)
            wrong = check_errors(pst_thread_get_errors(thread));
        for (size_t j = 0; j < pst_thread_get_frame_count(thread); j++) {
            const pst_frame *frame = pst_thread_get_frame(thread, j);
            if (!wrong)
                wrong = check_errors(pst_frame_get_errors(frame));
            if (!wrong && !pst_frame_get_name(frame).data && !pst_frame_get_errors(frame))
                wrong = "a frame without a name and without an error";
        }
    }
    return wrong;
}

static size_t count_frames(const pst_snapshot *snapshot)
{
    size_t count = 0;
    for (size_t i = 0; i < pst_snapshot_get_thread_count(snapshot); i++)
        count += pst_thread_get_frame_count(pst_snapshot_get_thread(snapshot, i));
    return count;
}

static size_t count_hooks(const pst_snapshot *snapshot)
{
    size_t count = 0, some;
    for (size_t i = 0; i < pst_snapshot_get_interpreter_count(snapshot); i++) {
        const pst_interpreter *interpreter = pst_snapshot_get_interpreter(snapshot, i);
        count += pst_interpreter_get_eval_frame(interpreter).function != 0;
        count += pst_interpreter_get_code_extra(interpreter, &some) ? 1 + some : 0;
        count += pst_interpreter_get_code_watchers(interpreter, &some) ? 1 + some : 0;
        count += pst_interpreter_get_monitoring_tools(interpreter, &some) ? 1 + some : 0;
    }
    for (size_t i = 0; i < pst_snapshot_get_thread_count(snapshot); i++) {
        const pst_thread *thread = pst_snapshot_get_thread(snapshot, i);
        const pst_thread_hook *trace = pst_thread_get_trace(thread), *profile = pst_thread_get_profile(thread);
        count += (trace ? 1 + (trace->name.data != NULL) : 0) + (profile ? 1 + (profile->name.data != NULL) : 0);
    }
    return count;
}

/* One run with a fresh cache and a fresh search for the interpreter. */
static const char *run(pst_target *target, struct faulty_source *source, size_t *frame_count, size_t *hook_count,
                       bool *complete)
{
    struct memory *real = target->memory, *faulty;
    if (memory_open((struct memory_source){.read_pages = read_faulty, .context = source}, &faulty))
        return "out of memory";
    if (target->python_close)
        target->python_close(target->python);
    target->python = NULL;
    target->python_close = NULL;
    target->memory = faulty;

    pst_snapshot *snapshot = NULL;
    const pst_snapshot_options options = {.size = sizeof options, .with_hooks = true, .with_locals = true};
    pst_error *error = pst_snapshot_take(target, &options, &snapshot);
    const char *wrong = error ? check_errors(error) : check_snapshot(snapshot);
    *complete = !error && !pst_snapshot_is_partial(snapshot) && !target->errors.first;
    *frame_count = error ? 0 : count_frames(snapshot);
    *hook_count = error ? 0 : count_hooks(snapshot);
    pst_error_free(error);
    pst_snapshot_free(snapshot);
    error_list_free(&target->errors);

    if (target->python_close)
        target->python_close(target->python);
    target->python = NULL;
    target->python_close = NULL;
    memory_close(faulty);
    target->memory = real;
    return wrong;
}

static pst_error *open_target(const char *name, pst_target **target)
{
    const pst_target_options options = {.size = sizeof options, .no_pause = true};
    if (name[strspn(name, "0123456789")] == '\0')
        return pst_target_open_process((pid_t)atoi(name), &options, target);
    return pst_target_open_core(name, &options, target);
}

int main(int argument_count, char **arguments)
{
    pst_target *target;
    pst_error *error = argument_count == 2 ? open_target(arguments[1], &target) : NULL;
    if (argument_count != 2 || error) {
        fprintf(stderr, "fault_test: %s\n", error ? pst_error_get_message(error) : "usage: fault_test PID|CORE");
        return 1;
    }
    struct faulty_source whole = {.real = target->memory, .fail_at = SIZE_MAX};
    size_t all_frames, all_hooks, partial_count = 0;
    bool complete;
    const char *wrong = run(target, &whole, &all_frames, &all_hooks, &complete);
    if (!wrong && (!complete || all_frames == 0))
        wrong = "the target could not be read whole to begin with";
    for (size_t n = 0; !wrong && n < whole.page_count; n++) {
        struct faulty_source source = {.real = target->memory, .fail_at = n};
        size_t frames, hooks;
        wrong = run(target, &source, &frames, &hooks, &complete);
        if (!wrong && complete && (frames < all_frames || hooks < all_hooks))
            wrong = "frames or hooks are missing and nothing says so";
        partial_count += !complete;
        if (wrong)
            fprintf(stderr, "fault_test: read %zu fails (0x%llx): %s\n", n, (unsigned long long)source.failed, wrong);
    }
    if (!wrong && partial_count == 0)
        wrong = "no failed read made any difference";
    if (wrong)
        fprintf(stderr, "fault_test: %s\n", wrong);
    else
        printf("fault_test: %zu reads, %zu frames: %zu failures were reported\n", whole.page_count, all_frames,
               partial_count);
    pst_target_close(target);
    return wrong != NULL;
}
