/* The page cache over a made-up source, which counts what it is asked for. */
#include "target/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAGE_COUNT = 64,
    LOG_SIZE = 4096,
};

/* Memory at [start, start + PAGE_COUNT pages), whose bytes follow from their addresses and the version. */
struct fake {
    pst_addr start;
    uint8_t version;
    size_t call_count, page_count;
    pst_addr log[LOG_SIZE];          /* of the pages asked for */
    pst_addr missing;                /* a page that can't be read; 1: none */
    uint16_t valid_start, valid_end; /* of the page `partial` */
    pst_addr partial;
};

/* An address in the page with this index. */
static pst_addr at(const struct fake *fake, pst_addr page, pst_addr offset)
{
    return fake->start + page * MEMORY_PAGE_SIZE + offset;
}

static uint8_t byte_at(const struct fake *fake, pst_addr address)
{
    return (uint8_t)(address ^ address >> 8 ^ address >> 16 ^ fake->version);
}

static void fake_read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    struct fake *fake = context;
    fake->call_count++;
    for (size_t i = 0; i < count; i++) {
        struct memory_page *page = pages[i];
        assert_int_equal(page->address % MEMORY_PAGE_SIZE, 0);
        assert_int_equal(page->valid_start, 0);
        assert_int_equal(page->valid_end, 0);
        assert_null(page->why);
        if (fake->page_count < LOG_SIZE)
            fake->log[fake->page_count] = page->address;
        fake->page_count++;
        if (page->address - fake->start >= (pst_addr)PAGE_COUNT * MEMORY_PAGE_SIZE ||
            page->address == fake->missing) {
            page->errnum = 14;
            page->why = "nothing is mapped there";
            continue;
        }
        for (size_t j = 0; j < MEMORY_PAGE_SIZE; j++)
            page->bytes[j] = byte_at(fake, page->address + j);
        page->valid_end = MEMORY_PAGE_SIZE;
        if (page->address == fake->partial) {
            page->valid_start = fake->valid_start;
            page->valid_end = fake->valid_end;
        }
    }
}

static struct memory *open_fake(struct fake *fake)
{
    struct memory *memory;
    *fake = (struct fake){ .start = 0x7f0000000000, .missing = 1, .partial = 1 };
    assert_null(memory_open((struct memory_source){ .read_pages = fake_read_pages, .context = fake }, &memory));
    return memory;
}

static void assert_reads(struct memory *memory, const struct fake *fake, pst_addr address, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    assert_null(memory_read(memory, address, bytes, size));
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], byte_at(fake, address + i));
    free(bytes);
}

static void assert_fails(struct memory *memory, pst_addr address, size_t size, pst_error_code code)
{
    uint8_t *bytes = malloc(size);
    pst_error *error = memory_read(memory, address, bytes, size);
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), code);
    pst_error_free(error);
    free(bytes);
}

static void reads_any_size_anywhere(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    for (size_t size = 0; size < 20; size++)
        assert_reads(memory, &fake, fake.start + MEMORY_PAGE_SIZE - 10, size);
    assert_reads(memory, &fake, fake.start + 5, 3 * MEMORY_PAGE_SIZE);
    assert_reads(memory, &fake, fake.start, PAGE_COUNT * MEMORY_PAGE_SIZE);
    assert_in_range(fake.page_count, PAGE_COUNT, PAGE_COUNT + 16);
    assert_int_equal(memory_get_statistics(memory).page_count, fake.page_count);
    assert_int_equal(memory_get_statistics(memory).read_count, fake.call_count);
    memory_close(memory);
}

static void reads_a_page_once(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    for (int i = 0; i < 100; i++)
        assert_reads(memory, &fake, at(&fake, i % 2 * 8, (pst_addr)i * 8), 8);
    assert_int_equal(fake.page_count, 2);
    memory_close(memory);
}

static void says_why_it_cannot_read(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    uint64_t value;
    for (int i = 0; i < 2; i++) { /* the second time from the cache */
        pst_error *error = memory_read(memory, 0x1008, &value, sizeof value);
        assert_int_equal(pst_error_get_code(error), PST_ERROR_READ);
        assert_int_equal(pst_error_get_address(error), 0x1008);
        assert_int_equal(pst_error_get_errno(error), 14);
        assert_non_null(strstr(pst_error_get_message(error), "nothing is mapped there"));
        pst_error_free(error);
    }
    assert_int_equal(fake.page_count, 1);
    memory_close(memory);
}

