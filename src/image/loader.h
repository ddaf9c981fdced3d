/* The dynamic linker's list of what it loaded, by which debuggers find a core's libraries. */
#ifndef PYSTANDER_IMAGE_LOADER_H
#define PYSTANDER_IMAGE_LOADER_H

#include "target/target.h"

enum {
    LOADER_MAX_OBJECTS = 1 << 12,     /* programs have some 50 to 500 */
    LOADER_MAX_NAME = 4096,
    LOADER_MAX_DYNAMIC_SIZE = 16 << 10, /* bytes of one dynamic section: 16 for each of some 30 entries */
};

/* Reads it, and what it leads to, through the target's cache: for whoever notes what is read. `headers` and
 * `header_count` are AT_PHDR and AT_PHNUM. What can't be read ends it. */
void loader_touch(struct pst_target *target, pst_addr headers, uint64_t header_count);

#endif
