/* Cores made here: who, why, what memory, and what is no core at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char page_data[PAGE] = "the first bytes of the page";

/* ---- who and why ----------------------------------------------------------------------------------- */

static void test_kernel_core(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGSEGV, 1, 0xdead0);
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_note_prstatus(&core, 4712, SIGSEGV, 0x5678);
    struct pst_target *target = open_core(&core);
    expect_no_errors(target);
    assert_int_equal(target->kind, PST_TARGET_CORE);
    assert_int_equal(target->pid, 4711);
    assert_string_equal(pst_target_get_arch(target), "x86_64");
    assert_string_equal(pst_target_get_path(target), core_path);
    assert_int_equal(target->thread_count, 2);
    assert_int_equal(target->threads[0].tid, 4711);
    assert_true(target->threads[0].has_tls);
    assert_int_equal(target->threads[0].tls, 0x1234);
    assert_true(target->threads[0].has_name);
    assert_string_equal(target->threads[0].name, "worker");
    assert_int_equal(target->threads[1].inner_tid, 4712);
    assert_int_equal(target->threads[1].tls, 0x5678);
    assert_false(target->threads[1].has_name);
    pst_signal signal;
    assert_true(pst_target_get_signal(target, &signal));
    assert_int_equal(signal.number, SIGSEGV);
    assert_string_equal(signal.name, "SIGSEGV");
    assert_int_equal(signal.code, 1);
    assert_true(signal.has_address);
    assert_int_equal(signal.address, 0xdead0);
    /* No stack: what NT_PRPSINFO has. */
    assert_string_equal(pst_target_get_argument(target, 1).data, "-m");
    assert_null(pst_target_get_argument(target, 4).data);
    pst_target_close(target);
}

static void test_leader_exited(void **state)
{
    (void)state;
    struct core_file core = core_file_begin(EM_X86_64);
    core_file_note_prstatus(&core, 4712, SIGABRT, 0);
    core_file_note_prpsinfo(&core, 4711, "worker", "");
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    struct pst_target *target = open_core(&core);
    expect_no_errors(target);
    assert_int_equal(target->pid, 4711);
    assert_int_equal(target->thread_count, 1);
    assert_false(target->threads[0].has_name);
    assert_null(pst_target_get_argument(target, 0).data);
    pst_target_close(target);
}

/* gdb begins with NT_PRPSINFO and has an NT_SIGINFO for each thread. */
static void test_debugger_core(void **state)
{
    static const struct {
        int signal, siginfo;
        bool is_crash;
    } cases[] = { { 0, SIGSTOP, false },      { SIGTRAP, SIGTRAP, false }, { SIGSTOP, SIGSTOP, false },
                  { SIGINT, SIGINT, false }, { SIGSEGV, SIGSEGV, true },  { SIGTRAP, 0, false } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct core_file core = core_file_begin(EM_X86_64);
        core_file_note_prpsinfo(&core, 4711, "python3.12", "");
        core_file_note_prstatus(&core, 4711, cases[i].signal, 0);
        if (cases[i].siginfo)
            core_file_note_siginfo(&core, cases[i].siginfo, 1, 0x1000);
        core_file_note_prstatus(&core, 4712, 0, 0);
        core_file_note_siginfo(&core, SIGSTOP, 0x80, 0x2000);
        struct pst_target *target = open_core(&core);
        pst_signal signal;
        assert_int_equal(pst_target_get_signal(target, &signal), cases[i].is_crash);
        assert_false(target->threads[0].has_name);
        if (cases[i].is_crash)
            assert_int_equal(signal.address, 0x1000);
        pst_target_close(target);
    }
}

static void test_signal_address(void **state)
{
    static const struct {
        int signal, code;
        bool has_address;
    } cases[] = { { SIGSEGV, 2, true },   { SIGBUS, 3, true },      { SIGFPE, 1, true },  { SIGILL, 2, true },
                  { SIGTRAP, 1, true },   { SIGSEGV, 0x80, false }, { SIGSEGV, 0, false }, { SIGSEGV, -6, false },
                  { SIGABRT, -6, false }, { SIGQUIT, 0, false } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct core_file core = begin_kernel_core(cases[i].signal, cases[i].code, 0x7777);
        struct pst_target *target = open_core(&core);
        pst_signal signal;
        assert_true(pst_target_get_signal(target, &signal));
        assert_int_equal(signal.number, cases[i].signal);
        assert_int_equal(signal.code, cases[i].code);
        assert_int_equal(signal.has_address, cases[i].has_address);
        assert_int_equal(signal.address, cases[i].has_address ? 0x7777 : 0);
        pst_target_close(target);
    }
}

