#include "python/attribute.h"
#include "python/object.h"
#include "python/walk.h"

#include <stdlib.h>

enum {
    PREFETCH_MAX_LEVELS = 200, /* frames from the innermost outwards; deeper ones lie together anyway */
    NEAR_PAGES = 4,            /* a page of the kernel's, which it looks up once for all of them */
    NEAR_SIZE = NEAR_PAGES * MEMORY_PAGE_SIZE,
};

/* Follows one address from each of `addresses`; 0 where there is none. */
typedef pst_error *follow(const struct python *python, pst_addr from, pst_addr *to);

static void find_all(const struct python *python, follow *next, const pst_addr *from, pst_addr *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pst_addr found = 0;
        if (from[i])
            pst_error_free(next(python, from[i], &found));
        to[i] = found;
    }
}

static void follow_all(const struct python *python, follow *next, const pst_addr *from, pst_addr *to, size_t count)
{
    find_all(python, next, from, to, count);
    memory_prefetch(python->memory, to, count);
}

/* ---- threads and frames -------------------------------------------------------------------------------- */

static pst_error *follow_cframe(const struct python *python, pst_addr thread, pst_addr *cframe)
{
    return field_address(python, thread, F(PyThreadState_cframe), cframe);
}

static pst_error *follow_previous(const struct python *python, pst_addr frame, pst_addr *previous)
{
    return field_address(python, frame, frame_previous_field(python), previous);
}

static size_t count_left(const pst_addr *addresses, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        left += addresses[i] != 0;
    return left;
}

/* The frames, and what lies about them, where their callers' mostly are: it costs little more. From 3.11 on a frame
 * stands upon the one that called it, as far as both run in the same call of C; before, each is an object of some 500
 * bytes. `near` is room for NEAR_PAGES addresses for each. */
static void prefetch_near(const struct python *python, const pst_addr *frames, size_t count, bool are_innermost,
                          pst_addr *near)
{
    bool are_stacked = has(python, F(_PyInterpreterFrame_previous));
    size_t pages = !are_stacked ? NEAR_PAGES : are_innermost ? 2 : 1, near_count = 0;
    for (size_t i = 0; i < count; i++) {
        pst_addr end = are_stacked ? frames[i] + MEMORY_PAGE_SIZE : (frames[i] / NEAR_SIZE + 1) * NEAR_SIZE;
        for (size_t j = 1; j <= pages && frames[i] >= NEAR_SIZE; j++)
            near[near_count++] = end - j * MEMORY_PAGE_SIZE;
    }
    memory_prefetch(python->memory, near, near_count);
}

/* One frame left is no batch. */
static void prefetch_frames(const struct python *python, pst_addr *frames, size_t count, pst_addr *near)
{
    prefetch_near(python, frames, count, true, near);
    for (int level = 0; level < PREFETCH_MAX_LEVELS && count_left(frames, count) > 1; level++) {
        follow_all(python, frame_find_code, frames, near, count);
        find_all(python, follow_previous, frames, frames, count);
        prefetch_near(python, frames, count, false, near);
    }
}

void threads_prefetch(const struct python *python, const pst_addr *threads, size_t count)
{
    pst_addr *frames = calloc(count + 1, sizeof *frames), *near = calloc(count + 1, NEAR_PAGES * sizeof *near);
    if (frames && near && count > 1) {
        if (has(python, F(PyThreadState_cframe)) && has(python, F(_PyCFrame_current_frame)))
            follow_all(python, follow_cframe, threads, near, count);
        find_all(python, frame_find_innermost, threads, frames, count);
        prefetch_frames(python, frames, count, near);
    }
    free(frames);
    free(near);
}

/* ---- attributes ---------------------------------------------------------------------------------------- */

static pst_error *follow_attributes(const struct python *python, pst_addr object, pst_addr *place)
{
    pst_addr type;
    struct attributes attributes;
    TRY(object_get_type(python, object, &type));
    TRY(attributes_find(python, object, type, &attributes));
    *place = attributes.dict ? attributes.dict : attributes.values;
    return NULL;
}

static pst_error *follow_dict_values(const struct python *python, pst_addr object, pst_addr *values)
{
    pst_addr dict;
    TRY(follow_attributes(python, object, &dict));
    if (!has(python, F(PyDictObject_ma_values)))
        return field_address(python, dict, F(PyDictObject_ma_table), values);
    TRY(field_address(python, dict, F(PyDictObject_ma_values), values));
    return *values ? NULL : field_address(python, dict, F(PyDictObject_ma_keys), values);
}

void attributes_prefetch(const struct python *python, const pst_addr *objects, size_t count)
{
    pst_addr *places = calloc(count + 1, sizeof *places);
    if (places && count > 1) {
        follow_all(python, follow_attributes, objects, places, count);
        /* From 3.11 on they are mostly values already; before, the dict leads to them. */
        if (python_minor_version(python) < 311)
            follow_all(python, follow_dict_values, objects, places, count);
    }
    free(places);
}
