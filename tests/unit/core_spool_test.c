/* Cores that are compressed or come out of a pipe: as good as plain ones, or as what there is of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compressed.h"
#include "core_fixture.h"
#include "target/core_spool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DATA_SIZE = 400 * PAGE, HOLE_SIZE = 4096 * PAGE, ALL_SIZE = DATA_SIZE + HOLE_SIZE + PAGE };

static uint8_t memory[ALL_SIZE];    /* what the cores here have: noise, zeros, and a page of ones */
static char fifo_path[128];

static int make_memory(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (size_t i = 0; i < DATA_SIZE; i++) {
        random = random * 1664525 + 1013904223;
        memory[i] = (uint8_t)(random >> 24);
    }
    memset(memory + DATA_SIZE + HOLE_SIZE, 1, PAGE);
    return 0;
}

/* The bytes of a core of that memory. */
static struct text make_core(void)
{
    struct core_file core = begin_kernel_core(SIGSEGV, 1, 0xdead0);
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_load(&core, 0x10000000, PF_R | PF_W, memory, ALL_SIZE, ALL_SIZE);
    core_file_write(&core, core_path);
    struct text text = {0};
    struct stat status;
    int fd = open(core_path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &status), 0);
    char *room = text_reserve(&text, (size_t)status.st_size);
    assert_int_equal(read(fd, room, (size_t)status.st_size), status.st_size);
    text_commit(&text, room + status.st_size);
    close(fd);
    return text;
}

static void write_text(const struct text *text)
{
    write_file(core_path, text->data, text->size);
}

static void check_memory(struct pst_target *target)
{
    static uint8_t bytes[ALL_SIZE];
    pst_error *error = memory_read(target->memory, 0x10000000, bytes, ALL_SIZE);
    if (error)
        fail_msg("%s", pst_error_get_message(error));
    assert_memory_equal(bytes, memory, ALL_SIZE);
    assert_int_equal(target->pid, 4711);
}

/* ---- whole ----------------------------------------------------------------------------------------- */

static void test_formats(void **state)
{
    (void)state;
    struct text core = make_core();
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text compressed = compressed_make(format, core.data, core.size);
        write_text(&compressed);
        struct pst_target *target = open_with(NULL);
        expect_no_errors(target);
        check_memory(target);
        assert_string_equal(pst_target_get_path(target), core_path);
        assert_int_equal(target->core->file_size, core.size);
        /* What was a hole is one, and is known to be: nobody looks for anything in it. */
        struct stat status;
        assert_int_equal(fstat(target->core->fd, &status), 0);
        assert_int_equal(status.st_nlink, 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_true((uint64_t)status.st_blocks * 512 < DATA_SIZE + HOLE_SIZE / 4);
        pst_addr start = 0x10000000 + DATA_SIZE + PAGE, end = 0x10000000 + ALL_SIZE;
        assert_true(memory_find_used(target->memory, &start, &end));
        assert_true(start > 0x10000000 + DATA_SIZE + HOLE_SIZE / 2);
        pst_target_close(target);
        text_free(&compressed);
    }
    text_free(&core);
}

/* Another process puts the bytes into a FIFO; returns the target made of what comes out of it. */
static struct pst_target *open_fifo(const struct text *text, const pst_target_options *options)
{
    pid_t writer = fork();
    if (writer == 0) {
        usleep(20000);  /* the reader waits for somebody to open it */
        int fd = open(fifo_path, O_WRONLY | O_CLOEXEC);
        size_t done = 0;
        for (ssize_t size; done < text->size; done += (size_t)size)
            if ((size = write(fd, text->data + done, text->size - done)) <= 0)
                _exit(1);
        _exit(0);
    }
    assert_true(writer > 0);
    struct pst_target *target;
    pst_error *error = pst_target_open_core(fifo_path, options, &target);
    int status;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    if (error)
        fail_msg("%s", pst_error_get_message(error));
    return target;
}

