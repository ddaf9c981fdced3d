/*
 * The memory of a target, read through a cache of pages.
 *
 * Nothing above this header knows whether the bytes come from a live process, a core or a test's arrays:
 * that is the `memory_source`.
 *
 * How a live target is stopped for as short as can be: everything is read once while it runs (a rehearsal),
 * which brings the addresses to light; then it is stopped, memory_refresh() reads all the pages that were
 * touched since memory_begin() in a few large batches, and the same walk runs again over the cache.
 */
#ifndef PYSTANDER_TARGET_MEMORY_H
#define PYSTANDER_TARGET_MEMORY_H

#include "base/error.h"

enum {
    /* What is read at a time: a quarter of the kernel's page. Most of what a walk touches stands alone on a page
     * (a thread's stack, its frames), and 4 KiB of each would be copied, and cleared here first, for nothing. */
    MEMORY_PAGE_SIZE = 1024,
    /* 1 GiB of the target held here. A walk that comes to it follows garbage, or data that no report is
     * asked for. */
    MEMORY_MAX_PAGES = 1 << 20,
    /* Reads from memory_begin() or memory_refresh() on, where 128 bytes more count as one more: some seconds. It ends
     * whatever loops over what a target says, however the loops are nested; nine million frames take as many. */
    MEMORY_MAX_WORK = 1 << 26,
};

struct memory_page {
    pst_addr address;     /* a multiple of MEMORY_PAGE_SIZE */
    uint8_t *bytes;       /* MEMORY_PAGE_SIZE of them, to be filled by the source */
    uint16_t valid_start; /* [valid_start, valid_end) of the page could be read */
    uint16_t valid_end;
    int errnum;           /* why the rest could not, 0: not in the core */
    const char *why;      /* the same in words; static */
    uint32_t epoch;       /* of the newest touch; the cache's own */
    uint32_t generation;  /* which memory_refresh() it was read after; the cache's own */
    bool is_late;         /* it was read after memory_settle(); the cache's own */
};

/* A stretch of memory, to be copied to `bytes`. */
struct memory_range {
    pst_addr address;
    uint8_t *bytes;
    size_t size;
    size_t got;           /* how many bytes were copied, from its start */
};

struct memory_source {
    /* Fills the pages as far as can be and says so in valid_start, valid_end, errnum and why (which come
     * in as 0, 0, 0 and NULL). Never fails as a whole. Pages come in no order and are all different. */
    void (*read_pages)(void *context, struct memory_page *const *pages, size_t count);
    /* Copies what can be read from `address` on, in one piece, up to `size` bytes: how many that is. NULL: this
     * source has nothing better than read_pages. */
    size_t (*read_range)(void *context, pst_addr address, uint8_t *bytes, size_t size);
    /* The same of many small ones, `got` of which is 0 before. NULL: there is nothing better than one by one. */
    void (*read_ranges)(void *context, struct memory_range *ranges, size_t count);
    /* Narrows [*start, *end), a mapping or the rest of one, to the next stretch in it that holds anything: memory that
     * was never used is passed over. false: nothing is left. NULL: all of it may hold something. */
    bool (*find_used)(void *context, pst_addr *start, pst_addr *end);
    void *context;
};

struct memory;

MUST_USE pst_error *memory_open(struct memory_source source, struct memory **memory);
void memory_close(struct memory *memory);

/* Before anything was read: about how many pages will be wanted, which decides how the memory for them is got. */
void memory_expect(struct memory *memory, size_t page_count);

/* All `size` bytes at `address`, or an error. */
MUST_USE pst_error *memory_read(struct memory *memory, pst_addr address, void *bytes, size_t size);

/* The eight bytes at `address`, little-endian, if they are at hand: most are. false: memory_read() may have them. */
bool memory_peek_word(struct memory *memory, pst_addr address, uint64_t *word);

/* As many as can be read of `size` bytes: *got of them, with the reason why not more as the error. */
MUST_USE pst_error *memory_read_some(struct memory *memory, pst_addr address, void *bytes, size_t size,
                                     size_t *got);

/* Past the cache, for what is read once and is large: see memory_source. *got bytes were copied. */
void memory_read_range(struct memory *memory, pst_addr address, uint8_t *bytes, size_t size, size_t *got);
/* Many at once. */
void memory_read_ranges(struct memory *memory, struct memory_range *ranges, size_t count);
bool memory_find_used(struct memory *memory, pst_addr *start, pst_addr *end);

/* Forgets all pages if the cache holds more than `max_pages`: between two things that have nothing to do with each
 * other, so that a million of them take no more memory than a few. */
void memory_trim(struct memory *memory, size_t max_pages);

/* From here on `keep` is given each page that was touched, before the cache forgets it (memory_trim(), memory_close()).
 * For whoever needs to know what a reader read. */
typedef void memory_keeper(void *context, const struct memory_page *page);
void memory_set_keeper(struct memory *memory, memory_keeper *keep, void *context);
/* The same at once, of the pages touched since memory_begin() that are up to date. */
void memory_visit(const struct memory *memory, memory_keeper *visit, void *context);
/* Fills pages of the caller's own, past the cache: as memory_source.read_pages. */
void memory_read_pages(struct memory *memory, struct memory_page *const *pages, size_t count);

/* Brings the pages of all these addresses into the cache with as few reads as can be. Failures show when
 * the bytes are read. */
void memory_prefetch(struct memory *memory, const pst_addr *addresses, size_t count);

/* From here on, touched pages are remembered for memory_refresh(). What the cache holds stays good, however
 * old it is. */
void memory_begin(struct memory *memory);

/* The page of this address counts as touched, but is not read before memory_refresh() or whoever needs it: in a
 * rehearsal that is enough of what leads to nothing else. */
void memory_note(struct memory *memory, pst_addr address);

/* All that the cache holds counts as outdated: what is read from here on is not older than this moment. */
void memory_outdate(struct memory *memory);

/* All that the cache holds is settled, and what is read from here on is late, until it is outdated or trimmed. */
void memory_settle(struct memory *memory);
/* How many times something late was touched. false: nothing is settled. */
bool memory_count_late(const struct memory *memory, uint64_t *count);

/* Instead of MEMORY_MAX_WORK: of a target that has little memory, which only a forged one makes so much of. */
void memory_limit_work(struct memory *memory, uint64_t most);
uint64_t memory_get_max_work(const struct memory *memory);
/* How much may be read from here on until the next memory_begin() or memory_refresh(): in reads, as MEMORY_MAX_WORK
 * counts them. For many small things, each of which may be a lie. */
void memory_set_work(struct memory *memory, uint64_t work);
uint64_t memory_get_work_left(const struct memory *memory);

/* Reads the pages touched since memory_begin() anew, those that failed included. Whatever else the cache
 * holds counts as outdated and is read again when next touched. (Without a pause: call this first, right
 * after memory_begin(), if the memory was used before.) */
void memory_refresh(struct memory *memory);

/* How many pages the cache holds, and how many times it asked its source. */
struct memory_statistics {
    size_t page_count, read_count;
};
struct memory_statistics memory_get_statistics(const struct memory *memory);

#endif
