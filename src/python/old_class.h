/*
 * 2.7: classes that are no types, and their instances, all of which have the type “instance”. Include/classobject.h.
 */
#ifndef PYSTANDER_PYTHON_OLD_CLASS_H
#define PYSTANDER_PYTHON_OLD_CLASS_H

#include "python/field.h"

/* Whether it is such a class. Types may be derived from it. */
MUST_USE pst_error *object_is_old_class(const struct python *python, pst_addr object, bool *result);
/* Whether it is the type of all such instances. */
MUST_USE pst_error *type_is_of_old_instances(const struct python *python, pst_addr type, bool *result);

/* What a class has by this name, itself or from one of its bases, and which of them; *value is 0: nothing. */
MUST_USE pst_error *old_class_find(const struct python *python, pst_addr class, const char *name, pst_addr *owner,
                                   pst_addr *value);

#endif
