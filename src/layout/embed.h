/* The text of layouts/X.Y.layout, as it is in this library. */
#ifndef PYSTANDER_LAYOUT_EMBED_H
#define PYSTANDER_LAYOUT_EMBED_H

#include <stddef.h>

struct embedded_table {
    int major, minor;
    const char *text, *end;   /* not NUL-terminated */
};

extern const struct embedded_table embedded_tables[];
extern const size_t embedded_table_count;

#endif
