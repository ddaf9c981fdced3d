/* A process that crashed, opened from the head of its core: what the head says, wherever it ends; and what the process
 * itself has, here a child that stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_PROCESS = (1 << 22) + 1 /* the kernel has no such number */ };

/* A core as the kernel writes it, and how much of it the head is. */
struct crash {
    uint8_t *core;
    size_t size, head_size;
};

static struct crash make_crash(struct core_file *file)
{
    struct crash crash = {0};
    struct stat status;
    core_file_write(file, core_path);
    int fd = open(core_path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    crash.size = (size_t)status.st_size;
    crash.core = malloc(crash.size);
    assert_non_null(crash.core);
    assert_int_equal(read(fd, crash.core, crash.size), crash.size);
    close(fd);
    /* The first program header is that of the notes. */
    Elf64_Phdr notes;
    memcpy(&notes, crash.core + sizeof(Elf64_Ehdr), sizeof notes);
    assert_int_equal(notes.p_type, PT_NOTE);
    crash.head_size = notes.p_offset + notes.p_filesz;
    assert_true(crash.head_size < crash.size);
    return crash;
}

static struct crash make_usual(void)
{
    static const char page[PAGE] = "memory";
    struct core_file file = begin_kernel_core(SIGSEGV, 1, 0xdead0);
    core_file_map(&file, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_note_prstatus(&file, 4712, SIGSEGV, 0x5678);
    core_file_load(&file, 0x400000, PF_R, page, PAGE, PAGE);
    return make_crash(&file);
}

/* ---- the stream ------------------------------------------------------------------------------------ */

/* The first `size` bytes through a pipe; what is left in it goes to *left. */
static pst_error *read_through_pipe(const struct crash *crash, size_t size, uint8_t **head, size_t *head_size,
                                    size_t *left)
{
    int ends[2];
    uint8_t rest[64];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], crash->core, size), size);
    close(ends[1]);
    pst_error *error = pst_crash_read_head(ends[0], head, head_size);
    *left = 0;
    for (ssize_t got; (got = read(ends[0], rest, sizeof rest)) > 0;)
        *left += (size_t)got;
    close(ends[0]);
    return error;
}

static void test_head_alone_is_read(void **state)
{
    (void)state;
    struct crash crash = make_usual();
    uint8_t *head;
    size_t head_size, left;
    assert_null(read_through_pipe(&crash, crash.size, &head, &head_size, &left));
    assert_int_equal(head_size, crash.head_size);
    assert_memory_equal(head, crash.core, head_size);
    assert_int_equal(left, crash.size - head_size);
    free(head);
    free(crash.core);
}

/* What was read is there even so. */
static void test_cut_streams(void **state)
{
    (void)state;
    struct crash crash = make_usual();
    for (size_t size = 0; size < crash.head_size; size++) {
        uint8_t *head;
        size_t head_size, left;
        pst_error *error = read_through_pipe(&crash, size, &head, &head_size, &left);
        assert_non_null(error);
        assert_int_equal(pst_error_get_code(error), PST_ERROR_NOT_CORE);
        assert_int_equal(head_size + left, size);
        if (head_size)
            assert_memory_equal(head, crash.core, head_size);
        pst_error_free(error);
        free(head);
    }
    free(crash.core);
}

static void expect_no_core(struct crash *crash, pst_error_code code)
{
    uint8_t *head;
    size_t head_size, left;
    pst_error *error = read_through_pipe(crash, crash->size, &head, &head_size, &left);
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), code);
    assert_int_equal(head_size + left, crash->size);
    pst_error_free(error);
    free(head);
}

static void test_what_is_no_core_of_the_kernel(void **state)
{
    (void)state;
    const size_t notes_at = sizeof(Elf64_Ehdr);
    static const struct {
        size_t at;
        uint8_t byte;
    } changes[] = {
        {0, 'x'},                                                         /* no ELF */
        {offsetof(Elf64_Ehdr, e_phoff), 0x41},                            /* headers elsewhere */
        {sizeof(Elf64_Ehdr), PT_LOAD},                                    /* no notes first */
        {sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_offset), 0x39},      /* where no note can be */
        {sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_offset) + 7, 0x7f},  /* or at no end */
        {sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz) + 7, 0xff},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct crash crash = make_usual();
        crash.core[changes[i].at] = changes[i].byte;
        expect_no_core(&crash, PST_ERROR_NOT_CORE);
        free(crash.core);
    }
    struct crash crash = make_usual();
    crash.core[notes_at + offsetof(Elf64_Phdr, p_offset)] = 8;
    memset(crash.core + notes_at + offsetof(Elf64_Phdr, p_offset) + 1, 0, 7);
    expect_no_core(&crash, PST_ERROR_NOT_CORE);
    free(crash.core);
}

/* ---- a process that is gone ------------------------------------------------------------------------ */

static struct pst_target *open_gone(const struct crash *crash, size_t size)
{
    struct pst_target *target;
    pst_error *error = pst_target_open_crash(NO_PROCESS, crash->core, size, NULL, &target);
    if (error) {
        assert_null(target);
        pst_error_free(error);
        return NULL;
    }
    return target;
}

