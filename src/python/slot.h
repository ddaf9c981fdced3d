/*
 * The slots of a frame: its arguments, variables and cells, and behind them its value stack.
 * Include/cpython/frameobject.h; 3.11+: Include/internal/pycore_frame.h; tagged ones: pycore_stackref.h.
 */
#ifndef PYSTANDER_PYTHON_SLOT_H
#define PYSTANDER_PYTHON_SLOT_H

#include "python/field.h"

enum {
    STACKREF_TAGS = 3,   /* 3.14+: low bits of a _PyStackRef */
    STACKREF_INT = 3,    /* all set: a small int, not an object */
};

/* Where the first one is. */
MUST_USE static inline pst_error *slots_find(const struct python *python, pst_addr frame, pst_addr *slots)
{
    bool is_object = !has(python, F(_PyInterpreterFrame_localsplus));
    return field_place(python, frame, is_object ? F(PyFrameObject_f_localsplus) : F(_PyInterpreterFrame_localsplus),
                       slots);
}

/* Whether what a slot holds is an int of the interpreter's own. */
static inline bool slot_is_int(const struct python *python, uint64_t word)
{
    return python_minor_version(python) >= 314 && (word & STACKREF_TAGS) == STACKREF_INT;
}

/* The object that a slot, which is no int, refers to; 0: none. From 3.14 on “none” is a word with only tags, too. */
static inline pst_addr slot_untag(const struct python *python, uint64_t word)
{
    return python_minor_version(python) >= 314 ? word & ~(uint64_t)STACKREF_TAGS : word;
}

#endif
