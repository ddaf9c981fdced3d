/* Which code objects go into which file. */
#include "python/export.h"

#include "python/object_scan.h"
#include "python/python.h"
#include "python/walk.h"

#include <stdlib.h>
#include <string.h>

/* ---- the code objects ---------------------------------------------------------------------------------- */

static bool text_is(pst_text text, const char *string)
{
    return text.data && text.size == strlen(string) && memcmp(text.data, string, text.size) == 0;
}

static bool texts_are_equal(pst_text a, pst_text b)
{
    return a.size == b.size && !a.data == !b.data && (!a.size || memcmp(a.data, b.data, a.size) == 0);
}

static pst_error *copy_text(struct arena *arena, pst_text text, pst_text *copy)
{
    *copy = (pst_text){0};
    if (!text.data)
        return NULL;
    *copy = (pst_text){arena_copy(arena, text.data, text.size + 1), text.size};
    return copy->data ? NULL : error_no_memory();
}

/* <lambda> and <listcomp> are no names; and __getattr__, or another that the interpreter itself calls, would run. */
static bool is_definable(pst_text name)
{
    if (!name.data || !name.size || name.size > EXPORT_MAX_NAME || name.data[0] == '<')
        return false;
    return !(name.size > 4 && memcmp(name.data, "__", 2) == 0 && memcmp(name.data + name.size - 2, "__", 2) == 0);
}

/* From 3.11 on the code object says that it stood at the top level. */
static bool is_function(const struct pst_code *code)
{
    enum { CO_OPTIMIZED = 0x0001, CO_NEWLOCALS = 0x0002 };
    int64_t needed = CO_OPTIMIZED | CO_NEWLOCALS;
    return (code->numbers.flags & needed) == needed && code->lists[PST_CODE_FREEVARS].items &&
           !code->lists[PST_CODE_FREEVARS].count && is_definable(code->name) &&
           (!code->qualname.data || texts_are_equal(code->name, code->qualname));
}

static pst_error *add_inner(struct pst_export *exported, pst_addr address)
{
    if (exported->inner_count == exported->inner_capacity) {
        size_t capacity = exported->inner_capacity ? exported->inner_capacity * 2 : 1024;
        pst_addr *inner = realloc(exported->inner, capacity * sizeof *inner);
        if (!inner)
            return error_no_memory();
        exported->inner = inner;
        exported->inner_capacity = capacity;
    }
    exported->inner[exported->inner_count++] = address;
    return NULL;
}

static pst_error *grow_codes(struct pst_export *exported)
{
    if (exported->code_count == EXPORT_MAX_CODES)
        return error_new(PST_ERROR_LIMIT, "there are more than %d code objects", EXPORT_MAX_CODES);
    if (exported->code_count < exported->code_capacity)
        return NULL;
    size_t capacity = exported->code_capacity ? exported->code_capacity * 2 : 1024;
    struct export_code *codes = realloc(exported->codes, capacity * sizeof *codes);
    if (!codes)
        return error_no_memory();
    exported->codes = codes;
    exported->code_capacity = capacity;
    return NULL;
}

static pst_error *add_code(struct pst_export *exported, const struct pst_code *code)
{
    TRY(grow_codes(exported));
    const struct export_code *last = exported->code_count ? &exported->codes[exported->code_count - 1] : NULL;
    struct export_code new = {
        .address = code->address,
        .firstlineno = code->numbers.firstlineno,
        .first_inner = exported->inner_count,
        .is_body = text_is(code->name, "<module>"),
        .is_function = is_function(code),
    };
    /* Neighbours are mostly of one file. */
    if (last && texts_are_equal(last->filename, code->filename))
        new.filename = last->filename;
    else
        TRY(copy_text(&exported->texts, code->filename, &new.filename));
    if (new.is_function)
        TRY(copy_text(&exported->texts, code->name, &new.name));
    for (size_t i = 0; i < code->constant_count; i++)
        if (code->constants[i].code)
            TRY(add_inner(exported, code->constants[i].code));
    new.inner_count = exported->inner_count - new.first_inner;
    exported->codes[exported->code_count++] = new;
    return NULL;
}

static int compare_addresses(const void *a, const void *b)
{
    const struct export_code *one = a, *other = b;
    return (one->address > other->address) - (one->address < other->address);
}

