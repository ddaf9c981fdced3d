/*
 * What was mapped, where the core does not say it: some writers make no NT_FILE note (qemu-user, google-coredumper,
 * kernels before 3.7), and a truncated core may have lost it. Images are found by the ELF headers that segments of
 * the core begin with; what the files were called is in the dynamic loader's own list (glibc's and musl's <link.h>:
 * struct r_debug, struct link_map), the executable's path in AT_EXECFN.
 */
#include "target/core.h"

#include "base/bytes.h"
#include "base/text.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD = 8,
    MIN_PAGE_SIZE = 4096,
    MAX_PAGE_SIZE = 65536,      /* aarch64's largest */
    MAX_IMAGES = 1 << 14,
    MAX_LINKS = 1 << 14,        /* entries of the loader's list */
    MAX_DYNAMIC_ENTRIES = 512,  /* about thirty are used */
    MAX_NAME_SIZE = 4096,
    MAX_EXECUTABLES = 16,       /* images tried for one: it is the lowest, or next to it */
};

/* struct r_debug; struct link_map. */
enum { R_MAP_OFF = 8, L_NAME_OFF = 8, L_LD_OFF = 16, L_NEXT_OFF = 24 };

/* An image that was found. */
struct loaded {
    pst_addr start, end;  /* from its ELF header to the end of what is mapped of its file */
    pst_addr dynamic;     /* 0: none */
    size_t name;          /* in finder->names; NO_NAME: not known */
};

#define NO_NAME ((size_t)-1)

struct finder {
    struct core *core;
    uint64_t page_size;
    struct loaded *images;
    size_t image_count;
    size_t capacity;      /* of core->mappings */
    struct text names;
};

/* ---- reading --------------------------------------------------------------------------------------- */

