#include "python/deque.h"

/* A BLOCK is two links, and items. */
static uint64_t get_block_size(const struct python *python)
{
    enum { WORD = 8, LINKS = 2 };
    uint64_t words = size_of(python, F(sizeof_BLOCK)) / WORD;
    return words > LINKS ? words - LINKS : 1;
}

pst_error *deque_start(const struct python *python, pst_addr deque, struct deque_reader *reader, uint64_t *count)
{
    int64_t size;
    *reader = (struct deque_reader){.python = python, .block_size = get_block_size(python)};
    TRY(field_signed(python, deque, has(python, F(dequeobject_len)) ? F(dequeobject_len) : F(PyVarObject_ob_size),
                     &size));
    TRY(field_address(python, deque, F(dequeobject_leftblock), &reader->block));
    TRY(field_unsigned(python, deque, F(dequeobject_leftindex), &reader->index));
    *count = (uint64_t)size;
    if (size >= 0 && (!size || reader->index < reader->block_size))
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the deque at 0x%llx has %lld items from %llu of %llu on",
                     (unsigned long long)deque, (long long)size, (unsigned long long)reader->index,
                     (unsigned long long)reader->block_size);
}

pst_error *deque_next(struct deque_reader *reader, pst_addr *item)
{
    pst_addr data;
    TRY(field_place(reader->python, reader->block, F(BLOCK_data), &data));
    TRY(pointer_at(reader->python, data, reader->index, item));
    reader->index++;
    if (reader->index < reader->block_size)
        return NULL;
    reader->index = 0;
    return field_address(reader->python, reader->block, F(BLOCK_rightlink), &reader->block);
}
