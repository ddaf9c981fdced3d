/*
 * A small core of a target: what the commands read of it, found out by running them.
 *
 *   1. A snapshot is taken of the target, as for a report; the pages that it touched, and those that its frames'
 *      variables lead to, are set aside: of a live target as they were while it stood still.
 *   2. The same and more is done once again on a replay (target/replay.h): the target as the small core will show it,
 *      that is without any file. What that touches is set aside as well, so that nothing is missing later.
 */
#include "base/text.h"
#include "image/debug_file.h"
#include "image/loader.h"
#include "image/symbolize.h"
#include "python/reach.h"
#include "python/walk.h"
#include "target/core_write.h"
#include "target/notes.h"
#include "target/replay.h"
#include "target/stack_arguments.h"

#include <elf.h>
#include <stdlib.h>

enum {
    MAX_ATTEMPTS = 3,      /* at a live target that changes meanwhile */
    MAX_PASSES = 4,
    MAX_SYMBOLS = 4096,    /* functions that are hooks, and what is known of CPython's image */
    FIRST_PAGE_SIZE = 4096, /* by which an image without a build-id is told from others */
    VDSO_MAX_SIZE = 16 << 10
};

struct pst_core {
    struct pst_target *target;
    pst_snapshot *snapshot;
    struct page_store store;
    struct reach reach;
    bool is_heap_cut;
    struct target_symbol symbols[MAX_SYMBOLS]; /* borrowed from the target */
    size_t symbol_count;
    struct text notes;
    struct error_list errors;
};

#define WISH(field)                                                                                            \
    (options && options->size >= offsetof(pst_core_options, field) + sizeof options->field ? options->field : 0)

static bool is_live(const struct pst_core *core)
{
    return core->target->operations->pause != NULL;
}

/* ---- the replay -------------------------------------------------------------------------------------------- */

/* What tells each mapped image from another build. */
static void read_image_heads(struct pst_target *replay)
{
    for (size_t i = 0; i < replay->segment_count; i++) {
        const struct segment *segment = &replay->segments[i];
        struct build_id id;
        uint8_t page[FIRST_PAGE_SIZE];
        size_t got;
        if (segment->path && segment->path[0] == '/' && segment->file_offset == 0 &&
            !image_read_build_id(replay, segment->start, &id))
            pst_error_free(memory_read_some(replay->memory, segment->start, page, sizeof page, &got));
    }
}

/* The vDSO is in no file, and debuggers read all of it. */
static void read_vdso(struct pst_target *replay, pst_addr address)
{
    const struct segment *segment = target_find_segment(replay, address);
    uint8_t bytes[VDSO_MAX_SIZE];
    if (!segment)
        return;
    size_t got, size = segment->end - address < sizeof bytes ? segment->end - address : sizeof bytes;
    pst_error_free(memory_read_some(replay->memory, address, bytes, size, &got));
}

/* What the kernel and the dynamic linker noted: the command line, the path that the program was started by, and where
 * its libraries are, for debuggers. */
static pst_error *read_start(const struct pst_target *origin, struct pst_target *replay)
{
    uint8_t auxv[TARGET_MAX_AUXV_SIZE];
    char *arguments, name[256];
    size_t size, got;
    pst_addr address;
    uint64_t count;
    size_t auxv_size = origin->operations->read_auxv ? origin->operations->read_auxv(origin, auxv, sizeof auxv) : 0;
    TRY(stack_arguments_read(replay, auxv, auxv_size, &arguments, &size));
    free(arguments);
    if (auxv_find(auxv, auxv_size, AT_EXECFN, &address))
        pst_error_free(memory_read_some(replay->memory, address, name, sizeof name, &got));
    if (auxv_find(auxv, auxv_size, AT_PHDR, &address) && auxv_find(auxv, auxv_size, AT_PHNUM, &count))
        loader_touch(replay, address, count);
    if (auxv_find(auxv, auxv_size, AT_SYSINFO_EHDR, &address))
        read_vdso(replay, address);
    return NULL;
}

