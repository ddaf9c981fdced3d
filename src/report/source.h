/*
 * Source lines for a report. A line is asked for once per frame, and frames repeat: in deep recursion, in
 * pools of idle threads. And files whose lines are not to be trusted are remembered, to be named once.
 */
#ifndef PYSTANDER_REPORT_SOURCE_H
#define PYSTANDER_REPORT_SOURCE_H

#include "pystander/pystander.h"

#define SOURCE_SLOTS 64

struct source_slot {
    pst_text file;
    int line;
    pst_text text;
};

struct source {
    pst_target *target;   /* NULL: no source is wanted */
    struct source_slot slots[SOURCE_SLOTS];
    /* Files that changed after the process had started; borrowed from the snapshot. */
    pst_text *changed;
    size_t changed_count, changed_capacity;
};

/* data == NULL: there is none. */
pst_text source_get_line(struct source *source, pst_text file, int line);
void source_free(struct source *source);

#endif
