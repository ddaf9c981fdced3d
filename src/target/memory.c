#include "target/memory.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/order.h"
#include "target/chunk.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_SLOTS = 512,        /* one page of pointers */
    READ_AHEAD_PAGES = 16,
    READ_AHEAD_GAP = 2 * MEMORY_PAGE_SIZE,
    PAGE_SHIFT = 10,
    WINDOWS = 64,             /* a power of two */
    WORK_BYTES = 128,
};
_Static_assert(1 << PAGE_SHIFT == MEMORY_PAGE_SIZE, "the shift is that of the size");

/* The valid bytes of a page touched lately: what most reads fall into. */
struct window {
    pst_addr start;
    uint64_t size;
    const uint8_t *bytes;
};

struct memory {
    struct window windows[WINDOWS]; /* by page number */
    struct memory_source source;
    memory_keeper *keep;          /* NULL: nobody wants to know */
    void *keep_context;
    struct memory_page **slots;   /* open addressing by page number; a power of two, at most half full */
    size_t slot_mask;
    uint64_t multiplier;          /* of the slots' hash */
    size_t page_count;
    size_t read_count;
    uint64_t work_left, max_work;
    uint32_t epoch;               /* counts memory_begin(); pages that were only read ahead have epoch 0 */
    uint32_t generation;          /* counts memory_refresh() */
    bool is_settled;              /* what is read from now on is late */
    uint64_t late_count;          /* how often such pages were touched */
    pst_addr ahead_low;           /* the run of pages that the newest misses make: [ahead_low, ahead_high) */
    pst_addr ahead_high;
    size_t ahead_count;           /* how many pages the next miss at either end of it reads */
    struct chunks chunks;         /* that hold them */
};

pst_error *memory_open(struct memory_source source, struct memory **result)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return error_no_memory();
    memory->source = source;
    memory->epoch = 1;
    memory->generation = 1;
    memory->multiplier = hash_multiplier();
    memory->work_left = memory->max_work = MEMORY_MAX_WORK;
    memory->slot_mask = FIRST_SLOTS - 1;
    memory->slots = calloc(FIRST_SLOTS, sizeof *memory->slots);
    if (!memory->slots) {
        memory_close(memory);
        return error_no_memory();
    }
    *result = memory;
    return NULL;
}

/* Gives the keeper all pages that were touched: what was only read ahead has epoch 0. */
static void hand_over(const struct memory *memory)
{
    for (size_t i = 0; memory->keep && i < memory->chunks.count; i++) {
        const struct chunk *chunk = &memory->chunks.items[i];
        for (size_t j = 0; j < chunk->count; j++)
            if (chunk->pages[j].epoch)
                memory->keep(memory->keep_context, &chunk->pages[j]);
    }
}

void memory_close(struct memory *memory)
{
    if (!memory)
        return;
    hand_over(memory);
    chunks_free(&memory->chunks);
    free(memory->slots);
    free(memory);
}

struct memory_statistics memory_get_statistics(const struct memory *memory)
{
    return (struct memory_statistics){.page_count = memory->page_count, .read_count = memory->read_count};
}

/* ---- the table ------------------------------------------------------------------------------------- */

static inline struct window *window_of(struct memory *memory, pst_addr address)
{
    return &memory->windows[address >> PAGE_SHIFT & (WINDOWS - 1)];
}

static void forget_windows(struct memory *memory)
{
    memset(memory->windows, 0, sizeof memory->windows);
}

static size_t slot_of(const struct memory *memory, pst_addr page_address)
{
    uint64_t hash = (page_address >> PAGE_SHIFT) * memory->multiplier;
    return (size_t)(hash >> 32) & memory->slot_mask;
}

static struct memory_page *find_page(const struct memory *memory, pst_addr page_address)
{
    for (size_t i = slot_of(memory, page_address);; i = (i + 1) & memory->slot_mask) {
        struct memory_page *page = memory->slots[i];
        if (!page || page->address == page_address)
            return page;
    }
}

static void insert_page(struct memory *memory, struct memory_page *page)
{
    size_t i = slot_of(memory, page->address);
    while (memory->slots[i])
        i = (i + 1) & memory->slot_mask;
    memory->slots[i] = page;
}

static bool grow_table(struct memory *memory)
{
    size_t old_count = memory->slot_mask + 1;
    struct memory_page **old_slots = memory->slots;
    struct memory_page **slots = calloc(old_count * 2, sizeof(struct memory_page *));
    if (!slots)
        return false;
    memory->slots = slots;
    memory->slot_mask = old_count * 2 - 1;
    for (size_t i = 0; i < old_count; i++)
        if (old_slots[i])
            insert_page(memory, old_slots[i]);
    free(old_slots);
    return true;
}