/* The search for those at given addresses comes by one as often as it was asked for. */
static void sort_codes(struct pst_export *exported)
{
    size_t count = 0;
    if (!exported->code_count)
        return;
    qsort(exported->codes, exported->code_count, sizeof *exported->codes, compare_addresses);
    for (size_t i = 0; i < exported->code_count; i++)
        if (!count || exported->codes[count - 1].address != exported->codes[i].address)
            exported->codes[count++] = exported->codes[i];
    exported->code_count = count;
}

/* Among the first `count`. */
static struct export_code *find_among(const struct pst_export *exported, size_t count, pst_addr address)
{
    const struct export_code key = {.address = address};
    return count ? bsearch(&key, exported->codes, count, sizeof key, compare_addresses) : NULL;
}

struct export_code *export_find_code(const struct pst_export *exported, pst_addr address)
{
    return find_among(exported, exported->code_count, address);
}

static void copy_errors(struct error_list *list, const pst_error *error)
{
    for (; error; error = pst_error_get_next(error)) {
        pst_error *copy = error_new(pst_error_get_code(error), "%s", pst_error_get_message(error));
        const char *where = pst_error_get_where(error);
        error_list_add(list, *where ? error_in(copy, "%s", where) : copy);
    }
}

/* A code object that goes with an error is met again when it is written. */
static pst_error *search(struct pst_export *exported, const pst_snapshot *snapshot, const pst_code_options *options)
{
    pst_code_options own = {.size = sizeof own};
    pst_code_search *search;
    const pst_code *code;
    if (options)
        memcpy(&own, options, options->size < sizeof own ? options->size : sizeof own);
    own.size = sizeof own;
    own.head_only = own.with_instructions = false;
    TRY(pst_code_search_open(exported->target, snapshot, &own, &search));
    pst_error *error;
    while (!(error = pst_code_search_next(search, &code)) && code && !error) {
        error = add_code(exported, code);
        if (error)
            break;
    }
    copy_errors(&exported->errors, pst_code_search_get_errors(search));
    exported->scanned_size = pst_code_search_get_scanned_size(search);
    pst_code_search_close(search);
    return error;
}

/* ---- those in them ------------------------------------------------------------------------------------- */

uint64_t export_get_work(const struct pst_export *exported)
{
    uint64_t most = memory_get_max_work(exported->python->memory) + exported->scanned_size;
    uint64_t left = exported->work < most ? most - exported->work : 0;
    return left < EXPORT_MAX_CODE_WORK ? left : EXPORT_MAX_CODE_WORK;
}

/* What is wrong with it is met again when it is written, with the one that it is in. */
static pst_error *read_inner(struct pst_export *exported, struct arena *arena, pst_addr address)
{
    struct memory *memory = exported->python->memory;
    struct pst_code code = {0};
    struct code_reader reader = {exported->python, exported->opcodes, arena, &code};
    uint64_t work = export_get_work(exported);
    bool is_valid;
    memory_trim(memory, OBJECT_SCAN_CACHE_PAGES);
    memory_set_work(memory, work);
    pst_error *error = code_validate(exported->python, address, &is_valid);
    bool is_code = !error && is_valid;
    pst_error_free(error);
    if (is_code) {
        code_read_head(&reader, address);
        code_read_body(&reader);
    }
    error = is_code ? add_code(exported, &code) : NULL;
    exported->work += work - memory_get_work_left(memory);
    error_list_free(&code.errors);
    arena_reset(arena);
    return error;
}

static int compare_pointers(const void *a, const void *b)
{
    pst_addr one = *(const pst_addr *)a, other = *(const pst_addr *)b;
    return (one > other) - (one < other);
}

/* Those in inner[first] and after it that are not known yet. */
static pst_error *read_level(struct pst_export *exported, struct arena *arena, size_t first)
{
    size_t known = exported->code_count, count = exported->inner_count - first;
    pst_addr *addresses = malloc(count * sizeof *addresses + 1);
    if (!addresses)
        return error_no_memory();
    memcpy(addresses, exported->inner + first, count * sizeof *addresses);
    qsort(addresses, count, sizeof *addresses, compare_pointers);
    pst_error *error = NULL;
    for (size_t i = 0; i < count && !error; i++) {
        bool is_known = (i && addresses[i] == addresses[i - 1]) || find_among(exported, known, addresses[i]);
        if (!is_known && export_get_work(exported))
            error = read_inner(exported, arena, addresses[i]);
    }
    free(addresses);
    return error;
}

