/* How many columns of a terminal a character takes. */
#ifndef PYSTANDER_REPORT_WIDTH_H
#define PYSTANDER_REPORT_WIDTH_H

#include <stdint.h>

/* 0 (combining), 1 or 2 (East Asian wide, emoji) columns. Of a printable character: what is printed of a
 * control character is its escape (escape.h), not the character. */
unsigned width_of(uint32_t point);

#endif