void memory_expect(struct memory *memory, size_t page_count)
{
    if (page_count > MEMORY_MAX_PAGES)
        page_count = MEMORY_MAX_PAGES;
    chunks_expect(&memory->chunks, page_count);
    while (page_count * 2 > memory->slot_mask && grow_table(memory))
        ;
}

static bool is_full(const struct memory *memory)
{
    return memory->page_count >= MEMORY_MAX_PAGES;
}

/* A page that the cache has not got yet, empty; NULL: full, or out of memory. */
static struct memory_page *add_page(struct memory *memory, pst_addr page_address)
{
    if (is_full(memory))
        return NULL;
    if ((memory->page_count + 1) * 2 > memory->slot_mask && !grow_table(memory))
        return NULL;
    struct memory_page *page = chunks_take_page(&memory->chunks);
    if (!page)
        return NULL;
    page->address = page_address;
    memory->page_count++;
    insert_page(memory, page);
    return page;
}

/* ---- reading from the source ----------------------------------------------------------------------- */

void memory_read_pages(struct memory *memory, struct memory_page *const *pages, size_t count)
{
    memory->read_count++;
    memory->source.read_pages(memory->source.context, pages, count);
    for (size_t i = 0; i < count; i++) {
        struct memory_page *page = pages[i];
        if (page->valid_end > MEMORY_PAGE_SIZE || page->valid_start > page->valid_end)
            page->valid_start = page->valid_end = 0;
    }
}

static void read_pages(struct memory *memory, struct memory_page *const *pages, size_t count)
{
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        pages[i]->valid_start = pages[i]->valid_end = 0;
        pages[i]->errnum = 0;
        pages[i]->why = NULL;
        pages[i]->generation = memory->generation;
        pages[i]->is_late = memory->is_settled;
    }
    memory_read_pages(memory, pages, count);
}

static bool is_current(const struct memory *memory, pst_addr page_address)
{
    const struct memory_page *page = find_page(memory, page_address);
    return page && page->generation == memory->generation;
}

/* A page to be read: new, or outdated; NULL: up to date already, or no room. */
static struct memory_page *take_missing_page(struct memory *memory, pst_addr page_address)
{
    struct memory_page *page = find_page(memory, page_address);
    if (!page)
        return add_page(memory, page_address);
    return page->generation == memory->generation ? NULL : page;
}

/* Misses that follow each other upwards or downwards (a deep stack, a big table, a list of what was made one after the
 * other) read 2, 4 … 16 pages at once. The first miss anywhere reads its page alone. */
static void plan_read_ahead(struct memory *memory, pst_addr miss, pst_addr *low, pst_addr *high)
{
    bool upwards = miss - memory->ahead_high <= READ_AHEAD_GAP;
    bool downwards = memory->ahead_low - (miss + MEMORY_PAGE_SIZE) <= READ_AHEAD_GAP;
    *low = miss;
    *high = miss + MEMORY_PAGE_SIZE;
    if (!(upwards || downwards) || memory->ahead_low == memory->ahead_high) {
        memory->ahead_count = 1;
    } else {
        if (memory->ahead_count < READ_AHEAD_PAGES)
            memory->ahead_count *= 2;
        uint64_t more = (memory->ahead_count - 1) * (uint64_t)MEMORY_PAGE_SIZE;
        if (upwards && *high <= UINT64_MAX - more)
            *high += more;
        else if (downwards && *low >= more)
            *low -= more;
    }
    memory->ahead_low = *low;
    memory->ahead_high = *high;
}

/* Brings the page at `miss` in, with a few beside it perhaps. */
static void read_missing(struct memory *memory, pst_addr miss)
{
    struct memory_page *pages[READ_AHEAD_PAGES];
    size_t count = 0;
    pst_addr low, high;
    plan_read_ahead(memory, miss, &low, &high);
    for (pst_addr address = low; address != high && count < READ_AHEAD_PAGES; address += MEMORY_PAGE_SIZE) {
        struct memory_page *page = take_missing_page(memory, address);
        if (page)
            pages[count++] = page;
    }
    read_pages(memory, pages, count);
}

/* false: the work is used up. */
static inline bool spend(struct memory *memory, size_t size)
{
    uint64_t work = 1 + size / WORK_BYTES;
    if (work > memory->work_left)
        return false;
    memory->work_left -= work;
    return true;
}

/* The page, read and marked as touched; NULL: there is no room for it. */
static struct memory_page *touch_page(struct memory *memory, pst_addr page_address)
{
    struct memory_page *page = find_page(memory, page_address);
    if (!page || page->generation != memory->generation) {
        read_missing(memory, page_address);
        page = find_page(memory, page_address);
        if (!page || page->generation != memory->generation)
            return NULL;
    }
    page->epoch = memory->epoch;
    if (page->is_late) {
        memory->late_count++;   /* and no window, so that each touch is counted */
        return page;
    }
    *window_of(memory, page_address) = (struct window){.start = page_address + page->valid_start,
                                                       .size = (uint64_t)page->valid_end - page->valid_start,
                                                       .bytes = page->bytes + page->valid_start};
    return page;
}

