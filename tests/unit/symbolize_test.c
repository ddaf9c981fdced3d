/* Names of this very program's functions, seen in a child process that stands still. */
#include "image/symbolize.h"

#include "image/symbol_table.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int symbolize_test_exported(int value);
int symbolize_test_alias(int value);
int __symbolize_test_alias_too(int value);

__attribute__((noinline, used)) static int local_function(int value)
{
    return value * 3 + getpid();
}

__attribute__((visibility("default"), noinline)) int symbolize_test_exported(int value)
{
    return local_function(value) + 1;
}

__attribute__((noinline)) int __symbolize_test_alias_too(int value)
{
    return value ^ getpid();
}

int symbolize_test_alias(int value) __attribute__((alias("__symbolize_test_alias_too")));

/* A local label within a function, and code that has no size. */
__asm__(".text\n"
        "symbolize_test_sizeless:\n"
        ".byte 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90\n"
        ".type symbolize_test_suffixed.lto_priv.0, %function\n"
        "symbolize_test_suffixed.lto_priv.0:\n"
        ".byte 0x90, 0x90, 0x90, 0x90\n"
        "symbolize_test_label:\n"
        ".byte 0x90, 0x90, 0x90, 0x90\n"
        ".size symbolize_test_suffixed.lto_priv.0, 8\n");
/* Hidden: not through the GOT, whose entries for local symbols ld makes of the section's start alone on aarch64. */
#define HIDDEN __attribute__((visibility("hidden")))
extern char sizeless[] __asm__("symbolize_test_sizeless") HIDDEN;
extern char suffixed[] __asm__("symbolize_test_suffixed.lto_priv.0") HIDDEN;

struct child {
    pid_t pid;
    struct pst_target *target;
};

static void *anonymous;

static int start_child(void **state)
{
    struct child *child = calloc(1, sizeof *child);
    anonymous = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    child->pid = fork();
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    pst_error *error = pst_target_open_process(child->pid, NULL, &child->target);
    if (error) {
        fprintf(stderr, "%s\n", pst_error_get_message(error));
        pst_error_free(error);
    }
    *state = child;
    return error ? -1 : 0;
}

static int end_child(void **state)
{
    struct child *child = *state;
    pst_target_close(child->target);
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    munmap(anonymous, 4096);
    free(child);
    return 0;
}

static pst_addr address_of(int (*function)(int))
{
    return (pst_addr)(uintptr_t)function;
}

static void names_functions(void **state)
{
    struct pst_target *target = ((struct child *)*state)->target;
    assert_string_equal(symbolize(target, address_of(local_function)), "local_function");
    assert_string_equal(symbolize(target, address_of(local_function) + 1), "local_function+0x1");
    assert_string_equal(symbolize(target, address_of(symbolize_test_exported)), "symbolize_test_exported");
    assert_string_equal(symbolize(target, address_of(symbolize_test_alias)), "symbolize_test_alias");
    assert_string_equal(symbolize(target, (pst_addr)(uintptr_t)suffixed), "symbolize_test_suffixed");
    assert_string_equal(symbolize(target, (pst_addr)(uintptr_t)suffixed + 4), "symbolize_test_label");
    assert_string_equal(symbolize(target, (pst_addr)(uintptr_t)suffixed + 5), "symbolize_test_suffixed+0x5");
    assert_string_equal(symbolize(target, (pst_addr)(uintptr_t)sizeless), "symbolize_test_sizeless");
    const char *nearby = symbolize(target, (pst_addr)(uintptr_t)sizeless + 1);
    assert_non_null(nearby);
    assert_null(strstr(nearby, "sizeless"));
    /* a library's, by whatever it has; the second time from what was found first */
    const char *found = symbolize(target, (pst_addr)(uintptr_t)qsort);
    assert_string_equal(found, "qsort");
    assert_ptr_equal(symbolize(target, (pst_addr)(uintptr_t)qsort), found);
}

static void names_no_data(void **state)
{
    struct pst_target *target = ((struct child *)*state)->target;
    assert_null(symbolize(target, (pst_addr)(uintptr_t)anonymous));
    assert_null(symbolize(target, (pst_addr)(uintptr_t)&target));   /* on the stack */
    assert_null(symbolize(target, 0));
    assert_null(symbolize(target, UINT64_MAX));
}

static pst_error *open_nothing(struct pst_target *target, const char *path, const struct segment *segment, int *fd)
{
    (void)target, (void)path, (void)segment;
    *fd = -1;
    return NULL;
}

/* What the memory holds, where no file can be opened: exported functions. */
static void does_without_files(void **state)
{
    struct pst_target *target = ((struct child *)*state)->target;
    const struct target_operations *operations = target->operations;
    struct target_operations blind = *operations;
    blind.open_file = open_nothing;
    target->operations = &blind;
    const char *exported = symbolize(target, (pst_addr)(uintptr_t)qsort);
    const char *local = symbolize(target, address_of(local_function));
    target->operations = operations;
    assert_string_equal(exported, "qsort");
    assert_non_null(local);
    assert_non_null(strstr(local, "symbolize_test+0x"));
}

