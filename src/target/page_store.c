#include "target/page_store.h"

#include "base/hash.h"
#include "base/order.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 4096 };

void page_store_start(struct page_store *store)
{
    *store = (struct page_store){.multiplier = hash_multiplier()};
}

void page_store_free(struct page_store *store)
{
    arena_free(&store->arena);
    free(store->pages);
    free(store->slots);
    *store = (struct page_store){0};
}

static pst_addr page_of(pst_addr address)
{
    return address & ~(pst_addr)(MEMORY_PAGE_SIZE - 1);
}

/* The slot of the page, or the free one where it would go. */
static size_t find_slot(const struct page_store *store, pst_addr page_address)
{
    size_t slot = (size_t)(page_address / MEMORY_PAGE_SIZE * store->multiplier >> 32) & (store->slot_count - 1);
    while (store->slots[slot] && page_of(store->pages[store->slots[slot] - 1].address) != page_address)
        slot = (slot + 1) & (store->slot_count - 1);
    return slot;
}

const struct stored_page *page_store_find(const struct page_store *store, pst_addr page_address)
{
    if (!store->slot_count)
        return NULL;
    uint32_t index = store->slots[find_slot(store, page_address)];
    return index ? &store->pages[index - 1] : NULL;
}

/* Makes room for one more page. */
static bool grow(struct page_store *store)
{
    if (store->count < store->capacity)
        return true;
    size_t capacity = store->capacity ? store->capacity * 2 : FIRST_SLOTS / 2;
    struct stored_page *pages = realloc(store->pages, capacity * sizeof *pages);
    if (!pages)
        return false;
    store->pages = pages;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (!slots)
        return false;
    free(store->slots);
    store->slots = slots;
    store->slot_count = capacity * 2;
    store->capacity = capacity;
    for (size_t i = 0; i < store->count; i++)
        slots[find_slot(store, page_of(pages[i].address))] = (uint32_t)i + 1;
    return true;
}

void page_store_keep(void *context, const struct memory_page *page)
{
    struct page_store *store = context;
    size_t size = page->valid_end - page->valid_start;
    if (size == 0 || page_store_find(store, page->address))
        return;
    const uint8_t *bytes = grow(store) ? arena_copy(&store->arena, page->bytes + page->valid_start, size) : NULL;
    if (!bytes) {
        store->is_full = true;
        return;
    }
    size_t slot = find_slot(store, page->address);
    store->pages[store->count++] = (struct stored_page){page->address + page->valid_start, (uint16_t)size, bytes};
    store->slots[slot] = (uint32_t)store->count;
}

pst_addr *page_store_list(const struct page_store *store)
{
    pst_addr *addresses = malloc(store->count * sizeof *addresses + 1);
    for (size_t i = 0; addresses && i < store->count; i++)
        addresses[i] = store->pages[i].address;
    if (addresses)
        qsort(addresses, store->count, sizeof *addresses, order_addresses);
    return addresses;
}

static int compare_pages(const void *one, const void *other)
{
    const struct stored_page *a = one, *b = other;
    return (a->address > b->address) - (a->address < b->address);
}

void page_store_sort(struct page_store *store)
{
    free(store->slots);
    store->slots = NULL;
    store->slot_count = 0;
    if (store->count)
        qsort(store->pages, store->count, sizeof *store->pages, compare_pages);
}
