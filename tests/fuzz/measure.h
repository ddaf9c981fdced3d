/* What the code under test takes of memory: the heap of all libraries, and the library's own mmap()s. */
#ifndef FUZZ_MEASURE_H
#define FUZZ_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

struct measure {
    size_t now, peak;   /* bytes */
    size_t largest;     /* of one allocation */
};

/* Built with the address sanitizer. */
bool measure_is_sanitized(void);
/* Before anything is allocated. */
void measure_start(void);
/* From here on: what is allocated now counts for the peak. */
void measure_reset(void);
struct measure measure_get(void);

#endif
