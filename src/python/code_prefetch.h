/*
 * What many code objects are made of, brought into the cache with as few reads as can be: decoding them one by one
 * would ask for it page by page. Nothing is decoded, and what can't be read shows when it is.
 */
#ifndef PYSTANDER_PYTHON_CODE_PREFETCH_H
#define PYSTANDER_PYTHON_CODE_PREFETCH_H

#include "python/code_head.h"

/* `head_only`: names, files and numbers will do. */
void codes_prefetch(const struct python *python, const struct code_head *heads, size_t count, bool head_only);

#endif
