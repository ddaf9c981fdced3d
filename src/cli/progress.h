/* How far the opening of a core is that takes its time: one line on standard error, rewritten in place. */
#ifndef PYSTANDER_CLI_PROGRESS_H
#define PYSTANDER_CLI_PROGRESS_H

#include "pystander/pystander.h"

#include <time.h>

struct progress {
    const char *path;
    struct timespec started, shown;
    size_t width;           /* of what stands there now, 0: nothing */
};

/* Makes `options` call it, if standard error is a terminal. */
void progress_begin(struct progress *progress, const char *path, pst_target_options *options);
/* Takes the line away again. */
void progress_end(struct progress *progress);

#endif
