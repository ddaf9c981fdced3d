#include "python/pyc.h"

#include "python/attribute.h"
#include "python/object.h"
#include "python/string.h"
#include "python/walk.h"

/* ---- the head ------------------------------------------------------------------------------------------ */

/* 3.x: what _frozen_importlib_external.MAGIC_NUMBER is; 0 bytes if there is none. */
static pst_error *read_magic(const struct python *python, struct arena *arena, pst_addr interpreter,
                             const uint8_t **magic, size_t *size)
{
    pst_addr modules, module = 0, number = 0;
    *size = 0;
    if (python_is_2(python) || !interpreter)
        return NULL;
    TRY(interpreter_get_modules(python, interpreter, &modules));
    if (modules)
        TRY(dict_get(python, modules, "_frozen_importlib_external", NULL, &module));
    if (module)
        TRY(attribute_get(python, module, "MAGIC_NUMBER", NULL, &number));
    return number ? bytes_read(python, arena, number, magic, size) : NULL;
}

pst_error *pyc_find_magic(const struct python *python, const struct opcodes *opcodes, pst_addr interpreter,
                          uint8_t magic[PYC_MAGIC_SIZE])
{
    struct arena arena = {0};
    const uint8_t *own = NULL;
    size_t size = 0;
    pst_error *error = read_magic(python, &arena, interpreter, &own, &size);
    bool is_sound = !error && size == PYC_MAGIC_SIZE && own[2] == '\r' && own[3] == '\n';
    const uint8_t of_version[PYC_MAGIC_SIZE] = {opcodes->magic & 0xff, opcodes->magic >> 8, '\r', '\n'};
    memcpy(magic, is_sound ? own : of_version, PYC_MAGIC_SIZE);
    arena_free(&arena);
    if (!is_sound && !opcodes->magic && !error)
        error = error_new(PST_ERROR_UNSUPPORTED, "the magic number of this version's .pyc files is not known");
    return error_in(error, "MAGIC_NUMBER");
}

void pyc_add_head(const struct python *python, const uint8_t magic[PYC_MAGIC_SIZE], struct text *bytes)
{
    int version = python_minor_version(python);
    int more = version >= 307 ? 3 : version >= 300 ? 2 : 1;   /* flags (3.7+), time, size (3.3+) */
    text_add(bytes, magic, PYC_MAGIC_SIZE);
    for (int i = 0; i < more; i++)
        marshal_put_int(bytes, 0);
}

/* ---- bytecode ------------------------------------------------------------------------------------------ */

struct assembler {
    const struct python *python;
    const struct opcodes *opcodes;
    struct text *code;
    const char *missing;   /* an instruction that this version has not */
};

static int find_opcode(const struct opcodes *opcodes, const char *name)
{
    for (int i = 0; i < 256; i++)
        if (opcodes->opcodes[i].name && strcmp(opcodes->opcodes[i].name, name) == 0)
            return i;
    return -1;
}

/* Python 2: one byte, or three with an argument of 16 bits. */
static void emit_bytes(struct assembler *assembler, int opcode, uint32_t arg)
{
    const struct opcodes *opcodes = assembler->opcodes;
    struct text *code = assembler->code;
    if (arg >> 16) {
        text_add_char(code, (char)opcodes->extended_arg);
        text_add_char(code, (char)(arg >> 16 & 0xff));
        text_add_char(code, (char)(arg >> 24));
    }
    text_add_char(code, (char)opcode);
    if (opcode < opcodes->have_argument)
        return;
    text_add_char(code, (char)(arg & 0xff));
    text_add_char(code, (char)(arg >> 8 & 0xff));
}

/* 3.6+: units of two bytes. */
static void emit_units(struct assembler *assembler, int opcode, uint32_t arg)
{
    const struct opcodes *opcodes = assembler->opcodes;
    struct text *code = assembler->code;
    for (int shift = 24; shift > 0; shift -= 8) {
        if (!(arg >> shift))
            continue;
        text_add_char(code, (char)opcodes->extended_arg);
        text_add_char(code, (char)(arg >> shift & 0xff));
    }
    text_add_char(code, (char)opcode);
    text_add_char(code, (char)(arg & 0xff));
    text_add_repeat(code, '\0', 2 * (size_t)opcodes->opcodes[opcode].cache_count);
}

static void emit(struct assembler *assembler, const char *name, size_t arg)
{
    int opcode = find_opcode(assembler->opcodes, name);
    if (opcode < 0)
        assembler->missing = name;
    else if (python_is_2(assembler->python))
        emit_bytes(assembler, opcode, (uint32_t)arg);
    else
        emit_units(assembler, opcode, (uint32_t)arg);
}

/* 3.3 to 3.10: MAKE_FUNCTION takes the qualified name from the stack. */
static bool has_name_operand(const struct python *python)
{
    int version = python_minor_version(python);
    return version >= 300 && version < 311;
}

/* Constants: None, the code objects (of none: an empty tuple), and where MAKE_FUNCTION needs them the functions' names.
 * Names: the functions' and last `__codes__`. */
