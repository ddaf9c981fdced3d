/* Members of every format: whole, in rows, cut, damaged, and too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compressed.h"
#include "target/decompress.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>

enum { CONTENT_SIZE = 3000, ROOM = 8 * CONTENT_SIZE };

static uint8_t content[CONTENT_SIZE];   /* some of it repeats, some does not */
static uint8_t output[ROOM];

static int make_content(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (size_t i = 0; i < CONTENT_SIZE; i++) {
        random = random * 1664525 + 1013904223;
        content[i] = i % 512 < 128 ? (uint8_t)(random >> 24) : (uint8_t)(i % 7);
    }
    return 0;
}

struct outcome {
    enum decompress_status status;
    size_t size;            /* of `output` */
    const char *detail;
};

/* Gives `in_step` bytes at a time, and room for `out_step`. */
static struct outcome decompress_in_steps(const uint8_t *bytes, size_t size, size_t in_step, size_t out_step)
{
    struct decompression decompression = {0};
    struct decompress_buffers buffers = { .in = bytes, .out = output };
    size_t given = 0;
    enum decompress_status status;
    /* Each round takes or gives at least a byte, but for the last ones. */
    size_t rounds = 0;
    do {
        if (buffers.in_size == 0 && given < size) {
            buffers.in_size = size - given < in_step ? size - given : in_step;
            given += buffers.in_size;
        }
        size_t room = (size_t)(output + ROOM - buffers.out);
        buffers.out_size = room < out_step ? room : out_step;
        assert_true(rounds++ < size + ROOM + 10);
        assert_true(room > 0);
        status = decompression_step(&decompression, &buffers, given == size);
    } while (status == DECOMPRESS_GOES_ON);
    struct outcome outcome = { status, (size_t)(buffers.out - output), decompression.detail };
    decompression_end(&decompression);
    return outcome;
}

static struct outcome decompress(const struct text *text)
{
    return decompress_in_steps((const uint8_t *)text->data, text->size, SIZE_MAX, SIZE_MAX);
}

static void expect_content(struct outcome outcome, size_t count)
{
    assert_int_equal(outcome.status, DECOMPRESS_END);
    assert_int_equal(outcome.size, count * CONTENT_SIZE);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(output + i * CONTENT_SIZE, content, CONTENT_SIZE);
}

/* ---- whole ----------------------------------------------------------------------------------------- */

static void test_steps(void **state)
{
    static const size_t steps[] = { 1, 2, 7, 4096, SIZE_MAX };
    enum { STEP_COUNT = sizeof steps / sizeof *steps };
    (void)state;
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text text = compressed_make(format, content, CONTENT_SIZE);
        const uint8_t *bytes = (const uint8_t *)text.data;
        assert_true(decompress_recognizes(bytes, text.size));
        for (size_t i = 0; i < STEP_COUNT * STEP_COUNT; i++)
            expect_content(decompress_in_steps(bytes, text.size, steps[i % STEP_COUNT], steps[i / STEP_COUNT]), 1);
        text_free(&text);
    }
    assert_false(decompress_recognizes((const uint8_t *)"\x7f" "ELF", 4));
    assert_false(decompress_recognizes((const uint8_t *)"BZh9", 4));
    assert_false(decompress_recognizes((const uint8_t *)"\x1f", 1));
    assert_false(decompress_recognizes(NULL, 0));
}

static void test_empty(void **state)
{
    (void)state;
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text text = compressed_make(format, content, 0);
        expect_content(decompress(&text), 0);
        text_free(&text);
    }
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static const char skippable[] = "\x5a\x2a\x4d\x18\x05\0\0\0abcde";

static void test_members(void **state)
{
    static const char zeros[8] = {0};
    (void)state;
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        bool skips = format == COMPRESSED_ZSTD || format == COMPRESSED_LZ4;
        struct text one = compressed_make(format, content, CONTENT_SIZE), empty = compressed_make(format, content, 0);
        struct text row = {0};
        if (skips)
            text_add(&row, skippable, sizeof skippable - 1);
        text_add(&row, one.data, one.size);
        text_add(&row, empty.data, empty.size);
        text_add(&row, zeros, sizeof zeros);
        if (skips)
            text_add(&row, skippable, sizeof skippable - 1);
        text_add(&row, one.data, one.size);
        text_add(&row, zeros, sizeof zeros);
        assert_true(decompress_recognizes((const uint8_t *)row.data, row.size));
        expect_content(decompress(&row), 2);
        expect_content(decompress_in_steps((const uint8_t *)row.data, row.size, 1, 1), 2);
        /* Within the second one's magic, and behind it. */
        size_t second = row.size - sizeof zeros - one.size;
        row.size = second + 1;
        assert_int_equal(decompress(&row).status, DECOMPRESS_CUT);
        row.size = second + 8;
        assert_int_equal(decompress(&row).status, DECOMPRESS_CUT);
        if (skips) {
            row.size = second - 2;
            assert_int_equal(decompress(&row).status, DECOMPRESS_CUT);
        }
        text_free(&row);
        text_free(&one);
        text_free(&empty);
    }
}

