#include "compressed.h"

#include <lz4frame.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static void need(bool holds)
{
    if (holds)
        return;
    fprintf(stderr, "the test's data could not be compressed\n");
    exit(1);
}

static size_t make_gzip(const void *bytes, size_t size, void *room, size_t capacity)
{
    z_stream stream = {0};
    need(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size;
    stream.next_out = room;
    stream.avail_out = (uInt)capacity;
    need(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    need(deflateEnd(&stream) == Z_OK);
    return capacity - stream.avail_out;
}

static size_t make_zstd(const void *bytes, size_t size, void *room, size_t capacity)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    need(context);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t result = ZSTD_compress2(context, room, capacity, bytes, size);
    need(!ZSTD_isError(result));
    ZSTD_freeCCtx(context);
    return result;
}

static size_t make_xz(const void *bytes, size_t size, void *room, size_t capacity)
{
    size_t at = 0;
    need(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, bytes, size, room, &at, capacity) == LZMA_OK);
    return at;
}

static size_t make_lz4(const void *bytes, size_t size, void *room, size_t capacity)
{
    const LZ4F_preferences_t preferences = { .frameInfo = { .contentChecksumFlag = LZ4F_contentChecksumEnabled } };
    size_t result = LZ4F_compressFrame(room, capacity, bytes, size, &preferences);
    need(!LZ4F_isError(result));
    return result;
}

struct text compressed_make(enum compressed_format format, const void *bytes, size_t size)
{
    static size_t (*const makers[COMPRESSED_FORMATS])(const void *, size_t, void *, size_t) = {
        [COMPRESSED_GZIP] = make_gzip, [COMPRESSED_ZSTD] = make_zstd, [COMPRESSED_XZ] = make_xz,
        [COMPRESSED_LZ4] = make_lz4,
    };
    struct text text = {0};
    size_t capacity = size + size / 2 + 4096;
    char *room = text_reserve(&text, capacity);
    need(room);
    text_commit(&text, room + makers[format](bytes, size, room, capacity));
    return text;
}
