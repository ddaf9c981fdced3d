#include "python/code_object.h"

#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { CODE_UNIT_SIZE = 2, FLAG_BITS = 32 };

void code_add_error(struct code_reader *reader, pst_error *error, const char *member)
{
    error_list_add(&reader->code->errors, error_in(error, "%s", member));
}

static void add_field_error(struct code_reader *reader, pst_error *error, enum field field)
{
    code_add_error(reader, error, field_get_name(field));
}

/* ---- is it one? ---------------------------------------------------------------------------------------- */

static bool member_is(const struct python *python, pst_addr code, enum field field, enum value_kind wanted)
{
    pst_addr object;
    enum value_kind kind = VALUE_OTHER;
    pst_error *error = field_address(python, code, field, &object);
    if (!error)
        error = value_get_kind(python, object, &kind);
    pst_error_free(error);
    return !error && kind == wanted;
}

/* A stray pointer to the type, or what is left of a dead object, may have one member or two that are what they should
 * be; of a code object that was damaged, most are. */
static bool is_mostly_code(const struct python *python, pst_addr address)
{
    enum { LEAST_FITTING = 3 };
    enum value_kind string = python_is_2(python) ? VALUE_BYTES : VALUE_STR;
    enum field line_table = has(python, F(PyCodeObject_co_linetable)) ? F(PyCodeObject_co_linetable)
                                                                      : F(PyCodeObject_co_lnotab);
    return member_is(python, address, F(PyCodeObject_co_name), string) +
               member_is(python, address, F(PyCodeObject_co_filename), string) +
               member_is(python, address, F(PyCodeObject_co_names), VALUE_TUPLE) +
               member_is(python, address, F(PyCodeObject_co_consts), VALUE_TUPLE) +
               member_is(python, address, line_table, VALUE_BYTES) >=
           LEAST_FITTING;
}