static pst_error *assemble(struct assembler *assembler, const struct pyc_module *module)
{
    if (assembler->opcodes->resume >= 0)
        emit(assembler, "RESUME", 0);
    for (size_t i = 0; i < module->function_count; i++) {
        emit(assembler, "LOAD_CONST", 1 + module->functions[i]);
        if (has_name_operand(assembler->python))
            emit(assembler, "LOAD_CONST", 1 + module->code_count + i);
        emit(assembler, "MAKE_FUNCTION", 0);
        emit(assembler, "STORE_NAME", i);
    }
    for (size_t i = 0; i < module->code_count; i++)
        emit(assembler, "LOAD_CONST", 1 + i);
    if (module->code_count)
        emit(assembler, "BUILD_TUPLE", module->code_count);
    else
        emit(assembler, "LOAD_CONST", 1);   /* as compilers do: () is not built */
    emit(assembler, "STORE_NAME", module->function_count);
    emit(assembler, "LOAD_CONST", 0);
    emit(assembler, "RETURN_VALUE", 0);
    if (assembler->missing)
        return error_new(PST_ERROR_UNSUPPORTED, "this version has no instruction %s", assembler->missing);
    return assembler->code->failed ? error_no_memory() : NULL;
}

/* ---- the code object ----------------------------------------------------------------------------------- */

static void add_numbers(const struct python *python, const struct pyc_module *module, struct text *bytes)
{
    enum { CO_NOFREE = 0x40, FUNCTION_OPERANDS = 2 };
    int version = python_minor_version(python);
    size_t deepest = module->code_count > FUNCTION_OPERANDS ? module->code_count : FUNCTION_OPERANDS;
    int zeros = version < 300 ? 2 : version < 308 ? 3 : version < 311 ? 4 : 3;   /* counts of arguments; co_nlocals */
    for (int i = 0; i < zeros; i++)
        marshal_put_int(bytes, 0);
    marshal_put_int(bytes, (int64_t)deepest);
    marshal_put_int(bytes, version < 311 ? CO_NOFREE : 0);
}

/* Everything is on line 1. */
static void add_line_table(const struct python *python, size_t code_size, struct text *bytes)
{
    enum {
        MOST_310 = 254, /* bytes of code in an entry (Objects/lnotab_notes.txt) */
        MOST_UNITS = 8, NO_COLUMNS = 0x80 | 13 << 3, /* Objects/locations.md */
    };
    struct text table = {0};
    int version = python_minor_version(python);
    size_t unit_count = code_size / 2;
    for (size_t left = code_size; version == 310 && left; left -= left < MOST_310 ? left : MOST_310) {
        text_add_char(&table, (char)(left < MOST_310 ? left : MOST_310));
        text_add_char(&table, 0);
    }
    for (size_t left = unit_count; version >= 311 && left; left -= left < MOST_UNITS ? left : MOST_UNITS) {
        text_add_char(&table, (char)(NO_COLUMNS | ((left < MOST_UNITS ? left : MOST_UNITS) - 1)));
        text_add_char(&table, 0);
    }
    marshal_put_bytes(bytes, table.data, table.size);
    bytes->failed |= table.failed;
    text_free(&table);
}

/* All in front of the code objects among the constants. */
static void add_front(const struct python *python, const struct pyc_module *module, const struct text *code,
                      struct text *bytes)
{
    text_add_char(bytes, 'c');
    add_numbers(python, module, bytes);
    marshal_put_bytes(bytes, code->data, code->size);
    size_t own_count = module->code_count ? module->code_count : 1;
    marshal_put_tuple(bytes, 1 + own_count + (has_name_operand(python) ? module->function_count : 0));
    text_add_char(bytes, 'N');
}

static pst_error *add_function_names(struct marshal *marshal, const struct pyc_module *module)
{
    for (size_t i = 0; i < module->function_count; i++)
        TRY(marshal_add_name_of(marshal, module->codes[module->functions[i]]));
    return NULL;
}

/* All behind them. */
static pst_error *add_back(struct marshal *marshal, const struct pyc_module *module, size_t code_size)
{
    const struct python *python = marshal->python;
    struct text *bytes = marshal->bytes;
    bool is_311 = has(python, F(PyCodeObject_co_localsplusnames));
    if (!module->code_count)
        marshal_put_tuple(bytes, 0);
    if (has_name_operand(python))
        TRY(add_function_names(marshal, module));
    marshal_put_tuple(bytes, module->function_count + 1);
    TRY(add_function_names(marshal, module));
    marshal_put_name(python, bytes, "__codes__");
    marshal_put_tuple(bytes, 0);
    if (is_311) {
        marshal_put_bytes(bytes, "", 0);
    } else {
        marshal_put_tuple(bytes, 0);
        marshal_put_tuple(bytes, 0);
    }
    if (module->code_count)
        TRY(marshal_add_filename_of(marshal, module->codes[0]));
    else
        marshal_put_text(python, bytes, module->filename);
    marshal_put_name(python, bytes, "<module>");
    if (is_311)
        marshal_put_name(python, bytes, "<module>");
    marshal_put_int(bytes, 1);
    add_line_table(python, code_size, bytes);
    if (is_311)
        marshal_put_bytes(bytes, "", 0);
    return bytes->failed ? error_no_memory() : NULL;
}

pst_error *pyc_add_module(struct marshal *marshal, const struct pyc_module *module, struct text *bytes)
{
    struct text code = {0};
    struct assembler assembler = {marshal->python, marshal->opcodes, &code, NULL};
    pst_error *error = assemble(&assembler, module);
    if (!error)
        error = add_back(marshal, module, code.size);
    if (!error) {
        add_front(marshal->python, module, &code, bytes);
        text_add(bytes, marshal->bytes->data, marshal->bytes->size);
        error = bytes->failed ? error_no_memory() : NULL;
    }
    text_free(&code);
    return error;
}
