/*
 * Which offsets hold in a target: a table of places, one for every field in layouts/fields.def.
 *
 * A layout comes from a built-in table (layouts/X.Y.layout), from a file of the user's or from DWARF, is
 * then cross-checked with what the target itself says (_Py_DebugOffsets, PyCode_Type.tp_members), and
 * remembers for each field where its offset came from.
 */
#ifndef PYSTANDER_LAYOUT_LAYOUT_H
#define PYSTANDER_LAYOUT_LAYOUT_H

#include "base/error.h"

enum field {
#define FIELD(identifier, type, member) FIELD_##identifier,
#define SIZE(identifier, type) FIELD_##identifier,
#include "../../layouts/fields.def"
#undef FIELD
#undef SIZE
    FIELD_COUNT
};

enum flavour {
    FLAVOUR_RELEASE,
    FLAVOUR_DEBUG,               /* Py_DEBUG */
    FLAVOUR_TRACE_REFS,          /* Py_DEBUG and Py_TRACE_REFS, 3.8+ (before, Py_DEBUG meant both) */
    FLAVOUR_FREE_THREADED,       /* Py_GIL_DISABLED */
    FLAVOUR_FREE_THREADED_DEBUG, /* Py_GIL_DISABLED and Py_DEBUG */
    FLAVOUR_COUNT
};

enum layout_source { LAYOUT_TABLE, LAYOUT_DEBUG_OFFSETS, LAYOUT_TYPE_MEMBERS, LAYOUT_DWARF, LAYOUT_FILE };

enum {
    /* No struct of CPython's comes near; an offset beyond it is a lie. _PyRuntimeState has the main
     * interpreter in it and is by far the largest (3.15: about 0.5 MB). */
    LAYOUT_MAX_OFFSET = 16 << 20,
};

/* Where a member is in its struct. Of a SIZE line, `offset` is the size. */
struct place {
    int32_t offset;        /* bytes; -1: this version has no such field */
    uint8_t size;          /* bytes: 1, 2, 4, 8; 0 for an array or struct, whose elements are read one by one */
    uint8_t bit, width;    /* of a bit-field: lowest bit and how many, in the `size` bytes at `offset` */
    uint8_t source;        /* enum layout_source */
};

struct layout {
    int major, minor;
    enum flavour flavour;
    char name[64];         /* "3.12", "3.13 free-threaded", "the DWARF of /usr/bin/python3" */
    struct place places[FIELD_COUNT];
};

/* "PyCodeObject.co_flags", "sizeof(PyObject)". Static. */
const char *field_get_name(enum field field);
const char *flavour_get_name(enum flavour flavour);        /* "free-threaded" */
const char *layout_source_get_name(enum layout_source source); /* as in the JSON: "debug-offsets" */

static inline bool layout_has(const struct layout *layout, enum field field)
{
    return layout->places[field].offset >= 0;
}

/* ---- table.c: the built-in tables and their text form ---------------------------------------------- */

/* The versions that have a table. */
size_t layout_table_count(void);
/* major and minor of the table at `index`, and its text (whole file, borrowed for ever). */
const char *layout_table_get(size_t index, int *major, int *minor, size_t *size);

/* The `index`th line of a table that begins with `keyword` ("column", "when"): the rest of it, data == NULL if
 * there are not as many. */
pst_text layout_table_line(const char *text, size_t size, const char *keyword, size_t index);

/* Fills `layout` from the built-in table, or sets *found to false. */
MUST_USE pst_error *layout_load(int major, int minor, enum flavour flavour, struct layout *layout, bool *found);

/* The same for one build: a few fields moved between micro versions (3.7.0 to 3.7.3), and some are elsewhere on
 * aarch64. Use this one where a target is at hand. */
struct layout_build {
    int major, minor;
    int micro;                 /* -1: not known; then as in the newest */
    enum flavour flavour;
    uint16_t machine;          /* EM_X86_64, EM_AARCH64 */
};
MUST_USE pst_error *layout_load_build(const struct layout_build *build, struct layout *layout, bool *found);

/* The same from text (of a table, a layout file); `name` is for messages. With flavour FLAVOUR_COUNT the
 * text must have just one column. */
MUST_USE pst_error *layout_parse(const char *text, size_t size, const char *name, enum flavour flavour,
                                 struct layout *layout);
MUST_USE pst_error *layout_load_file(const char *path, struct layout *layout);

#endif