pst_error *code_validate(const struct python *python, pst_addr address, bool *valid)
{
    *valid = false;
    TRY(code_expect(python, address));
    TRY(object_lives(python, address, valid));
    *valid = *valid && is_mostly_code(python, address);
    return NULL;
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static int64_t read_number(struct code_reader *reader, enum field field, int least)
{
    int number;
    if (!has(reader->python, field))
        return 0;
    pst_error *error = field_int(reader->python, reader->code->address, field, &number);
    if (!error && number < least)
        error = error_new(PST_ERROR_CORRUPT, "it is %d", number);
    add_field_error(reader, error, field);
    return error ? -1 : number;
}

static void read_numbers(struct code_reader *reader)
{
    pst_code_numbers *numbers = &reader->code->numbers;
    numbers->argcount = read_number(reader, F(PyCodeObject_co_argcount), 0);
    numbers->posonlyargcount = read_number(reader, F(PyCodeObject_co_posonlyargcount), 0);
    numbers->kwonlyargcount = read_number(reader, F(PyCodeObject_co_kwonlyargcount), 0);
    numbers->nlocals = read_number(reader, F(PyCodeObject_co_nlocals), 0);
    numbers->stacksize = read_number(reader, F(PyCodeObject_co_stacksize), 0);
    numbers->flags = read_number(reader, F(PyCodeObject_co_flags), 0);
    /* Whoever calls code.replace() may have any. */
    numbers->firstlineno = read_number(reader, F(PyCodeObject_co_firstlineno), INT_MIN);
}

static bool flag_is_named(const struct opcodes *opcodes, size_t bit)
{
    return bit < opcodes->flags.count && opcodes->flags.names[bit];
}

/* Names the flags; a bit that this version has no name for is an error, too: no compiler sets it. */
static pst_error *name_flags(struct code_reader *reader)
{
    int64_t flags = reader->code->numbers.flags;
    const char **names = arena_alloc(reader->arena, (FLAG_BITS + 1) * sizeof *names);
    size_t count = 0;
    uint32_t unknown = 0;
    if (!names)
        return error_no_memory();
    reader->code->flag_names = names;
    for (size_t bit = 0; flags > 0 && bit < FLAG_BITS; bit++) {
        if (!(flags >> bit & 1))
            continue;
        char number[16];
        int size = snprintf(number, sizeof number, "0x%x", 1u << bit);
        bool is_named = flag_is_named(reader->opcodes, bit);
        const char *name = is_named ? reader->opcodes->flags.names[bit]
                                    : arena_copy(reader->arena, number, (size_t)size + 1);
        if (!name)
            return error_no_memory();
        names[count++] = name;
        unknown |= is_named ? 0 : 1u << bit;
    }
    return unknown ? error_new(PST_ERROR_CORRUPT, "the bits 0x%x mean nothing in this version", unknown) : NULL;
}

/* What the numbers say of each other. The constructors see to it (Objects/codeobject.c, _PyCode_Validate()), so that
 * one which was overwritten stands out. */
static pst_error *check_numbers(const struct code_reader *reader)
{
    const pst_code_numbers *numbers = &reader->code->numbers;
    if (numbers->argcount < 0 || numbers->kwonlyargcount < 0 || numbers->nlocals < 0 || numbers->flags < 0)
        return NULL; /* said already */
    if (numbers->posonlyargcount > numbers->argcount)
        return error_new(PST_ERROR_CORRUPT, "co_posonlyargcount is %lld, co_argcount %lld",
                         (long long)numbers->posonlyargcount, (long long)numbers->argcount);
    int64_t arguments = numbers->argcount + numbers->kwonlyargcount + !!(numbers->flags & CO_VARARGS) +
                        !!(numbers->flags & CO_VARKEYWORDS);
    if (arguments > numbers->nlocals)
        return error_new(PST_ERROR_CORRUPT, "%lld arguments with co_nlocals %lld", (long long)arguments,
                         (long long)numbers->nlocals);
    return NULL;
}

/* 3.12+ keep the size of a frame: Include/internal/pycore_frame.h, FRAME_SPECIALS_SIZE. */
static pst_error *check_frame_size(const struct code_reader *reader)
{
    const struct python *python = reader->python;
    const struct pst_code *code = reader->code;
    int frame_size;
    pst_addr locals;
    if (!has(python, F(PyCodeObject_co_framesize)) || !code->localsplusnames.items)
        return NULL;
    TRY(field_int(python, code->address, F(PyCodeObject_co_framesize), &frame_size));
    TRY(field_place(python, 0, F(_PyInterpreterFrame_localsplus), &locals));
    int64_t expected = (int64_t)code->localsplusnames.count + code->numbers.stacksize + (int64_t)(locals / 8);
    if (code->numbers.stacksize < 0 || frame_size == expected)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "co_framesize is %d, but %zu locals and co_stacksize %lld need %lld",
                     frame_size, code->localsplusnames.count, (long long)code->numbers.stacksize,
                     (long long)expected);
}

/* ---- the head ------------------------------------------------------------------------------------------ */

static void read_text(struct code_reader *reader, enum field field, pst_text *text)
{
    pst_addr object;
    if (!has(reader->python, field))
        return;
    pst_error *error = field_address(reader->python, reader->code->address, field, &object);
    if (!error)
        error = string_read(reader->python, reader->arena, object, text);
    add_field_error(reader, error, field);
}

void code_read_head(struct code_reader *reader, pst_addr address)
{
    struct pst_code *code = reader->code;
    code->address = address;
    code->table.format = linetable_format_of(reader->python->layout.major, reader->python->layout.minor);
    read_text(reader, F(PyCodeObject_co_name), &code->name);
    read_text(reader, F(PyCodeObject_co_qualname), &code->qualname);
    read_text(reader, F(PyCodeObject_co_filename), &code->filename);
    read_numbers(reader);
    code_add_error(reader, name_flags(reader), "PyCodeObject.co_flags");
    code_add_error(reader, check_numbers(reader), "its numbers");
    code_add_error(reader, code_read_size(reader->python, address, &code->table.code_size), "PyCodeObject.co_code");
}

/* ---- lists of names ------------------------------------------------------------------------------------ */

/* The tuple in a member. */
static pst_error *read_tuple(struct code_reader *reader, enum field field, size_t max_count, struct value *tuple)
{
    pst_addr object;
    TRY(field_address(reader->python, reader->code->address, field, &object));
    TRY(value_read(reader->python, reader->arena, object, tuple));
    if (tuple->kind != VALUE_TUPLE)
        return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no tuple", (unsigned long long)object);
    if (tuple->item_count > max_count)
        return error_new(PST_ERROR_LIMIT, "the tuple at 0x%llx has %zu items, more than %zu",
                         (unsigned long long)object, tuple->item_count, max_count);
    memory_prefetch(reader->python->memory, tuple->items, tuple->item_count);
    return NULL;
}

