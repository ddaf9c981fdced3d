/*
 * An ELF file as if it were loaded: a target whose memory is the file's PT_LOADs, relocated but never run. What
 * finds and checks an interpreter in a process does so in its file, too.
 */
#ifndef PYSTANDER_IMAGE_FILE_TARGET_H
#define PYSTANDER_IMAGE_FILE_TARGET_H

#include "target/target.h"

enum {
    FILE_TARGET_MAX_SEGMENTS = 64,
    FILE_TARGET_MAX_MEMORY = 512 << 20, /* bytes from the first PT_LOAD to the end of the last */
};

/* `path` is the target's executable and its only file. On success *target is closed by pst_target_close(). */
MUST_USE pst_error *file_target_open(const char *path, struct pst_target **target);

/* The file that `path`'s .gnu_debugaltlink names (dwz), for the caller to close; -1 if there is none. */
int file_open_supplement(const char *path);

#endif
