/* The search for code objects: one after the other is decoded into the same memory. */
#include "python/code_head.h"
#include "python/code_object.h"
#include "python/code_prefetch.h"
#include "python/object.h"
#include "python/object_scan.h"
#include "python/python.h"
#include "python/running.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 128,      /* candidates that are looked at together: what they share is read once */
    /* At a code object of a live target that does not make sense: of those that come and go, a new one may have just
     * the head of the old, as its parts are where those of that were. */
    MAX_ATTEMPTS = 8,
    /* Reads for one code object; the largest that were ever seen take some 10,000. */
    MAX_CODE_WORK = 1 << 24,
    /* Of a whole search memory_get_max_work() and, for what lies there may refer to, one for each byte searched: twenty
     * times what a process full of code objects needs. */
    WORK_PER_BYTE = 1,
};

struct pst_code_search {
    struct pst_target *target;
    const struct python *python;
    const struct opcodes *opcodes;
    pst_addr interpreter;          /* whose co_extra_freefuncs serve; 0: none */
    pst_code_which which;
    char *name, *file;             /* globs, or NULL */
    bool head_only, with_instructions;
    pst_addr *addresses;           /* RUNNING, AT */
    size_t address_count, next_address;
    struct object_scan scan;       /* ALL */
    struct code_head *heads;       /* BATCH of them: the next candidates */
    size_t head_count, next_head;
    uint64_t scanned_size;         /* by the scan that found RUNNING */
    uint64_t work;                 /* reads so far */
    struct arena arena;            /* of `code` */
    struct pst_code code;          /* the one that was found last */
    struct error_list errors;
};

#define WISH(field)                                                                                            \
    (options && options->size >= offsetof(pst_code_options, field) + sizeof options->field ? options->field : 0)

/* ---- opening ------------------------------------------------------------------------------------------- */

static pst_error *copy_glob(const char *glob, char **copy)
{
    if (!glob)
        return NULL;
    *copy = strdup(glob);
    return *copy ? NULL : error_no_memory();
}

static pst_error *take_addresses(struct pst_code_search *search, const pst_code_options *options)
{
    size_t count = WISH(address_count);
    if (count && !WISH(addresses))
        return error_new(PST_ERROR_USAGE, "%zu addresses, but no list of them", count);
    search->addresses = malloc(count * sizeof *search->addresses + 1);
    if (!search->addresses)
        return error_no_memory();
    if (count)
        memcpy(search->addresses, options->addresses, count * sizeof *search->addresses);
    search->address_count = count;
    return NULL;
}

/* Suspended generators that can't be found are no reason not to tell of the rest. */
static void find_running(struct pst_code_search *search, const pst_snapshot *snapshot)
{
    pst_error *error = running_codes_find(search->python, snapshot, &search->addresses, &search->address_count,
                                          &search->scanned_size, &search->errors);
    error_list_add(&search->errors, error);
}

/* Of an image that was stripped: the type of any code object that a frame runs. */
static pst_error *find_code_type(const struct pst_code_search *search, const pst_snapshot *snapshot, pst_addr *type)
{
    *type = search->python->location.code_type;
    for (size_t i = 0; i < snapshot->thread_count && !*type; i++)
        for (size_t j = 0; j < snapshot->threads[i].frame_count && !*type; j++)
            if (snapshot->threads[i].frames[j].code)
                TRY(object_get_type(search->python, snapshot->threads[i].frames[j].code->address, type));
    return *type ? NULL : error_new(PST_ERROR_UNSUPPORTED, "where PyCode_Type is, is not known, and no frame runs");
}

static pst_error *start(struct pst_code_search *search, const pst_snapshot *snapshot, const pst_code_options *options)
{
    const struct layout *layout = &search->python->layout;
    TRY(opcodes_get(layout->major, layout->minor, &search->opcodes));
    if (!search->opcodes)
        return error_new(PST_ERROR_UNSUPPORTED, "there is no opcode table of CPython %d.%d", layout->major,
                         layout->minor);
    TRY(copy_glob(WISH(name), &search->name));
    TRY(copy_glob(WISH(file), &search->file));
    if (snapshot->interpreter_count)
        search->interpreter = snapshot->interpreters[0].address;
    memory_begin(search->python->memory);
    switch (search->which) {
    case PST_CODE_RUNNING: find_running(search, snapshot); return NULL;
    case PST_CODE_AT: return take_addresses(search, options);
    case PST_CODE_ALL: break;
    default: return error_new(PST_ERROR_USAGE, "there is no choice %d of code objects", (int)search->which);
    }
    pst_addr type;
    TRY(find_code_type(search, snapshot, &type));
    return object_scan_start(&search->scan, search->python, &type, 1, &search->errors);
}

