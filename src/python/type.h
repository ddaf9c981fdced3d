/*
 * What there is to know of a type, once for all its instances: its names, and which class's __repr__ it has. Objects
 * are told apart by the name of that class, and not by the address of a type: a subclass that has no __repr__ of its
 * own is shown as Python shows it, and one that has is not taken for what it is derived from.
 *
 * Include/cpython/object.h, Objects/typeobject.c.
 */
#ifndef PYSTANDER_PYTHON_TYPE_H
#define PYSTANDER_PYTHON_TYPE_H

#include "python/field.h"

enum {
    TYPES_MAX_COUNT = 1 << 16,   /* that are remembered; no program has as many */
    TYPE_MAX_BASES = 1 << 10,    /* of one type, in its tp_mro or by tp_base */
    TYPES_MAX_BASES = 1 << 20,   /* of all of them together */
    TYPE_MAX_NAME = 1 << 10,     /* bytes of tp_name */
};

/* Which class a type's __repr__ comes from. */
enum repr_origin {
    REPR_UNKNOWN,      /* it could not be told */
    REPR_IN_C,         /* that of a class written in C: `definer` is its tp_name, "collections.deque" */
    REPR_IN_PYTHON,    /* a function: `definer` is its __module__, and its __qualname__ without ".__repr__" (2.7: that
                        * of the class); empty: of another module, which functools.wraps() can hide */
};

/* The same of a __repr__ or __str__. */
struct type_definer {
    enum repr_origin origin;
    pst_text name;
    pst_addr type;            /* 0: REPR_UNKNOWN */
};

struct type {
    pst_addr address;
    uint64_t flags, basic_size;
    bool is_heap;             /* made by a class statement, type(), PyType_FromSpec() */
    pst_text module;          /* __module__; data is NULL: there is none, or it is that of the builtins */
    pst_text qualname;        /* __qualname__; to 3.2 and of a static type: the name */
    pst_text name;            /* __name__ */
    enum repr_origin origin;
    pst_text definer;
    pst_addr definer_type;    /* 0: REPR_UNKNOWN */
    bool has_definer;         /* these three were looked for */
    const pst_addr *bases;    /* what type_read_mro() gave; NULL: it was not asked yet */
    size_t base_count;
    const struct repr_kind *kind; /* repr.c's own */
    struct type *contents;    /* the same, see repr_get_contents(); NULL: none, once it was looked for */
    bool has_searched_contents;
    const pst_text *computed; /* the same, see repr_is_computed(); NULL: none, or they were not looked for yet */
    size_t computed_count;
    bool has_searched_computed;
    bool is_known_kind;
};

/* The types that were met so far. Belongs to one pass over the target's memory: types come and go. */
struct types {
    const struct python *python;
    struct arena *arena;      /* of their names */
    struct type **slots;      /* open addressing by address */
    size_t count, capacity;   /* capacity is a power of two */
    size_t base_count;        /* of all types */
    uint64_t multiplier;      /* of the hash */
    pst_addr structseq_repr;  /* tp_repr of all struct sequences, once it was looked for; 0: not found */
    bool has_searched_structseq_repr;
};

void types_start(struct types *types, const struct python *python, struct arena *arena);
void types_free(struct types *types);

/* The type at `address`; it lives as long as the arena. */
MUST_USE pst_error *type_get(struct types *types, pst_addr address, struct type **type);
/* The type of an object. */
MUST_USE pst_error *type_of(struct types *types, pst_addr object, struct type **type);
/* Fills in origin and definer, at the first call. What could not be read leaves REPR_UNKNOWN. */
void type_find_repr(struct types *types, struct type *type);
/* Where its __str__ comes from: it is not kept. */
void type_find_str(struct types *types, const struct type *type, struct type_definer *definer);

/* "module.qualname", as far as there are both. */
void type_add_name(const struct type *type, struct text *text);
/* Whether the type is the one of this module and __qualname__, written in Python or C. */
bool type_is(const struct type *type, const char *module, const char *qualname);
/* The first class in the order of resolution, the type itself being one, that is it; NULL: none. */
MUST_USE pst_error *type_find_base(struct types *types, const struct type *type, const char *module,
                                   const char *qualname, struct type **base);

/* The classes in the order of resolution, the type itself first: at most TYPE_MAX_BASES; the arena's. */
MUST_USE pst_error *type_read_mro(struct types *types, const struct type *type, const pst_addr **bases,
                                  size_t *count);
/* tp_name: "datetime.date" of a type written in C, of one made by a class statement its name alone. */
MUST_USE pst_error *type_read_tp_name(struct types *types, pst_addr type, pst_text *name);
/* Whether a class of these was made by a class statement; in 2.7 it may be no type at all. */
MUST_USE pst_error *type_is_on_heap(const struct python *python, pst_addr class, bool *result);
/* What such a class itself has under this name; *value is 0: nothing. */
MUST_USE pst_error *type_get_own(const struct python *python, pst_addr type, const char *name, pst_addr *value);
/* The same of the first class in the order of resolution that has it; those that are not on the heap are passed
 * over. */
MUST_USE pst_error *type_find_attribute(struct types *types, const struct type *type, const char *name,
                                        pst_addr *value);

#endif
