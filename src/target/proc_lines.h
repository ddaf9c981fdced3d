/*
 * Long files of /proc, a line at a time: tables of the whole machine's sockets, locks, mounts. How many lines they have
 * is for others to say, so that there is a limit in bytes and one in time.
 */
#ifndef PYSTANDER_TARGET_PROC_LINES_H
#define PYSTANDER_TARGET_PROC_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROC_LINES_MAX_SIZE = 16 << 20,        /* bytes of one file: 100,000 sockets */
    PROC_LINES_MAX_NS = 200 * 1000 * 1000, /* for one file */
    PROC_LINES_PIECE_SIZE = 64 << 10,      /* a longer line is left out */
};

struct proc_lines {
    int fd;
    bool cut;       /* a limit was reached, or it could not be read on: there are more */
    bool ended;
    char *bytes;    /* a piece of the file, */
    size_t at, end; /* of which this is still to come */
    uint64_t size, deadline_ns;
};

/* Returns 0 or an errno; nothing is to be closed then. */
int proc_lines_open(int directory, const char *path, struct proc_lines *lines);
/* The next one, with a NUL in the place of its end; it may hold others. NULL: there is none any more. */
char *proc_lines_next(struct proc_lines *lines);
void proc_lines_close(struct proc_lines *lines);

#endif
