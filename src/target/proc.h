/* Reading the files of /proc/PID, all of them below one O_PATH directory that can only ever be one process. */
#ifndef PYSTANDER_TARGET_PROC_H
#define PYSTANDER_TARGET_PROC_H

#include "base/error.h"

/* What is wanted of /proc/PID/stat. */
struct proc_stat {
    char name[17]; /* "comm", cut at 16 bytes */
    char state;    /* 'R', 'S', 'D', 'T', 't', 'Z' … */
    pid_t parent;
    bool kernel_thread;
    bool forked;   /* and runs no program of its own since: what its parent was */
    uint64_t start_ticks; /* since boot */
    uint64_t stack_start; /* changes with every execve; 0 or 1: not shown */
};

/* false: it is no such text. `text` need not end in a NUL. The name may hold anything, ')' and line ends too. */
bool proc_stat_parse(const char *text, size_t size, struct proc_stat *stat);

/* Reads /proc/…/stat at `path` below `directory`; returns 0 or an errno. */
int proc_read_stat(int directory, const char *path, struct proc_stat *stat);

/* Reads what one read() gives of a file, which /proc makes as it is asked, and puts a NUL behind it: at most `size` - 1
 * bytes. Returns 0 or an errno. */
int proc_read_text(int directory, const char *path, char *text, size_t size, size_t *got);

/* Reads a file whole, up to `limit` bytes, and puts a NUL behind it; *data is the caller's to free. Returns 0
 * or an errno. */
int proc_read_file(int directory, const char *path, size_t limit, char **data, size_t *size);

/* Reads a link, whatever its length; *link is the caller's to free. Returns 0 or an errno. */
int proc_read_link(int directory, const char *path, char **link);

/* The first line's numbers of a field of /proc/…/status ("NSpid:"): at most `max`; returns how many there are. */
size_t proc_status_numbers(const char *status, const char *field, unsigned base, uint64_t *numbers,
                           size_t max);

#endif
