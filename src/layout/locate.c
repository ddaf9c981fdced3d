#include "layout/locate.h"

#include "image/symtab.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All that is ever looked for in a file's .symtab, so that it is read once. */
static const char *const symbol_names[] = {
    "_PyRuntime",
    "_PyThreadState_Current",
    "interp_head",
    "interpreter_lock",
    "gil_cond",
    "PyCode_Type",
    "PyType_Type",
    "Py_Version",
    "Py_NewRef",
    "PyFrame_GetCode",
    "PyCode_NewWithPosOnlyArgs",
    "PyOS_FSPath",
    "PyString_Type",
    "_Py_NegativeRefcount",
    "PyUnicodeUCS2_FromUnicode",
    "PyGen_Type",
    "PyCoro_Type",
    "PyAsyncGen_Type",
    "PyUnicode_Type",
    "PyLong_Type",
    "PyInt_Type",
    "PyBool_Type",
    "PyFloat_Type",
    "PyComplex_Type",
    "PyTuple_Type",
    "PyBytes_Type",
    "PyFrozenSet_Type",
    "PySlice_Type",
    "PyEllipsis_Type",
    "_PyNone_Type",
};

enum { SYMBOL_RUNTIME, SYMBOL_TSTATE_CURRENT, SYMBOL_INTERP_HEAD, SYMBOL_INTERPRETER_LOCK, SYMBOL_GIL_COND,
       SYMBOL_COUNT = sizeof symbol_names / sizeof *symbol_names };

_Static_assert((int)SYMBOL_COUNT <= (int)LOCATION_MAX_SYMBOLS, "location.file_symbols has room for them");

/* ---- the images of a target --------------------------------------------------------------------------- */

