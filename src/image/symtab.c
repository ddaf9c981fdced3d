#include "image/symtab.h"

#include <gelf.h>
#include <libelf.h>
#include <string.h>

/* NULL: no ELF file. */
static Elf *open_elf(int fd)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return NULL;
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf && elf_kind(elf) != ELF_K_ELF) {
        elf_end(elf);
        return NULL;
    }
    return elf;
}

/* Link-time optimisation and some compilers put a number behind the name of what is local: "interp_head.lto_priv.0". */
static bool is_name(const char *name, const char *wanted)
{
    size_t size = strlen(wanted);
    return strncmp(name, wanted, size) == 0 && (name[size] == '\0' || name[size] == '.');
}

static void match(const char *name, const GElf_Sym *symbol, const char *const *names, pst_addr *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (name[0] == names[i][0] && is_name(name, names[i]))
            values[i] = symbol->st_value;
}

static void search_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *const *names,
                         pst_addr *values, size_t count)
{
    Elf_Data *data = elf_getdata(section, NULL);
    if (!data || header->sh_entsize == 0)
        return;
    size_t symbol_count = data->d_size / header->sh_entsize;
    for (size_t i = 0; i < symbol_count; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF)
            continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (name && *name)
            match(name, &symbol, names, values, count);
    }
}

pst_error *symtab_find(int fd, const char *const *names, pst_addr *values, size_t count)
{
    Elf *elf = open_elf(fd);
    Elf_Scn *section = NULL;
    while (elf && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            search_table(elf, section, &header, names, values, count);
    }
    elf_end(elf);
    return NULL;
}

pst_error *section_find(int fd, const char *name, pst_addr *address)
{
    Elf *elf = open_elf(fd);
    Elf_Scn *section = NULL;
    size_t names;
    bool has_names = elf && elf_getshdrstrndx(elf, &names) == 0;
    while (has_names && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *found = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (found && strcmp(found, name) == 0)
            *address = header.sh_addr;
    }
    elf_end(elf);
    return NULL;
}
