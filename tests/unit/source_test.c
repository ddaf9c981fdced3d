/* Lines of source files, as Python's tokenizer ends them, out of a folder that stands for a live target's root. */
#include "target/source.h"
#include "target/target.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/source_test_XXXXXX";
static char asked_path[256]; /* what the target was asked to open last */
static int open_count;

static pst_error *open_file(struct pst_target *target, const char *path, const struct segment *segment,
                            int *fd)
{
    (void)target;
    assert_null(segment);
    open_count++;
    snprintf(asked_path, sizeof asked_path, "%s", path);
    *fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    return NULL;
}

static const struct target_operations operations = { .open_file = open_file };

static struct pst_target *open_target(void)
{
    struct pst_target *target;
    assert_null(target_new(PST_TARGET_PROCESS, NULL, &target));
    target->operations = &operations;
    open_count = 0;
    return target;
}

static char path[300];

static void write_file(const char *name, const void *bytes, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static pst_text text_of(const char *string)
{
    return (pst_text){ string, strlen(string) };
}

static void assert_line(struct pst_target *target, int line, const char *expected)
{
    pst_text text;
    pst_source_status status = pst_target_get_source_line(target, text_of(path), line, &text);
    if (!expected) {
        assert_int_equal(status, PST_SOURCE_ABSENT);
        assert_null(text.data);
        return;
    }
    assert_int_equal(status, PST_SOURCE_FOUND);
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
}

static void ends_lines_as_python_does(void **state)
{
    (void)state;
    struct pst_target *target = open_target();
    static const char returns[] = "one\r\ntwo\rthree\n\r\n\fsix\x0b\x1c\xe2\x80\xa8same\rlast";
    write_file("returns.py", returns, sizeof returns - 1);
    static const char *const lines[] = { "one",  "two", "three", "", "\fsix\x0b\x1c\xe2\x80\xa8same",
                                         "last", NULL };
    for (int i = 7; i > 0; i--)
        assert_line(target, i, lines[i - 1]);
    assert_line(target, 0, NULL);
    assert_line(target, -1, NULL);
    assert_line(target, 2147483647, NULL);
    write_file("plain.py", "a\n\nb\n", 5);
    assert_line(target, 3, "b");
    assert_line(target, 2, "");
    assert_line(target, 4, NULL);
    assert_line(target, 1, "a");
    assert_int_equal(open_count, 2);
    write_file("empty.py", "", 0);
    assert_line(target, 1, NULL);
    write_file("return.py", "\r", 1);
    assert_line(target, 1, "");
    assert_line(target, 2, NULL);
    pst_target_close(target);
}

static void gives_utf8(void **state)
{
    (void)state;
    struct pst_target *target = open_target();
    static const char mark[] = "\xef\xbb\xbfx = 'é'\n";
    write_file("mark.py", mark, sizeof mark - 1);
    assert_line(target, 1, "x = 'é'");
    static const char latin1[] = "#!/usr/bin/python\n# -*- coding: ISO-8859-1 -*-\nx = '\xe9\xc3\xa9'\n";
    write_file("latin1.py", latin1, sizeof latin1 - 1);
    assert_line(target, 3, "x = 'éÃ©'");
    static const char latin15[] = "# coding=latin-15\n'\xe9'\n";
    write_file("latin15.py", latin15, sizeof latin15 - 1);
    assert_line(target, 2, "'\xef\xbf\xbd'");
    static const char broken[] = "\xff\xed\xa0\x80 \xf0\x9f\x90\x8d \xe2\x82";
    write_file("broken.py", broken, sizeof broken - 1);
    assert_line(target, 1, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd 🐍 \xef\xbf\xbd\xef\xbf\xbd");
    pst_target_close(target);
}

static void undoes_surrogate_escapes(void **state)
{
    (void)state;
    struct pst_target *target = open_target();
    pst_text line;
    assert_int_equal(pst_target_get_source_line(
                         target, text_of("/x\xed\xb2\x80\xed\xb2\xbf\xed\xb3\x80\xed\xb3\xbfy"), 1, &line),
                     PST_SOURCE_ABSENT);
    assert_string_equal(asked_path, "/x\x80\xbf\xc0\xffy");
    pst_target_get_source_line(target, text_of("/\xed\xa0\x80\xed\xb1\xbf\xed\xb2"), 1,
                               &line); /* no such escapes */
    assert_string_equal(asked_path, "/\xed\xa0\x80\xed\xb1\xbf\xed\xb2");
    pst_target_close(target);
}

static void does_not_ask_for_names_that_are_none(void **state)
{
    (void)state;
    struct pst_target *target = open_target();
    static char longest[20000];
    memset(longest, 'x', sizeof longest);
    const pst_text names[] = {
        { 0 },       { "", 0 },         { "/a\0b", 4 }, { "<string>", 8 }, { "<frozen os>", 11 },
        { "<>", 2 }, { longest, 20000 }
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pst_text line;
        assert_int_equal(pst_target_get_source_line(target, names[i], 1, &line), PST_SOURCE_ABSENT);
    }
    assert_int_equal(open_count, 0);
    pst_target_close(target);
}

static void distrusts_newer_files(void **state)
{
    (void)state;
    struct pst_target *target = open_target();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    pst_text line;
    target->start_time_ns = now_ns - INT64_C(1000000000);
    write_file("newer.py", "x\n", 2);
    assert_int_equal(pst_target_get_source_line(target, text_of(path), 1, &line), PST_SOURCE_NEWER);
    assert_null(line.data);
    /* An old modification time of a file that was put there just now. */
    write_file("moved.py", "x\n", 2);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } }, 0),
                     0);
    assert_int_equal(pst_target_get_source_line(target, text_of(path), 1, &line), PST_SOURCE_NEWER);
    target->start_time_ns = now_ns + INT64_C(5000000000);
    write_file("older.py", "x\n", 2);
    assert_line(target, 1, "x");
    pst_target_close(target);
}

