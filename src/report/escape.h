/*
 * What is printed of a target, made harmless: no byte of the target's own choosing can move the cursor,
 * change a terminal's state, reorder what is shown, or break a JSON text. docs/text.md states the forms.
 */
#ifndef PYSTANDER_REPORT_ESCAPE_H
#define PYSTANDER_REPORT_ESCAPE_H

#include "base/text.h"
#include "pystander/pystander.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a backslash and a double quote are shown. In a name they are escaped, so that the form is unambiguous;
 * a source line shows them as they are, for it is full of them. */
enum escape_style {
    ESCAPE_PLAIN,    /* `\` and `"` as they are: source lines, messages */
    ESCAPE_NAME,     /* `\` as `\\` */
    ESCAPE_QUOTED,   /* and `"` as `\"` */
};

/* true: never shown as it is (controls, line and paragraph separators, bidirectional controls, surrogates). */
bool escape_needed(uint32_t point);

/* Adds one character, escaped if need be, from the front of `size` > 0 bytes. Returns how many bytes were
 * taken and how many columns it fills in *width. `text` may be NULL, to measure. */
size_t escape_point(struct text *text, const char *bytes, size_t size, enum escape_style style,
                    unsigned *width);

/* Adds all of `string` for a terminal. Returns the columns that it fills. */
size_t escape_text(struct text *text, pst_text string, enum escape_style style);

/* Adds `string` as a JSON string with its quotes; null if there is none. What is not valid UTF-8 becomes a
 * \uXXXX escape: a lone surrogate itself, a wrong byte 0xNN the surrogate 0xdcNN (PEP 383). */
void escape_json(struct text *text, pst_text string);
void escape_json_string(struct text *text, const char *string);

#endif
