/*
 * Layouts that were derived from debug information, kept by the image's build-id, for deriving takes a second or so:
 * ${XDG_CACHE_HOME:-$HOME/.cache}/pystander/layouts/BUILDID.layout.
 *
 * Only what this user wrote, and nobody else could have written, is read. Nothing here ever fails a run: a cache
 * that can't be used is none.
 */
#ifndef PYSTANDER_LAYOUT_CACHE_H
#define PYSTANDER_LAYOUT_CACHE_H

#include "image/debug_link.h"
#include "layout/layout.h"

enum { CACHE_MAX_SIZE = 256 << 10 /* bytes of one file; a layout has 20 KB */ };

/* layout->name stays to be set. */
bool layout_cache_load(const struct build_id *id, struct layout *layout);
void layout_cache_store(const struct build_id *id, const struct layout *layout);

#endif
