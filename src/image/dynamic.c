#include "image/dynamic.h"

#include "base/bytes.h"

#include <elf.h>
#include <string.h>

enum { LOADER_PAGE_SIZE = 4096 }; /* the first PT_LOAD is mapped from the page that it begins in */

static pst_error *read_number(struct memory *memory, pst_addr address, size_t size, uint64_t *value)
{
    uint8_t bytes[8];
    TRY(memory_read(memory, address, bytes, size));
    *value = bytes_unsigned(bytes, size);
    return NULL;
}

/* ---- headers --------------------------------------------------------------------------------------- */

/* The loader of glibc writes absolute addresses into the dynamic section, musl's leaves the file's. */
static pst_addr dynamic_address(const struct image *image, uint64_t value)
{
    bool absolute = value >= image->start && value < image->end;
    return absolute ? value : value + image->bias;
}

static pst_error *read_dynamic_section(struct memory *memory, struct image *image)
{
    size_t count = image->dynamic_size / sizeof(Elf64_Dyn);
    if (count > IMAGE_MAX_DYNAMIC_ENTRIES)
        count = IMAGE_MAX_DYNAMIC_ENTRIES;
    for (size_t i = 0; i < count; i++) {
        uint8_t entry[sizeof(Elf64_Dyn)];
        TRY(memory_read(memory, image->dynamic + i * sizeof entry, entry, sizeof entry));
        uint64_t tag = bytes_unsigned(entry, 8), value = bytes_unsigned(entry + 8, 8);
        switch (tag) {
        case DT_NULL:
            return NULL;
        case DT_SYMTAB:
            image->symbols = dynamic_address(image, value);
            break;
        case DT_STRTAB:
            image->strings = dynamic_address(image, value);
            break;
        case DT_STRSZ:
            image->strings_size = value;
            break;
        case DT_GNU_HASH:
            image->gnu_hash = dynamic_address(image, value);
            break;
        case DT_HASH:
            image->sysv_hash = dynamic_address(image, value);
            break;
        default:
            break;
        }
    }
    return NULL;
}

/* Learns bias, end and the dynamic section from the program headers. */
static pst_error *read_program_headers(struct memory *memory, struct image *image, const uint8_t *header)
{
    uint64_t offset = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phoff), 8);
    size_t size = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phentsize), 2);
    size_t count = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_phnum), 2);
    bool fixed = bytes_unsigned(header + offsetof(Elf64_Ehdr, e_type), 2) == ET_EXEC;
    if (size != sizeof(Elf64_Phdr) || count > IMAGE_MAX_PROGRAM_HEADERS)
        return error_new(PST_ERROR_CORRUPT, "the ELF header at 0x%llx claims %zu program headers of %zu bytes",
                         (unsigned long long)image->start, count, size);
    bool loaded = false;
    uint64_t highest = 0, dynamic = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t segment[sizeof(Elf64_Phdr)];
        TRY(memory_read(memory, image->start + offset + i * size, segment, size));
        uint64_t type = bytes_unsigned(segment + offsetof(Elf64_Phdr, p_type), 4);
        uint64_t address = bytes_unsigned(segment + offsetof(Elf64_Phdr, p_vaddr), 8);
        uint64_t memory_size = bytes_unsigned(segment + offsetof(Elf64_Phdr, p_memsz), 8);
        if (type == PT_LOAD) {
            if (!loaded && !fixed)
                image->bias = image->start - (address & ~(uint64_t)(LOADER_PAGE_SIZE - 1));
            loaded = true;
            if (address + memory_size > highest)
                highest = address + memory_size;
        } else if (type == PT_DYNAMIC) {
            dynamic = address;
            image->dynamic_size = memory_size;
        }
    }
    image->end = image->bias + highest;
    image->dynamic = dynamic ? image->bias + dynamic : 0;
    return NULL;
}

pst_error *image_open(struct memory *memory, pst_addr start, struct image *image, bool *found)
{
    uint8_t header[sizeof(Elf64_Ehdr)];
    *image = (struct image){.start = start};
    *found = false;
    TRY(memory_read(memory, start, header, sizeof header));
    if (memcmp(header, ELFMAG, SELFMAG) != 0 || header[EI_CLASS] != ELFCLASS64 || header[EI_DATA] != ELFDATA2LSB)
        return NULL;
    image->machine = (uint16_t)bytes_unsigned(header + offsetof(Elf64_Ehdr, e_machine), 2);
    TRY(read_program_headers(memory, image, header));
    if (image->dynamic)
        TRY(read_dynamic_section(memory, image));
    *found = true;
    return NULL;
}

/* ---- symbols --------------------------------------------------------------------------------------- */

