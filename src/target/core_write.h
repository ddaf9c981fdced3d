/* Writing a small core: an ELF core of chosen pages, which readelf, gdb and every reader of cores accepts. */
#ifndef PYSTANDER_TARGET_CORE_WRITE_H
#define PYSTANDER_TARGET_CORE_WRITE_H

#include "base/text.h"
#include "target/page_store.h"
#include "target/target.h"

/* In p_flags, among those that are left to systems (PF_MASKOS): the mapping began in the PT_LOAD before. */
enum { CORE_LOAD_CONTINUES = 0x00100000 };

/* Writes it to `fd` from its first byte to its last, so that a pipe will do; *size bytes. The pages in the store are
 * sorted (page_store_sort()); those that are in none of the target's segments have one of their own (covering.h). Every
 * segment is in the core, with or without bytes: where p_filesz is less than p_memsz, the rest was not kept. */
MUST_USE pst_error *core_write(int fd, const struct pst_target *target, const struct text *notes,
                               const struct page_store *store, uint64_t *size);

#endif
