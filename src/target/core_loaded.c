/*
 * What was mapped, where the core does not say it: some writers make no NT_FILE note (qemu-user, google-coredumper,
 * kernels before 3.7), and a truncated core may have lost it. Images are found by the ELF headers that segments of
 * the core begin with; what the files were called is in the dynamic loader's own list (target/link_map.h), the
 * executable's path in AT_EXECFN.
 *
 * qemu-user leaves the headers out as well, with all that can be executed. Then the file of that name says what its
 * parts are, and the list (of the executable: AT_PHDR) where it was loaded. Whether it is the right file is found out
 * later, as of any image without a header: core_match.c.
 */
#include "target/core.h"

#include "base/bytes.h"
#include "base/text.h"
#include "target/link_map.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORD = 8,
    MIN_PAGE_SIZE = 4096,
    MAX_PAGE_SIZE = 65536,      /* aarch64's largest */
    MAX_IMAGES = 1 << 14,
    MAX_HEADERS = 1 << 16,      /* ELF headers that are looked at, of images and of what only looks like one */
    MAX_LINKS = 1 << 14,        /* entries of the loader's list */
    MAX_DYNAMIC_ENTRIES = 512,  /* about thirty are used */
    MAX_NAME_SIZE = 4096,
    MAX_EXECUTABLES = 16,       /* images tried for one: it is the lowest, or next to it */
    MAX_FILES = CORE_MAX_OPEN_FILES, /* that are asked what their parts are */
};

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
    size_t header_count;  /* that were looked at */
    size_t file_count;    /* that were asked */
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
    *mapping = (struct core_mapping){ .start = bias + load->address - within, .image = CORE_NO_IMAGE };
    if (load->offset < within || __builtin_add_overflow(mapping->start, load->file_size + within + mask, &mapping->end))
        return false;
    mapping->file_offset = load->offset - within;
    mapping->end &= ~mask;
    /* gcore has no segments for what it leaves out, which is never what can be written to. */
    return load->file_size <= INT64_MAX && mapping->end > mapping->start &&
           (!load->writable || is_in_loads(finder, mapping));
}

/* At its place by address, if there is room; the mappings' numbers of images follow. */
static bool insert_image(struct finder *finder, const struct loaded *image, size_t first_mapping)
{
    struct core *core = finder->core;
    struct loaded *images = realloc(finder->images, (finder->image_count + 1) * sizeof *images);
    if (!images)
        return false;
    finder->images = images;
    size_t at = finder->image_count;
    while (at > 0 && images[at - 1].start > image->start)
        at--;
    if ((at > 0 && images[at - 1].end > image->start) ||
        (at < finder->image_count && images[at].start < image->end)) {
        core->mapping_count = first_mapping;
        return true;
    }
    for (size_t i = 0; at < finder->image_count && i < first_mapping; i++)
        core->mappings[i].image += core->mappings[i].image >= at;
    for (size_t i = first_mapping; i < core->mapping_count; i++)
        core->mappings[i].image = at;
    memmove(images + at + 1, images + at, (finder->image_count - at) * sizeof *images);
    images[at] = *image;
    finder->image_count++;
    return true;
}

/* All of its parts, or none: a file that a program has in its memory, and did not load, has them elsewhere. `start`:
 * where its offset 0 is. false: out of memory. */
static bool add_image(struct finder *finder, pst_addr start, const struct elf_head *head)
{
    struct core *core = finder->core;
    const size_t before = core->mapping_count;
    const pst_addr bias = start - head->address;
    struct loaded image = { .start = start, .name = NO_NAME };
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
    return insert_image(finder, &image, before);
}

