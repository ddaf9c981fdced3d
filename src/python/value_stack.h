/*
 * The value stacks of frames: to 3.10 at PyFrameObject.f_valuestack, from 3.11 on behind the variables in
 * _PyInterpreterFrame.localsplus.
 *
 * How deep one is, is not in memory while the frame executes, but for 3.14+, and for one that called Python: see
 * stack_depth.h.
 */
#ifndef PYSTANDER_PYTHON_VALUE_STACK_H
#define PYSTANDER_PYTHON_VALUE_STACK_H

#include "python/stack_depth.h"
#include "python/walk.h"

struct value_stack {
    const struct python *python;
    pst_addr base;      /* of the first slot */
    int depth;
    bool is_before;     /* it is as it was before the instruction that is executed: the arguments of a call are there */
};

/* The stack of the frame at `address`, which executes the instruction at `lasti` of `code` (pst_frame has all
 * three): at most STACK_DEPTH_CHOICES, as it may have one of some depths. None: nothing sure is known. How deep
 * the stacks of `code` are is found out once and kept with it, in the arena. */
MUST_USE pst_error *value_stacks_find(const struct python *python, struct arena *arena, struct code *code,
                                      pst_addr address, int lasti, struct value_stack *stacks, size_t *count);
/* How deep the stacks of `code` are. */
MUST_USE pst_error *code_get_stack_depths(const struct python *python, struct arena *arena, struct code *code,
                                          const struct stack_depths **depths);

/* The object in a slot, counted from below; 0: NULL, or an int that is no object (3.14+). */
MUST_USE pst_error *value_stack_read(const struct value_stack *stack, int64_t slot, pst_addr *object);
/* Counted from the top, which is 0; 0 as well where there is no slot. */
MUST_USE pst_error *value_stack_peek(const struct value_stack *stack, int64_t from_top, pst_addr *object);

/* Whether there is an object at this address, one that can be called, one whose type has this flag: as far as can
 * be told of what may be no pointer to one. */
bool object_is_there(const struct python *python, pst_addr object);
bool object_is_callable(const struct python *python, pst_addr object);
bool object_has_flag(const struct python *python, pst_addr object, uint64_t flag);

#endif
