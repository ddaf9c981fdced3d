/* __name__ and __qualname__ of callables and other objects, as getattr() has them, without running anything. */
#ifndef PYSTANDER_PYTHON_REPR_NAME_H
#define PYSTANDER_PYTHON_REPR_NAME_H

#include "python/repr.h"

enum name_attribute {
    NAME_PLAIN,       /* __name__ */
    NAME_QUALIFIED,   /* __qualname__ */
    NAME_SPECIAL,     /* __name__ as _PyObject_LookupSpecial() has it: what an instance itself keeps does not count */
};

/* name->data is NULL: the object has none (*there is false), or it is no str, or what a property gives. */
MUST_USE pst_error *repr_find_name(struct repr *repr, pst_addr object, enum name_attribute attribute, bool *there,
                                   pst_text *name);

/* Whether the object is a module; PyModule_Check(). */
MUST_USE pst_error *repr_is_module(struct repr *repr, const struct type *type, bool *is_module);

#endif
