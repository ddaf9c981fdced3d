#include "python/object_scan.h"

#include "target/target.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORD_SIZE = 8,
    BLOCK_WORDS = 64,      /* looked through at a time, without a branch for each word */
    MAX_ERRORS = 16,       /* of mappings that can't be read; a device's are usual */
};

pst_error *object_scan_start(struct object_scan *scan, const struct python *python, const pst_addr *types,
                             size_t type_count, struct error_list *errors)
{
    *scan = (struct object_scan){.python = python, .errors = errors};
    for (size_t i = 0; i < type_count && i < OBJECT_SCAN_MAX_TYPES; i++)
        if (types[i])
            scan->types[scan->type_count++] = types[i];
    pst_addr off;
    TRY(field_place(python, 0, F(PyObject_ob_type), &off));
    scan->type_off = off;
    scan->piece = malloc(OBJECT_SCAN_PIECE_SIZE);
    return scan->piece ? NULL : error_no_memory();
}

void object_scan_free(struct object_scan *scan)
{
    free(scan->piece);
    *scan = (struct object_scan){0};
}

/* ---- the pieces ---------------------------------------------------------------------------------------- */

static void note_unreadable(struct object_scan *scan, const struct segment *segment, pst_addr end)
{
    uint8_t byte;
    pst_error *error = memory_read(scan->python->memory, scan->at, &byte, 1);
    if (error && scan->errors->count < MAX_ERRORS)
        error_list_add(scan->errors, error_in(error, "mapping 0x%llx-0x%llx", (unsigned long long)segment->start,
                                               (unsigned long long)end));
    else
        pst_error_free(error);
}

static bool begins_with(const char *path, const char *start)
{
    return strncmp(path, start, strlen(start)) == 0;
}

/* No object is in a device, nor in what the kernel gives every process; and most of them can't be read. */
static bool is_device(const struct segment *segment)
{
    const char *path = segment->path;
    if (!path)
        return false;
    return begins_with(path, "[vvar") || begins_with(path, "[vsyscall") ||
           (begins_with(path, "/dev/") && !begins_with(path, "/dev/shm/") && !begins_with(path, "/dev/zero"));
}

/* Where the stretch of used memory ends that begins at scan->at, which moves there; false: nothing is left of the
 * segment. */
static bool find_used(struct object_scan *scan, const struct segment *segment)
{
    if (scan->at < scan->used_end)
        return true;
    scan->used_end = segment->end;
    return memory_find_used(scan->python->memory, &scan->at, &scan->used_end);
}

/* Copies the next piece; false: there is none any more. */
static bool next_piece(struct object_scan *scan)
{
    const struct pst_target *target = scan->python->target;
    for (; scan->segment < target->segment_count; scan->segment++) {
        const struct segment *segment = &target->segments[scan->segment];
        if (!segment->writable || !segment->readable || is_device(segment))
            continue;
        if (scan->at < segment->start)
            scan->at = scan->used_end = segment->start;
        while (scan->at < segment->end && find_used(scan, segment)) {
            pst_addr end = scan->used_end;
            size_t wanted = end - scan->at < OBJECT_SCAN_PIECE_SIZE ? end - scan->at : OBJECT_SCAN_PIECE_SIZE, got;
            memory_read_range(scan->python->memory, scan->at, scan->piece, wanted, &got);
            scan->piece_start = scan->at;
            scan->piece_size = got;
            scan->next_block = scan->hits = 0;
            scan->scanned_size += got;
            if (got) {
                scan->at += got;
                return true;
            }
            note_unreadable(scan, segment, end);
            scan->at = end;
        }
    }
    return false;
}

/* ---- the words ------------------------------------------------------------------------------------------ */

/* Two words in halves, which every processor compares at once; not all of them can do so with whole words. */
typedef uint32_t half_vector __attribute__((vector_size(2 * WORD_SIZE), aligned(WORD_SIZE), may_alias));

/* Whether the lower half of any of BLOCK_WORDS words is that of `wanted`: seldom so by chance. */
static bool block_may_have(const uint64_t *words, uint64_t wanted)
{
    const half_vector *vectors = (const half_vector *)(const void *)words;
    half_vector all = (half_vector){0} + (uint32_t)wanted, found = {0};
    for (size_t i = 0; i < BLOCK_WORDS / 2; i += 4)
        found |= (half_vector)(vectors[i] == all) | (half_vector)(vectors[i + 1] == all) |
                 (half_vector)(vectors[i + 2] == all) | (half_vector)(vectors[i + 3] == all);
    return found[0] | found[2];
}

/* A bit for each word that is one of the types. */
static uint64_t find_hits(const struct object_scan *scan, const uint64_t *words, size_t count)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < scan->type_count; i++) {
        uint64_t type = scan->types[i];
        if (count == BLOCK_WORDS && !block_may_have(words, type))
            continue;
        for (size_t j = 0; j < count; j++)
            hits |= (uint64_t)(words[j] == type) << j;
    }
    return hits;
}

static size_t find_type(const struct object_scan *scan, uint64_t word)
{
    size_t type = 0;
    while (scan->types[type] != word)
        type++;
    return type;
}

/* The next word of the piece that is one of the types. */
static bool next_word(struct object_scan *scan, pst_addr *address, size_t *type)
{
    const uint64_t *words = (const uint64_t *)(const void *)scan->piece;
    size_t count = scan->piece_size / WORD_SIZE;
    while (!scan->hits) {
        if (scan->next_block >= count)
            return false;
        scan->block = scan->next_block;
        scan->next_block += BLOCK_WORDS;
        size_t left = count - scan->block;
        scan->hits = find_hits(scan, words + scan->block, left < BLOCK_WORDS ? left : BLOCK_WORDS);
    }
    size_t position = scan->block + (size_t)__builtin_ctzll(scan->hits);
    scan->hits &= scan->hits - 1;
    *address = scan->piece_start + position * WORD_SIZE;
    *type = find_type(scan, words[position]);
    return true;
}

bool object_scan_next(struct object_scan *scan, pst_addr *object, size_t *type)
{
    pst_addr word;
    if (scan->type_count == 0)
        return false;
    do {
        while (next_word(scan, &word, type)) {
            if (word >= scan->type_off) {
                *object = word - scan->type_off;
                return true;
            }
        }
    } while (next_piece(scan));
    return false;
}

bool object_scan_copy(struct object_scan *scan, pst_addr object, uint8_t *bytes, size_t size)
{
    if (object >= scan->piece_start && object - scan->piece_start <= scan->piece_size &&
        size <= scan->piece_size - (object - scan->piece_start)) {
        memcpy(bytes, scan->piece + (object - scan->piece_start), size);
        return true;
    }
    size_t got;
    memory_read_range(scan->python->memory, object, bytes, size, &got);
    return got == size;
}
