/* What threads wait for. */
#ifndef PYSTANDER_REPORT_WAITS_H
#define PYSTANDER_REPORT_WAITS_H

#include "report/report.h"

struct palette;

/* An object, or null. */
void wait_add_json(struct text *text, const pst_thread *thread);
/* An array. */
void deadlocks_add_json(struct text *text, const pst_snapshot *snapshot);
/* A line, or nothing. */
void wait_add_text(struct text *text, const pst_thread *thread, const struct palette *palette);
/* A paragraph for each, with an empty line before it. */
void deadlocks_add_text(struct text *text, const pst_snapshot *snapshot, const struct palette *palette);

#endif
