/*
 * What a frame has called and waits for: the callee and its arguments, out of the frame's value stack. For frames
 * that wait in C (a builtin, a method of one, __enter__ of a lock …): where they called Python, the inner frame
 * tells more, and from 3.11 on the arguments have moved into it.
 *
 * What can't be known is CALL_NONE, not an error; an error is memory that could not be read. Two things look like a
 * call and are none: a frame whose call has just ended and that waits for the GIL, to 3.13 (its callee is then not to
 * be found as a rule, but whoever knows that a thread waits for the GIL should not ask); and to 3.10 the call of a
 * bound method that is written in Python, whose callee has made place for its self (of interest only if that can be
 * called itself).
 */
#ifndef PYSTANDER_PYTHON_CALL_SITE_H
#define PYSTANDER_PYTHON_CALL_SITE_H

#include "python/walk.h"

enum { CALL_SITE_MAX_ARGUMENTS = 16 }; /* that are filled in; those that wait for something have a few */

enum call_kind {
    CALL_NONE,      /* it is in no call, or nothing sure is known of it */
    CALL_FUNCTION,  /* callee(arguments), or callee(self, arguments) */
    CALL_ENTER,     /* __enter__ of a "with", to 3.13: 3.12 and 3.13 `self` is the context manager; before, `callee` is
                     * its bound __exit__, which stands in its place already */
    CALL_EXIT,      /* __exit__ as an exception leaves a "with", 3.9+; else it is a CALL_FUNCTION, to 3.8 nothing */
    CALL_ITERATE,   /* next(self), of a "for" */
};

struct call_argument {
    pst_addr name;  /* a str; 0: it is positional */
    pst_addr value;
};

struct call_site {
    enum call_kind kind;
    pst_addr callee;             /* 0: it is not on the stack */
    pst_addr self;               /* what it is a method of, where that is on the stack by itself; 0: a bound method, a
                                  * function, or of no call */
    size_t argument_count;       /* in all */
    struct call_argument arguments[CALL_SITE_MAX_ARGUMENTS]; /* the first of them */
    pst_addr star, double_star;  /* the tuple and the dict of callee(*star, **double_star); 0: there is none */
};

/* Of the frame at `address`, which executes the instruction at `lasti` of `code` (pst_frame has all three). How
 * deep the stacks of `code` are is kept with it, in the arena. */
MUST_USE pst_error *call_site_find(const struct python *python, struct arena *arena, struct code *code,
                                   pst_addr address, int lasti, struct call_site *site);

#endif
