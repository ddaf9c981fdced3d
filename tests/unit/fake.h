/*
 * A target made of byte arrays, for the tests of everything above src/target.
 *
 *     struct fake fake = { 0 };
 *     fake_map(&fake, 0x10000, 4096);
 *     fake_put_unsigned(&fake, 0x10008, 8, 0xdeadbeef);
 *     struct memory *memory = fake_memory(&fake);
 *     … code under test …
 *     memory_close(memory);
 *     fake_free(&fake);
 *
 * Faults: with fake.fail_at = N the Nth call of read_pages fails (all pages of it; those before and after do
 * not, unless fail_on is set). A fault test counts the calls of a run without faults (fake.read_count), then
 * runs again for every N up to it: fake_for_each_fault().
 *
 * A mistake in a test (bytes put where nothing is mapped) ends the test program.
 */
#ifndef PYSTANDER_TESTS_FAKE_H
#define PYSTANDER_TESTS_FAKE_H

#include "target/memory.h"
#include "target/target.h"

enum { FAKE_MAX_REGIONS = 64 };

struct fake_region {
    pst_addr address;
    size_t size;         /* of any alignment: the rest of its first and last page can't be read */
    uint8_t *bytes;
};

struct fake {
    struct fake_region regions[FAKE_MAX_REGIONS];
    size_t region_count;

    size_t read_count;   /* how many times read_pages was called, and for how many pages in all */
    size_t page_count;
    size_t fail_at;      /* the call that fails, counted from 1; 0: none */
    bool fail_on;        /* and all that come after it */
};

/* Makes `size` zero bytes readable at `address`. The bytes are the test's to fill, here or by fake_put(). Regions
 * must not overlap. */
uint8_t *fake_map(struct fake *fake, pst_addr address, size_t size);
/* The mapped byte at `address`, with at least `size` mapped bytes from there on. */
uint8_t *fake_at(struct fake *fake, pst_addr address, size_t size);
void fake_put(struct fake *fake, pst_addr address, const void *bytes, size_t size);
/* Little-endian, `size` bytes. */
void fake_put_unsigned(struct fake *fake, pst_addr address, size_t size, uint64_t value);
void fake_free(struct fake *fake);

struct memory_source fake_source(struct fake *fake);
/* An empty cache over the fake, read_count reset. Close it by memory_close(). */
struct memory *fake_memory(struct fake *fake);
/* A live-like target over the fake, with one readable segment for each region, no threads and no files. Close it by
 * pst_target_close(). */
struct pst_target *fake_target(struct fake *fake);

/* Runs `run` once without a fault, then with the first, second, … read failing, until every read had its turn; then
 * the same with that read and all after it failing. `failing` is 0 in the first run. Whatever `run` makes it frees. */
void fake_for_each_fault(struct fake *fake, void (*run)(struct fake *fake, size_t failing, void *context),
                         void *context);

#endif
