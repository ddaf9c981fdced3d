/*
 * The function at an address of the target: by .symtab of the file that is mapped there, or of its separate debug
 * information, and by the file's .dynsym; without a file by the dynamic symbols in the target's memory.
 */
#ifndef PYSTANDER_IMAGE_SYMBOLIZE_H
#define PYSTANDER_IMAGE_SYMBOLIZE_H

#include "target/target.h"

/* All of them are of one target. Beyond, addresses are told without a symbol. */
enum {
    SYMBOLIZE_MAX_IMAGES = 64,          /* images whose symbols are read */
    SYMBOLIZE_MAX_SYMBOLS = 1 << 22,    /* symbols of all images */
    SYMBOLIZE_MAX_STRINGS = 256 << 20,  /* bytes of their names */
    SYMBOLIZE_MAX_NAME = 4096,          /* bytes of one name; C++ makes some of a thousand */
    SYMBOLIZE_MAX_NESTING = 32,         /* symbols that begin within another one, looked back over */
    SYMBOLIZE_MAX_SEGMENTS = 64,        /* mappings of one image, walked over to its first */
    SYMBOLIZE_MAX_RESULTS = 1 << 16,    /* addresses that are answered; beyond: NULL */
};

/* The name of the symbol that the address is in, with "+0x12" behind it if the symbol begins before; if there is none,
 * "libfoo.so+0x1234", counted from the image's first byte; NULL if no file is mapped there (or memory ran out).
 * Borrowed until the target is closed. */
const char *symbolize(struct pst_target *target, pst_addr address);

/* What was answered so far, at most `limit`: how many. */
size_t symbolize_list(const struct pst_target *target, struct target_symbol *symbols, size_t limit);

#endif
