/*
 * Decompression of what may be damaged, or made to do damage: gzip, zstd, xz and lz4, recognised by their first bytes.
 *
 * A compressed file is a row of members (gzip calls them so; xz: streams; zstd and lz4: frames), each of which can be
 * decompressed by itself. Between and behind them may be zeros, and of zstd and lz4 frames that are to be skipped.
 * What a member is decompressed to is handed out as it comes, before its checksum is known.
 */
#ifndef PYSTANDER_TARGET_DECOMPRESS_H
#define PYSTANDER_TARGET_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DECOMPRESS_MAGIC_SIZE = 6,          /* the longest of them */
    DECOMPRESS_MAX_WINDOW_LOG = 27,     /* zstd: 128 MB, all that its levels use without --long */
    DECOMPRESS_MAX_XZ_MB = 192,         /* xz -9 needs 65 */
};

enum decompress_status {
    DECOMPRESS_GOES_ON,     /* more input is wanted, or more room for output */
    DECOMPRESS_END,         /* of a member; of decompression_step(): of all of them */
    DECOMPRESS_CUT,         /* the input ends within a member */
    DECOMPRESS_DAMAGED,
    DECOMPRESS_FOLLOWED,    /* by something else: no member begins where one should */
    DECOMPRESS_TOO_LARGE,   /* more memory would be needed than the limits above */
    DECOMPRESS_NO_MEMORY,
};

/* What is left of the input, and of the room for output. */
struct decompress_buffers {
    const uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_size;
};

/* A format's reader: decompress_FORMAT.c. */
struct decompress_format {
    const char *name;       /* and its program's */
    uint8_t magic[DECOMPRESS_MAGIC_SIZE];
    size_t magic_size;
    bool has_skippable;     /* frames to be skipped, between its own */
    unsigned max_memory_mb; /* where it can ask for more; 0: it can't */
    const char *unlimited;  /* its program, and the option that lets it take more */
    void *(*open)(void);    /* NULL: out of memory */
    enum decompress_status (*begin)(void *state);   /* a member */
    /* Takes bytes and gives bytes. *detail: the library's word for what is wrong, if it has one. */
    enum decompress_status (*step)(void *state, struct decompress_buffers *buffers, const char **detail);
    void (*close)(void *state);
};

extern const struct decompress_format decompress_gzip, decompress_zstd, decompress_xz, decompress_lz4;

/* Is this how compressed data begin? */
bool decompress_recognizes(const uint8_t *bytes, size_t size);

/* A row of members; begins as zeros. */
struct decompression {
    const struct decompress_format *format;  /* NULL: no member was met */
    void *state;
    bool in_member;
    uint8_t head[8];          /* the first bytes of a member, or of a frame to be skipped */
    size_t head_size, head_used;
    uint64_t skip_size;       /* what is left of that frame */
    const char *detail;       /* what is wrong, or NULL */
};

/* Goes on as far as input and room go. `at_end`: nothing follows what is in buffers->in. Whatever is neither
 * DECOMPRESS_GOES_ON nor DECOMPRESS_END ends it; what was put out before that is good for as much as it is. */
enum decompress_status decompression_step(struct decompression *decompression, struct decompress_buffers *buffers,
                                          bool at_end);
/* How it is called: "gzip". */
const char *decompression_name(const struct decompression *decompression);
void decompression_end(struct decompression *decompression);

#endif
