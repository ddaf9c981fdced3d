/*
 * Which CPython it is: version and build flavour, from its memory and symbols alone.
 *
 * 3.11+ export Py_Version; 3.13+ state it in _Py_DebugOffsets as well. Before, the minor version shows in
 * which functions are exported, and the exact one in sys.hexversion, which the decoders read later. Without any
 * symbols, or where a core lacks them, they find out all of it (python/interpreter_search.c).
 */
#ifndef PYSTANDER_LAYOUT_VERSION_H
#define PYSTANDER_LAYOUT_VERSION_H

#include "layout/layout.h"
#include "layout/locate.h"

struct version {
    int major, minor;      /* 0, 0: not known */
    uint32_t hexversion;   /* sys.hexversion; 0: only major and minor are known yet */
    enum flavour flavour;
    bool free_threaded, debug;
};

void version_detect(struct pst_target *target, const struct location *location, struct version *version);

/* "3.15.0rc1"; "3.9" if no more is known. */
void version_format(const struct version *version, char *text, size_t size);

/* Alpha, beta or release candidate: its layout may differ from the final one's. */
bool version_is_prerelease(uint32_t hexversion);

#endif
