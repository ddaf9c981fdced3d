/* The tests' own fake, through the real page cache. */
#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void fails(pst_error *error, const char *why)
{
    assert_non_null(error);
    assert_non_null(strstr(pst_error_get_message(error), why));
    pst_error_free(error);
}

static void test_unaligned_regions(void **state)
{
    (void)state;
    struct fake fake = {0};
    fake_map(&fake, 0x13000, 0x2000);
    fake_map(&fake, 0x10ff8, 16);
    fake_put_unsigned(&fake, 0x10ff8, 8, 0x1122334455667788);

    struct pst_target *target = fake_target(&fake);
    uint64_t value = 0;
    assert_null(memory_read(target->memory, 0x10ff8, &value, 8));
    assert_true(value == 0x1122334455667788);
    assert_null(memory_read(target->memory, 0x11000, &value, 8));
    fails(memory_read(target->memory, 0x10ff0, &value, 8), "nothing is mapped");
    fails(memory_read(target->memory, 0x11001, &value, 8), "nothing is mapped");
    fails(memory_read(target->memory, 0x12ffc, &value, 8), "nothing is mapped");

    assert_int_equal(target->segment_count, 2);
    assert_ptr_equal(target_find_segment(target, 0x10ff8), &target->segments[0]);
    assert_ptr_equal(target_find_segment(target, 0x14fff), &target->segments[1]);
    assert_null(target_find_segment(target, 0x15000));
    pst_target_close(target);
    fake_free(&fake);
}

struct outcomes {
    size_t run_count, failed_count;
};

static void read_twice(struct fake *fake, size_t failing, void *context)
{
    (void)failing;
    struct outcomes *outcomes = context;
    struct memory *memory = fake_memory(fake);
    outcomes->run_count++;
    for (pst_addr address = 0x10000; address < 0x20000; address += 0x8000) {
        uint8_t bytes[8];
        pst_error *error = memory_read(memory, address, bytes, sizeof bytes);
        outcomes->failed_count += error != NULL;
        pst_error_free(error);
    }
    memory_close(memory);
}

static void test_every_read_fails_once(void **state)
{
    (void)state;
    struct fake fake = {0};
    struct outcomes outcomes = {0};
    fake_map(&fake, 0x10000, 0x10000);
    fake_for_each_fault(&fake, read_twice, &outcomes);
    /* One alone: 0, 1, 2 and, not reached, 3. It and all after it: the same again, with one more failure. */
    assert_int_equal(outcomes.run_count, 8);
    assert_int_equal(outcomes.failed_count, 2 + 3);
    fake_free(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unaligned_regions),
        cmocka_unit_test(test_every_read_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
