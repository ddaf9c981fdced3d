/* Files of images whose ELF header the core left out: used only if what the core has of their data tells the build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The file: two pages of data at 0x4000, which stand from 12288 on. The first is RELRO. */
enum {
    DATA = 0x4000,
    DATA_OFF = 12288,
    DYNAMIC = DATA,
    RELRO_WORDS = DATA + 512,
    DATA_WORDS = DATA + PAGE,
    TABLE = 2 * PAGE,          /* of relocations, in the constants */
    WORD_COUNT = 40,           /* on each page */
};

static void put_word(uint8_t *bytes, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void put_program_header(uint8_t *image, uint32_t type, uint64_t address, uint64_t size)
{
    uint8_t *count = image + offsetof(Elf64_Ehdr, e_phnum);
    uint8_t *header = image + sizeof(Elf64_Ehdr) + *count * sizeof(Elf64_Phdr);
    memset(header, 0, sizeof(Elf64_Phdr));
    header[0] = (uint8_t)type;
    header[3] = (uint8_t)(type >> 24);
    header[2] = (uint8_t)(type >> 16);
    header[1] = (uint8_t)(type >> 8);
    put_word(header + offsetof(Elf64_Phdr, p_vaddr), address);
    put_word(header + offsetof(Elf64_Phdr, p_filesz), size);
    put_word(header + offsetof(Elf64_Phdr, p_memsz), size);
    ++*count;
}

static uint64_t target_of(size_t index)
{
    return PAGE + 16 * index;
}

static void fill_relocations(uint8_t *image)
{
    for (size_t i = 0; i < 2 * (size_t)WORD_COUNT; i++) {
        uint8_t *entry = image + TABLE + i * sizeof(Elf64_Rela);
        put_word(entry, i < WORD_COUNT ? RELRO_WORDS + 8 * i : DATA_WORDS + 8 * (i - WORD_COUNT));
        put_word(entry + 8, R_X86_64_RELATIVE);
        put_word(entry + 16, target_of(i));
    }
}

/* An address, a bit map of 63 words behind it; and the same on the other page. */
static void fill_packed(uint8_t *image)
{
    const uint64_t bits = (((uint64_t)1 << (WORD_COUNT - 1)) - 1) << 1 | 1;
    put_word(image + TABLE, RELRO_WORDS);
    put_word(image + TABLE + 8, bits);
    put_word(image + TABLE + 16, DATA_WORDS);
    put_word(image + TABLE + 24, bits);
    for (size_t i = 0; i < 2 * (size_t)WORD_COUNT; i++)
        put_word(image + (DATA_OFF - DATA) + (i < WORD_COUNT ? RELRO_WORDS + 8 * i : DATA_WORDS + 8 * (i - WORD_COUNT)),
                 target_of(i));
}

static void fill_image(uint8_t image[IMAGE_FILE_SIZE], bool packed)
{
    const uint64_t dynamic[] = {
        packed ? 36 : DT_RELA, TABLE, packed ? 35 : DT_RELASZ, packed ? 32 : 2 * WORD_COUNT * sizeof(Elf64_Rela),
        DT_STRSZ, 77, DT_DEBUG, 0, DT_NULL, 0,
    };
    image_file_fill(image, "\x01\x23");
    memset(image + DATA_OFF, 0, 2 * PAGE);
    put_program_header(image, PT_DYNAMIC, DYNAMIC, sizeof dynamic);
    put_program_header(image, PT_GNU_RELRO, DATA, PAGE);
    for (size_t i = 0; i < sizeof dynamic / sizeof *dynamic; i++)
        put_word(image + DATA_OFF + 8 * i, dynamic[i]);
    if (packed)
        fill_packed(image);
    else
        fill_relocations(image);
}

/* What the loader and the program made of the two pages. */
static void fill_data(const uint8_t *image, uint8_t data[2 * PAGE])
{
    memcpy(data, image + DATA_OFF, 2 * (size_t)PAGE);
    put_word(data + 8, image_address + TABLE);           /* glibc */
    put_word(data + 7 * 8, 0x7f1234567000);              /* DT_DEBUG */
    for (size_t i = 0; i < WORD_COUNT; i++) {
        put_word(data + (RELRO_WORDS - DATA) + 8 * i, image_address + target_of(i));
        put_word(data + (DATA_WORDS - DATA) + 8 * i, image_address + target_of(WORD_COUNT + i));
    }
}

/* As coredump_filter 1 leaves it: what was written to. */
static void write_core(const uint8_t *data)
{
    struct core_file core = begin_kernel_core(SIGABRT, 0, 0);
    core_file_load(&core, image_address, PF_R, NULL, 0, PAGE);
    core_file_load(&core, image_address + PAGE, PF_R | PF_X, NULL, 0, PAGE);
    core_file_load(&core, image_address + 2UL * PAGE, PF_R, NULL, 0, PAGE);
    core_file_load(&core, image_address + DATA, PF_R, data, PAGE, PAGE);
    core_file_load(&core, image_address + DATA + PAGE, PF_R | PF_W, data + PAGE, PAGE, PAGE);
    for (size_t i = 0; i < 3; i++)
        core_file_map(&core, image_address + i * PAGE, PAGE, i * PAGE, image_path);
    core_file_map(&core, image_address + DATA, PAGE, DATA_OFF, image_path);
    core_file_map(&core, image_address + DATA + PAGE, PAGE, DATA_OFF + PAGE, image_path);
    core_file_write(&core, core_path);
}

static uint8_t image[IMAGE_FILE_SIZE], data[2 * PAGE];

static struct pst_target *open_image(void)
{
    write_file(image_path, image, sizeof image);
    write_core(data);
    return open_with(NULL);
}

static void begin(bool packed)
{
    fill_image(image, packed);
    fill_data(image, data);
}

static void expect_used(void)
{
    struct pst_target *target = open_image();
    expect_byte(target, image_address, 0x7f);
    expect_byte(target, image_address + PAGE, 16);
    expect_no_errors(target);
    pst_target_close(target);
}

static void expect_not_used(const char *why, bool is_told)
{
    struct pst_target *target = open_image();
    expect_unreadable(target, image_address + PAGE, why);
    if (is_told)
        expect_one_error(target, why);
    else
        expect_no_errors(target);
    pst_target_close(target);
}

static void test_same(void **state)
{
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        begin(packed);
        expect_used();
        put_word(data + 8, TABLE); /* musl */
        expect_used();
        /* The program wrote to some. */
        for (size_t i = 0; i < 4; i++)
            put_word(data + (DATA_WORDS - DATA) + 64 * i, 0x5500000000 + i);
        expect_used();
    }
}

