/*
 * co_tlbc: in free-threaded builds from 3.14 on every thread executes, and specialises, bytecode of its own. Entry 0 is
 * the code object's own co_code_adaptive; the others are copies, made when a thread first runs it.
 * Include/cpython/code.h, _PyCodeArray; Objects/codeobject.c, _PyCode_GetTLBCFast().
 */
#include "python/code_object.h"

#include <string.h>

static pst_error *open_array(const struct python *python, pst_addr code, pst_addr *entries, int64_t *count)
{
    pst_addr array;
    *count = 0;
    TRY(field_address(python, code, F(PyCodeObject_co_tlbc), &array));
    if (!array)
        return NULL;
    TRY(field_signed(python, array, F(_PyCodeArray_size), count));
    if (*count < 0 || *count > CODE_MAX_COPIES)
        return error_new(PST_ERROR_CORRUPT, "there can't be %lld copies of the bytecode", (long long)*count);
    return field_place(python, array, F(_PyCodeArray_entries), entries);
}

pst_error *code_copy_find(const struct python *python, pst_addr code, int index, pst_addr *first)
{
    pst_addr entries;
    int64_t count;
    TRY(open_array(python, code, &entries, &count));
    if (index < 0 || index >= count)
        return error_new(PST_ERROR_CORRUPT, "the frame's tlbc_index is %d, the code object has %lld copies", index,
                         (long long)count);
    return pointer_at(python, entries, (uint64_t)index, first);
}

/* However it was specialised, it is the same code. */
static pst_error *read_copy(struct code_reader *reader, pst_addr first, pst_bytes *adaptive)
{
    const struct pst_code *code = reader->code;
    size_t size = code->adaptive.size;
    pst_bytes bytecode;
    uint8_t *units = arena_alloc(reader->arena, size + 1);
    if (!units)
        return error_no_memory();
    TRY(memory_read(reader->python->memory, first, units, size));
    *adaptive = (pst_bytes){units, size};
    TRY(bytecode_undo(reader, units, size, &bytecode));
    if (code->bytecode.data && memcmp(bytecode.data, code->bytecode.data, size) != 0)
        return error_new(PST_ERROR_CORRUPT, "it is not of the same code");
    return NULL;
}

pst_error *code_copies_read(struct code_reader *reader)
{
    const struct python *python = reader->python;
    struct pst_code *code = reader->code;
    pst_addr entries = 0, first;
    int64_t count;
    if (!has(python, F(PyCodeObject_co_tlbc)) || !code->adaptive.data)
        return NULL;
    TRY(open_array(python, code->address, &entries, &count));
    code->copies = arena_alloc(reader->arena, (size_t)count * sizeof *code->copies + 1);
    if (!code->copies)
        return error_no_memory();
    for (int64_t i = 1; i < count; i++) {
        TRY(pointer_at(python, entries, (uint64_t)i, &first));
        if (!first)
            continue; /* that thread never ran it */
        if ((code->copy_count + 1) * code->adaptive.size > CODE_MAX_COPIES_SIZE)
            return error_new(PST_ERROR_LIMIT, "there are copies of more than %d bytes", CODE_MAX_COPIES_SIZE);
        pst_code_copy *copy = &code->copies[code->copy_count++];
        *copy = (pst_code_copy){.index = (size_t)i};
        TRY(error_in(read_copy(reader, first, &copy->adaptive), "copy %lld", (long long)i));
    }
    return NULL;
}