static void test_gone(void **state)
{
    (void)state;
    struct crash crash = make_usual();
    struct pst_target *target = open_gone(&crash, crash.head_size);
    assert_non_null(target);
    pst_signal signal;
    uint8_t byte;
    assert_int_equal(pst_target_get_kind(target), PST_TARGET_CORE);
    assert_int_equal(pst_target_get_pid(target), NO_PROCESS);
    assert_null(pst_target_get_path(target));
    assert_true(pst_target_get_signal(target, &signal));
    assert_string_equal(signal.name, "SIGSEGV");
    assert_int_equal(signal.address, 0xdead0);
    assert_int_equal(target->thread_count, 2);
    assert_int_equal(target->threads[1].tid, 4712);
    assert_string_equal(pst_target_get_argument(target, 1).data, "-m");
    assert_non_null(pst_target_get_errors(target));
    assert_false(pst_crash_is_held(target));
    pst_error *error = memory_read(target->memory, 0x400000, &byte, 1);
    assert_non_null(error);
    assert_non_null(strstr(pst_error_get_message(error), "the process is gone"));
    pst_error_free(error);
    pst_target_close(target);
    free(crash.core);
}

/* A head that ends anywhere has less to say, and that is all. Each is a block of its own, for the sanitizers. */
static void test_cut_heads(void **state)
{
    (void)state;
    struct crash crash = make_usual();
    for (size_t size = 0; size <= crash.head_size; size++) {
        struct crash cut = {.core = malloc(size + !size), .size = size};
        assert_non_null(cut.core);
        memcpy(cut.core, crash.core, size);
        struct pst_target *target = open_gone(&cut, size);
        if (target)
            pst_target_close(target);
        free(cut.core);
    }
    free(crash.core);
}

static void test_wrong_numbers(void **state)
{
    (void)state;
    struct crash crash = make_usual();
    const pid_t wrong[] = {0, -1, getpid()};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pst_target *target;
        pst_error *error = pst_target_open_crash(wrong[i], crash.core, crash.head_size, NULL, &target);
        assert_non_null(error);
        assert_int_equal(pst_error_get_code(error), PST_ERROR_USAGE);
        pst_error_free(error);
    }
    free(crash.core);
}

/* ---- a process that is held ------------------------------------------------------------------------ */

static volatile char in_memory[] = "what the child has in its memory";

static void test_held(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    struct core_file file = core_file_begin(EM_X86_64);
    core_file_note_prstatus(&file, child, SIGABRT, 0x1234);
    core_file_note_prpsinfo(&file, child, "worker", "");
    core_file_note_siginfo(&file, SIGABRT, -6, 0);
    core_file_map(&file, 0x400000, PAGE, 0, "/nowhere");
    static const char page[PAGE] = "not what is read";
    core_file_load(&file, 0x400000, PF_R, page, PAGE, PAGE);
    struct crash crash = make_crash(&file);
    struct pst_target *target;
    assert_null(pst_target_open_crash(child, crash.core, crash.head_size, NULL, &target));
    assert_null(pst_target_get_errors(target));
    assert_int_equal(pst_target_get_kind(target), PST_TARGET_CORE);
    assert_int_equal(target->thread_count, 1);
    assert_int_equal(target->threads[0].tid, child);
    assert_int_equal(target->threads[0].tls, 0x1234);
    assert_true(target->threads[0].has_name);
    assert_true(pst_crash_is_held(target));
    char bytes[sizeof in_memory];
    assert_null(memory_read(target->memory, (pst_addr)(uintptr_t)in_memory, bytes, sizeof bytes));
    assert_string_equal(bytes, "what the child has in its memory");
    /* The same, but not out of the cache: then it dies. */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(pst_crash_is_held(target));
    memory_trim(target->memory, 0);
    pst_error *error = memory_read(target->memory, (pst_addr)(uintptr_t)in_memory, bytes, sizeof bytes);
    assert_non_null(error);
    assert_non_null(strstr(pst_error_get_message(error), "ended"));
    pst_error_free(error);
    pst_target_close(target);
    free(crash.core);
}

/* Another process has got the number. */
static void test_another(void **state)
{
    static const uint64_t auxv[] = {AT_RANDOM, 0x7fff12345678, AT_NULL, 0};
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    struct core_file file = core_file_begin(EM_X86_64);
    core_file_note_prstatus(&file, child, SIGABRT, 0x1234);
    core_file_note_prpsinfo(&file, child, "worker", "");
    core_file_note_siginfo(&file, SIGABRT, -6, 0);
    core_file_note_auxv(&file, auxv, sizeof auxv / sizeof *auxv);
    core_file_map(&file, 0x400000, PAGE, 0, "/nowhere");
    static const char page[PAGE] = "";
    core_file_load(&file, 0x400000, PF_R, page, PAGE, PAGE);
    struct crash crash = make_crash(&file);
    struct pst_target *target;
    assert_null(pst_target_open_crash(child, crash.core, crash.head_size, NULL, &target));
    assert_non_null(pst_target_get_errors(target));
    assert_non_null(strstr(pst_error_get_message(pst_target_get_errors(target)), "is not the one that crashed"));
    assert_false(pst_crash_is_held(target));
    char bytes[sizeof in_memory];
    pst_error *error = memory_read(target->memory, (pst_addr)(uintptr_t)in_memory, bytes, sizeof bytes);
    assert_non_null(error);
    pst_error_free(error);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    pst_target_close(target);
    free(crash.core);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head_alone_is_read),
        TEST(test_cut_streams),
        TEST(test_what_is_no_core_of_the_kernel),
        TEST(test_gone),
        TEST(test_cut_heads),
        TEST(test_wrong_numbers),
        TEST(test_held),
        TEST(test_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