/* A method on a stack is in its class's code object, which may be on none, and that in the module's: what is in what
 * can't be told without those between. */
static pst_error *read_nested(struct pst_export *exported)
{
    struct arena arena = {0};
    pst_error *error = NULL;
    size_t first = 0;
    memory_begin(exported->python->memory);
    for (int depth = 0; depth < MARSHAL_MAX_DEPTH && first < exported->inner_count && !error; depth++) {
        size_t next = exported->inner_count;
        error = read_level(exported, &arena, first);
        sort_codes(exported);
        first = next;
    }
    arena_free(&arena);
    return error;
}

/* ---- their files --------------------------------------------------------------------------------------- */

static void mark_nested(struct pst_export *exported)
{
    for (size_t i = 0; i < exported->inner_count; i++) {
        struct export_code *code = export_find_code(exported, exported->inner[i]);
        if (code)
            code->is_nested = true;
    }
}

static int compare_files(const struct export_code *one, const struct export_code *other)
{
    size_t common = one->filename.size < other->filename.size ? one->filename.size : other->filename.size;
    int order = common ? memcmp(one->filename.data, other->filename.data, common) : 0;
    return order ? order
                 : (one->filename.size > other->filename.size) - (one->filename.size < other->filename.size);
}

static int compare_roots(const void *a, const void *b, void *context)
{
    const struct pst_export *exported = context;
    const struct export_code *one = &exported->codes[*(const size_t *)a], *other = &exported->codes[*(const size_t *)b];
    int order = compare_files(one, other);
    if (order)
        return order;
    if (one->is_body != other->is_body)
        return one->is_body ? -1 : 1;
    if (one->firstlineno != other->firstlineno)
        return one->firstlineno < other->firstlineno ? -1 : 1;
    return compare_addresses(one, other);
}

static void add_to_group(struct pst_export *exported, size_t position)
{
    const struct export_code *code = &exported->codes[exported->roots[position]];
    struct export_group *last = exported->group_count ? &exported->groups[exported->group_count - 1] : NULL;
    const struct export_code *first = last ? &exported->codes[exported->roots[last->first]] : NULL;
    if (last && last->kind == PST_EXPORT_FUNCTIONS && compare_files(first, code) == 0)
        last->count++;
    else
        exported->groups[exported->group_count++] = (struct export_group){
            .kind = code->is_body ? PST_EXPORT_MODULE : PST_EXPORT_FUNCTIONS, .first = position, .count = 1};
}

static pst_error *group_roots(struct pst_export *exported)
{
    exported->roots = calloc(exported->code_count + 1, sizeof *exported->roots);
    exported->groups = calloc(exported->code_count + 1, sizeof *exported->groups);
    if (!exported->roots || !exported->groups)
        return error_no_memory();
    for (size_t i = 0; i < exported->code_count; i++)
        if (!exported->codes[i].is_nested)
            exported->roots[exported->root_count++] = i;
    if (exported->root_count)
        qsort_r(exported->roots, exported->root_count, sizeof *exported->roots, compare_roots, exported);
    for (size_t i = 0; i < exported->root_count; i++)
        add_to_group(exported, i);
    return NULL;
}

static pst_error *read_modules(struct pst_export *exported, const pst_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->interpreter_count; i++) {
        pst_error *error = modules_add(&exported->modules, exported->python, snapshot->interpreters[i].address,
                                       &exported->errors);
        error_list_add(&exported->errors, error_in(error, "sys.modules"));
    }
    return modules_sort(&exported->modules);
}

/* The packages around a module. */
static void add_packages(struct pst_export *exported, const struct module *module)
{
    for (size_t size = 1; size < module->name.size; size++) {
        struct module *package = module->name.data[size] == '.'
                                     ? modules_find_name(&exported->modules, (pst_text){module->name.data, size})
                                     : NULL;
        if (!package || !package->is_package || package->is_exported)
            continue;
        package->is_exported = true;
        exported->packages[exported->package_count++] = package;
    }
}

