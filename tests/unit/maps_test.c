/* The texts of /proc/PID/maps, stat and status, as the kernel writes them and as a hostile name would have them. */
#include "target/maps.h"
#include "target/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

struct maps {
    char *text;
    struct segment *segments;
    size_t count;
};

static struct maps parse(const char *text, const char *root)
{
    struct maps maps = { .text = strdup(text) };
    assert_null(maps_parse(maps.text, strlen(text), root, &maps.segments, &maps.count));
    return maps;
}

static void maps_free(struct maps *maps)
{
    free(maps->segments);
    free(maps->text);
}

static void parses_what_the_kernel_writes(void **state)
{
    (void)state;
    struct maps maps = parse(
        "55e0a0000000-55e0a0001000 r--p 00000000 fd:01 1234567                    /usr/bin/python3\n"
        "55e0a0001000-55e0a0200000 r-xp 00001000 fd:01 1234567                    /usr/bin/python3\n"
        "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n"
        "7f0000021000-7f0004000000 ---p 00000000 00:00 0 \n"
        "7ffd00000000-7ffd00022000 rw-p 00000000 00:00 0                          [stack]\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
        "/");
    assert_int_equal(maps.count, 6);
    const struct segment *code = &maps.segments[1];
    assert_int_equal(code->start, 0x55e0a0001000);
    assert_int_equal(code->end, 0x55e0a0200000);
    assert_true(code->readable && code->executable && !code->writable && !code->deleted);
    assert_int_equal(code->file_offset, 0x1000);
    assert_int_equal(code->device, makedev(0xfd, 1));
    assert_int_equal(code->inode, 1234567);
    assert_string_equal(code->path, "/usr/bin/python3");
    assert_null(maps.segments[2].path);
    assert_true(maps.segments[2].writable);
    assert_false(maps.segments[3].readable);
    assert_string_equal(maps.segments[4].path, "[stack]");
    assert_int_equal(maps.segments[5].end, 0xffffffffff601000);
    maps_free(&maps);
}

static void parses_odd_names(void **state)
{
    (void)state;
    struct maps maps = parse("1000-2000 r--p 00000000 fd:01 1    /tmp/a b\\012c (deleted)\n"
                             "2000-3000 r--p 00000000 fd:01 2    /tmp/ (deleted) x\n"
                             "3000-4000 r--p 00000000 00:01 3    /memfd:x (deleted)\n"
                             "4000-5000 r--p 00000000 fd:01 4    /tmp/\xff\xfe\\012\\012\n"
                             "5000-6000 r--p 00000000 fd:01 5     (deleted)",
                             NULL);
    assert_int_equal(maps.count, 5);
    assert_string_equal(maps.segments[0].path, "/tmp/a b\nc");
    assert_true(maps.segments[0].deleted);
    assert_string_equal(maps.segments[1].path, "/tmp/ (deleted) x");
    assert_false(maps.segments[1].deleted);
    assert_string_equal(maps.segments[2].path, "/memfd:x");
    assert_string_equal(maps.segments[3].path, "/tmp/\xff\xfe\n\n");
    assert_string_equal(maps.segments[4].path, "(deleted)");
    maps_free(&maps);
}

static void takes_the_root_off(void **state)
{
    (void)state;
    struct maps maps = parse("1000-2000 r--p 00000000 fd:01 1    /srv/root/usr/bin/python3 (deleted)\n"
                             "2000-3000 r--p 00000000 fd:01 2    /srv/rootless\n"
                             "3000-4000 r--p 00000000 00:00 0    [heap]\n",
                             "/srv/root");
    assert_string_equal(maps.segments[0].path, "/usr/bin/python3");
    assert_true(maps.segments[0].deleted);
    assert_string_equal(maps.segments[1].path, "/srv/rootless");
    assert_string_equal(maps.segments[2].path, "[heap]");
    maps_free(&maps);
}

