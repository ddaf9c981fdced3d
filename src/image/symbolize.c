#include "image/symbolize.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"
#include "image/debug_file.h"
#include "image/elf_file.h"
#include "image/symbol_table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A PT_LOAD, as the file tells it. */
struct load {
    uint64_t offset, size, address;
};

/* A mapped file whose symbols were read. */
struct symbol_image {
    pst_addr start;      /* where its first byte is mapped */
    char *path;
    struct load *loads;  /* NULL: not known; then `bias` is */
    size_t load_count;
    bool has_bias;
    pst_addr bias;
    /* .symtab, which debug information may have too, and .dynsym: the one may lack what the other has */
    struct symbol_table tables[SYMBOLS_DYNAMIC + 1];
};

struct result {
    pst_addr address;
    const char *text;    /* NULL: a free slot */
};

struct symbol_cache {
    struct arena arena;  /* of the texts */
    struct symbol_image images[SYMBOLIZE_MAX_IMAGES];
    size_t image_count;
    struct symbol_budget budget;
    struct result *results;     /* open addressing */
    size_t result_count, capacity; /* capacity is a power of two */
    uint64_t multiplier;
};

static void close_symbols(struct symbol_cache *cache)
{
    for (size_t i = 0; i < cache->image_count; i++) {
        free(cache->images[i].path);
        free(cache->images[i].loads);
        symbol_table_free(&cache->images[i].tables[SYMBOLS_STATIC]);
        symbol_table_free(&cache->images[i].tables[SYMBOLS_DYNAMIC]);
    }
    arena_free(&cache->arena);
    free(cache->results);
    free(cache);
}

static struct symbol_cache *get_cache(struct pst_target *target)
{
    if (!target->symbols) {
        target->symbols = calloc(1, sizeof *target->symbols);
        if (!target->symbols)
            return NULL;
        target->symbols->budget = (struct symbol_budget){SYMBOLIZE_MAX_SYMBOLS, SYMBOLIZE_MAX_STRINGS};
        target->symbols->multiplier = hash_multiplier();
        target->symbols_close = close_symbols;
    }
    return target->symbols;
}

/* ---- results: each address is answered once ------------------------------------------------------------ */

static struct result *find_slot(struct symbol_cache *cache, pst_addr address)
{
    size_t slot = (size_t)(address * cache->multiplier >> 32) & (cache->capacity - 1);
    while (cache->results[slot].text && cache->results[slot].address != address)
        slot = (slot + 1) & (cache->capacity - 1);
    return &cache->results[slot];
}

static bool grow(struct symbol_cache *cache)
{
    struct result *old = cache->results;
    size_t old_capacity = cache->capacity;
    cache->capacity = old_capacity ? old_capacity * 2 : 64;
    cache->results = calloc(cache->capacity, sizeof *cache->results);
    if (!cache->results) {
        cache->results = old;
        cache->capacity = old_capacity;
        return false;
    }
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].text)
            *find_slot(cache, old[i].address) = old[i];
    free(old);
    return true;
}

/* ---- images --------------------------------------------------------------------------------------------- */

static bool is_file(const struct segment *segment)
{
    return segment && segment->path && segment->path[0] != '[';
}

static bool is_same_file(const struct segment *one, const struct segment *other)
{
    return is_file(other) && one->device == other->device && one->inode == other->inode &&
           strcmp(one->path, other->path) == 0;
}

/* The mapping of the file's first byte that is next below; if there is none, `segment` itself. */
static const struct segment *find_first(const struct pst_target *target, const struct segment *segment)
{
    const struct segment *at = segment;
    for (size_t i = 0; i < SYMBOLIZE_MAX_SEGMENTS; i++, at--) {
        if (is_same_file(segment, at) && at->file_offset == 0)
            return at;
        if (at == target->segments)
            break;
    }
    return segment;
}

static void read_loads(int fd, struct symbol_image *image)
{
    Elf *elf = elf_file_open(fd);
    size_t count = 0;
    if (elf && elf_getphdrnum(elf, &count) == 0 && count && count <= IMAGE_MAX_PROGRAM_HEADERS)
        image->loads = calloc(count, sizeof *image->loads);
    for (size_t i = 0; image->loads && i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD)
            image->loads[image->load_count++] = (struct load){header.p_offset, header.p_filesz, header.p_vaddr};
    }
    elf_end(elf);
}

/* .symtab of the separate debug information of the build. */
static bool read_debug_file(struct pst_target *target, const struct build_id *id, struct symbol_budget *budget,
                            struct symbol_table *table)
{
    struct debug_file file;
    bool found = false;
    for (size_t place = 0; !found && debug_file_open(target, id, place, &file); place++) {
        found = file.fd >= 0 && symbol_table_read_file(file.fd, SYMBOLS_STATIC, budget, table);
        debug_file_close(&file);
    }
    return found;
}

static void read_from_file(struct pst_target *target, int fd, struct symbol_budget *budget, struct symbol_image *image)
{
    struct build_id id;
    read_loads(fd, image);
    if (!image->loads)
        return;
    symbol_table_read_file(fd, SYMBOLS_DYNAMIC, budget, &image->tables[SYMBOLS_DYNAMIC]);
    if (!symbol_table_read_file(fd, SYMBOLS_STATIC, budget, &image->tables[SYMBOLS_STATIC]) &&
        elf_find_build_id(fd, &id))
        read_debug_file(target, &id, budget, &image->tables[SYMBOLS_STATIC]);
}

