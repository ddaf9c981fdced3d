/* What the public header lets a caller ask of a code object. */
#include "python/code_object.h"

pst_addr pst_code_get_address(const pst_code *code)
{
    return code->address;
}

pst_text pst_code_get_name(const pst_code *code)
{
    return code->name;
}

pst_text pst_code_get_qualname(const pst_code *code)
{
    return code->qualname;
}

pst_text pst_code_get_filename(const pst_code *code)
{
    return code->filename;
}

const pst_code_numbers *pst_code_get_numbers(const pst_code *code)
{
    return &code->numbers;
}

const char *pst_code_get_flag_name(const pst_code *code, size_t index)
{
    for (size_t i = 0; code->flag_names && code->flag_names[i]; i++)
        if (i == index)
            return code->flag_names[i];
    return NULL;
}

const pst_text *pst_code_get_list(const pst_code *code, pst_code_list list, size_t *count)
{
    *count = 0;
    if ((unsigned)list > PST_CODE_CELLVARS)
        return NULL;
    *count = code->lists[list].count;
    return code->lists[list].items;
}

const pst_constant *pst_code_get_constants(const pst_code *code, size_t *count)
{
    *count = code->constant_count;
    return code->constants;
}

pst_bytes pst_code_get_bytes(const pst_code *code, pst_code_part part)
{
    switch (part) {
    case PST_CODE_BYTECODE: /* with head_only its size is known alone */
        return code->bytecode.data ? code->bytecode : (pst_bytes){NULL, (size_t)code->table.code_size};
    case PST_CODE_ADAPTIVE: return code->adaptive;
    case PST_CODE_LINETABLE: return (pst_bytes){code->table.bytes, code->table.size};
    case PST_CODE_EXCEPTIONTABLE: return code->exceptiontable;
    }
    return (pst_bytes){0};
}

const pst_line_range *pst_code_get_lines(const pst_code *code, size_t *count)
{
    *count = code->line_count;
    return code->lines;
}

const pst_position *pst_code_get_positions(const pst_code *code, size_t *count)
{
    *count = code->position_count;
    return code->positions;
}

const pst_exception_range *pst_code_get_exceptions(const pst_code *code, size_t *count)
{
    *count = code->exception_count;
    return code->exceptions;
}

const pst_code_extra *pst_code_get_extras(const pst_code *code, size_t *count)
{
    *count = code->extra_count;
    return code->extras;
}

const pst_instruction *pst_code_get_instructions(const pst_code *code, size_t *count)
{
    *count = code->instruction_count;
    return code->instructions;
}

pst_position pst_code_addr2location(const pst_code *code, int offset)
{
    pst_position position = {-1, -1, -1, -1};
    if (offset < 0 && code->table.format == LINETABLE_LOCATIONS) /* as PyCode_Addr2Location() has it */
        return (pst_position){code->table.firstlineno, code->table.firstlineno, 0, 0};
    if (code->table.bytes && !linetable_find(&code->table, offset, &position))
        position = (pst_position){-1, -1, -1, -1};
    return position;
}

int pst_code_addr2line(const pst_code *code, int offset)
{
    return pst_code_addr2location(code, offset).line;
}

const pst_code_copy *pst_code_get_copies(const pst_code *code, size_t *count)
{
    *count = code->copy_count;
    return code->copies;
}

const pst_error *pst_code_get_errors(const pst_code *code)
{
    return code->errors.first;
}
