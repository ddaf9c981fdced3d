/*
 * A whole code object: every member of PyCodeObject, decoded (Include/cpython/code.h, to 3.10 also Include/code.h).
 *
 * The head of it, which frames need, is walk.h's `struct code`; this one holds all of it, for as long as the search
 * that found it stays there. Everything it points to lives in the search's arena.
 */
#ifndef PYSTANDER_PYTHON_CODE_OBJECT_H
#define PYSTANDER_PYTHON_CODE_OBJECT_H

#include "python/field.h"
#include "python/linetable.h"
#include "python/opcodes.h"

/* Limits on what a lying target can make this process do; reaching one is reported. */
enum {
    CODE_MAX_SIZE = 1 << 30,    /* bytes of co_code */
    CODE_MAX_NAMES = 1 << 20,   /* entries of one of its lists; a function has at most some thousands */
    CODE_MAX_CONSTANTS = 1 << 20,
    CODE_MAX_EXTRAS = 255,      /* Include/internal/pycore_interp.h, MAX_CO_EXTRA_USERS */
    CODE_MAX_COPIES = 1 << 16,  /* one for each thread that ran it */
    CODE_MAX_COPIES_SIZE = 1 << 26, /* bytes of them all */
};

/* Kinds of fast locals, co_localspluskinds (3.11+; Include/internal/pycore_code.h). */
enum {
    CO_FAST_ARG = 0x0e,         /* 3.14+: CO_FAST_ARG_POS | CO_FAST_ARG_KW | CO_FAST_ARG_VAR */
    CO_FAST_HIDDEN = 0x10,
    CO_FAST_LOCAL = 0x20,
    CO_FAST_CELL = 0x40,
    CO_FAST_FREE = 0x80,
};

/* co_flags that decoders ask for (Include/cpython/code.h); their names stand in layouts/X.Y.opcodes. */
enum { CO_VARARGS = 0x0004, CO_VARKEYWORDS = 0x0008 };

struct text_list {
    const pst_text *items;   /* NULL: not read */
    size_t count;
};

struct pst_code {
    pst_addr address;
    pst_code_numbers numbers;
    pst_text name, qualname, filename;
    struct linetable table;                 /* its bytes are co_lnotab's or co_linetable's */
    struct text_list lists[PST_CODE_CELLVARS + 1];
    struct text_list localsplusnames;       /* 3.11+ */
    pst_bytes localspluskinds;              /* 3.11+; as many as localsplusnames */
    const pst_constant *constants;          /* NULL: not read */
    const pst_addr *constant_objects;       /* parallel to `constants` */
    size_t constant_count;
    pst_bytes bytecode, adaptive, exceptiontable;
    const pst_line_range *lines;
    size_t line_count;
    const pst_position *positions;
    size_t position_count;
    const pst_exception_range *exceptions;
    size_t exception_count;
    const pst_code_extra *extras;
    size_t extra_count;
    const pst_instruction *instructions;
    size_t instruction_count;
    const int *labels;
    size_t label_count;
    pst_code_copy *copies;                  /* NULL: not read, or there are none in this build */
    size_t copy_count;
    const char *const *flag_names;          /* ends with NULL */
    struct error_list errors;
};

/* What a decoder of one code object works with. */
struct code_reader {
    const struct python *python;
    const struct opcodes *opcodes;
    struct arena *arena;     /* of all that is read */
    struct pst_code *code;
};

/* Keeps `error` (NULL: none) with the code object, under the name of the member. */
void code_add_error(struct code_reader *reader, pst_error *error, const char *member);

/* ---- code.c ------------------------------------------------------------------------------------------ */

/* That the object at `address` has the type of code objects. */
MUST_USE pst_error *code_expect(const struct python *python, pst_addr address);
/* Bytes of co_code: 3.11+ the object's own tail, before a bytes object (2.7: str). */
MUST_USE pst_error *code_read_size(const struct python *python, pst_addr address, int *size);
/* co_firstlineno and the bytes of co_lnotab or co_linetable. */
MUST_USE pst_error *code_read_line_table(const struct python *python, struct arena *arena, pst_addr address,
                                         struct linetable *table);

/* ---- code_object.c ----------------------------------------------------------------------------------- */

/* Whether there is a live code object at `address`: its type, its reference count, numbers that can be. */
MUST_USE pst_error *code_validate(const struct python *python, pst_addr address, bool *valid);
/* Names, file, numbers, sizes. What could not be read is on the code's errors. */
void code_read_head(struct code_reader *reader, pst_addr address);
/* co_exceptiontable, which needs the size of the code alone. */
MUST_USE pst_error *code_read_exceptions(struct code_reader *reader);
/* The rest of it, after the head. */
void code_read_body(struct code_reader *reader);

/* ---- bytecode.c --------------------------------------------------------------------------------------- */

/* Fills `adaptive` and `bytecode`: undoes specialisation, instrumentation and executors. */
MUST_USE pst_error *bytecode_read(struct code_reader *reader);
/* Makes `bytecode` out of the `size` bytes of `units`, which stand in memory for the code object's own. */
MUST_USE pst_error *bytecode_undo(struct code_reader *reader, const uint8_t *units, size_t size, pst_bytes *bytecode);
/* Nothing but zeros: what Cython gives code objects from 3.11 on, which are there for their names and lines and are
 * never run. */
bool bytecode_is_blank(const struct pst_code *code);

/* ---- code_copy.c: co_tlbc, of free-threaded builds from 3.14 on ----------------------------------------------- */

/* Where copy `index` of a code object's bytecode begins. */
MUST_USE pst_error *code_copy_find(const struct python *python, pst_addr code, int index, pst_addr *first);
/* Fills `copies`, after bytecode_read(). */
MUST_USE pst_error *code_copies_read(struct code_reader *reader);

/* ---- bytecode_check.c -------------------------------------------------------------------------------------- */

/* That the bytecode can be sound beside everything else that was read; last of all. */
MUST_USE pst_error *bytecode_check(const struct code_reader *reader);

/* ---- code_table.c: pure functions over bytes ----------------------------------------------------------- */

/* co_lines() and co_positions() of a line table; the arrays are the arena's. An error: the table is not sound; what
 * came before is there. `merge`: neighbours of the same line are one, as from 3.12 on. */
MUST_USE pst_error *lines_list(const struct linetable *table, bool merge, struct arena *arena,
                               const pst_line_range **lines, size_t *count);
MUST_USE pst_error *positions_list(const struct linetable *table, struct arena *arena, const pst_position **positions,
                                   size_t *count);
/* The exception table (3.11+; Objects/exception_handling_notes.txt). */
MUST_USE pst_error *exceptions_list(pst_bytes table, int code_size, struct arena *arena,
                                    const pst_exception_range **ranges, size_t *count);

/* ---- code_extra.c ------------------------------------------------------------------------------------- */

/* Fills `extras`; their freefuncs are those of the interpreter at `interpreter`. */
MUST_USE pst_error *code_extra_read(struct code_reader *reader, pst_addr interpreter);

/* ---- instruction.c ------------------------------------------------------------------------------------ */

/* Fills `instructions`, from what code_read_body() read. */
MUST_USE pst_error *instructions_read(struct code_reader *reader);

#endif
