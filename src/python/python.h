/* The CPython runtime of a target: where it is, which version, which layout. */
#ifndef PYSTANDER_PYTHON_PYTHON_H
#define PYSTANDER_PYTHON_PYTHON_H

#include "python/field.h"

/* Found at the first call and kept by the target, so that *python is borrowed. */
MUST_USE pst_error *python_open(struct pst_target *target, struct python **python);

#endif
