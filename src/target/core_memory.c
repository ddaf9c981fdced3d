/*
 * The memory of a core: pages out of the core file and, where it left out what stands in a file, out of that
 * file. What is in neither is not readable; it is never taken for zeros.
 */
#include "target/core.h"

#include "base/transfer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH_MAX_PAGES = 256 };

static const char not_in_core[] = "not in the core";
static const char not_in_file[] = "not in the core, and its file ends before";
static const char writable_not_in_core[] = "not in the core, and its file has only what it was before the program ran";
static const char truncated[] = "the core is truncated there";
static const char unreadable[] = "reading the file failed";
static const char refused[] = "not in the core, and its file can't be used";

/* ---- where bytes are ------------------------------------------------------------------------------- */

/* Some bytes of the target that lie together in one file. */
struct piece {
    int fd;              /* -1: they are nowhere */
    uint64_t offset;
    size_t size;
    const char *why;     /* they, or what is missing of them, can't be read */
};

/* Bytes at the start of which the core has something: they are in the core file, up to where it ends. */
static struct piece find_in_core(const struct core *core, uint64_t offset, uint64_t size)
{
    struct piece piece = { .fd = core->fd, .offset = offset, .size = size, .why = truncated };
    if (offset >= core->file_size)
        piece.fd = -1;
    else if (size > core->file_size - offset)
        piece.size = core->file_size - offset;
    return piece;
}

static struct piece find_in_image(struct core *core, const struct core_part *part, pst_addr address, uint64_t size)
{
    struct piece piece = { .fd = -1, .size = size, .why = not_in_core };
    if (part->image == CORE_NO_IMAGE)
        return piece;
    const struct segment *segment = &core->target->segments[part->segment];
    struct core_image *image = &core->images[part->image];
    if (segment->writable) {
        piece.why = writable_not_in_core;
    } else if (core_image_prepare(core, image) != CORE_IMAGE_USED) {
        piece.why = image->why ? image->why : refused;
    } else if (!elf_head_is_constant(image->head, address - image->base + image->head->address)) {
        piece.why = writable_not_in_core;
    } else {
        piece.why = not_in_file;
        piece.offset = segment->file_offset + (address - segment->start);
        if (piece.offset <= (uint64_t)INT64_MAX - size)
            piece.fd = image->fd;
    }
    return piece;
}

/* Where the bytes from `address` on are: at most `size` of them, at least one. */
static struct piece find_piece(struct core *core, pst_addr address, size_t size)
{
    size_t index = core_find_part_at_or_after(core, address);
    const struct core_part *part = index < core->part_count ? &core->parts[index] : NULL;
    if (!part || part->start > address) {
        if (part && part->start - address < size)
            size = part->start - address;
        return (struct piece){ .fd = -1, .size = size, .why = not_in_core };
    }
    uint64_t from = address - part->start, left = part->end - address;
    if (left < size)
        size = left;
    if (from >= part->size)
        return find_in_image(core, part, address, size);
    if (part->size - from < size)
        size = part->size - from;
    struct piece piece = find_in_core(core, part->offset + from, size);
    if (piece.fd < 0) { /* truncated: what stands in a file, too, is not lost */
        struct piece other = find_in_image(core, part, address, size);
        if (other.fd >= 0)
            return other;
    }
    return piece;
}

/* ---- reading --------------------------------------------------------------------------------------- */

size_t core_read(const struct core *core, pst_addr address, void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size && address + done >= address) {
        const struct core_part *part = core_find_part(core, address + done);
        uint64_t from = part ? address + done - part->start : 0;
        if (!part || from >= part->size)
            break;
        uint64_t left = part->size - from;
        int errnum;
        struct piece piece = find_in_core(core, part->offset + from, left < size - done ? left : size - done);
        uint8_t *to = (uint8_t *)bytes + done;
        size_t got = piece.fd < 0 ? 0 : transfer_read_at(piece.fd, piece.offset, to, piece.size, &errnum);
        done += got;
        if (got < piece.size || got == 0)
            break;
    }
    return done;
}

/* A page that is not in one piece: the first bytes that can be read without a gap. */
static void read_page_in_pieces(struct core *core, struct memory_page *page)
{
    size_t at = 0;
    while (at < MEMORY_PAGE_SIZE) {
        struct piece piece = find_piece(core, page->address + at, MEMORY_PAGE_SIZE - at);
        int errnum = 0;
        size_t got = piece.fd < 0 ? 0 : transfer_read_at(piece.fd, piece.offset, page->bytes + at, piece.size, &errnum);
        if (got > 0 && page->valid_end == 0)
            page->valid_start = (uint16_t)at;
        if (got > 0)
            page->valid_end = (uint16_t)(at + got);
        at += got;
        if (got == piece.size && got > 0)
            continue;
        if (!page->why) {
            page->why = errnum ? unreadable : piece.why;
            page->errnum = errnum;
        }
        if (page->valid_end > 0)
            return;
        at += piece.size - got;
    }
}

