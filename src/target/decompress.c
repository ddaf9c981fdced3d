/* The row of members that a compressed file is. */
#include "target/decompress.h"

#include "base/bytes.h"

#include <string.h>

enum { SKIPPABLE_MAGIC_SIZE = 4, SKIPPABLE_HEAD_SIZE = 8 /* magic, size */ };

static const struct decompress_format *const formats[] = {
    &decompress_gzip, &decompress_zstd, &decompress_xz, &decompress_lz4,
};

/* ---- first bytes ----------------------------------------------------------------------------------- */

enum match { MATCH_NO, MATCH_SO_FAR, MATCH_FULL };

static enum match match_format(const struct decompress_format *format, const uint8_t *bytes, size_t size)
{
    size_t common = size < format->magic_size ? size : format->magic_size;
    if (common && memcmp(bytes, format->magic, common) != 0)
        return MATCH_NO;
    return common == format->magic_size ? MATCH_FULL : MATCH_SO_FAR;
}

/* Of zstd and lz4, and the same in both: 0x184D2A50 to 0x184D2A5F. */
static enum match match_skippable(const uint8_t *bytes, size_t size)
{
    static const uint8_t magic[SKIPPABLE_MAGIC_SIZE] = { 0x50, 0x2a, 0x4d, 0x18 };
    for (size_t i = 0; i < size && i < SKIPPABLE_MAGIC_SIZE; i++)
        if ((i == 0 ? bytes[i] & 0xf0 : bytes[i]) != magic[i])
            return MATCH_NO;
    return size >= SKIPPABLE_MAGIC_SIZE ? MATCH_FULL : MATCH_SO_FAR;
}

bool decompress_recognizes(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (match_format(formats[i], bytes, size) == MATCH_FULL)
            return true;
    return match_skippable(bytes, size) == MATCH_FULL;
}

/* ---- between members ------------------------------------------------------------------------------- */

/* Begins the member whose magic is in decompression->head. All of one file are of one format. */
static enum decompress_status begin_member(struct decompression *decompression, const struct decompress_format *format)
{
    if (!decompression->state)
        decompression->state = format->open();
    if (!decompression->state)
        return DECOMPRESS_NO_MEMORY;
    decompression->format = format;
    decompression->in_member = true;
    decompression->head_used = 0;
    return format->begin(decompression->state);
}

/* What is in decompression->head may become more than one thing while it is short. */
static enum decompress_status judge_head(struct decompression *decompression)
{
    const struct decompress_format *only = decompression->format;
    bool undecided = false;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (only && formats[i] != only)
            continue;
        enum match match = match_format(formats[i], decompression->head, decompression->head_size);
        if (match == MATCH_FULL)
            return begin_member(decompression, formats[i]);
        undecided |= match == MATCH_SO_FAR;
    }
    enum match match = only && !only->has_skippable ? MATCH_NO
                                                    : match_skippable(decompression->head, decompression->head_size);
    if (match == MATCH_FULL && decompression->head_size == SKIPPABLE_HEAD_SIZE) {
        decompression->skip_size = bytes_unsigned(decompression->head + SKIPPABLE_MAGIC_SIZE, 4);
        decompression->head_size = 0;
        return DECOMPRESS_GOES_ON;
    }
    return undecided || match != MATCH_NO ? DECOMPRESS_GOES_ON : DECOMPRESS_FOLLOWED;
}

static void take(struct decompress_buffers *buffers, size_t size)
{
    buffers->in += size;
    buffers->in_size -= size;
}

/* Up to the begin of a member, or the end of the input that there is. */
static enum decompress_status find_member(struct decompression *decompression, struct decompress_buffers *buffers)
{
    enum decompress_status status = DECOMPRESS_GOES_ON;
    while (buffers->in_size && !decompression->in_member && status == DECOMPRESS_GOES_ON) {
        if (decompression->skip_size) {
            uint64_t left = decompression->skip_size;
            size_t skipped = left < buffers->in_size ? (size_t)left : buffers->in_size;
            take(buffers, skipped);
            decompression->skip_size -= skipped;
        } else if (decompression->format && decompression->head_size == 0 && *buffers->in == 0) {
            take(buffers, 1);   /* of tapes, and xz's own padding */
        } else {
            decompression->head[decompression->head_size++] = *buffers->in;
            take(buffers, 1);
            status = judge_head(decompression);
        }
    }
    return status;
}

/* ---- in a member ----------------------------------------------------------------------------------- */

/* The bytes of its magic come out of decompression->head. */
static enum decompress_status step_in_member(struct decompression *decompression, struct decompress_buffers *buffers)
{
    const struct decompress_format *format = decompression->format;
    size_t head_left = decompression->head_size - decompression->head_used;
    enum decompress_status status;
    if (head_left) {
        struct decompress_buffers head = *buffers;
        head.in = decompression->head + decompression->head_used;
        head.in_size = head_left;
        status = format->step(decompression->state, &head, &decompression->detail);
        decompression->head_used = decompression->head_size - head.in_size;
        buffers->out = head.out;
        buffers->out_size = head.out_size;
    } else {
        status = format->step(decompression->state, buffers, &decompression->detail);
    }
    if (status == DECOMPRESS_END) {
        decompression->in_member = false;
        decompression->head_size = 0;
        return DECOMPRESS_GOES_ON;
    }
    return status;
}

enum decompress_status decompression_step(struct decompression *decompression, struct decompress_buffers *buffers,
                                          bool at_end)
{
    for (;;) {
        enum decompress_status status = find_member(decompression, buffers);
        if (status != DECOMPRESS_GOES_ON)
            return status;
        if (!decompression->in_member) {
            if (!at_end)
                return DECOMPRESS_GOES_ON;
            return decompression->head_size || decompression->skip_size ? DECOMPRESS_CUT : DECOMPRESS_END;
        }
        size_t in_size = buffers->in_size, out_size = buffers->out_size, head_used = decompression->head_used;
        status = step_in_member(decompression, buffers);
        if (status != DECOMPRESS_GOES_ON)
            return status;
        if (!decompression->in_member || decompression->head_used != head_used)
            continue;
        if (buffers->out_size == 0)
            return DECOMPRESS_GOES_ON;
        /* What gets no further with room and all of the input never will. */
        if (buffers->in_size == in_size && buffers->out_size == out_size)
            return in_size ? DECOMPRESS_DAMAGED : at_end ? DECOMPRESS_CUT : DECOMPRESS_GOES_ON;
    }
}

const char *decompression_name(const struct decompression *decompression)
{
    return decompression->format ? decompression->format->name : "zstd or lz4"; /* only frames to be skipped */
}

void decompression_end(struct decompression *decompression)
{
    if (decompression->state)
        decompression->format->close(decompression->state);
    decompression->state = NULL;
}
