/* The exceptions of a thread. */
#ifndef PYSTANDER_REPORT_EXCEPTIONS_H
#define PYSTANDER_REPORT_EXCEPTIONS_H

#include "report/report.h"

struct palette;
struct source;

/* An array, the innermost first. */
void exceptions_add_json(struct text *text, const pst_thread *thread);
/* As Python's own tracebacks, each under a line that says whether it is raised or handled. */
void exceptions_add_text(struct text *text, const pst_thread *thread, struct source *source,
                         const struct palette *palette);

#endif
