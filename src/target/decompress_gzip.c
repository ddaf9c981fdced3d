#include "target/decompress.h"

#include <stdlib.h>
#include <zlib.h>

/* The largest window there is, and no format but gzip's. */
enum { WINDOW_BITS = 15 + 16 };

static void *gzip_open(void)
{
    z_stream *stream = calloc(1, sizeof *stream);
    if (stream && inflateInit2(stream, WINDOW_BITS) != Z_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

static enum decompress_status gzip_begin(void *state)
{
    return inflateReset(state) == Z_OK ? DECOMPRESS_GOES_ON : DECOMPRESS_DAMAGED;
}

static enum decompress_status gzip_step(void *state, struct decompress_buffers *buffers, const char **detail)
{
    z_stream *stream = state;
    uInt in_size = buffers->in_size < UINT32_MAX ? (uInt)buffers->in_size : UINT32_MAX;
    uInt out_size = buffers->out_size < UINT32_MAX ? (uInt)buffers->out_size : UINT32_MAX;
    stream->next_in = (Bytef *)(uintptr_t)buffers->in;  /* it is not written */
    stream->avail_in = in_size;
    stream->next_out = buffers->out;
    stream->avail_out = out_size;
    int status = inflate(stream, Z_NO_FLUSH);
    buffers->in += in_size - stream->avail_in;
    buffers->in_size -= in_size - stream->avail_in;
    buffers->out += out_size - stream->avail_out;
    buffers->out_size -= out_size - stream->avail_out;
    switch (status) {
    case Z_OK:
    case Z_BUF_ERROR: return DECOMPRESS_GOES_ON;
    case Z_STREAM_END: return DECOMPRESS_END;
    case Z_MEM_ERROR: return DECOMPRESS_NO_MEMORY;
    default: *detail = stream->msg; return DECOMPRESS_DAMAGED;
    }
}

static void gzip_close(void *state)
{
    inflateEnd(state);
    free(state);
}

const struct decompress_format decompress_gzip = {
    .name = "gzip", .magic = { 0x1f, 0x8b }, .magic_size = 2,
    .open = gzip_open, .begin = gzip_begin, .step = gzip_step, .close = gzip_close,
};
