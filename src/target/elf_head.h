/*
 * The head of an ELF image: where its parts are loaded, and its build-id. Read alike from a file and from a
 * target's memory, for the one question whether the two are the same build.
 */
#ifndef PYSTANDER_TARGET_ELF_HEAD_H
#define PYSTANDER_TARGET_ELF_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ELF_HEAD_MAX_PROGRAM_HEADERS = 128, /* linkers write about a dozen */
    ELF_HEAD_MAX_NOTES = 16,            /* PT_NOTEs that are looked at; linkers write up to three */
    ELF_HEAD_MAX_NOTES_SIZE = 4096,     /* bytes of one PT_NOTE that are looked at; build-ids stand in the first 100 */
    BUILD_ID_MAX_SIZE = 64,             /* SHA-1 has 20 bytes */
    BUILD_ID_TEXT_SIZE = 2 * BUILD_ID_MAX_SIZE + 1,
};

/* Where the bytes of an image come from. `offset` counts from the image's first byte: in a file that is the
 * file's offset, in memory it is the distance from the address where offset 0 is mapped. */
struct elf_bytes {
    /* How many of the bytes could be read, from the first on. */
    size_t (*read)(void *context, uint64_t offset, void *bytes, size_t size);
    void *context;
    bool loaded;   /* in memory */
};

/* A PT_LOAD. */
struct elf_load {
    uint64_t address, size; /* p_vaddr and p_memsz */
    uint64_t offset, file_size; /* p_offset and p_filesz */
    bool writable;
};

enum build_id_status {
    BUILD_ID_FOUND,
    BUILD_ID_ABSENT,  /* the image has none */
    BUILD_ID_UNKNOWN, /* its notes could not be read */
};

struct elf_head {
    uint16_t machine;
    bool fixed;          /* ET_EXEC: the file's addresses are those in memory */
    uint64_t address;    /* p_vaddr of offset 0: subtracted from an address in memory it gives the bias */
    struct elf_load loads[ELF_HEAD_MAX_PROGRAM_HEADERS];
    size_t load_count;
    uint64_t dynamic;    /* p_vaddr of PT_DYNAMIC, 0: none */
    uint64_t relro, relro_size; /* PT_GNU_RELRO: p_vaddr and p_memsz */
    enum build_id_status build_id_status;
    uint8_t build_id[BUILD_ID_MAX_SIZE];
    size_t build_id_size;
};

/* false: this is no 64-bit little-endian ELF executable or shared library, or its program headers could not be read. */
bool elf_head_read(const struct elf_bytes *bytes, struct elf_head *head);

/* Both have a build-id and it is the same one. */
bool elf_head_same_build_id(const struct elf_head *one, const struct elf_head *other);

/* Their parts are loaded from the same places to the same places. */
bool elf_head_same_loads(const struct elf_head *one, const struct elf_head *other);

/* In hexadecimal; "none", "unknown". */
void elf_head_format_build_id(const struct elf_head *head, char text[BUILD_ID_TEXT_SIZE]);

/* Is `address`, as the file counts them, in a part that is loaded and that nobody writes to? Pages that are
 * read-only in the end but written by the loader (RELRO) count as written to. */
bool elf_head_is_constant(const struct elf_head *head, uint64_t address);

#endif
