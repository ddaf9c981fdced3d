/* Opening a core: its headers and notes, and what is said of a file that is none. */
#include "target/core_spool.h"

#include "base/bytes.h"
#include "target/decompress.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_SIZE = 512 /* of st_blocks */ };

static bool is_standard_input(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* ---- what is no core ------------------------------------------------------------------------------- */

static const struct {
    const char *magic;
    size_t size;
    const char *name, *program;
} other_compressions[] = {
    { "BZh", 3, "bzip2", "bzip2" },
    { "\x02\x21\x4c\x18", 4, "lz4's legacy format", "lz4" },
};

/* Of what came out of a compressed file. */
static pst_error *explain_no_elf_within(const char *path, const char *compression, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is compressed (%s), and nothing is in it", path, compression);
    if (decompress_recognizes(bytes, size))
        return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is compressed twice: what is in it (%s) is compressed "
                                    "again", path, compression),
                          "decompress it once: %s -dc", compression);
    return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is compressed (%s), but what is in it is no ELF core file",
                                path, compression),
                      "give a core as the kernel or gdb's gcore writes it");
}

static pst_error *explain_no_elf(const struct core *core, const char *path, const uint8_t *bytes, size_t size)
{
    if (core->compression)
        return explain_no_elf_within(path, core->compression, bytes, size);
    if (size == 0)
        return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is empty", path),
                          is_standard_input(core->target->path)
                              ? "the command that was to write a core to it wrote nothing"
                              : "no core was written to it: see ulimit -c and the free disk space");
    for (size_t i = 0; i < sizeof other_compressions / sizeof *other_compressions; i++)
        if (size >= other_compressions[i].size &&
            memcmp(bytes, other_compressions[i].magic, other_compressions[i].size) == 0)
            return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is compressed (%s), which is not supported", path,
                                        other_compressions[i].name),
                              "decompress it first: %s -dc FILE | pystander -", other_compressions[i].program);
    if (size < sizeof(Elf64_Ehdr) && memcmp(bytes, ELFMAG, size < SELFMAG ? size : SELFMAG) == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is cut off after %zu bytes: not even its ELF header is there", path,
                         size);
    return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is no ELF core file", path),
                      "give a process id, or a core as the kernel or gdb's gcore writes it");
}

pst_error *core_check_header(struct pst_target *target, const char *path, const uint8_t *header)
{
    if (header[EI_CLASS] != ELFCLASS64)
        return error_new(PST_ERROR_UNSUPPORTED, "%s is of a 32-bit process, which is not supported", path);
    if (header[EI_DATA] != ELFDATA2LSB)
        return error_new(PST_ERROR_UNSUPPORTED, "%s is of a big-endian machine, which is not supported", path);
    unsigned type = (unsigned)bytes_unsigned(header + offsetof(Elf64_Ehdr, e_type), 2);
    if (type == ET_EXEC || type == ET_DYN)
        return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is an executable or shared library, not a core", path),
                          "the core comes first, its executable after it");
    if (type != ET_CORE)
        return error_new(PST_ERROR_NOT_CORE, "%s is an ELF file, but no core (its type is %u)", path, type);
    target->machine = (uint16_t)bytes_unsigned(header + offsetof(Elf64_Ehdr, e_machine), 2);
    if (target->machine != EM_X86_64 && target->machine != EM_AARCH64)
        return error_hint(error_new(PST_ERROR_UNSUPPORTED, "%s is of a machine that is not supported (ELF machine %u)",
                                    path, target->machine),
                          "x86-64 and aarch64 are");
    return NULL;
}

/* libelf makes room for every section that a file claims to have, before it looks at one. */
static pst_error *check_sections(const struct core *core, const char *path, const uint8_t *header)
{
    uint64_t offset = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_shoff), 8);
    uint64_t count = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_shnum), 2);
    uint8_t section[sizeof(Elf64_Shdr)];
    if (offset == 0 || count != 0 || offset > core->file_size)
        return NULL;
    if (pread(core->fd, section, sizeof section, (off_t)offset) != sizeof section)
        return NULL;
    count = bytes_unsigned(section + offsetof(Elf64_Shdr, sh_size), 8);
    if (count <= CORE_MAX_SECTIONS)
        return NULL;
    return error_new(PST_ERROR_LIMIT, "%s claims to have %llu sections, more than the %d that are looked at", path,
                     (unsigned long long)count, CORE_MAX_SECTIONS);
}

