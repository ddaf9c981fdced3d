/*
 * Names that are constants of C: tp_name of a type, ml_name of a builtin function.
 *
 * They stand in the executable or in libpython, in memory that the kernel leaves out of a core. Where that file is not
 * at hand, the dicts of modules name what is in them: they are on the heap, which every core has.
 *
 * Include/cpython/object.h, Include/methodobject.h.
 */
#ifndef PYSTANDER_PYTHON_C_NAME_H
#define PYSTANDER_PYTHON_C_NAME_H

#include "python/field.h"

enum { C_NAME_MAX_TYPES = 512 };  /* whose names are sought in modules; CPython has half as many */

/* tp_name ("code", "collections.deque"), cut at `size` bytes and NUL-terminated. */
MUST_USE pst_error *type_get_name(const struct python *python, pst_addr type, char *name, size_t size);

/* ml_name of a builtin function or method. Lives in the arena. */
MUST_USE pst_error *builtin_read_name(const struct python *python, struct arena *arena, pst_addr function,
                                      pst_text *name);

void known_type_names_free(struct known_type_names *names);

#endif
