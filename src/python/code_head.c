#include "python/code_head.h"

#include "python/object.h"

#include <stdlib.h>
#include <string.h>

/* What stays as it is for as long as a code object lives; but for the last four, which come and go as it is run:
 * its bytecode is told of by what they hold. co_filename changes once, when its module is imported. */
static const enum field members[] = {
    F(PyObject_ob_type),
    F(PyVarObject_ob_size),
    F(PyCodeObject_co_argcount),
    F(PyCodeObject_co_posonlyargcount),
    F(PyCodeObject_co_kwonlyargcount),
    F(PyCodeObject_co_nlocals),
    F(PyCodeObject_co_stacksize),
    F(PyCodeObject_co_flags),
    F(PyCodeObject_co_firstlineno),
    F(PyCodeObject_co_code),
    F(PyCodeObject_co_consts),
    F(PyCodeObject_co_names),
    F(PyCodeObject_co_varnames),
    F(PyCodeObject_co_freevars),
    F(PyCodeObject_co_cellvars),
    F(PyCodeObject_co_localsplusnames),
    F(PyCodeObject_co_localspluskinds),
    F(PyCodeObject_co_filename),
    F(PyCodeObject_co_name),
    F(PyCodeObject_co_qualname),
    F(PyCodeObject_co_lnotab),
    F(PyCodeObject_co_linetable),
    F(PyCodeObject_co_exceptiontable),
    F(PyCodeObject_co_extra),
    F(PyCodeObject_co_executors),
    F(PyCodeObject__co_monitoring),
    F(PyCodeObject_co_tlbc),
};

enum { MEMBERS = sizeof members / sizeof *members };

/* To 3.10 a code object has no ob_size: what stands there is a number of its own. */
static bool is_member(const struct python *python, enum field field)
{
    return has(python, field) &&
           (field != F(PyVarObject_ob_size) || has(python, F(PyCodeObject_co_code_adaptive)));
}

size_t code_head_size(const struct python *python)
{
    size_t size = size_of(python, F(sizeof_PyObject));
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct place *place = &python->layout.places[members[i]];
        if (is_member(python, members[i]) && (size_t)place->offset + place->size > size)
            size = (size_t)place->offset + place->size;
    }
    return size < CODE_HEAD_SIZE ? size : CODE_HEAD_SIZE;
}

bool code_head_read(const struct python *python, pst_addr address, struct code_head *head)
{
    size_t size = code_head_size(python), got;
    head->address = address;
    head->is_settled = false;
    memory_read_range(python->memory, address, head->bytes, size, &got);
    return got == size;
}

bool code_head_lives(const struct python *python, const struct code_head *head)
{
    return object_head_lives(python, head->bytes);
}

bool code_head_is_same(const struct python *python, const struct code_head *before, const struct code_head *now)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct place *place = &python->layout.places[members[i]];
        if (is_member(python, members[i]) && (size_t)place->offset + place->size <= CODE_HEAD_SIZE &&
            memcmp(before->bytes + place->offset, now->bytes + place->offset, place->size) != 0)
            return false;
    }
    return code_head_lives(python, now);
}

void code_heads_settle(const struct python *python, struct code_head *heads, size_t count)
{
    size_t size = code_head_size(python);
    struct code_head *now = malloc(count * sizeof *now + 1);
    struct memory_range *ranges = malloc(count * sizeof *ranges + 1);
    bool has_room = now && ranges;
    for (size_t i = 0; i < count && has_room; i++)
        ranges[i] = (struct memory_range){.address = heads[i].address, .bytes = now[i].bytes, .size = size};
    if (has_room)
        memory_read_ranges(python->memory, ranges, count);
    for (size_t i = 0; i < count; i++)
        heads[i].is_settled = has_room && ranges[i].got == size && code_head_is_same(python, &heads[i], &now[i]);
    free(now);
    free(ranges);
}
