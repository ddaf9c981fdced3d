/*
 * The variables of frames, by name: arguments in the order of the signature, locals, cells and free variables with what
 * is in them. Include/cpython/code.h, Objects/frameobject.c.
 */
#ifndef PYSTANDER_PYTHON_VARIABLES_H
#define PYSTANDER_PYTHON_VARIABLES_H

#include "python/walk.h"

enum {
    VARIABLES_MAX_COUNT = 1 << 12,        /* of one frame */
};

/* Where a variable is. */
struct variable_slot {
    pst_text name;
    uint32_t index;          /* of the frame's slots */
    pst_variable_kind kind;
    bool may_be_cell;        /* what the slot holds is a cell, from when it was made on */
    bool is_hidden;          /* 3.12+: of a comprehension that was inlined in a module or class body */
};

/* Of one code object, in the order in which they are shown. */
struct code_variables {
    struct variable_slot *slots;
    size_t count;
    bool has_dict;           /* others are in f_locals: a module, a class body, exec() */
    const struct variable_slot **by_name; /* NULL: not asked for yet; see code_find_variable() */
    size_t name_count;
};

/* The variables of a code object, at the first call; an error of its own each time. */
MUST_USE pst_error *code_get_variables(struct walk *walk, struct code *code, const struct code_variables **variables);

/* The slot of a name in f_locals, into which Python copies what is in slots when it is asked for it; NULL: there is
 * none, and the name is a variable of its own. After code_get_variables(). */
MUST_USE pst_error *code_find_variable(struct walk *walk, struct code *code, pst_text name,
                                       const struct variable_slot **slot);

/* What a variable refers to, `slots` being the frame's; *value is 0 if it has no value yet, or none any more. */
MUST_USE pst_error *slot_read(const struct python *python, pst_addr slots, const struct variable_slot *slot,
                              pst_addr *value);

#endif
