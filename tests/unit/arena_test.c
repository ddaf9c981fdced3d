#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { LARGE = 200 * 1000 };

static void assert_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], 0);
}

/* What it gives is zeroed, whatever stood there before it was reset. */
static void gives_zeros(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size <= LARGE; size = size * 3 + 1) {
            uint8_t *bytes = arena_alloc(&arena, size);
            assert_non_null(bytes);
            assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
            assert_zero(bytes, size);
            memset(bytes, 0xee, size);
        }
        arena_reset(&arena);
        assert_int_equal(arena.total, 0);
    }
    arena_free(&arena);
}

static void keeps_memory_when_reset(void **state)
{
    (void)state;
    struct arena arena = {0};
    void *first = arena_alloc(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    arena_free(&arena);
    assert_int_equal(arena.total, 0);
}

static void copies(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_non_null(arena_copy(&arena, NULL, 0)); /* of an arena that has no memory yet, too */
    assert_string_equal(arena_copy(&arena, "abc", 4), "abc");
    arena_free(&arena);
}

static void ends_at_its_limit(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, (size_t)ARENA_MAX_SIZE + 1));
    assert_non_null(arena_alloc(&arena, ARENA_MAX_SIZE));
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 1));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeros),
        cmocka_unit_test(keeps_memory_when_reset),
        cmocka_unit_test(copies),
        cmocka_unit_test(ends_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
