#include "layout/crosscheck.h"

#include "base/bytes.h"

#include <string.h>

/* ---- one statement ---------------------------------------------------------------------------------- */

static const char *const origins[] = {
    [LAYOUT_DEBUG_OFFSETS] = "_Py_DebugOffsets",
    [LAYOUT_TYPE_MEMBERS] = "PyCode_Type.tp_members",
};

/* Whether a field that is `size` bytes (0: not known) can be at `offset` of a struct of `limit` bytes. */
static bool is_possible(uint64_t offset, unsigned size, uint64_t limit)
{
    if (limit > LAYOUT_MAX_OFFSET || offset > limit || size > limit - offset)
        return false;
    return size < 2 || offset % size == 0;
}

static void tell(struct error_list *differences, const char *field, enum layout_source source, uint64_t stated,
                 const char *outcome, const struct layout *layout, int32_t known)
{
    error_list_add(differences,
                   error_new(PST_ERROR_CORRUPT, "%s is at %llu by the target's own %s, at %d by %s; %s", field,
                             (unsigned long long)stated, origins[source], (int)known, layout->name, outcome));
}

/* The target says that `field` is at `offset`. */
static void state(struct layout *layout, enum field field, uint64_t offset, uint64_t limit, enum layout_source source,
                  struct error_list *differences)
{
    struct place *place = &layout->places[field];
    /* Absent here, a 0 there: both say that this build has no such field. */
    if (place->offset < 0 || (uint64_t)place->offset == offset)
        return;
    if (!is_possible(offset, place->width ? 0 : place->size, limit)) {
        tell(differences, field_get_name(field), source, offset, "which can't be and was passed over", layout,
             place->offset);
        return;
    }
    tell(differences, field_get_name(field), source, offset, "the target's word counts", layout, place->offset);
    place->offset = (int32_t)offset;
    place->source = (uint8_t)source;
}

/* ---- _Py_DebugOffsets ------------------------------------------------------------------------------- */

enum word_kind { WORD_STRUCT, WORD_OFFSET, WORD_BITS, WORD_OTHER };

struct word {
    uint8_t since;       /* minor version */
    uint8_t kind;
    uint16_t first, last; /* fields; FIELD_COUNT: none */
};

static const struct word words[] = {
#define STRUCT(since, size) {since, WORD_STRUCT, FIELD_##size, FIELD_##size},
#define OFFSET(since, field) {since, WORD_OFFSET, FIELD_##field, FIELD_##field},
#define BITS(since, first, last) {since, WORD_BITS, FIELD_##first, FIELD_##last},
#define OTHER(since) {since, WORD_OTHER, FIELD_COUNT, FIELD_COUNT},
#include "layout/debug_offsets.def"
#undef STRUCT
#undef OFFSET
#undef BITS
#undef OTHER
};

enum {
    WORD_COUNT = sizeof words / sizeof *words,
    HEADER_SIZE = 24,                /* cookie, version, free_threaded */
    OLDEST_MINOR = 13,
    NEWEST_MINOR = 15,               /* whose order debug_offsets.def knows */
    MAX_SIZE = HEADER_SIZE + 8 * WORD_COUNT,
};

static const char cookie[8] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};

size_t debug_offsets_size(int major, int minor)
{
    size_t size = HEADER_SIZE;
    if (major != 3 || minor < OLDEST_MINOR || minor > NEWEST_MINOR)
        return 0;
    for (size_t i = 0; i < WORD_COUNT; i++)
        size += words[i].since <= minor ? 8 : 0;
    return size;
}

static pst_error *check_header(const uint8_t *bytes, const struct layout *layout)
{
    uint64_t version = bytes_unsigned(bytes + 8, 8), free_threaded = bytes_unsigned(bytes + 16, 8);
    bool expected = layout->flavour == FLAVOUR_FREE_THREADED || layout->flavour == FLAVOUR_FREE_THREADED_DEBUG;
    if (memcmp(bytes, cookie, sizeof cookie))
        return error_new(PST_ERROR_CORRUPT, "_Py_DebugOffsets does not begin with its cookie");
    if (version >> 24 != (uint64_t)layout->major || (version >> 16 & 0xff) != (uint64_t)layout->minor)
        return error_new(PST_ERROR_CORRUPT, "_Py_DebugOffsets is of version 0x%llx, the layout of %d.%d",
                         (unsigned long long)version, layout->major, layout->minor);
    if (free_threaded > 1 || (free_threaded == 1) != expected)
        return error_new(PST_ERROR_CORRUPT, "_Py_DebugOffsets has %llu for free-threaded, the layout is %s",
                         (unsigned long long)free_threaded, flavour_get_name(layout->flavour));
    return NULL;
}

