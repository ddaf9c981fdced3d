/*
 * One CPython runtime in a target: what every decoder needs. Decoders read the target's memory field by
 * field, through the layout; nothing here depends on the host's own types.
 */
#ifndef PYSTANDER_PYTHON_FIELD_H
#define PYSTANDER_PYTHON_FIELD_H

#include "base/arena.h"
#include "base/bytes.h"
#include "layout/layout.h"
#include "layout/locate.h"
#include "layout/version.h"
#include "target/target.h"

/* The fields of layouts/fields.def, as the decoders write them: F(PyCodeObject_co_flags). */
#define F(identifier) FIELD_##identifier

/* How the attribute `name` of instances was found the last time: every Thread object keeps `_name` in the
 * same slot, so that 300 names need one search. */
struct attribute_memo {
    pst_addr keys, key;
    size_t index;
};

/* The types of builtin objects as value_type.c knows them by now, in its order; 0: not known. */
enum { VALUE_TYPES = 16 };
struct value_types {
    bool complete;        /* all symbols were looked for */
    pst_addr types[VALUE_TYPES];
    unsigned digit_size;  /* bytes of a digit of ints; 0: not known */
    struct known_type_names *names; /* c_name.c: of those whose tp_name is not at hand; NULL: nobody asked yet */
};

struct python {
    struct pst_target *target;
    struct memory *memory;
    struct location location;
    struct version version;
    struct layout layout;
    bool layout_sources[8];        /* which of enum layout_source it rests on */
    unsigned unicode_unit;         /* 2.7: bytes of a Py_UNICODE */
    struct attribute_memo thread_name;
    struct value_types *value_types;
    pst_addr coextra_head;         /* 3.6: the variable of that name, once it was looked for; 0: not found */
    bool has_searched_coextra;
};

/* The field of the struct at `object`, zero-extended. Asking for a field that the layout lacks is an error
 * too: ask layout_has() first where versions differ. */
MUST_USE pst_error *field_unsigned(const struct python *python, pst_addr object, enum field field,
                                   uint64_t *value);
MUST_USE pst_error *field_signed(const struct python *python, pst_addr object, enum field field, int64_t *value);
/* A signed field of at most four bytes. */
MUST_USE pst_error *field_int(const struct python *python, pst_addr object, enum field field, int *value);
/* As field_unsigned(), for an address. */
MUST_USE pst_error *field_address(const struct python *python, pst_addr object, enum field field, pst_addr *value);
/* Where the field itself is. */
MUST_USE pst_error *field_place(const struct python *python, pst_addr object, enum field field, pst_addr *place);

/* An address in an array of them. */
MUST_USE pst_error *pointer_at(const struct python *python, pst_addr array, uint64_t index, pst_addr *value);

static inline bool has(const struct python *python, enum field field)
{
    return layout_has(&python->layout, field);
}

/* The layout's sizeof, 0 if this version has no such struct. */
static inline uint64_t size_of(const struct python *python, enum field size_field)
{
    return has(python, size_field) ? (uint64_t)python->layout.places[size_field].offset : 0;
}

static inline bool python_is_2(const struct python *python)
{
    return python->layout.major == 2;
}

/* 3.12 is 312: for what differs by version and is no field. */
static inline int python_minor_version(const struct python *python)
{
    return python->layout.major * 100 + python->layout.minor;
}

#endif
