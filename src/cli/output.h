/*
 * Where the report is written: standard output, or a file that appears only when it is complete.
 */
#ifndef PYSTANDER_CLI_OUTPUT_H
#define PYSTANDER_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct output {
    const char *path;      /* NULL: standard output */
    char *temporary;       /* what becomes `path` at the end, or NULL */
    char *destination;     /* what it is renamed to */
    int fd;                /* -1: not open yet */
    bool direct;           /* `path` is a device, a pipe: written as it is, never replaced */
    int error;             /* errno of the first failure */
};

/* Looks whether `path` (NULL: standard output) could be written; opens nothing yet. false: it said why. */
bool output_prepare(struct output *output, const char *path);

/* Opens it, for whoever writes to output->fd without output_write(). false: output->error says why not. */
bool output_open(struct output *output);

/* For struct report_sink. */
bool output_write(void *output, const char *data, size_t size);

/* Puts the file in its place, or removes what there is of it if a write failed or not `complete`. Says what
 * went wrong with a write, but nothing of a broken pipe. false: the report is not there. */
bool output_finish(struct output *output, bool complete);

/* Of a terminal: its columns (at least 1); otherwise 0. */
size_t output_get_width(const struct output *output);

#endif