static pst_error *page_error(const struct memory *memory, const struct memory_page *page, pst_addr address,
                             size_t size)
{
    if (page)
        return error_read(address, size, page->errnum, page->why ? page->why : "it is not in the core");
    if (is_full(memory))
        return error_new(PST_ERROR_LIMIT, "cannot read %zu bytes at 0x%llx: %d pages of the target are held already",
                         size, (unsigned long long)address, MEMORY_MAX_PAGES);
    return error_no_memory();
}

static pst_error *work_error(pst_addr address, size_t size)
{
    return error_new(PST_ERROR_LIMIT, "cannot read %zu bytes at 0x%llx: too many reads of the target were done already",
                     size, (unsigned long long)address);
}

pst_error *memory_read_some(struct memory *memory, pst_addr address, void *bytes, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        pst_addr at = address + *got;
        if (at < address)
            return error_read(address, size, 0, "it reaches past the end of the address space");
        size_t offset = at & (MEMORY_PAGE_SIZE - 1), wanted = size - *got;
        if (wanted > MEMORY_PAGE_SIZE - offset)
            wanted = MEMORY_PAGE_SIZE - offset;
        if (!spend(memory, wanted))
            return work_error(address, size);
        const struct memory_page *page = touch_page(memory, at - offset);
        if (!page || offset < page->valid_start || offset >= page->valid_end)
            return page_error(memory, page, address, size);
        size_t part = page->valid_end - offset < wanted ? page->valid_end - offset : wanted;
        memcpy((uint8_t *)bytes + *got, page->bytes + offset, part);
        *got += part;
        if (part < wanted)
            return page_error(memory, page, address, size);
    }
    return NULL;
}

bool memory_peek_word(struct memory *memory, pst_addr address, uint64_t *word)
{
    const struct window *window = window_of(memory, address);
    uint64_t offset = address - window->start;
    if (offset >= window->size || window->size - offset < sizeof *word || !spend(memory, sizeof *word))
        return false;
    *word = bytes_word(window->bytes + offset);
    return true;
}

pst_error *memory_read(struct memory *memory, pst_addr address, void *bytes, size_t size)
{
    const struct window *window = window_of(memory, address);
    uint64_t offset = address - window->start;
    if (offset < window->size && size <= window->size - offset && spend(memory, size)) {
        memcpy(bytes, window->bytes + offset, size);
        return NULL;
    }
    size_t got;
    return memory_read_some(memory, address, bytes, size, &got);
}

/* ---- past the cache --------------------------------------------------------------------------------- */

void memory_read_range(struct memory *memory, pst_addr address, uint8_t *bytes, size_t size, size_t *got)
{
    if (memory->source.read_range)
        *got = memory->source.read_range(memory->source.context, address, bytes, size);
    else
        pst_error_free(memory_read_some(memory, address, bytes, size, got));
    if (*got > size)
        *got = 0;
}

void memory_read_ranges(struct memory *memory, struct memory_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ranges[i].got = 0;
        if (!memory->source.read_ranges)
            memory_read_range(memory, ranges[i].address, ranges[i].bytes, ranges[i].size, &ranges[i].got);
    }
    if (memory->source.read_ranges)
        memory->source.read_ranges(memory->source.context, ranges, count);
}

bool memory_find_used(struct memory *memory, pst_addr *start, pst_addr *end)
{
    return !memory->source.find_used || memory->source.find_used(memory->source.context, start, end);
}

void memory_trim(struct memory *memory, size_t max_pages)
{
    if (memory->page_count <= max_pages)
        return;
    hand_over(memory);
    forget_windows(memory);
    memory->is_settled = false;
    memory->ahead_low = memory->ahead_high = 0;
    memset(memory->slots, 0, (memory->slot_mask + 1) * sizeof *memory->slots);
    chunks_reset(&memory->chunks);
    memory->page_count = 0;
}

void memory_set_keeper(struct memory *memory, memory_keeper *keep, void *context)
{
    memory->keep = keep;
    memory->keep_context = context;
}

void memory_visit(const struct memory *memory, memory_keeper *visit, void *context)
{
    for (size_t i = 0; i < memory->chunks.count; i++) {
        const struct chunk *chunk = &memory->chunks.items[i];
        for (size_t j = 0; j < chunk->count; j++)
            if (chunk->pages[j].epoch == memory->epoch && chunk->pages[j].generation == memory->generation)
                visit(context, &chunk->pages[j]);
    }
}