/* *address stays 0 unless symbol `index` is defined and has this name. */
static pst_error *match_symbol(struct memory *memory, const struct image *image, uint64_t index, const char *name,
                               pst_addr *address)
{
    uint8_t symbol[sizeof(Elf64_Sym)];
    TRY(memory_read(memory, image->symbols + index * sizeof symbol, symbol, sizeof symbol));
    uint64_t name_offset = bytes_unsigned(symbol + offsetof(Elf64_Sym, st_name), 4);
    if (bytes_unsigned(symbol + offsetof(Elf64_Sym, st_shndx), 2) == SHN_UNDEF)
        return NULL;
    char found[64];
    size_t size = strlen(name) + 1;
    if (size > sizeof found || name_offset + size > image->strings_size)
        return NULL;
    TRY(memory_read(memory, image->strings + name_offset, found, size));
    if (memcmp(found, name, size) == 0)
        *address = image->bias + bytes_unsigned(symbol + offsetof(Elf64_Sym, st_value), 8);
    return NULL;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

/* Header (4 words), Bloom filter (64-bit words), buckets, chain of hashes whose lowest bit ends a bucket. */
static pst_error *find_by_gnu_hash(struct memory *memory, const struct image *image, const char *name,
                                   pst_addr *address)
{
    uint8_t header[16];
    TRY(memory_read(memory, image->gnu_hash, header, sizeof header));
    uint64_t bucket_count = bytes_unsigned(header, 4), first_symbol = bytes_unsigned(header + 4, 4);
    uint64_t bloom_count = bytes_unsigned(header + 8, 4), bloom_shift = bytes_unsigned(header + 12, 4);
    if (bucket_count == 0 || bloom_count == 0 || bloom_shift > 31)
        return NULL;

    uint32_t hash = gnu_hash(name);
    pst_addr bloom = image->gnu_hash + sizeof header, buckets = bloom + bloom_count * 8;
    uint64_t word, mask = (uint64_t)1 << hash % 64 | (uint64_t)1 << (hash >> bloom_shift) % 64;
    TRY(read_number(memory, bloom + hash / 64 % bloom_count * 8, 8, &word));
    if ((word & mask) != mask)
        return NULL;

    uint64_t index;
    TRY(read_number(memory, buckets + hash % bucket_count * 4, 4, &index));
    if (index < first_symbol)
        return NULL;
    pst_addr chain = buckets + bucket_count * 4;
    for (size_t i = 0; i < IMAGE_MAX_HASH_CHAIN && !*address; i++, index++) {
        uint64_t entry;
        TRY(read_number(memory, chain + (index - first_symbol) * 4, 4, &entry));
        if ((entry | 1) == (hash | 1))
            TRY(match_symbol(memory, image, index, name, address));
        if (entry & 1)
            break;
    }
    return NULL;
}

static uint32_t sysv_hash(const char *name)
{
    uint32_t hash = 0;
    for (; *name; name++) {
        hash = (hash << 4) + (uint8_t)*name;
        uint32_t high = hash & 0xf0000000;
        hash = (hash ^ high >> 24) & ~high;
    }
    return hash;
}

/* Bucket count, chain count, buckets, chains: each entry is the index of the next symbol, 0 ends. */
static pst_error *find_by_sysv_hash(struct memory *memory, const struct image *image, const char *name,
                                    pst_addr *address)
{
    uint64_t bucket_count, chain_count, index;
    TRY(read_number(memory, image->sysv_hash, 4, &bucket_count));
    TRY(read_number(memory, image->sysv_hash + 4, 4, &chain_count));
    if (bucket_count == 0)
        return NULL;
    TRY(read_number(memory, image->sysv_hash + 8 + sysv_hash(name) % bucket_count * 4, 4, &index));
    for (size_t i = 0; i < IMAGE_MAX_HASH_CHAIN && index && index < chain_count && !*address; i++) {
        TRY(match_symbol(memory, image, index, name, address));
        TRY(read_number(memory, image->sysv_hash + 8 + (bucket_count + index) * 4, 4, &index));
    }
    return NULL;
}

pst_error *image_find_symbol(struct memory *memory, const struct image *image, const char *name, pst_addr *address)
{
    *address = 0;
    if (!image->symbols || !image->strings)
        return NULL;
    if (image->gnu_hash)
        return find_by_gnu_hash(memory, image, name, address);
    if (image->sysv_hash)
        return find_by_sysv_hash(memory, image, name, address);
    return NULL;
}

/* The chain of the bucket with the highest symbol goes on to the last one. */
static pst_error *count_by_gnu_hash(struct memory *memory, const struct image *image, uint64_t limit, uint64_t *count)
{
    uint8_t header[16];
    TRY(memory_read(memory, image->gnu_hash, header, sizeof header));
    uint64_t bucket_count = bytes_unsigned(header, 4), first_symbol = bytes_unsigned(header + 4, 4);
    uint64_t bloom_count = bytes_unsigned(header + 8, 4), highest = 0, entry = 0;
    pst_addr buckets = image->gnu_hash + sizeof header + bloom_count * 8, chain = buckets + bucket_count * 4;
    for (uint64_t i = 0; i < bucket_count && i < limit; i++) {
        TRY(read_number(memory, buckets + i * 4, 4, &entry));
        highest = entry > highest ? entry : highest;
    }
    if (highest < first_symbol)
        return NULL;
    for (entry = 0; !(entry & 1) && highest < limit; highest++)
        TRY(read_number(memory, chain + (highest - first_symbol) * 4, 4, &entry));
    *count = highest < limit ? highest : limit;
    return NULL;
}

pst_error *image_count_symbols(struct memory *memory, const struct image *image, uint64_t limit, uint64_t *count)
{
    *count = 0;
    if (!image->symbols || !image->strings)
        return NULL;
    if (image->gnu_hash)
        return count_by_gnu_hash(memory, image, limit, count);
    if (image->sysv_hash)
        TRY(read_number(memory, image->sysv_hash + 4, 4, count)); /* as many chains as symbols */
    if (*count > limit)
        *count = limit;
    return NULL;
}
