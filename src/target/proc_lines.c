#include "target/proc_lines.h"

#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int proc_lines_open(int directory, const char *path, struct proc_lines *lines)
{
    *lines = (struct proc_lines){ .fd = openat(directory, path, O_RDONLY | O_CLOEXEC),
                                  .deadline_ns = process_now_ns() + PROC_LINES_MAX_NS };
    if (lines->fd < 0)
        return errno;
    lines->bytes = malloc(PROC_LINES_PIECE_SIZE);
    if (lines->bytes)
        return 0;
    close(lines->fd);
    return ENOMEM;
}

/* Moves what is left to the front and reads on behind it. */
static void read_on(struct proc_lines *lines)
{
    lines->end -= lines->at;
    memmove(lines->bytes, lines->bytes + lines->at, lines->end);
    lines->at = 0;
    if (lines->size >= PROC_LINES_MAX_SIZE || process_now_ns() > lines->deadline_ns) {
        lines->cut = lines->ended = true;
        return;
    }
    ssize_t got;
    do
        got = read(lines->fd, lines->bytes + lines->end, PROC_LINES_PIECE_SIZE - lines->end);
    while (got < 0 && errno == EINTR);
    lines->cut = got < 0;
    lines->ended = got <= 0;
    if (got > 0) {
        lines->end += (size_t)got;
        lines->size += (uint64_t)got;
    }
}

char *proc_lines_next(struct proc_lines *lines)
{
    bool too_long = false;
    for (;;) {
        char *line = lines->bytes + lines->at;
        char *stop = memchr(line, '\n', lines->end - lines->at);
        if (stop) {
            *stop = '\0';
            lines->at = (size_t)(stop + 1 - lines->bytes);
            if (!too_long)
                return line;
            too_long = false;
            continue;
        }
        if (lines->ended)
            return NULL;
        if (lines->end - lines->at == PROC_LINES_PIECE_SIZE) {
            too_long = true;
            lines->at = lines->end;
        }
        read_on(lines);
    }
}

void proc_lines_close(struct proc_lines *lines)
{
    close(lines->fd);
    free(lines->bytes);
}