static void test_fifo(void **state)
{
    (void)state;
    snprintf(fifo_path, sizeof fifo_path, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo_path, 0600), 0);
    struct text core = make_core(), compressed = compressed_make(COMPRESSED_ZSTD, core.data, core.size);
    struct pst_target *target = open_fifo(&core, NULL);
    expect_no_errors(target);
    check_memory(target);
    pst_target_close(target);
    target = open_fifo(&compressed, NULL);
    expect_no_errors(target);
    check_memory(target);
    pst_target_close(target);
    core.size -= PAGE / 2;
    target = open_fifo(&core, NULL);
    expect_one_error(target, "the core is truncated: 2048 of its");
    expect_byte(target, 0x10000000 + DATA_SIZE + HOLE_SIZE, 1);
    pst_target_close(target);
    text_free(&core);
    text_free(&compressed);
}

/* ---- not whole ------------------------------------------------------------------------------------- */

/* Wherever it ends, there is a core with an error, or an error. */
static void test_cut(void **state)
{
    (void)state;
    struct text core = make_core();
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text compressed = compressed_make(format, core.data, core.size);
        size_t size = compressed.size, opened = 0;
        for (size_t i = 1; i < 40; i++) {
            compressed.size = size * i / 40;
            write_text(&compressed);
            struct pst_target *target;
            pst_error *error = pst_target_open_core(core_path, NULL, &target);
            if (error) {
                /* Nothing came out: such a large piece of it is put out at once. */
                assert_non_null(strstr(pst_error_get_message(error), "end early, after 0 bytes"));
                assert_int_equal(pst_error_get_code(error), PST_ERROR_READ);
                pst_error_free(error);
                continue;
            }
            opened++;
            expect_one_error(target, "end early, after ");
            expect_one_error(target, "bytes are missing");
            expect_byte(target, 0x10000000, memory[0]);
            pst_target_close(target);
        }
        assert_true(opened > 20);
        /* All is there but for the checksum. */
        compressed.size = size - 1;
        write_text(&compressed);
        struct pst_target *target = open_with(NULL);
        expect_one_error(target, "end early, after ");
        assert_null(strstr(pst_error_get_message(pst_target_get_errors(target)), "missing"));
        check_memory(target);
        pst_target_close(target);
        text_free(&compressed);
    }
    text_free(&core);
}

static void test_damaged(void **state)
{
    (void)state;
    struct text core = make_core();
    for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
        struct text compressed = compressed_make(format, core.data, core.size);
        for (size_t i = compressed.size * 3 / 4; i < compressed.size * 3 / 4 + 64; i++)
            compressed.data[i] = (char)(compressed.data[i] ^ 0x55);
        write_text(&compressed);
        struct pst_target *target = open_with(NULL);
        expect_one_error(target, " are damaged after ");
        /* Some way before the damage; xz and lz4 decode as they go, and may have noticed it later. */
        expect_byte(target, 0x10000000 + DATA_SIZE / 4, memory[DATA_SIZE / 4]);
        assert_true(target->core->file_size > DATA_SIZE / 4);
        pst_target_close(target);
        text_free(&compressed);
    }
    text_free(&core);
}

static void test_followed(void **state)
{
    (void)state;
    struct text core = make_core(), compressed = compressed_make(COMPRESSED_GZIP, core.data, core.size);
    text_add_string(&compressed, "trailing garbage");
    write_text(&compressed);
    struct pst_target *target = open_with(NULL);
    expect_one_error(target, "are followed by something else");
    check_memory(target);
    pst_target_close(target);
    text_free(&core);
    text_free(&compressed);
}

static void test_no_core(void **state)
{
    static const char zeros[1 << 20];
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        { "", 0, "nothing is in it" },
        { "hello", 5, "but what is in it is no ELF core file" },
        { zeros, sizeof zeros, "but what is in it is no ELF core file" },
        { "\x7f" "ELF\2\1\1", 7, "but what is in it is no ELF core file" },
        { "\x28\xb5\x2f\xfd....", 8, "is compressed twice" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t format = 0; format < COMPRESSED_FORMATS; format++) {
            struct text compressed = compressed_make(format, cases[i].bytes, cases[i].size);
            write_text(&compressed);
            expect_refused(core_path, PST_ERROR_NOT_CORE, cases[i].message, NULL);
            text_free(&compressed);
        }
    write_file(core_path, "\x1f\x8b\x08", 3);
    expect_refused(core_path, PST_ERROR_READ, "the compressed data (gzip) end early, after 0 bytes", "cut off");
    write_file(core_path, "\x1f\x8b\x08\xff\xff", 5);
    expect_refused(core_path, PST_ERROR_CORRUPT, "are damaged after 0 bytes", NULL);
    write_file(core_path, "\x28\xb5\x2f\xfd\0\xa0\1\0\0", 9);
    expect_refused(core_path, PST_ERROR_LIMIT, "takes more memory than the 128 MB", "--long=31");
    write_file(core_path, "\x50\x2a\x4d\x18\0\0\0\0", 8);
    expect_refused(core_path, PST_ERROR_NOT_CORE, "nothing is in it", NULL);
}

