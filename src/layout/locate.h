/*
 * Where the interpreter is in a target: the image that holds it, and the few symbols that everything else
 * starts from. Nothing is executed to learn this; names of files decide only which image is tried first.
 *
 * The ways, in this order:
 *   1. the dynamic symbols of the executable, of images named libpython*, of all the others (a renamed or
 *      embedded interpreter), read from the target's memory;
 *   2. .symtab and the .PyRuntime section of these images' files, for a program that exports nothing;
 *   3. the cookie at the start of _PyRuntime (3.13+), searched in the writable data of the images.
 */
#ifndef PYSTANDER_LAYOUT_LOCATE_H
#define PYSTANDER_LAYOUT_LOCATE_H

#include "image/dynamic.h"
#include "target/target.h"

enum {
    LOCATE_MAX_SCAN = 64 << 20, /* bytes of writable data that are searched in one image */
};

struct location {
    struct image image;
    const struct segment *segment;  /* the image's first, whose path is the file's */
    pst_addr runtime;               /* _PyRuntime, 3.7+; else 0 */
    pst_addr interp_head;           /* the variable of that name, to 3.6; 0: not known */
    pst_addr tstate_current;        /* _PyThreadState_Current, to 3.6 */
    pst_addr code_type, type_type;  /* PyCode_Type, PyType_Type; 0: not known */
};

/* PST_ERROR_NOT_PYTHON when there is none. */
MUST_USE pst_error *locate_interpreter(struct pst_target *target, struct location *location);

/* A symbol of the image that was found: dynamic, else from its file's .symtab; 0 if there is none. */
MUST_USE pst_error *location_find_symbol(struct pst_target *target, const struct location *location,
                                         const char *name, pst_addr *address);

#endif
