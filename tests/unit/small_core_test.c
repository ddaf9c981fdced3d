/* What a small core is made of: pages, notes, the file; and that the reader of cores takes it for what it is. */
#include "core_fixture.h"
#include "fake.h"

#include "target/core_write.h"
#include "target/covering.h"
#include "target/notes.h"
#include "target/page_store.h"
#include "target/replay.h"
#include "target/stack_arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- pages ------------------------------------------------------------------------------------------------ */

static void keep(struct page_store *store, pst_addr address, uint8_t value, uint16_t start, uint16_t end)
{
    uint8_t bytes[MEMORY_PAGE_SIZE];
    memset(bytes, value, sizeof bytes);
    page_store_keep(store, &(struct memory_page){
                               .address = address, .bytes = bytes, .valid_start = start, .valid_end = end});
}

static void test_store(void **state)
{
    struct page_store store;
    page_store_start(&store);
    assert_null(page_store_find(&store, 0x1000));
    for (pst_addr i = 10000; i-- > 0;)
        keep(&store, 0x100000 + i * MEMORY_PAGE_SIZE, (uint8_t)i, 0, MEMORY_PAGE_SIZE);
    keep(&store, 0x100000, 77, 0, MEMORY_PAGE_SIZE);   /* what was first stays */
    keep(&store, 0x1000, 5, 16, 48);                   /* a part of a page */
    keep(&store, 0x2000, 5, 16, 16);                   /* nothing of one */
    assert_int_equal(store.count, 10001);
    assert_false(store.is_full);
    assert_int_equal(page_store_find(&store, 0x100000)->bytes[0], 0);
    assert_int_equal(page_store_find(&store, 0x1000)->address, 0x1010);
    assert_int_equal(page_store_find(&store, 0x1000)->size, 32);
    assert_null(page_store_find(&store, 0x2000));
    page_store_sort(&store);
    for (size_t i = 1; i < store.count; i++)
        assert_true(store.pages[i - 1].address < store.pages[i].address);
    page_store_free(&store);
    (void)state;
}

static void count_page(void *context, const struct memory_page *page)
{
    assert_true(page->valid_end > 0);
    ++*(size_t *)context;
}

/* A keeper is told of what was touched, and of nothing that was only read ahead. */
static void test_keeper(void **state)
{
    struct fake fake = {0};
    uint8_t byte;
    size_t visited = 0, kept = 0;
    fake_map(&fake, 0x10000, 64 * MEMORY_PAGE_SIZE);
    struct memory *memory = fake_memory(&fake);
    memory_set_keeper(memory, count_page, &kept);
    assert_null(memory_read(memory, 0x10000, &byte, 1));
    memory_begin(memory);
    for (pst_addr i = 0; i < 5; i++)    /* upwards: the pages ahead are read, too */
        assert_null(memory_read(memory, 0x10000 + (20 + i) * MEMORY_PAGE_SIZE, &byte, 1));
    memory_visit(memory, count_page, &visited);
    assert_int_equal(visited, 5);
    assert_true(memory_get_statistics(memory).page_count > 6);
    assert_int_equal(kept, 0);
    memory_trim(memory, 0);
    assert_int_equal(kept, 6);
    assert_null(memory_read(memory, 0x10000, &byte, 1));
    memory_close(memory);
    assert_int_equal(kept, 7);
    fake_free(&fake);
    (void)state;
}

/* ---- covering --------------------------------------------------------------------------------------------- */

