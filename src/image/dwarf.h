/*
 * Where the members of named structs are, by the debug information of an ELF file (libdwarf).
 *
 * Reads the units' top-level entries only, and stops as soon as every struct asked for was found.
 */
#ifndef PYSTANDER_IMAGE_DWARF_H
#define PYSTANDER_IMAGE_DWARF_H

#include "base/error.h"

enum {
    DWARF_MAX_UNITS = 1 << 20,   /* units of one file; chromium has some 40,000 */
    DWARF_MAX_ENTRIES = 1 << 24, /* entries looked at in all */
    DWARF_MAX_TYPE_DEPTH = 32,   /* typedef of const of typedef … of a type */
    DWARF_MAX_NESTING = 16,      /* anonymous structs within each other, components of a path */
    DWARF_MAX_NAMES = 4,         /* names of one struct */
};

/* What is asked for: the member at `path`, and the answer. */
struct dwarf_member {
    const char *path;      /* "ceval.gil.locked"; members of anonymous structs and unions as in C */
    bool found;
    uint64_t offset;       /* bytes from the start of the struct */
    uint8_t size;          /* bytes: 1, 2, 4, 8; 0 for an array, or a struct that is more than one such number */
    uint8_t bit, width;    /* of a bit-field: lowest bit and how many, in the `size` bytes at `offset`; else 0 */
};

struct dwarf_struct {
    const char *names[DWARF_MAX_NAMES]; /* typedefs or tags, any of which serves; the rest is NULL */
    struct dwarf_member *members;
    size_t member_count;
    bool found;            /* a complete definition was found: a member that was not found is not there */
    uint64_t size;         /* of the struct, bytes */
};

/* Fills in what the debug information in the ELF file `fd` knows of `structs`. `supplement` is the file that
 * its .gnu_debugaltlink names (dwz), or -1. Both stay the caller's; their file position moves. `name` is
 * for messages. A file without debug information, or whose debug information knows none of the structs, is
 * no error: nothing is found. An error (PST_ERROR_CORRUPT) says that a part could not be read; what was
 * found in the rest stands. */
MUST_USE pst_error *dwarf_find(int fd, int supplement, const char *name, struct dwarf_struct *structs,
                               size_t count);

#endif
