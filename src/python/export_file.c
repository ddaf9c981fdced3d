/* One .pyc file out of the code objects of one file. */
#include "python/export.h"

#include "python/object_scan.h"

#include <stdlib.h>
#include <string.h>

/* What is written of one file. */
struct file_maker {
    struct pst_export *exported;
    struct text codes;             /* the code objects, one after the other */
    pst_addr *roots;               /* those that could be written, in that order */
    size_t root_count, root_capacity;
    struct lookup functions;       /* of the module's own dict */
};

void export_clear_file(struct pst_export *exported)
{
    marshal_free(&exported->marshal);
    exported->marshal = (struct marshal){0};
    error_list_free(&exported->file_errors);
    exported->bytes.size = 0;
    exported->file = (pst_export_file){0};
}

/* ---- code objects -------------------------------------------------------------------------------------- */

static pst_error *add_root(struct file_maker *maker, pst_addr address)
{
    if (maker->root_count == maker->root_capacity) {
        size_t capacity = maker->root_capacity ? maker->root_capacity * 2 : 64;
        pst_addr *roots = realloc(maker->roots, capacity * sizeof *roots);
        if (!roots)
            return error_no_memory();
        maker->roots = roots;
        maker->root_capacity = capacity;
    }
    maker->roots[maker->root_count++] = address;
    return NULL;
}

/* Without an error, or as well as it can be: a live target goes on meanwhile. *gone: it died since it was found. */
static pst_error *write_code(struct file_maker *maker, pst_addr address, bool *gone)
{
    struct pst_export *exported = maker->exported;
    struct memory *memory = exported->python->memory;
    pst_error *error = NULL;
    for (int attempt = 1; attempt <= EXPORT_MAX_ATTEMPTS; attempt++) {
        bool is_valid;
        uint64_t work = export_get_work(exported);
        pst_error_free(error);
        if (!work)
            return error_new(PST_ERROR_LIMIT, "stopped after %llu reads: what is in this memory can't be code objects",
                             (unsigned long long)exported->work);
        if (attempt > 1) {
            memory_begin(memory);
            memory_refresh(memory);
        }
        memory_set_work(memory, work);
        error = code_validate(exported->python, address, &is_valid);
        *gone = !error && !is_valid;
        if (!error && is_valid)
            error = marshal_add_code(&exported->marshal, address);
        exported->work += work - memory_get_work_left(memory);
        if (!error || exported->target->kind == PST_TARGET_CORE)
            break;
    }
    return error;
}

/* Where one can't be written, those in it may be: they come in its place. */
static pst_error *add_code(struct file_maker *maker, pst_addr address, size_t depth)
{
    struct pst_export *exported = maker->exported;
    struct export_code *code = export_find_code(exported, address);
    bool gone = false;
    if (!code || code->is_written || depth > MARSHAL_MAX_DEPTH)
        return NULL;
    code->is_written = true;   /* or seen, which keeps a circle from being followed for ever */
    memory_trim(exported->python->memory, OBJECT_SCAN_CACHE_PAGES);
    pst_error *error = write_code(maker, address, &gone);
    if (!error && !gone)
        return add_root(maker, address);
    error_list_add(&exported->file_errors, error);
    for (size_t i = 0; i < code->inner_count; i++)
        TRY(add_code(maker, exported->inner[code->first_inner + i], depth + 1));
    return NULL;
}

static void mark_written(struct pst_export *exported)
{
    for (size_t i = 0; i < exported->marshal.code_count; i++) {
        struct export_code *code = export_find_code(exported, exported->marshal.codes[i]);
        if (code)
            code->is_written = true;
    }
}

/* ---- functions ----------------------------------------------------------------------------------------- */

/* A function that could be defined by its name. */
struct candidate {
    const struct export_code *code;
    size_t root;
    bool is_in_module;   /* its module still has a function with this code */
};

static int compare_names(pst_text a, pst_text b)
{
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return a.size ? memcmp(a.data, b.data, a.size) : 0;
}

/* Of one name, the best comes last: one that the module has, else the last to be defined. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *one = a, *other = b;
    int order = compare_names(one->code->name, other->code->name);
    if (order)
        return order;
    if (one->is_in_module != other->is_in_module)
        return one->is_in_module ? 1 : -1;
    return (one->root > other->root) - (one->root < other->root);
}

static int compare_positions(const void *a, const void *b)
{
    size_t one = *(const size_t *)a, other = *(const size_t *)b;
    return (one > other) - (one < other);
}

static size_t list_candidates(const struct file_maker *maker, struct candidate *candidates)
{
    size_t count = 0;
    for (size_t i = 0; i < maker->root_count; i++) {
        const struct export_code *code = export_find_code(maker->exported, maker->roots[i]);
        if (!code || !code->is_function)
            continue;
        bool is_in_module = maker->functions.entries &&
                            lookup_find_entry(&maker->functions, code->address, 0) != LOOKUP_NONE;
        candidates[count++] = (struct candidate){code, i, is_in_module};
    }
    return count;
}

/* Into `functions`, positions of roots, by line. Before 3.11 a method may have the name of a function. */
static size_t choose_functions(const struct file_maker *maker, struct candidate *candidates, size_t count,
                               size_t *functions)
{
    bool says_where = has(maker->exported->python, F(PyCodeObject_co_qualname));
    size_t chosen = 0;
    if (count)
        qsort(candidates, count, sizeof *candidates, compare_candidates);
    for (size_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        bool is_last = i + 1 == count || compare_names(candidate->code->name, candidate[1].code->name) != 0;
        bool is_alone = is_last && (i == 0 || compare_names(candidate->code->name, candidate[-1].code->name) != 0);
        if (is_last && (says_where || is_alone || candidate->is_in_module))
            functions[chosen++] = candidate->root;
    }
    if (chosen)
        qsort(functions, chosen, sizeof *functions, compare_positions);
    return chosen;
}

