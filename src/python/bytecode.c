/*
 * co_code: what the compiler made. From 3.11 on the interpreter overwrites it as it runs: it specialises instructions
 * and keeps what it learns in the caches behind them; 3.12+ instruments them (sys.monitoring, sys.settrace) and
 * notes the originals beside the code object; 3.13+ may put an executor in the place of one.
 * Objects/codeobject.c, deopt_code(); Python/instrumentation.c, _Py_GetBaseCodeUnit().
 */
#include "python/code_object.h"
#include "python/string.h"

#include <string.h>

enum { CODE_UNIT_SIZE = 2, MAX_EXECUTORS = 256 /* as many as an oparg can number */ };

/* Beside the code object, one entry for each code unit; read when an instruction asks for them. */
struct originals {
    const uint8_t *lines;          /* of instructions that INSTRUMENTED_LINE took the place of */
    uint64_t line_entry_size;
    const uint8_t *instructions;   /* of those that INSTRUMENTED_INSTRUCTION did */
};

struct undo {
    struct code_reader *reader;
    size_t unit_count;
    const uint8_t *units;          /* as they stand in memory */
    struct originals originals;
};

static pst_error *copy_from(struct code_reader *reader, pst_addr address, size_t size, const uint8_t **bytes)
{
    uint8_t *copy = arena_alloc(reader->arena, size + 1);
    if (!copy)
        return error_no_memory();
    TRY(memory_read(reader->python->memory, address, copy, size));
    *bytes = copy;
    return NULL;
}

/* ---- the originals of instrumented instructions -------------------------------------------------------- */

static pst_error *get_monitoring(const struct undo *undo, enum field member, pst_addr *address)
{
    const struct python *python = undo->reader->python;
    pst_addr monitoring;
    TRY(field_address(python, undo->reader->code->address, F(PyCodeObject__co_monitoring), &monitoring));
    if (!monitoring)
        return error_new(PST_ERROR_CORRUPT, "an instruction is instrumented, but _co_monitoring is null");
    TRY(field_address(python, monitoring, member, address));
    return *address ? NULL : error_new(PST_ERROR_CORRUPT, "an instruction is instrumented, but %s is null",
                                       field_get_name(member));
}

/* 3.12 and 3.13: an array of structs; 3.14+: entries whose size stands before them. The opcode is each one's first
 * byte. */
static pst_error *read_line_originals(struct undo *undo)
{
    const struct python *python = undo->reader->python;
    pst_addr lines;
    TRY(get_monitoring(undo, F(_PyCoMonitoringData_lines), &lines));
    uint64_t entry_size = size_of(python, F(sizeof__PyCoLineInstrumentationData));
    if (has(python, F(_PyCoLineInstrumentationData_bytes_per_entry))) {
        TRY(field_unsigned(python, lines, F(_PyCoLineInstrumentationData_bytes_per_entry), &entry_size));
        TRY(field_place(python, lines, F(_PyCoLineInstrumentationData_data), &lines));
    } else {
        TRY(field_place(python, lines, F(_PyCoLineInstrumentationData_original_opcode), &lines));
    }
    if (entry_size == 0)
        return error_new(PST_ERROR_CORRUPT, "the entries of _co_monitoring->lines have no size");
    undo->originals.line_entry_size = entry_size;
    return copy_from(undo->reader, lines, undo->unit_count * entry_size, &undo->originals.lines);
}

static pst_error *find_line_original(struct undo *undo, size_t unit, uint8_t *opcode)
{
    if (!undo->originals.lines)
        TRY(read_line_originals(undo));
    *opcode = undo->originals.lines[unit * undo->originals.line_entry_size];
    return NULL;
}

static pst_error *find_instruction_original(struct undo *undo, size_t unit, uint8_t *opcode)
{
    if (!undo->originals.instructions) {
        pst_addr opcodes;
        TRY(get_monitoring(undo, F(_PyCoMonitoringData_per_instruction_opcodes), &opcodes));
        TRY(copy_from(undo->reader, opcodes, undo->unit_count, &undo->originals.instructions));
    }
    *opcode = undo->originals.instructions[unit];
    return NULL;
}

/* ---- executors ------------------------------------------------------------------------------------------ */

