/* Opening a core: its headers and notes, and what is said of a file that is none. */
#include "target/core.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is no core ------------------------------------------------------------------------------- */

static const struct {
    const char *magic;
    size_t size;
    const char *name, *program;
} compressions[] = {
    { "\x1f\x8b", 2, "gzip", "gzip" },
    { "\x28\xb5\x2f\xfd", 4, "zstd", "zstd" },
    { "\xfd" "7zXZ", 5, "xz", "xz" },
    { "\x04\x22\x4d\x18", 4, "lz4", "lz4" },
    { "BZh", 3, "bzip2", "bzip2" },
};

static pst_error *explain_no_elf(const char *path, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is empty", path),
                          "no core was written to it: see ulimit -c and the free disk space");
    for (size_t i = 0; i < sizeof compressions / sizeof *compressions; i++)
        if (size >= compressions[i].size && memcmp(bytes, compressions[i].magic, compressions[i].size) == 0)
            return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is compressed (%s), which is not supported yet", path,
                                        compressions[i].name),
                              "decompress it first: %s -dc %s > core", compressions[i].program, path);
    if (size < sizeof(Elf64_Ehdr) && memcmp(bytes, ELFMAG, size < SELFMAG ? size : SELFMAG) == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is cut off after %zu bytes: not even its ELF header is there", path,
                         size);
    return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is no ELF core file", path),
                      "give a process id, or a core as the kernel or gdb's gcore writes it");
}

static pst_error *check_header(struct pst_target *target, const char *path, const uint8_t *header)
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
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a pipe" : "no regular file";
}

static pst_error *open_file(struct core *core, const char *path)
{
    core->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (core->fd < 0 && (errno == EACCES || errno == EPERM))
        return error_hint(error_system(PST_ERROR_PERMISSION, errno, "%s can't be opened", path),
                          "a core belongs to the user whose process it was, or to root");
    if (core->fd < 0)
        return error_system(PST_ERROR_OPEN, errno, "%s can't be opened", path);
    struct stat status;
    if (fstat(core->fd, &status) < 0)
        return error_system(PST_ERROR_OPEN, errno, "%s can't be opened", path);
    if (!S_ISREG(status.st_mode))
        return error_hint(error_new(PST_ERROR_NOT_CORE, "%s is %s, not a core file", path,
                                    name_file_type(status.st_mode)),
                          "%s", S_ISFIFO(status.st_mode) ? "write its content to a file first" : "give the core file");
    core->file_size = (uint64_t)status.st_size;
    return NULL;
}

static pst_error *open_root(struct core *core)
{
    const char *path = core->target->sysroot;
    core->root = open(path ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (core->root < 0 && path)
        return error_system(PST_ERROR_OPEN, errno, "the sysroot %s can't be opened", path);
    return NULL;
}

/* ---- notes ----------------------------------------------------------------------------------------- */

static pst_error *read_notes(struct core *core, Elf *elf, const GElf_Phdr *header)
{
    struct error_list *errors = &core->target->errors;
    uint64_t size = header->p_filesz;
    if (header->p_offset >= core->file_size)
        return NULL; /* check_truncation() says it */
    if (size > core->file_size - header->p_offset)
        size = core->file_size - header->p_offset;
    if (size > CORE_MAX_NOTES_SIZE - core->notes_size) {
        error_list_add(errors, error_new(PST_ERROR_LIMIT, "the core has more than %d bytes of notes: the rest was left "
                                         "out", CORE_MAX_NOTES_SIZE));
        size = CORE_MAX_NOTES_SIZE - core->notes_size;
    }
    core->notes_size += size;
    Elf_Data *data = size ? elf_getdata_rawchunk(elf, (int64_t)header->p_offset, size, ELF_T_NHDR) : NULL;
    if (!data || !data->d_buf) {
        if (size)
            error_list_add(errors, error_new(PST_ERROR_CORRUPT, "the core's notes can't be read: %s", elf_errmsg(-1)));
        return NULL;
    }
    GElf_Nhdr note;
    size_t name, bytes;
    for (size_t at = 0, next; (next = gelf_getnote(data, at, &note, &name, &bytes)) > at; at = next) {
        if (name > data->d_size || note.n_namesz > data->d_size - name || bytes > data->d_size ||
            note.n_descsz > data->d_size - bytes)
            break;
        const uint8_t *start = data->d_buf;
        pst_error *error = core_take_note(core, (const char *)start + name, note.n_namesz, note.n_type, start + bytes,
                                          note.n_descsz);
        if (error && pst_error_get_code(error) == PST_ERROR_MEMORY)
            return error;
        error_list_add(errors, error);
    }
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

static void add_load(struct core *core, const GElf_Phdr *header)
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

/* Says once what is missing. */
static void check_truncation(struct core *core, uint64_t end)
{
    if (end <= core->file_size)
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

/* Those that the file has in full; *claimed, how many there should be. */
static pst_error *count_headers(const struct core *core, Elf *elf, const char *path, const uint8_t *header,
                                size_t *count, size_t *claimed)
{
    uint64_t offset = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phoff), 8);
    *claimed = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phnum), 2);
    if (*claimed == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is an ELF core without program headers: nothing is in it", path);
    size_t room = offset > core->file_size ? 0 : (core->file_size - offset) / sizeof(Elf64_Phdr);
    if (room == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s is truncated: it ends after %llu bytes, within its program headers",
                         path, (unsigned long long)core->file_size);
    size_t told = 0;
    if (*claimed == PN_XNUM && elf_getphdrnum(elf, &told) == 0 && told >= PN_XNUM)
        *claimed = told;
    else if (*claimed == PN_XNUM)
        *claimed = count_by_notes(core, offset);
    *count = *claimed < room ? *claimed : room;
    if (*count == 0)
        return error_new(PST_ERROR_NOT_CORE, "%s has no program headers that can be read", path);
    if (*count > TARGET_MAX_SEGMENTS)
        return error_new(PST_ERROR_LIMIT, "%s has %zu program headers, more than the %d that are looked at", path,
                         *count, TARGET_MAX_SEGMENTS);
    return NULL;
}

