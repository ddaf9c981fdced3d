#include "target/target.h"

#include "target/source.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

static const unsigned default_pause_timeout_ms = 1000;

uint64_t target_limit(const struct pst_target *target, uint64_t most, uint64_t least, uint64_t size)
{
    uint64_t limit = least + target->content_size / size;
    return target->content_size && limit < most ? limit : most;
}

/* A process full of code objects takes one for twenty bytes; the smallest core, some 50,000. */
void target_limit_work(struct pst_target *target)
{
    enum { LEAST_WORK = 1 << 20 };
    memory_limit_work(target->memory, target_limit(target, MEMORY_MAX_WORK, LEAST_WORK, 1));
}

const struct segment *target_find_segment(const struct pst_target *target, pst_addr address)
{
    size_t low = 0, high = target->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct segment *segment = &target->segments[middle];
        if (address < segment->start)
            high = middle;
        else if (address >= segment->end)
            low = middle + 1;
        else
            return segment;
    }
    return NULL;
}

struct target_thread *target_find_thread(const struct pst_target *target, pid_t tid)
{
    for (size_t i = 0; i < target->thread_count; i++)
        if (target->threads[i].tid == tid)
            return &target->threads[i];
    return NULL;
}

struct target_thread *target_find_inner_thread(const struct pst_target *target, pid_t tid)
{
    for (size_t i = 0; i < target->thread_count; i++)
        if (target->threads[i].inner_tid == tid)
            return &target->threads[i];
    return NULL;
}

const char *target_find_noted_name(const struct pst_target *target, pst_addr address)
{
    for (size_t i = 0; i < target->symbol_noted_count; i++)
        if (target->symbols_noted[i].address == address)
            return target->symbols_noted[i].name;
    return NULL;
}

pst_addr target_find_noted_symbol(const struct pst_target *target, const char *name)
{
    for (size_t i = 0; i < target->symbol_noted_count; i++)
        if (strcmp(target->symbols_noted[i].name, name) == 0)
            return target->symbols_noted[i].address;
    return 0;
}

/* Copies options->FIELD, if the caller's struct is long enough to have it. */
#define WISH(field)                                                                                            \
    (options && options->size >= offsetof(pst_target_options, field) + sizeof options->field                   \
         ? options->field                                                                                      \
         : 0)

static pst_error *copy_wish(const char *wish, char **copy)
{
    *copy = wish ? strdup(wish) : NULL;
    return wish && !*copy ? error_no_memory() : NULL;
}

static pst_error *target_fill(struct pst_target *target, const pst_target_options *options)
{
    TRY(copy_wish(WISH(executable), &target->wanted_executable));
    TRY(copy_wish(WISH(sysroot), &target->sysroot));
    TRY(copy_wish(WISH(debug_dir), &target->debug_dir));
    TRY(copy_wish(WISH(layout_file), &target->layout_file));
    TRY(copy_wish(WISH(assume_version), &target->assume_version));
    target->no_pause = WISH(no_pause);
    target->pause_timeout_ms = WISH(pause_timeout_ms) ? WISH(pause_timeout_ms) : default_pause_timeout_ms;
    target->progress = WISH(progress);
    target->progress_context = WISH(progress_context);
    return NULL;
}

pst_error *target_new(pst_target_kind kind, const pst_target_options *options, struct pst_target **result)
{
    struct pst_target *target = calloc(1, sizeof *target);
    if (!target)
        return error_no_memory();
    target->kind = kind;
    pst_error *error = target_fill(target, options);
    if (error) {
        pst_target_close(target);
        return error;
    }
    *result = target;
    return NULL;
}

void pst_target_close(pst_target *target)
{
    if (!target)
        return;
    if (target->python_close)
        target->python_close(target->python);
    if (target->symbols_close)
        target->symbols_close(target->symbols);
    if (target->operations && target->operations->close)
        target->operations->close(target);
    memory_close(target->memory);
    source_cache_free(target->sources);
    error_list_free(&target->errors);
    free(target->segments);
    free(target->segment_names);
    free(target->threads);
    free(target->symbols_noted);
    free(target->symbol_names);
    free((char *)target->signal.place);
    free((char *)target->signal.instruction_place);
    free(target->path);
    free(target->executable);
    free(target->arguments);
    free(target->wanted_executable);
    free(target->sysroot);
    free(target->debug_dir);
    free(target->layout_file);
    free(target->assume_version);
    free(target);
}

pst_target_kind pst_target_get_kind(const pst_target *target)
{
    return target->kind;
}

pid_t pst_target_get_pid(const pst_target *target)
{
    return target->pid;
}

const char *pst_target_get_path(const pst_target *target)
{
    return target->path;
}

const char *pst_target_get_executable(const pst_target *target)
{
    return target->executable;
}

const char *pst_target_get_arch(const pst_target *target)
{
    switch (target->machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_AARCH64:
        return "aarch64";
    default:
        return "unknown";
    }
}

pst_text pst_target_get_argument(const pst_target *target, size_t index)
{
    if (!target->arguments)
        return (pst_text){0};
    const char *at = target->arguments, *end = at + target->arguments_size;
    while (at < end) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (!stop)
            stop = end;
        if (index-- == 0)
            return (pst_text){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    return (pst_text){0};
}

bool pst_target_get_signal(const pst_target *target, pst_signal *signal)
{
    if (target->has_signal)
        *signal = target->signal;
    return target->has_signal;
}

void pst_target_get_process_details(pst_target *target, pst_process_details *details)
{
    if (!target->details.has_user && target->operations && target->operations->read_user)
        target->operations->read_user(target);
    *details = target->details;
}

const pst_error *pst_target_get_errors(const pst_target *target)
{
    return target->errors.first;
}