static void reads_a_cores_sources_from_the_sysroot_alone(void **state)
{
    (void)state;
    struct pst_target *target;
    pst_text line;
    write_file("core.py", "x\n", 2);
    assert_null(target_new(PST_TARGET_CORE, NULL, &target));
    assert_int_equal(pst_target_get_source_line(target, text_of(path), 1, &line), PST_SOURCE_ABSENT);
    pst_target_close(target);
    pst_target_options options = { .size = sizeof options, .sysroot = folder };
    assert_null(target_new(PST_TARGET_CORE, &options, &target));
    assert_int_equal(pst_target_get_source_line(target, text_of("/../core.py"), 1, &line), PST_SOURCE_FOUND);
    assert_int_equal(pst_target_get_source_line(target, text_of("core.py"), 1, &line), PST_SOURCE_ABSENT);
    assert_int_equal(pst_target_get_source_line(target, text_of("/"), 1, &line), PST_SOURCE_ABSENT);
    snprintf(path, sizeof path, "%s/fifo.py", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pst_target_get_source_line(target, text_of("/fifo.py"), 1, &line), PST_SOURCE_ABSENT);
    snprintf(path, sizeof path, "%s/link.py", folder);
    assert_int_equal(symlink("/proc/self/status", path), 0);
    assert_int_equal(pst_target_get_source_line(target, text_of("/link.py"), 1, &line), PST_SOURCE_ABSENT);
    pst_target_close(target);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = { "returns.py", "plain.py",   "empty.py",  "return.py", "mark.py",
                                         "latin1.py",  "latin15.py", "broken.py", "newer.py",  "moved.py",
                                         "older.py",   "core.py",    "fifo.py",   "link.py" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_lines_as_python_does),
        cmocka_unit_test(gives_utf8),
        cmocka_unit_test(undoes_surrogate_escapes),
        cmocka_unit_test(does_not_ask_for_names_that_are_none),
        cmocka_unit_test(distrusts_newer_files),
        cmocka_unit_test(reads_a_cores_sources_from_the_sysroot_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
