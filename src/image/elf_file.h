/*
 * ELF files that a target chose, by libelf. They are read and never mapped: one that shrinks meanwhile would kill this
 * process. What their headers claim is not believed: libelf makes room for it first.
 */
#ifndef PYSTANDER_IMAGE_ELF_FILE_H
#define PYSTANDER_IMAGE_ELF_FILE_H

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    ELF_FILE_MAX_SECTIONS = 4096,        /* programs and libraries have some 40 */
    ELF_FILE_MAX_SIZE = 256 << 20,       /* bytes of one section; chromium's .symtab has 60 MB */
    ELF_FILE_MAX_SMALL_SIZE = 16 << 10,  /* of one that is small by its nature: a note, a link */
};

/* NULL: no 64-bit ELF file, or one with more sections. For elf_end(), which takes NULL, too. */
Elf *elf_file_open(int fd);
/* The section's bytes, if it has at most `limit`; else NULL. Borrowed until elf_end(). */
Elf_Data *elf_file_get_data(Elf_Scn *section, size_t limit);
/* Whether elf_strptr() may be called on this section. */
bool elf_file_has_strings(Elf *elf, size_t section);
/* The section with the section names; 0: there is none that can be read. */
size_t elf_file_get_names(Elf *elf);

#endif
