/*
 * Whether a file is what was mapped, of an image whose ELF header, and with it the build-id, the core left out
 * (coredump_filter without bit 4).
 *
 * The pages that were written to are there, and the file foretells what the loader made of many of their words. What
 * has to agree, with the bias that follows from where the file's offset 0 was mapped:
 *
 *   - that every part of the file is mapped where its program headers say, and nothing else of it;
 *   - every entry of the dynamic section but DT_DEBUG: sizes and addresses of all tables of the image. The loader of
 *     glibc adds the bias to some;
 *   - every word of RELRO that a relocation without a symbol fills: nobody writes there later;
 *   - nearly all such words of the writable data, which a program may change. Of an executable with fixed addresses,
 *     which has no such relocations: the words that point into its constant parts.
 *
 * On CPython 2.7 to 3.15 and some hundred libraries, of the same build nothing of the first three ever differed, and of
 * the last at most 2.2 % (extension modules: up to 12 %, _struct sorts a table of functions). Of another build nearly
 * all do, as soon as one function before the first table has another size. Below the number of CORE_MATCH_MIN_WORDS,
 * or with too many differences to be sure and too few to be another build, it can't be told, and the file is not used.
 *
 * What this can't see is a build in which nothing moved: other constants of the same sizes. Its symbols and its tables
 * are where those of the right build are; what would be taken from it wrongly is such a constant.
 */
#include "target/core.h"

#include "base/bytes.h"

#include <elf.h>
#include <string.h>

enum {
    WORD = 8,
    WINDOW_SIZE = 4096,
    MAX_DYNAMIC_ENTRIES = 512,   /* about thirty are used */
    MAX_BEYOND = 16,             /* mappings behind an image's end that are looked at */
    SURE_SHARE = 16,             /* of so many words one may differ in the same build */
    OTHER_SHARE = 4,             /* one that differs of so many: another build */
};

/* Older <elf.h> lack them. */
enum { TAG_RELRSZ = 35, TAG_RELR = 36 };

/* Bytes are read in order, more or less. */
struct window {
    const struct elf_bytes *bytes;
    uint64_t start;
    size_t size;
    uint8_t data[WINDOW_SIZE];
};

struct comparison {
    const struct elf_head *head;  /* of the file */
    pst_addr bias;
    struct window file, core;     /* by offset in the file; by distance from the image's base */
    size_t *compared_count;       /* in all images of the core */
    struct core_match *match;
};

/* ---- reading --------------------------------------------------------------------------------------- */

static bool read_word(struct window *window, uint64_t offset, uint64_t *word)
{
    uint64_t at = offset - window->start;
    if (offset < window->start || at > window->size || window->size - at < WORD) {
        window->start = offset;
        window->size = window->bytes->read(window->bytes->context, offset, window->data, WINDOW_SIZE);
        if (window->size < WORD)
            return false;
    }
    *word = bytes_word(window->data + (offset - window->start));
    return true;
}

/* Where the file has the byte that is loaded at `address`. */
static bool find_in_file(const struct elf_head *head, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < head->load_count; i++) {
        const struct elf_load *load = &head->loads[i];
        if (address < load->address || address - load->address >= load->file_size)
            continue;
        *offset = load->offset + (address - load->address);
        return true;
    }
    return false;
}

static bool read_file_word(struct comparison *comparison, uint64_t address, uint64_t *word)
{
    uint64_t offset;
    return find_in_file(comparison->head, address, &offset) && read_word(&comparison->file, offset, word);
}

static bool read_core_word(struct comparison *comparison, uint64_t address, uint64_t *word)
{
    return read_word(&comparison->core, address - comparison->head->address, word);
}

/* ---- words ----------------------------------------------------------------------------------------- */

static bool may_go_on(struct comparison *comparison)
{
    return (*comparison->compared_count)++ < CORE_MATCH_MAX_WORDS;
}