static void reads_as_much_as_can_be(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    uint8_t bytes[3 * MEMORY_PAGE_SIZE];
    size_t got;
    fake.missing = fake.start + 2 * MEMORY_PAGE_SIZE;
    pst_error *error = memory_read_some(memory, fake.start + 100, bytes, sizeof bytes, &got);
    assert_non_null(error);
    assert_int_equal(got, 2 * MEMORY_PAGE_SIZE - 100);
    for (size_t i = 0; i < got; i++)
        assert_int_equal(bytes[i], byte_at(&fake, fake.start + 100 + i));
    pst_error_free(error);
    assert_fails(memory, fake.start + 100, sizeof bytes, PST_ERROR_READ);
    assert_null(memory_read_some(memory, fake.start, bytes, 10, &got));
    assert_int_equal(got, 10);
    memory_close(memory);
}

static void keeps_to_the_valid_part_of_a_page(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    uint8_t bytes[MEMORY_PAGE_SIZE];
    size_t got;
    fake.partial = fake.start;
    fake.valid_start = 16;
    fake.valid_end = 100;
    assert_reads(memory, &fake, fake.start + 16, 84);
    assert_reads(memory, &fake, fake.start + 99, 1);
    assert_fails(memory, fake.start + 15, 8, PST_ERROR_READ);
    assert_fails(memory, fake.start + 96, 8, PST_ERROR_READ);
    assert_fails(memory, fake.start + 100, 1, PST_ERROR_READ);
    pst_error_free(memory_read_some(memory, fake.start + 20, bytes, sizeof bytes, &got));
    assert_int_equal(got, 80);
    memory_close(memory);
}

static void survives_the_end_of_the_address_space(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    uint8_t bytes[64];
    size_t got;
    fake.start = 0 - (pst_addr)PAGE_COUNT * MEMORY_PAGE_SIZE;
    assert_reads(memory, &fake, UINT64_MAX - 7, 8);
    assert_fails(memory, UINT64_MAX - 6, 8, PST_ERROR_READ);
    pst_error_free(memory_read_some(memory, UINT64_MAX - 15, bytes, sizeof bytes, &got));
    assert_int_equal(got, 16);
    assert_fails(memory, UINT64_MAX, 2, PST_ERROR_READ);
    for (pst_addr page = 8; page > 0; page--) /* misses that go upwards, up to the end */
        assert_reads(memory, &fake, 0 - page * MEMORY_PAGE_SIZE, 8);
    for (pst_addr page = 3; page-- > 0;) /* and downwards, to the beginning */
        assert_fails(memory, page * MEMORY_PAGE_SIZE, 8, PST_ERROR_READ);
    memory_close(memory);
}

static void reads_ahead_both_ways(void **state)
{
    (void)state;
    for (int downwards = 0; downwards < 2; downwards++) {
        struct fake fake;
        struct memory *memory = open_fake(&fake);
        for (pst_addr i = 0; i < PAGE_COUNT; i++) {
            pst_addr page = downwards ? PAGE_COUNT - 1 - i : i;
            assert_reads(memory, &fake, fake.start + page * MEMORY_PAGE_SIZE + 8, 8);
            if (i == 0)
                assert_int_equal(fake.page_count, 1);
        }
        assert_in_range(fake.call_count, 4, 10);
        memory_close(memory);
    }
}

static void prefetches_in_one_go(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    pst_addr addresses[] = { 0,
                             at(&fake, 9, 16),
                             at(&fake, 1, 8),
                             at(&fake, 9, MEMORY_PAGE_SIZE - 8),
                             at(&fake, 5, 0),
                             at(&fake, 1, 0) };
    memory_prefetch(memory, addresses, sizeof addresses / sizeof addresses[0]);
    assert_int_equal(fake.call_count, 1);
    assert_int_equal(fake.page_count, 3);
    for (size_t i = 1; i < fake.page_count; i++)
        assert_true(fake.log[i - 1] < fake.log[i]);
    assert_reads(memory, &fake, addresses[1], 8);
    memory_prefetch(memory, addresses, sizeof addresses / sizeof addresses[0]);
    memory_prefetch(memory, NULL, 0);
    assert_int_equal(fake.call_count, 1);
    memory_close(memory);
}

