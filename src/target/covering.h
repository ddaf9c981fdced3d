/* The mappings of what will be a small core. */
#ifndef PYSTANDER_TARGET_COVERING_H
#define PYSTANDER_TARGET_COVERING_H

#include "target/page_store.h"
#include "target/target.h"

/* The addresses of what is in the store, in order; to be freed. NULL: no memory. */
pst_addr *covering_sort_pages(const struct page_store *store);

/* The target's segments, and others for what pages there are outside of them: a process may have mapped more since its
 * mappings were listed. Of those it is known that they could be read; they are taken for data. In order of address;
 * *segments is to be freed, the paths in it are the target's. */
MUST_USE pst_error *covering_segments(const struct pst_target *target, const struct page_store *store,
                                      struct segment **segments, size_t *count);

#endif