static GElf_Phdr parse_header(const uint8_t *bytes)
{
    return (GElf_Phdr){
        .p_type = (uint32_t)bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_type), 4),
        .p_flags = (uint32_t)bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_flags), 4),
        .p_offset = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_offset), 8),
        .p_vaddr = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_vaddr), 8),
        .p_filesz = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_filesz), 8),
        .p_memsz = bytes_unsigned(bytes + offsetof(Elf64_Phdr, p_memsz), 8),
    };
}

static pst_error *take_headers(struct core *core, Elf *elf, const uint8_t *table, size_t count)
{
    uint64_t end = 0;
    size_t note_count = 0;
    for (size_t i = 0; i < count; i++) {
        const GElf_Phdr header = parse_header(table + i * sizeof(Elf64_Phdr));
        if (header.p_type == PT_LOAD)
            add_load(core, &header);
        if (header.p_type == PT_NOTE && note_count++ < CORE_MAX_NOTE_HEADERS)
            TRY(read_notes(core, elf, &header));
        if (header.p_type == PT_LOAD || header.p_type == PT_NOTE)
            extend(&end, header.p_offset, header.p_filesz);
    }
    core_finish_notes(core);
    check_truncation(core, end);
    return NULL;
}

/* Not by libelf, which gives none of a table that is not complete. */
static pst_error *read_program_headers(struct core *core, Elf *elf, const char *path, const uint8_t *header)
{
    size_t count = 0, claimed = 0;
    TRY(count_headers(core, elf, path, header, &count, &claimed));
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
        error = take_headers(core, elf, table, count);
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
        return explain_no_elf(path, header, (size_t)got);
    TRY(check_header(core->target, path, header));
    TRY(check_sections(core, path, header));

    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(core->fd, ELF_C_READ, NULL);
    if (!elf)
        return error_new(PST_ERROR_NOT_CORE, "%s can't be read as ELF: %s", path, elf_errmsg(-1));
    pst_error *error = read_program_headers(core, elf, path, header);
    elf_end(elf);
    return error;
}

/* ---- opening and closing --------------------------------------------------------------------------- */

static void core_close(struct pst_target *target)
{
    struct core *core = target->core;
    if (!core)
        return;
    core_images_free(core);
    free(core->parts);
    free(core->loads);
    free(core->mappings);
    free(core->short_arguments);
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
    TRY(open_file(core, path));
    TRY(open_root(core));
    TRY(read_headers(core, path));
    TRY(core_make_segments(core));
    TRY(memory_open(core_memory_source(core), &target->memory));
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