/* A process has mapped more since, next to what was there and elsewhere. */
static void test_covering(void **state)
{
    struct segment mappings[] = {
        {.start = 0x10000, .end = 0x14000, .path = "[heap]", .readable = true},
        {.start = 0x18000, .end = 0x19000, .readable = true},
        {.start = 0x30200, .end = 0x31000, .readable = true},
    };
    const struct pst_target target = {.segments = mappings, .segment_count = 3};
    const pst_addr kept[] = {0xfffffffffffffc00, 0x30400, 0x30000, 0x20000, 0x17c00,
                             0x15000, 0x14400, 0x14000, 0x10400};
    const struct { pst_addr start, end; bool is_new; } expected[] = {
        {0x10000, 0x14000, false}, {0x14000, 0x16000, true}, {0x17000, 0x18000, true}, {0x18000, 0x19000, false},
        {0x20000, 0x21000, true}, {0x30000, 0x30200, true}, {0x30200, 0x31000, false},
        {0xfffffffffffff000, UINT64_MAX, true},
    };
    struct page_store store;
    struct segment *segments;
    size_t count;
    page_store_start(&store);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        keep(&store, kept[i], 1, 0, i ? MEMORY_PAGE_SIZE : MEMORY_PAGE_SIZE - 1);
    pst_addr *pages = page_store_list(&store);
    assert_non_null(pages);
    assert_null(covering_segments(&target, pages, store.count, &segments, &count));
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(segments[i].start, expected[i].start);
        assert_int_equal(segments[i].end, expected[i].end);
        assert_int_equal(segments[i].writable, expected[i].is_new);
    }
    assert_string_equal(segments[0].path, "[heap]");
    free(segments);
    free(pages);
    page_store_free(&store);
    (void)state;
}

/* ---- replay ----------------------------------------------------------------------------------------------- */

static void test_replay(void **state)
{
    struct fake fake = {0};
    struct page_store store;
    struct pst_target *replay;
    const struct replay_options options = {.with_files = false}, searching = {.search_store = true};
    uint8_t bytes[2];
    fake_map(&fake, 0x10000, 16 * MEMORY_PAGE_SIZE);
    fake_put_unsigned(&fake, 0x10000, 1, 1);
    fake_put_unsigned(&fake, 0x10000 + 5 * MEMORY_PAGE_SIZE, 1, 5);
    struct pst_target *origin = fake_target(&fake);
    page_store_start(&store);
    keep(&store, 0x10000, 42, 0, MEMORY_PAGE_SIZE);
    assert_null(replay_open(origin, &store, &options, &replay));
    /* What was set aside counts, and not what the origin has by now; searches see the same. */
    assert_null(memory_read(replay->memory, 0x10000, bytes, 1));
    assert_int_equal(bytes[0], 42);
    size_t got;
    memory_read_range(replay->memory, 0x10000 + MEMORY_PAGE_SIZE - 1, bytes, 2, &got);
    assert_int_equal(got, 2);
    assert_int_equal(bytes[0], 42);
    assert_int_equal(bytes[1], 0);
    assert_null(memory_read(replay->memory, 0x10000 + 5 * MEMORY_PAGE_SIZE, bytes, 1));
    assert_int_equal(bytes[0], 5);
    assert_int_equal(replay->kind, PST_TARGET_CORE);
    pst_target_close(replay);
    assert_int_equal(store.count, 2);

    assert_null(replay_open(origin, &store, &searching, &replay));
    pst_addr start = 0x10010, end = 0x10000 + 16 * MEMORY_PAGE_SIZE;
    assert_true(memory_find_used(replay->memory, &start, &end));
    assert_int_equal(start, 0x10010);
    assert_int_equal(end, 0x10000 + MEMORY_PAGE_SIZE);
    start = end;
    end = 0x10000 + 16 * MEMORY_PAGE_SIZE;
    assert_true(memory_find_used(replay->memory, &start, &end));
    assert_int_equal(start, 0x10000 + 5 * MEMORY_PAGE_SIZE);
    assert_int_equal(end, 0x10000 + 6 * MEMORY_PAGE_SIZE);
    start = end;
    end = 0x10000 + 16 * MEMORY_PAGE_SIZE;
    assert_false(memory_find_used(replay->memory, &start, &end));
    pst_target_close(replay);
    pst_target_close(origin);
    page_store_free(&store);
    fake_free(&fake);
    (void)state;
}

