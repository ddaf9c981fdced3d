/* The symbols of one ELF image, sorted by address. */
#ifndef PYSTANDER_IMAGE_SYMBOL_TABLE_H
#define PYSTANDER_IMAGE_SYMBOL_TABLE_H

#include "image/dynamic.h"

struct symbol {
    uint64_t value;       /* as the file counts addresses */
    uint64_t size;
    uint32_t name;        /* an offset into the table's strings */
    bool is_local;
};

struct symbol_table {
    struct symbol *symbols;
    size_t count;
    char *strings;        /* ends with a NUL */
    size_t strings_size;  /* without it */
};

/* What may still be read. */
struct symbol_budget {
    size_t symbols, strings;
};

enum symbol_section { SYMBOLS_STATIC /* .symtab */, SYMBOLS_DYNAMIC /* .dynsym */ };

/* Of a file; false: it has no such section, or one that can't be read. */
bool symbol_table_read_file(int fd, enum symbol_section which, struct symbol_budget *budget,
                            struct symbol_table *table);
/* The dynamic symbols of a loaded image; false: it has none that can be read. */
bool symbol_table_read_memory(struct memory *memory, const struct image *image, struct symbol_budget *budget,
                              struct symbol_table *table);
/* The symbol that holds the address, or that begins there: of several the one that a reader would name. NULL: none. */
const struct symbol *symbol_table_find(const struct symbol_table *table, uint64_t value);
/* Its name without the version ("@@GLIBC_2.2.5") and the number that a compiler put behind it (".lto_priv.0"):
 * *size bytes. */
const char *symbol_table_get_name(const struct symbol_table *table, const struct symbol *symbol, size_t *size);
void symbol_table_free(struct symbol_table *table);

#endif
