#include "core_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_PRSTATUS_SIZE = 336, NOTE_PRPSINFO_SIZE = 136, NOTE_SIGINFO_SIZE = 128 };

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "core_file: %s\n", what);
        exit(2);
    }
}

static void put(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void put_all(int fd, const void *bytes, size_t size, uint64_t offset)
{
    require(pwrite(fd, bytes, size, (off_t)offset) == (ssize_t)size, "can't write");
}

void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0, path);
    put_all(fd, bytes, size, 0);
    close(fd);
}

/* ---- notes ----------------------------------------------------------------------------------------- */

struct core_file core_file_begin(uint16_t machine)
{
    return (struct core_file){ .machine = machine };
}

static void add_padding(struct text *text)
{
    text_add_repeat(text, '\0', (4 - text->size % 4) % 4);
}

void core_file_note(struct core_file *core, const char *name, uint32_t type, const void *bytes, size_t size)
{
    uint8_t header[12];
    put(header, 4, strlen(name) + 1);
    put(header + 4, 4, size);
    put(header + 8, 4, type);
    text_add(&core->notes, header, sizeof header);
    text_add(&core->notes, name, strlen(name) + 1);
    add_padding(&core->notes);
    text_add(&core->notes, bytes, size);
    add_padding(&core->notes);
}

void core_file_note_prstatus(struct core_file *core, int tid, int signal, uint64_t fs_base)
{
    uint8_t bytes[NOTE_PRSTATUS_SIZE] = { 0 };
    put(bytes + 12, 2, (uint64_t)signal);
    put(bytes + 32, 4, (uint64_t)tid);
    put(bytes + 112 + 21 * 8, 8, fs_base);
    core_file_note(core, "CORE", NT_PRSTATUS, bytes, sizeof bytes);
}

void core_file_note_prpsinfo(struct core_file *core, int pid, const char *name, const char *arguments)
{
    uint8_t bytes[NOTE_PRPSINFO_SIZE] = { 0 };
    put(bytes + 24, 4, (uint64_t)pid);
    memcpy(bytes + 40, name, strnlen(name, 16));
    memcpy(bytes + 56, arguments, strnlen(arguments, 80));
    core_file_note(core, "CORE", NT_PRPSINFO, bytes, sizeof bytes);
}

void core_file_note_siginfo(struct core_file *core, int number, int code, uint64_t address)
{
    uint8_t bytes[NOTE_SIGINFO_SIZE] = { 0 };
    put(bytes, 4, (uint64_t)number);
    put(bytes + 8, 4, (uint64_t)code);
    put(bytes + 16, 8, address);
    core_file_note(core, "CORE", NT_SIGINFO, bytes, sizeof bytes);
}

void core_file_note_auxv(struct core_file *core, const uint64_t *words, size_t count)
{
    uint8_t bytes[512];
    require(count * 8 <= sizeof bytes, "too long an auxiliary vector");
    for (size_t i = 0; i < count; i++)
        put(bytes + i * 8, 8, words[i]);
    core_file_note(core, "CORE", NT_AUXV, bytes, count * 8);
}

void core_file_map(struct core_file *core, uint64_t start, uint64_t size, uint64_t file_offset, const char *path)
{
    require(core->file_count < CORE_FILE_MAX_FILES, "too many files");
    core->files[core->file_count++] = (struct core_file_mapping){ start, start + size, file_offset / 4096, path };
}

static void add_file_note(struct core_file *core)
{
    struct text note = { 0 };
    uint8_t word[8];
    const uint64_t header[] = { core->file_count, 4096 };
    for (size_t i = 0; i < 2; i++) {
        put(word, 8, header[i]);
        text_add(&note, word, 8);
    }
    for (size_t i = 0; i < core->file_count; i++) {
        const uint64_t words[] = { core->files[i].start, core->files[i].end, core->files[i].page_offset };
        for (size_t j = 0; j < 3; j++) {
            put(word, 8, words[j]);
            text_add(&note, word, 8);
        }
    }
    for (size_t i = 0; i < core->file_count; i++)
        text_add(&note, core->files[i].path, strlen(core->files[i].path) + 1);
    core_file_note(core, "CORE", NT_FILE, note.data, note.size);
    text_free(&note);
}

/* ---- the file -------------------------------------------------------------------------------------- */

void core_file_load(struct core_file *core, uint64_t address, uint32_t flags, const void *bytes, uint64_t file_size,
                    uint64_t memory_size)
{
    require(core->load_count < CORE_FILE_MAX_LOADS, "too many segments");
    core->loads[core->load_count++] = (struct core_file_load){ address, memory_size, file_size, flags, bytes };
}