/* Behind the last page there can be is no other. */
static void test_replay_at_the_end(void **state)
{
    struct fake fake = {0};
    struct page_store store;
    struct pst_target *replay;
    const struct replay_options options = {.with_files = false};
    const pst_addr last = UINT64_MAX - MEMORY_PAGE_SIZE + 1;
    uint8_t bytes[8];
    size_t got;
    fake_map(&fake, last, MEMORY_PAGE_SIZE - 1);
    struct pst_target *origin = fake_target(&fake);
    page_store_start(&store);
    keep(&store, last, 42, 0, MEMORY_PAGE_SIZE - 1);
    assert_null(replay_open(origin, &store, &options, &replay));
    memory_read_range(replay->memory, last + MEMORY_PAGE_SIZE - 8, bytes, 8, &got);
    assert_int_equal(got, 7);
    assert_int_equal(bytes[6], 42);
    pst_target_close(replay);
    pst_target_close(origin);
    page_store_free(&store);
    fake_free(&fake);
    (void)state;
}

/* ---- the file --------------------------------------------------------------------------------------------- */

static struct segment mapping(pst_addr start, size_t size, const char *path, uint64_t offset, bool writable)
{
    return (struct segment){.start = start, .end = start + size, .path = path, .file_offset = offset,
                            .readable = true, .writable = writable};
}

static struct pst_target *write_and_open(const struct pst_target *target, struct page_store *store, struct text *notes)
{
    uint64_t size = 0;
    page_store_sort(store);
    int fd = open(core_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_null(core_write(fd, target, notes, store, &size));
    assert_int_equal(lseek(fd, 0, SEEK_END), size);
    close(fd);
    return open_with(NULL);
}

/* Threads, one of which has a number of its own in its PID namespace, and what the notes say of all of it. */
static void test_core(void **state)
{
    struct segment segments[] = {
        mapping(0x400000, 0x4000, "/usr/lib/libone.so", 0, false),
        mapping(0x404000, 0x2000, "/usr/lib/libone.so", 0x4000, true),
        mapping(0x500000, 0x100000, NULL, 0, true),
        mapping(0x700000, 0x1000, "[vdso]", 0, false),
    };
    struct target_thread threads[] = {
        {.tid = 4711, .inner_tid = 7, .name = "leader", .has_name = true, .state = 'S'},
        {.tid = 4712, .inner_tid = 8},
    };
    struct target_symbol symbols[] = {{0x404010, "trace"}, {0x400000, "[image]"}};
    struct pst_target target = {.machine = EM_X86_64, .pid = 4711, .segments = segments, .segment_count = 4,
                                .threads = threads, .thread_count = 2};
    struct page_store store;
    struct text notes = {0};
    uint8_t prstatus[336] = {0}, prpsinfo[136] = {0};
    notes_put(prpsinfo + 24, 7, 4);
    notes_add(&notes, "CORE", NT_PRPSINFO, prpsinfo, sizeof prpsinfo);
    for (unsigned i = 7; i <= 8; i++) {
        notes_put(prstatus + 32, i, 4);
        notes_add(&notes, "CORE", NT_PRSTATUS, prstatus, sizeof prstatus);
    }
    notes_add_files(&notes, &target);
    notes_add_threads(&notes, &target);
    notes_add_origin(&notes, &target, 1000000000LL * 1234567, true);
    notes_add_symbols(&notes, symbols, 2);
    assert_false(notes.failed);

    page_store_start(&store);
    keep(&store, 0x300000, 9, 0, MEMORY_PAGE_SIZE);    /* mapped since the mappings were listed */
    keep(&store, 0x400000, 1, 0, MEMORY_PAGE_SIZE);
    keep(&store, 0x400400, 2, 0, MEMORY_PAGE_SIZE);
    keep(&store, 0x403c00, 3, 0, MEMORY_PAGE_SIZE);
    keep(&store, 0x404000, 4, 0, MEMORY_PAGE_SIZE);
    keep(&store, 0x5fa000, 5, 8, 24);
    struct pst_target *core = write_and_open(&target, &store, &notes);
    assert_int_equal(core->pid, 4711);
    assert_int_equal(core->thread_count, 2);
    assert_int_equal(core->threads[0].tid, 4711);
    assert_int_equal(core->threads[0].inner_tid, 7);
    assert_int_equal(core->threads[0].state, 'S');
    assert_string_equal(core->threads[0].name, "leader");
    assert_int_equal(core->threads[1].tid, 4712);
    assert_false(core->threads[1].has_name);
    assert_int_equal(core->details.writer, PST_WRITER_PYSTANDER);
    assert_int_equal(core->details.written, 1234567);
    assert_string_equal(target_find_noted_name(core, 0x404010), "trace");
    assert_int_equal(target_find_noted_symbol(core, "[image]"), 0x400000);
    assert_null(target_find_noted_name(core, 0x404011));

    /* Its mappings are those of the origin, in however many pieces they were kept, and what there is besides. */
    assert_int_equal(core->segment_count, 5);
    assert_int_equal(core->segments[0].start, 0x300000);
    assert_int_equal(core->segments[0].end, 0x301000);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(core->segments[i + 1].start, segments[i].start);
        assert_int_equal(core->segments[i + 1].end, segments[i].end);
        assert_int_equal(core->segments[i + 1].writable, segments[i].writable);
        assert_int_equal(core->segments[i + 1].file_offset, segments[i].file_offset);
    }
    assert_string_equal(core->segments[1].path, "/usr/lib/libone.so");
    expect_byte(core, 0x400000, 1);
    expect_byte(core, 0x4007ff, 2);
    expect_byte(core, 0x403fff, 3);
    expect_byte(core, 0x404000, 4);
    expect_byte(core, 0x5fa008, 5);
    expect_byte(core, 0x5fa017, 5);
    expect_unreadable(core, 0x5fa018, "not in the core");
    expect_unreadable(core, 0x5fa007, "not in the core");
    expect_unreadable(core, 0x500000, "not in the core");
    expect_byte(core, 0x300000, 9);
    expect_unreadable(core, 0x300400, "not in the core");
    pst_target_close(core);
    page_store_free(&store);
    text_free(&notes);
    (void)state;
}

