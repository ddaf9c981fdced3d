/*
 * The dynamic symbols of an ELF image, read from the target's own memory: no file is opened, so a deleted,
 * renamed or out-of-reach file does not matter. libelf has no reader for a loaded image and none for the
 * GNU hash table; the formats are in elf(5) and in glibc's elf/dl-lookup.c.
 */
#ifndef PYSTANDER_IMAGE_DYNAMIC_H
#define PYSTANDER_IMAGE_DYNAMIC_H

#include "target/memory.h"

enum {
    IMAGE_MAX_PROGRAM_HEADERS = 128,  /* linkers write about a dozen */
    IMAGE_MAX_DYNAMIC_ENTRIES = 512,  /* and about thirty of these */
    IMAGE_MAX_HASH_CHAIN = 1 << 16,   /* symbols in one bucket; a handful in a sound table */
};

struct image {
    pst_addr start;       /* of the ELF header */
    pst_addr bias;        /* what the loader added to the file's addresses */
    pst_addr end;         /* past the last PT_LOAD */
    uint16_t machine;
    pst_addr dynamic;     /* 0: no dynamic section */
    uint64_t dynamic_size;
    pst_addr symbols, strings, gnu_hash, sysv_hash; /* 0: none */
    uint64_t strings_size;
};

/* Reads the headers of the image whose ELF header is at `start`. *found is false if there is none. */
MUST_USE pst_error *image_open(struct memory *memory, pst_addr start, struct image *image, bool *found);

/* The address of a defined symbol, 0 if the image does not define it. */
MUST_USE pst_error *image_find_symbol(struct memory *memory, const struct image *image, const char *name,
                                      pst_addr *address);

/* How many symbols its table has, as its hash table tells; 0: it tells nothing. At most `limit`. */
MUST_USE pst_error *image_count_symbols(struct memory *memory, const struct image *image, uint64_t limit,
                                        uint64_t *count);

#endif
