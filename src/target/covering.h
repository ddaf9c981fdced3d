/* The mappings of what will be a small core. */
#ifndef PYSTANDER_TARGET_COVERING_H
#define PYSTANDER_TARGET_COVERING_H

#include "target/target.h"

/* The target's segments, and others for what pages there are outside of them (page_store_list()): a process may have
 * mapped more since its mappings were listed. Of those it is known that they could be read; they are taken for data. In
 * order of address; *segments is to be freed, the paths in it are the target's. */
MUST_USE pst_error *covering_segments(const struct pst_target *target, const pst_addr *pages, size_t page_count,
                                      struct segment **segments, size_t *count);

#endif