/* Whole pages that lie one behind the other in one file. */
struct batch {
    struct core *core;
    int fd;
    uint64_t offset;
    struct memory_page *pages[BATCH_MAX_PAGES];
    size_t count;
};

static void read_batch(struct batch *batch)
{
    struct iovec vectors[BATCH_MAX_PAGES];
    if (batch->count == 0)
        return;
    for (size_t i = 0; i < batch->count; i++)
        vectors[i] = (struct iovec){ batch->pages[i]->bytes, MEMORY_PAGE_SIZE };
    ssize_t got = preadv(batch->fd, vectors, (int)batch->count, (off_t)batch->offset);
    size_t whole = got > 0 ? (size_t)got / MEMORY_PAGE_SIZE : 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (i < whole)
            batch->pages[i]->valid_end = MEMORY_PAGE_SIZE;
        else
            read_page_in_pieces(batch->core, batch->pages[i]);
    }
    batch->count = 0;
}

static void add_page(struct batch *batch, struct memory_page *page)
{
    struct piece piece = find_piece(batch->core, page->address, MEMORY_PAGE_SIZE);
    if (piece.size < MEMORY_PAGE_SIZE) {
        read_page_in_pieces(batch->core, page);
        return;
    }
    if (piece.fd < 0) {
        page->why = piece.why;
        return;
    }
    if (batch->count == BATCH_MAX_PAGES || (batch->count > 0 && (piece.fd != batch->fd || piece.offset !=
                                            batch->offset + batch->count * MEMORY_PAGE_SIZE)))
        read_batch(batch);
    if (batch->count == 0) {
        batch->fd = piece.fd;
        batch->offset = piece.offset;
    }
    batch->pages[batch->count++] = page;
}

static int compare_pages(const void *one, const void *other)
{
    const struct memory_page *a = *(struct memory_page *const *)one, *b = *(struct memory_page *const *)other;
    return a->address < b->address ? -1 : a->address > b->address;
}

static void read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    struct batch batch = { .core = context };
    /* In order of address, and so of offset. Without memory for that: as they come. */
    struct memory_page **sorted = count > 1 ? malloc(count * sizeof *sorted) : NULL;
    if (sorted) {
        memcpy(sorted, pages, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, compare_pages);
    }
    for (size_t i = 0; i < count; i++)
        add_page(&batch, sorted ? sorted[i] : pages[i]);
    read_batch(&batch);
    free(sorted);
}

static size_t read_range(void *context, pst_addr address, uint8_t *bytes, size_t size)
{
    size_t done = 0;
    while (done < size && address + done >= address) {
        struct piece piece = find_piece(context, address + done, size - done);
        int errnum;
        size_t got = piece.fd < 0 ? 0 : transfer_read_at(piece.fd, piece.offset, bytes + done, piece.size, &errnum);
        done += got;
        if (got < piece.size || got == 0)
            break;
    }
    return done;
}

/* Narrows [*start, *end) to the next stretch that is no hole of the file. */
static bool skip_hole(const struct core *core, const struct core_part *part, pst_addr *start, const pst_addr *end)
{
    uint64_t offset = part->offset + (*start - part->start);
    off_t data = lseek(core->fd, (off_t)offset, SEEK_DATA);
    if (data < 0)
        return errno != ENXIO; /* ENXIO: nothing but a hole to the end; else the file system can't tell */
    uint64_t skipped = (uint64_t)data - offset;
    if (skipped >= *end - *start)
        return false;
    *start += skipped;
    return true;
}

/* The holes of a sparse core are memory that was zero. What is not in the core at all is passed over, too: whatever
 * file it is in has nothing of what the program wrote. */
static bool find_used(void *context, pst_addr *start, pst_addr *end)
{
    const struct core *core = context;
    size_t first = core_find_part_at_or_after(core, *start);
    for (size_t i = first; i < core->part_count && core->parts[i].start < *end; i++) {
        const struct core_part *part = &core->parts[i];
        pst_addr from = part->start > *start ? part->start : *start;
        pst_addr stop = part->end < *end ? part->end : *end;
        if (part->size < part->end - part->start && part->start + part->size < stop)
            stop = part->start + part->size;
        if (from >= stop || !skip_hole(core, part, &from, &stop))
            continue;
        *start = from;
        *end = stop;
        return true;
    }
    return false;
}

struct memory_source core_memory_source(struct core *core)
{
    return (struct memory_source){
        .read_pages = read_pages, .read_range = read_range, .find_used = find_used, .context = core};
}
