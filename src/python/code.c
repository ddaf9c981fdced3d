#include "python/walk.h"

#include "base/hash.h"
#include "python/c_name.h"
#include "python/code_object.h"
#include "python/object.h"
#include "python/string.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_UNIT_SIZE = 2 };

/* ---- the table of those that were decoded ----------------------------------------------------------- */

static size_t slot_of(const struct code_table *codes, pst_addr address)
{
    size_t mask = codes->capacity - 1;
    size_t slot = (size_t)(address * codes->multiplier >> 32) & mask;
    while (codes->slots[slot] && codes->slots[slot]->address != address)
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow(struct code_table *codes)
{
    struct code_table larger = {.count = codes->count, .capacity = codes->capacity ? codes->capacity * 2 : 256,
                                .multiplier = codes->capacity ? codes->multiplier : hash_multiplier()};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < codes->capacity; i++)
        if (codes->slots[i])
            larger.slots[slot_of(&larger, codes->slots[i]->address)] = codes->slots[i];
    free(codes->slots);
    *codes = larger;
    return true;
}

void code_table_free(struct code_table *codes)
{
    for (size_t i = 0; i < codes->capacity; i++)
        if (codes->slots[i])
            error_list_free(&codes->slots[i]->errors);
    free(codes->slots);
    *codes = (struct code_table){0};
}

/* ---- decoding --------------------------------------------------------------------------------------- */

/* A core without its files lacks the type's name (.rodata), but has its sizes (.data): 3.11+ the instructions are
 * items at the end. */
static bool has_sizes_of_code(const struct python *python, pst_addr type)
{
    pst_addr items = 0;
    uint64_t basic_size = 0, item_size = 0, expected = size_of(python, F(sizeof_PyCodeObject));
    if (has(python, F(PyCodeObject_co_code_adaptive)))
        pst_error_free(field_place(python, 0, F(PyCodeObject_co_code_adaptive), &items));
    pst_error *error = field_unsigned(python, type, F(PyTypeObject_tp_basicsize), &basic_size);
    if (!error)
        error = field_unsigned(python, type, F(PyTypeObject_tp_itemsize), &item_size);
    pst_error_free(error);
    return !error && basic_size == (items ? items : expected) &&
           item_size == (items ? size_of(python, F(sizeof__Py_CODEUNIT)) : 0);
}

pst_error *code_expect(const struct python *python, pst_addr address)
{
    pst_addr type;
    TRY(object_get_type(python, address, &type));
    if (python->location.code_type) {
        if (type == python->location.code_type)
            return NULL;
    } else {
        char name[8];
        pst_error *error = type_get_name(python, type, name, sizeof name);
        bool matches = error ? has_sizes_of_code(python, type) : strcmp(name, "code") == 0;
        pst_error_free(matches ? error : NULL);
        if (matches)
            return NULL;
        TRY(error);
    }
    return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no code object", (unsigned long long)address);
}

/* Reads a str member; what goes wrong is kept with the code, and the others are still read. */
static void read_text(struct walk *walk, struct code *code, enum field field, pst_text *text)
{
    const struct python *python = walk->python;
    pst_addr object;
    if (!has(python, field))
        return;
    pst_error *error = field_address(python, code->address, field, &object);
    if (!error)
        error = string_read(python, &walk->snapshot->arena, object, text);
    walk_add_error(walk, &code->errors, error_in(error, "%s", field_get_name(field)));
}

/* 3.13+: _Py_InitCleanup, to which __init__() returns that was called by way of its class: none of its instructions is
 * traceable (Python/specialize.c). */
static bool is_init_cleanup(const struct python *python, const struct code *code)
{
    return python_minor_version(python) >= 313 && text_is(code->filename, "__init__") &&
           code->first_traceable == code->table.code_size + CODE_UNIT_SIZE;
}

/* What stands before it makes cells and the like (Objects/codeobject.c, _co_firsttraceable). */
static pst_error *read_first_traceable(const struct python *python, struct code *code)
{
    if (!has(python, F(PyCodeObject__co_firsttraceable)))
        return NULL;
    int units;
    TRY(field_int(python, code->address, F(PyCodeObject__co_firsttraceable), &units));
    code->first_traceable = (int64_t)units * CODE_UNIT_SIZE;
    code->is_own = is_init_cleanup(python, code);
    if ((units >= 0 && code->first_traceable <= code->table.code_size) || code->is_own)
        return NULL;
    code->first_traceable = 0;
    return error_new(PST_ERROR_CORRUPT, "_co_firsttraceable is %d in a code object of %d bytes", units,
                     code->table.code_size);
}

