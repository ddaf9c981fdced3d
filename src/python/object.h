/* Objects, types, numbers. Include/object.h, Include/cpython/object.h, Include/cpython/longintrepr.h. */
#ifndef PYSTANDER_PYTHON_OBJECT_H
#define PYSTANDER_PYTHON_OBJECT_H

#include "python/field.h"

/* tp_flags, the same in every version (Include/object.h). */
enum {
    TPFLAGS_INLINE_VALUES = 1 << 2, /* 3.13+ */
    TPFLAGS_MANAGED_DICT = 1 << 4,  /* 3.11+ */
    TPFLAGS_HEAPTYPE = 1 << 9,
    TPFLAGS_INT_SUBCLASS = 1 << 23, /* 2.7 */
    TPFLAGS_LONG_SUBCLASS = 1 << 24,
    TPFLAGS_LIST_SUBCLASS = 1 << 25,
    TPFLAGS_TUPLE_SUBCLASS = 1 << 26,
    TPFLAGS_BYTES_SUBCLASS = 1 << 27,
    TPFLAGS_UNICODE_SUBCLASS = 1 << 28,
    TPFLAGS_DICT_SUBCLASS = 1 << 29,
    TPFLAGS_BASE_EXC_SUBCLASS = 1 << 30,
};
#define TPFLAGS_TYPE_SUBCLASS (1u << 31)

MUST_USE pst_error *object_get_type(const struct python *python, pst_addr object, pst_addr *type);
enum { OBJECT_HEAD_SIZE = 48 }; /* bytes; no PyObject is larger: trace-refs, free-threaded */

/* Whether its reference count is one that a living object can have; `head` are its first OBJECT_HEAD_SIZE bytes. */
bool object_head_lives(const struct python *python, const uint8_t *head);
MUST_USE pst_error *object_lives(const struct python *python, pst_addr object, bool *lives);
MUST_USE pst_error *type_get_flags(const struct python *python, pst_addr type, uint64_t *flags);
/* Whether it is a type that is not on the heap: of C. Classes of the program's own may have any name, and stand in the
 * place of a builtin. */
MUST_USE pst_error *object_is_static_type(const struct python *python, pst_addr object, bool *result);

/* That the object's type has one of these flags; else an error that names what it is instead of `wanted`. */
MUST_USE pst_error *object_expect(const struct python *python, pst_addr object, uint64_t flags, const char *wanted);

/* Where the items of a tuple are, and how many. */
MUST_USE pst_error *tuple_find_items(const struct python *python, pst_addr tuple, pst_addr *items, uint64_t *count);

/* The value of an int (2.7: or long) that fits; an error for one that does not. */
MUST_USE pst_error *object_get_int(const struct python *python, pst_addr object, uint64_t *value);

#endif
