#include "python/code_prefetch.h"

#include "python/object.h"
#include "python/object_scan.h"
#include "python/value.h"

#include <stdlib.h>

enum {
    MAX_ADDRESSES = 1 << 13,    /* at a time */
    MAX_PAGES = OBJECT_SCAN_CACHE_PAGES + OBJECT_SCAN_CACHE_PAGES / 2, /* in the cache, whatever lies there */
    MAX_ITEMS = 256,            /* of one tuple */
    MAX_RANGE_SIZE = 64 << 10,  /* of one object */
    OBJECT_SIZE = 64,           /* what is taken for the size of an object until more is known */
    TYPE_SIZE = 256,            /* of what is asked of types */
};

/* Where something is wanted from. */
struct wanted {
    const struct python *python;
    pst_addr addresses[MAX_ADDRESSES];
    size_t count;
};

static void fetch(struct wanted *wanted)
{
    struct memory *memory = wanted->python->memory;
    if (memory_get_statistics(memory).page_count < MAX_PAGES)
        memory_prefetch(memory, wanted->addresses, wanted->count);
    wanted->count = 0;
}

static void add(struct wanted *wanted, pst_addr address)
{
    if (wanted->count == MAX_ADDRESSES)
        fetch(wanted);
    wanted->addresses[wanted->count++] = address;
}

static void add_range(struct wanted *wanted, pst_addr address, uint64_t size)
{
    if (!address || !size || size > MAX_RANGE_SIZE || address > UINT64_MAX - size)
        return;
    pst_addr last = address + size - 1;
    add(wanted, address);
    /* The last page of all has none behind it. */
    for (uint64_t i = address / MEMORY_PAGE_SIZE + 1; i <= last / MEMORY_PAGE_SIZE; i++)
        add(wanted, i * MEMORY_PAGE_SIZE);
}

static void add_object(struct wanted *wanted, pst_addr object)
{
    add_range(wanted, object, OBJECT_SIZE);
}

/* ---- members ------------------------------------------------------------------------------------------- */

static const enum field texts[] = {
    F(PyCodeObject_co_name),
    F(PyCodeObject_co_qualname),
    F(PyCodeObject_co_filename),
};

static const enum field byte_strings[] = {
    F(PyCodeObject_co_code),
    F(PyCodeObject_co_lnotab),
    F(PyCodeObject_co_linetable),
    F(PyCodeObject_co_exceptiontable),
    F(PyCodeObject_co_localspluskinds),
};

static const enum field tuples[] = {
    F(PyCodeObject_co_consts),
    F(PyCodeObject_co_names),
    F(PyCodeObject_co_varnames),
    F(PyCodeObject_co_freevars),
    F(PyCodeObject_co_cellvars),
    F(PyCodeObject_co_localsplusnames),
};