/* More pieces than e_phnum can count. */
static void test_many_loads(void **state)
{
    enum { COUNT = 70000 };
    struct segment segments[] = {mapping(0x10000000, (size_t)COUNT * 2 * MEMORY_PAGE_SIZE, NULL, 0, true)};
    struct pst_target target = {.machine = EM_AARCH64, .segments = segments, .segment_count = 1};
    struct page_store store;
    struct text notes = {0};
    notes_add_files(&notes, &target);
    page_store_start(&store);
    for (pst_addr i = 0; i < COUNT; i++)
        keep(&store, 0x10000000 + 2 * i * MEMORY_PAGE_SIZE, (uint8_t)i, 0, MEMORY_PAGE_SIZE);
    struct pst_target *core = write_and_open(&target, &store, &notes);
    assert_int_equal(core->machine, EM_AARCH64);
    assert_int_equal(core->segment_count, 1);
    expect_byte(core, 0x10000000, 0);
    expect_byte(core, 0x10000000 + 2 * (pst_addr)(COUNT - 1) * MEMORY_PAGE_SIZE, (uint8_t)(COUNT - 1));
    expect_unreadable(core, 0x10000000 + MEMORY_PAGE_SIZE, "not in the core");
    pst_target_close(core);
    page_store_free(&store);
    text_free(&notes);
    (void)state;
}