/* Segments at which a mapped file begins: an ELF header may be there. */
struct candidates {
    const struct segment **segments;
    size_t count;
    size_t likely_count;   /* the first so many: the executable and what is named libpython */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Which images are looked at first: 0 the executable, 1 a libpython, 2 the rest. */
static int rank(const struct pst_target *target, const struct segment *segment)
{
    if (target->executable && strcmp(segment->path, target->executable) == 0)
        return 0;
    return strncmp(base_name(segment->path), "libpython", 9) == 0 ? 1 : 2;
}

static pst_error *list_candidates(const struct pst_target *target, struct candidates *candidates)
{
    *candidates = (struct candidates){.segments = calloc(target->segment_count + 1, sizeof(struct segment *))};
    if (!candidates->segments)
        return error_no_memory();
    for (int wanted = 0; wanted <= 2; wanted++) {
        if (wanted == 2)
            candidates->likely_count = candidates->count;
        for (size_t i = 0; i < target->segment_count; i++) {
            const struct segment *segment = &target->segments[i];
            bool starts_file = segment->path && segment->path[0] != '[' && segment->file_offset == 0;
            if (starts_file && rank(target, segment) == wanted)
                candidates->segments[candidates->count++] = segment;
        }
    }
    return NULL;
}

/* The headers of the many images that are none of the likely ones, in one read. */
static void prefetch_headers(struct pst_target *target, const struct candidates *candidates)
{
    size_t count = candidates->count - candidates->likely_count;
    pst_addr *addresses = malloc(count * sizeof *addresses + 1);
    for (size_t i = 0; addresses && i < count; i++)
        addresses[i] = candidates->segments[candidates->likely_count + i]->start;
    if (addresses)
        memory_prefetch(target->memory, addresses, count);
    free(addresses);
}

/* ---- 1. dynamic symbols --------------------------------------------------------------------------------- */

/* To 3.6 a program of the variable's users may hold it: the linker moved it there (a copy relocation). It is no
 * interpreter, for it lacks the functions. */
static pst_error *find_current(struct pst_target *target, struct location *location, pst_addr *moved)
{
    pst_addr current, initialized = 0;
    TRY(image_find_symbol(target->memory, &location->image, "_PyThreadState_Current", &current));
    if (!current)
        return NULL;
    TRY(image_find_symbol(target->memory, &location->image, "Py_IsInitialized", &initialized));
    if (initialized)
        location->tstate_current = *moved ? *moved : current;
    else if (!*moved)
        *moved = current;
    return NULL;
}

static pst_error *find_dynamic(struct pst_target *target, struct location *location, pst_addr *moved)
{
    TRY(image_find_symbol(target->memory, &location->image, "_PyRuntime", &location->runtime));
    if (!location->runtime)
        TRY(find_current(target, location, moved));
    location->exports = location->runtime || location->tstate_current;
    return NULL;
}

/* What went wrong with a candidate: the search goes on, and the first cause is told if it finds nothing. */
static void keep_first(pst_error **first, pst_error *error)
{
    if (*first)
        pst_error_free(error);
    else
        *first = error;
}

static bool open_candidate(struct pst_target *target, const struct segment *segment, struct location *location,
                           pst_error **first)
{
    bool found = false;
    location->segment = segment;
    keep_first(first, error_in(image_open(target->memory, segment->start, &location->image, &found), "%s",
                               segment->path));
    return found;
}

/* Where an image lies whose headers a core lacks: from its first mapping to the end of the last, and of the anonymous
 * memory right behind it (.bss). What was added to its addresses is not known. */
static struct image span_image(const struct pst_target *target, const struct segment *segment)
{
    const struct segment *end = target->segments + target->segment_count;
    struct image image = {.start = segment->start, .end = segment->end, .machine = target->machine};
    bool writable = segment->writable;
    for (const struct segment *next = segment + 1; next < end; next++) {
        bool same = next->path && next->file_offset > 0 && strcmp(next->path, segment->path) == 0;
        bool behind = !next->path && next->writable && writable && next->start == image.end;
        if (!same && !behind)
            break;
        image.end = next->end;
        writable = same && next->writable;
    }
    return image;
}

static bool open_candidate_with_data(struct pst_target *target, const struct segment *segment,
                                     struct location *location)
{
    bool found;
    pst_error *error = image_open(target->memory, segment->start, &location->image, &found);
    location->segment = segment;
    if (error)
        location->image = span_image(target, segment);
    found |= error != NULL;
    pst_error_free(error);
    return found && location->image.end - location->image.start >= LOCATE_MIN_IMAGE;
}

static bool open_large_candidate(struct pst_target *target, const struct segment *segment, struct location *location,
                                 pst_error **first)
{
    return open_candidate(target, segment, location, first) &&
           location->image.end - location->image.start >= LOCATE_MIN_IMAGE;
}

static bool is_found(const struct location *location)
{
    return location->runtime || location->tstate_current || location->interp_head;
}

static bool search_dynamic(struct pst_target *target, const struct candidates *candidates, struct location *location,
                           pst_error **first)
{
    pst_addr moved = 0;
    for (size_t i = 0; i < candidates->count; i++) {
        if (i == candidates->likely_count)
            prefetch_headers(target, candidates);
        if (!open_candidate(target, candidates->segments[i], location, first))
            continue;
        keep_first(first, error_in(find_dynamic(target, location, &moved), "%s", location->segment->path));
        if (is_found(location))
            return true;
    }
    return false;
}

/* ---- 2. what the notes of a small core say ---------------------------------------------------------------- */

/* Under these names: where the image begins, and what was found there by whatever way. */
static const char noted_image[] = "[image]", noted_runtime[] = "[runtime]", noted_interp_head[] = "[interp_head]",
                  noted_tstate_current[] = "[tstate_current]";

static bool open_noted_image(struct pst_target *target, const struct candidates *candidates, struct location *location)
{
    pst_addr start = target_find_noted_symbol(target, noted_image);
    for (size_t i = 0; start && i < candidates->count; i++)
        if (candidates->segments[i]->start == start)
            return open_candidate_with_data(target, candidates->segments[i], location);
    return false;
}

static bool search_notes(struct pst_target *target, const struct candidates *candidates, struct location *location)
{
    if (!open_noted_image(target, candidates, location))
        return false;
    for (size_t i = 0; i < SYMBOL_COUNT; i++)
        location->file_symbols[i] = target_find_noted_symbol(target, symbol_names[i]);
    location->runtime = target_find_noted_symbol(target, noted_runtime);
    location->tstate_current = target_find_noted_symbol(target, noted_tstate_current);
    location->interp_head = target_find_noted_symbol(target, noted_interp_head);
    return is_found(location);
}

static size_t add_noted(struct target_symbol *symbols, size_t count, const char *name, pst_addr address)
{
    if (address)
        symbols[count++] = (struct target_symbol){address, name};
    return count;
}

size_t location_list_symbols(const struct location *location, struct target_symbol *symbols)
{
    size_t count = add_noted(symbols, 0, noted_interp_head, location->interp_head);
    for (size_t i = SYMBOL_INTERPRETER_LOCK; i <= SYMBOL_GIL_COND; i++) /* no image exports them */
        count = add_noted(symbols, count, symbol_names[i], location->file_symbols[i]);
    if (location->exports)
        return count;
    count = add_noted(symbols, count, noted_image, location->image.start);
    count = add_noted(symbols, count, noted_runtime, location->runtime);
    count = add_noted(symbols, count, noted_tstate_current, location->tstate_current);
    for (size_t i = 0; i < SYMBOL_COUNT; i++)
        if (i < SYMBOL_INTERPRETER_LOCK || i > SYMBOL_GIL_COND)
            count = add_noted(symbols, count, symbol_names[i], location->file_symbols[i]);
    return count;
}

/* ---- 3. what the file says ---------------------------------------------------------------------------- */

/* Fills location->file_symbols; *section is the address of .PyRuntime. What is not there is 0. */
static pst_error *read_file(struct pst_target *target, struct location *location, pst_addr *section)
{
    int fd = -1;
    *section = 0;
    memset(location->file_symbols, 0, sizeof location->file_symbols);
    TRY(target->operations->open_file(target, location->segment->path, location->segment, &fd));
    if (fd < 0)
        return NULL;
    pst_error *error = symtab_find(fd, symbol_names, location->file_symbols, SYMBOL_COUNT);
    if (!error)
        error = section_find(fd, ".PyRuntime", section);
    close(fd);
    for (size_t i = 0; i < SYMBOL_COUNT; i++)
        location->file_symbols[i] += location->file_symbols[i] ? location->image.bias : 0;
    *section += *section ? location->image.bias : 0;
    return error;
}

static bool search_files(struct pst_target *target, const struct candidates *candidates, struct location *location,
                         pst_error **first)
{
    size_t file_count = 0;
    for (size_t i = 0; i < candidates->count && file_count < LOCATE_MAX_FILES; i++) {
        pst_addr section;
        if (!open_large_candidate(target, candidates->segments[i], location, first))
            continue;
        file_count++;
        pst_error *error = read_file(target, location, &section);
        location->runtime = location->file_symbols[SYMBOL_RUNTIME] ? location->file_symbols[SYMBOL_RUNTIME] : section;
        if (!location->runtime) {
            location->tstate_current = location->file_symbols[SYMBOL_TSTATE_CURRENT];
            location->interp_head = location->file_symbols[SYMBOL_INTERP_HEAD];
        }
        keep_first(first, error);
        if (is_found(location))
            return true;
    }
    return false;
}

/* ---- 4. what the data look like ------------------------------------------------------------------------- */

static bool search_data(struct pst_target *target, const struct candidates *candidates, struct location *location)
{
    struct suspects *suspects = &location->suspects;
    memset(location->file_symbols, 0, sizeof location->file_symbols);
    for (size_t i = 0; i < candidates->count; i++) {
        if (open_candidate_with_data(target, candidates->segments[i], location) &&
            suspects_search(target, &location->image, location->segment, suspects)) {
            location->runtime = suspects->list[suspects->count - 1].address;
            suspects->count = 0;
            return true;
        }
    }
    return suspects->count;
}

void location_take_suspect(struct pst_target *target, struct location *location, size_t index)
{
    const struct suspect *suspect = &location->suspects.list[index];
    open_candidate_with_data(target, suspect->file, location);
    location->runtime = location->interp_head = 0;
    if (suspect->kind == SUSPECT_INTERP_HEAD)
        location->interp_head = suspect->address;
    else
        location->runtime = suspect->address;
}

/* ---- the symbols beside it ---------------------------------------------------------------------------- */

pst_error *location_find_symbol(struct pst_target *target, const struct location *location, const char *name,
                                pst_addr *address)
{
    *address = 0;
    for (size_t i = SYMBOL_INTERPRETER_LOCK; i <= SYMBOL_GIL_COND; i++)
        if (strcmp(symbol_names[i], name) == 0)
            *address = location->file_symbols[i];
    if (*address)
        return NULL;
    if (location->exports)
        return image_find_symbol(target->memory, &location->image, name, address);
    for (size_t i = 0; i < SYMBOL_COUNT; i++)
        if (strcmp(symbol_names[i], name) == 0)
            *address = location->file_symbols[i];
    return NULL;
}

/* To 3.6 the list of interpreters is a static variable: no dynamic symbol names it. Where the file was
 * stripped as well, the decoders search for it (python/interpreter_search.c). */
static void find_interp_head(struct pst_target *target, struct location *location)
{
    pst_addr section;
    if (location->tstate_current && !location->interp_head)
        location->interp_head = target_find_noted_symbol(target, noted_interp_head);
    for (size_t i = SYMBOL_INTERPRETER_LOCK; i <= SYMBOL_GIL_COND && location->tstate_current; i++)
        location->file_symbols[i] = target_find_noted_symbol(target, symbol_names[i]);
    if (!location->tstate_current || location->interp_head)
        return;
    pst_error_free(read_file(target, location, &section));
    location->interp_head = location->file_symbols[SYMBOL_INTERP_HEAD];
}

/* The types' addresses help to validate; without them names do. */
static void find_types(struct pst_target *target, struct location *location)
{
    pst_error_free(location_find_symbol(target, location, "PyCode_Type", &location->code_type));
    pst_error_free(location_find_symbol(target, location, "PyType_Type", &location->type_type));
}

static pst_error *not_python(const struct pst_target *target, const pst_error *cause)
{
    const char *executable = target->executable ? target->executable : "the target";
    if (cause)
        return error_new(PST_ERROR_NOT_PYTHON,
                         "no CPython interpreter was found in %s, but not all could be read: %s: %s", executable,
                         pst_error_get_where(cause), pst_error_get_message(cause));
    return error_hint(error_new(PST_ERROR_NOT_PYTHON, "no CPython interpreter was found in %s", executable),
                      target->segment_count ? "is it another program, or a Python whose symbols were removed?"
                                            : "it has no memory mappings: a kernel thread or a zombie?");
}

pst_error *location_not_found(const struct pst_target *target)
{
    return not_python(target, NULL);
}

pst_error *locate_interpreter(struct pst_target *target, struct location *location)
{
    struct candidates candidates;
    TRY(list_candidates(target, &candidates));
    pst_error *first = NULL;
    *location = (struct location){0};
    target->is_searching = true;
    bool found = search_dynamic(target, &candidates, location, &first) ||
                 search_notes(target, &candidates, location) ||
                 search_files(target, &candidates, location, &first) ||
                 search_data(target, &candidates, location);
    target->is_searching = false;
    pst_error *error = found ? NULL : not_python(target, first);
    if (found) {
        find_interp_head(target, location);
        find_types(target, location);
    }
    free(candidates.segments);
    pst_error_free(first);
    return error;
}