pst_error *code_read_size(const struct python *python, pst_addr address, int *result)
{
    uint64_t size;
    if (has(python, F(PyCodeObject_co_code_adaptive))) {
        uint64_t units;
        TRY(field_unsigned(python, address, F(PyVarObject_ob_size), &units));
        size = units > CODE_MAX_SIZE ? units : units * CODE_UNIT_SIZE;
    } else {
        pst_addr bytes;
        TRY(field_address(python, address, F(PyCodeObject_co_code), &bytes));
        TRY(bytes_get_size(python, bytes, &size));
    }
    if (size > CODE_MAX_SIZE)
        return error_new(PST_ERROR_CORRUPT, "the code object at 0x%llx claims %llu bytes of code",
                         (unsigned long long)address, (unsigned long long)size);
    *result = (int)size;
    return NULL;
}

pst_error *code_read_line_table(const struct python *python, struct arena *arena, pst_addr address,
                                struct linetable *table)
{
    enum field field = has(python, F(PyCodeObject_co_linetable)) ? F(PyCodeObject_co_linetable)
                                                                 : F(PyCodeObject_co_lnotab);
    pst_addr object;
    TRY(field_int(python, address, F(PyCodeObject_co_firstlineno), &table->firstlineno));
    TRY(field_address(python, address, field, &object));
    return bytes_read(python, arena, object, &table->bytes, &table->size);
}

static pst_error *read_first_instruction(const struct python *python, struct code *code)
{
    if (has(python, F(PyCodeObject_co_code_adaptive)))
        TRY(field_place(python, code->address, F(PyCodeObject_co_code_adaptive), &code->first_instruction));
    return code_read_size(python, code->address, &code->table.code_size);
}

/* The objects that decode() will read, at one go. */
static void prefetch_members(const struct python *python, pst_addr code)
{
    static const enum field members[] = {F(PyCodeObject_co_name), F(PyCodeObject_co_qualname),
                                         F(PyCodeObject_co_filename), F(PyCodeObject_co_linetable),
                                         F(PyCodeObject_co_lnotab), F(PyCodeObject_co_code)};
    pst_addr objects[sizeof members / sizeof *members] = {0};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (has(python, members[i]))
            pst_error_free(field_address(python, code, members[i], &objects[i]));
    memory_prefetch(python->memory, objects, sizeof members / sizeof *members);
}

static void decode(struct walk *walk, struct code *code)
{
    if (walk->is_rehearsal)
        prefetch_members(walk->python, code->address);
    const struct layout *layout = &walk->python->layout;
    code->table.format = linetable_format_of(layout->major, layout->minor);
    read_text(walk, code, F(PyCodeObject_co_name), &code->name);
    read_text(walk, code, F(PyCodeObject_co_qualname), &code->qualname);
    read_text(walk, code, F(PyCodeObject_co_filename), &code->filename);
    walk_add_error(walk, &code->errors, error_in(read_first_instruction(walk->python, code), "PyCodeObject.co_code"));
    walk_add_error(walk, &code->errors, read_first_traceable(walk->python, code));
    pst_error *error = code_read_line_table(walk->python, &walk->snapshot->arena, code->address, &code->table);
    walk_add_error(walk, &code->errors, error_in(error, "the line table"));
}

pst_error *code_get(struct walk *walk, pst_addr address, struct code **result)
{
    struct code_table *codes = &walk->snapshot->codes;
    if (codes->count * 4 >= codes->capacity * 3 && !grow(codes))
        return error_no_memory();
    struct code **slot = &codes->slots[slot_of(codes, address)];
    if (!*slot) {
        TRY(code_expect(walk->python, address));
        struct code *code = arena_alloc(&walk->snapshot->arena, sizeof *code);
        if (!code)
            return error_no_memory();
        code->address = address;
        code->number = (uint32_t)codes->count;
        decode(walk, code);
        *slot = code;
        codes->count++;
    }
    *result = *slot;
    return NULL;
}
