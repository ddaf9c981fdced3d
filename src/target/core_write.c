#include "target/core_write.h"

#include "base/transfer.h"
#include "target/covering.h"
#include "target/notes.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_ALIGNMENT = 4096 /* of the first page in the file; within it they lie as they come */ };

/* ---- output ----------------------------------------------------------------------------------------------- */

struct writer {
    int fd;
    uint64_t size;   /* written so far, `used` included */
    int errnum;      /* of the first failure; after it nothing more is written */
    size_t used;
    uint8_t bytes[64 * 1024];
};

static void flush(struct writer *writer)
{
    if (!writer->errnum)
        transfer_write(writer->fd, writer->bytes, writer->used, &writer->errnum);
    writer->used = 0;
}

static void add(struct writer *writer, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    writer->size += size;
    while (size) {
        size_t part = sizeof writer->bytes - writer->used < size ? sizeof writer->bytes - writer->used : size;
        memcpy(writer->bytes + writer->used, from, part);
        writer->used += part;
        from += part;
        size -= part;
        if (writer->used == sizeof writer->bytes)
            flush(writer);
    }
}

static void add_zeros(struct writer *writer, size_t size)
{
    static const uint8_t zeros[256];
    for (size_t part; size; size -= part) {
        part = size < sizeof zeros ? size : sizeof zeros;
        add(writer, zeros, part);
    }
}

/* ---- program headers -------------------------------------------------------------------------------------- */

/* A PT_LOAD: a run of pages that were kept, and what follows it up to the next one. */
struct load {
    pst_addr start, end;
    uint64_t size;     /* how many of its bytes were kept, from its start on */
    uint32_t flags;
};

struct loads {
    struct load *items;
    size_t count;
};

static uint32_t flags_of(const struct segment *segment)
{
    return (segment->readable ? PF_R : 0U) | (segment->writable ? PF_W : 0U) | (segment->executable ? PF_X : 0U);
}

/* Makes the loads of one segment; *page is the first page that is not before it. */
static void add_segment(struct loads *loads, const struct segment *segment, const struct page_store *store,
                        size_t *page)
{
    uint32_t flags = flags_of(segment);
    loads->items[loads->count++] = (struct load){segment->start, segment->end, 0, flags};
    while (*page < store->count && store->pages[*page].address < segment->start)
        ++*page;
    for (; *page < store->count && store->pages[*page].address < segment->end; ++*page) {
        const struct stored_page *stored = &store->pages[*page];
        struct load *last = &loads->items[loads->count - 1];
        uint64_t size = segment->end - stored->address < stored->size ? segment->end - stored->address : stored->size;
        if (stored->address == last->start + last->size) {
            last->size += size;
            continue;
        }
        last->end = stored->address;
        loads->items[loads->count++] = (struct load){stored->address, segment->end, size, flags | CORE_LOAD_CONTINUES};
    }
}

static pst_error *make_loads(const struct pst_target *target, const struct page_store *store, struct loads *loads)
{
    struct segment *segments;
    size_t count, page = 0;
    pst_addr *pages = page_store_list(store);
    pst_error *error = pages ? covering_segments(target, pages, store->count, &segments, &count) : error_no_memory();
    free(pages);
    if (error)
        return error;
    loads->items = calloc(count + store->count + 1, sizeof *loads->items);
    for (size_t i = 0; loads->items && i < count; i++)
        add_segment(loads, &segments[i], store, &page);
    free(segments);
    return loads->items ? NULL : error_no_memory();
}

static void add_program_header(struct writer *writer, uint32_t type, uint32_t flags, uint64_t offset,
                               pst_addr address, uint64_t size, uint64_t memory_size, uint64_t alignment)
{
    uint8_t header[sizeof(Elf64_Phdr)] = {0};
    notes_put(header + offsetof(Elf64_Phdr, p_type), type, 4);
    notes_put(header + offsetof(Elf64_Phdr, p_flags), flags, 4);
    notes_put(header + offsetof(Elf64_Phdr, p_offset), offset, 8);
    notes_put(header + offsetof(Elf64_Phdr, p_vaddr), address, 8);
    notes_put(header + offsetof(Elf64_Phdr, p_filesz), size, 8);
    notes_put(header + offsetof(Elf64_Phdr, p_memsz), memory_size, 8);
    notes_put(header + offsetof(Elf64_Phdr, p_align), alignment, 8);
    add(writer, header, sizeof header);
}

