/* The variables of a frame. */
#ifndef PYSTANDER_REPORT_LOCALS_H
#define PYSTANDER_REPORT_LOCALS_H

#include "report/report.h"

struct palette;

/* An array. */
void locals_add_json(struct text *text, const pst_frame *frame);
/* A line for each. */
void locals_add_text(struct text *text, const struct report *report, const pst_frame *frame,
                     const struct palette *palette);

#endif
