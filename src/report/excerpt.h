/* A line of source, with carets under the part that is being executed. */
#ifndef PYSTANDER_REPORT_EXCERPT_H
#define PYSTANDER_REPORT_EXCERPT_H

#include "base/text.h"
#include "pystander/pystander.h"

/* Lines wider than this are shown in part, around what the carets mark. */
#define EXCERPT_WIDTH_MAX 400

/* Adds `line`, without the white space at its ends and after `indent` spaces. If the position's columns
 * (UTF-8 byte offsets into the line) mark a part of it, a second line has carets below that part. A position
 * that ends on a later line marks this one to its end, as CPython's traceback does. `before` and `after`
 * switch the carets' colour on and off. A blank line adds nothing. */
void excerpt_add(struct text *text, pst_text line, pst_position position, size_t indent, const char *before,
                 const char *after);

#endif
