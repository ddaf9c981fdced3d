/*
 * Which layout holds for an interpreter. In this order, the first that applies:
 *
 *   1. a layout file of the user's (--layout);
 *   2. the built-in table of the version that the user insists on (--assume-version);
 *   3. the built-in table of the interpreter's own version, if that is a final release;
 *   4. the debug information of the very image that holds the interpreter: in its file, or apart from it under
 *      the same build-id (image/debug_file.h); once derived, out of the cache (layout/cache.h).
 *
 * An unknown version or a pre-release is otherwise refused by name: a guess would print wrong data.
 * Whatever it was, 3.13+ state some offsets in the target itself (_Py_DebugOffsets), and these win.
 */
#ifndef PYSTANDER_LAYOUT_SETTLE_H
#define PYSTANDER_LAYOUT_SETTLE_H

#include "layout/layout.h"
#include "layout/locate.h"
#include "layout/version.h"

/* `sources` has an entry for every enum layout_source: true, if some offset rests on it or was confirmed by
 * it. What the target contradicts is added to target->errors. version->major and minor become the layout's
 * where the user insists on them. */
MUST_USE pst_error *layout_settle(struct pst_target *target, const struct location *location,
                                  struct version *version, struct layout *layout, bool *sources);

#endif