/* Without its package there is no importing a module. */
static pst_error *find_packages(struct pst_export *exported)
{
    exported->packages = calloc(exported->modules.count + 1, sizeof *exported->packages);
    if (!exported->packages)
        return error_no_memory();
    for (int pass = 1; pass <= 2; pass++) {
        for (size_t i = 0; i < exported->group_count; i++) {
            const struct export_code *first = &exported->codes[exported->roots[exported->groups[i].first]];
            struct module *module = modules_find(&exported->modules, first->filename);
            if (module && pass == 1)
                module->is_exported = true;
            else if (module)
                add_packages(exported, module);
        }
    }
    return NULL;
}

static pst_error *start(struct pst_export *exported, const pst_snapshot *snapshot, const pst_code_options *options)
{
    const struct layout *layout = &exported->python->layout;
    TRY(opcodes_get(layout->major, layout->minor, &exported->opcodes));
    if (!exported->opcodes)
        return error_new(PST_ERROR_UNSUPPORTED, "there is no opcode table of CPython %d.%d", layout->major,
                         layout->minor);
    pst_error *error = search(exported, snapshot, options);
    if (error && pst_error_get_code(error) != PST_ERROR_LIMIT)
        return error;
    error_list_add(&exported->errors, error);
    sort_codes(exported);
    error = error ? NULL : read_nested(exported);
    if (error && pst_error_get_code(error) != PST_ERROR_LIMIT)
        return error;
    error_list_add(&exported->errors, error);
    mark_nested(exported);
    TRY(group_roots(exported));
    memory_begin(exported->python->memory);
    memory_set_work(exported->python->memory, memory_get_max_work(exported->python->memory));
    error = pyc_find_magic(exported->python, exported->opcodes,
                           snapshot->interpreter_count ? snapshot->interpreters[0].address : 0, exported->magic);
    error_list_add(&exported->errors, error);
    TRY(read_modules(exported, snapshot));
    return find_packages(exported);
}

/* ---- the interface ------------------------------------------------------------------------------------- */

pst_error *pst_export_open(pst_target *target, const pst_snapshot *snapshot, const pst_code_options *options,
                           pst_export **result)
{
    struct python *python;
    *result = NULL;
    TRY(python_open(target, &python));
    struct pst_export *exported = calloc(1, sizeof *exported);
    if (!exported)
        return error_no_memory();
    exported->target = target;
    exported->python = python;
    pst_error *error = start(exported, snapshot, options);
    if (error) {
        pst_export_close(exported);
        return error;
    }
    *result = exported;
    return NULL;
}

/* Of a damaged target alone: code objects that are in each other. */
static void report_lost(struct pst_export *exported)
{
    size_t lost = 0;
    for (size_t i = 0; i < exported->code_count; i++)
        lost += exported->codes[i].is_nested && !exported->codes[i].is_written;
    if (lost)
        error_list_add(&exported->errors, error_new(PST_ERROR_CORRUPT, "%zu code object%s: in another, or in %s, "
                                                    "that could not be exported", lost, lost == 1 ? "" : "s",
                                                    lost == 1 ? "itself" : "themselves"));
}

size_t pst_export_get_file_count(const pst_export *exported)
{
    return exported->group_count;
}

pst_error *pst_export_next(pst_export *exported, const pst_export_file **file)
{
    *file = NULL;
    while (exported->next_group < exported->group_count) {
        TRY(export_make_file(exported, &exported->groups[exported->next_group++]));
        if (exported->next_group == exported->group_count)
            report_lost(exported);
        if (exported->file.pyc.data || exported->file.errors) {
            *file = &exported->file;
            return NULL;
        }
        /* Else all that belonged there died since it was found, or is in others. */
    }
    if (exported->next_package == exported->package_count)
        return NULL;
    TRY(export_make_package(exported, exported->packages[exported->next_package++]));
    *file = &exported->file;
    return NULL;
}

const pst_error *pst_export_get_errors(const pst_export *exported)
{
    return exported->errors.first;
}

uint64_t pst_export_get_scanned_size(const pst_export *exported)
{
    return exported->scanned_size;
}

void pst_export_close(pst_export *exported)
{
    if (!exported)
        return;
    export_clear_file(exported);
    text_free(&exported->bytes);
    modules_free(&exported->modules);
    arena_free(&exported->texts);
    error_list_free(&exported->errors);
    free(exported->codes);
    free(exported->inner);
    free(exported->roots);
    free(exported->groups);
    free(exported->packages);
    free(exported);
}
