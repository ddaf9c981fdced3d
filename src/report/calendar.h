/* Moments as people write them, without asking this machine for its time zone. */
#ifndef PYSTANDER_REPORT_CALENDAR_H
#define PYSTANDER_REPORT_CALENDAR_H

#include "base/text.h"

/* Whether a moment, in seconds since 1970, has a year of four digits. */
bool calendar_has(int64_t seconds);
/* "2026-11-26", `between`, "12:00:03", `after`: as RFC 3339 has it with "T" and "Z". */
void calendar_add(struct text *text, int64_t seconds, const char *between, const char *after);

#endif