/* ---- the temporary file ---------------------------------------------------------------------------- */

static void test_no_space(void **state)
{
    (void)state;
    struct text core = make_core(), compressed = compressed_make(COMPRESSED_LZ4, core.data, core.size);
    write_text(&compressed);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    setenv("TMPDIR", folder, 1);
    for (size_t i = 0; i < 3; i++) {
        /* In the noise, in the zeros, and within the program headers. */
        const rlim_t sizes[] = { 100 * PAGE, 1000 * PAGE + 1, 100 };
        limit = (struct rlimit){ sizes[i], before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        struct pst_target *target;
        pst_error *error = pst_target_open_core(core_path, NULL, &target);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (i == 2) {
            assert_non_null(strstr(pst_error_get_message(error), "is truncated: it ends after 100 bytes"));
            assert_non_null(strstr(pst_error_get_hint(error), "there is no space in "));
            pst_error_free(error);
            continue;
        }
        assert_null(error);
        expect_one_error(target, "there is no space in ");
        expect_one_error(target, folder);
        expect_one_error(target, "bytes are missing");
        assert_non_null(strstr(pst_error_get_hint(pst_target_get_errors(target)), "ulimit -f"));
        assert_int_equal(target->core->file_size, sizes[i]);
        expect_byte(target, 0x10000000 + 50 * PAGE, memory[50 * PAGE]);
        pst_target_close(target);
    }
    unsetenv("TMPDIR");
    text_free(&core);
    text_free(&compressed);
}

/* What TMPDIR names is no folder: another serves. */
static void test_other_folder(void **state)
{
    (void)state;
    struct text core = make_core(), compressed = compressed_make(COMPRESSED_XZ, core.data, core.size);
    write_text(&compressed);
    const char *const folders[] = { "/nowhere", core_path, "" };
    for (size_t i = 0; i < 3; i++) {
        setenv("TMPDIR", folders[i], 1);
        struct pst_target *target = open_with(NULL);
        expect_no_errors(target);
        pst_target_close(target);
    }
    unsetenv("TMPDIR");
    text_free(&core);
    text_free(&compressed);
}

/* ---- progress -------------------------------------------------------------------------------------- */

struct progress {
    uint64_t done, total;
    size_t calls;
};

static void note_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    assert_true(done >= progress->done);
    *progress = (struct progress){ done, total, progress->calls + 1 };
}

static void test_progress(void **state)
{
    struct progress progress = {0};
    pst_target_options options = { .size = sizeof options, .progress = note_progress, .progress_context = &progress };
    (void)state;
    snprintf(fifo_path, sizeof fifo_path, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo_path, 0600), 0);
    struct text core = make_core(), compressed = compressed_make(COMPRESSED_GZIP, core.data, core.size);
    pst_target_close(open_with(&options));
    assert_int_equal(progress.calls, 0);    /* a plain file */
    pst_target_close(open_fifo(&compressed, &options));
    assert_true(progress.calls > 10);
    assert_int_equal(progress.done, compressed.size);
    assert_int_equal(progress.total, 0);
    progress = (struct progress){0};
    write_text(&compressed);
    pst_target_close(open_with(&options));
    assert_int_equal(progress.done, compressed.size);
    assert_int_equal(progress.total, compressed.size);
    /* A caller that knows nothing of it: what is behind its struct is not looked at. */
    progress = (struct progress){0};
    options.size = offsetof(pst_target_options, progress);
    pst_target_close(open_with(&options));
    assert_int_equal(progress.calls, 0);
    text_free(&core);
    text_free(&compressed);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_formats),
        TEST(test_fifo),
        TEST(test_cut),
        TEST(test_damaged),
        TEST(test_followed),
        TEST(test_no_core),
        TEST(test_no_space),
        TEST(test_other_folder),
        TEST(test_progress),
    };
    return cmocka_run_group_tests(tests, make_memory, NULL);
}