static const enum field others[] = {
    F(PyCodeObject_co_extra),
    F(PyCodeObject_co_executors),
    F(PyCodeObject__co_monitoring),
    F(PyCodeObject_co_tlbc),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A member, as the head has it; 0: there is none. */
static pst_addr get_member(const struct python *python, const struct code_head *head, enum field field)
{
    const struct place *place = &python->layout.places[field];
    if (!has(python, field) || (size_t)place->offset + 8 > CODE_HEAD_SIZE)
        return 0;
    return bytes_unsigned(head->bytes + place->offset, 8);
}

static void add_members(struct wanted *wanted, const struct code_head *head, const enum field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_object(wanted, get_member(wanted->python, head, fields[i]));
}

/* The code object itself, with its bytecode from 3.11 on. */
static void add_code(struct wanted *wanted, const struct code_head *head)
{
    const struct python *python = wanted->python;
    uint64_t size = code_head_size(python);
    if (has(python, F(PyCodeObject_co_code_adaptive))) {
        uint64_t units = get_member(python, head, F(PyVarObject_ob_size));
        size = (uint64_t)python->layout.places[F(PyCodeObject_co_code_adaptive)].offset;
        size += units <= MAX_RANGE_SIZE ? 2 * units : 0;
    }
    add_range(wanted, head->address, size);
}

/* ---- what they lead to --------------------------------------------------------------------------------- */

/* The number in a field, 0 if it can't be read. */
static uint64_t get_number(const struct python *python, pst_addr object, enum field field)
{
    uint64_t number = 0;
    pst_error_free(object && has(python, field) ? field_unsigned(python, object, field, &number) : NULL);
    return number;
}

/* The characters that stand in the object itself, as far as their number tells. */
static void add_text(struct wanted *wanted, pst_addr object)
{
    const struct python *python = wanted->python;
    if (!python_is_2(python))
        add_range(wanted, object, size_of(python, F(sizeof_PyCompactUnicodeObject)) +
                                      get_number(python, object, F(PyASCIIObject_length)));
}

static void add_bytes(struct wanted *wanted, pst_addr object)
{
    add_range(wanted, object, OBJECT_SIZE + get_number(wanted->python, object, F(PyVarObject_ob_size)));
}

/* How many there are; *items: where they stand. */
static size_t find_items(const struct python *python, pst_addr tuple, pst_addr *items)
{
    uint64_t count = get_number(python, tuple, F(PyVarObject_ob_size));
    pst_error_free(field_place(python, tuple, F(PyTupleObject_ob_item), items));
    return tuple && count <= MAX_ITEMS ? (size_t)count : 0;
}

static void add_tuple(struct wanted *wanted, pst_addr tuple)
{
    pst_addr items;
    size_t count = find_items(wanted->python, tuple, &items);
    add_range(wanted, tuple, items - tuple + 8 * count);
}

static void for_each_item(struct wanted *wanted, pst_addr tuple, void (*add_one)(struct wanted *, pst_addr))
{
    pst_addr items, item;
    size_t count = find_items(wanted->python, tuple, &items);
    for (size_t i = 0; i < count; i++) {
        pst_error *error = pointer_at(wanted->python, items, i, &item);
        if (!error)
            add_one(wanted, item);
        pst_error_free(error);
    }
}

/* What a constant consists of beside its head. */
static void add_constant(struct wanted *wanted, pst_addr object)
{
    enum value_kind kind = VALUE_OTHER;
    pst_error_free(value_get_kind(wanted->python, object, &kind));
    if (kind == VALUE_STR)
        add_text(wanted, object);
    else if (kind == VALUE_BYTES)
        add_bytes(wanted, object);
    else if (kind == VALUE_TUPLE)
        for_each_item(wanted, object, add_object);
}

/* The types that all of them ask for. */
static void add_types(struct wanted *wanted)
{
    for (size_t i = 0; i < VALUE_TYPES; i++)
        add_range(wanted, wanted->python->value_types->types[i], TYPE_SIZE);
}

/* ---- level by level ------------------------------------------------------------------------------------ */

static void add_heads(struct wanted *wanted, const struct code_head *head, bool head_only)
{
    add_code(wanted, head);
    add_members(wanted, head, texts, COUNT(texts));
    add_members(wanted, head, byte_strings, head_only ? 1 : COUNT(byte_strings));   /* the size of co_code */
    if (head_only)
        return;
    add_members(wanted, head, tuples, COUNT(tuples));
    add_members(wanted, head, others, COUNT(others));
}

static void add_parts(struct wanted *wanted, const struct code_head *head, bool head_only)
{
    const struct python *python = wanted->python;
    for (size_t i = 0; i < COUNT(texts); i++)
        add_text(wanted, get_member(python, head, texts[i]));
    for (size_t i = 0; !head_only && i < COUNT(byte_strings); i++)
        add_bytes(wanted, get_member(python, head, byte_strings[i]));
    for (size_t i = 0; !head_only && i < COUNT(tuples); i++)
        add_tuple(wanted, get_member(python, head, tuples[i]));
}

void codes_prefetch(const struct python *python, const struct code_head *heads, size_t count, bool head_only)
{
    struct wanted *wanted = malloc(sizeof *wanted);
    if (!wanted)
        return; /* it is read one by one then */
    wanted->python = python;
    wanted->count = 0;
    add_types(wanted);
    for (size_t i = 0; i < count; i++)
        add_heads(wanted, &heads[i], head_only);
    fetch(wanted);
    for (size_t i = 0; i < count; i++)
        add_parts(wanted, &heads[i], head_only);
    fetch(wanted);
    for (size_t i = 0; i < count && !head_only; i++)
        for (size_t j = 0; j < COUNT(tuples); j++)
            for_each_item(wanted, get_member(python, &heads[i], tuples[j]), add_object);
    fetch(wanted);
    for (size_t i = 0; i < count && !head_only; i++)
        for_each_item(wanted, get_member(python, &heads[i], F(PyCodeObject_co_consts)), add_constant);
    fetch(wanted);
    free(wanted);
}
