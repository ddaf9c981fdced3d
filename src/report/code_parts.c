#include "report/code_parts.h"

#include <stdlib.h>

const pst_code *report_code_next(struct report_code *of_code)
{
    const pst_code *code;
    if (of_code->failure)
        return NULL;
    of_code->failure = pst_code_search_next(of_code->search, &code);
    if (of_code->failure || !code)
        return NULL;
    of_code->count++;
    of_code->failed_count += pst_code_get_errors(code) != NULL;
    return code;
}

bool report_code_needs_threads(const struct report *report)
{
    return report->snapshot && report->code && report->code->search && report->code->which == PST_CODE_RUNNING;
}

/* ---- where code objects are run ---- */

static int compare_places(const void *a, const void *b)
{
    const struct code_place *one = a, *other = b;
    if (one->code != other->code)
        return one->code < other->code ? -1 : 1;
    return (one->order > other->order) - (one->order < other->order);
}

static bool is_same_place(const struct code_place *place, const pst_thread *thread, const pst_frame *frame)
{
    int one, other;
    return place->thread == thread && place->code == pst_frame_get_code(frame) &&
           pst_frame_get_lasti(place->frame, &one) && pst_frame_get_lasti(frame, &other) && one == other;
}

/* false: out of memory. */
static bool add_place(struct code_places *places, size_t *capacity, const pst_thread *thread, const pst_frame *frame)
{
    if (places->count && is_same_place(&places->items[places->count - 1], thread, frame))
        return true;
    if (places->count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 64;
        struct code_place *items = realloc(places->items, more * sizeof *items);
        if (!items)
            return false;
        places->items = items;
        *capacity = more;
    }
    places->items[places->count] = (struct code_place){pst_frame_get_code(frame), thread, frame, places->count};
    places->count++;
    return true;
}

struct code_places code_places_of(const pst_snapshot *snapshot)
{
    struct code_places places = {0};
    size_t capacity = 0, thread_count = snapshot ? pst_snapshot_get_thread_count(snapshot) : 0;
    for (size_t i = 0; i < thread_count; i++) {
        const pst_thread *thread = pst_snapshot_get_thread(snapshot, i);
        size_t frame_count = pst_thread_get_frame_count(thread);
        for (size_t j = 0; j < frame_count; j++)
            if (!add_place(&places, &capacity, thread, pst_thread_get_frame(thread, j))) {
                code_places_free(&places);
                return places;
            }
    }
    if (places.count)
        qsort(places.items, places.count, sizeof *places.items, compare_places);
    return places;
}

const struct code_place *code_places_find(const struct code_places *places, pst_addr code, size_t *count)
{
    size_t low = 0, high = places->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->items[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < places->count && places->items[low + *count].code == code)
        ++*count;
    return *count ? &places->items[low] : NULL;
}

void code_places_free(struct code_places *places)
{
    free(places->items);
    *places = (struct code_places){0};
}