static bool read_word(const struct core *core, pst_addr address, uint64_t *word)
{
    uint8_t bytes[WORD];
    bool got = core_read(core, address, bytes, WORD) == WORD;
    *word = got ? bytes_unsigned(bytes, WORD) : 0;
    return got;
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* The path at `address`, copied; NO_NAME: there is none. */
static size_t take_name(struct finder *finder, pst_addr address)
{
    char name[MAX_NAME_SIZE];
    size_t got = core_read(finder->core, address, name, sizeof name);
    const char *end = memchr(name, '\0', got);
    if (!end || name[0] != '/') /* relative to a folder that nobody knows any more */
        return NO_NAME;
    size_t at = finder->names.size;
    text_add(&finder->names, name, (size_t)(end - name) + 1);
    return finder->names.failed ? NO_NAME : at;
}

static struct loaded *find_image(struct finder *finder, pst_addr address)
{
    size_t low = 0, high = finder->image_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (finder->images[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low < finder->image_count && finder->images[low].start <= address ? &finder->images[low] : NULL;
}

/* The list that the loader keeps, from where the executable's dynamic section leads to it. */
static void name_by_loader(struct finder *finder, const struct loaded *executable)
{
    const struct core *core = finder->core;
    uint64_t tag = DT_NULL + 1, debug = 0, link;
    for (size_t i = 0; executable->dynamic && i < MAX_DYNAMIC_ENTRIES && tag != DT_NULL && !debug; i++) {
        pst_addr entry = executable->dynamic + i * sizeof(Elf64_Dyn);
        if (!read_word(core, entry, &tag) || (tag == DT_DEBUG && !read_word(core, entry + WORD, &debug)))
            return;
    }
    if (!debug || !read_word(core, debug + R_MAP_OFF, &link))
        return;
    for (size_t i = 0; link && i < MAX_LINKS; i++) {
        uint64_t name, dynamic;
        if (!read_word(core, link + L_NAME_OFF, &name) || !read_word(core, link + L_LD_OFF, &dynamic) ||
            !read_word(core, link + L_NEXT_OFF, &link))
            return;
        struct loaded *image = find_image(finder, dynamic);
        if (image && image->name == NO_NAME)
            image->name = take_name(finder, name);
    }
}

/* Without the auxiliary vector, whose note may be lost, it is the one whose dynamic section knows the list. */
static void name_images(struct finder *finder)
{
    uint64_t headers, path;
    struct loaded *executable = core_find_auxv(finder->core, AT_PHDR, &headers) ? find_image(finder, headers) : NULL;
    if (executable && core_find_auxv(finder->core, AT_EXECFN, &path))
        executable->name = take_name(finder, path);
    if (executable)
        name_by_loader(finder, executable);
    for (size_t i = 0; !executable && i < finder->image_count && i < MAX_EXECUTABLES; i++)
        name_by_loader(finder, &finder->images[i]);
}

/* What could not be named is told apart by its address. */
static void make_up_name(struct finder *finder, struct loaded *image)
{
    image->name = finder->names.size;
    text_printf(&finder->names, "unnamed image at 0x%llx", (unsigned long long)image->start);
    text_add_char(&finder->names, '\0');
}

/* ---- images ---------------------------------------------------------------------------------------- */

static bool add_mapping(struct finder *finder, const struct core_mapping *mapping)
{
    struct core *core = finder->core;
    if (core->mapping_count == finder->capacity) {
        size_t capacity = finder->capacity ? 2 * finder->capacity : 64;
        struct core_mapping *mappings = realloc(core->mappings, capacity * sizeof *mappings);
        if (!mappings)
            return false;
        core->mappings = mappings;
        finder->capacity = capacity;
    }
    core->mappings[core->mapping_count++] = *mapping;
    return true;
}

static bool is_in_loads(const struct finder *finder, const struct core_mapping *mapping)
{
    const struct pst_target *target = finder->core->target;
    return target_find_segment(target, mapping->start) && target_find_segment(target, mapping->end - 1);
}

/* What the loader maps of the file for one of its parts. false: that can't be. */
static bool find_mapping(const struct finder *finder, pst_addr bias, const struct elf_load *load,
                         struct core_mapping *mapping)
{
    const uint64_t mask = finder->page_size - 1;
    uint64_t within = load->address & mask;
    *mapping = (struct core_mapping){ .start = bias + load->address - within, .image = finder->image_count };
    if (load->offset < within || __builtin_add_overflow(mapping->start, load->file_size + within + mask, &mapping->end))
        return false;
    mapping->file_offset = load->offset - within;
    mapping->end &= ~mask;
    /* gcore has no segments for what it leaves out, which is never what can be written to. */
    return load->file_size <= INT64_MAX && mapping->end > mapping->start &&
           (!load->writable || is_in_loads(finder, mapping));
}

/* All of its parts, or none: a file that a program has in its memory, and did not load, has them elsewhere. */
static bool add_image(struct finder *finder, const struct segment *segment, const struct elf_head *head)
{
    struct core *core = finder->core;
    const size_t before = core->mapping_count;
    const pst_addr bias = segment->start - head->address;
    struct loaded image = { .start = segment->start, .name = NO_NAME };
    image.dynamic = head->dynamic ? bias + head->dynamic : 0;
    for (size_t i = 0; i < head->load_count; i++) {
        struct core_mapping mapping;
        if (head->loads[i].file_size == 0)
            continue;
        if (!find_mapping(finder, bias, &head->loads[i], &mapping) || mapping.start < image.end) {
            core->mapping_count = before;
            return true;
        }
        image.end = mapping.end;
        if (!add_mapping(finder, &mapping))
            return false;
    }
    if (core->mapping_count == before || !is_in_loads(finder, &core->mappings[core->mapping_count - 1])) {
        core->mapping_count = before;
        return true;
    }
    struct loaded *images = realloc(finder->images, (finder->image_count + 1) * sizeof *images);
    if (!images)
        return false;
    finder->images = images;
    images[finder->image_count++] = image;
    return true;
}

static bool find_images(struct finder *finder)
{
    const struct core *core = finder->core;
    const struct pst_target *target = core->target;
    pst_addr end = 0;
    uint64_t vdso = 0;
    core_find_auxv(core, AT_SYSINFO_EHDR, &vdso);
    for (size_t i = 0; i < target->segment_count && finder->image_count < MAX_IMAGES; i++) {
        const struct segment *segment = &target->segments[i];
        struct core_loaded loaded = { core, segment->start };
        const struct elf_bytes bytes = { core_read_loaded, &loaded, true };
        struct elf_head head;
        if (core->parts[i].size < sizeof(Elf64_Ehdr) || segment->start < end || segment->start == vdso ||
            !elf_head_read(&bytes, &head) || head.load_count == 0 || segment->writable > head.loads[0].writable)
            continue;
        if (!add_image(finder, segment, &head))
            return false;
        if (finder->image_count)
            end = finder->images[finder->image_count - 1].end;
    }
    return true;
}

/* ---- all ------------------------------------------------------------------------------------------- */

static bool find_all(struct finder *finder)
{
    struct core *core = finder->core;
    if (!find_images(finder))
        return false;
    name_images(finder);
    for (size_t i = 0; i < finder->image_count; i++)
        if (finder->images[i].name == NO_NAME)
            make_up_name(finder, &finder->images[i]);
    for (size_t i = 0; i < core->mapping_count; i++)
        core->mappings[i].name = finder->images[core->mappings[i].image].name;
    return !finder->names.failed;
}

pst_error *core_find_loaded(struct core *core)
{
    uint64_t size;
    struct finder finder = { .core = core, .page_size = MIN_PAGE_SIZE };
    if (core_find_auxv(core, AT_PAGESZ, &size) && size > MIN_PAGE_SIZE && size <= MAX_PAGE_SIZE &&
        (size & (size - 1)) == 0)
        finder.page_size = size;
    bool found = find_all(&finder);
    free(finder.images);
    if (!found) {
        text_free(&finder.names);
        return error_no_memory();
    }
    core->target->segment_names = finder.names.data;
    return NULL;
}
