#include "target/decompress.h"

#include <lzma.h>
#include <stdlib.h>

static void *xz_open(void)
{
    return calloc(1, sizeof(lzma_stream));  /* which is LZMA_STREAM_INIT */
}

/* What was allocated for the stream before serves again. */
static enum decompress_status xz_begin(void *state)
{
    return lzma_stream_decoder(state, (uint64_t)DECOMPRESS_MAX_XZ_MB << 20, 0) == LZMA_OK ? DECOMPRESS_GOES_ON
                                                                                          : DECOMPRESS_NO_MEMORY;
}

static enum decompress_status judge(lzma_ret status, const char **detail)
{
    switch (status) {
    case LZMA_OK:
    case LZMA_BUF_ERROR: return DECOMPRESS_GOES_ON;
    case LZMA_STREAM_END: return DECOMPRESS_END;
    case LZMA_MEM_ERROR: return DECOMPRESS_NO_MEMORY;
    case LZMA_MEMLIMIT_ERROR: return DECOMPRESS_TOO_LARGE;
    case LZMA_OPTIONS_ERROR: *detail = "options that this version of liblzma does not know"; break;
    case LZMA_FORMAT_ERROR: *detail = "no stream header"; break;
    default: *detail = "corrupt data"; break;
    }
    return DECOMPRESS_DAMAGED;
}

static enum decompress_status xz_step(void *state, struct decompress_buffers *buffers, const char **detail)
{
    lzma_stream *stream = state;
    stream->next_in = buffers->in;
    stream->avail_in = buffers->in_size;
    stream->next_out = buffers->out;
    stream->avail_out = buffers->out_size;
    lzma_ret status = lzma_code(stream, LZMA_RUN);
    buffers->in = stream->next_in;
    buffers->in_size = stream->avail_in;
    buffers->out = stream->next_out;
    buffers->out_size = stream->avail_out;
    return judge(status, detail);
}

static void xz_close(void *state)
{
    lzma_end(state);
    free(state);
}

const struct decompress_format decompress_xz = {
    .name = "xz", .magic = { 0xfd, '7', 'z', 'X', 'Z', 0 }, .magic_size = 6,
    .max_memory_mb = DECOMPRESS_MAX_XZ_MB, .unlimited = "xz",
    .open = xz_open, .begin = xz_begin, .step = xz_step, .close = xz_close,
};