/* ---- the file -------------------------------------------------------------------------------------- */

static const char *name_file_type(mode_t mode)
{
    return S_ISDIR(mode) ? "a directory" : S_ISCHR(mode) ? "a device" : "no regular file";
}

/* A descriptor of our own for it; where it was closed, what the program put in its place can't be read. */
static int open_standard_input(void)
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY) {
        errno = EBADF;
        return -1;
    }
    return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static bool begins_compressed(const struct core *core)
{
    uint8_t bytes[DECOMPRESS_MAGIC_SIZE];
    ssize_t got = pread(core->fd, bytes, sizeof bytes, 0);
    return got > 0 && decompress_recognizes(bytes, (size_t)got);
}

static pst_error *open_file(struct core *core, const char *path)
{
    bool is_input = is_standard_input(core->target->path);
    core->fd = is_input ? open_standard_input() : open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (core->fd < 0 && (errno == EACCES || errno == EPERM))
        return error_hint(error_system(PST_ERROR_PERMISSION, errno, "%s can't be opened", path),
                          "a core belongs to the user whose process it was, or to root");
    if (core->fd < 0)
        return error_system(PST_ERROR_OPEN, errno, "%s can't be opened", path);
    struct stat status;
    if (fstat(core->fd, &status) < 0)
        return error_system(PST_ERROR_OPEN, errno, "%s can't be opened", path);
    bool is_stream = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode);
    if (!S_ISREG(status.st_mode) && !is_stream)
        return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is %s, not a core file", path,
                                    name_file_type(status.st_mode)),
                          "give the core file");
    core->target->details.has_written = !is_stream;
    core->target->details.written = status.st_mtim.tv_sec;
    core->file_size = is_stream ? 0 : (uint64_t)status.st_size;
    return is_stream || begins_compressed(core) ? core_spool(core, path, is_stream) : NULL;
}

/* What is not in the file is no memory, nor are holes: those are zeros, of which nothing can be made. */
static void measure_content(struct core *core)
{
    struct stat status;
    uint64_t size = core->file_size;
    if (fstat(core->fd, &status) == 0 && (uint64_t)status.st_blocks < size / BLOCK_SIZE)
        size = (uint64_t)status.st_blocks * BLOCK_SIZE;
    core->target->content_size = size ? size : 1;
}

