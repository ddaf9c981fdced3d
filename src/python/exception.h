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
 * Those __str__ of the standard library that are known are done here, and none is run. Of an exception whose class has
 * another one, the message is made of its `args`, as BaseException does it, and an object in a message that has one is
 * shown by its repr. *is_str is false then: str() may say something else.
 */
MUST_USE pst_error *exception_read_message(struct repr *repr, pst_addr exception, bool *is_str);
/* The same of any object. */
MUST_USE pst_error *exception_read_str(struct repr *repr, pst_addr object, bool *is_str);

#endif
