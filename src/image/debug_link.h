/* What ties an ELF file to its separate debug information, by libelf. */
#ifndef PYSTANDER_IMAGE_DEBUG_LINK_H
#define PYSTANDER_IMAGE_DEBUG_LINK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEBUG_LINK_MAX_ID = 64 /* bytes of a build-id; SHA-1 has 20 */ };

struct build_id {
    uint8_t bytes[DEBUG_LINK_MAX_ID];
    size_t size;
};

/* Of an ELF file, by its sections: the program headers of a file of debug information alone lead nowhere. */
bool elf_find_build_id(int fd, struct build_id *id);

/* .gnu_debugaltlink: the file that dwz moved common parts to. `path` is relative to the file that names it. */
bool elf_find_supplement(int fd, char path[PATH_MAX], struct build_id *id);

/* `fd`, if it is an ELF file of this very build; else -1, and `fd` is closed. -1 stays -1. */
int elf_keep_if_build(int fd, const struct build_id *id);

#endif
