#include "python/object.h"
#include "python/snapshot.h"

enum { SEARCH_MAX_SIZE = 16 << 20 }; /* writable data of one image; a libpython has less than 1 MB */

/* An interpreter has a first thread that points back to it, and its modules are a dict. Whatever can't be
 * read is something else. */
static pst_error *check_interpreter(const struct python *python, pst_addr interpreter, bool *matches)
{
    pst_addr thread, back, modules, type;
    uint64_t flags;
    *matches = false;
    TRY(field_address(python, interpreter, F(PyInterpreterState_tstate_head), &thread));
    if (!thread || thread % 8)
        return NULL;
    TRY(field_address(python, thread, F(PyThreadState_interp), &back));
    if (back != interpreter)
        return NULL;
    TRY(field_address(python, interpreter, F(PyInterpreterState_modules), &modules));
    TRY(object_get_type(python, modules, &type));
    TRY(type_get_flags(python, type, &flags));
    *matches = flags & TPFLAGS_DICT_SUBCLASS;
    return NULL;
}

/* interp_head and autoInterpreterState point to interpreters: with one interpreter both serve, with several
 * the head is the one whose list is the longer, the other is the main one and ends it. */
static size_t list_length(const struct python *python, pst_addr interpreter)
{
    size_t length = 0;
    while (interpreter && length < SNAPSHOT_MAX_INTERPRETERS) {
        pst_error *error = field_address(python, interpreter, F(PyInterpreterState_next), &interpreter);
        if (error) {
            pst_error_free(error);
            break;
        }
        length++;
    }
    return length;
}

struct best_match {
    pst_addr variable;
    size_t length;
};

static void search_page(const struct python *python, pst_addr page, const uint8_t *bytes, size_t size,
                        struct best_match *best)
{
    const struct image *image = &python->location.image;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        pst_addr candidate = bytes_unsigned(bytes + i, 8);
        bool on_heap = candidate && candidate % 8 == 0 && (candidate < image->start || candidate >= image->end);
        if (!on_heap || !target_find_segment(python->target, candidate))
            continue;
        bool matches;
        pst_error_free(check_interpreter(python, candidate, &matches));
        size_t length = matches ? list_length(python, candidate) : 0;
        if (length > best->length)
            *best = (struct best_match){page + i, length};
    }
}

pst_error *interpreter_search_head(const struct python *python, pst_addr *variable)
{
    const struct pst_target *target = python->target;
    const struct image *image = &python->location.image;
    struct best_match best = {0, 0};
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        if (!segment->writable || segment->start < image->start || segment->start >= image->end)
            continue;
        for (pst_addr page = segment->start; page < segment->end && page - segment->start < SEARCH_MAX_SIZE;
             page += MEMORY_PAGE_SIZE) {
            uint8_t bytes[MEMORY_PAGE_SIZE];
            size_t got = 0;
            pst_error_free(memory_read_some(python->memory, page, bytes, sizeof bytes, &got));
            search_page(python, page, bytes, got, &best);
        }
    }
    *variable = best.variable;
    if (best.variable)
        return NULL;
    return error_new(PST_ERROR_NOT_PYTHON, "CPython %d.%d is there, but no interpreter was found in its data",
                     python->version.major, python->version.minor);
}