static void test_aarch64(void **state)
{
    static const uint8_t tls[16] = { 0x00, 0x10, 0x20 };
    (void)state;
    struct core_file core = core_file_begin(EM_AARCH64);
    core_file_note_prstatus(&core, 1, SIGABRT, 0);
    core_file_note(&core, "LINUX", 0x401, tls, sizeof tls);
    core_file_note_prstatus(&core, 2, SIGABRT, 0);
    struct pst_target *target = open_core(&core);
    assert_string_equal(pst_target_get_arch(target), "aarch64");
    assert_true(target->threads[0].has_tls);
    assert_int_equal(target->threads[0].tls, 0x201000);
    assert_false(target->threads[1].has_tls);
    pst_target_close(target);
}

/* ---- the command line ------------------------------------------------------------------------------ */

static void put_word(uint8_t *bytes, size_t index, uint64_t value)
{
    memcpy(bytes + index * 8, &value, 8);
}

/* argc, argv, envp (with a hole that unsetenv() left), the auxiliary vector, the random bytes, the strings. */
static void test_arguments(void **state)
{
    static const char strings[] = "python\0-c\0print( 1 )\0\0A=1\0B=2\0C=3";
    static uint8_t stack[2 * PAGE];
    const pst_addr at = 0x7ffe00000000, text = at + 1024;
    const uint64_t auxv[] = { AT_PAGESZ, 4096, AT_RANDOM, at + 512, AT_ENTRY, 0x400010, AT_EXECFN, text, AT_NULL, 0 };
    const uint64_t words[] = { 0x55, 0, 3, 4, text, text + 7, text + 10, text + 21, 0, text + 22, text + 30, 0, 0 };
    enum { WORD_COUNT = sizeof words / sizeof *words, AUXV_COUNT = sizeof auxv / sizeof *auxv };
    (void)state;
    for (size_t i = 0; i < WORD_COUNT; i++)
        put_word(stack, i, words[i]);
    for (size_t i = 0; i < AUXV_COUNT; i++)
        put_word(stack, WORD_COUNT + i, auxv[i]);
    memcpy(stack + 1024, strings, sizeof strings);

    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_note_auxv(&core, auxv, AUXV_COUNT);
    core_file_map(&core, 0x400000, PAGE, 0, "/opt/bin/python3 (deleted)");
    core_file_load(&core, at, PF_R | PF_W, stack, sizeof stack, sizeof stack);
    struct pst_target *target = open_core(&core);
    expect_no_errors(target);
    assert_string_equal(pst_target_get_executable(target), "/opt/bin/python3");
    assert_true(target_find_segment(target, 0x400000)->deleted);
    assert_int_equal(target->arguments_size, 22);
    assert_memory_equal(target->arguments, strings, 22);
    assert_int_equal(pst_target_get_argument(target, 3).size, 0);
    assert_non_null(pst_target_get_argument(target, 3).data);
    assert_null(pst_target_get_argument(target, 4).data);
    pst_target_close(target);
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static void test_memory(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_load(&core, 0xffffffffff600000, PF_X, page_data, PAGE, PAGE);
    core_file_load(&core, data_address, PF_R | PF_W, page_data, PAGE, 3 * PAGE);
    core_file_load(&core, data_address + 3 * PAGE, PF_R, page_data, 100, PAGE);
    core_file_load(&core, data_address + 4 * PAGE + 16, PF_R, page_data, 100, 100);
    struct pst_target *target = open_core(&core);
    assert_int_equal(target->segment_count, 5);
    expect_byte(target, data_address, 't');
    expect_byte(target, 0xffffffffff600000, 't');
    /* p_filesz < p_memsz: not there, never zero. */
    expect_unreadable(target, data_address + PAGE, "not in the core");
    expect_byte(target, data_address + 3 * PAGE + 99, 0);
    expect_unreadable(target, data_address + 3 * PAGE + 100, "not in the core");
    expect_unreadable(target, data_address + 4 * PAGE + 15, "not in the core");
    expect_byte(target, data_address + 4 * PAGE + 16, 't');
    expect_unreadable(target, data_address - 1, "not in the core");
    expect_no_errors(target);
    pst_target_close(target);
}

static void test_many_pages(void **state)
{
    enum { COUNT = 600 };
    static uint8_t bytes[COUNT * PAGE];
    static pst_addr addresses[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        memset(bytes + i * PAGE, (int)(i % 251), PAGE);
        addresses[i] = data_address + (i * 7 % COUNT) * PAGE;
    }
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_load(&core, data_address, PF_R, bytes, sizeof bytes, sizeof bytes);
    struct pst_target *target = open_core(&core);
    memory_prefetch(target->memory, addresses, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        expect_byte(target, data_address + i * PAGE + 5, (uint8_t)(i % 251));
    assert_int_equal(memory_get_statistics(target->memory).read_count, 1);
    pst_target_close(target);
}

/* coredump_filter 0: the kernel's own page is there, and that is all. */
static void test_no_memory(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_load(&core, data_address, PF_R | PF_W, NULL, 0, PAGE);
    core_file_load(&core, data_address + PAGE, PF_R | PF_X, page_data, PAGE, PAGE);
    struct pst_target *target = open_core(&core);
    expect_one_error(target, "nothing of what the process wrote to memory");
    pst_target_close(target);
}

static void test_truncated(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_load(&core, data_address, PF_R | PF_W, page_data, PAGE, PAGE);
    core_file_load(&core, data_address + PAGE, PF_R | PF_W, page_data, PAGE, PAGE);
    core_file_load(&core, data_address + 2 * PAGE, PF_R | PF_W, page_data, PAGE, PAGE);
    core_file_write(&core, core_path);
    struct stat status;
    assert_int_equal(stat(core_path, &status), 0);
    assert_int_equal(truncate(core_path, status.st_size - PAGE - 100), 0);
    struct pst_target *target = open_with(NULL);
    expect_one_error(target, "the core is truncated: 4196 of its ");
    expect_byte(target, data_address + PAGE + PAGE - 101, 0);
    expect_unreadable(target, data_address + PAGE + PAGE - 100, "the core is truncated there");
    expect_unreadable(target, data_address + 2 * PAGE, "the core is truncated there");
    pst_target_close(target);

    /* Of four program headers, two; one; none. */
    assert_int_equal(truncate(core_path, 64 + 56 * 2 + 55), 0);
    target = open_with(NULL);
    assert_non_null(strstr(pst_error_get_message(pst_target_get_errors(target)), "its program headers: 2 of 4 are"));
    assert_int_equal(target->segment_count, 1);
    expect_unreadable(target, data_address, "the core is truncated there");
    pst_target_close(target);
    assert_int_equal(truncate(core_path, 150), 0);
    target = open_with(NULL);
    assert_non_null(strstr(pst_error_get_message(pst_target_get_errors(target)), "its program headers: 1 of 4 are"));
    assert_int_equal(target->segment_count, 0);
    pst_target_close(target);
    assert_int_equal(truncate(core_path, 119), 0);
    expect_refused(core_path, PST_ERROR_NOT_CORE, "is truncated: it ends after 119 bytes", NULL);
    assert_int_equal(truncate(core_path, 20), 0);
    expect_refused(core_path, PST_ERROR_NOT_CORE, "is cut off after 20 bytes", NULL);
}

/* The rest of the file goes while it is being read. */
static void test_shrinking(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_load(&core, data_address, PF_R | PF_W, page_data, PAGE, PAGE);
    struct pst_target *target = open_core(&core);
    assert_int_equal(truncate(core_path, 100), 0);
    expect_unreadable(target, data_address, "the core is truncated there");
    pst_target_close(target);
}

static void test_hostile_segments(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_map(&core, 0x400000, 2 * PAGE, 0, "/usr/bin/python3");
    core_file_map(&core, 0x401000, 2 * PAGE, 0, "/usr/bin/other");
    core_file_load(&core, data_address + PAGE, PF_R, page_data, PAGE, 2 * PAGE);
    core_file_load(&core, data_address, PF_R, page_data, PAGE, 4 * PAGE);
    core_file_load(&core, data_address, PF_R, page_data, PAGE, PAGE);
    core_file_load(&core, 0xfffffffffffff000, PF_R, page_data, PAGE, UINT64_MAX);
    core_file_load(&core, 0x500000, PF_R, NULL, 0, 0);
    struct pst_target *target = open_core(&core);
    for (size_t i = 0; i < target->segment_count; i++) {
        assert_true(target->segments[i].start < target->segments[i].end);
        assert_true(i == 0 || target->segments[i - 1].end <= target->segments[i].start);
    }
    expect_byte(target, data_address, 't');
    expect_unreadable(target, data_address + PAGE, "not in the core");
    expect_byte(target, 0xfffffffffffff000, 't');
    const pst_error *error = pst_target_get_errors(target);
    assert_non_null(strstr(pst_error_get_message(error), "2 of the core's 4 segments overlap"));
    assert_non_null(strstr(pst_error_get_message(pst_error_get_next(error)), "1 of the 2 mapped files"));
    pst_target_close(target);
}

static void test_many_program_headers(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core.many_headers = true;
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_load(&core, data_address, PF_R, page_data, PAGE, PAGE);
    struct pst_target *target = open_core(&core);
    expect_no_errors(target);
    assert_int_equal(target->thread_count, 1);
    expect_byte(target, data_address, 't');
    pst_target_close(target);
}

/* ---- what is no core ------------------------------------------------------------------------------- */

static void test_no_core(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message, *hint;
    } cases[] = {
        { "", 0, "is empty", "ulimit" },
        { "4711\n", 5, "is no ELF core file", "process id" },
        { "\x7f" "EL", 3, "is cut off after 3 bytes", NULL },
        { "BZh91AY", 7, "is compressed (bzip2)", "bzip2 -dc" },
        { "\x02\x21\x4c\x18....", 8, "is compressed (lz4's legacy format)", "lz4 -dc" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(core_path, cases[i].bytes, cases[i].size);
        expect_refused(core_path, PST_ERROR_NOT_CORE, cases[i].message, cases[i].hint);
    }
    expect_refused(folder, PST_ERROR_NOT_CORE, "is a directory", NULL);
    expect_refused("/nowhere/core", PST_ERROR_OPEN, "No such file", NULL);
    write_image(image_path, NULL);
    expect_refused(image_path, PST_ERROR_NOT_CORE, "not a core", "the core comes first");
}

static void test_other_machines(void **state)
{
    static const struct {
        size_t offset;
        char value;
        pst_error_code code;
        const char *message;
    } cases[] = {
        { EI_CLASS, ELFCLASS32, PST_ERROR_UNSUPPORTED, "32-bit" },
        { EI_DATA, ELFDATA2MSB, PST_ERROR_UNSUPPORTED, "big-endian" },
        { 18, EM_RISCV & 0xff, PST_ERROR_UNSUPPORTED, "machine 243" },
        { 16, ET_REL, PST_ERROR_NOT_CORE, "its type is 1" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
        core_file_write(&core, core_path);
        int fd = open(core_path, O_WRONLY);
        assert_int_equal(pwrite(fd, &cases[i].value, 1, (off_t)cases[i].offset), 1);
        close(fd);
        expect_refused(core_path, cases[i].code, cases[i].message, NULL);
    }
}

/* The program headers of a core that was written. */
static Elf64_Phdr read_program_header(size_t index)
{
    Elf64_Phdr header;
    int fd = open(core_path, O_RDONLY);
    assert_int_equal(pread(fd, &header, sizeof header, (off_t)(sizeof(Elf64_Ehdr) + index * sizeof header)),
                     sizeof header);
    close(fd);
    return header;
}

static void change_program_header(size_t index, const Elf64_Phdr *header)
{
    int fd = open(core_path, O_WRONLY);
    assert_int_equal(pwrite(fd, header, sizeof *header, (off_t)(sizeof(Elf64_Ehdr) + index * sizeof *header)),
                     sizeof *header);
    close(fd);
}

/* Segments that share bytes of the file would make endless memory of a small one. */
static void test_shared_contents(void **state)
{
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_load(&core, data_address, PF_R | PF_W, page_data, PAGE, PAGE);
    core_file_load(&core, data_address + PAGE, PF_R | PF_W, page_data, PAGE, PAGE);
    core_file_write(&core, core_path);
    Elf64_Phdr first = read_program_header(1), second = read_program_header(2);
    second.p_offset = first.p_offset + 1;
    change_program_header(2, &second);
    struct pst_target *target = open_with(NULL);
    expect_byte(target, data_address, (uint8_t)page_data[0]);
    expect_unreadable(target, data_address + 1, "not in the core");
    expect_byte(target, data_address + PAGE, (uint8_t)page_data[1]);
    expect_one_error(target, "1 of the core's 2 segments claim bytes of the file that are another's");
    pst_target_close(target);

    second.p_offset = first.p_offset;
    change_program_header(2, &second);
    target = open_with(NULL);
    expect_unreadable(target, data_address, "not in the core");
    expect_byte(target, data_address + PAGE, (uint8_t)page_data[0]);
    pst_target_close(target);
}

/* What a core claims to have of notes is not held in memory; what can't be one is passed over. */
static void test_many_notes(void **state)
{
    enum { HUGE_SIZE = CORE_MAX_NOTE_SIZE + PAGE };
    const Elf64_Nhdr huge = {.n_namesz = 5, .n_descsz = HUGE_SIZE, .n_type = NT_FILE};
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    (void)state;
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    core_file_write(&core, core_path);
    /* Behind the others, and its end is a hole. */
    Elf64_Phdr header = read_program_header(0);
    int fd = open(core_path, O_WRONLY);
    assert_int_equal(pwrite(fd, &huge, sizeof huge, (off_t)(header.p_offset + header.p_filesz)), sizeof huge);
    header.p_filesz += sizeof huge + 8 + HUGE_SIZE;
    assert_int_equal(ftruncate(fd, (off_t)(header.p_offset + header.p_filesz)), 0);
    close(fd);
    change_program_header(0, &header);
    struct pst_target *target = open_with(NULL);
    assert_int_equal(target->threads[0].tid, 4711);
    expect_one_error(target, "bytes was left out: none has more than");
    pst_target_close(target);
}

/* Notes that lack what they should have are not told of without end. */
static void test_bad_notes(void **state)
{
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    (void)state;
    core_file_map(&core, 0x400000, PAGE, 0, "/usr/bin/python3");
    for (size_t i = 0; i < CORE_MAX_BAD_NOTES + 100; i++)
        core_file_note(&core, "CORE", NT_PRSTATUS, "", 0);
    struct pst_target *target = open_core(&core);
    const pst_error *error = pst_target_get_errors(target);
    assert_non_null(strstr(pst_error_get_message(error), "NT_PRSTATUS has 0 bytes"));
    assert_int_equal(target->core->bad_note_count, CORE_MAX_BAD_NOTES + 1);
    pst_target_close(target);
}

/* A core without notes is still memory. */
static void test_no_notes(void **state)
{
    (void)state;
    struct core_file core = core_file_begin(EM_X86_64);
    core_file_load(&core, data_address, PF_R, page_data, PAGE, PAGE);
    struct pst_target *target = open_core(&core);
    expect_byte(target, data_address, 't');
    assert_int_equal(target->thread_count, 0);
    assert_int_equal(target->pid, 0);
    assert_null(pst_target_get_executable(target));
    const pst_error *error = pst_target_get_errors(target);
    assert_non_null(strstr(pst_error_get_message(error), "no thread"));
    assert_non_null(strstr(pst_error_get_message(pst_error_get_next(error)), "which files were mapped"));
    pst_target_close(target);
}

/* ---- damage ---------------------------------------------------------------------------------------- */

static void read_everything(struct pst_target *target)
{
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        const pst_addr addresses[] = { segment->start, segment->start / 2 + segment->end / 2, segment->end - 1 };
        for (size_t j = 0; j < 3; j++) {
            uint8_t byte;
            pst_error_free(memory_read(target->memory, addresses[j], &byte, 1));
        }
    }
}

/* Each byte of headers and notes in turn is spoilt: nothing but errors may come of it. */
static void test_damaged(void **state)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    const uint64_t auxv[] = { AT_PHDR, image_address + 64, AT_RANDOM, data_address + 2048, AT_NULL, 0 };
    (void)state;
    struct core_file core = begin_kernel_core(SIGSEGV, 1, 0);
    core_file_note_auxv(&core, auxv, sizeof auxv / sizeof *auxv);
    core_file_load(&core, data_address, PF_R | PF_W, page_data, PAGE, PAGE);
    add_image(&core, "\x01\x23", image_path);
    write_image(image_path, "\x01\x23");
    core_file_write(&core, core_path);
    struct stat status;
    assert_int_equal(stat(core_path, &status), 0);
    int fd = open(core_path, O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < 2 * PAGE && at < status.st_size; at++) {
        uint8_t was;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        if (was == 0 && at % 5 != 0)
            continue;
        for (size_t i = 0; i < sizeof values; i++) {
            struct pst_target *target;
            assert_int_equal(pwrite(fd, &values[i], 1, at), 1);
            pst_error *error = pst_target_open_core(core_path, NULL, &target);
            if (!error)
                read_everything(target);
            pst_error_free(error);
            pst_target_close(target);
        }
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_kernel_core),
        TEST(test_leader_exited),
        TEST(test_debugger_core),
        TEST(test_signal_address),
        TEST(test_aarch64),
        TEST(test_arguments),
        TEST(test_memory),
        TEST(test_many_pages),
        TEST(test_no_memory),
        TEST(test_truncated),
        TEST(test_shrinking),
        TEST(test_hostile_segments),
        TEST(test_many_program_headers),
        TEST(test_no_core),
        TEST(test_other_machines),
        TEST(test_no_notes),
        TEST(test_shared_contents),
        TEST(test_many_notes),
        TEST(test_bad_notes),
        TEST(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
