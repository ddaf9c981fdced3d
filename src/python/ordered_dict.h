/*
 * The items of a collections.OrderedDict, in its own order: that of the dict is another, once items were moved or
 * deleted. 3.x: Objects/odictobject.c; 2.7: Lib/collections.py.
 */
#ifndef PYSTANDER_PYTHON_ORDERED_DICT_H
#define PYSTANDER_PYTHON_ORDERED_DICT_H

#include "python/field.h"

struct ordered_dict_reader {
    const struct python *python;
    pst_addr dict;
    pst_addr node, root;    /* the next node; 2.7: the next link, and the list that ends it */
};

/* *used is how many items it has. */
MUST_USE pst_error *ordered_dict_start(const struct python *python, pst_addr dict, struct ordered_dict_reader *reader,
                                       uint64_t *used);
/* The next item; an error if there is none. The list may be circular: who asks counts. */
MUST_USE pst_error *ordered_dict_next(struct ordered_dict_reader *reader, pst_addr *key, pst_addr *value);

#endif
