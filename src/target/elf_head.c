#include "target/elf_head.h"

#include "base/bytes.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

enum { ELF_PAGE_SIZE = 4096, NOTE_HEADER_SIZE = 12 };

/* ---- notes ----------------------------------------------------------------------------------------- */

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

/* Looks through one PT_NOTE's bytes. */
static void find_build_id(struct elf_head *head, const uint8_t *notes, size_t size, size_t alignment)
{
    for (size_t at = 0; at <= size && size - at >= NOTE_HEADER_SIZE;) {
        uint64_t name_size = bytes_unsigned(notes + at, 4), data_size = bytes_unsigned(notes + at + 4, 4);
        uint64_t type = bytes_unsigned(notes + at + 8, 4);
        uint64_t name = at + NOTE_HEADER_SIZE;
        uint64_t data = align_up(name + name_size, alignment);
        if (data > size || data_size > size - data)
            return;
        if (type == NT_GNU_BUILD_ID && name_size == sizeof ELF_NOTE_GNU &&
            memcmp(notes + name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 && data_size > 0 &&
            data_size <= BUILD_ID_MAX_SIZE) {
            memcpy(head->build_id, notes + data, data_size);
            head->build_id_size = data_size;
            head->build_id_status = BUILD_ID_FOUND;
            return;
        }
        at = align_up(data + data_size, alignment);
    }
}

static void read_notes(const struct elf_bytes *bytes, struct elf_head *head, const uint8_t *program_header)
{
    uint64_t offset = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_offset), 8);
    uint64_t size = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_filesz), 8);
    uint64_t alignment = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_align), 8);
    if (bytes->loaded)
        offset = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_vaddr), 8) - head->address;
    uint8_t notes[ELF_HEAD_MAX_NOTES_SIZE];
    size_t wanted = size < sizeof notes ? (size_t)size : sizeof notes;
    size_t got = bytes->read(bytes->context, offset, notes, wanted);
    find_build_id(head, notes, got, alignment == 8 ? 8 : 4);
    if (got < wanted && head->build_id_status == BUILD_ID_ABSENT)
        head->build_id_status = BUILD_ID_UNKNOWN;
}

/* ---- program headers ------------------------------------------------------------------------------- */

static void add_load(struct elf_head *head, const uint8_t *program_header)
{
    uint64_t offset = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_offset), 8);
    uint64_t address = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_vaddr), 8);
    if (offset < ELF_PAGE_SIZE && head->load_count == 0)
        head->address = address - offset;
    head->loads[head->load_count++] = (struct elf_load){
        .address = address,
        .size = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_memsz), 8),
        .offset = offset,
        .file_size = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_filesz), 8),
        .writable = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_flags), 4) & PF_W,
    };
}

bool elf_head_read(const struct elf_bytes *bytes, struct elf_head *head)
{
    uint8_t header[sizeof(Elf64_Ehdr)];
    *head = (struct elf_head){ .build_id_status = BUILD_ID_ABSENT };
    if (bytes->read(bytes->context, 0, header, sizeof header) < sizeof header)
        return false;
    if (memcmp(header, ELFMAG, SELFMAG) != 0 || header[EI_CLASS] != ELFCLASS64 || header[EI_DATA] != ELFDATA2LSB)
        return false;
    uint64_t type = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_type), 2);
    if (type != ET_EXEC && type != ET_DYN) /* nobody runs a core: it has other people's memory */
        return false;
    head->fixed = type == ET_EXEC;
    head->machine = (uint16_t)bytes_unsigned(header + offsetof(Elf64_Ehdr, e_machine), 2);

    uint8_t table[ELF_HEAD_MAX_PROGRAM_HEADERS * sizeof(Elf64_Phdr)];
    uint64_t offset = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phoff), 8);
    size_t count = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phnum), 2);
    if (bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phentsize), 2) != sizeof(Elf64_Phdr) || count == 0 ||
        count > ELF_HEAD_MAX_PROGRAM_HEADERS)
        return false;
    size_t size = count * sizeof(Elf64_Phdr);
    if (bytes->read(bytes->context, offset, table, size) < size)
        return false;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *program_header = table + i * sizeof(Elf64_Phdr);
        uint64_t part = bytes_unsigned(program_header, 4);
        if (part == PT_LOAD)
            add_load(head, program_header);
        if (part == PT_DYNAMIC)
            head->dynamic = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_vaddr), 8);
        if (part == PT_GNU_RELRO) {
            head->relro = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_vaddr), 8);
            head->relro_size = bytes_unsigned(program_header + offsetof(Elf64_Phdr, p_memsz), 8);
        }
    }
    /* Only now: a note's place in memory depends on the first PT_LOAD. */
    size_t note_count = 0;
    for (size_t i = 0; i < count && head->build_id_status != BUILD_ID_FOUND; i++)
        if (bytes_unsigned(table + i * sizeof(Elf64_Phdr), 4) == PT_NOTE && note_count++ < ELF_HEAD_MAX_NOTES)
            read_notes(bytes, head, table + i * sizeof(Elf64_Phdr));
    return true;
}

/* ---- questions ------------------------------------------------------------------------------------- */

bool elf_head_same_build_id(const struct elf_head *one, const struct elf_head *other)
{
    return one->build_id_status == BUILD_ID_FOUND && other->build_id_status == BUILD_ID_FOUND &&
           one->build_id_size == other->build_id_size &&
           memcmp(one->build_id, other->build_id, one->build_id_size) == 0;
}

bool elf_head_same_loads(const struct elf_head *one, const struct elf_head *other)
{
    if (one->load_count != other->load_count)
        return false;
    for (size_t i = 0; i < one->load_count; i++) {
        const struct elf_load *a = &one->loads[i], *b = &other->loads[i];
        if (a->address != b->address || a->size != b->size || a->offset != b->offset || a->file_size != b->file_size)
            return false;
    }
    return true;
}

void elf_head_format_build_id(const struct elf_head *head, char text[BUILD_ID_TEXT_SIZE])
{
    if (head->build_id_status != BUILD_ID_FOUND) {
        snprintf(text, BUILD_ID_TEXT_SIZE, "%s", head->build_id_status == BUILD_ID_ABSENT ? "none" : "unknown");
        return;
    }
    for (size_t i = 0; i < head->build_id_size; i++)
        snprintf(text + 2 * i, 3, "%02x", head->build_id[i]);
}

/* Loading works in whole pages: the part's, rounded outwards. */
static bool load_has_page_of(const struct elf_load *load, uint64_t address)
{
    const uint64_t mask = ELF_PAGE_SIZE - 1;
    uint64_t start = load->address & ~mask, page = address & ~mask;
    return load->size > 0 && page >= start && page - start < load->size + (load->address & mask);
}

bool elf_head_is_constant(const struct elf_head *head, uint64_t address)
{
    bool constant = false;
    for (size_t i = 0; i < head->load_count; i++) {
        if (!load_has_page_of(&head->loads[i], address))
            continue;
        if (head->loads[i].writable)
            return false;
        constant = true;
    }
    return constant;
}
