/* Parts of exceptions.c: exceptions as threads have them, and their tracebacks. */
#ifndef PYSTANDER_PYTHON_EXCEPTIONS_H
#define PYSTANDER_PYTHON_EXCEPTIONS_H

#include "python/details.h"

/* An exception as a thread has it. To 3.11 its type and traceback stand beside it, and the value may be none yet.
 * All 0: there is none. */
struct raised {
    pst_addr type, value, traceback;
    bool handled;
};

/* ---- traceback.c ------------------------------------------------------------------------------------------- */

/* The entries of a traceback; `first` is 0 or the first. What was read stays after an error. */
MUST_USE pst_error *traceback_read(struct details *details, pst_addr first, pst_exception *exception);

/* ---- unhandled.c --------------------------------------------------------------------------------------------- */

/* The exception that nothing in the program has handled, while the main thread is in sys.excepthook. */
MUST_USE pst_error *unhandled_find(struct details *details, const struct pst_thread *thread, struct raised *raised);

#endif
