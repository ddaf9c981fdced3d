#include "image/symbol_table.h"

#include "base/bytes.h"
#include "image/elf_file.h"
#include "image/symbolize.h"

#include <stdlib.h>
#include <string.h>

/* ---- which symbols count ------------------------------------------------------------------------------ */

static bool is_wanted(const struct symbol_table *table, const struct symbol *symbol, unsigned type, unsigned section)
{
    bool is_code_or_data = type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_OBJECT || type == STT_NOTYPE;
    /* A program that is not position-independent has an address of its own for another file's function. */
    bool has_place = section == SHN_UNDEF ? symbol->value != 0 : section != SHN_ABS && section != SHN_COMMON;
    if (!is_code_or_data || !has_place || symbol->name >= table->strings_size)
        return false;
    char first = table->strings[symbol->name];
    return first != '\0' && first != '$'; /* "$x" and "$d" say on aarch64 what follows: code, data */
}

/* `at`: an Elf64_Sym. */
static void add(struct symbol_table *table, const uint8_t *at)
{
    unsigned info = at[offsetof(Elf64_Sym, st_info)];
    unsigned section = (unsigned)bytes_unsigned(at + offsetof(Elf64_Sym, st_shndx), 2);
    const struct symbol symbol = {
        .value = bytes_unsigned(at + offsetof(Elf64_Sym, st_value), 8),
        .size = section == SHN_UNDEF ? 0 : bytes_unsigned(at + offsetof(Elf64_Sym, st_size), 8),
        .name = (uint32_t)bytes_unsigned(at + offsetof(Elf64_Sym, st_name), 4),
        .is_local = info >> 4 == STB_LOCAL,
    };
    if (is_wanted(table, &symbol, info & 0xf, section))
        table->symbols[table->count++] = symbol;
}

static size_t count_underscores(const char *name)
{
    size_t count = 0;
    while (name[count] == '_')
        count++;
    return count;
}

/* By address; of several names for one, the best first: free before __libc_free. */
static int by_value(const void *a, const void *b, void *context)
{
    const struct symbol *x = a, *y = b;
    const char *strings = context;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    if (!x->size != !y->size)
        return x->size ? -1 : 1;
    if (x->is_local != y->is_local)
        return x->is_local ? 1 : -1;
    size_t x_count = count_underscores(strings + x->name), y_count = count_underscores(strings + y->name);
    if (x_count != y_count)
        return x_count < y_count ? -1 : 1;
    size_t x_size = strnlen(strings + x->name, SYMBOLIZE_MAX_NAME + 1);
    size_t y_size = strnlen(strings + y->name, SYMBOLIZE_MAX_NAME + 1);
    if (x_size != y_size)
        return x_size < y_size ? -1 : 1;
    return strncmp(strings + x->name, strings + y->name, x_size);
}

/* Fills the table from `count` Elf64_Sym at `bytes`; table->strings is there. */
static bool fill(struct symbol_table *table, const uint8_t *bytes, size_t count)
{
    table->symbols = malloc((count + 1) * sizeof *table->symbols);
    if (!table->symbols)
        return false;
    for (size_t i = 0; i < count; i++)
        add(table, bytes + i * sizeof(Elf64_Sym));
    qsort_r(table->symbols, table->count, sizeof *table->symbols, by_value, table->strings);
    return true;
}

static bool take(struct symbol_budget *budget, size_t symbol_count, size_t strings_size)
{
    if (symbol_count > budget->symbols || strings_size > budget->strings)
        return false;
    budget->symbols -= symbol_count;
    budget->strings -= strings_size;
    return true;
}

/* ---- where they are read from ------------------------------------------------------------------------- */