/* The number that some bit-fields are in has moved: they move with it. The first of them that there is stands
 * at the number's start. */
static void state_bits(struct layout *layout, const struct word *word, uint64_t offset, uint64_t limit,
                       struct error_list *differences)
{
    unsigned first = word->first;
    while (first < word->last && !layout_has(layout, first))
        first++;
    int32_t before = layout->places[first].offset;
    state(layout, first, offset, limit, LAYOUT_DEBUG_OFFSETS, differences);
    int32_t shift = layout->places[first].offset - before;
    for (unsigned field = first + 1; shift && field <= word->last; field++) {
        struct place *place = &layout->places[field];
        if (place->offset < 0 || place->offset + shift < 0)
            continue;
        place->offset += shift;
        place->source = LAYOUT_DEBUG_OFFSETS;
    }
}

pst_error *crosscheck_debug_offsets(struct memory *memory, pst_addr runtime, struct layout *layout, size_t *stated,
                                    struct error_list *differences)
{
    uint8_t bytes[MAX_SIZE];
    size_t size = debug_offsets_size(layout->major, layout->minor);
    uint64_t limit = 0;

    *stated = 0;
    if (!size || !runtime)
        return NULL;
    TRY(error_in(memory_read(memory, runtime, bytes, size), "_Py_DebugOffsets"));
    TRY(check_header(bytes, layout));
    const uint8_t *at = bytes + HEADER_SIZE;
    for (size_t i = 0; i < WORD_COUNT; i++) {
        const struct word *word = &words[i];
        if (word->since > layout->minor)
            continue;
        uint64_t value = bytes_unsigned(at, 8);
        at += 8;
        if (word->kind == WORD_STRUCT)
            limit = value;
        if (word->first < FIELD_COUNT && layout_has(layout, word->first))
            ++*stated;
        if (word->kind == WORD_BITS)
            state_bits(layout, word, value, limit, differences);
        else if (word->first < FIELD_COUNT)
            state(layout, word->first, value, limit, LAYOUT_DEBUG_OFFSETS, differences);
    }
    return NULL;
}

/* ---- PyCode_Type.tp_members ------------------------------------------------------------------------- */

/* co_argcount … as they stand in code_memberlist (Objects/codeobject.c), for when the names can't be read. */
#define CODE(name) FIELD_PyCodeObject_co_##name
static const uint16_t members_to_310[] = {
    CODE(argcount), CODE(posonlyargcount), CODE(kwonlyargcount), CODE(nlocals), CODE(stacksize), CODE(flags),
    CODE(code), CODE(consts), CODE(names), CODE(varnames), CODE(freevars), CODE(cellvars), CODE(filename),
    CODE(name), CODE(firstlineno), CODE(lnotab), CODE(linetable),
};
static const uint16_t members_from_311[] = {
    CODE(argcount), CODE(posonlyargcount), CODE(kwonlyargcount), CODE(stacksize), CODE(flags), CODE(nlocals),
    CODE(consts), CODE(names), CODE(filename), CODE(name), CODE(qualname), CODE(firstlineno), CODE(linetable),
    CODE(exceptiontable),
};
#undef CODE

enum { COUNT_TO_310 = sizeof members_to_310 / 2, COUNT_FROM_311 = sizeof members_from_311 / 2 };

/* What an entry's `type` says of the field's size: Include/structmember.h. */
enum { MEMBER_INT = 1, MEMBER_OBJECT = 6, MEMBER_OBJECT_EX = 16, MEMBER_PYSSIZET = 19 };

static unsigned member_size(uint64_t type)
{
    if (type == MEMBER_INT)
        return 4;
    return type == MEMBER_OBJECT || type == MEMBER_OBJECT_EX || type == MEMBER_PYSSIZET ? 8 : 0;
}

