/*
 * Cores and ELF images that a test makes, as files in a folder of its own.
 *
 *     struct core_file core = core_file_begin(EM_X86_64);
 *     core_file_note_prstatus(&core, 4711, SIGSEGV, 0x7f00);
 *     core_file_load(&core, 0x10000, PF_R | PF_W, bytes, 4096, 4096);
 *     core_file_write(&core, path);       // and frees it
 *
 * A mistake in a test (too many of something) ends the test program.
 */
#ifndef PYSTANDER_TESTS_CORE_FILE_H
#define PYSTANDER_TESTS_CORE_FILE_H

#include "base/text.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CORE_FILE_MAX_LOADS = 64, CORE_FILE_MAX_FILES = 32 };

struct core_file_load {
    uint64_t address, memory_size, file_size;
    uint32_t flags;
    const void *bytes;    /* borrowed; NULL: a hole */
};

struct core_file_mapping {
    uint64_t start, end, page_offset;
    const char *path;
};

struct core_file {
    uint16_t machine;
    bool many_headers;    /* write the number of program headers as the kernel does from 65,535 on */
    struct text notes;
    struct core_file_load loads[CORE_FILE_MAX_LOADS];
    size_t load_count;
    struct core_file_mapping files[CORE_FILE_MAX_FILES];
    size_t file_count;
};

struct core_file core_file_begin(uint16_t machine);
void core_file_note(struct core_file *core, const char *name, uint32_t type, const void *bytes, size_t size);
void core_file_note_prstatus(struct core_file *core, int tid, int signal, uint64_t fs_base);
void core_file_note_prpsinfo(struct core_file *core, int pid, const char *name, const char *arguments);
void core_file_note_siginfo(struct core_file *core, int number, int code, uint64_t address);
/* `count` words: pairs, AT_NULL included. */
void core_file_note_auxv(struct core_file *core, const uint64_t *words, size_t count);
/* One entry of the NT_FILE note, which core_file_write() puts behind the others. */
void core_file_map(struct core_file *core, uint64_t start, uint64_t size, uint64_t file_offset, const char *path);
void core_file_load(struct core_file *core, uint64_t address, uint32_t flags, const void *bytes, uint64_t file_size,
                    uint64_t memory_size);
void core_file_write(struct core_file *core, const char *path);

/* A shared library of five pages: the header's (read-only), code, constants, and two writable ones that are loaded
 * at 0x4000. `build_id` (NULL: none) are the bytes of its build-id, up to a NUL. The bytes of page N are all N * 16,
 * but for those of the first. */
enum { IMAGE_FILE_SIZE = 5 * 4096 };
void image_file_fill(uint8_t bytes[IMAGE_FILE_SIZE], const char *build_id);

void write_file(const char *path, const void *bytes, size_t size);

#endif