static void put_program_header(uint8_t *header, uint32_t type, uint32_t flags, uint64_t offset, uint64_t address,
                               uint64_t file_size, uint64_t memory_size)
{
    put(header, 4, type);
    put(header + 4, 4, flags);
    put(header + 8, 8, offset);
    put(header + 16, 8, address);
    put(header + 32, 8, file_size);
    put(header + 40, 8, memory_size);
    put(header + 48, 8, type == PT_LOAD ? 4096 : 4);
}

static void put_header(uint8_t *header, uint16_t type, uint16_t machine, uint16_t count)
{
    memcpy(header, ELFMAG, SELFMAG);
    header[EI_CLASS] = ELFCLASS64;
    header[EI_DATA] = ELFDATA2LSB;
    header[EI_VERSION] = EV_CURRENT;
    put(header + 16, 2, type);
    put(header + 18, 2, machine);
    put(header + 20, 4, EV_CURRENT);
    put(header + 32, 8, sizeof(Elf64_Ehdr));
    put(header + 52, 2, sizeof(Elf64_Ehdr));
    put(header + 54, 2, sizeof(Elf64_Phdr));
    put(header + 56, 2, count);
}

/* The kernel's way from 65,535 program headers on: the number stands in section header 0. */
static void put_many_headers(int fd, uint8_t *header, size_t count, uint64_t offset)
{
    uint8_t section[sizeof(Elf64_Shdr)] = { 0 };
    put(section + 32, 8, 1);
    put(section + 44, 4, count);
    put_all(fd, section, sizeof section, offset);
    put(header + 40, 8, offset);
    put(header + 56, 2, PN_XNUM);
    put(header + 58, 2, sizeof section);
    put(header + 60, 2, 1);
}

void core_file_write(struct core_file *core, const char *path)
{
    uint8_t head[sizeof(Elf64_Ehdr) + (CORE_FILE_MAX_LOADS + 1) * sizeof(Elf64_Phdr)] = { 0 };
    uint8_t *program_header = head + sizeof(Elf64_Ehdr);
    if (core->file_count)
        add_file_note(core);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0, path);
    uint64_t at = sizeof head;
    put_header(head, ET_CORE, core->machine, (uint16_t)(core->load_count + 1));
    put_program_header(program_header, PT_NOTE, 0, at, 0, core->notes.size, 0);
    if (core->notes.size)
        put_all(fd, core->notes.data, core->notes.size, at);
    at = (at + core->notes.size + 4095) / 4096 * 4096;
    for (size_t i = 0; i < core->load_count; i++) {
        const struct core_file_load *load = &core->loads[i];
        put_program_header(program_header + (i + 1) * sizeof(Elf64_Phdr), PT_LOAD, load->flags, at, load->address,
                           load->file_size, load->memory_size);
        if (load->bytes && load->file_size)
            put_all(fd, load->bytes, load->file_size, at);
        at += load->file_size;
    }
    require(ftruncate(fd, (off_t)at) == 0, "can't extend");
    if (core->many_headers)
        put_many_headers(fd, head, core->load_count + 1, at);
    put_all(fd, head, sizeof head, 0);
    close(fd);
    text_free(&core->notes);
}

/* ---- an image -------------------------------------------------------------------------------------- */

void image_file_fill(uint8_t bytes[IMAGE_FILE_SIZE], const char *build_id)
{
    static const struct {
        uint64_t offset, address, size;
        uint32_t flags;
    } loads[] = {
        { 0, 0, 4096, PF_R },
        { 4096, 4096, 4096, PF_R | PF_X },
        { 8192, 8192, 4096, PF_R },
        { 12288, 0x4000, 8192, PF_R | PF_W },
    };
    enum { COUNT = sizeof loads / sizeof *loads, NOTE_OFF = 1024 };
    for (size_t i = 0; i < IMAGE_FILE_SIZE; i++)
        bytes[i] = (uint8_t)(i / 4096 * 16);
    memset(bytes, 0, 4096);
    put_header(bytes, ET_DYN, EM_X86_64, COUNT + (build_id ? 1 : 0));
    uint8_t *header = bytes + sizeof(Elf64_Ehdr);
    for (size_t i = 0; i < COUNT; i++, header += sizeof(Elf64_Phdr))
        put_program_header(header, PT_LOAD, loads[i].flags, loads[i].offset, loads[i].address, loads[i].size,
                           loads[i].size);
    if (!build_id)
        return;
    put_program_header(header, PT_NOTE, PF_R, NOTE_OFF, NOTE_OFF, 16 + strlen(build_id), 16 + strlen(build_id));
    put(bytes + NOTE_OFF, 4, 4);
    put(bytes + NOTE_OFF + 4, 4, strlen(build_id));
    put(bytes + NOTE_OFF + 8, 4, NT_GNU_BUILD_ID);
    memcpy(bytes + NOTE_OFF + 12, "GNU", 4);
    memcpy(bytes + NOTE_OFF + 16, build_id, strlen(build_id));
}
