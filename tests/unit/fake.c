#include "unit/fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void fake_die(const char *what, pst_addr address)
{
    fprintf(stderr, "the test is wrong: %s at 0x%llx\n", what, (unsigned long long)address);
    abort();
}

static void fake_check(pst_error *error)
{
    if (error)
        fake_die(pst_error_get_message(error), 0);
}

uint8_t *fake_map(struct fake *fake, pst_addr address, size_t size)
{
    if (fake->region_count == FAKE_MAX_REGIONS)
        fake_die("too many regions", address);
    for (size_t i = 0; i < fake->region_count; i++) {
        const struct fake_region *region = &fake->regions[i];
        if (address < region->address + region->size && region->address < address + size)
            fake_die("overlapping regions", address);
    }
    uint8_t *bytes = calloc(1, size ? size : 1);
    if (!bytes)
        fake_die("no memory", address);
    fake->regions[fake->region_count++] = (struct fake_region){ address, size, bytes };
    return bytes;
}

static struct fake_region *fake_find(struct fake *fake, pst_addr address)
{
    for (size_t i = 0; i < fake->region_count; i++) {
        struct fake_region *region = &fake->regions[i];
        if (address >= region->address && address - region->address < region->size)
            return region;
    }
    return NULL;
}

uint8_t *fake_at(struct fake *fake, pst_addr address, size_t size)
{
    struct fake_region *region = fake_find(fake, address);
    if (!region || size > region->size - (address - region->address))
        fake_die("nothing mapped", address);
    return region->bytes + (address - region->address);
}

void fake_put(struct fake *fake, pst_addr address, const void *bytes, size_t size)
{
    if (size)
        memcpy(fake_at(fake, address, size), bytes, size);
}

void fake_put_unsigned(struct fake *fake, pst_addr address, size_t size, uint64_t value)
{
    uint8_t *bytes = fake_at(fake, address, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

void fake_free(struct fake *fake)
{
    for (size_t i = 0; i < fake->region_count; i++)
        free(fake->regions[i].bytes);
    *fake = (struct fake){ 0 };
}

/* ---- the source -------------------------------------------------------------------------------------------- */

/* The first run of mapped bytes of the page. */
static void fake_read_page(struct fake *fake, struct memory_page *page)
{
    size_t offset = 0;
    while (offset < MEMORY_PAGE_SIZE && !fake_find(fake, page->address + offset))
        offset++;
    page->valid_start = (uint16_t)offset;
    while (offset < MEMORY_PAGE_SIZE) {
        const struct fake_region *region = fake_find(fake, page->address + offset);
        if (!region)
            break;
        page->bytes[offset] = region->bytes[page->address + offset - region->address];
        offset++;
    }
    page->valid_end = (uint16_t)offset;
    if (page->valid_start == MEMORY_PAGE_SIZE)
        page->valid_start = page->valid_end = 0;
    if (page->valid_end - page->valid_start < MEMORY_PAGE_SIZE) {
        page->errnum = EFAULT;
        page->why = "nothing is mapped there";
    }
}

static void fake_read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    struct fake *fake = context;
    fake->read_count++;
    fake->page_count += count;
    bool fails = fake->fail_at &&
                 (fake->fail_on ? fake->read_count >= fake->fail_at : fake->read_count == fake->fail_at);
    for (size_t i = 0; i < count; i++) {
        if (fails) {
            pages[i]->errnum = EIO;
            pages[i]->why = "the test makes it fail";
        } else {
            fake_read_page(fake, pages[i]);
        }
    }
}

struct memory_source fake_source(struct fake *fake)
{
    return (struct memory_source){ .read_pages = fake_read_pages, .context = fake };
}

struct memory *fake_memory(struct fake *fake)
{
    struct memory *memory;
    fake->read_count = fake->page_count = 0;
    fake_check(memory_open(fake_source(fake), &memory));
    return memory;
}

/* ---- a target ---------------------------------------------------------------------------------------------- */

static void fake_close(struct pst_target *target)
{
    (void)target;
}

static const struct target_operations fake_operations = { .close = fake_close };

struct pst_target *fake_target(struct fake *fake)
{
    struct pst_target *target;
    fake_check(target_new(PST_TARGET_PROCESS, NULL, &target));
    target->operations = &fake_operations;
    target->memory = fake_memory(fake);
    target->segments = calloc(fake->region_count + 1, sizeof *target->segments);
    if (!target->segments)
        fake_die("no memory", 0);

    /* In order of address. */
    for (size_t i = 0; i < fake->region_count; i++) {
        const struct fake_region *region = &fake->regions[i];
        size_t place = target->segment_count++;
        for (; place && target->segments[place - 1].start > region->address; place--)
            target->segments[place] = target->segments[place - 1];
        target->segments[place] = (struct segment){ .start = region->address,
                                                    .end = region->address + region->size,
                                                    .readable = true,
                                                    .writable = true };
    }
    return target;
}

/* ---- faults ------------------------------------------------------------------------------------------------ */

static size_t fake_run(struct fake *fake, size_t failing, void (*run)(struct fake *, size_t, void *), void *context)
{
    fake->fail_at = failing;
    fake->read_count = fake->page_count = 0;
    run(fake, failing, context);
    fake->fail_at = 0;
    return fake->read_count;
}

void fake_for_each_fault(struct fake *fake, void (*run)(struct fake *fake, size_t failing, void *context),
                         void *context)
{
    /* A run that meets a fault may read more, or less, than the one before it: until the fault is not reached. */
    for (int on = 0; on < 2; on++) {
        fake->fail_on = on;
        size_t failing = 0;
        while (fake_run(fake, failing, run, context) >= failing)
            failing++;
    }
    fake->fail_on = false;
}