/* Addresses beyond the limit are not answered, and those before still are. */
static void ends_at_the_limit(void **state)
{
    struct pst_target *target = ((struct child *)*state)->target;
    const struct segment *segment = target_find_segment(target, (pst_addr)(uintptr_t)qsort);
    pst_addr start = segment->start;
    assert_string_equal(symbolize(target, (pst_addr)(uintptr_t)qsort), "qsort");
    for (size_t i = 0; i < SYMBOLIZE_MAX_RESULTS && start + i < segment->end; i++)
        symbolize(target, start + i);
    assert_null(symbolize(target, segment->end - 1));
    assert_string_equal(symbolize(target, (pst_addr)(uintptr_t)qsort), "qsort");
}

/* ---- damaged files --------------------------------------------------------------------------------------- */

static int copy_own_file(off_t *size)
{
    char name[] = "/tmp/symbolize-test-XXXXXX";
    struct stat status;
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = mkstemp(name);
    assert_true(from >= 0 && to >= 0);
    unlink(name);
    assert_int_equal(fstat(from, &status), 0);
    char *bytes = malloc((size_t)status.st_size);
    assert_non_null(bytes);
    assert_int_equal(pread(from, bytes, (size_t)status.st_size, 0), status.st_size);
    assert_int_equal(pwrite(to, bytes, (size_t)status.st_size, 0), status.st_size);
    free(bytes);
    close(from);
    *size = status.st_size;
    return to;
}

static void read_both(int fd)
{
    for (int which = SYMBOLS_STATIC; which <= SYMBOLS_DYNAMIC; which++) {
        struct symbol_budget budget = {1 << 16, 16 << 20};
        struct symbol_table table;
        if (!symbol_table_read_file(fd, which, &budget, &table)) {
            assert_null(table.symbols);
            continue;
        }
        for (size_t i = 0; i < table.count; i += 7) {
            size_t size;
            const struct symbol *symbol = symbol_table_find(&table, table.symbols[i].value);
            assert_non_null(symbol);
            symbol_table_get_name(&table, symbol, &size);
            symbol_table_find(&table, table.symbols[i].value - 1);
        }
        symbol_table_free(&table);
    }
}

static void survives_damage(void **state)
{
    (void)state;
    off_t size;
    int fd = copy_own_file(&size);
    Elf64_Ehdr header;
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    off_t places[] = {0, (off_t)header.e_shoff, (off_t)header.e_shoff};
    off_t sizes[] = {sizeof header, header.e_shnum * (off_t)sizeof(Elf64_Shdr), 0};
    /* and the symbols themselves */
    for (int i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        off_t at = (off_t)header.e_shoff + i * (off_t)sizeof section;
        assert_int_equal(pread(fd, &section, sizeof section, at), sizeof section);
        if (section.sh_type == SHT_SYMTAB) {
            places[2] = (off_t)section.sh_offset;
            sizes[2] = (off_t)section.sh_size;
        }
    }
    assert_true(sizes[2] > 0);
    srandom(4);
    for (int round = 0; round < 400; round++) {
        int part = round % 3;
        off_t at = places[part] + random() % sizes[part];
        uint8_t old, new = round & 4 ? 0xff : (uint8_t)random();
        assert_int_equal(pread(fd, &old, 1, at), 1);
        assert_int_equal(pwrite(fd, &new, 1, at), 1);
        read_both(fd);
        if (round % 2)
            assert_int_equal(pwrite(fd, &old, 1, at), 1);
    }
    /* and the file cut short */
    for (off_t rest = size; rest > 64; rest = rest * 2 / 3) {
        assert_int_equal(ftruncate(fd, rest), 0);
        read_both(fd);
    }
    close(fd);
}

static void keeps_to_the_budget(void **state)
{
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct symbol_budget budget = {1, 16 << 20}, strings = {1 << 16, 1};
    struct symbol_table table;
    assert_false(symbol_table_read_file(fd, SYMBOLS_STATIC, &budget, &table));
    assert_false(symbol_table_read_file(fd, SYMBOLS_STATIC, &strings, &table));
    assert_int_equal(budget.symbols, 1);
    budget = (struct symbol_budget){1 << 16, 16 << 20};
    assert_true(symbol_table_read_file(fd, SYMBOLS_STATIC, &budget, &table));
    assert_true(budget.symbols < 1 << 16 && budget.strings < 16 << 20);
    symbol_table_free(&table);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_functions, start_child, end_child),
        cmocka_unit_test_setup_teardown(names_no_data, start_child, end_child),
        cmocka_unit_test_setup_teardown(does_without_files, start_child, end_child),
        cmocka_unit_test_setup_teardown(ends_at_the_limit, start_child, end_child),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(keeps_to_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
