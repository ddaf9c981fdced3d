/*
 * The folder that `handle` keeps its reports in: root's alone, with a limit on what lies there.
 *
 * The files of one crash are called STEM.txt, STEM.json, STEM.small.core and STEM.core, with a stem of TIME-PID-NAME.
 * Whatever else is in the folder is none of our business: it is not counted, and never removed.
 */
#ifndef PYSTANDER_CLI_SPOOL_H
#define PYSTANDER_CLI_SPOOL_H

#include "base/error.h"

#include <limits.h>

enum {
    SPOOL_MAX_ENTRIES = 1 << 17, /* files in the folder that are looked at */
    SPOOL_STALE_AGE = 3600,      /* s: a file that was never finished in so long has nobody who writes it */
};

struct spool {
    const char *path;
    int fd;                    /* -1: not open */
    uint64_t max_size;         /* bytes on disk, of all crashes together */
    size_t max_count;          /* crashes */
    char stem[NAME_MAX - 16];  /* of this crash */
};

/* Opens the folder; makes it, for its owner alone, if it is missing. One that others could write into is refused. */
MUST_USE pst_error *spool_open(struct spool *spool, const char *path);
void spool_close(struct spool *spool);

/* Sets the stem; `name` is the program's, and may be anything. */
void spool_set_stem(struct spool *spool, int64_t time, pid_t pid, const char *name);

/* One crash at a time adds its files and removes those of others; false: `timeout_ms` have passed. */
bool spool_lock(struct spool *spool, unsigned timeout_ms);
void spool_unlock(struct spool *spool);

/* A new file that is not seen yet, readable by its owner alone, to be finished or dropped. -1 and errno. */
int spool_create(const struct spool *spool, const char *extension);
MUST_USE pst_error *spool_finish(const struct spool *spool, const char *extension);
void spool_drop(const struct spool *spool, const char *extension);

/* Writes a whole file. If the disk is full, other crashes make room, the oldest first, for about twice its size and no
 * more: whoever fills the disk must not be rid of all of them by that. Called with the lock. */
MUST_USE pst_error *spool_write(const struct spool *spool, const char *extension, const uint8_t *bytes, size_t size);

/* Removes the oldest crashes until the limits hold; this one stays. Called with the lock. */
MUST_USE pst_error *spool_trim(const struct spool *spool);

#endif
