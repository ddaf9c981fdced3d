#include "image/debug_link.h"

#include "image/elf_file.h"

#include <string.h>
#include <unistd.h>

static bool take_id(const void *bytes, size_t size, struct build_id *id)
{
    if (size == 0 || size > sizeof id->bytes)
        return false;
    memcpy(id->bytes, bytes, size);
    id->size = size;
    return true;
}

static bool find_in_notes(Elf_Data *notes, struct build_id *id)
{
    GElf_Nhdr header;
    size_t at = 0, name, bytes;
    while (notes && (at = gelf_getnote(notes, at, &header, &name, &bytes)) > 0) {
        const uint8_t *start = notes->d_buf;
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(start + name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0)
            return take_id(start + bytes, header.n_descsz, id);
    }
    return false;
}

bool elf_find_build_id(int fd, struct build_id *id)
{
    Elf *elf = elf_file_open(fd);
    Elf_Scn *section = NULL;
    bool found = false;
    while (!found && elf && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOTE)
            found = find_in_notes(elf_file_get_data(section, ELF_FILE_MAX_SMALL_SIZE), id);
    }
    elf_end(elf);
    return found;
}

int elf_keep_if_build(int fd, const struct build_id *id)
{
    struct build_id found;
    if (fd < 0 || (elf_find_build_id(fd, &found) && id->size && id->size == found.size &&
                   memcmp(id->bytes, found.bytes, id->size) == 0))
        return fd;
    close(fd);
    return -1;
}

bool elf_find_supplement(int fd, char path[PATH_MAX], struct build_id *id)
{
    Elf *elf = elf_file_open(fd);
    size_t strings = elf ? elf_file_get_names(elf) : 0;
    Elf_Scn *section = NULL;
    bool found = false;
    while (!found && strings && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *text = gelf_getshdr(section, &header) ? elf_strptr(elf, strings, header.sh_name) : NULL;
        Elf_Data *data = text && strcmp(text, ".gnu_debugaltlink") == 0
                             ? elf_file_get_data(section, ELF_FILE_MAX_SMALL_SIZE) : NULL;
        const char *end = data && data->d_buf ? memchr(data->d_buf, 0, data->d_size) : NULL;
        size_t size = end ? (size_t)(end - (const char *)data->d_buf) + 1 : 0;
        if (size > 1 && size <= PATH_MAX) {
            memcpy(path, data->d_buf, size);
            found = take_id(end + 1, data->d_size - size, id);
        }
    }
    elf_end(elf);
    return found;
}
