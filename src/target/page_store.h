/* Pages of a target's memory that were set aside, for a core that has these and no others. */
#ifndef PYSTANDER_TARGET_PAGE_STORE_H
#define PYSTANDER_TARGET_PAGE_STORE_H

#include "base/arena.h"
#include "target/memory.h"

/* A part of a page that could be read. */
struct stored_page {
    pst_addr address;     /* of its first byte here; the page's is that address rounded down */
    uint16_t size;
    const uint8_t *bytes;
};

struct page_store {
    struct arena arena;   /* of the bytes: it ends at ARENA_MAX_SIZE */
    struct stored_page *pages;
    size_t count, capacity;
    uint32_t *slots;      /* open addressing by page: index + 1 into `pages`; a power of two */
    size_t slot_count;
    uint64_t multiplier;
    bool is_full;         /* something was left out: no room */
};

void page_store_start(struct page_store *store);
void page_store_free(struct page_store *store);

/* Adds a page, unless it is there already: what was set aside first stays. A memory_keeper; `store` is the store. */
void page_store_keep(void *store, const struct memory_page *page);
/* NULL: it is not there. */
const struct stored_page *page_store_find(const struct page_store *store, pst_addr page_address);
/* The addresses of all that is there, in order; to be freed. NULL: no memory. */
pst_addr *page_store_list(const struct page_store *store);
/* In order of address. Nothing can be found or added afterwards. */
void page_store_sort(struct page_store *store);

#endif
