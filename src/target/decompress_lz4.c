#include "target/decompress.h"

#include <lz4frame.h>
#include <stdlib.h>

struct lz4 {
    LZ4F_dctx *context;
    size_t wanted;      /* input, up to the next block's end */
};

static void *lz4_open(void)
{
    struct lz4 *lz4 = calloc(1, sizeof *lz4);
    if (lz4 && LZ4F_isError(LZ4F_createDecompressionContext(&lz4->context, LZ4F_VERSION))) {
        free(lz4);
        return NULL;
    }
    return lz4;
}

static enum decompress_status lz4_begin(void *state)
{
    struct lz4 *lz4 = state;
    lz4->wanted = 1;
    LZ4F_resetDecompressionContext(lz4->context);
    return DECOMPRESS_GOES_ON;
}

/* Block by block: where one is damaged, all of a call's output is lost. */
static enum decompress_status lz4_step(void *state, struct decompress_buffers *buffers, const char **detail)
{
    struct lz4 *lz4 = state;
    size_t in_size = buffers->in_size < lz4->wanted ? buffers->in_size : lz4->wanted, out_size = buffers->out_size;
    size_t result = LZ4F_decompress(lz4->context, buffers->out, &out_size, buffers->in, &in_size, NULL);
    if (LZ4F_isError(result)) {
        *detail = LZ4F_getErrorName(result);
        return DECOMPRESS_DAMAGED;
    }
    buffers->in += in_size;
    buffers->in_size -= in_size;
    buffers->out += out_size;
    buffers->out_size -= out_size;
    lz4->wanted = result;
    return result ? DECOMPRESS_GOES_ON : DECOMPRESS_END;
}

static void lz4_close(void *state)
{
    struct lz4 *lz4 = state;
    LZ4F_freeDecompressionContext(lz4->context);
    free(lz4);
}

const struct decompress_format decompress_lz4 = {
    .name = "lz4", .magic = { 0x04, 0x22, 0x4d, 0x18 }, .magic_size = 4, .has_skippable = true,
    .open = lz4_open, .begin = lz4_begin, .step = lz4_step, .close = lz4_close,
};
