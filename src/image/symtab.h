/* The section headers and the static symbol table of an ELF file, by libelf. */
#ifndef PYSTANDER_IMAGE_SYMTAB_H
#define PYSTANDER_IMAGE_SYMTAB_H

#include "base/error.h"

/* The values of defined symbols in .symtab; those that are not there stay as they are. A file that is no
 * ELF file or has no .symtab just has none of them. */
MUST_USE pst_error *symtab_find(int fd, const char *const *names, pst_addr *values, size_t count);

/* The address of a section; stays as it is if there is none. */
MUST_USE pst_error *section_find(int fd, const char *name, pst_addr *address);

#endif
