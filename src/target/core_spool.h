/*
 * A core that is not a plain file, compressed or out of a pipe, becomes one: decompressed into an unlinked temporary
 * file of $TMPDIR, /var/tmp or /tmp. Its pages of zeros are holes there.
 */
#ifndef PYSTANDER_TARGET_CORE_SPOOL_H
#define PYSTANDER_TARGET_CORE_SPOOL_H

#include "target/core.h"

/* What a core is at most, compressed and decompressed: holes cost no space, so a full disk alone is no end. */
#define CORE_SPOOL_MAX_SIZE ((uint64_t)1 << 40)

/* Replaces core->fd, which is closed, by the temporary file's, and sets core->file_size. What ends early is as good as
 * what there is of it: core->cut_why then says why; it is an error if that is nothing. What is no core is put out as
 * far as is needed to say so. `name` is the core's in messages; `is_stream`: it can be read once, from where it is. */
MUST_USE pst_error *core_spool(struct core *core, const char *name, bool is_stream);

#endif