static bool begins_with_magic(const struct core *core, pst_addr address)
{
    char magic[SELFMAG];
    return core_read(core, address, magic, sizeof magic) == sizeof magic && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static bool find_images(struct finder *finder)
{
    const struct core *core = finder->core;
    const struct pst_target *target = core->target;
    pst_addr end = 0;
    uint64_t vdso = 0;
    core_find_auxv(core, AT_SYSINFO_EHDR, &vdso);
    for (size_t i = 0; i < target->segment_count && finder->image_count < MAX_IMAGES &&
                       finder->header_count < MAX_HEADERS; i++) {
        const struct segment *segment = &target->segments[i];
        struct core_loaded loaded = { core, segment->start };
        const struct elf_bytes bytes = { core_read_loaded, &loaded, true };
        struct elf_head head;
        const struct core_part *part = core_find_part(core, segment->start);
        if (!part || part->size < sizeof(Elf64_Ehdr) || segment->start < end || segment->start == vdso ||
            !begins_with_magic(core, segment->start))
            continue;
        finder->header_count++;
        if (!elf_head_read(&bytes, &head) || head.load_count == 0 || segment->writable > head.loads[0].writable)
            continue;
        if (!add_image(finder, segment->start, &head))
            return false;
        if (finder->image_count)
            end = finder->images[finder->image_count - 1].end;
    }
    return true;
}

/* ---- images without a header, by their files ------------------------------------------------------- */

/* The file's program headers, and where they are loaded, as it counts addresses. */
static bool read_file_head(const struct core *core, int fd, struct elf_head *head, uint64_t *headers)
{
    const struct elf_bytes bytes = { core_read_file, &fd, false };
    uint8_t offset_bytes[WORD];
    if (!elf_head_read(&bytes, head) || head->machine != core->target->machine ||
        core_read_file(&fd, offsetof(Elf64_Ehdr, e_phoff), offset_bytes, WORD) != WORD)
        return false;
    uint64_t offset = bytes_unsigned(offset_bytes, WORD);
    for (size_t i = 0; i < head->load_count; i++) {
        const struct elf_load *load = &head->loads[i];
        if (offset < load->offset || offset - load->offset >= load->file_size)
            continue;
        *headers = load->address + (offset - load->offset);
        return true;
    }
    return false;
}

/* An image of which is known where its program headers are, or, if that is 0, its bias; NULL: it is not there. false:
 * out of memory. */
static bool add_from_file(struct finder *finder, int fd, pst_addr headers_at, pst_addr bias, struct loaded **image)
{
    struct elf_head head;
    uint64_t headers;
    *image = NULL;
    finder->file_count++;
    if (!read_file_head(finder->core, fd, &head, &headers))
        return true;
    if (headers_at)
        bias = headers_at - headers;
    if (head.fixed && bias != 0)
        return true;
    if (!add_image(finder, bias + head.address, &head))
        return false;
    *image = find_image(finder, bias + head.address);
    return true;
}

/* `name`: in finder->names. */
static bool add_by_name(struct finder *finder, size_t name, pst_addr headers_at, pst_addr bias, struct loaded **image)
{
    *image = NULL;
    if (name == NO_NAME || finder->file_count >= MAX_FILES)
        return true;
    int fd = core_open_in_root(finder->core->root, finder->names.data + name);
    if (fd < 0)
        return true;
    bool done = add_from_file(finder, fd, headers_at, bias, image);
    close(fd);
    return done;
}

/* What the user named comes before what the core does. */
static bool add_executable(struct finder *finder, pst_addr headers, size_t name, struct loaded **executable)
{
    const char *wanted = finder->core->target->wanted_executable;
    int fd = wanted ? open(wanted, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    bool done = true;
    *executable = NULL;
    if (fd >= 0) {
        done = add_from_file(finder, fd, headers, 0, executable);
        close(fd);
    }
    return done && (*executable || add_by_name(finder, name, headers, 0, executable));
}

/* ---- the loader's list ----------------------------------------------------------------------------- */

static bool take_link(struct finder *finder, pst_addr link, pst_addr dynamic, pst_addr name_address)
{
    uint64_t bias;
    struct loaded *image = find_image(finder, dynamic);
    if (image && image->name != NO_NAME)
        return true;
    size_t name = take_name(finder, name_address);
    if (!image && read_word(finder->core, link + L_ADDR_OFF, &bias) && !add_by_name(finder, name, 0, bias, &image))
        return false;
    if (image)
        image->name = name;
    return true;
}

/* The list that the loader keeps, from where the executable's dynamic section leads to it. */
static bool name_by_loader(struct finder *finder, pst_addr executable_dynamic)
{
    const struct core *core = finder->core;
    uint64_t tag = DT_NULL + 1, debug = 0, link;
    for (size_t i = 0; executable_dynamic && i < MAX_DYNAMIC_ENTRIES && tag != DT_NULL && !debug; i++) {
        pst_addr entry = executable_dynamic + i * sizeof(Elf64_Dyn);
        if (!read_word(core, entry, &tag) || (tag == DT_DEBUG && !read_word(core, entry + WORD, &debug)))
            return true;
    }
    if (!debug || !read_word(core, debug + R_MAP_OFF, &link))
        return true;
    for (size_t i = 0; link && i < MAX_LINKS; i++) {
        uint64_t name, dynamic;
        pst_addr this = link;
        if (!read_word(core, this + L_NAME_OFF, &name) || !read_word(core, this + L_LD_OFF, &dynamic) ||
            !read_word(core, this + L_NEXT_OFF, &link))
            return true;
        if (!take_link(finder, this, dynamic, name))
            return false;
    }
    return true;
}

/* Without the auxiliary vector, whose note may be lost, it is the one whose dynamic section knows the list. */
static bool name_images(struct finder *finder)
{
    uint64_t headers, path;
    bool is_known = core_find_auxv(finder->core, AT_PHDR, &headers);
    struct loaded *executable = is_known ? find_image(finder, headers) : NULL;
    size_t name = core_find_auxv(finder->core, AT_EXECFN, &path) ? take_name(finder, path) : NO_NAME;
    if (is_known && !executable && !add_executable(finder, headers, name, &executable))
        return false;
    if (executable) {
        executable->name = name;
        return name_by_loader(finder, executable->dynamic);
    }
    for (size_t i = 0; i < finder->image_count && i < MAX_EXECUTABLES; i++)
        if (!name_by_loader(finder, finder->images[i].dynamic))
            return false;
    return true;
}

/* What could not be named is told apart by its address. */
static void make_up_name(struct finder *finder, struct loaded *image)
{
    image->name = finder->names.size;
    text_printf(&finder->names, "unnamed image at 0x%llx", (unsigned long long)image->start);
    text_add_char(&finder->names, '\0');
}

/* ---- all ------------------------------------------------------------------------------------------- */

static bool find_all(struct finder *finder)
{
    struct core *core = finder->core;
    if (!find_images(finder) || !name_images(finder))
        return false;
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
    if (finder.image_count >= MAX_IMAGES || finder.header_count >= MAX_HEADERS)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_LIMIT, "the core has more than %d mapped files, or %d that look so: the "
                                 "rest was not looked for", MAX_IMAGES, MAX_HEADERS));
    return NULL;
}