/* *whole: none of them lacks anything. */
static pst_error *read_codes(struct pst_target *replay, const pst_snapshot *snapshot, pst_code_which which, bool *whole)
{
    const pst_code_options options = {
        .size = sizeof options,
        .which = which,
        .with_instructions = true,
    };
    pst_code_search *search;
    const pst_code *code;
    TRY(pst_code_search_open(replay, snapshot, &options, &search));
    pst_error *error;
    *whole = true;
    do {
        error = pst_code_search_next(search, &code);
        *whole &= error || !code || !pst_code_get_errors(code);
    } while (!error && code);
    *whole &= !pst_code_search_get_errors(search);
    pst_code_search_close(search);
    return error;
}

/* With every code object, .pyc files can be made of them: the names of modules are needed, too. */
static pst_error *read_modules(struct pst_target *replay, const pst_snapshot *snapshot)
{
    const pst_code_options options = {.size = sizeof options, .which = PST_CODE_ALL};
    pst_export *exported;
    const pst_export_file *file;
    TRY(pst_export_open(replay, snapshot, &options, &exported));
    pst_error *error;
    do
        error = pst_export_next(exported, &file);
    while (!error && file);
    pst_export_close(exported);
    return error;
}

static bool is_as_good(const struct pst_core *core, const struct pst_target *replay, const pst_snapshot *snapshot)
{
    bool is_partial = pst_snapshot_is_partial(snapshot) || replay->errors.first;
    return !is_partial || pst_snapshot_is_partial(core->snapshot) || core->target->errors.first;
}

/* Runs the commands on it. *complete: its stacks came out as well as those of the target; and, of one that goes on
 * meanwhile, nothing of the code that runs was gone before it was set aside. */
static pst_error *run_commands(struct pst_core *core, struct pst_target *replay, bool all_code, bool *complete)
{
    const pst_snapshot_options options = {.size = sizeof options, .with_hooks = true, .with_locals = true};
    pst_snapshot *snapshot;
    TRY(pst_snapshot_take(replay, &options, &snapshot));
    *complete = is_as_good(core, replay, snapshot);
    read_image_heads(replay);
    pst_error *error = read_start(core->target, replay);
    /* A version that code objects can't be told of has stacks nevertheless. */
    bool whole = true, all_whole;
    pst_error *codes = error ? NULL : read_codes(replay, snapshot, PST_CODE_RUNNING, &whole);
    *complete &= whole || !is_live(core);
    if (!error && !codes && all_code)
        codes = read_codes(replay, snapshot, PST_CODE_ALL, &all_whole);
    if (!error && !codes && all_code)
        codes = read_modules(replay, snapshot);
    if (codes && pst_error_get_code(codes) == PST_ERROR_UNSUPPORTED)
        pst_error_free(codes);
    else if (!error)
        error = codes;
    pst_snapshot_free(snapshot);
    return error;
}

static pst_error *replay_once(struct pst_core *core, bool all_code, const struct replay_options *options,
                              bool *complete)
{
    struct pst_target *replay;
    TRY(replay_open(core->target, &core->store, options, &replay));
    pst_error *error = run_commands(core, replay, all_code, complete);
    pst_target_close(replay);
    return error;
}

/* A version whose layout is not built in is told by its debug information: the core will need that, too. */
static pst_error *replay_commands(struct pst_core *core, bool all_code, bool *complete)
{
    struct replay_options options = {.symbols = core->symbols, .symbol_count = core->symbol_count};
    pst_error *error = replay_once(core, all_code, &options, complete);
    pst_error_code code = error ? pst_error_get_code(error) : 0;
    if (code == PST_ERROR_UNSUPPORTED || code == PST_ERROR_NOT_PYTHON) {
        pst_error_free(error);
        options.with_files = true;
        error = replay_once(core, all_code, &options, complete);
    }
    /* A process goes on: what was found in it, and what was set aside of it a moment later, must come to agree. */
    options.search_store = true;
    size_t count = 0;
    for (int pass = 0; !error && is_live(core) && count != core->store.count && pass < MAX_PASSES; pass++) {
        count = core->store.count;
        error = replay_once(core, all_code, &options, complete);
    }
    *complete &= !is_live(core) || count == core->store.count;
    return error;
}

/* ---- taking ------------------------------------------------------------------------------------------------ */

static void forget(struct pst_core *core)
{
    if (core->snapshot)
        pst_snapshot_free(core->snapshot);
    core->snapshot = NULL;
    page_store_free(&core->store);
    page_store_start(&core->store);
    reach_clear(&core->reach);
    text_free(&core->notes);
    core->notes = (struct text){0};
}

