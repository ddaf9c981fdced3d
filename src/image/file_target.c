#include "image/file_target.h"

#include "base/bytes.h"
#include "image/debug_link.h"
#include "image/elf_file.h"
#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where a shared object goes: anywhere but 0, which stands for “none”. */
static const pst_addr shared_base = 0x10000000;

/* Older <elf.h> lack it. */
enum { SECTION_RELR = 19 };

struct file_memory {
    int fd;
    pst_addr start;       /* of what is loaded */
    uint8_t *bytes;
    size_t size;
};

/* A target has no room for its kind's own data, but that its operations can be in front of. */
struct file_target {
    struct target_operations operations;
    struct pst_target *target;
    struct file_memory memory;
};

/* ---- loading ---------------------------------------------------------------------------------------- */

static pst_error *not_elf(const char *path)
{
    return error_new(PST_ERROR_NOT_PYTHON, "%s is no 64-bit ELF program or shared object", path);
}

/* The PT_LOADs become target->segments; *bias is what is added to the file's addresses. */
static pst_error *list_segments(Elf *elf, const char *path, struct pst_target *target, pst_addr *bias)
{
    GElf_Ehdr header;
    size_t count = 0;
    if (!gelf_getehdr(elf, &header) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || (header.e_type != ET_DYN && header.e_type != ET_EXEC) ||
        elf_getphdrnum(elf, &count) < 0)
        return not_elf(path);
    target->machine = header.e_machine;
    target->segments = calloc(FILE_TARGET_MAX_SEGMENTS, sizeof *target->segments);
    if (!target->segments)
        return error_no_memory();
    *bias = header.e_type == ET_DYN ? shared_base : 0;
    for (size_t i = 0; i < count && target->segment_count < FILE_TARGET_MAX_SEGMENTS; i++) {
        GElf_Phdr load;
        if (!gelf_getphdr(elf, (int)i, &load) || load.p_type != PT_LOAD || !load.p_memsz)
            continue;
        pst_addr first = load.p_vaddr & -(pst_addr)MEMORY_PAGE_SIZE;
        if (load.p_vaddr > INT64_MAX - shared_base || load.p_memsz > FILE_TARGET_MAX_MEMORY)
            return not_elf(path);
        struct segment segment = {.start = first + *bias, .end = load.p_vaddr + load.p_memsz + *bias,
                                  .file_offset = load.p_offset & -(uint64_t)MEMORY_PAGE_SIZE,
                                  .path = target->executable, .readable = true,
                                  .writable = load.p_flags & PF_W, .executable = load.p_flags & PF_X};
        if (target->segment_count && segment.start < target->segments[target->segment_count - 1].start)
            return not_elf(path);
        target->segments[target->segment_count++] = segment;
    }
    return target->segment_count ? NULL : not_elf(path);
}

/* Copies what the file holds of every PT_LOAD to its place. */
static pst_error *load_segments(Elf *elf, const struct pst_target *target, pst_addr bias, struct file_memory *memory)
{
    size_t count = 0;
    memory->start = target->segments[0].start;
    memory->size = target->segments[target->segment_count - 1].end - memory->start;
    if (memory->size > FILE_TARGET_MAX_MEMORY)
        return error_new(PST_ERROR_LIMIT, "%s takes more than FILE_TARGET_MAX_MEMORY", target->executable);
    /* untouched pages of it cost nothing */
    void *bytes = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return error_no_memory();
    memory->bytes = bytes;
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr load;
        if (!gelf_getphdr(elf, (int)i, &load) || load.p_type != PT_LOAD)
            continue;
        uint64_t offset = load.p_vaddr + bias - memory->start;
        if (offset > memory->size || load.p_filesz > memory->size - offset)
            return not_elf(target->executable);
        if (pread(memory->fd, memory->bytes + offset, load.p_filesz, (off_t)load.p_offset) != (ssize_t)load.p_filesz)
            return error_new(PST_ERROR_NOT_PYTHON, "%s ends before its segments do", target->executable);
    }
    return NULL;
}

/* ---- relocation ------------------------------------------------------------------------------------- */

static void put_address(struct file_memory *memory, pst_addr at, pst_addr value)
{
    uint64_t offset = at - memory->start;
    for (size_t i = 0; i < 8 && offset < memory->size && memory->size - offset >= 8; i++)
        memory->bytes[offset + i] = (uint8_t)(value >> 8 * i);
}

/* The three relocations that make up data: base + addend, and a symbol's address. */
static void relocate_one(const GElf_Rela *rela, Elf_Data *symbols, pst_addr bias, struct file_memory *memory)
{
    uint64_t type = GELF_R_TYPE(rela->r_info);
    GElf_Sym symbol;
    if (type == R_X86_64_RELATIVE || type == R_AARCH64_RELATIVE) {
        put_address(memory, rela->r_offset + bias, bias + (pst_addr)rela->r_addend);
        return;
    }
    bool of_symbol = type == R_X86_64_64 || type == R_X86_64_GLOB_DAT || type == R_AARCH64_ABS64 ||
                     type == R_AARCH64_GLOB_DAT;
    if (of_symbol && symbols && gelf_getsym(symbols, (int)GELF_R_SYM(rela->r_info), &symbol) &&
        symbol.st_shndx != SHN_UNDEF)
        put_address(memory, rela->r_offset + bias, symbol.st_value + bias + (pst_addr)rela->r_addend);
}

