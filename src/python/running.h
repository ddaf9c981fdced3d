/* Which code objects frames run: on the threads' stacks, and in generators and coroutines that are suspended. */
#ifndef PYSTANDER_PYTHON_RUNNING_H
#define PYSTANDER_PYTHON_RUNNING_H

#include "python/walk.h"

enum { RUNNING_MAX_CODES = 1 << 20 }; /* different ones; a million functions are no program's */

/* The frame of a generator, coroutine or asynchronous generator; 0: it has ended. */
MUST_USE pst_error *generator_find_frame(const struct python *python, pst_addr generator, pst_addr *frame);

/* Addresses in order, each once. What could not be searched is added to `errors`. *addresses is the caller's to
 * free(), after an error, too; it holds what was found before it. */
MUST_USE pst_error *running_codes_find(const struct python *python, const struct pst_snapshot *snapshot,
                                       pst_addr **addresses, size_t *count, uint64_t *scanned_size,
                                       struct error_list *errors);

#endif