static void test_followed(void **state)
{
    (void)state;
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text one = compressed_make(format, content, CONTENT_SIZE), other = {0};
        other = compressed_make((format + 1) % COMPRESSED_FORMATS, content, CONTENT_SIZE);
        size_t size = one.size;
        text_add_string(&one, "something else");
        struct outcome outcome = decompress(&one);
        assert_int_equal(outcome.status, DECOMPRESS_FOLLOWED);
        assert_int_equal(outcome.size, CONTENT_SIZE);
        one.size = size;
        text_add(&one, other.data, other.size);
        assert_int_equal(decompress(&one).status, DECOMPRESS_FOLLOWED);
        if (format == COMPRESSED_GZIP || format == COMPRESSED_XZ) {
            one.size = size;
            text_add(&one, skippable, sizeof skippable - 1);
            assert_int_equal(decompress(&one).status, DECOMPRESS_FOLLOWED);
        }
        text_free(&one);
        text_free(&other);
    }
}

/* Frames to be skipped alone: nothing is in them, and their size may be a lie. */
static void test_skippable_alone(void **state)
{
    (void)state;
    struct outcome outcome = decompress_in_steps((const uint8_t *)skippable, sizeof skippable - 1, 1, 1);
    assert_int_equal(outcome.status, DECOMPRESS_END);
    const uint8_t large[] = { 0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
    for (size_t size = 1; size <= sizeof large; size++)
        assert_int_equal(decompress_in_steps(large, size, 4, 4).status, DECOMPRESS_CUT);
}

/* ---- damage ---------------------------------------------------------------------------------------- */

static void test_cut(void **state)
{
    (void)state;
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text text = compressed_make(format, content, CONTENT_SIZE);
        size_t best = 0;
        for (size_t size = 1; size < text.size; size++) {
            /* A copy of this size, so that what reads behind it is noticed. */
            uint8_t *bytes = malloc(size);
            memcpy(bytes, text.data, size);
            struct outcome outcome = decompress_in_steps(bytes, size, 100, 500);
            free(bytes);
            assert_int_equal(outcome.status, DECOMPRESS_CUT);
            assert_true(outcome.size <= CONTENT_SIZE);
            assert_memory_equal(output, content, outcome.size);
            assert_true(outcome.size >= best);  /* more input, no less output */
            best = outcome.size;
        }
        assert_int_equal(best, CONTENT_SIZE);   /* all but the checksum */
        text_free(&text);
    }
}

/* Each byte in turn: no end without an error is a wrong one. */
static void test_damaged(void **state)
{
    static const uint8_t changes[] = { 0x01, 0x80, 0xff };
    (void)state;
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text text = compressed_make(format, content, CONTENT_SIZE);
        size_t noticed = 0;
        for (size_t at = 0; at < text.size; at++) {
            for (size_t i = 0; i < sizeof changes; i++) {
                text.data[at] = (char)(text.data[at] ^ changes[i]);
                struct outcome outcome = decompress(&text);
                text.data[at] = (char)(text.data[at] ^ changes[i]);
                noticed += outcome.status != DECOMPRESS_END;
                if (outcome.status == DECOMPRESS_END)
                    expect_content(outcome, 1);
            }
        }
        assert_true(noticed > text.size * 2);
        text_free(&text);
    }
}

/* ---- limits ---------------------------------------------------------------------------------------- */

/* A frame of one empty block, with a window of 2 to the power of `window_log`. */
static enum decompress_status decompress_window(unsigned window_log)
{
    const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, (uint8_t)((window_log - 10) << 3), 1, 0, 0 };
    return decompress_in_steps(frame, sizeof frame, SIZE_MAX, SIZE_MAX).status;
}

static void test_zstd_window(void **state)
{
    (void)state;
    assert_int_equal(decompress_window(DECOMPRESS_MAX_WINDOW_LOG), DECOMPRESS_END);
    assert_int_equal(decompress_window(DECOMPRESS_MAX_WINDOW_LOG + 1), DECOMPRESS_TOO_LARGE);
    assert_int_equal(decompress_window(41), DECOMPRESS_TOO_LARGE);
}

/* The dictionary's size stands in the block's header, behind the filter's id and the size of its properties. */
static enum decompress_status decompress_dictionary(uint8_t size_code)
{
    enum { BLOCK = 12 };
    struct text text = compressed_make(COMPRESSED_XZ, content, CONTENT_SIZE);
    uint8_t *block = (uint8_t *)text.data + BLOCK;
    size_t header_size = (size_t)block[0] * 4 + 4, at = 2;
    while (at < header_size && (block[at] != 0x21 || block[at + 1] != 1))
        at++;
    assert_true(at < header_size);
    block[at + 2] = size_code;
    uint32_t crc = lzma_crc32(block, header_size - 4, 0);
    memcpy(block + header_size - 4, &crc, 4);
    enum decompress_status status = decompress(&text).status;
    text_free(&text);
    return status;
}

static void test_xz_memory(void **state)
{
    (void)state;
    assert_int_equal(decompress_dictionary(28), DECOMPRESS_END);        /* 64 MB, as xz -9 */
    assert_int_equal(decompress_dictionary(32), DECOMPRESS_TOO_LARGE);  /* 256 MB */
    assert_int_equal(decompress_dictionary(40), DECOMPRESS_TOO_LARGE);  /* 4 GB */
    assert_int_equal(decompress_dictionary(41), DECOMPRESS_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_followed),
        cmocka_unit_test(test_skippable_alone),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_zstd_window),
        cmocka_unit_test(test_xz_memory),
    };
    return cmocka_run_group_tests(tests, make_content, NULL);
}
