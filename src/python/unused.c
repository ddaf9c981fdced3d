#include "python/unused.h"

#include "target/memory.h"

enum { WORD = 8 };

static uint64_t word_at(const struct python *python, const uint8_t *entry, enum field field)
{
    return bytes_unsigned(entry + python->layout.places[field].offset, WORD);
}

static bool fits(const struct python *python, enum field field, uint64_t size)
{
    int64_t offset = python->layout.places[field].offset;
    return offset >= 0 && (uint64_t)offset + WORD <= size;
}

/* Of the entries from `index` on, those that are wholly in one page; *count: how many. */
static void read_block(const struct python *python, const struct unused *unused, uint64_t index, uint8_t *block,
                       uint64_t *count)
{
    pst_addr start = unused->first + index * unused->size;
    uint64_t size = MEMORY_PAGE_SIZE - start % MEMORY_PAGE_SIZE;
    size_t got;
    if (size < unused->size)
        size = unused->size;
    pst_error_free(memory_read_some(python->memory, start, block, size / unused->size * unused->size, &got));
    *count = got / unused->size;
}

uint64_t unused_skip(const struct python *python, const struct unused *unused, uint64_t index, uint64_t end)
{
    uint8_t block[MEMORY_PAGE_SIZE];
    bool is_sound = unused->size <= sizeof block && fits(python, unused->null, unused->size) &&
                    fits(python, unused->marked, unused->size);
    while (is_sound && index < end) {
        uint64_t count;
        read_block(python, unused, index, block, &count);
        if (!count)
            break;
        for (uint64_t i = 0; i < count && index < end; i++, index++) {
            const uint8_t *entry = block + i * unused->size;
            if (word_at(python, entry, unused->null) && word_at(python, entry, unused->marked) != unused->mark)
                return index;
        }
    }
    return index;
}
