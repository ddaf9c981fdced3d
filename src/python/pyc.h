/*
 * .pyc files: the head (Lib/importlib/_bootstrap_external.py; 2.7: Python/import.c) and a module's code object.
 *
 * CPython frees the code object of a module's own body once it has run. In its place stands one that is made here: it
 * defines functions by their names and `__codes__`, a tuple of code objects, and runs nothing else.
 */
#ifndef PYSTANDER_PYTHON_PYC_H
#define PYSTANDER_PYTHON_PYC_H

#include "python/marshal.h"

enum { PYC_MAGIC_SIZE = 4 };

/* The target's own magic number, else that of its version. */
MUST_USE pst_error *pyc_find_magic(const struct python *python, const struct opcodes *opcodes, pst_addr interpreter,
                                   uint8_t magic[PYC_MAGIC_SIZE]);

/* Magic number and, from 3.7 on, flags; no time and no size of a source. */
void pyc_add_head(const struct python *python, const uint8_t magic[PYC_MAGIC_SIZE], struct text *bytes);

/* A module that is made here. */
struct pyc_module {
    const pst_addr *codes;      /* of `__codes__`; the first of them gives the co_filename */
    size_t code_count;
    pst_text filename;          /* of a module without code objects */
    const size_t *functions;    /* which of them are defined as functions, each by its co_name */
    size_t function_count;
};

/* Adds its code object: `marshal` has written `codes` one after the other, into a text of their own, and nothing
 * else. */
MUST_USE pst_error *pyc_add_module(struct marshal *marshal, const struct pyc_module *module, struct text *bytes);

#endif
