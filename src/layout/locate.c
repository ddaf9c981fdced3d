#include "layout/locate.h"

#include "image/symtab.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char cookie[8] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};

/* ---- the images of a target --------------------------------------------------------------------------- */

/* Segments at which a mapped file begins: an ELF header may be there. */
struct candidates {
    const struct segment **segments;
    size_t count;
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
    *candidates = (struct candidates){calloc(target->segment_count + 1, sizeof(struct segment *)), 0};
    if (!candidates->segments)
        return error_no_memory();
    for (int wanted = 0; wanted <= 2; wanted++) {
        for (size_t i = 0; i < target->segment_count; i++) {
            const struct segment *segment = &target->segments[i];
            bool starts_file = segment->path && segment->path[0] != '[' && segment->file_offset == 0;
            if (starts_file && rank(target, segment) == wanted)
                candidates->segments[candidates->count++] = segment;
        }
    }
    return NULL;
}

/* ---- 1. dynamic symbols --------------------------------------------------------------------------------- */

static pst_error *find_dynamic(struct pst_target *target, struct location *location)
{
    TRY(image_find_symbol(target->memory, &location->image, "_PyRuntime", &location->runtime));
    if (location->runtime)
        return NULL;
    return image_find_symbol(target->memory, &location->image, "_PyThreadState_Current", &location->tstate_current);
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
    *location = (struct location){.segment = segment};
    keep_first(first, error_in(image_open(target->memory, segment->start, &location->image, &found), "%s",
                               segment->path));
    return found;
}

static bool is_found(const struct location *location)
{
    return location->runtime || location->tstate_current || location->interp_head;
}

static bool search_dynamic(struct pst_target *target, const struct candidates *candidates, struct location *location,
                           pst_error **first)
{
    for (size_t i = 0; i < candidates->count; i++) {
        if (!open_candidate(target, candidates->segments[i], location, first))
            continue;
        keep_first(first, error_in(find_dynamic(target, location), "%s", location->segment->path));
        if (is_found(location))
            return true;
    }
    return false;
}

/* ---- 2. what the file says ---------------------------------------------------------------------------- */

/* Looks names up in .symtab of the image's file; those that are not there stay 0. */
static pst_error *find_in_file(struct pst_target *target, const struct location *location, const char *const *names,
                               pst_addr *addresses, size_t count)
{
    int fd = -1;
    for (size_t i = 0; i < count; i++)
        addresses[i] = 0;
    TRY(target->operations->open_file(target, location->segment->path, location->segment, &fd));
    if (fd < 0)
        return NULL;
    pst_error *error = symtab_find(fd, names, addresses, count);
    close(fd);
    for (size_t i = 0; i < count; i++)
        if (addresses[i])
            addresses[i] += location->image.bias;
    return error;
}

static pst_error *find_section(struct pst_target *target, struct location *location)
{
    int fd = -1;
    TRY(target->operations->open_file(target, location->segment->path, location->segment, &fd));
    if (fd < 0)
        return NULL;
    pst_error *error = section_find(fd, ".PyRuntime", &location->runtime);
    close(fd);
    if (location->runtime)
        location->runtime += location->image.bias;
    return error;
}

static bool search_files(struct pst_target *target, const struct candidates *candidates, struct location *location,
                         pst_error **first)
{
    static const char *const names[] = {"_PyRuntime", "_PyThreadState_Current", "interp_head"};
    for (size_t i = 0; i < candidates->count; i++) {
        pst_addr found[3];
        if (!open_candidate(target, candidates->segments[i], location, first))
            continue;
        pst_error *error = find_in_file(target, location, names, found, 3);
        if (!error) {
            location->runtime = found[0];
            location->tstate_current = found[0] ? 0 : found[1];
            location->interp_head = found[0] ? 0 : found[2];
        }
        keep_first(first, error);
        if (!is_found(location))
            keep_first(first, find_section(target, location));
        if (is_found(location))
            return true;
    }
    return false;
}

