#include "core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const pst_addr data_address = 0x10000, image_address = 0x7f0000000000;

char folder[64], core_path[128], image_path[128];

int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pystander-core-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(core_path, sizeof core_path, "%s/core", folder);
    snprintf(image_path, sizeof image_path, "%s/libimage.so", folder);
    return 0;
}

int remove_folder(void **state)
{
    static const char *const names[] = { "core", "libimage.so", "libimage.so.new", "fifo", "root/link",
                                         "root/libimage.so", "root/source.py", "root" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    return rmdir(folder);
}

/* ---- helpers --------------------------------------------------------------------------------------- */

struct pst_target *open_with(const pst_target_options *options)
{
    struct pst_target *target;
    pst_error *error = pst_target_open_core(core_path, options, &target);
    if (error)
        fail_msg("%s", pst_error_get_message(error));
    return target;
}

struct pst_target *open_core(struct core_file *core)
{
    core_file_write(core, core_path);
    return open_with(NULL);
}

void expect_no_errors(const struct pst_target *target)
{
    const pst_error *error = pst_target_get_errors(target);
    if (error)
        fail_msg("%s", pst_error_get_message(error));
}

void expect_one_error(const struct pst_target *target, const char *part)
{
    const pst_error *error = pst_target_get_errors(target);
    assert_non_null(error);
    if (!strstr(pst_error_get_message(error), part))
        fail_msg("no \"%s\" in: %s", part, pst_error_get_message(error));
    if (pst_error_get_next(error))
        fail_msg("one more: %s", pst_error_get_message(pst_error_get_next(error)));
}

void expect_byte(struct pst_target *target, pst_addr address, uint8_t expected)
{
    uint8_t byte;
    pst_error *error = memory_read(target->memory, address, &byte, 1);
    if (error)
        fail_msg("%s", pst_error_get_message(error));
    assert_int_equal(byte, expected);
}

void expect_unreadable(struct pst_target *target, pst_addr address, const char *why)
{
    uint8_t byte;
    pst_error *error = memory_read(target->memory, address, &byte, 1);
    assert_non_null(error);
    if (!strstr(pst_error_get_message(error), why))
        fail_msg("no \"%s\" in: %s", why, pst_error_get_message(error));
    pst_error_free(error);
}

void expect_refused(const char *path, pst_error_code code, const char *message, const char *hint)
{
    struct pst_target *target;
    pst_error *error = pst_target_open_core(path, NULL, &target);
    assert_non_null(error);
    assert_null(target);
    if (!strstr(pst_error_get_message(error), message))
        fail_msg("no \"%s\" in: %s", message, pst_error_get_message(error));
    assert_int_equal(pst_error_get_code(error), code);
    if (hint) {
        assert_non_null(pst_error_get_hint(error));
        assert_non_null(strstr(pst_error_get_hint(error), hint));
    }
    pst_error_free(error);
}

struct core_file begin_kernel_core(int signal, int code, uint64_t address)
{
    struct core_file core = core_file_begin(EM_X86_64);
    core_file_note_prstatus(&core, 4711, signal, 0x1234);
    core_file_note_prpsinfo(&core, 4711, "worker", "python -m  worker ");
    core_file_note_siginfo(&core, signal, code, address);
    return core;
}

void add_image(struct core_file *core, const char *build_id, const char *path)
{
    static uint8_t image[IMAGE_FILE_SIZE], heap[PAGE];
    image_file_fill(image, build_id);
    core_file_load(core, data_address, PF_R | PF_W, heap, PAGE, PAGE);
    core_file_load(core, image_address, PF_R, image, PAGE, PAGE);
    core_file_load(core, image_address + PAGE, PF_R | PF_X, NULL, 0, PAGE);
    core_file_load(core, image_address + 2 * PAGE, PF_R, NULL, 0, PAGE);
    core_file_load(core, image_address + 4 * PAGE, PF_R, NULL, 0, PAGE);
    core_file_load(core, image_address + 5 * PAGE, PF_R | PF_W, NULL, 0, PAGE);
    core_file_map(core, image_address, PAGE, 0, path);
    core_file_map(core, image_address + PAGE, PAGE, PAGE, path);
    core_file_map(core, image_address + 2 * PAGE, PAGE, 2 * PAGE, path);
    core_file_map(core, image_address + 4 * PAGE, PAGE, 3 * PAGE, path);
    core_file_map(core, image_address + 5 * PAGE, PAGE, 4 * PAGE, path);
}

void write_image(const char *path, const char *build_id)
{
    static uint8_t image[IMAGE_FILE_SIZE];
    image_file_fill(image, build_id);
    write_file(path, image, sizeof image);
}
