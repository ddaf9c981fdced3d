/*
 * Which memory of a process was ever used. Reading a page that was not would make the kernel map one, in the target;
 * and programs reserve much more than they use (an arena, a thread's stack).
 * Documentation/admin-guide/mm/pagemap.rst of the kernel.
 */
#include "target/process.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    ENTRY_SIZE = 8,
    ENTRIES = 2048,         /* asked for at a time: 8 MB of memory */
    NO_PAGEMAP = -2,
};

#define ENTRY_PRESENT ((uint64_t)1 << 63)
#define ENTRY_SWAPPED ((uint64_t)1 << 62)
#define ENTRY_GUARD ((uint64_t)1 << 58) /* MADV_GUARD_INSTALL, as glibc makes below stacks: nobody can read it */

static bool open_pagemap(struct process *process)
{
    if (process->pagemap == -1)
        process->pagemap = openat(process->memory_directory, "pagemap", O_RDONLY | O_CLOEXEC);
    if (process->pagemap < 0)
        process->pagemap = NO_PAGEMAP;
    return process->pagemap >= 0;
}

/* ---- by asking for the next run: Linux 6.16 and later -------------------------------------------------------- */

/* include/uapi/linux/fs.h; the headers of the systems that this is built on are older. */
struct page_region {
    uint64_t start, end, categories;
};

struct pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_PRESENT ((uint64_t)1 << 3)
#define PAGE_IS_SWAPPED ((uint64_t)1 << 4)
#define PAGE_IS_GUARD ((uint64_t)1 << 8)

/* The first run of used pages in [*start, *end), which become its; *found: there is one. false: this kernel can't say
 * (one that does not know of guards either, as it would take them for swapped pages). */
static bool scan_pagemap(const struct process *process, pst_addr *start, pst_addr *end, bool *found)
{
    struct page_region region;
    struct pm_scan_arg arg = {
        .size = sizeof arg,
        .start = *start,
        .end = *end,
        .vec = (uintptr_t)&region,
        .vec_len = 1,
        .category_inverted = PAGE_IS_GUARD,
        .category_mask = PAGE_IS_GUARD,
        .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        .return_mask = PAGE_IS_GUARD,   /* which none has: so runs end where the pages do, whatever else they are */
    };
    int count;
    do
        count = ioctl(process->pagemap, PAGEMAP_SCAN, &arg);
    while (count < 0 && errno == EINTR);
    *found = count > 0;
    if (count > 0) {
        *start = region.start;
        *end = region.end;
    }
    return count >= 0;
}

/* ---- page by page -------------------------------------------------------------------------------------------- */

static bool is_used(const uint8_t *entries, size_t index)
{
    uint64_t entry = bytes_unsigned(entries + index * ENTRY_SIZE, ENTRY_SIZE);
    return entry & (ENTRY_PRESENT | ENTRY_SWAPPED) && !(entry & ENTRY_GUARD);
}

/* The first run of used pages; false: there is none. *first is in pages from `address` on. */
static bool find_run(const uint8_t *entries, size_t count, size_t *first, size_t *last)
{
    *first = 0;
    while (*first < count && !is_used(entries, *first))
        ++*first;
    *last = *first;
    while (*last < count && is_used(entries, *last))
        ++*last;
    return *first < count;
}

/* As scan_pagemap() has it; a run that is longer than what is read at a time is cut. */
static bool read_pagemap(const struct process *process, pst_addr *start, pst_addr *end)
{
    uint8_t entries[ENTRIES * ENTRY_SIZE];
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    for (pst_addr page = *start / page_size; page * page_size < *end;) {
        size_t wanted = *end / page_size - page, first, last;
        if (wanted > ENTRIES)
            wanted = ENTRIES;
        ssize_t got = pread(process->pagemap, entries, wanted * ENTRY_SIZE, (off_t)(page * ENTRY_SIZE));
        if (got < ENTRY_SIZE)
            return got < 0; /* can't tell: all of it may be used; past the end of the address space */
        size_t count = (size_t)got / ENTRY_SIZE;
        if (find_run(entries, count, &first, &last)) {
            if ((page + first) * page_size > *start)
                *start = (page + first) * page_size;
            if (last < count) /* else it may go on */
                *end = (page + last) * page_size;
            else if ((page + count) * page_size < *end)
                *end = (page + count) * page_size;
            return true;
        }
        page += count;
    }
    return false;
}

/* ---- either way ---------------------------------------------------------------------------------------------- */

/* A page of a mapped file that is not present has what the file has. */
static bool is_file(const struct process *process, pst_addr address)
{
    const struct segment *segment = target_find_segment(process->target, address);
    return segment && segment->inode;
}

bool process_find_used(void *context, pst_addr *start, pst_addr *end)
{
    struct process *process = context;
    bool found;
    if (is_file(process, *start) || !open_pagemap(process))
        return true;
    return scan_pagemap(process, start, end, &found) ? found : read_pagemap(process, start, end);
}
