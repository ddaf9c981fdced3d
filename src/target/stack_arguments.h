/* The command line out of the memory of a target: NT_PRPSINFO has the first 79 bytes of it alone, or less. */
#ifndef PYSTANDER_TARGET_STACK_ARGUMENTS_H
#define PYSTANDER_TARGET_STACK_ARGUMENTS_H

#include "target/target.h"

/* The value of an entry of the auxiliary vector (AT_PHDR …); false: it has none. */
bool auxv_find(const uint8_t *auxv, size_t size, uint64_t type, uint64_t *value);

/* The arguments, each with a NUL behind it: *size bytes that are the caller's to free. NULL: they can't be found.
 * `auxv` ends with its AT_NULL. */
MUST_USE pst_error *stack_arguments_read(const struct pst_target *target, const uint8_t *auxv, size_t auxv_size,
                                         char **arguments, size_t *size);

#endif
