/*
 * Separate debug information of an image, found by the image's build-id and used only if it has the same one:
 * DIR/.build-id/xx/yyyy.debug, where DIR is
 *
 *   1. the user's --debug-dir;
 *   2. /usr/lib/debug of this machine: whatever the target is of, this is the same build;
 *   3. /usr/lib/debug as the target sees it; of a core, below its --sysroot.
 */
#ifndef PYSTANDER_IMAGE_DEBUG_FILE_H
#define PYSTANDER_IMAGE_DEBUG_FILE_H

#include "image/debug_link.h"
#include "target/target.h"

/* An ELF file that may have debug information, and what dwz took out of it. */
struct debug_file {
    int fd, supplement;  /* -1: none */
};

/* The build-id of the image that begins at `start`, out of the target's memory; false: it has none. */
bool image_read_build_id(struct pst_target *target, pst_addr start, struct build_id *id);

/* The image's own file. */
MUST_USE pst_error *debug_file_open_own(struct pst_target *target, const struct segment *segment,
                                        struct debug_file *file);
/* The `place`th of the above, counted from 0. false: there are no more places; a place without such a file has
 * fd == -1. */
bool debug_file_open(struct pst_target *target, const struct build_id *id, size_t place, struct debug_file *file);
void debug_file_close(struct debug_file *file);

#endif
