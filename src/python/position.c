/* Which source position each frame is at: worked out after the target was let go. */
#include "python/walk.h"

#include <stdlib.h>

static void set_position(struct walk *walk, struct pst_frame *frame, const pst_position *position)
{
    if (position)
        frame->position = *position;
    if (position || frame->error)
        return;
    pst_error *error = error_new(PST_ERROR_CORRUPT, "the line table of %zu bytes has no entry for offset %d",
                                 frame->code->table.size, frame->lasti);
    if (walk->error_count++ < SNAPSHOT_MAX_ERRORS)
        frame->error = error;
    else
        error_list_add(&walk->snapshot->errors, error);
}

/* false: so many searches of this line table were made that the rest is better found in order. */
static bool find_position(struct walk *walk, struct pst_frame *frame)
{
    struct code *code = frame->code;
    if (!code || !code->table.bytes || !frame->has_lasti)
        return true;
    if (!code->has_memo || code->memo_offset != frame->lasti) {
        if (code->scanned > SNAPSHOT_MAX_SCAN)
            return false;
        code->scanned += code->table.size;
        code->has_memo = true;
        code->memo_offset = frame->lasti;
        code->memo_found = linetable_find(&code->table, frame->lasti, &code->memo_position);
    }
    set_position(walk, frame, code->memo_found ? &code->memo_position : NULL);
    return true;
}

/* A frame whose position is still to be found. Millions are sorted: what is compared is at hand. */
struct unplaced {
    uint32_t code;
    int32_t lasti;
    struct pst_frame *frame;
};

static int by_code_and_offset(const void *a, const void *b)
{
    const struct unplaced *x = a, *y = b;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    return x->lasti < y->lasti ? -1 : x->lasti > y->lasti;
}

/* Reads each line table once. */
static void find_sorted_positions(struct walk *walk, struct unplaced *unplaced, size_t count)
{
    struct linetable_reader reader;
    struct line_range range;
    const struct code *code = NULL;
    bool more = false;
    qsort(unplaced, count, sizeof *unplaced, by_code_and_offset);
    for (size_t i = 0; i < count; i++) {
        struct pst_frame *frame = unplaced[i].frame;
        pst_position first;
        if (frame->code != code) {
            code = frame->code;
            linetable_start(&reader, &code->table);
            more = linetable_next(&reader, &range);
        }
        while (more && frame->lasti >= range.end)
            more = linetable_next(&reader, &range);
        if (frame->lasti < 0)
            set_position(walk, frame, linetable_find(&code->table, frame->lasti, &first) ? &first : NULL);
        else
            set_position(walk, frame, more ? &range.position : NULL);
    }
}

pst_error *positions_find(struct walk *walk)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    struct unplaced *unplaced = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        for (size_t j = 0; j < snapshot->threads[i].frame_count; j++) {
            struct pst_frame *frame = &snapshot->threads[i].frames[j];
            if (find_position(walk, frame))
                continue;
            if (count == capacity) {
                capacity = capacity ? capacity * 2 : 1024;
                struct unplaced *more = realloc(unplaced, capacity * sizeof *more);
                if (!more) {
                    free(unplaced);
                    return error_no_memory();
                }
                unplaced = more;
            }
            unplaced[count++] = (struct unplaced){frame->code->number, frame->lasti, frame};
        }
    }
    if (count)
        find_sorted_positions(walk, unplaced, count);
    free(unplaced);
    return NULL;
}
