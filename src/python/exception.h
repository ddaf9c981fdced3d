/* Exceptions. Include/cpython/pyerrors.h, Objects/exceptions.c. */
#ifndef PYSTANDER_PYTHON_EXCEPTION_H
#define PYSTANDER_PYTHON_EXCEPTION_H

#include "python/repr.h"

/* Whether an object is one, by its type's flags. */
MUST_USE pst_error *exception_check(const struct python *python, pst_addr object, bool *is_exception);

/*
 * What str() says of an exception, appended to repr->text: "[Errno 2] No such file or directory: 'x'". `repr` is one of
 * repr_start(); of its bounds, those of characters hold for the strings in the message, which are cut, and counted, as
 * everywhere; and parts that can't be read are kept in repr->error, likewise. An error ends the text where it is.
 *
 * A __str__ written in Python is not run: of an exception whose class has one, the message is made of its `args`, as
 * BaseException does it; any other object in a message is shown by its repr.
 */
MUST_USE pst_error *exception_read_message(struct repr *repr, pst_addr exception);

#endif