static void add_bias(struct file_memory *memory, pst_addr at, pst_addr bias)
{
    uint64_t offset = at - memory->start;
    if (offset < memory->size && memory->size - offset >= 8)
        put_address(memory, at, bytes_unsigned(memory->bytes + offset, 8) + bias);
}

/* DT_RELR: an address, then bit maps of the 63 words after it; the addends stand in place. */
static void relocate_packed(const Elf_Data *data, pst_addr bias, struct file_memory *memory)
{
    pst_addr next = 0;
    for (size_t i = 0; i + 8 <= data->d_size; i += 8) {
        uint64_t word = bytes_unsigned((const uint8_t *)data->d_buf + i, 8);
        if (!(word & 1)) {
            add_bias(memory, word + bias, bias);
            next = word + bias + 8;
            continue;
        }
        for (unsigned bit = 1; bit < 64; bit++)
            if (word >> bit & 1)
                add_bias(memory, next + 8 * (bit - 1), bias);
        next += (uint64_t)8 * 63;
    }
}

static void relocate(Elf *elf, pst_addr bias, struct file_memory *memory)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_ALLOC))
            continue;
        if (header.sh_type == SECTION_RELR) {
            Elf_Data *packed = header.sh_size <= ELF_FILE_MAX_SIZE ? elf_rawdata(section, NULL) : NULL;
            if (packed && packed->d_buf)
                relocate_packed(packed, bias, memory);
            continue;
        }
        Elf_Data *data = header.sh_type == SHT_RELA ? elf_file_get_data(section, ELF_FILE_MAX_SIZE) : NULL;
        Elf_Scn *symbol_section = data ? elf_getscn(elf, header.sh_link) : NULL;
        Elf_Data *symbols = elf_file_get_data(symbol_section, ELF_FILE_MAX_SIZE);
        for (size_t i = 0; data && i < data->d_size / sizeof(Elf64_Rela); i++) {
            GElf_Rela rela;
            if (gelf_getrela(data, (int)i, &rela))
                relocate_one(&rela, symbols, bias, memory);
        }
    }
}

/* ---- the target ------------------------------------------------------------------------------------- */

static void read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    const struct file_memory *memory = &((struct file_target *)context)->memory;
    for (size_t i = 0; i < count; i++) {
        struct memory_page *page = pages[i];
        uint64_t offset = page->address - memory->start;
        page->why = "the file has no such address";
        if (offset >= memory->size)
            continue;
        size_t size = memory->size - offset < MEMORY_PAGE_SIZE ? memory->size - offset : MEMORY_PAGE_SIZE;
        memcpy(page->bytes, memory->bytes + offset, size);
        page->valid_end = (uint16_t)size;
    }
}

static void close_target(struct pst_target *target)
{
    struct file_target *file = (struct file_target *)(uintptr_t)target->operations;
    if (file->memory.bytes)
        munmap(file->memory.bytes, file->memory.size);
    if (file->memory.fd >= 0)
        close(file->memory.fd);
    target->operations = NULL;
    free(file);
}

static pst_error *open_own_file(struct pst_target *target, const char *path, const struct segment *segment, int *fd)
{
    (void)segment;
    *fd = -1;
    if (strcmp(path, target->executable) == 0)
        *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return NULL;
}

static pst_error *load(struct file_target *file, const char *path)
{
    pst_addr bias = 0;
    Elf *elf = elf_file_open(file->memory.fd);
    pst_error *error = elf ? list_segments(elf, path, file->target, &bias) : not_elf(path);
    if (!error)
        error = load_segments(elf, file->target, bias, &file->memory);
    if (!error)
        relocate(elf, bias, &file->memory);
    elf_end(elf);
    return error;
}

pst_error *file_target_open(const char *path, struct pst_target **result)
{
    struct pst_target *target;
    struct file_target *file = calloc(1, sizeof *file);
    pst_error *error = file ? target_new(PST_TARGET_CORE, NULL, &target) : error_no_memory();
    if (error) {
        free(file);
        return error;
    }
    file->operations = (struct target_operations){.close = close_target, .open_file = open_own_file};
    file->target = target;
    target->operations = &file->operations;
    target->executable = strdup(path);
    file->memory.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file->memory.fd < 0)
        error = error_system(errno == EACCES ? PST_ERROR_PERMISSION : PST_ERROR_OPEN, errno, "cannot open %s", path);
    else if (!target->executable)
        error = error_no_memory();
    if (!error)
        error = load(file, path);
    if (!error)
        error = memory_open((struct memory_source){.read_pages = read_pages, .context = file}, &target->memory);
    if (error)
        pst_target_close(target);
    else
        *result = target;
    return error;
}

/* ---- the supplement --------------------------------------------------------------------------------- */

int file_open_supplement(const char *path)
{
    char name[PATH_MAX], full[2 * PATH_MAX];
    struct build_id id;
    struct stat status;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool found = file >= 0 && elf_find_supplement(file, name, &id);
    if (file >= 0)
        close(file);
    if (!found)
        return -1;
    const char *slash = strrchr(path, '/');
    int folder_size = name[0] == '/' || !slash ? 0 : (int)(slash + 1 - path);
    snprintf(full, sizeof full, "%.*s%s", folder_size, path, name);
    int regular = open(full, O_PATH | O_CLOEXEC); /* the file named it: it may be a pipe or a device */
    file = regular < 0 ? -1 : file_read_found(regular, &status);
    return elf_keep_if_build(file, &id);
}
