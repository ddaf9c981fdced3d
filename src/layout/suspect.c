#include "layout/suspect.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORD = 8,
    STEP_PAGES = 64,                 /* read at once */
    STEP = STEP_PAGES * MEMORY_PAGE_SIZE,
    OVERLAP = 3 * WORD,              /* what is needed beyond a word to judge it */
};

static const uint64_t COOKIE = 0x7970677562656478; /* "xdebugpy" */

struct step {
    uint8_t bytes[STEP + OVERLAP];
    uint64_t words[(STEP + OVERLAP) / WORD];
};

struct search {
    struct pst_target *target;
    const struct image *image;
    const struct segment *file;
    struct suspects *suspects;
    uint64_t limit;                  /* of suspects->scanned */
};

static void add(struct search *search, enum suspect_kind kind, pst_addr address)
{
    struct suspects *suspects = search->suspects;
    if (suspects->count < SUSPECT_MAX)
        suspects->list[suspects->count++] = (struct suspect){kind, address, search->file};
}

/* ---- 3.13+: the cookie ------------------------------------------------------------------------------- */

/* Cookie, version, free_threaded: Include/internal/pycore_debug_offsets.h. */
static bool is_runtime(const uint64_t *words)
{
    return words[0] == COOKIE && words[1] >> 24 == 3 && words[2] <= 1;
}

/* ---- 3.7 to 3.12: struct pyinterpreters -------------------------------------------------------------- */

static const struct segment *find_writable(const struct search *search, pst_addr address)
{
    const struct segment *segment =
        address && address % WORD == 0 ? target_find_segment(search->target, address) : NULL;
    return segment && segment->writable ? segment : NULL;
}

static bool is_on_heap(const struct search *search, pst_addr address)
{
    if (address >= search->image->start && address < search->image->end)
        return false;
    const struct segment *segment = find_writable(search, address);
    return segment && (!segment->path || segment->path[0] == '[');
}

/* mutex, head, main, next_id: Include/internal/pycore_runtime.h. The lock is on the heap, interpreters need not be
 * (3.11+). */
static bool is_interpreters(const struct search *search, const uint64_t *words)
{
    return words[3] > 0 && words[3] <= SUSPECT_MAX_INTERPRETERS && is_on_heap(search, words[0]) &&
           find_writable(search, words[1]) && find_writable(search, words[2]);
}

/* ---- to 3.6: interp_head ----------------------------------------------------------------------------- */

static uint64_t read_word(const struct search *search, pst_addr address)
{
    uint8_t bytes[WORD];
    pst_error *error = memory_read(search->target->memory, address, bytes, sizeof bytes);
    pst_error_free(error);
    return error ? 0 : bytes_unsigned(bytes, sizeof bytes);
}

/* PyInterpreterState is {next, tstate_head …} on the heap, PyThreadState {next, interp …} or, from 3.4 on,
 * {prev, next, interp …}: Include/pystate.h. */
static bool points_to_interpreter(struct search *search, pst_addr interpreter)
{
    if (!is_on_heap(search, interpreter) || search->suspects->probed++ >= SUSPECT_MAX_PROBES)
        return false;
    pst_addr thread = read_word(search, interpreter + WORD);
    return find_writable(search, thread) && (read_word(search, thread + WORD) == interpreter ||
                                             read_word(search, thread + 2L * WORD) == interpreter);
}

/* ---- the scan ---------------------------------------------------------------------------------------- */

/* What can't be read is zero. */
static void read_step(struct search *search, pst_addr start, uint8_t *bytes, size_t size)
{
    pst_addr pages[STEP_PAGES + 1] = {0};
    size_t count = 0;
    memset(bytes, 0, size);
    for (size_t at = 0; at < size && count <= STEP_PAGES; at += MEMORY_PAGE_SIZE)
        pages[count++] = start + at;
    memory_prefetch(search->target->memory, pages, count);
    for (size_t at = 0; at < size; at += MEMORY_PAGE_SIZE) {
        size_t got, wanted = size - at < MEMORY_PAGE_SIZE ? size - at : MEMORY_PAGE_SIZE;
        pst_error_free(memory_read_some(search->target->memory, start + at, bytes + at, wanted, &got));
    }
}

static bool search_step(struct search *search, pst_addr start, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pst_addr address = start + i * WORD;
        if (!words[i])
            continue;
        if (is_runtime(words + i)) {
            search->suspects->count -= search->suspects->count == SUSPECT_MAX;
            add(search, SUSPECT_RUNTIME, address);
            return true;
        }
        if (is_interpreters(search, words + i))
            add(search, SUSPECT_INTERPRETERS, address + WORD);
        else if (points_to_interpreter(search, words[i]))
            add(search, SUSPECT_INTERP_HEAD, address);
    }
    return false;
}

static bool search_segment(struct search *search, const struct segment *segment)
{
    struct suspects *suspects = search->suspects;
    struct step *step = malloc(sizeof *step);
    bool found = false;
    for (pst_addr at = segment->start; step && !found && at < segment->end && suspects->scanned < search->limit;
         at += STEP) {
        size_t size = segment->end - at < STEP ? (size_t)(segment->end - at) : STEP;
        suspects->scanned += size;
        read_step(search, at, step->bytes, size + OVERLAP);
        for (size_t i = 0; i < (size + OVERLAP) / WORD; i++)
            step->words[i] = bytes_unsigned(step->bytes + i * WORD, WORD);
        found = search_step(search, at, step->words, size / WORD);
    }
    free(step);
    return found;
}

bool suspects_search(struct pst_target *target, const struct image *image, const struct segment *file,
                     struct suspects *suspects)
{
    uint64_t limit = suspects->scanned + SUSPECT_MAX_IMAGE;
    struct search search = {target, image, file, suspects, limit < SUSPECT_MAX_SCAN ? limit : SUSPECT_MAX_SCAN};
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        bool inside = segment->start >= image->start && segment->start < image->end;
        if (inside && segment->writable && search_segment(&search, segment))
            return true;
    }
    return false;
}
