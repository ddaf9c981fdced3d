/*
 * Code objects as marshal.dumps() writes them, for the version that they come from: Python/marshal.c, whose type codes
 * are the letters below. marshal.loads() gives equal objects; the bytes differ from Python's own where that writes
 * references by the count of an object's owners, and by the order of a frozenset.
 */
#ifndef PYSTANDER_PYTHON_MARSHAL_H
#define PYSTANDER_PYTHON_MARSHAL_H

#include "base/text.h"
#include "python/code_object.h"

enum {
    MARSHAL_MAX_SIZE = 1 << 28,   /* bytes of one file */
    MARSHAL_MAX_DEPTH = 1000,     /* of objects in each other; CPython reads twice as many */
};

/* An object that was written already, so that the next time a reference to it will do. */
struct marshal_slot {
    pst_addr address;   /* 0: free */
    uint32_t index;     /* among those that can be referred to */
    bool is_complete;   /* false: it is being written */
};

struct marshal {
    const struct python *python;
    const struct opcodes *opcodes;
    struct text *bytes;
    struct marshal_slot *slots;      /* open addressing by address */
    size_t slot_count;               /* a power of two, or 0 */
    uint64_t multiplier;             /* of the hash */
    pst_addr *written;               /* by index: what the slots hold */
    size_t written_count, written_capacity;
    pst_addr *codes;                 /* the code objects, in the order in which a reader comes by them */
    size_t code_count, code_capacity;
    size_t depth;
    struct arena values, scratch;    /* what is needed until a code object is written; until it was checked */
};

/* `bytes` is borrowed until marshal_free(). */
void marshal_start(struct marshal *marshal, const struct python *python, const struct opcodes *opcodes,
                   struct text *bytes);
void marshal_free(struct marshal *marshal);

/* Adds the code object at `address`, with those nested in it. An error: something of it could not be read or has no
 * form in marshal; nothing of it is left then. */
MUST_USE pst_error *marshal_add_code(struct marshal *marshal, pst_addr address);

/* The co_filename and the co_name of a code object. */
MUST_USE pst_error *marshal_add_filename_of(struct marshal *marshal, pst_addr code);
MUST_USE pst_error *marshal_add_name_of(struct marshal *marshal, pst_addr code);

/* Parts of objects that are made here. They can't be referred to. */
void marshal_put_int(struct text *bytes, int64_t value);               /* 32 bits, without a type */
void marshal_put_bytes(struct text *bytes, const void *data, size_t size);   /* bytes; 2.7: str */
void marshal_put_tuple(struct text *bytes, size_t count);              /* its items follow */
/* A str; 2.7: the bytes of it. */
void marshal_put_text(const struct python *python, struct text *bytes, pst_text text);
/* An ASCII str, interned; 2.7: str. */
void marshal_put_name(const struct python *python, struct text *bytes, const char *name);

#endif
