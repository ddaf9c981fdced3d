/* What a core left out, taken from the files that it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pst_target *open_with_image(const char *core_id, const char *file_id)
{
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    add_image(&core, core_id, image_path);
    if (file_id)
        write_image(image_path, file_id[0] ? file_id : NULL);
    else
        remove(image_path);
    return open_core(&core);
}

static void test_image(void **state)
{
    (void)state;
    struct pst_target *target = open_with_image("twenty bytes of SHA1", "twenty bytes of SHA1");
    int fd;
    expect_byte(target, image_address + PAGE, 16);
    expect_byte(target, image_address + 3 * PAGE - 1, 32);
    expect_unreadable(target, image_address + 3 * PAGE, "not in the core");
    /* Read-only in the end, but the loader wrote to it. */
    expect_unreadable(target, image_address + 4 * PAGE, "before the program ran");
    expect_unreadable(target, image_address + 5 * PAGE, "before the program ran");
    expect_no_errors(target);
    const struct segment *segment = target_find_segment(target, image_address);
    assert_null(target->operations->open_file(target, segment->path, segment, &fd));
    assert_true(fd >= 0);
    close(fd);
    assert_null(target->operations->open_file(target, image_path, NULL, &fd));
    assert_true(fd >= 0);
    close(fd);
    /* There, but the core does not name it. */
    assert_null(target->operations->open_file(target, core_path, NULL, &fd));
    assert_int_equal(fd, -1);
    pst_target_close(target);
}

static void test_other_build(void **state)
{
    (void)state;
    struct pst_target *target = open_with_image("\x01\x23", "\x45\x67");
    int fd;
    expect_no_errors(target);
    expect_unreadable(target, image_address + PAGE, "libimage.so is another build (build-id 4567, the core has 0123)");
    expect_unreadable(target, image_address + 2 * PAGE, "another build");
    expect_byte(target, image_address, 0x7f);
    expect_one_error(target, "libimage.so is another build (build-id 4567, the core has 0123): not used");
    assert_null(target->operations->open_file(target, image_path, NULL, &fd));
    assert_int_equal(fd, -1);
    pst_target_close(target);

    target = open_with_image("\x01\x23", "");
    expect_unreadable(target, image_address + PAGE, "another build (build-id none, the core has 0123)");
    pst_target_close(target);
    target = open_with_image(NULL, "\x01\x23");
    expect_unreadable(target, image_address + PAGE, "another build (build-id 0123, the core has none)");
    pst_target_close(target);
}

static void test_no_build_id(void **state)
{
    (void)state;
    struct pst_target *target = open_with_image(NULL, "");
    expect_byte(target, image_address + PAGE, 16);
    expect_no_errors(target);
    pst_target_close(target);

    static uint8_t image[IMAGE_FILE_SIZE];
    image_file_fill(image, NULL);
    image[4000] = 1;
    write_file(image_path, image, sizeof image);
    target = open_with(NULL);
    expect_unreadable(target, image_address + PAGE, "its first page differs");
    pst_target_close(target);
}

/* Whatever it has in common with what is there: nobody maps and runs a core, in which others' memory is. */
static void test_core_as_image(void **state)
{
    (void)state;
    static uint8_t image[IMAGE_FILE_SIZE];
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    add_image(&core, "\x01\x23", image_path);
    image_file_fill(image, "\x01\x23");
    image[offsetof(Elf64_Ehdr, e_type)] = ET_CORE;
    write_file(image_path, image, sizeof image);
    struct pst_target *target = open_core(&core);
    expect_unreadable(target, image_address + PAGE, "is another file (no 64-bit ELF image): not used");
    pst_target_close(target);
}

static void test_missing_file(void **state)
{
    (void)state;
    struct pst_target *target = open_with_image("\x01\x23", NULL);
    expect_unreadable(target, image_address + PAGE, "libimage.so can't be opened: No such file");
    expect_byte(target, image_address, 0x7f);
    expect_no_errors(target);
    pst_target_close(target);
}

/* Neither is opened: a FIFO would wait for ever, a device might act. */
static void test_special_files(void **state)
{
    char fifo[128];
    const char *const paths[] = { fifo, "/dev/null", "/proc/self/maps", "relative", "", folder };
    (void)state;
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
        add_image(&core, "\x01\x23", paths[i]);
        struct pst_target *target = open_core(&core);
        expect_unreadable(target, image_address + PAGE, "it is no regular file");
        pst_target_close(target);
    }
    expect_refused("/dev/null", PST_ERROR_NOT_CORE, "is a device", NULL);
}

/* gcore leaves whole mappings out. */
static void test_mapping_without_segment(void **state)
{
    (void)state;
    static uint8_t image[IMAGE_FILE_SIZE];
    image_file_fill(image, "\x01\x23");
    write_file(image_path, image, sizeof image);
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_load(&core, image_address, PF_R, image, PAGE, PAGE);
    core_file_map(&core, image_address, PAGE, 0, image_path);
    core_file_map(&core, image_address + PAGE, 2 * PAGE, PAGE, image_path);
    core_file_map(&core, image_address + 4 * PAGE, 2 * PAGE, 3 * PAGE, image_path);
    struct pst_target *target = open_core(&core);
    assert_int_equal(target->segment_count, 3);
    expect_byte(target, image_address + PAGE, 16);
    expect_byte(target, image_address + 2 * PAGE, 32);
    expect_unreadable(target, image_address + 4 * PAGE, "before the program ran");
    pst_target_close(target);
}

