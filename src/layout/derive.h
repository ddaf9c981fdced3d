/* A layout out of debug information, and a layout as text. */
#ifndef PYSTANDER_LAYOUT_DERIVE_H
#define PYSTANDER_LAYOUT_DERIVE_H

#include "base/text.h"
#include "layout/layout.h"

/* Fills `layout` from the debug information of the ELF file `fd` (`supplement`: see image/dwarf.h, or -1).
 * The version is not in there: `major` and `minor` are the caller's knowledge. The flavour is told from the
 * object header (free-threaded, trace-refs) with one exception: Py_DEBUG alone does not show, so that pass
 * FLAVOUR_COUNT to have it told, or a flavour to insist. `name` is the file's, for messages and
 * layout->name. *found is false when the debug information knows nothing of CPython's (a launcher's, a
 * stripped file's); nothing is wrong then. Debug information that is damaged in part is an error, with
 * *found as it turned out and the layout filled as far as could be. */
MUST_USE pst_error *layout_derive(int fd, int supplement, const char *name, int major, int minor,
                                  enum flavour flavour, struct layout *layout, bool *found);

/* The text form, one column; `source` says what it was made from. */
void layout_write(const struct layout *layout, const char *source, struct text *text);

/* One place as it stands in a table: "48", "32.2+3", "48:8" if its size is not `size`, "-". */
void layout_write_place(const struct place *place, unsigned size, struct text *text);

#endif