/* ---- batches --------------------------------------------------------------------------------------- */

/* The pages of `addresses` that have to be read; of neighbours of one page one, and of others in it most. */
static size_t list_missing(const struct memory *memory, const pst_addr *addresses, size_t count, pst_addr *wanted)
{
    enum { SEEN = 16 };
    pst_addr seen[SEEN] = {0};
    size_t wanted_count = 0;
    for (size_t i = 0; i < count; i++) {
        pst_addr page_address = addresses[i] & ~(pst_addr)(MEMORY_PAGE_SIZE - 1);
        pst_addr *slot = &seen[page_address >> PAGE_SHIFT & (SEEN - 1)];
        /* Null pointers are common among prefetched addresses, and nothing is ever mapped there. */
        if (page_address == *slot)
            continue;
        *slot = page_address;
        if (!is_current(memory, page_address))
            wanted[wanted_count++] = page_address;
    }
    return wanted_count;
}

/* Whether any of the pages has to be read: seldom so, where whole batches were prefetched before. */
static bool is_any_missing(const struct memory *memory, const pst_addr *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (addresses[i] >= MEMORY_PAGE_SIZE && !is_current(memory, addresses[i] & ~(pst_addr)(MEMORY_PAGE_SIZE - 1)))
            return true;
    return false;
}

void memory_prefetch(struct memory *memory, const pst_addr *addresses, size_t count)
{
    if (count > MEMORY_MAX_PAGES)
        count = MEMORY_MAX_PAGES;
    if (!spend(memory, count * WORK_BYTES) || !is_any_missing(memory, addresses, count))
        return;
    pst_addr *wanted = malloc(count * sizeof *wanted + 1);
    struct memory_page **pages = malloc(count * sizeof(struct memory_page *) + 1);
    if (wanted && pages) {
        size_t wanted_count = list_missing(memory, addresses, count, wanted), page_count = 0;
        /* In order of address, so that neighbours become neighbours here and are read as one. */
        qsort(wanted, wanted_count, sizeof *wanted, order_addresses);
        for (size_t i = 0; i < wanted_count; i++) {
            struct memory_page *page =
                i && wanted[i] == wanted[i - 1] ? NULL : take_missing_page(memory, wanted[i]);
            if (page)
                pages[page_count++] = page;
        }
        read_pages(memory, pages, page_count);
    }
    free(wanted);
    free(pages);
}

void memory_begin(struct memory *memory)
{
    forget_windows(memory);
    memory->work_left = memory->max_work;
    if (++memory->epoch == 0)
        memory->epoch = 1;
}

void memory_note(struct memory *memory, pst_addr address)
{
    pst_addr page_address = address & ~(pst_addr)(MEMORY_PAGE_SIZE - 1);
    if (!page_address || !spend(memory, 1)) /* nothing is ever mapped at the null pointer */
        return;
    struct memory_page *page = find_page(memory, page_address);
    if (!page)
        page = add_page(memory, page_address);
    if (page)
        page->epoch = memory->epoch;
}

void memory_limit_work(struct memory *memory, uint64_t most)
{
    memory->work_left = memory->max_work = most < MEMORY_MAX_WORK ? most : MEMORY_MAX_WORK;
}

uint64_t memory_get_max_work(const struct memory *memory)
{
    return memory->max_work;
}

void memory_set_work(struct memory *memory, uint64_t work)
{
    memory->work_left = work;
}

uint64_t memory_get_work_left(const struct memory *memory)
{
    return memory->work_left;
}

void memory_settle(struct memory *memory)
{
    memory->is_settled = true;
}

bool memory_count_late(const struct memory *memory, uint64_t *count)
{
    *count = memory->late_count;
    return memory->is_settled;
}

void memory_outdate(struct memory *memory)
{
    memory->is_settled = false;
    forget_windows(memory);
    memory->ahead_low = memory->ahead_high = 0;
    memory->generation++;
}

/* In the order in which the pages came: what was read together or one after the other still lies together,
 * here and there, and a sort would lengthen the pause. */
void memory_refresh(struct memory *memory)
{
    memory_outdate(memory);
    memory->work_left = memory->max_work;
    struct memory_page **pages = malloc(memory->page_count * sizeof(struct memory_page *) + 1);
    size_t count = 0;
    for (size_t i = 0; i < memory->chunks.count; i++) {
        const struct chunk *chunk = &memory->chunks.items[i];
        for (size_t j = 0; j < chunk->count; j++) {
            struct memory_page *page = &chunk->pages[j];
            if (page->epoch != memory->epoch)
                continue;
            if (pages)
                pages[count++] = page;
            else /* without memory for the whole list: one by one */
                read_pages(memory, &page, 1);
        }
    }
    if (pages)
        read_pages(memory, pages, count);
    free(pages);
}