static void leaves_nonsense_out(void **state)
{
    (void)state;
    struct maps maps = parse("1000-3000 r--p 00000000 fd:01 1    a\n"
                             "2000-4000 r--p 00000000 fd:01 1    overlaps\n"
                             "5000-5000 r--p 00000000 fd:01 1    empty\n"
                             "6000\n"
                             "\n"
                             "6000-7000\n"
                             "6000-7000 r-\n"
                             "6000-7000 r--p zz fd:01 1 x\n"
                             "11111111111111111-22222222222222222 r--p 00000000 fd:01 1    too large\n"
                             "8000-9000 r--p 00000000 fd:01 1",
                             "/");
    assert_int_equal(maps.count, 2);
    assert_string_equal(maps.segments[0].path, "a");
    assert_int_equal(maps.segments[1].start, 0x8000);
    assert_null(maps.segments[1].path);
    maps_free(&maps);
    maps = parse("", "/");
    assert_int_equal(maps.count, 0);
    maps_free(&maps);
}

/* Every cut of a good text is parsed without a fault. */
static void survives_any_cut(void **state)
{
    (void)state;
    static const char text[] =
        "55e0a0000000-55e0a0001000 r--p 00000000 fd:01 1234567   /usr/bin/python3 (deleted)\n"
        "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n";
    for (size_t size = 0; size < sizeof text; size++) {
        char *copy = malloc(size + 1); /* one more byte may be written */
        struct segment *segments;
        size_t count;
        memcpy(copy, text, size);
        assert_null(maps_parse(copy, size, "/", &segments, &count));
        free(segments);
        free(copy);
    }
}

static const char numbers[] =
    " 1 4321 4321 0 -1 4194304 100 0 0 0 5 6 0 0 20 0 3 0 98765 123 45 18446744073709551615 "
    "1 2 140722222222224 0\n";

static void parses_stat(void **state)
{
    (void)state;
    static const char *const names[] = { "python3", "a) S 1 (b",       ") R 0 0", "",
                                         "x\ny",    "fifteen letters", "(((" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[512];
        struct proc_stat stat;
        size_t size = (size_t)snprintf(text, sizeof text, "4321 (%s) D%s", names[i], numbers);
        assert_true(proc_stat_parse(text, size, &stat));
        assert_string_equal(stat.name, names[i]);
        assert_int_equal(stat.state, 'D');
        assert_int_equal(stat.parent, 1);
        assert_false(stat.kernel_thread);
        assert_int_equal(stat.start_ticks, 98765);
        assert_int_equal(stat.stack_start, 140722222222224);
        for (size_t cut = 0; cut < size; cut++) {
            char *copy = malloc(cut + 1);
            memcpy(copy, text, cut);
            (void)!proc_stat_parse(copy, cut, &stat);
            free(copy);
        }
    }
}

static void parses_status(void **state)
{
    (void)state;
    static const char status[] =
        "Name:\tTgid:\nTgid:\t17\nUid:\t1000\t1001\t1002\t1003\nNSpid:\t17\t1\nCapEff:\t000001ffffffffff\n"
        "Groups:\t \nSeccomp:\t2";
    uint64_t values[4] = { 0 };
    assert_int_equal(proc_status_numbers(status, "Tgid:", 10, values, 4), 1);
    assert_int_equal(values[0], 17);
    assert_int_equal(proc_status_numbers(status, "Uid:", 10, values, 2), 4);
    assert_int_equal(values[1], 1001);
    assert_int_equal(proc_status_numbers(status, "NSpid:", 10, values, 4), 2);
    assert_int_equal(values[1], 1);
    assert_int_equal(proc_status_numbers(status, "CapEff:", 16, values, 4), 1);
    assert_int_equal(values[0], 0x1ffffffffff);
    assert_int_equal(proc_status_numbers(status, "Groups:", 10, values, 4), 0);
    assert_int_equal(proc_status_numbers(status, "Seccomp:", 10, values, 4), 1);
    assert_int_equal(proc_status_numbers(status, "Absent:", 10, values, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_the_kernel_writes),
        cmocka_unit_test(parses_odd_names),
        cmocka_unit_test(takes_the_root_off),
        cmocka_unit_test(leaves_nonsense_out),
        cmocka_unit_test(survives_any_cut),
        cmocka_unit_test(parses_stat),
        cmocka_unit_test(parses_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