static pst_error *add_functions_module(struct file_maker *maker)
{
    struct pst_export *exported = maker->exported;
    struct candidate *candidates = calloc(maker->root_count + 1, sizeof *candidates);
    size_t *functions = calloc(maker->root_count + 1, sizeof *functions);
    pst_error *error = candidates && functions ? NULL : error_no_memory();
    if (!error) {
        size_t count = list_candidates(maker, candidates);
        const struct pyc_module module = {
            .codes = maker->roots,
            .code_count = maker->root_count,
            .functions = functions,
            .function_count = choose_functions(maker, candidates, count, functions),
        };
        memory_set_work(exported->python->memory, memory_get_max_work(exported->python->memory));
        error = pyc_add_module(&exported->marshal, &module, &exported->bytes);
    }
    free(candidates);
    free(functions);
    return error;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static void find_module(struct file_maker *maker, const struct export_group *group)
{
    struct pst_export *exported = maker->exported;
    pst_export_file *file = &exported->file;
    file->kind = group->kind;
    file->filename = exported->codes[exported->roots[group->first]].filename;
    const struct module *module = modules_find(&exported->modules, file->filename);
    if (!module)
        return;
    file->module = module->name;
    file->is_package = module->is_package;
    file->is_main = module->is_main;
    if (group->kind != PST_EXPORT_FUNCTIONS)
        return;
    memory_set_work(exported->python->memory, memory_get_max_work(exported->python->memory));
    pst_error *error = module_find_functions(exported->python, module, &maker->functions);
    error_list_add(&exported->file_errors, error_in(error, "the functions of the module"));
}

static pst_error *add_codes(struct file_maker *maker, const struct export_group *group)
{
    const struct pst_export *exported = maker->exported;
    for (size_t i = 0; i < group->count; i++)
        TRY(add_code(maker, exported->codes[exported->roots[group->first + i]].address, 0));
    return NULL;
}

/* A body that could not be written leaves the functions in it. */
static pst_error *add_module(struct file_maker *maker)
{
    struct pst_export *exported = maker->exported;
    const struct export_code *first = maker->root_count ? export_find_code(exported, maker->roots[0]) : NULL;
    if (!first)
        return NULL;
    pyc_add_head(exported->python, exported->magic, &exported->bytes);
    if (exported->file.kind == PST_EXPORT_MODULE && first->is_body) {
        text_add(&exported->bytes, maker->codes.data, maker->codes.size);
        return exported->bytes.failed ? error_no_memory() : NULL;
    }
    exported->file.kind = PST_EXPORT_FUNCTIONS;
    return add_functions_module(maker);
}

static pst_error *make(struct file_maker *maker, const struct export_group *group)
{
    struct pst_export *exported = maker->exported;
    pst_export_file *file = &exported->file;
    marshal_start(&exported->marshal, exported->python, exported->opcodes, &maker->codes);
    memory_begin(exported->python->memory);
    find_module(maker, group);
    TRY(add_codes(maker, group));
    mark_written(exported);
    pst_error *error = add_module(maker);
    if (!error && maker->root_count) {
        file->pyc = (pst_bytes){(const uint8_t *)exported->bytes.data, exported->bytes.size};
        file->codes = exported->marshal.codes;
        file->code_count = exported->marshal.code_count;
    }
    error_list_add(&exported->file_errors, error);
    file->errors = exported->file_errors.first;
    return NULL;
}

pst_error *export_make_file(struct pst_export *exported, const struct export_group *group)
{
    struct file_maker maker = {.exported = exported};
    export_clear_file(exported);
    pst_error *error = make(&maker, group);
    exported->marshal.bytes = NULL;
    text_free(&maker.codes);
    lookup_free(&maker.functions);
    free(maker.roots);
    return error;
}

pst_error *export_make_package(struct pst_export *exported, const struct module *package)
{
    const struct pyc_module module = {.filename = package->file};
    struct text codes = {0};
    pst_export_file *file = &exported->file;
    export_clear_file(exported);
    marshal_start(&exported->marshal, exported->python, exported->opcodes, &codes);
    pyc_add_head(exported->python, exported->magic, &exported->bytes);
    pst_error *error = pyc_add_module(&exported->marshal, &module, &exported->bytes);
    exported->marshal.bytes = NULL;
    text_free(&codes);
    *file = (pst_export_file){
        .kind = PST_EXPORT_PACKAGE,
        .filename = package->file,
        .module = package->name,
        .is_package = true,
        .pyc = {(const uint8_t *)exported->bytes.data, exported->bytes.size},
    };
    return error;
}
