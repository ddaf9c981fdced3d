/* Compressed data, made by the libraries themselves: a member with a checksum. A mistake ends the test program. */
#ifndef PYSTANDER_TESTS_COMPRESSED_H
#define PYSTANDER_TESTS_COMPRESSED_H

#include "base/text.h"

enum compressed_format { COMPRESSED_GZIP, COMPRESSED_ZSTD, COMPRESSED_XZ, COMPRESSED_LZ4, COMPRESSED_FORMATS };

/* The caller's to free. */
struct text compressed_make(enum compressed_format format, const void *bytes, size_t size);

#endif
