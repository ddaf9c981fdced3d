#include "target/decompress.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct zstd {
    ZSTD_DCtx *context;
    size_t wanted;      /* input, up to the next block's end */
};

static void zstd_close(void *state)
{
    struct zstd *zstd = state;
    ZSTD_freeDCtx(zstd->context);
    free(zstd);
}

static void *zstd_open(void)
{
    struct zstd *zstd = calloc(1, sizeof *zstd);
    if (!zstd)
        return NULL;
    zstd->context = ZSTD_createDCtx();
    if (!zstd->context ||
        ZSTD_isError(ZSTD_DCtx_setParameter(zstd->context, ZSTD_d_windowLogMax, DECOMPRESS_MAX_WINDOW_LOG))) {
        zstd_close(zstd);
        return NULL;
    }
    return zstd;
}

static enum decompress_status zstd_begin(void *state)
{
    struct zstd *zstd = state;
    zstd->wanted = 1;
    return ZSTD_isError(ZSTD_DCtx_reset(zstd->context, ZSTD_reset_session_only)) ? DECOMPRESS_DAMAGED
                                                                                : DECOMPRESS_GOES_ON;
}

static enum decompress_status judge_error(size_t result, const char **detail)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_frameParameter_windowTooLarge: return DECOMPRESS_TOO_LARGE;
    case ZSTD_error_memory_allocation: return DECOMPRESS_NO_MEMORY;
    default: *detail = ZSTD_getErrorName(result); return DECOMPRESS_DAMAGED;
    }
}

/* Block by block: where one is damaged, all of a call's output is lost. */
static enum decompress_status zstd_step(void *state, struct decompress_buffers *buffers, const char **detail)
{
    struct zstd *zstd = state;
    ZSTD_inBuffer in = { buffers->in, buffers->in_size < zstd->wanted ? buffers->in_size : zstd->wanted, 0 };
    ZSTD_outBuffer out = { buffers->out, buffers->out_size, 0 };
    size_t result = ZSTD_decompressStream(zstd->context, &out, &in);
    if (ZSTD_isError(result))
        return judge_error(result, detail);
    buffers->in += in.pos;
    buffers->in_size -= in.pos;
    buffers->out += out.pos;
    buffers->out_size -= out.pos;
    zstd->wanted = result;
    return result ? DECOMPRESS_GOES_ON : DECOMPRESS_END;
}

const struct decompress_format decompress_zstd = {
    .name = "zstd", .magic = { 0x28, 0xb5, 0x2f, 0xfd }, .magic_size = 4, .has_skippable = true,
    .max_memory_mb = 1 << (DECOMPRESS_MAX_WINDOW_LOG - 20), .unlimited = "zstd --long=31",
    .open = zstd_open, .begin = zstd_begin, .step = zstd_step, .close = zstd_close,
};
