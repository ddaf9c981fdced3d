/* Types as they stand in what other types are told by: "int" in "list[int]". */
#ifndef PYSTANDER_PYTHON_REPR_TYPE_H
#define PYSTANDER_PYTHON_REPR_TYPE_H

#include "python/repr.h"

/* Whose function says how. */
enum type_item {
    TYPE_ITEM_ALIAS,    /* Objects/genericaliasobject.c, ga_repr_item() */
    TYPE_ITEM_UNION,    /* Objects/unionobject.c, union_repr_item(); both became _Py_typing_type_repr() in 3.14 */
    TYPE_ITEM_PYTHON,   /* Lib/typing.py, _type_repr(); 3.14+: Lib/annotationlib.py, type_repr() */
};

MUST_USE pst_error *repr_add_type_item(struct repr *repr, pst_addr item, enum type_item style);

#endif
