/*
 * The error object: what failed, where, why, and what the user can do.
 *
 * A function that can fail returns `pst_error *` (NULL: success) and is declared with MUST_USE. Whoever
 * receives an error returns it, keeps it on what it was reading (error_list), or frees it. Wrapping adds
 * scope on the outside and never replaces the cause. Making an error never fails: without memory it is a
 * static object that pst_error_free() knows.
 *
 * *Absent* (a null pointer, a field that this version lacks) is not an error; *broken* is.
 */
#ifndef PYSTANDER_BASE_ERROR_H
#define PYSTANDER_BASE_ERROR_H

#include "pystander/pystander.h"

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Return the error of EXPRESSION to the caller, if there is one. */
#define TRY(expression)                                                                                        \
    do {                                                                                                       \
        pst_error *try_error_ = (expression);                                                                  \
        if (try_error_)                                                                                        \
            return try_error_;                                                                                 \
    } while (0)

pst_error *error_new(pst_error_code code, const char *format, ...) PRINTF(2, 3);

/* Of the system: ": No such file or directory" is appended to the message. */
pst_error *error_system(pst_error_code code, int errnum, const char *format, ...) PRINTF(3, 4);

/* Of memory at `address` that could not be read: `why` says what stands in the way. */
pst_error *error_read(pst_addr address, size_t size, int errnum, const char *why);

pst_error *error_no_memory(void);

/* Another one that says the same. */
pst_error *error_copy(const pst_error *error);

/* Adds an outer place: error_in(error, "thread %d", 7) makes "frame 3" into "thread 7: frame 3".
 * Passes NULL through; returns `error`. */
pst_error *error_in(pst_error *error, const char *format, ...) PRINTF(2, 3);

/* Names the field that was being read and where its offset came from ("table 3.12"), unless one is named
 * already. Passes NULL through. */
pst_error *error_of_field(pst_error *error, const char *field, const char *origin);

/* What the user can do about it; the first hint given stays. Passes NULL through. */
pst_error *error_hint(pst_error *error, const char *format, ...) PRINTF(2, 3);

/* Errors that are kept beside what could be read. Owns them. At most ERROR_LIST_MAX are kept; one more
 * entry then says how many were left out. */
#define ERROR_LIST_MAX 100
struct error_list {
    pst_error *first, *last;
    size_t count;
};

/* Takes `error` over; NULL is passed over. */
void error_list_add(struct error_list *list, pst_error *error);
void error_list_free(struct error_list *list);

#endif
