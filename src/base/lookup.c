#include "base/lookup.h"

#include <stdlib.h>

bool lookup_start(struct lookup *lookup, size_t capacity)
{
    lookup_free(lookup);
    lookup->entries = calloc(capacity + 1, sizeof *lookup->entries);
    return lookup->entries;
}

void lookup_add(struct lookup *lookup, uint64_t number, int64_t group, size_t position)
{
    lookup->entries[lookup->count++] = (struct lookup_entry){number, group, position};
}

static int compare_keys(const struct lookup_entry *x, const struct lookup_entry *y)
{
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

static int compare_entries(const void *a, const void *b)
{
    const struct lookup_entry *x = a, *y = b;
    int order = compare_keys(x, y);
    if (order != 0)
        return order;
    return x->position < y->position ? -1 : x->position > y->position;
}

void lookup_sort(struct lookup *lookup)
{
    if (lookup->count > 1)
        qsort(lookup->entries, lookup->count, sizeof *lookup->entries, compare_entries);
}

/* How many entries come before it. */
static size_t count_before(const struct lookup *lookup, const struct lookup_entry *wanted)
{
    size_t low = 0, high = lookup->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(&lookup->entries[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t lookup_find_entry(const struct lookup *lookup, uint64_t number, int64_t group)
{
    const struct lookup_entry wanted = {.number = number, .group = group};
    size_t at = count_before(lookup, &wanted);
    return at < lookup->count && compare_keys(&lookup->entries[at], &wanted) == 0 ? at : LOOKUP_NONE;
}

size_t lookup_find_from(const struct lookup *lookup, uint64_t number)
{
    const struct lookup_entry wanted = {.number = number, .group = INT64_MIN};
    size_t at = count_before(lookup, &wanted);
    return at < lookup->count ? at : LOOKUP_NONE;
}

size_t lookup_find(const struct lookup *lookup, uint64_t number, int64_t group)
{
    size_t entry = lookup_find_entry(lookup, number, group);
    return entry == LOOKUP_NONE ? LOOKUP_NONE : lookup->entries[entry].position;
}

void lookup_free(struct lookup *lookup)
{
    free(lookup->entries);
    *lookup = (struct lookup){0};
}
