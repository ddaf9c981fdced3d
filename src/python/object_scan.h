/*
 * Every object of certain types in the target's memory: the writable mappings are copied piece by piece and searched
 * for words that hold the address of one of these types where an object has its ob_type. What comes out are
 * candidates; whoever knows the type validates them.
 */
#ifndef PYSTANDER_PYTHON_OBJECT_SCAN_H
#define PYSTANDER_PYTHON_OBJECT_SCAN_H

#include "python/field.h"

enum {
    OBJECT_SCAN_MAX_TYPES = 4,
    OBJECT_SCAN_PIECE_SIZE = 512 << 10, /* bytes copied at a time: what a processor's own cache holds */
    OBJECT_SCAN_CACHE_PAGES = 32 << 10, /* of the target's memory that decoders of what is found may hold; 32 MB */
};

struct object_scan {
    const struct python *python;
    pst_addr types[OBJECT_SCAN_MAX_TYPES];
    size_t type_count;
    uint64_t type_off;            /* of ob_type in an object */
    size_t segment;               /* in python->target->segments */
    pst_addr at, used_end;        /* the next address to be copied; from there to used_end all was used */
    uint8_t *piece;               /* [piece_start, piece_start + piece_size) of the target */
    pst_addr piece_start;
    size_t piece_size;
    size_t block, next_block;     /* the words of `piece` that are looked at, and the next that will be */
    uint64_t hits;                /* those of the block that are types and were not told of yet, by bit */
    uint64_t scanned_size;        /* bytes, so far */
    struct error_list *errors;    /* of the caller: what could not be read */
};

/* `types`: those that are 0 are passed over. `errors` is borrowed until object_scan_free(). */
MUST_USE pst_error *object_scan_start(struct object_scan *scan, const struct python *python, const pst_addr *types,
                                      size_t type_count, struct error_list *errors);
/* The next candidate and which of the types it has; false: the end. In order of address. */
bool object_scan_next(struct object_scan *scan, pst_addr *object, size_t *type);
/* The memory at a candidate, as it was when it was found; false: not all of it can be read. */
bool object_scan_copy(struct object_scan *scan, pst_addr object, uint8_t *bytes, size_t size);
void object_scan_free(struct object_scan *scan);

#endif
