#include "python/running.h"

#include "base/order.h"
#include "python/code_object.h"
#include "python/object.h"
#include "python/object_scan.h"

#include <stdlib.h>

/* ---- a set of addresses -------------------------------------------------------------------------------- */

struct address_set {
    pst_addr *items;
    size_t count, capacity;
    size_t sorted_count;   /* after the last sort: that many are different */
};

static void sort_and_unite(struct address_set *set)
{
    size_t count = 0;
    if (set->count)
        qsort(set->items, set->count, sizeof *set->items, order_addresses);
    for (size_t i = 0; i < set->count; i++)
        if (count == 0 || set->items[i] != set->items[count - 1])
            set->items[count++] = set->items[i];
    set->count = set->sorted_count = count;
}

/* A million generators of ten functions leave ten addresses: it grows only when uniting no longer halves it. */
static pst_error *add_address(struct address_set *set, pst_addr address)
{
    if (set->count == set->capacity) {
        sort_and_unite(set);
        if (set->count > RUNNING_MAX_CODES)
            return error_new(PST_ERROR_LIMIT, "more than %d code objects are running", RUNNING_MAX_CODES);
        if (set->count >= set->capacity / 2) {
            size_t capacity = set->capacity ? set->capacity * 2 : 256;
            pst_addr *items = realloc(set->items, capacity * sizeof *items);
            if (!items)
                return error_no_memory();
            set->items = items;
            set->capacity = capacity;
        }
    }
    set->items[set->count++] = address;
    return NULL;
}

/* ---- generators ---------------------------------------------------------------------------------------- */

/* Include/internal/pycore_frame.h, enum _framestate: signed, and finished from FRAME_COMPLETED on; 3.15+: unsigned,
 * with FRAME_CLEARED alone as the end. */
static bool frame_state_is_finished(const struct python *python, int state)
{
    enum { FRAME_COMPLETED = 1, FRAME_CLEARED_315 = 5 };
    return python_minor_version(python) >= 315 ? state >= FRAME_CLEARED_315 : state >= FRAME_COMPLETED;
}

pst_error *generator_find_frame(const struct python *python, pst_addr generator, pst_addr *frame)
{
    int state;
    *frame = 0;
    if (!has(python, F(PyGenObject_gi_iframe)))
        return field_address(python, generator, F(PyGenObject_gi_frame), frame);
    TRY(field_int(python, generator, F(PyGenObject_gi_frame_state), &state));
    if (frame_state_is_finished(python, state))
        return NULL;
    return field_place(python, generator, F(PyGenObject_gi_iframe), frame);
}

/* 0: it runs none. What is no living generator, but looks like one, fails somewhere here; it has no code object. */
static pst_error *find_code(const struct python *python, pst_addr generator, pst_addr *code)
{
    bool lives;
    pst_addr frame;
    *code = 0;
    TRY(object_lives(python, generator, &lives));
    if (!lives)
        return NULL;
    TRY(generator_find_frame(python, generator, &frame));
    if (frame)
        TRY(frame_find_code(python, frame, code));
    return NULL;
}

enum { GENERATOR_MAX_WORK = 1 << 12 }; /* reads for one; some 30 do */

static pst_error *add_generators(const struct python *python, struct address_set *set, uint64_t *scanned_size,
                                 struct error_list *errors)
{
    static const char *const names[] = {"PyGen_Type", "PyCoro_Type", "PyAsyncGen_Type"};
    pst_addr types[sizeof names / sizeof *names];
    struct object_scan scan;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        TRY(location_find_symbol(python->target, &python->location, names[i], &types[i]));
    if (!types[0])
        return error_new(PST_ERROR_UNSUPPORTED, "where PyGen_Type is, is not known: suspended generators are left out");
    TRY(object_scan_start(&scan, python, types, sizeof types / sizeof *types, errors));
    pst_error *error = NULL;
    pst_addr generator, code;
    size_t type;
    while (!error && object_scan_next(&scan, &generator, &type)) {
        bool valid = false;
        memory_trim(python->memory, OBJECT_SCAN_CACHE_PAGES);
        memory_set_work(python->memory, GENERATOR_MAX_WORK);
        pst_error *broken = find_code(python, generator, &code);
        if (!broken && code)
            broken = code_validate(python, code, &valid);
        pst_error_free(broken);
        if (valid)
            error = add_address(set, code);
    }
    *scanned_size += scan.scanned_size;
    object_scan_free(&scan);
    return error;
}

pst_error *running_codes_find(const struct python *python, const struct pst_snapshot *snapshot,
                              pst_addr **addresses, size_t *count, uint64_t *scanned_size, struct error_list *errors)
{
    struct address_set set = {0};
    pst_error *error = NULL;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        for (size_t j = 0; j < snapshot->threads[i].frame_count && !error; j++)
            if (snapshot->threads[i].frames[j].code)
                error = add_address(&set, snapshot->threads[i].frames[j].code->address);
    if (!error)
        error = add_generators(python, &set, scanned_size, errors);
    sort_and_unite(&set);
    *addresses = set.items;
    *count = set.count;
    return error;
}
