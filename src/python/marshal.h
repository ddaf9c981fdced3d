/*
 * Code objects as marshal.dumps() writes them, for the version that they come from (Python/marshal.c), and the .pyc
 * files around them (Lib/importlib/_bootstrap_external.py; 2.7: Python/import.c).
 */
#ifndef PYSTANDER_PYTHON_MARSHAL_H
#define PYSTANDER_PYTHON_MARSHAL_H

#include "base/text.h"
#include "python/code_object.h"

/* Appends the code object at `address`, with those nested in it. An error: something of it could not be read or has no
 * form in marshal; `bytes` then holds a torso. */
MUST_USE pst_error *marshal_add_code(const struct python *python, const struct opcodes *opcodes, pst_addr address,
                                     struct text *bytes);
/* Appends the head of a .pyc file: magic number and, from 3.7 on, flags; no time and no size of a source. */
MUST_USE pst_error *marshal_add_pyc_head(const struct python *python, const struct opcodes *opcodes,
                                         struct text *bytes);

#endif
