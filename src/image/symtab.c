#include "image/symtab.h"

#include "image/elf_file.h"

#include <string.h>

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
    Elf_Data *data = elf_file_get_data(section, ELF_FILE_MAX_SIZE);
    if (!data || !elf_file_has_strings(elf, header->sh_link))
        return;
    size_t symbol_count = data->d_size / sizeof(Elf64_Sym);
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
    Elf *elf = elf_file_open(fd);
    Elf_Scn *section = NULL;
    bool found = false; /* there is at most one */
    while (elf && !found && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        found = gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB;
        if (found)
            search_table(elf, section, &header, names, values, count);
    }
    elf_end(elf);
    return NULL;
}

pst_error *section_find(int fd, const char *name, pst_addr *address)
{
    Elf *elf = elf_file_open(fd);
    Elf_Scn *section = NULL;
    size_t names = elf ? elf_file_get_names(elf) : 0;
    while (names && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *found = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (found && strcmp(found, name) == 0)
            *address = header.sh_addr;
    }
    elf_end(elf);
    return NULL;
}
