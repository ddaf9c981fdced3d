/* What the printers of code objects share. */
#ifndef PYSTANDER_REPORT_CODE_PARTS_H
#define PYSTANDER_REPORT_CODE_PARTS_H

#include "report/report.h"

/* The next one of the search, counted; NULL: there is none any more, or the search failed. */
const pst_code *report_code_next(struct report_code *of_code);

/* What could not be read of a thread, or of one of its frames, is an error of this report: it may have run one of the
 * code objects that were looked for. */
bool report_code_needs_threads(const struct report *report);

/* A frame that runs a code object; of frames that follow each other in one thread and are at the same instruction (a
 * recursion), the innermost. */
struct code_place {
    pst_addr code;
    const pst_thread *thread;
    const pst_frame *frame;
    size_t order;   /* among all */
};

/* All of them, by address. */
struct code_places {
    struct code_place *items;
    size_t count;
};

/* Of no snapshot, or if memory runs out, there are none. */
struct code_places code_places_of(const pst_snapshot *snapshot);
/* Those of one code object, threads in the order of the snapshot; *count may be 0. */
const struct code_place *code_places_find(const struct code_places *places, pst_addr code, size_t *count);
void code_places_free(struct code_places *places);

#endif