pst_error *pst_code_search_open(pst_target *target, const pst_snapshot *snapshot, const pst_code_options *options,
                                pst_code_search **result)
{
    struct python *python;
    *result = NULL;
    TRY(python_open(target, &python));
    struct pst_code_search *search = calloc(1, sizeof *search);
    struct code_head *heads = calloc(BATCH, sizeof *heads);
    if (!search || !heads) {
        free(search);
        free(heads);
        return error_no_memory();
    }
    search->heads = heads;
    search->target = target;
    search->python = python;
    search->which = WISH(which);
    search->head_only = WISH(head_only);
    search->with_instructions = WISH(with_instructions);
    pst_error *error = start(search, snapshot, options);
    if (error) {
        pst_code_search_close(search);
        return error;
    }
    *result = search;
    return NULL;
}

static void clear_code(struct pst_code_search *search)
{
    error_list_free(&search->code.errors);
    arena_reset(&search->arena);
    search->code = (struct pst_code){0};
}

void pst_code_search_close(pst_code_search *search)
{
    if (!search)
        return;
    clear_code(search);
    arena_free(&search->arena);
    object_scan_free(&search->scan);
    error_list_free(&search->errors);
    free(search->heads);
    free(search->addresses);
    free(search->name);
    free(search->file);
    free(search);
}

const pst_error *pst_code_search_get_errors(const pst_code_search *search)
{
    return search->errors.first;
}

