/*
 * What is told of threads and frames beside where they are: variables, exceptions, what they wait for. It is read after
 * the frames, from what was read of the target then already; and what all of it needs.
 */
#ifndef PYSTANDER_PYTHON_DETAILS_H
#define PYSTANDER_PYTHON_DETAILS_H

#include "python/repr.h"
#include "python/walk.h"
#include "target/descriptor.h"

enum {
    DETAILS_MAX_SIZE = 1 << 28,  /* bytes of all that is kept; of a core, no more than it has itself, and: */
    DETAILS_MIN_SIZE = 16 << 20, /* of a core, however small */
    DETAILS_THREAD_WORK = 1 << 20,    /* reads that are left to each thread, if there are as many */
    DETAILS_MIN_VALUE_WORK = 1 << 12, /* reads for one value, if a part of those that are left is not more */
    DETAILS_MEMO_SIZE = 1 << 10,
};

struct details {
    struct walk *walk;
    struct types types;
    struct arena type_names;     /* of the types */
    struct arena scratch;        /* for what is only read; emptied by each reader that is done */
    struct text text;            /* for one text in the making */
    struct descriptors *descriptors; /* of a live target; NULL: nothing is asked of the kernel */
    uint64_t size;               /* bytes that were kept so far: see details_spend() */
    pst_variable *memo;          /* values that were shown, by their address: the same `self` is in many frames;
                                  * DETAILS_MEMO_SIZE of them */
};

/* Reads all that walk->snapshot is to have of them. What goes wrong is kept there. */
void details_walk(struct walk *walk);

/* To be asked before so many bytes are kept: the target can have a thing told of again and again. */
MUST_USE pst_error *details_spend(struct details *details, uint64_t size);
/* The place in the memo of the object at this address, which may have another or (address is 0) none. */
pst_variable *details_find_memo(const struct details *details, pst_addr address);
/* Keeps what is in details->text. */
MUST_USE pst_error *details_copy_text(struct details *details, pst_text *copy);
/* "module.Class" */
MUST_USE pst_error *details_read_type_name(struct details *details, const struct type *type, pst_text *name);
/* The repr of an object. What could be had of it is there after an error, too. */
MUST_USE pst_error *details_read_repr(struct details *details, pst_addr object, struct repr_bounds bounds,
                                      pst_text *repr);

/* ---- variables.c, exceptions.c ----------------------------------------------------------------------------- */

void details_add_variables(struct details *details, struct pst_thread *thread);
void details_add_exceptions(struct details *details, struct pst_thread *thread);

#endif