static void test_wanted_executable(void **state)
{
    char other[128];
    const uint64_t auxv[] = { AT_PHDR, image_address + 64, AT_NULL, 0 };
    pst_target_options options = { .size = sizeof options, .executable = other };
    (void)state;
    snprintf(other, sizeof other, "%s/libimage.so.new", folder);
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    add_image(&core, "\x01\x23", image_path);
    core_file_note_auxv(&core, auxv, sizeof auxv / sizeof *auxv);
    core_file_write(&core, core_path);

    remove(image_path);
    write_image(other, "\x01\x23");
    struct pst_target *target = open_with(&options);
    expect_no_errors(target);
    assert_string_equal(pst_target_get_executable(target), image_path);
    expect_byte(target, image_address + PAGE, 16);
    pst_target_close(target);

    write_image(other, "\x45\x67");
    target = open_with(&options);
    expect_one_error(target, "libimage.so.new is another build (build-id 4567, the core has 0123)");
    expect_unreadable(target, image_address + PAGE, "libimage.so can't be opened");
    pst_target_close(target);

    remove(other);
    target = open_with(&options);
    expect_one_error(target, "libimage.so.new can't be opened");
    pst_target_close(target);
}

static void test_sysroot(void **state)
{
    char root[128], path[192];
    pst_target_options options = { .size = sizeof options, .sysroot = root };
    int fd;
    (void)state;
    snprintf(root, sizeof root, "%s/root", folder);
    assert_int_equal(mkdir(root, 0700), 0);
    write_image(image_path, "\x01\x23"); /* outside */
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    add_image(&core, "\x01\x23", "/../link");
    core_file_write(&core, core_path);

    snprintf(path, sizeof path, "%s/link", root);
    assert_int_equal(symlink("../../../../libimage.so", path), 0);
    struct pst_target *target = open_with(&options);
    expect_unreadable(target, image_address + PAGE, "/root/../link can't be opened");
    pst_target_close(target);

    snprintf(path, sizeof path, "%s/libimage.so", root);
    write_image(path, "\x01\x23");
    snprintf(path, sizeof path, "%s/source.py", root);
    write_file(path, "pass\n", 5);
    target = open_with(&options);
    expect_byte(target, image_address + PAGE, 16);
    assert_null(target->operations->open_file(target, "/source.py", NULL, &fd));
    assert_true(fd >= 0);
    close(fd);
    assert_null(target->operations->open_file(target, image_path, NULL, &fd));
    assert_int_equal(fd, -1);
    pst_target_close(target);

    snprintf(root, sizeof root, "%s/nowhere", folder);
    pst_error *error = pst_target_open_core(core_path, &options, &target);
    assert_int_equal(pst_error_get_code(error), PST_ERROR_OPEN);
    pst_error_free(error);
}

static void open_below(const char *option, bool is_debug_dir, bool expected)
{
    pst_target_options options = { .size = sizeof options };
    if (is_debug_dir)
        options.debug_dir = option;
    else
        options.sysroot = option;
    struct pst_target *target = open_with(&options);
    if (expected)
        expect_byte(target, image_address + PAGE, 16);
    else
        expect_unreadable(target, image_address + PAGE, "can't be opened");
    expect_no_errors(target);
    pst_target_close(target);
}

/* By the last part of the name, or by the build-id. */
static void test_other_places(void **state)
{
    char root[128], path[192];
    (void)state;
    snprintf(root, sizeof root, "%s/root", folder);
    assert_int_equal(mkdir(root, 0700), 0);
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    add_image(&core, "\x01\x23\x45", "/usr/lib/libimage.so");
    core_file_write(&core, core_path);
    snprintf(path, sizeof path, "%s/libimage.so", root);
    write_image(path, "\x01\x23\x45");
    open_below(root, false, true);
    open_below(root, true, true);
    write_image(path, "\x45\x67\x45"); /* what was not asked for by its path is no error */
    open_below(root, false, false);
    open_below(root, true, false);

    char links[160], first[176];
    snprintf(links, sizeof links, "%s/.build-id", root);
    snprintf(first, sizeof first, "%s/01", links);
    assert_int_equal(mkdir(links, 0700), 0);
    assert_int_equal(mkdir(first, 0700), 0);
    snprintf(path, sizeof path, "%s/2345", first);
    write_image(path, "\x01\x23\x45");
    open_below(root, true, true);
    open_below(root, false, false);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(first), 0);
    assert_int_equal(rmdir(links), 0);
}

/* Debug information alone has the build-id and not the bytes. */
static void test_debug_information(void **state)
{
    static uint8_t image[IMAGE_FILE_SIZE];
    (void)state;
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    add_image(&core, "\x01\x23", image_path);
    image_file_fill(image, "\x01\x23");
    image[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_filesz) + 1] = 0;
    write_file(image_path, image, sizeof image);
    struct pst_target *target = open_core(&core);
    expect_unreadable(target, image_address + PAGE, "has the right build-id, but is not the image itself");
    pst_target_close(target);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_image),
        TEST(test_other_build),
        TEST(test_no_build_id),
        TEST(test_core_as_image),
        TEST(test_missing_file),
        TEST(test_special_files),
        TEST(test_mapping_without_segment),
        TEST(test_wanted_executable),
        TEST(test_sysroot),
        TEST(test_other_places),
        TEST(test_debug_information),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
