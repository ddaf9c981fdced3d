/*
 * Places in the writable data of an image that look like an interpreter's, for an image without a symbol or
 * section to tell. Whether they are is for the decoders to find out.
 */
#ifndef PYSTANDER_LAYOUT_SUSPECT_H
#define PYSTANDER_LAYOUT_SUSPECT_H

#include "image/dynamic.h"
#include "target/target.h"

enum {
    SUSPECT_MAX = 32,
    SUSPECT_MAX_IMAGE = 16 << 20, /* bytes that are searched in one image; a CPython has some 2 MB of such data */
    SUSPECT_MAX_SCAN = 32 << 20,  /* and in all of them */
    SUSPECT_MAX_PROBES = 1 << 14, /* pointers that are followed: each may take reading a page */
    SUSPECT_MAX_INTERPRETERS = 1 << 20,
};

enum suspect_kind {
    SUSPECT_RUNTIME,      /* 3.13+: _PyRuntime, which begins with a cookie. One is enough */
    SUSPECT_INTERPRETERS, /* 3.7 to 3.12: interpreters.head of _PyRuntime, after a lock, before .main and .next_id */
    SUSPECT_INTERP_HEAD,  /* to 3.6: the variable interp_head, or another that points to an interpreter */
};

struct suspect {
    enum suspect_kind kind;
    pst_addr address;
    const struct segment *file; /* the first of the image's */
};

struct suspects {
    struct suspect list[SUSPECT_MAX];
    size_t count;
    uint64_t scanned;
    size_t probed;
};

/* Adds what there is in the image whose first segment is `file`. What can't be read has none.
 * true: a SUSPECT_RUNTIME was found, and is the last of the list. */
bool suspects_search(struct pst_target *target, const struct image *image, const struct segment *file,
                     struct suspects *suspects);

#endif