static void read_from_memory(struct pst_target *target, struct symbol_budget *budget, struct symbol_image *image)
{
    struct image loaded;
    struct build_id id;
    bool found = false;
    pst_error_free(image_open(target->memory, image->start, &loaded, &found));
    if (!found)
        return;
    image->has_bias = true;
    image->bias = loaded.bias;
    symbol_table_read_memory(target->memory, &loaded, budget, &image->tables[SYMBOLS_DYNAMIC]);
    if (image_read_build_id(target, image->start, &id))
        read_debug_file(target, &id, budget, &image->tables[SYMBOLS_STATIC]);
}

static struct symbol_image *add_image(struct pst_target *target, const struct segment *first)
{
    struct symbol_cache *cache = target->symbols;
    char *path = cache->image_count < SYMBOLIZE_MAX_IMAGES ? strdup(first->path) : NULL;
    if (!path)
        return NULL;
    struct symbol_image *image = &cache->images[cache->image_count++];
    *image = (struct symbol_image){.start = first->start, .path = path};
    int fd = -1;
    if (target->operations && target->operations->open_file)
        pst_error_free(target->operations->open_file(target, first->path, first, &fd));
    if (fd >= 0) {
        read_from_file(target, fd, &cache->budget, image);
        close(fd);
    }
    if (!image->loads)
        read_from_memory(target, &cache->budget, image);
    return image;
}

static const struct symbol_image *get_image(struct pst_target *target, const struct segment *first)
{
    struct symbol_cache *cache = target->symbols;
    for (size_t i = 0; i < cache->image_count; i++)
        if (cache->images[i].start == first->start && strcmp(cache->images[i].path, first->path) == 0)
            return &cache->images[i];
    return add_image(target, first);
}

/* ---- one address ---------------------------------------------------------------------------------------- */

/* The address as the file counts them; false: it is in no part of the file that is loaded. */
static bool find_value(const struct symbol_image *image, const struct segment *segment, pst_addr address,
                       uint64_t *value)
{
    uint64_t offset = segment->file_offset + (address - segment->start);
    *value = address - image->bias;
    for (size_t i = 0; i < image->load_count; i++) {
        const struct load *load = &image->loads[i];
        *value = load->address + (offset - load->offset);
        if (offset >= load->offset && offset - load->offset < load->size)
            return true;
    }
    return image->has_bias;
}

static void describe_symbol(const struct symbol_image *image, const struct segment *segment, pst_addr address,
                            struct text *text)
{
    uint64_t value;
    size_t size;
    const struct symbol *symbol = NULL;
    const char *name = NULL;
    if (!image || !find_value(image, segment, address, &value))
        return;
    for (int which = SYMBOLS_STATIC; which <= SYMBOLS_DYNAMIC && !symbol; which++) {
        symbol = symbol_table_find(&image->tables[which], value);
        name = symbol ? symbol_table_get_name(&image->tables[which], symbol, &size) : NULL;
    }
    if (!name || size > SYMBOLIZE_MAX_NAME)
        return;
    text_add(text, name, size);
    if (value != symbol->value) {
        text_add_char(text, '+');
        text_add_hex(text, value - symbol->value);
    }
}

static void describe_place(const struct segment *first, pst_addr address, struct text *text)
{
    const char *slash = strrchr(first->path, '/');
    text_add_string(text, slash ? slash + 1 : first->path);
    text_add_char(text, '+');
    text_add_hex(text, address - first->start + first->file_offset);
}

const char *symbolize(struct pst_target *target, pst_addr address)
{
    const struct segment *segment = target_find_segment(target, address);
    struct symbol_cache *cache = is_file(segment) ? get_cache(target) : NULL;
    if (!cache || (cache->result_count * 4 >= cache->capacity * 3 && !grow(cache)))
        return NULL;
    struct result *result = find_slot(cache, address);
    if (result->text || cache->result_count >= SYMBOLIZE_MAX_RESULTS)
        return result->text;
    const struct segment *first = find_first(target, segment);
    struct text text = {0};
    describe_symbol(get_image(target, first), segment, address, &text);
    const char *noted = text.size ? NULL : target_find_noted_name(target, address);
    if (noted && strlen(noted) <= SYMBOLIZE_MAX_NAME)
        text_add_string(&text, noted);
    if (!text.size)
        describe_place(first, address, &text);
    text_add_char(&text, '\0');
    const char *copy = text.failed ? NULL : arena_copy(&cache->arena, text.data, text.size);
    text_free(&text);
    if (copy) {
        *result = (struct result){address, copy};
        cache->result_count++;
    }
    return copy;
}

size_t symbolize_list(const struct pst_target *target, struct target_symbol *symbols, size_t limit)
{
    const struct symbol_cache *cache = target->symbols;
    size_t count = 0;
    for (size_t i = 0; cache && i < cache->capacity && count < limit; i++)
        if (cache->results[i].text)
            symbols[count++] = (struct target_symbol){cache->results[i].address, cache->results[i].text};
    return count;
}