/* `address` and the word there count as the file does, before the bias is added. */
static void compare_word(struct comparison *comparison, uint64_t address, uint64_t expected)
{
    const struct elf_head *head = comparison->head;
    uint64_t found;
    if (!read_core_word(comparison, address, &found))
        return;
    bool same = found == expected + comparison->bias;
    bool is_final = !head->fixed && address - head->relro < head->relro_size;
    comparison->match->same += same;
    comparison->match->different += !same;
    comparison->match->is_other |= !same && is_final;
}

static void compare_relocations(struct comparison *comparison, uint64_t table, uint64_t size)
{
    for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= size && may_go_on(comparison); at += sizeof(Elf64_Rela)) {
        uint64_t address, information, addend;
        if (!read_file_word(comparison, table + at, &address) ||
            !read_file_word(comparison, table + at + offsetof(Elf64_Rela, r_info), &information) ||
            !read_file_word(comparison, table + at + offsetof(Elf64_Rela, r_addend), &addend))
            return;
        uint64_t type = ELF64_R_TYPE(information);
        if (type == (comparison->head->machine == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE))
            compare_word(comparison, address, addend);
    }
}

/* The addend of a packed relocation stands in its place. */
static void compare_in_place(struct comparison *comparison, uint64_t address)
{
    uint64_t addend;
    uint64_t offset;
    struct window *file = &comparison->file;
    uint8_t bytes[WORD];
    /* Not through the window, which stays at the table. */
    if (!find_in_file(comparison->head, address, &offset) ||
        file->bytes->read(file->bytes->context, offset, bytes, WORD) < WORD)
        return;
    addend = bytes_word(bytes);
    compare_word(comparison, address, addend);
}

/* DT_RELR: an address, then bit maps of the 63 words after it. */
static void compare_packed_relocations(struct comparison *comparison, uint64_t table, uint64_t size)
{
    uint64_t next = 0, word;
    for (uint64_t at = 0; at + WORD <= size && may_go_on(comparison); at += WORD) {
        if (!read_file_word(comparison, table + at, &word))
            return;
        if (!(word & 1)) {
            compare_in_place(comparison, word);
            next = word + WORD;
            continue;
        }
        for (unsigned bit = 1; bit < 64; bit++)
            if (word >> bit & 1 && may_go_on(comparison))
                compare_in_place(comparison, next + (uint64_t)WORD * (bit - 1));
        next += (uint64_t)63 * WORD;
    }
}

static bool is_in_constant_part(const struct elf_head *head, uint64_t address)
{
    for (size_t i = 0; i < head->load_count; i++)
        if (!head->loads[i].writable && address >= head->loads[i].address &&
            address - head->loads[i].address < head->loads[i].size)
            return true;
    return false;
}

static void compare_pointers(struct comparison *comparison)
{
    const struct elf_head *head = comparison->head;
    for (size_t i = 0; i < head->load_count; i++) {
        const struct elf_load *load = &head->loads[i];
        uint64_t word, start = (WORD - load->address % WORD) % WORD;
        for (uint64_t at = start; load->writable && at + WORD <= load->file_size; at += WORD) {
            if (!may_go_on(comparison) || !read_file_word(comparison, load->address + at, &word))
                break;
            if (is_in_constant_part(head, word))
                compare_word(comparison, load->address + at, word);
        }
    }
}

/* ---- the dynamic section --------------------------------------------------------------------------- */

struct tables {
    uint64_t relocations, relocations_size, packed, packed_size;
};

static void take_table(struct tables *tables, uint64_t tag, uint64_t value)
{
    if (tag == DT_RELA)
        tables->relocations = value;
    else if (tag == DT_RELASZ)
        tables->relocations_size = value;
    else if (tag == TAG_RELR)
        tables->packed = value;
    else if (tag == TAG_RELRSZ)
        tables->packed_size = value;
}