static pst_error *read_name(struct code_reader *reader, pst_addr object, pst_text *name)
{
    uint64_t flags = python_is_2(reader->python) ? TPFLAGS_BYTES_SUBCLASS : TPFLAGS_UNICODE_SUBCLASS;
    TRY(object_expect(reader->python, object, flags, "str"));
    return string_read(reader->python, reader->arena, object, name);
}

/* A name that can't be read stays empty, with the error. */
static void read_names(struct code_reader *reader, enum field field, struct text_list *list)
{
    struct value tuple;
    pst_error *error = read_tuple(reader, field, CODE_MAX_NAMES, &tuple);
    pst_text *names = error ? NULL : arena_alloc(reader->arena, tuple.item_count * sizeof *names + 1);
    if (!names) {
        add_field_error(reader, error ? error : error_no_memory(), field);
        return;
    }
    for (size_t i = 0; i < tuple.item_count; i++)
        add_field_error(reader, error_in(read_name(reader, tuple.items[i], &names[i]), "item %zu", i), field);
    *list = (struct text_list){names, tuple.item_count};
}

/* To 3.10. */
static void read_separate_names(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    read_names(reader, F(PyCodeObject_co_varnames), &code->lists[PST_CODE_VARNAMES]);
    read_names(reader, F(PyCodeObject_co_freevars), &code->lists[PST_CODE_FREEVARS]);
    read_names(reader, F(PyCodeObject_co_cellvars), &code->lists[PST_CODE_CELLVARS]);
    const struct text_list *varnames = &code->lists[PST_CODE_VARNAMES];
    if (varnames->items && code->numbers.nlocals >= 0 && (int64_t)varnames->count != code->numbers.nlocals)
        code_add_error(reader, error_new(PST_ERROR_CORRUPT, "it is %lld, but there are %zu co_varnames",
                                         (long long)code->numbers.nlocals, varnames->count),
                       "PyCodeObject.co_nlocals");
}

/* 3.11+: the names of one kind out of co_localsplusnames. Objects/codeobject.c, get_localsplus_names(). */
static void pick_names(struct code_reader *reader, uint8_t kind, struct text_list *list)
{
    const struct pst_code *code = reader->code;
    pst_text *names = arena_alloc(reader->arena, code->localsplusnames.count * sizeof *names + 1);
    if (!names) {
        code_add_error(reader, error_no_memory(), "PyCodeObject.co_localsplusnames");
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < code->localsplusnames.count; i++)
        if (code->localspluskinds.data[i] & kind)
            names[count++] = code->localsplusnames.items[i];
    *list = (struct text_list){names, count};
}

static void check_count(struct code_reader *reader, enum field field, size_t expected)
{
    int count;
    pst_error *error = field_int(reader->python, reader->code->address, field, &count);
    if (!error && (count < 0 || (size_t)count != expected))
        error = error_new(PST_ERROR_CORRUPT, "it is %d, but co_localspluskinds has %zu of them", count, expected);
    add_field_error(reader, error, field);
}

static pst_error *read_kinds(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    pst_addr object;
    TRY(field_address(reader->python, code->address, F(PyCodeObject_co_localspluskinds), &object));
    TRY(bytes_read(reader->python, reader->arena, object, &code->localspluskinds.data, &code->localspluskinds.size));
    if (code->localspluskinds.size == code->localsplusnames.count)
        return NULL;
    size_t size = code->localspluskinds.size;
    code->localspluskinds = (pst_bytes){0};
    return error_new(PST_ERROR_CORRUPT, "%zu kinds for %zu names", size, code->localsplusnames.count);
}