uint64_t pst_code_search_get_scanned_size(const pst_code_search *search)
{
    return search->scanned_size + search->scan.scanned_size;
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

/* Texts in the arena end with a NUL; one that has another in it matches no glob. */
static bool matches(const char *glob, pst_text text)
{
    return text.data && !memchr(text.data, '\0', text.size) && fnmatch(glob, text.data, 0) == 0;
}

static bool is_wanted(const struct pst_code_search *search)
{
    const struct pst_code *code = &search->code;
    if (search->name && !matches(search->name, code->name) && !matches(search->name, code->qualname))
        return false;
    if (!search->file || matches(search->file, code->filename))
        return true;
    const char *slash = code->filename.data ? memrchr(code->filename.data, '/', code->filename.size) : NULL;
    if (!slash)
        return false;
    size_t skipped = (size_t)(slash + 1 - code->filename.data);
    return matches(search->file, (pst_text){slash + 1, code->filename.size - skipped});
}

static void decode(struct pst_code_search *search, pst_addr address, bool *wanted)
{
    struct code_reader reader = {search->python, search->opcodes, &search->arena, &search->code};
    code_read_head(&reader, address);
    *wanted = is_wanted(search);
    if (!*wanted || search->head_only)
        return;
    code_read_body(&reader);
    code_add_error(&reader, code_extra_read(&reader, search->interpreter), "PyCodeObject.co_extra");
    if (search->with_instructions)
        code_add_error(&reader, instructions_read(&reader), "its instructions");
}

/* false: the search took all the work that it may, and says so. */
static bool begin_work(struct pst_code_search *search, uint64_t *work)
{
    uint64_t most = memory_get_max_work(search->python->memory) +
                    pst_code_search_get_scanned_size(search) * WORK_PER_BYTE;
    if (search->work >= most) {
        error_list_add(&search->errors, error_new(PST_ERROR_LIMIT, "stopped after %llu reads: what is in this memory "
                                                  "can't be code objects", (unsigned long long)search->work));
        return false;
    }
    *work = most - search->work < MAX_CODE_WORK ? most - search->work : MAX_CODE_WORK;
    return true;
}

/* ---- candidates ---------------------------------------------------------------------------------------- */

static bool is_live(const struct pst_code_search *search)
{
    return search->target->kind == PST_TARGET_PROCESS;
}

/* Of those at given addresses; false: there are no more. */
static bool next_given(struct pst_code_search *search, struct code_head *head)
{
    if (search->next_address == search->address_count)
        return false;
    pst_addr address = search->addresses[search->next_address++];
    head->address = address;
    if (is_live(search) && !code_head_read(search->python, address, head))
        memset(head->bytes, 0, sizeof head->bytes);
    return true;
}

/* Of those that the scan finds. Most of the dead are sorted out here. */
static bool next_found(struct pst_code_search *search, struct code_head *head)
{
    size_t type;
    while (object_scan_next(&search->scan, &head->address, &type)) {
        if (!is_live(search))
            return true;
        if (object_scan_copy(&search->scan, head->address, head->bytes, code_head_size(search->python)) &&
            code_head_lives(search->python, head))
            return true;
    }
    return false;
}

/* All that the heads of a live target lead to, unless most of them are not wanted. */
static void prefetch_batch(struct pst_code_search *search)
{
    struct memory *memory = search->python->memory;
    bool head_only = search->head_only || search->name || search->file;
    const uint64_t work = memory_get_max_work(memory);
    memory_set_work(memory, work);
    codes_prefetch(search->python, search->heads, search->head_count, head_only);
    search->work += work - memory_get_work_left(memory);
    code_heads_settle(search->python, search->heads, search->head_count);
    memory_settle(memory);
}

/* What is decoded of these heads is read after them: see code_head.h. */
static bool fill_batch(struct pst_code_search *search)
{
    search->next_head = search->head_count = 0;
    while (search->head_count < BATCH &&
           (search->which == PST_CODE_ALL ? next_found(search, &search->heads[search->head_count])
                                          : next_given(search, &search->heads[search->head_count])))
        search->head_count++;
    if (is_live(search)) {
        memory_trim(search->python->memory, 0);
        memory_outdate(search->python->memory);
        prefetch_batch(search);
    } else {
        memory_trim(search->python->memory, OBJECT_SCAN_CACHE_PAGES);
    }
    return search->head_count > 0;
}

/* ---- stepping ------------------------------------------------------------------------------------------ */

/* What is made of the bytes that were read takes time, too. */
static uint64_t count_steps(const struct pst_code *code)
{
    uint64_t size = code->adaptive.data ? code->adaptive.size : 0;
    return size + (code->bytecode.data ? code->bytecode.size + code->table.size : 0) + code->line_count +
           code->position_count + code->instruction_count;
}

/* Decodes it, if it is one and is wanted. */
static pst_error *try_decode(struct pst_code_search *search, pst_addr address, uint64_t work, bool *wanted,
                             bool *is_code)
{
    struct memory *memory = search->python->memory;
    clear_code(search);
    memory_set_work(memory, work);
    *wanted = *is_code = false;
    pst_error *error = code_validate(search->python, address, is_code);
    if (!error && *is_code)
        decode(search, address, wanted);
    search->work += work - memory_get_work_left(memory) + count_steps(&search->code);
    return error;
}

/* Whether it is the same living object still as when its head was read: then it was so while it was decoded. `late`:
 * how often late memory had been touched before that. */
static bool is_same(const struct pst_code_search *search, const struct code_head *head, uint64_t late)
{
    struct code_head now;
    uint64_t late_now;
    if (!is_live(search) ||
        (head->is_settled && memory_count_late(search->python->memory, &late_now) && late_now == late))
        return true;
    return code_head_read(search->python, head->address, &now) && code_head_is_same(search->python, head, &now);
}

/* Without errors, or as well as it can be: what changed in a live target, or makes no sense (its bytecode was
 * being instrumented, perhaps), is looked at again, and may be gone then. */
static pst_error *decode_living(struct pst_code_search *search, struct code_head *head, uint64_t work, bool *wanted)
{
    for (int attempt = 1;; attempt++) {
        bool is_code;
        uint64_t late;
        memory_count_late(search->python->memory, &late);
        pst_error *error = try_decode(search, head->address, work, wanted, &is_code);
        bool stays = is_same(search, head, late);
        if ((stays && (!is_code || !search->code.errors.first)) || !is_live(search) || attempt == MAX_ATTEMPTS) {
            *wanted = *wanted && stays;
            return error;
        }
        *wanted = false;
        if (!code_head_read(search->python, head->address, head) || !code_head_lives(search->python, head))
            return error;
        pst_error_free(error);
        memory_outdate(search->python->memory);
    }
}

/* Of what only looks like a code object nobody wants to hear; of one that was asked for, or that a frame ran, yes. */
static void note_absence(struct pst_code_search *search, pst_addr address, pst_error *error)
{
    if (search->which == PST_CODE_ALL) {
        pst_error_free(error);
        return;
    }
    if (!error)
        error = error_new(PST_ERROR_CORRUPT, "there is no living code object");
    error_list_add(&search->errors, error_in(error, "0x%llx", (unsigned long long)address));
}

pst_error *pst_code_search_next(pst_code_search *search, const pst_code **code)
{
    uint64_t work;
    *code = NULL;
    while (begin_work(search, &work) && (search->next_head < search->head_count || fill_batch(search))) {
        struct code_head *head = &search->heads[search->next_head++];
        bool wanted, is_one;
        pst_error *error = decode_living(search, head, work, &wanted);
        if (!error && wanted) {
            *code = &search->code;
            return NULL;
        }
        is_one = !error && search->code.address;   /* but it is not wanted */
        if (!is_one)
            note_absence(search, head->address, error);
    }
    return NULL;
}