static void compare_dynamic(struct comparison *comparison, struct tables *tables)
{
    uint64_t address = comparison->head->dynamic, tag, value, core_tag, core_value;
    for (size_t i = 0; address && i < MAX_DYNAMIC_ENTRIES; i++, address += sizeof(Elf64_Dyn)) {
        if (!read_file_word(comparison, address, &tag) || !read_file_word(comparison, address + WORD, &value) ||
            tag == DT_NULL)
            return;
        take_table(tables, tag, value);
        if (tag == DT_DEBUG || !read_core_word(comparison, address, &core_tag) ||
            !read_core_word(comparison, address + WORD, &core_value))
            continue;
        bool same = core_tag == tag && (core_value == value || core_value == value + comparison->bias);
        comparison->match->same += same;
        comparison->match->different += !same;
        comparison->match->is_other |= !same;
    }
}

/* ---- where it is mapped ---------------------------------------------------------------------------- */

static const struct elf_load *find_load(const struct elf_head *head, pst_addr bias, const struct core_mapping *mapping)
{
    for (size_t i = 0; i < head->load_count; i++) {
        const struct elf_load *load = &head->loads[i];
        pst_addr start = bias + load->address;
        bool at_its_place = mapping->start - mapping->file_offset == start - load->offset;
        if (at_its_place && mapping->start < start + load->file_size && mapping->end > start)
            return load;
    }
    return NULL;
}

/* The first mapping that ends behind `address`; mapping_count: none. They are in order. */
static size_t find_mapping(const struct core *core, pst_addr address)
{
    size_t low = 0, high = core->mapping_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (core->mappings[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool is_mapped(const struct core *core, const struct core_image *image, pst_addr address)
{
    size_t index = find_mapping(core, address);
    return index < core->mapping_count && core->mappings[index].start <= address &&
           &core->images[core->mappings[index].image] == image;
}

static pst_addr find_end(const struct elf_head *head, pst_addr bias)
{
    pst_addr end = 0;
    for (size_t i = 0; i < head->load_count; i++)
        if (head->loads[i].address + head->loads[i].size > end)
            end = head->loads[i].address + head->loads[i].size;
    return end + bias;
}

/* What is mapped of it between its beginning and its end, and a little behind: a larger build would have more there. */
static bool is_mapped_alike(const struct core *core, const struct core_image *image, const struct elf_head *head,
                            pst_addr bias)
{
    const pst_addr end = find_end(head, bias);
    size_t beyond = 0;
    for (size_t i = find_mapping(core, image->base); i < core->mapping_count && beyond < MAX_BEYOND; i++) {
        const struct core_mapping *mapping = &core->mappings[i];
        beyond += mapping->start >= end;
        if (&core->images[mapping->image] == image && mapping->start < mapping->end &&
            !find_load(head, bias, mapping))
            return false;
    }
    for (size_t i = 0; i < head->load_count; i++)
        if (head->loads[i].file_size && !is_mapped(core, image, bias + head->loads[i].address))
            return false;
    return !head->fixed || bias == 0;
}

/* ---- all ------------------------------------------------------------------------------------------- */

void core_match_data(struct core *core, const struct core_image *image, const struct elf_bytes *file,
                     const struct elf_head *head, struct core_match *match)
{
    struct core_loaded loaded = { core, image->base };
    const struct elf_bytes in_core = { core_read_loaded, &loaded, true };
    struct comparison comparison = {
        .head = head,
        .bias = image->base - head->address,
        .file.bytes = file,
        .core.bytes = &in_core,
        .match = match,
        .compared_count = &core->compared_count,
    };
    struct tables tables = { 0 };
    *match = (struct core_match){ .is_elsewhere = !is_mapped_alike(core, image, head, comparison.bias) };
    match->is_other = match->is_elsewhere || head->machine != core->target->machine;
    if (match->is_other)
        return;
    compare_dynamic(&comparison, &tables);
    if (!match->is_other)
        compare_relocations(&comparison, tables.relocations, tables.relocations_size);
    if (!match->is_other)
        compare_packed_relocations(&comparison, tables.packed, tables.packed_size);
    if (!match->is_other && head->fixed)
        compare_pointers(&comparison);
    match->is_other |= match->different > match->same / OTHER_SHARE;
    match->is_same = !match->is_other && match->same >= CORE_MATCH_MIN_WORDS &&
                     match->different <= match->same / SURE_SHARE;
}
