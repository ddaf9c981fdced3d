/* Cores without an NT_FILE note: what was mapped, found in their memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Where things are on a page of data. */
enum { DYNAMIC = 0, DEBUG = 64, LINKS = 128, LINK_SIZE = 40, EXECUTABLE_NAME = 512, LIBRARY_NAME = 1024 };

static const pst_addr executable_address = 0x400000;

static void put_word(uint8_t *bytes, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void put_link(uint8_t *page, size_t index, uint64_t name, uint64_t dynamic, uint64_t next)
{
    uint8_t *link = page + LINKS + index * LINK_SIZE;
    put_word(link + 8, name);
    put_word(link + 16, dynamic);
    put_word(link + 24, next);
}

/* A page of a program: its dynamic section, and the list of the loader: the program and the library. */
static void fill_data(uint8_t page[PAGE], pst_addr address)
{
    memset(page, 0, PAGE);
    put_word(page + DYNAMIC, DT_DEBUG);
    put_word(page + DYNAMIC + 8, address + DEBUG);
    put_word(page + DEBUG + 8, address + LINKS);
    put_link(page, 0, address + 4000, address + DYNAMIC, address + LINKS + LINK_SIZE);
    put_link(page, 1, address + LIBRARY_NAME, image_address + 5UL * PAGE, address + LINKS);
    strcpy((char *)page + EXECUTABLE_NAME, "/usr/bin/program");
    memcpy(page + LIBRARY_NAME, image_path, strlen(image_path) + 1);
}

/* Turns the last PT_LOAD of the library that image_file_fill() makes into one with a dynamic section at its start. */
static void fill_executable(uint8_t page[PAGE])
{
    static uint8_t image[IMAGE_FILE_SIZE];
    image_file_fill(image, "\x01\x23");
    memcpy(page, image, PAGE);
    uint8_t *header = page + sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Phdr);
    memcpy(header + sizeof(Elf64_Phdr), header, sizeof(Elf64_Phdr)); /* the note, once more */
    memset(header, 0, sizeof(Elf64_Phdr));
    header[0] = PT_DYNAMIC;
    put_word(header + offsetof(Elf64_Phdr, p_vaddr), 0x4000);
    page[offsetof(Elf64_Ehdr, e_phnum)]++;
}

static struct core_file begin(const uint8_t *first_page, const uint8_t *data)
{
    static uint8_t library[IMAGE_FILE_SIZE];
    const pst_addr data_start = executable_address + 4UL * PAGE;
    const uint64_t auxv[] = { AT_PHDR, executable_address + 64, AT_EXECFN, data_start + EXECUTABLE_NAME, AT_NULL, 0 };
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_note_auxv(&core, auxv, sizeof auxv / sizeof *auxv);
    core_file_load(&core, executable_address, PF_R, first_page, PAGE, PAGE);
    core_file_load(&core, executable_address + PAGE, PF_R | PF_X, NULL, 0, PAGE);
    core_file_load(&core, executable_address + 2UL * PAGE, PF_R, NULL, 0, PAGE);
    core_file_load(&core, data_start, PF_R | PF_W, data, PAGE, 2 * PAGE);
    image_file_fill(library, "\x45\x67");
    core_file_load(&core, image_address, PF_R, library, PAGE, PAGE);
    core_file_load(&core, image_address + PAGE, PF_R | PF_X, NULL, 0, PAGE);
    core_file_load(&core, image_address + 2UL * PAGE, PF_R, NULL, 0, PAGE);
    core_file_load(&core, image_address + 4UL * PAGE, PF_R | PF_W, NULL, 0, 2 * PAGE);
    return core;
}

static void expect_path(const struct pst_target *target, pst_addr address, const char *path, uint64_t offset)
{
    const struct segment *segment = target_find_segment(target, address);
    assert_non_null(segment);
    assert_non_null(segment->path);
    assert_string_equal(segment->path, path);
    assert_int_equal(segment->file_offset + (address - segment->start), offset);
}

