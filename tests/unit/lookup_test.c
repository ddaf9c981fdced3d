#include "base/lookup.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void finds_the_first_of_each(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    assert_int_equal(lookup_find(&lookup, 1, 0), LOOKUP_NONE);
    assert_true(lookup_start(&lookup, 5));
    lookup_add(&lookup, 7, 0, 4);
    lookup_add(&lookup, 7, 0, 2);
    lookup_add(&lookup, UINT64_MAX, 0, 0);
    lookup_add(&lookup, 7, -1, 3);
    lookup_add(&lookup, 0, 0, 1);
    lookup_sort(&lookup);
    assert_int_equal(lookup_find(&lookup, 7, 0), 2);
    assert_int_equal(lookup_find(&lookup, 7, -1), 3);
    assert_int_equal(lookup_find(&lookup, 7, 1), LOOKUP_NONE);
    assert_int_equal(lookup_find(&lookup, UINT64_MAX, 0), 0);
    assert_int_equal(lookup_find(&lookup, 0, 0), 1);
    assert_int_equal(lookup_find(&lookup, 8, 0), LOOKUP_NONE);
    size_t entry = lookup_find_entry(&lookup, 7, 0);
    assert_int_equal(lookup.entries[entry + 1].position, 4);
    assert_true(lookup_start(&lookup, 0));
    assert_int_equal(lookup_find(&lookup, 7, 0), LOOKUP_NONE);
    lookup_free(&lookup);
}

static void finds_the_next(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    assert_int_equal(lookup_find_from(&lookup, 0), LOOKUP_NONE);
    assert_true(lookup_start(&lookup, 3));
    lookup_add(&lookup, 20, 0, 0);
    lookup_add(&lookup, 10, -1, 1);
    lookup_add(&lookup, 10, 0, 2);
    lookup_sort(&lookup);
    assert_int_equal(lookup.entries[lookup_find_from(&lookup, 0)].position, 1);
    assert_int_equal(lookup.entries[lookup_find_from(&lookup, 10)].position, 1);
    assert_int_equal(lookup.entries[lookup_find_from(&lookup, 11)].position, 0);
    assert_int_equal(lookup.entries[lookup_find_from(&lookup, 20)].position, 0);
    assert_int_equal(lookup_find_from(&lookup, 21), LOOKUP_NONE);
    lookup_free(&lookup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_of_each),
        cmocka_unit_test(finds_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