/* ---- 3. the cookie ------------------------------------------------------------------------------------ */

/* _PyRuntime is aligned, and its first page holds the cookie: pages are searched word by word. */
static bool search_segment(struct pst_target *target, const struct segment *segment, pst_addr *address)
{
    static const size_t step = 64 * 1024;
    unsigned char *bytes = malloc(step);
    uint64_t size = segment->end - segment->start;
    *address = 0;
    for (uint64_t at = 0; bytes && at < size && at < LOCATE_MAX_SCAN && !*address; at += step) {
        size_t wanted = size - at < step ? (size_t)(size - at) : step, got = 0;
        pst_error_free(memory_read_some(target->memory, segment->start + at, bytes, wanted, &got));
        for (size_t i = 0; i + sizeof cookie <= got && !*address; i += sizeof cookie)
            if (memcmp(bytes + i, cookie, sizeof cookie) == 0)
                *address = segment->start + at + i;
    }
    free(bytes);
    return *address != 0;
}

static bool search_cookie(struct pst_target *target, const struct candidates *candidates, struct location *location,
                          pst_error **first)
{
    for (size_t i = 0; i < candidates->count; i++) {
        if (!open_candidate(target, candidates->segments[i], location, first))
            continue;
        for (size_t j = 0; j < target->segment_count; j++) {
            const struct segment *segment = &target->segments[j];
            bool inside = segment->start >= location->image.start && segment->start < location->image.end;
            if (inside && segment->writable && search_segment(target, segment, &location->runtime))
                return true;
        }
    }
    return false;
}

/* ---- the symbols beside it ---------------------------------------------------------------------------- */

pst_error *location_find_symbol(struct pst_target *target, const struct location *location, const char *name,
                                pst_addr *address)
{
    TRY(image_find_symbol(target->memory, &location->image, name, address));
    return *address ? NULL : find_in_file(target, location, &name, address, 1);
}

/* To 3.6 the list of interpreters is a static variable: no dynamic symbol names it. Where the file was
 * stripped as well, the decoders search for it (python/interpreter_search.c). */
static void find_interp_head(struct pst_target *target, struct location *location)
{
    static const char *const name = "interp_head";
    if (!location->runtime && !location->interp_head)
        pst_error_free(find_in_file(target, location, &name, &location->interp_head, 1));
}

/* The types' addresses help to validate; without them names do. */
static void find_types(struct pst_target *target, struct location *location)
{
    pst_error_free(image_find_symbol(target->memory, &location->image, "PyCode_Type", &location->code_type));
    pst_error_free(image_find_symbol(target->memory, &location->image, "PyType_Type", &location->type_type));
}

static pst_error *not_python(const struct pst_target *target, const pst_error *cause)
{
    const char *executable = target->executable ? target->executable : "the target";
    if (cause)
        return error_new(PST_ERROR_NOT_PYTHON, "no CPython interpreter was found in %s, but not all could be read: %s: %s",
                         executable, pst_error_get_where(cause), pst_error_get_message(cause));
    return error_hint(error_new(PST_ERROR_NOT_PYTHON, "no CPython interpreter was found in %s", executable),
                      target->segment_count ? "is it another program, or a Python whose symbols were removed?"
                                            : "it has no memory mappings: a kernel thread or a zombie?");
}

pst_error *locate_interpreter(struct pst_target *target, struct location *location)
{
    struct candidates candidates;
    TRY(list_candidates(target, &candidates));
    pst_error *first = NULL;
    bool found = search_dynamic(target, &candidates, location, &first) ||
                 search_files(target, &candidates, location, &first) ||
                 search_cookie(target, &candidates, location, &first);
    pst_error *error = found ? NULL : not_python(target, first);
    if (found) {
        find_interp_head(target, location);
        find_types(target, location);
    }
    free(candidates.segments);
    pst_error_free(first);
    return error;
}