static void test_loaded(void **state)
{
    uint8_t first_page[PAGE], data[PAGE];
    (void)state;
    fill_executable(first_page);
    fill_data(data, executable_address + 4UL * PAGE);
    write_image(image_path, "\x45\x67");
    struct core_file core = begin(first_page, data);
    struct pst_target *target = open_core(&core);
    expect_no_errors(target);
    assert_string_equal(pst_target_get_executable(target), "/usr/bin/program");
    expect_path(target, executable_address, "/usr/bin/program", 0);
    expect_path(target, executable_address + PAGE, "/usr/bin/program", PAGE);
    expect_path(target, image_address + PAGE, image_path, PAGE);
    expect_path(target, image_address + 4UL * PAGE, image_path, 3UL * PAGE);
    expect_byte(target, image_address + PAGE, 16); /* of the file */
    expect_unreadable(target, image_address + 4UL * PAGE, "before the program ran");
    pst_target_close(target);
}

/* A list of the loader's that leads back into itself, or nowhere; an executable that nobody names. */
static void test_unnamed(void **state)
{
    uint8_t first_page[PAGE], data[PAGE];
    (void)state;
    fill_executable(first_page);
    fill_data(data, executable_address + 4UL * PAGE);
    strcpy((char *)data + EXECUTABLE_NAME, "program");
    put_link(data, 1, 1, 2, executable_address + 4UL * PAGE + LINKS);
    struct core_file core = begin(first_page, data);
    struct pst_target *target = open_core(&core);
    expect_no_errors(target);
    assert_null(pst_target_get_executable(target));
    expect_path(target, executable_address, "unnamed image at 0x400000", 0);
    expect_path(target, image_address, "unnamed image at 0x7f0000000000", 0);
    expect_unreadable(target, image_address + PAGE, "unnamed image at 0x7f0000000000");
    pst_target_close(target);
}

/* An ELF file that a program has read into its memory is no image, and neither is one whose parts are nowhere. */
static void test_not_loaded(void **state)
{
    static uint8_t image[IMAGE_FILE_SIZE];
    (void)state;
    image_file_fill(image, "\x01\x23");
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_load(&core, data_address, PF_R | PF_W, image, sizeof image, sizeof image);
    core_file_load(&core, image_address, PF_R, image, PAGE, PAGE);
    struct pst_target *target = open_core(&core);
    expect_one_error(target, "does not say which files were mapped");
    assert_null(target_find_segment(target, data_address)->path);
    assert_null(target_find_segment(target, image_address)->path);
    expect_byte(target, data_address + PAGE, 16);
    pst_target_close(target);
}

/* Sizes and addresses at the ends of what a number can hold. */
static void test_lies(void **state)
{
    static const size_t fields[] = { offsetof(Elf64_Phdr, p_vaddr), offsetof(Elf64_Phdr, p_filesz),
                                     offsetof(Elf64_Phdr, p_offset), offsetof(Elf64_Phdr, p_memsz) };
    static const uint64_t values[] = { UINT64_MAX, INT64_MAX, UINT64_MAX - 4095, 1, 0x8000000000000000 };
    (void)state;
    for (size_t load = 0; load < 4; load++)
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
                uint8_t first_page[PAGE], data[PAGE];
                fill_executable(first_page);
                fill_data(data, executable_address + 4UL * PAGE);
                put_word(first_page + sizeof(Elf64_Ehdr) + load * sizeof(Elf64_Phdr) + fields[i], values[j]);
                struct core_file core = begin(first_page, data);
                struct pst_target *target = open_core(&core);
                expect_path(target, image_address, target_find_segment(target, image_address)->path, 0);
                expect_byte(target, executable_address + 4UL * PAGE, DT_DEBUG);
                pst_target_close(target);
            }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_loaded),
        TEST(test_unnamed),
        TEST(test_not_loaded),
        TEST(test_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