static bool read_section(Elf *elf, Elf_Scn *section, size_t strings_index, struct symbol_budget *budget,
                         struct symbol_table *table)
{
    Elf_Data *symbols = elf_file_get_data(section, ELF_FILE_MAX_SIZE);
    Elf_Data *strings = elf_file_get_data(elf_getscn(elf, strings_index), ELF_FILE_MAX_SIZE);
    if (!symbols || !strings || strings->d_size > UINT32_MAX)
        return false;
    size_t count = symbols->d_size / sizeof(Elf64_Sym);
    if (!take(budget, count, strings->d_size))
        return false;
    table->strings = malloc(strings->d_size + 1);
    if (!table->strings)
        return false;
    memcpy(table->strings, strings->d_buf, strings->d_size);
    table->strings[strings->d_size] = '\0';
    table->strings_size = strings->d_size;
    return fill(table, symbols->d_buf, count);
}

bool symbol_table_read_file(int fd, enum symbol_section which, struct symbol_budget *budget,
                            struct symbol_table *table)
{
    const GElf_Word wanted = which == SYMBOLS_STATIC ? SHT_SYMTAB : SHT_DYNSYM;
    Elf *elf = elf_file_open(fd);
    Elf_Scn *section = NULL;
    bool done = false, found = false; /* there is at most one */
    *table = (struct symbol_table){0};
    while (elf && !found && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        found = gelf_getshdr(section, &header) && header.sh_type == wanted;
        if (found)
            done = read_section(elf, section, header.sh_link, budget, table);
    }
    elf_end(elf);
    if (!done)
        symbol_table_free(table);
    return done;
}

static pst_error *read_loaded(struct memory *memory, const struct image *image, struct symbol_budget *budget,
                              struct symbol_table *table)
{
    uint64_t count;
    TRY(image_count_symbols(memory, image, budget->symbols, &count));
    if (!count || !take(budget, count, image->strings_size))
        return error_new(PST_ERROR_LIMIT, "no symbols, or too many");
    size_t size = count * sizeof(Elf64_Sym);
    uint8_t *bytes = malloc(size);
    table->strings = malloc(image->strings_size + 1);
    pst_error *error = bytes && table->strings ? NULL : error_no_memory();
    if (!error)
        error = memory_read(memory, image->symbols, bytes, size);
    if (!error)
        error = memory_read(memory, image->strings, table->strings, image->strings_size);
    if (!error) {
        table->strings_size = image->strings_size;
        table->strings[table->strings_size] = '\0';
        error = fill(table, bytes, count) ? NULL : error_no_memory();
    }
    free(bytes);
    return error;
}

bool symbol_table_read_memory(struct memory *memory, const struct image *image, struct symbol_budget *budget,
                              struct symbol_table *table)
{
    *table = (struct symbol_table){0};
    pst_error *error = read_loaded(memory, image, budget, table);
    if (!error)
        return true;
    pst_error_free(error);
    symbol_table_free(table);
    return false;
}

void symbol_table_free(struct symbol_table *table)
{
    free(table->symbols);
    free(table->strings);
    *table = (struct symbol_table){0};
}

/* ---- asking ------------------------------------------------------------------------------------------- */

/* How many symbols begin at or before the address. */
static size_t count_before(const struct symbol_table *table, uint64_t value)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->symbols[middle].value <= value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct symbol *symbol_table_find(const struct symbol_table *table, uint64_t value)
{
    size_t end = count_before(table, value);
    const struct symbol *best = NULL;
    /* The nearest one; of those that begin where it does the first, which is the best name. */
    for (size_t i = 0; i < end && i < SYMBOLIZE_MAX_NESTING; i++) {
        const struct symbol *symbol = &table->symbols[end - 1 - i];
        if (best && symbol->value != best->value)
            break;
        if (symbol->value == value || value - symbol->value < symbol->size)
            best = symbol;
    }
    return best;
}

static size_t cut_at(const char *name, size_t size, const char *mark)
{
    const char *found = memmem(name, size, mark, strlen(mark));
    return found && found > name ? (size_t)(found - name) : size;
}

const char *symbol_table_get_name(const struct symbol_table *table, const struct symbol *symbol, size_t *size)
{
    const char *name = table->strings + symbol->name;
    *size = strnlen(name, SYMBOLIZE_MAX_NAME + 1);
    *size = cut_at(name, *size, "@");
    *size = cut_at(name, *size, ".lto_priv.");
    *size = cut_at(name, *size, ".llvm.");
    return name;
}
