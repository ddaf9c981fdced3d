#include "target/covering.h"

#include <stdlib.h>

enum { MAPPING_ALIGNMENT = 4096 };

/* Segments, as they are put in order. */
struct covering {
    struct segment *items;
    size_t count;
    const struct segment *next, *end;   /* of the target's, those that are not among them yet */
    bool is_last_new;                   /* the last one is none of the target's */
};

static void take_segments_up_to(struct covering *covering, pst_addr address)
{
    for (; covering->next < covering->end && covering->next->end <= address; covering->next++) {
        covering->items[covering->count++] = *covering->next;
        covering->is_last_new = false;
    }
}

static bool is_covered(const struct covering *covering, pst_addr address)
{
    return (covering->next < covering->end && covering->next->start <= address) ||
           (covering->count && address < covering->items[covering->count - 1].end);
}

/* The mapping's page that `address` is in, as far as it is outside of the segments; behind the last such one, as a part
 * of that. */
static void add_new(struct covering *covering, pst_addr address)
{
    struct segment *last = covering->count ? &covering->items[covering->count - 1] : NULL;
    pst_addr start = address & ~(pst_addr)(MAPPING_ALIGNMENT - 1), end = start + (MAPPING_ALIGNMENT - 1);
    end += end != UINT64_MAX;
    if (last && start < last->end)
        start = last->end;
    if (covering->next < covering->end && end > covering->next->start)
        end = covering->next->start;
    if (covering->is_last_new && last->end == start)
        last->end = end;
    else
        covering->items[covering->count++] = (struct segment){
            .start = start, .end = end, .readable = true, .writable = true};
    covering->is_last_new = true;
}

pst_error *covering_segments(const struct pst_target *target, const pst_addr *pages, size_t page_count,
                             struct segment **segments, size_t *count)
{
    struct covering covering = {
        .items = calloc(target->segment_count + page_count + 1, sizeof *covering.items),
        .next = target->segments,
        .end = target->segments + target->segment_count,
    };
    if (!covering.items)
        return error_no_memory();
    for (size_t i = 0; i < page_count; i++) {
        take_segments_up_to(&covering, pages[i]);
        if (!is_covered(&covering, pages[i]))
            add_new(&covering, pages[i]);
    }
    take_segments_up_to(&covering, UINT64_MAX);
    *segments = covering.items;
    *count = covering.count;
    return NULL;
}
