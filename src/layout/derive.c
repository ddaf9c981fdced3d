#include "layout/derive.h"

#include "image/dwarf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Other names of a struct that some version, or its tag, has. */
static const char *const other_names[][DWARF_MAX_NAMES] = {
    {"PyTypeObject", "_typeobject"},
    {"PyHeapTypeObject", "_heaptypeobject"},
    {"PyThreadState", "_ts"},
    {"PyInterpreterState", "_is"},
    {"_PyRuntimeState", "pyruntimestate"},
    {"_PyCFrame", "CFrame", "_cframe"}, /* 3.10 and 3.11.0: CFrame */
    {"PyFrameObject", "_frame"},
    {"PyDictKeysObject", "_dictkeysobject"},
    {"PyDictValues", "_dictvalues"},
    {"_PyErr_StackItem", "_err_stackitem"},
    {"_PyStackChunk", "_stack_chunk"},
};

enum { OTHER_NAME_COUNT = sizeof other_names / sizeof *other_names };

/* Without these there is no CPython in the debug information. */
static const enum field required[] = {FIELD_PyObject_ob_type, FIELD_PyCodeObject_co_name, FIELD_PyThreadState_interp};

/* A field's struct and member (NULL: the struct's size). */
struct request {
    const char *type, *path;
    enum field field;
};

/* Beyond the fields: what tells the flavours apart. */
enum { REQUEST_OB_TID = FIELD_COUNT, REQUEST_OB_NEXT, REQUEST_COUNT };

static const struct request requests[REQUEST_COUNT] = {
#define FIELD(identifier, type, member) {type, member, FIELD_##identifier},
#define SIZE(identifier, type) {type, NULL, FIELD_##identifier},
#include "../../layouts/fields.def"
#undef FIELD
#undef SIZE
    [REQUEST_OB_TID] = {"PyObject", "ob_tid", FIELD_COUNT},
    [REQUEST_OB_NEXT] = {"PyObject", "_ob_next", FIELD_COUNT},
};

/* All that is asked of image/dwarf, and which request each answer belongs to. */
struct query {
    struct dwarf_struct structs[REQUEST_COUNT];
    size_t struct_count;
    struct dwarf_member members[REQUEST_COUNT];   /* in the order of their structs */
    size_t member_of[REQUEST_COUNT];              /* of a request: its member */
    size_t struct_of[REQUEST_COUNT];              /* and its struct */
};

static size_t find_struct(const struct query *query, const char *type)
{
    size_t i = 0;
    while (i < query->struct_count && strcmp(query->structs[i].names[0], type))
        i++;
    return i;
}

static void name_struct(struct dwarf_struct *structure, const char *type)
{
    structure->names[0] = type;
    for (size_t i = 0; i < OTHER_NAME_COUNT; i++)
        if (!strcmp(other_names[i][0], type))
            memcpy(structure->names, other_names[i], sizeof structure->names);
}

static void fill_query(struct query *query)
{
    for (size_t i = 0; i < REQUEST_COUNT; i++) {
        size_t at = find_struct(query, requests[i].type);
        if (at == query->struct_count)
            name_struct(&query->structs[query->struct_count++], requests[i].type);
        query->struct_of[i] = at;
    }
    size_t member_count = 0;
    for (size_t s = 0; s < query->struct_count; s++) {
        query->structs[s].members = &query->members[member_count];
        for (size_t i = 0; i < REQUEST_COUNT; i++) {
            if (query->struct_of[i] != s || !requests[i].path)
                continue;
            query->member_of[i] = member_count;
            query->members[member_count++].path = requests[i].path;
            query->structs[s].member_count++;
        }
    }
}

static struct place take_answer(const struct query *query, size_t request)
{
    static const struct place absent = {.offset = -1, .source = LAYOUT_DWARF};
    const struct dwarf_struct *structure = &query->structs[query->struct_of[request]];
    struct place place = {.source = LAYOUT_DWARF};
    if (!requests[request].path) {
        if (!structure->found || structure->size > LAYOUT_MAX_OFFSET)
            return absent;
        place.offset = (int32_t)structure->size;
        return place;
    }
    const struct dwarf_member *member = &query->members[query->member_of[request]];
    if (!member->found || member->offset > LAYOUT_MAX_OFFSET)
        return absent;
    place.offset = (int32_t)member->offset;
    place.size = member->size;
    place.bit = member->bit;
    place.width = member->width;
    return place;
}

static enum flavour tell_flavour(const struct query *query, int major, int minor)
{
    if (query->members[query->member_of[REQUEST_OB_TID]].found)
        return FLAVOUR_FREE_THREADED;
    if (query->members[query->member_of[REQUEST_OB_NEXT]].found)
        return major < 3 || (major == 3 && minor < 8) ? FLAVOUR_DEBUG : FLAVOUR_TRACE_REFS;
    return FLAVOUR_RELEASE;
}

pst_error *layout_derive(int fd, int supplement, const char *name, int major, int minor, enum flavour flavour,
                         struct layout *layout, bool *found)
{
    *found = false;
    memset(layout, 0, sizeof *layout);
    struct query *query = calloc(1, sizeof *query);
    if (!query)
        return error_no_memory();
    fill_query(query);
    pst_error *error = dwarf_find(fd, supplement, name, query->structs, query->struct_count);

    layout->major = major;
    layout->minor = minor;
    layout->flavour = flavour < FLAVOUR_COUNT ? flavour : tell_flavour(query, major, minor);
    snprintf(layout->name, sizeof layout->name, "the DWARF of %s", name);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        layout->places[i] = take_answer(query, i);
    *found = true;
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!layout_has(layout, required[i]))
            *found = false;
    free(query);
    return error;
}

/* ---- text ------------------------------------------------------------------------------------------- */

enum { NAME_WIDTH = 52, CELL_WIDTH = 12 };

void layout_write_place(const struct place *place, unsigned size, struct text *text)
{
    if (place->offset < 0) {
        text_add_char(text, '-');
        return;
    }
    text_add_unsigned(text, (uint64_t)place->offset);
    if (place->width)
        text_printf(text, ".%u+%u", place->bit, place->width);
    if (place->size != size && place->size)
        text_printf(text, ":%u", place->size);
    else if (place->size != size)
        text_add_string(text, ":-");
}

void layout_write(const struct layout *layout, const char *source, struct text *text)
{
    const char *flavour = flavour_get_name(layout->flavour);
    text_printf(text, "version %d.%d\ncolumn %s  %s\n", layout->major, layout->minor, flavour, source);
    text_printf(text, "# %-*s %4s %*s\n", NAME_WIDTH - 2, "field", "size", CELL_WIDTH, flavour);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct place *place = &layout->places[i];
        if (place->offset < 0)
            continue;
        struct text cell = {0};
        char size[4] = "-";
        if (place->size)
            snprintf(size, sizeof size, "%u", place->size);
        layout_write_place(place, place->size, &cell);
        text_printf(text, "%-*s %4s %*.*s\n", NAME_WIDTH, field_get_name(i), size, CELL_WIDTH, (int)cell.size,
                    cell.data ? cell.data : "");
        text->failed |= cell.failed;
        text_free(&cell);
    }
}