/* The `index`th member that the layout's version has, or FIELD_COUNT. */
static enum field member_by_order(const struct layout *layout, size_t index)
{
    bool old = layout->major < 3 || layout->minor < 11;
    const uint16_t *members = old ? members_to_310 : members_from_311;
    size_t count = old ? COUNT_TO_310 : COUNT_FROM_311;
    for (size_t i = 0; i < count; i++)
        if (layout_has(layout, members[i]) && index-- == 0)
            return members[i];
    return FIELD_COUNT;
}

/* "co_flags" is PyCodeObject.co_flags; FIELD_COUNT: a member that is no field of ours. */
static enum field member_by_name(const char *name)
{
    static const char prefix[] = "PyCodeObject.";
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        const char *full = field_get_name(field);
        if (!strncmp(full, prefix, sizeof prefix - 1) && !strcmp(full + sizeof prefix - 1, name))
            return field;
    }
    return FIELD_COUNT;
}

static enum field find_member(struct memory *memory, const struct layout *layout, pst_addr name_address, size_t index)
{
    char name[CROSSCHECK_MAX_NAME + 1] = {0};
    size_t got = 0;
    pst_error_free(memory_read_some(memory, name_address, name, CROSSCHECK_MAX_NAME, &got));
    return got && memchr(name, 0, got) ? member_by_name(name) : member_by_order(layout, index);
}

/* The fields of a PyMemberDef, out of its bytes. */
static uint64_t entry_field(const struct layout *layout, const uint8_t *entry, enum field field)
{
    const struct place *place = &layout->places[field];
    return bytes_unsigned(entry + place->offset, place->size);
}

static bool knows_entries(const struct layout *layout)
{
    static const enum field needed[] = {FIELD_PyMemberDef_name, FIELD_PyMemberDef_type, FIELD_PyMemberDef_offset};
    int32_t size = layout->places[FIELD_sizeof_PyMemberDef].offset;
    if (size < 8 || size > 64 || !layout_has(layout, FIELD_PyTypeObject_tp_members))
        return false;
    for (size_t i = 0; i < 3; i++) {
        const struct place *place = &layout->places[needed[i]];
        if (place->offset < 0 || !place->size || place->offset + place->size > size)
            return false;
    }
    return true;
}

pst_error *crosscheck_code_members(struct memory *memory, pst_addr code_type, struct layout *layout, size_t *stated,
                                   struct error_list *differences)
{
    uint8_t pointer[8], entries[CROSSCHECK_MAX_MEMBERS * 64];
    size_t got = 0;

    *stated = 0;
    if (!code_type || !knows_entries(layout))
        return NULL;
    size_t size = (size_t)layout->places[FIELD_sizeof_PyMemberDef].offset;
    pst_addr members_place = code_type + (pst_addr)layout->places[FIELD_PyTypeObject_tp_members].offset;
    TRY(error_of_field(memory_read(memory, members_place, pointer, sizeof pointer), "PyTypeObject.tp_members",
                       layout->name));
    pst_addr members = bytes_unsigned(pointer, 8);
    if (!members)
        return NULL;
    pst_error *error = memory_read_some(memory, members, entries, CROSSCHECK_MAX_MEMBERS * size, &got);
    if (got < size)
        return error_in(error, "PyCode_Type.tp_members");
    pst_error_free(error);

    uint64_t limit = layout_has(layout, FIELD_sizeof_PyCodeObject)
                         ? (uint64_t)layout->places[FIELD_sizeof_PyCodeObject].offset : LAYOUT_MAX_OFFSET;
    for (size_t i = 0; i < got / size; i++) {
        const uint8_t *entry = entries + i * size;
        pst_addr name = entry_field(layout, entry, FIELD_PyMemberDef_name);
        if (!name)
            break;
        unsigned expected = member_size(entry_field(layout, entry, FIELD_PyMemberDef_type));
        enum field field = find_member(memory, layout, name, i);
        if (field == FIELD_COUNT || !layout_has(layout, field))
            continue;
        if (expected && expected != layout->places[field].size) {
            error_list_add(differences, error_new(PST_ERROR_CORRUPT, "%s has %u bytes by %s, %u by %s",
                                                  field_get_name(field), expected, origins[LAYOUT_TYPE_MEMBERS],
                                                  layout->places[field].size, layout->name));
            continue;
        }
        ++*stated;
        state(layout, field, entry_field(layout, entry, FIELD_PyMemberDef_offset), limit, LAYOUT_TYPE_MEMBERS,
              differences);
    }
    return NULL;
}
