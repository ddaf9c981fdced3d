/* The text of /proc/PID/maps, taken apart. */
#ifndef PYSTANDER_TARGET_MAPS_H
#define PYSTANDER_TARGET_MAPS_H

#include "target/target.h"

/*
 * Makes segments out of `text` (`size` bytes, and one more that may be written). They are the caller's to
 * free; their paths point into `text`, which is changed: names are ended by a NUL, the kernel's escape for a
 * line end is undone, " (deleted)" is taken off into the flag. Names in brackets ("[heap]", "[vdso]") are
 * the kernel's.
 *
 * `root` is how the target's root directory is named in there: it is taken off the front of every path. NULL
 * or "/": nothing is.
 *
 * Lines that make no sense, or that overlap the one before (a mapping that moved as the kernel wrote), are
 * left out.
 */
MUST_USE pst_error *maps_parse(char *text, size_t size, const char *root, struct segment **segments,
                               size_t *count);

/* Takes `root` off the front of `path`, which is an absolute path below it; else returns `path`. */
const char *maps_strip_root(const char *path, const char *root);

/* Takes " (deleted)" off the end of `path`; true if it was there. */
bool maps_strip_deleted(char *path);

#endif
