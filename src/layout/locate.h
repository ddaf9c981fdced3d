/*
 * Where the interpreter is in a target: the image that holds it, and the few symbols that everything else
 * starts from. Nothing is executed to learn this; names of files decide only which image is tried first.
 *
 * The ways, in this order:
 *   1. the dynamic symbols of the executable, of images named libpython*, of all the others (a renamed or
 *      embedded interpreter), read from the target's memory;
 *   2. what the notes of a small core say, where the target that it was made of had none of these;
 *   3. .symtab and the .PyRuntime section (3.10+) of these images' files, for a program that exports nothing;
 *   4. what the writable data of these images look like, for one that was stripped of all that: see
 *      layout/suspect.h. But for 3.13+, whose _PyRuntime has a cookie, it takes the decoders to tell whether
 *      a suspect is one: see python/interpreter_search.c.
 */
#ifndef PYSTANDER_LAYOUT_LOCATE_H
#define PYSTANDER_LAYOUT_LOCATE_H

#include "image/dynamic.h"
#include "layout/suspect.h"
#include "target/target.h"

enum {
    LOCATE_MIN_IMAGE = 1 << 20, /* bytes that an image takes in memory to be worth ways 3 and 4: the smallest
                                 * CPython has some 1.5 MB */
    LOCATE_MAX_FILES = 64,      /* opened for way 3: each may be a large one */
    LOCATION_MAX_SYMBOLS = 40,
    LOCATION_MAX_NOTED = LOCATION_MAX_SYMBOLS + 4,
};

struct location {
    struct image image;
    const struct segment *segment;  /* the image's first, whose path is the file's */
    bool exports;                   /* the image's dynamic symbols are CPython's */
    pst_addr runtime;               /* _PyRuntime, 3.7+; else 0 */
    pst_addr interp_head;           /* the variable of that name, to 3.6; 0: not known */
    pst_addr tstate_current;        /* _PyThreadState_Current, to 3.6; 0: not known */
    pst_addr code_type, type_type;  /* PyCode_Type, PyType_Type; 0: not known */
    pst_addr file_symbols[LOCATION_MAX_SYMBOLS]; /* of an image that does not export them; see locate.c */
    struct suspects suspects;       /* if all of the above was to no avail: `image` is not known either */
};

/* PST_ERROR_NOT_PYTHON when there is none. */
MUST_USE pst_error *locate_interpreter(struct pst_target *target, struct location *location);

/* The same, when all suspects turned out to be something else. */
MUST_USE pst_error *location_not_found(const struct pst_target *target);

/* A symbol of CPython's, one of those that locate.c has a list of: of the image's dynamic symbols, else from its
 * file's .symtab; 0 if there is none. */
MUST_USE pst_error *location_find_symbol(struct pst_target *target, const struct location *location,
                                         const char *name, pst_addr *address);

/* What a small core has to note, so that the same is found in it without files: at most LOCATION_MAX_NOTED. The names
 * are static. */
size_t location_list_symbols(const struct location *location, struct target_symbol *symbols);

/* Puts a suspect, of location->suspects, in the place of what was found: its image and address. */
void location_take_suspect(struct pst_target *target, struct location *location, size_t index);

#endif