/* Each touch of what was read after memory_settle() counts, however often it comes. */
static void counts_what_is_late(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    uint64_t before, after;
    assert_false(memory_count_late(memory, &before));
    assert_reads(memory, &fake, at(&fake, 3, 0), 8);
    memory_settle(memory);
    assert_true(memory_count_late(memory, &before));
    assert_reads(memory, &fake, at(&fake, 3, 16), 8);
    memory_count_late(memory, &after);
    assert_int_equal(before, after);
    for (int i = 0; i < 3; i++)
        assert_reads(memory, &fake, at(&fake, 20, 16), 8);
    assert_reads(memory, &fake, at(&fake, 3, 16), 8);
    memory_count_late(memory, &after);
    assert_int_equal(after - before, 3);
    memory_outdate(memory);
    assert_false(memory_count_late(memory, &after));
    assert_reads(memory, &fake, at(&fake, 20, 16), 8);
    memory_settle(memory);
    assert_true(memory_count_late(memory, &before));
    assert_reads(memory, &fake, at(&fake, 20, 16), 8);
    memory_count_late(memory, &after);
    assert_int_equal(before, after);
    memory_trim(memory, 0);
    assert_false(memory_count_late(memory, &after));
    memory_close(memory);
}

static void refreshes_what_was_touched(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    pst_addr untouched = at(&fake, 47, 0);
    /* Far from each other, so that nothing is read ahead. */
    assert_reads(memory, &fake, fake.start, 8);
    memory_prefetch(memory, &untouched, 1);
    memory_begin(memory);
    assert_reads(memory, &fake, at(&fake, 17, 0), 8);
    assert_reads(memory, &fake, at(&fake, 35, 0), 8);
    fake.missing = at(&fake, 53, 0);
    assert_fails(memory, at(&fake, 53, 0), 8, PST_ERROR_READ);

    fake.version = 77;
    fake.missing = 1;
    fake.call_count = fake.page_count = 0;
    memory_refresh(memory);
    assert_int_equal(fake.call_count, 1);
    assert_int_equal(fake.page_count, 3);
    assert_reads(memory, &fake, at(&fake, 17, 0), 8);
    assert_reads(memory, &fake, at(&fake, 35, 0), 8);
    assert_reads(memory, &fake, at(&fake, 53, 0), 8); /* what failed was tried again */
    assert_int_equal(fake.call_count, 1);
    assert_reads(memory, &fake, fake.start, 8); /* what was not touched is outdated */
    assert_reads(memory, &fake, untouched, 8);
    assert_int_equal(fake.page_count, 5);
    memory_close(memory);
}

/* What was noted is read with what was touched, and not before, unless somebody asks for it. */
static void refreshes_what_was_noted(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    const pst_addr noted[] = { 0, at(&fake, 17, 8), at(&fake, 35, 0), at(&fake, 17, 16), at(&fake, 53, 0) };
    memory_begin(memory);
    for (size_t i = 0; i < sizeof noted / sizeof noted[0]; i++)
        memory_note(memory, noted[i]);
    assert_int_equal(fake.call_count, 0);
    assert_reads(memory, &fake, at(&fake, 35, 0), 8);
    assert_int_equal(fake.page_count, 1);
    fake.version = 77;
    memory_refresh(memory);
    assert_int_equal(fake.call_count, 2);
    assert_int_equal(fake.page_count, 4);
    for (size_t i = 1; i < sizeof noted / sizeof noted[0]; i++)
        assert_reads(memory, &fake, noted[i], 8);
    assert_int_equal(fake.call_count, 2);
    memory_close(memory);
}

