/*
 * Finding positions by number: many threads by their ids, where a search from the first on would take as long as
 * there are threads, for each of them. Filled, sorted once, then asked.
 */
#ifndef PYSTANDER_BASE_LOOKUP_H
#define PYSTANDER_BASE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_NONE ((size_t)-1)

struct lookup_entry {
    uint64_t number;
    int64_t group;     /* the same number in another group is another */
    size_t position;
};

struct lookup {
    struct lookup_entry *entries;
    size_t count;
};

/* Empties it and makes room for `capacity` entries; false: no memory. */
bool lookup_start(struct lookup *lookup, size_t capacity);
/* At most as many as there is room for. */
void lookup_add(struct lookup *lookup, uint64_t number, int64_t group, size_t position);
void lookup_sort(struct lookup *lookup);
/* Which entry is the first with this number, lowest position first; LOOKUP_NONE: there is none. */
size_t lookup_find_entry(const struct lookup *lookup, uint64_t number, int64_t group);
/* Its position, or LOOKUP_NONE. */
size_t lookup_find(const struct lookup *lookup, uint64_t number, int64_t group);
/* Which entry is the first with this number or a higher one. */
size_t lookup_find_from(const struct lookup *lookup, uint64_t number);
void lookup_free(struct lookup *lookup);

#endif
