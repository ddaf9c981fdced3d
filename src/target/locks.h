/* The locks of files, as /proc/locks lists them: proc_locks(5). */
#ifndef PYSTANDER_TARGET_LOCKS_H
#define PYSTANDER_TARGET_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lock_kind {
    LOCK_OTHER,  /* a lease, … */
    LOCK_FLOCK,  /* flock() */
    LOCK_POSIX,  /* fcntl(F_SETLK), lockf() */
    LOCK_OFD,    /* fcntl(F_OFD_SETLK) */
};

struct lock {
    uint64_t number;  /* of a lock and all that wait for it */
    enum lock_kind kind;
    bool waits;       /* for the lock of this number */
    int64_t pid;      /* who made it, as numbered where /proc is mounted; -1: not told */
    unsigned major, minor; /* of the file system */
    uint64_t inode;
};

struct lock_table {
    bool is_read, cut;   /* cut: it has more */
    struct lock *locks;
    size_t count, capacity;
};

/* Reads /proc/locks, if that was not done yet. Returns 0 or an errno. */
int lock_table_read(struct lock_table *table);
void lock_table_free(struct lock_table *table);

/* A line of /proc/locks, or what follows "lock:" in fdinfo. false: it makes no sense. */
bool lock_parse(const char *line, struct lock *lock);

#endif