/* Far more than one chunk holds, whatever was expected, and after they were given back. */
static void holds_what_it_read(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static const size_t expected[] = { 0, 100, MANY, SIZE_MAX };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct fake fake;
        struct memory *memory = open_fake(&fake);
        memory_expect(memory, expected[i]);
        for (int round = 0; round < 2; round++) {
            assert_reads(memory, &fake, fake.start, PAGE_COUNT * MEMORY_PAGE_SIZE);
            for (pst_addr page = 0; page < MANY; page++)
                assert_fails(memory, 0x1000000 + page * 5 * MEMORY_PAGE_SIZE, 8, PST_ERROR_READ);
            assert_reads(memory, &fake, fake.start, PAGE_COUNT * MEMORY_PAGE_SIZE);
            assert_true(memory_get_statistics(memory).page_count >= MANY + PAGE_COUNT);
            memory_trim(memory, 0);
            assert_int_equal(memory_get_statistics(memory).page_count, 0);
        }
        memory_close(memory);
    }
}

static void refresh_sees_pages_go(void **state)
{
    (void)state;
    struct fake fake;
    struct memory *memory = open_fake(&fake);
    memory_begin(memory);
    assert_reads(memory, &fake, fake.start, 8);
    fake.missing = fake.start;
    memory_refresh(memory);
    assert_fails(memory, fake.start, 8, PST_ERROR_READ);
    memory_close(memory);
}

/* A target as large as the limit would need 1 GiB here: the pages are never filled, so that it does not. */
static void empty_read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        pages[i]->valid_end = MEMORY_PAGE_SIZE;
}

static void stops_at_its_limit(void **state)
{
    (void)state;
    struct memory *memory;
    uint8_t byte;
    assert_null(memory_open((struct memory_source){ .read_pages = empty_read_pages }, &memory));
    pst_addr *addresses = malloc(MEMORY_MAX_PAGES * sizeof *addresses);
    for (size_t i = 0; i < MEMORY_MAX_PAGES; i++)
        addresses[i] = (i + 1) * 3 * MEMORY_PAGE_SIZE;
    memory_prefetch(memory, addresses, MEMORY_MAX_PAGES);
    assert_int_equal(memory_get_statistics(memory).page_count, MEMORY_MAX_PAGES);
    assert_null(memory_read_some(memory, addresses[MEMORY_MAX_PAGES - 1], &byte, 0, &(size_t){ 0 }));
    assert_fails(memory, MEMORY_PAGE_SIZE, 8, PST_ERROR_LIMIT);
    free(addresses);
    memory_close(memory);
}

/* However often the same bytes are read: a loop that a target makes endless ends. */
static void stops_when_the_work_is_done(void **state)
{
    (void)state;
    struct memory *memory;
    uint8_t bytes[MEMORY_PAGE_SIZE];
    size_t count = 0;
    assert_null(memory_open((struct memory_source){ .read_pages = empty_read_pages }, &memory));
    pst_error *error = NULL;
    while (!error && count++ <= MEMORY_MAX_WORK)
        error = memory_read(memory, MEMORY_PAGE_SIZE, bytes, sizeof bytes);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_LIMIT);
    assert_true(count > MEMORY_MAX_WORK / 16);
    pst_error_free(error);

    /* A target that has less memory may be read less often. */
    memory_limit_work(memory, 10);
    for (count = 0, error = NULL; !error && count <= 10; count++)
        error = memory_read(memory, MEMORY_PAGE_SIZE, bytes, 1);
    assert_int_equal(count, 11);
    assert_non_null(strstr(pst_error_get_message(error), "too many reads of the target were done already"));
    pst_error_free(error);
    memory_refresh(memory);
    assert_null(memory_read(memory, MEMORY_PAGE_SIZE, bytes, sizeof bytes));
    memory_close(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_any_size_anywhere),
        cmocka_unit_test(reads_a_page_once),
        cmocka_unit_test(says_why_it_cannot_read),
        cmocka_unit_test(reads_as_much_as_can_be),
        cmocka_unit_test(keeps_to_the_valid_part_of_a_page),
        cmocka_unit_test(survives_the_end_of_the_address_space),
        cmocka_unit_test(reads_ahead_both_ways),
        cmocka_unit_test(prefetches_in_one_go),
        cmocka_unit_test(counts_what_is_late),
        cmocka_unit_test(refreshes_what_was_touched),
        cmocka_unit_test(refreshes_what_was_noted),
        cmocka_unit_test(holds_what_it_read),
        cmocka_unit_test(refresh_sees_pages_go),
        cmocka_unit_test(stops_at_its_limit),
        cmocka_unit_test(stops_when_the_work_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