/* What files told of the target, and its memory may not. */
static void list_symbols(struct pst_core *core)
{
    const struct pst_target *target = core->target;
    const struct python *python = target->python;
    core->symbol_count = location_list_symbols(&python->location, core->symbols);
    if (python->coextra_head)
        core->symbols[core->symbol_count++] = (struct target_symbol){python->coextra_head, "coextra_head"};
    core->symbol_count += symbolize_list(target, core->symbols + core->symbol_count, MAX_SYMBOLS - core->symbol_count);
}

static pst_error *take_once(struct pst_core *core, bool all_code, size_t max_frames, bool *complete)
{
    const pst_snapshot_options options = {.size = sizeof options, .max_frames = max_frames, .with_hooks = true,
                                          .with_locals = true};
    struct pst_target *target = core->target;
    TRY(snapshot_take(target, &options, &core->reach, &core->snapshot));
    core->is_heap_cut = core->reach.is_cut;
    memory_visit(target->memory, page_store_keep, &core->store);
    list_symbols(core);
    TRY(target->operations->write_notes(target, &core->notes));
    /* Of a small core they were copied; readers take the first such note. */
    if (core->symbol_count && !target->symbols_noted)
        notes_add_symbols(&core->notes, core->symbols, core->symbol_count);
    if (core->notes.failed)
        return error_no_memory();
    return replay_commands(core, all_code, complete);
}

static pst_error *take(struct pst_core *core, const pst_core_options *options)
{
    bool complete = false;
    if (!core->target->operations->write_notes)
        return error_new(PST_ERROR_USAGE, "of this kind of target there is no core");
    for (int attempt = 1; !complete; attempt++) {
        forget(core);
        TRY(take_once(core, WISH(all_code), WISH(max_frames), &complete));
        if (!is_live(core) || attempt == MAX_ATTEMPTS)
            break;
    }
    if (!complete)
        error_list_add(&core->errors, error_new(PST_ERROR_READ, "not all that the stacks and their code need could be "
                                                "kept: the small core gives less of them than the target"));
    if (core->symbol_count == MAX_SYMBOLS)
        error_list_add(&core->errors, error_new(PST_ERROR_LIMIT, "the names of more than %d functions would be kept: "
                                                "the rest is left out", MAX_SYMBOLS));
    if (core->store.is_full)
        error_list_add(&core->errors, error_new(PST_ERROR_LIMIT, "more than %d MB would be kept: the rest is left out",
                                                ARENA_MAX_SIZE >> 20));
    return NULL;
}

pst_error *pst_core_take(pst_target *target, const pst_core_options *options, pst_core **result)
{
    struct pst_core *core = calloc(1, sizeof *core);
    *result = NULL;
    if (!core)
        return error_no_memory();
    core->target = target;
    reach_start(&core->reach, WISH(heap_size) || WISH(with_heap_size) ? WISH(heap_size) : PST_CORE_HEAP_SIZE);
    pst_error *error = take(core, options);
    reach_free(&core->reach);
    if (error) {
        pst_core_free(core);
        return error;
    }
    page_store_sort(&core->store);
    *result = core;
    return NULL;
}

/* ---- the core ---------------------------------------------------------------------------------------------- */

const pst_snapshot *pst_core_get_snapshot(const pst_core *core)
{
    return core->snapshot;
}

const pst_error *pst_core_get_errors(const pst_core *core)
{
    return core->errors.first;
}

uint64_t pst_core_get_kept_size(const pst_core *core)
{
    uint64_t size = 0;
    for (size_t i = 0; i < core->store.count; i++)
        size += core->store.pages[i].size;
    return size;
}

bool pst_core_is_heap_cut(const pst_core *core)
{
    return core->is_heap_cut;
}

pst_error *pst_core_write(pst_core *core, int fd, uint64_t *size)
{
    return core_write(fd, core->target, &core->notes, &core->store, size);
}

void pst_core_free(pst_core *core)
{
    if (!core)
        return;
    if (core->snapshot)
        pst_snapshot_free(core->snapshot);
    page_store_free(&core->store);
    text_free(&core->notes);
    error_list_free(&core->errors);
    free(core);
}
