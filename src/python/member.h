/* __slots__: what a class on the heap has its instances keep, by name. Objects/typeobject.c, PyHeapType_GET_MEMBERS();
 * Include/structmember.h. */
#ifndef PYSTANDER_PYTHON_MEMBER_H
#define PYSTANDER_PYTHON_MEMBER_H

#include "python/type.h"

enum {
    MEMBERS_MAX_COUNT = 1 << 16,   /* of one class: more than any has __slots__ */
    MEMBER_MAX_NAME = 256,         /* bytes */
};

/* The PyMemberDefs that stand behind a class itself, those of its bases not among them. */
struct members {
    pst_addr first;
    uint64_t size;                 /* of each */
    uint64_t count;
};

/* Of a class without __slots__, and of those written in C: none. */
MUST_USE pst_error *members_of(const struct python *python, pst_addr class, struct members *members);
/* What an object of this type has in that slot; *value is 0: nothing, or it is no slot for objects. */
MUST_USE pst_error *member_get(const struct python *python, pst_addr member, pst_addr object, const struct type *type,
                               pst_addr *value);
MUST_USE pst_error *member_read_name(const struct python *python, struct arena *arena, pst_addr member,
                                     pst_text *name);

/* The attribute `name` of an object, in one of its slots or its dict; *value is 0 if it has none. */
MUST_USE pst_error *member_or_attribute_get(struct types *types, pst_addr object, const struct type *type,
                                            const char *name, pst_addr *value);

#endif