static void read_fast_locals(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    read_names(reader, F(PyCodeObject_co_localsplusnames), &code->localsplusnames);
    if (!code->localsplusnames.items)
        return;
    code_add_error(reader, read_kinds(reader), "PyCodeObject.co_localspluskinds");
    if (!code->localspluskinds.data)
        return;
    pick_names(reader, CO_FAST_LOCAL, &code->lists[PST_CODE_VARNAMES]);
    pick_names(reader, CO_FAST_CELL, &code->lists[PST_CODE_CELLVARS]);
    pick_names(reader, CO_FAST_FREE, &code->lists[PST_CODE_FREEVARS]);
    check_count(reader, F(PyCodeObject_co_nlocalsplus), code->localsplusnames.count);
    check_count(reader, F(PyCodeObject_co_nlocals), code->lists[PST_CODE_VARNAMES].count);
    check_count(reader, F(PyCodeObject_co_ncellvars), code->lists[PST_CODE_CELLVARS].count);
    check_count(reader, F(PyCodeObject_co_nfreevars), code->lists[PST_CODE_FREEVARS].count);
}

/* ---- constants ----------------------------------------------------------------------------------------- */

static pst_error *read_constant(struct code_reader *reader, pst_addr object, struct text *scratch,
                                pst_constant *constant)
{
    struct value value;
    TRY(value_read(reader->python, reader->arena, object, &value));
    if (value.kind == VALUE_CODE) {
        constant->code = object;
        return object == reader->code->address ? error_new(PST_ERROR_CORRUPT, "it is the code object itself") : NULL;
    }
    scratch->size = 0;
    TRY(repr_add_value(reader->python, reader->arena, &value, scratch));
    const char *copy = scratch->failed ? NULL : arena_copy(reader->arena, scratch->data, scratch->size);
    if (!copy)
        return error_no_memory();
    constant->repr = (pst_text){copy, scratch->size};
    return NULL;
}

static void read_constants(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    struct value tuple;
    struct text scratch = {0};
    pst_error *error = read_tuple(reader, F(PyCodeObject_co_consts), CODE_MAX_CONSTANTS, &tuple);
    pst_constant *constants = error ? NULL : arena_alloc(reader->arena, tuple.item_count * sizeof *constants + 1);
    if (!constants) {
        add_field_error(reader, error ? error : error_no_memory(), F(PyCodeObject_co_consts));
        return;
    }
    for (size_t i = 0; i < tuple.item_count; i++) {
        error = read_constant(reader, tuple.items[i], &scratch, &constants[i]);
        add_field_error(reader, error_in(error, "item %zu", i), F(PyCodeObject_co_consts));
    }
    text_free(&scratch);
    code->constants = constants;
    code->constant_objects = tuple.items;
    code->constant_count = tuple.item_count;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static void read_lines(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    int version = python_minor_version(reader->python);
    code->table.may_end_early = bytecode_is_blank(code);
    pst_error *error = code_read_line_table(reader->python, reader->arena, code->address, &code->table);
    if (!error)
        error = lines_list(&code->table, version >= 312, reader->arena, &code->lines, &code->line_count);
    if (!error && code->table.format == LINETABLE_LOCATIONS)
        error = positions_list(&code->table, reader->arena, &code->positions, &code->position_count);
    code_add_error(reader, error, "the line table");
}

pst_error *code_read_exceptions(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    pst_addr object;
    if (!has(reader->python, F(PyCodeObject_co_exceptiontable)))
        return NULL;
    TRY(field_address(reader->python, code->address, F(PyCodeObject_co_exceptiontable), &object));
    TRY(bytes_read(reader->python, reader->arena, object, &code->exceptiontable.data, &code->exceptiontable.size));
    return exceptions_list(code->exceptiontable, code->table.code_size, reader->arena, &code->exceptions,
                           &code->exception_count);
}

void code_read_body(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    code_add_error(reader, bytecode_read(reader), "PyCodeObject.co_code");
    code_add_error(reader, code_copies_read(reader), "PyCodeObject.co_tlbc");
    read_names(reader, F(PyCodeObject_co_names), &code->lists[PST_CODE_NAMES]);
    if (has(reader->python, F(PyCodeObject_co_localsplusnames)))
        read_fast_locals(reader);
    else
        read_separate_names(reader);
    code_add_error(reader, check_frame_size(reader), "PyCodeObject.co_stacksize");
    read_constants(reader);
    read_lines(reader);
    code_add_error(reader, code_read_exceptions(reader), "PyCodeObject.co_exceptiontable");
    code_add_error(reader, bytecode_check(reader), "PyCodeObject.co_code");
}