static pst_error *open_root(struct core *core)
{
    const char *path = core->target->sysroot;
    core->root = open(path ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (core->root < 0 && path)
        return error_system(PST_ERROR_OPEN, errno, "the sysroot %s can't be opened", path);
    return NULL;
}

/* ---- program headers ------------------------------------------------------------------------------- */

/* Sets *end to where a part of the file ends, or as near to it as can be said. */
static void extend(uint64_t *end, uint64_t offset, uint64_t size)
{
    uint64_t stop = size > (uint64_t)INT64_MAX || offset > (uint64_t)INT64_MAX - size ? INT64_MAX : offset + size;
    if (size && stop > *end)
        *end = stop;
}

void core_add_load(struct core *core, const Elf64_Phdr *header)
{
    struct core_load load = {
        .start = header->p_vaddr,
        .offset = header->p_offset,
        .size = header->p_filesz < header->p_memsz ? header->p_filesz : header->p_memsz,
        .flags = header->p_flags,
    };
    if (header->p_memsz == 0)
        return;
    if (__builtin_add_overflow(load.start, header->p_memsz, &load.end))
        load.end = UINT64_MAX;
    if (load.offset > (uint64_t)INT64_MAX || load.size > (uint64_t)INT64_MAX - load.offset)
        load.offset = load.size = 0; /* nothing is there */
    core->loads[core->load_count++] = load;
}

/* Of a core that could not be decompressed or read to its end: why, and what is missing, if it is known to be. */
static pst_error *explain_cut(const struct core *core, uint64_t end)
{
    pst_error *error = end > core->file_size
        ? error_new(PST_ERROR_READ, "%s; %llu of the core's %llu bytes are missing", core->cut_why,
                    (unsigned long long)(end - core->file_size), (unsigned long long)end)
        : error_new(PST_ERROR_READ, "%s", core->cut_why);
    return core->cut_hint ? error_hint(error, "%s", core->cut_hint) : error;
}

/* Says once what is missing. */
static void check_truncation(struct core *core, uint64_t end)
{
    if (core->cut_why)
        error_list_add(&core->target->errors, explain_cut(core, end));
    if (core->cut_why || end <= core->file_size)
        return;
    error_list_add(&core->target->errors,
                   error_hint(error_new(PST_ERROR_READ, "the core is truncated: %llu of its %llu bytes are missing",
                                        (unsigned long long)(end - core->file_size), (unsigned long long)end),
                              "it was cut off as it was written or copied: see ulimit -c, the free disk space, and for "
                              "systemd ProcessSizeMax= and ExternalSizeMax= in coredump.conf"));
}

/* How many there are, by their first, which is PT_NOTE's in the cores that the kernel writes: the notes come right
 * behind the headers. The number stands at the end of a file with more than 65,534, which a truncated one lacks. */
static size_t count_by_notes(const struct core *core, uint64_t offset)
{
    uint8_t first[sizeof(Elf64_Phdr)];
    if (pread(core->fd, first, sizeof first, (off_t)offset) != sizeof first || bytes_unsigned(first, 4) != PT_NOTE)
        return 0;
    uint64_t notes = bytes_unsigned(first + offsetof(Elf64_Phdr, p_offset), 8);
    return notes > offset ? (notes - offset) / sizeof(Elf64_Phdr) : 0;
}

/* What the first section header says, elf(5); 0: nothing. */
static size_t count_by_section(const struct core *core)
{
    size_t count = 0;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(core->fd, ELF_C_READ, NULL);
    if (!elf || elf_getphdrnum(elf, &count) != 0)
        count = 0;
    elf_end(elf);
    return count;
}

/* Those that the file has in full; *claimed, how many there should be. */
static pst_error *count_headers(const struct core *core, const char *path, const uint8_t *header, size_t *count,
                                size_t *claimed)
{
    uint64_t offset = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phoff), 8);
    *claimed = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phnum), 2);
    if (*claimed == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is an ELF core without program headers: nothing is in it", path);
    size_t room = offset > core->file_size ? 0 : (core->file_size - offset) / sizeof(Elf64_Phdr);
    if (room == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is truncated: it ends after %llu bytes, within its program headers",
                         path, (unsigned long long)core->file_size);
    if (*claimed == PN_XNUM) {
        *claimed = count_by_section(core);
        if (*claimed < PN_XNUM)
            *claimed = count_by_notes(core, offset);
    }
    *count = *claimed < room ? *claimed : room;
    if (*count == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s has no program headers that can be read", path);
    if (*count > TARGET_MAX_SEGMENTS)
        return error_new(PST_ERROR_LIMIT, "%s has %zu program headers, more than the %d that are looked at", path,
                         *count, TARGET_MAX_SEGMENTS);
    return NULL;
}

Elf64_Phdr core_parse_header(const uint8_t *bytes)
{
    return (Elf64_Phdr){
        .p_type = (uint32_t)bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_type), 4),
        .p_flags = (uint32_t)bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_flags), 4),
        .p_offset = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_offset), 8),
        .p_vaddr = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_vaddr), 8),
        .p_filesz = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_filesz), 8),
        .p_memsz = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_memsz), 8),
    };
}

static pst_error *take_headers(struct core *core, const uint8_t *table, size_t count)
{
    uint64_t end = 0;
    size_t note_count = 0;
    for (size_t i = 0; i < count; i++) {
        const Elf64_Phdr header = core_parse_header(table + i * sizeof(Elf64_Phdr));
        if (header.p_type == PT_LOAD)
            core_add_load(core, &header);
        if (header.p_type == PT_NOTE && note_count++ < CORE_MAX_NOTE_HEADERS)
            TRY(core_read_notes(core, header.p_offset, header.p_filesz));
        if (header.p_type == PT_LOAD || header.p_type == PT_NOTE)
            extend(&end, header.p_offset, header.p_filesz);
    }
    core_finish_notes(core);
    check_truncation(core, end);
    return NULL;
}

