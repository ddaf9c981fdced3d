/*
 * The memory of a living process past the page cache: many stretches at once, some of which can't be read, and which
 * memory was ever used. The process is a child of this one, whose memory is known.
 */
#include "target/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PAGE = 4096,
    PAGES = 64,
    HOLE = 20,          /* the page that is not there */
    RANGES = 2500,      /* more than one call takes */
    RANGE_SIZE = 24,
};

/* Pages 0 to 9 and 30 to 31 were used, HOLE is unmapped. */
static uint8_t *mapping;
static pid_t child;
static struct pst_target *target;

static uint8_t byte_at(size_t offset)
{
    return (uint8_t)(offset * 7 + offset / PAGE);
}

static void fill(size_t first, size_t count)
{
    for (size_t offset = first * PAGE; offset < (first + count) * PAGE; offset++)
        mapping[offset] = byte_at(offset);
}

static int start_child(void **state)
{
    (void)state;
    mapping = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* No page is to be made one with its neighbours, which were not used. */
    madvise(mapping, PAGES * PAGE, MADV_NOHUGEPAGE);
    munmap(mapping + HOLE * PAGE, PAGE);
    fill(0, 10);
    fill(30, 2);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    pst_error *error = pst_target_open_process(child, NULL, &target);
    if (error)
        fprintf(stderr, "%s\n", pst_error_get_message(error));
    pst_error_free(error);
    return target ? 0 : -1;
}

static int end_child(void **state)
{
    (void)state;
    pst_target_close(target);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    munmap(mapping, PAGES * PAGE);
    return 0;
}

static pst_addr address_of(size_t offset)
{
    return (pst_addr)(uintptr_t)mapping + offset;
}

/* Every tenth ends in the hole, every hundredth is in it. */
static size_t offset_of(size_t range)
{
    if (range % 100 == 99)
        return HOLE * PAGE + range % 1000;
    return range % 10 == 9 ? HOLE * PAGE - 8 : range * 13 % (9 * PAGE);
}

static void check_range(const struct memory_range *range, size_t number)
{
    size_t offset = offset_of(number);
    assert_int_equal(range->got, number % 100 == 99 ? 0 : number % 10 == 9 ? 8 : RANGE_SIZE);
    for (size_t i = 0; i < range->got && offset < HOLE * PAGE - 8; i++)
        assert_int_equal(range->bytes[i], byte_at(offset + i));
}

static void reads_many_ranges(void **state)
{
    (void)state;
    static uint8_t bytes[RANGES][RANGE_SIZE];
    static struct memory_range ranges[RANGES];
    /* Of pages that were not used there is nothing but zeros. */
    for (size_t i = 0; i < RANGES; i++)
        ranges[i] = (struct memory_range){address_of(offset_of(i)), bytes[i], RANGE_SIZE, 1234};
    memory_read_ranges(target->memory, ranges, RANGES);
    for (size_t i = 0; i < RANGES; i++)
        check_range(&ranges[i], i);
    memory_read_ranges(target->memory, ranges, 0);
}

static void expect_run(size_t from, size_t to, size_t first, size_t end)
{
    pst_addr start = address_of(from * PAGE), stop = address_of(to * PAGE);
    assert_true(memory_find_used(target->memory, &start, &stop));
    assert_int_equal(start, address_of(first * PAGE));
    assert_int_equal(stop, address_of(end * PAGE));
}

static void finds_what_was_used(void **state)
{
    (void)state;
    expect_run(0, HOLE, 0, 10);
    expect_run(3, 5, 3, 5);
    expect_run(HOLE + 1, PAGES, 30, 32);
    expect_run(31, PAGES, 31, 32);
    pst_addr start = address_of(32 * PAGE), end = address_of(PAGES * PAGE);
    assert_false(memory_find_used(target->memory, &start, &end));
}

int main(void)
{
    /* What was used comes first: reading uses. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_used),
        cmocka_unit_test(reads_many_ranges),
    };
    return cmocka_run_group_tests(tests, start_child, end_child);
}
