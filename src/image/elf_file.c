#include "image/elf_file.h"

#include <string.h>
#include <unistd.h>

Elf *elf_file_open(int fd)
{
    Elf64_Ehdr header;
    if (pread(fd, &header, sizeof header, 0) != sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return NULL;
    /* A count of 0 stands for one of 65,280 or more, if there are sections. */
    if (header.e_shnum > ELF_FILE_MAX_SECTIONS || (header.e_shnum == 0 && header.e_shoff != 0) ||
        elf_version(EV_CURRENT) == EV_NONE)
        return NULL;
    return elf_begin(fd, ELF_C_READ, NULL);
}

static bool is_plain(Elf_Scn *section, size_t limit)
{
    GElf_Shdr header;
    return gelf_getshdr(section, &header) && header.sh_size <= limit && !(header.sh_flags & SHF_COMPRESSED) &&
           header.sh_type != SHT_NOBITS;
}

Elf_Data *elf_file_get_data(Elf_Scn *section, size_t limit)
{
    Elf_Data *data = section && is_plain(section, limit) ? elf_getdata(section, NULL) : NULL;
    return data && data->d_buf ? data : NULL;
}

bool elf_file_has_strings(Elf *elf, size_t index)
{
    Elf_Scn *section = elf_getscn(elf, index);
    return section && is_plain(section, ELF_FILE_MAX_SIZE);
}

size_t elf_file_get_names(Elf *elf)
{
    size_t names = 0;
    return elf_getshdrstrndx(elf, &names) == 0 && elf_file_has_strings(elf, names) ? names : 0;
}