/* Not by libelf, which gives none of a table that is not complete. */
static pst_error *read_program_headers(struct core *core, const char *path, const uint8_t *header)
{
    size_t count = 0, claimed = 0;
    TRY(count_headers(core, path, header, &count, &claimed));
    const size_t size = count * sizeof(Elf64_Phdr);
    const uint64_t offset = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phoff), 8);
    uint8_t *table = malloc(size);
    core->loads = calloc(count, sizeof *core->loads);
    pst_error *error = table && core->loads ? NULL : error_no_memory();
    if (!error && pread(core->fd, table, size, (off_t)offset) != (ssize_t)size)
        error = error_new(PST_ERROR_NOT_CORE, "the program headers of %s can't be read", path);
    if (!error && count < claimed)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_READ, "the core is truncated within its program headers: %zu of %zu are "
                                 "there", count, claimed));
    if (!error)
        error = take_headers(core, table, count);
    free(table);
    return error;
}

static pst_error *read_headers(struct core *core, const char *path)
{
    uint8_t header[sizeof(Elf64_Ehdr)];
    ssize_t got = pread(core->fd, header, sizeof header, 0);
    if (got < 0)
        return error_system(PST_ERROR_OPEN, errno, "%s can't be read", path);
    if ((size_t)got < sizeof header || memcmp(header, ELFMAG, SELFMAG) != 0)
        return explain_no_elf(core, path, header, (size_t)got);
    TRY(core_check_header(core->target, path, header));
    TRY(check_sections(core, path, header));
    return read_program_headers(core, path, header);
}

/* What coredump_filter 0 leaves, or a file system without room. */
static void check_memory(struct core *core)
{
    size_t writable_count = 0;
    for (size_t i = 0; i < core->load_count; i++) {
        if (!(core->loads[i].flags & PF_W))
            continue;
        if (core->loads[i].size)
            return;
        writable_count++;
    }
    if (writable_count == 0)
        return;
    error_list_add(&core->target->errors,
                   error_hint(error_new(PST_ERROR_READ, "the core has nothing of what the process wrote to memory"),
                              "see core(5) on coredump_filter: 0x33 is its default, 0x1 will do"));
}

/* ---- opening and closing --------------------------------------------------------------------------- */

void core_close(struct pst_target *target)
{
    struct core *core = target->core;
    if (!core)
        return;
    core_images_free(core);
    free(core->parts);
    free(core->loads);
    free(core->mappings);
    free(core->short_arguments);
    free(core->head_notes);
    free(core->cut_why);
    free(core->cut_hint);
    if (core->fd >= 0)
        close(core->fd);
    if (core->root >= 0)
        close(core->root);
    free(core);
    target->core = NULL;
}

static const struct target_operations core_operations = {
    .close = core_close,
    .open_file = core_open_file,
    .read_auxv = core_read_auxv,
    .write_notes = core_write_notes,
};

static pst_error *core_open(struct pst_target *target, const char *path)
{
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return error_no_memory();
    core->target = target;
    core->fd = core->root = -1;
    target->core = core;
    target->operations = &core_operations;
    target->path = strdup(path);
    if (!target->path)
        return error_no_memory();
    const char *name = is_standard_input(path) ? "standard input" : path;
    TRY(open_root(core));
    TRY(open_file(core, name));
    measure_content(core);
    pst_error *error = read_headers(core, name);
    if (error)
        return core->cut_why ? error_hint(error, "%s", core->cut_why) : error;
    check_memory(core);
    TRY(core_make_segments(core));
    TRY(core_find_places(core));
    TRY(memory_open(core_memory_source(core), &target->memory));
    target_limit_work(target);
    TRY(core_find_executable(core));
    TRY(core_read_arguments(core));
    core_try_wanted_executable(core);
    return NULL;
}

pst_error *pst_target_open_core(const char *path, const pst_target_options *options, pst_target **result)
{
    struct pst_target *target;
    *result = NULL;
    if (!path)
        return error_new(PST_ERROR_USAGE, "no core was named");
    TRY(target_new(PST_TARGET_CORE, options, &target));
    pst_error *error = core_open(target, path);
    if (error) {
        pst_target_close(target);
        return error;
    }
    *result = target;
    return NULL;
}
