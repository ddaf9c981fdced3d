/* Attributes of instances. Objects/dictobject.c, Objects/object.c, Include/internal/pycore_object.h. */
#ifndef PYSTANDER_PYTHON_ATTRIBUTE_H
#define PYSTANDER_PYTHON_ATTRIBUTE_H

#include "python/dict.h"

/* Where an instance keeps its attributes: a dict, or values whose keys stand in the type. Both 0: nowhere. */
struct attributes {
    pst_addr dict;
    pst_addr values; /* an array of objects */
};

MUST_USE pst_error *attributes_find(const struct python *python, pst_addr object, pst_addr type,
                                    struct attributes *attributes);

/* Readies a reader for all of them, in their order; *used is how many there are. *any is false: it keeps none. */
MUST_USE pst_error *attributes_start(const struct python *python, pst_addr object, pst_addr type,
                                     struct dict_reader *reader, uint64_t *used, bool *any);

/* The attribute `name` in an instance's own dict or inline values; *value is 0 if it has none. `memo`
 * may be NULL. */
MUST_USE pst_error *attribute_get(const struct python *python, pst_addr object, const char *name,
                                  struct attribute_memo *memo, pst_addr *value);

#endif