static pst_error *find_executor_original(const struct undo *undo, size_t unit, uint8_t *opcode, uint8_t *oparg)
{
    const struct python *python = undo->reader->python;
    pst_addr array, items, executor, code;
    uint64_t count, original_opcode, original_oparg, index;
    TRY(field_address(python, undo->reader->code->address, F(PyCodeObject_co_executors), &array));
    if (!array)
        return error_new(PST_ERROR_CORRUPT, "an instruction is ENTER_EXECUTOR, but co_executors is null");
    TRY(field_unsigned(python, array, F(_PyExecutorArray_size), &count));
    if (count > MAX_EXECUTORS || *oparg >= count)
        return error_new(PST_ERROR_CORRUPT, "ENTER_EXECUTOR %u where co_executors has %llu entries", *oparg,
                         (unsigned long long)count);
    TRY(field_place(python, array, F(_PyExecutorArray_executors), &items));
    TRY(pointer_at(python, items, *oparg, &executor));
    TRY(field_unsigned(python, executor, F(_PyExecutorObject_vm_data_opcode), &original_opcode));
    TRY(field_unsigned(python, executor, F(_PyExecutorObject_vm_data_oparg), &original_oparg));
    TRY(field_address(python, executor, F(_PyExecutorObject_vm_data_code), &code));
    TRY(field_unsigned(python, executor, F(_PyExecutorObject_vm_data_index), &index));
    if (code != undo->reader->code->address || index != unit)
        return error_new(PST_ERROR_CORRUPT, "executor %u at 0x%llx is not of this instruction", *oparg,
                         (unsigned long long)executor);
    *opcode = (uint8_t)original_opcode;
    *oparg = (uint8_t)original_oparg;
    return NULL;
}

/* ---- undoing -------------------------------------------------------------------------------------------- */

/* The instruction at `unit` as the compiler made it. */
static pst_error *undo_unit(struct undo *undo, size_t unit, uint8_t *opcode, uint8_t *oparg)
{
    const struct opcodes *opcodes = undo->reader->opcodes;
    *opcode = undo->units[unit * CODE_UNIT_SIZE];
    *oparg = undo->units[unit * CODE_UNIT_SIZE + 1];
    if (*opcode == opcodes->enter_executor)
        TRY(find_executor_original(undo, unit, opcode, oparg));
    if (*opcode == opcodes->instrumented_line)
        TRY(find_line_original(undo, unit, opcode));
    if (*opcode == opcodes->instrumented_instruction)
        TRY(find_instruction_original(undo, unit, opcode));
    const struct opcode *found = &opcodes->opcodes[*opcode];
    const struct opcode *base = &opcodes->opcodes[found->base];
    if (!found->name || !base->name || base->is_instrumented || *opcode == opcodes->enter_executor)
        return error_new(PST_ERROR_CORRUPT, "there is no instruction %u (at offset %zu)", *opcode,
                         unit * CODE_UNIT_SIZE);
    *opcode = found->base;
    return NULL;
}

static pst_error *undo_all(struct undo *undo, uint8_t *code)
{
    for (size_t unit = 0; unit < undo->unit_count; unit++) {
        uint8_t opcode, oparg;
        TRY(undo_unit(undo, unit, &opcode, &oparg));
        code[unit * CODE_UNIT_SIZE] = opcode;
        code[unit * CODE_UNIT_SIZE + 1] = oparg;
        size_t cache_count = undo->reader->opcodes->opcodes[opcode].cache_count;
        if (cache_count > undo->unit_count - 1 - unit)
            return error_new(PST_ERROR_CORRUPT, "the caches of the instruction at offset %zu reach past the end",
                             unit * CODE_UNIT_SIZE);
        unit += cache_count; /* which stay zero */
    }
    return NULL;
}

pst_error *bytecode_undo(struct code_reader *reader, const uint8_t *units, size_t size, pst_bytes *bytecode)
{
    struct undo undo = {.reader = reader, .unit_count = size / CODE_UNIT_SIZE, .units = units};
    uint8_t *bytes = arena_alloc(reader->arena, size + 1);
    if (!bytes)
        return error_no_memory();
    TRY(undo_all(&undo, bytes));
    *bytecode = (pst_bytes){bytes, size};
    return NULL;
}

static pst_error *read_adaptive(struct code_reader *reader)
{
    struct pst_code *code = reader->code;
    size_t size = (size_t)code->table.code_size;
    const uint8_t *units = NULL;
    pst_addr first;
    TRY(field_place(reader->python, code->address, F(PyCodeObject_co_code_adaptive), &first));
    TRY(copy_from(reader, first, size, &units));
    code->adaptive = (pst_bytes){units, size};
    return bytecode_undo(reader, units, size, &code->bytecode);
}

bool bytecode_is_blank(const struct pst_code *code)
{
    for (size_t i = 0; i < code->bytecode.size; i++)
        if (code->bytecode.data[i])
            return false;
    return true;
}

pst_error *bytecode_read(struct code_reader *reader)
{
    if (has(reader->python, F(PyCodeObject_co_code_adaptive)))
        return read_adaptive(reader);
    pst_addr object;
    const uint8_t *bytes;
    size_t size;
    TRY(field_address(reader->python, reader->code->address, F(PyCodeObject_co_code), &object));
    TRY(bytes_read(reader->python, reader->arena, object, &bytes, &size));
    reader->code->bytecode = (pst_bytes){bytes, size};
    return NULL;
}