/* ---- the file --------------------------------------------------------------------------------------------- */

/* More program headers than e_phnum can count are counted by the first section header, elf(5). */
static bool is_extended(size_t header_count)
{
    return header_count >= PN_XNUM;
}

static void add_elf_header(struct writer *writer, uint16_t machine, size_t header_count)
{
    uint8_t header[sizeof(Elf64_Ehdr)] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
    bool extended = is_extended(header_count);
    notes_put(header + offsetof(Elf64_Ehdr, e_type), ET_CORE, 2);
    notes_put(header + offsetof(Elf64_Ehdr, e_machine), machine, 2);
    notes_put(header + offsetof(Elf64_Ehdr, e_version), EV_CURRENT, 4);
    notes_put(header + offsetof(Elf64_Ehdr, e_phoff), sizeof(Elf64_Ehdr) + (extended ? sizeof(Elf64_Shdr) : 0), 8);
    notes_put(header + offsetof(Elf64_Ehdr, e_shoff), extended ? sizeof(Elf64_Ehdr) : 0, 8);
    notes_put(header + offsetof(Elf64_Ehdr, e_ehsize), sizeof(Elf64_Ehdr), 2);
    notes_put(header + offsetof(Elf64_Ehdr, e_phentsize), sizeof(Elf64_Phdr), 2);
    notes_put(header + offsetof(Elf64_Ehdr, e_phnum), extended ? PN_XNUM : header_count, 2);
    notes_put(header + offsetof(Elf64_Ehdr, e_shentsize), extended ? sizeof(Elf64_Shdr) : 0, 2);
    notes_put(header + offsetof(Elf64_Ehdr, e_shnum), extended ? 1 : 0, 2);
    add(writer, header, sizeof header);
    if (!extended)
        return;
    uint8_t section[sizeof(Elf64_Shdr)] = {0};
    notes_put(section + offsetof(Elf64_Shdr, sh_info), header_count, 4);
    add(writer, section, sizeof section);
}

static void add_loads(struct writer *writer, const struct loads *loads, uint64_t offset)
{
    for (size_t i = 0; i < loads->count; i++) {
        const struct load *load = &loads->items[i];
        add_program_header(writer, PT_LOAD, load->flags, offset, load->start, load->size, load->end - load->start, 1);
        offset += load->size;
    }
}

/* In the order of the loads: that of their addresses. */
static void add_pages(struct writer *writer, const struct loads *loads, const struct page_store *store)
{
    size_t page = 0;
    for (size_t i = 0; i < loads->count; i++)
        for (uint64_t done = 0; done < loads->items[i].size; page++) {
            const struct stored_page *stored = &store->pages[page];
            if (stored->address < loads->items[i].start)
                continue; /* in no segment: covering.h leaves none there */
            uint64_t left = loads->items[i].size - done;
            size_t size = left < stored->size ? (size_t)left : stored->size;
            add(writer, stored->bytes, size);
            done += size;
        }
}

pst_error *core_write(int fd, const struct pst_target *target, const struct text *notes,
                      const struct page_store *store, uint64_t *size)
{
    struct loads loads = {0};
    struct writer *writer = malloc(sizeof *writer);
    pst_error *error = writer ? make_loads(target, store, &loads) : error_no_memory();
    if (!error) {
        writer->fd = fd;
        writer->size = 0;
        writer->used = 0;
        writer->errnum = 0;
        size_t header_count = loads.count + 1;
        add_elf_header(writer, target->machine, header_count);
        uint64_t notes_offset = writer->size + header_count * sizeof(Elf64_Phdr);
        uint64_t notes_end = notes_offset + notes->size;
        uint64_t offset = (notes_end + PAGE_ALIGNMENT - 1) & ~(uint64_t)(PAGE_ALIGNMENT - 1);
        add_program_header(writer, PT_NOTE, 0, notes_offset, 0, notes->size, 0, 4);
        add_loads(writer, &loads, offset);
        add(writer, notes->data, notes->size);
        add_zeros(writer, (size_t)(offset - notes_end));
        add_pages(writer, &loads, store);
        flush(writer);
        *size = writer->size;
        if (writer->errnum)
            error = error_system(PST_ERROR_SYSTEM, writer->errnum, "the core can't be written");
    }
    free(loads.items);
    free(writer);
    return error;
}