/* Notes that lie: what they say of threads and symbols is believed as far as it can be. */
static void test_lying_notes(void **state)
{
    struct core_file file = begin_kernel_core(11, 1, 0);
    uint8_t threads[2 * NOTE_THREAD_SIZE] = {0}, symbols[] = "\1\0\0\0\0\0\0\0name\0\2\0\0\0\0\0\0\0no end";
    notes_put(threads, 999999, 4);
    core_file_note(&file, NOTE_PYSTANDER, NOTE_PYSTANDER_THREADS, threads, sizeof threads);
    core_file_note(&file, NOTE_PYSTANDER, NOTE_PYSTANDER_ORIGIN, threads, 8);
    core_file_note(&file, NOTE_PYSTANDER, NOTE_PYSTANDER_SYMBOLS, symbols, sizeof symbols - 1);
    struct pst_target *core = open_core(&file);
    assert_int_not_equal(core->threads[0].tid, 999999);
    assert_int_equal(core->symbol_noted_count, 1);
    assert_string_equal(target_find_noted_name(core, 1), "name");
    assert_int_not_equal(core->details.writer, PST_WRITER_PYSTANDER);
    pst_target_close(core);
    (void)state;
}

/* A disk that is full, a pipe that nobody reads. */
static void test_unwritable(void **state)
{
    struct segment segments[] = {mapping(0x10000, 0x10000, NULL, 0, true)};
    struct pst_target target = {.machine = EM_X86_64, .segments = segments, .segment_count = 1};
    struct page_store store;
    struct text notes = {0};
    uint64_t size;
    page_store_start(&store);
    keep(&store, 0x10000, 1, 0, MEMORY_PAGE_SIZE);
    page_store_sort(&store);
    int fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    pst_error *error = core_write(fd, &target, &notes, &store, &size);
    assert_non_null(error);
    assert_int_equal(pst_error_get_errno(error), ENOSPC);
    pst_error_free(error);
    close(fd);
    page_store_free(&store);
    (void)state;
}

/* ---- the command line --------------------------------------------------------------------------------------- */

static pst_addr put_string(struct fake *fake, pst_addr *at, const char *string)
{
    pst_addr start = *at;
    fake_put(fake, start, string, strlen(string) + 1);
    *at += strlen(string) + 1;
    return start;
}

/* As the kernel lays it out. `last` replaces the last pointer of argv, as programs may. */
static void check_arguments(pst_addr last, const char *expected, size_t expected_size)
{
    enum { STACK = 0x7ff000, STRINGS = STACK + 0x3000, RANDOM = STACK + 0x2f00, ARGC = STACK + 0x2e00 };
    struct fake fake = {0};
    fake_map(&fake, STACK, 0x4000);
    pst_addr at = STRINGS, argv[3];
    argv[0] = put_string(&fake, &at, "python");
    argv[1] = put_string(&fake, &at, "-c");
    argv[2] = put_string(&fake, &at, "import this");
    put_string(&fake, &at, "SECRET=1");
    uint64_t words[] = {3, argv[0], argv[1], last ? last : argv[2], 0, at - 9, 0, AT_RANDOM, RANDOM, AT_NULL, 0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        fake_put_unsigned(&fake, ARGC + 8 * i, 8, words[i]);
    uint8_t auxv[32];
    for (size_t i = 0; i < 4; i++)
        notes_put(auxv + 8 * i, words[7 + i], 8);
    struct pst_target *target = fake_target(&fake);
    char *arguments;
    size_t size;
    assert_null(stack_arguments_read(target, auxv, sizeof auxv, &arguments, &size));
    assert_non_null(arguments);
    assert_int_equal(size, expected_size);
    assert_memory_equal(arguments, expected, expected_size);
    free(arguments);
    pst_target_close(target);
    fake_free(&fake);
}

static void test_arguments(void **state)
{
    static const char expected[] = "python\0-c\0import this";
    check_arguments(0, expected, sizeof expected);
    check_arguments(0x123456789000, expected, sizeof expected);    /* Python 2 puts its own "-c" there */
    check_arguments(1, expected, sizeof expected);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_keeper),
        cmocka_unit_test(test_covering),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_at_the_end),
        cmocka_unit_test_setup_teardown(test_core, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_many_loads, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_lying_notes, make_folder, remove_folder),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