static void test_other(void **state)
{
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        begin(packed);
        put_word(data + 5 * 8, 78); /* DT_STRSZ */
        expect_not_used("is another build (of the words that tell builds apart, 1 in the core differ", true);
        begin(packed);
        put_word(data + (RELRO_WORDS - DATA), image_address + target_of(1));
        expect_not_used("is another build", true);
        begin(packed);
        for (size_t i = 0; i < WORD_COUNT; i++)
            put_word(data + (DATA_WORDS - DATA) + 8 * i, image_address + target_of(i) + 32);
        expect_not_used("is another build", true);
    }
}

static void test_unknown(void **state)
{
    (void)state;
    begin(false); /* some of many differ */
    for (size_t i = 0; i < 12; i++)
        put_word(data + (DATA_WORDS - DATA) + 8 * i, 1);
    expect_not_used("can't be told from another build", false);
    begin(false); /* too few */
    put_word(image + DATA_OFF + 3 * 8, 3 * sizeof(Elf64_Rela));
    fill_data(image, data);
    expect_not_used("of the words that tell builds apart 6 agree and 0 differ", false);
    fill_image(image, false); /* none: a file without a dynamic section */
    image_file_fill(image, NULL);
    expect_not_used("0 agree and 0 differ", false);
}

static void test_elsewhere(void **state)
{
    (void)state;
    begin(false);
    uint8_t *load = image + sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    put_word(load + offsetof(Elf64_Phdr, p_vaddr), 3 * PAGE);
    expect_not_used("its parts are not mapped as it says", true);
    begin(false);
    image[offsetof(Elf64_Ehdr, e_machine)] = EM_AARCH64;
    expect_not_used("is another build", true);
    begin(false);
    image[0] = 'x'; /* a file of data, for all that is known */
    expect_not_used("can't be told from another file", false);
}

/* An executable that is mapped elsewhere than at its fixed addresses. */
static void test_fixed(void **state)
{
    (void)state;
    begin(false);
    image[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
    expect_not_used("its parts are not mapped as it says", true);
}

/* Tables that lead out of the file, of sizes without end. */
static void test_lies(void **state)
{
    static const uint64_t values[] = { UINT64_MAX, INT64_MAX, UINT64_MAX - 7, 0x8000000000000000, 0 };
    (void)state;
    for (int packed = 0; packed < 2; packed++)
        for (size_t word = 0; word < 8; word++)
            for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                begin(packed);
                put_word(image + DATA_OFF + 8 * word, values[i]);
                struct pst_target *target = open_image();
                uint8_t byte;
                pst_error_free(memory_read(target->memory, image_address + PAGE, &byte, 1));
                pst_target_close(target);
                fill_data(image, data);
                target = open_image();
                pst_error_free(memory_read(target->memory, image_address + PAGE, &byte, 1));
                pst_target_close(target);
            }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_same), TEST(test_other), TEST(test_unknown), TEST(test_elsewhere), TEST(test_fixed), TEST(test_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
