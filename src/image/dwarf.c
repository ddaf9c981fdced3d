#include "image/dwarf.h"

#include <dwarf.h>
#include <libdwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names asked for, by hash; twice as many slots as there are names, or more. */
struct name_slot {
    const char *name;
    struct dwarf_struct *wanted;
};

struct reader {
    Dwarf_Debug file, supplement;
    struct name_slot *slots;
    size_t slot_mask;
    size_t missing;         /* structs that were not found yet */
    uint64_t entry_count;   /* entries looked at, of DWARF_MAX_ENTRIES */
    char damage[128];       /* the first thing that could not be read */
};

/* An entry and the file that it is in. Owned: entry_drop(). */
struct entry {
    Dwarf_Debug file;
    Dwarf_Die die;
};

/* ---- libdwarf's two interfaces: 20210528 and before, 0.1 and later ---------------------------------- */

static int open_file(int fd, Dwarf_Debug *file, Dwarf_Error *error)
{
#ifdef DW_LIBDWARF_VERSION_MAJOR
    return dwarf_init_b(fd, DW_GROUPNUMBER_ANY, NULL, NULL, file, error);
#else
    return dwarf_init_b(fd, DW_DLC_READ, DW_GROUPNUMBER_ANY, NULL, NULL, file, error);
#endif
}

static void close_file(Dwarf_Debug file)
{
#ifdef DW_LIBDWARF_VERSION_MAJOR
    dwarf_finish(file);
#else
    Dwarf_Error error = NULL;
    dwarf_finish(file, &error);
#endif
}

/* ---- small steps ------------------------------------------------------------------------------------ */

static void note_damage(struct reader *reader, const char *what)
{
    if (!reader->damage[0])
        snprintf(reader->damage, sizeof reader->damage, "%s", what);
}

/* Whether a call gave something. Notes and frees its error. */
static bool gave(struct reader *reader, Dwarf_Debug file, int result, Dwarf_Error *error)
{
    if (result == DW_DLV_ERROR) {
        note_damage(reader, *error ? dwarf_errmsg(*error) : "unknown error");
        if (*error)
            dwarf_dealloc_error(file, *error);
    }
    *error = NULL;
    return result == DW_DLV_OK;
}

static void entry_drop(struct entry *entry)
{
    if (entry->die)
        dwarf_dealloc_die(entry->die);
    entry->die = NULL;
}

static int entry_tag(struct reader *reader, struct entry entry)
{
    Dwarf_Error error = NULL;
    Dwarf_Half tag = 0;
    return gave(reader, entry.file, dwarf_tag(entry.die, &tag, &error), &error) ? tag : 0;
}

/* Borrowed from the file; NULL: it has none. */
static const char *entry_name(struct reader *reader, struct entry entry)
{
    Dwarf_Error error = NULL;
    char *name = NULL;
    return gave(reader, entry.file, dwarf_diename(entry.die, &name, &error), &error) ? name : NULL;
}

static bool entry_has(struct reader *reader, struct entry entry, Dwarf_Half attribute)
{
    Dwarf_Error error = NULL;
    Dwarf_Bool has = 0;
    return gave(reader, entry.file, dwarf_hasattr(entry.die, attribute, &has, &error), &error) && has;
}

static bool entry_child(struct reader *reader, struct entry entry, struct entry *child)
{
    Dwarf_Error error = NULL;
    *child = (struct entry){.file = entry.file};
    return gave(reader, entry.file, dwarf_child(entry.die, &child->die, &error), &error);
}

/* Turns `entry` into its next sibling. false: there is none, and `entry` is dropped. */
static bool entry_advance(struct reader *reader, struct entry *entry)
{
    Dwarf_Error error = NULL;
    Dwarf_Die next = NULL;
    Dwarf_Off here = 0, there = 0;
    Dwarf_Bool is_info = dwarf_get_die_infotypes_flag(entry->die);
    bool found =
        gave(reader, entry->file, dwarf_siblingof_b(entry->file, entry->die, is_info, &next, &error), &error);
    /* A DW_AT_sibling that points back would go round for ever. */
    if (found && gave(reader, entry->file, dwarf_dieoffset(entry->die, &here, &error), &error) &&
        gave(reader, entry->file, dwarf_dieoffset(next, &there, &error), &error) && there <= here) {
        note_damage(reader, "an entry's sibling stands before it");
        found = false;
    }
    if (found && ++reader->entry_count > DWARF_MAX_ENTRIES) {
        note_damage(reader, "more entries than DWARF_MAX_ENTRIES");
        found = false;
    }
    if (!found && next)
        dwarf_dealloc_die(next);
    entry_drop(entry);
    entry->die = found ? next : NULL;
    return found;
}

/* ---- attributes ------------------------------------------------------------------------------------- */

static bool read_uleb(const uint8_t *bytes, size_t size, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size && i < 9; i++) {
        *value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (!(bytes[i] & 0x80))
            return true;
    }
    return false;
}

/* An offset as DWARF 2 and 3 state it: the expression “add this number”. */
static bool read_location(struct reader *reader, Dwarf_Debug file, Dwarf_Attribute attribute, uint64_t *value)
{
    Dwarf_Error error = NULL;
    Dwarf_Unsigned size = 0;
    Dwarf_Ptr expression = NULL;
    Dwarf_Block *block = NULL;
    if (dwarf_formexprloc(attribute, &size, &expression, &error) == DW_DLV_OK) {
        const uint8_t *bytes = expression;
        return size >= 2 && bytes[0] == DW_OP_plus_uconst && read_uleb(bytes + 1, size - 1, value);
    }
    if (error)
        dwarf_dealloc_error(file, error);
    error = NULL;
    if (!gave(reader, file, dwarf_formblock(attribute, &block, &error), &error))
        return false;
    const uint8_t *bytes = block->bl_data;
    bool found = block->bl_len >= 2 && bytes[0] == DW_OP_plus_uconst && read_uleb(bytes + 1, block->bl_len - 1, value);
    dwarf_dealloc(file, block, DW_DLA_BLOCK);
    return found;
}

/* An attribute that is a number. false: the entry has no such attribute, or it is no number. */
static bool entry_number(struct reader *reader, struct entry entry, Dwarf_Half name, int64_t *value)
{
    Dwarf_Error error = NULL;
    Dwarf_Attribute attribute = NULL;
    if (!gave(reader, entry.file, dwarf_attr(entry.die, name, &attribute, &error), &error))
        return false;
    Dwarf_Unsigned number = 0;
    Dwarf_Signed signed_number = 0;
    uint64_t location = 0;
    bool found = true;
    if (dwarf_formudata(attribute, &number, &error) == DW_DLV_OK) {
        *value = (int64_t)number;
    } else {
        if (error)
            dwarf_dealloc_error(entry.file, error);
        error = NULL;
        if (dwarf_formsdata(attribute, &signed_number, &error) == DW_DLV_OK) {
            *value = signed_number;
        } else {
            if (error)
                dwarf_dealloc_error(entry.file, error);
            found = read_location(reader, entry.file, attribute, &location);
            *value = (int64_t)location;
        }
    }
    dwarf_dealloc_attribute(attribute);
    return found;
}

/* The entry that an attribute refers to, in this file or the supplement. */
static bool entry_follow(struct reader *reader, struct entry entry, Dwarf_Half name, struct entry *target)
{
    Dwarf_Error error = NULL;
    Dwarf_Attribute attribute = NULL;
    Dwarf_Half form = 0;
    Dwarf_Sig8 signature;
    Dwarf_Off offset = 0;
    Dwarf_Bool is_info = dwarf_get_die_infotypes_flag(entry.die);
    bool found = false;

    *target = (struct entry){.file = entry.file};
    if (!gave(reader, entry.file, dwarf_attr(entry.die, name, &attribute, &error), &error))
        return false;
    if (!gave(reader, entry.file, dwarf_whatform(attribute, &form, &error), &error))
        form = 0;
    if (form == DW_FORM_ref_sig8) {
        found = gave(reader, entry.file, dwarf_formsig8(attribute, &signature, &error), &error) &&
                gave(reader, entry.file,
                     dwarf_find_die_given_sig8(entry.file, &signature, &target->die, &is_info, &error), &error);
    } else if (form && gave(reader, entry.file, dwarf_global_formref(attribute, &offset, &error), &error)) {
        if (form == DW_FORM_GNU_ref_alt || form == DW_FORM_ref_sup4 || form == DW_FORM_ref_sup8) {
            target->file = reader->supplement;
            is_info = 1;
        } else if (form == DW_FORM_ref_addr) {
            is_info = 1;
        }
        found = target->file &&
                gave(reader, target->file, dwarf_offdie_b(target->file, offset, is_info, &target->die, &error), &error);
    }
    dwarf_dealloc_attribute(attribute);
    return found;
}

/* ---- types ------------------------------------------------------------------------------------------ */

static bool is_alias(int tag)
{
    return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
           tag == DW_TAG_atomic_type || tag == DW_TAG_restrict_type;
}

static bool is_struct(int tag)
{
    return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type;
}

/* Takes `entry` over and turns it into the type behind typedefs, qualifiers and a declaration's signature;
 * *tag is that type's. false: no such type is known, and `entry` is dropped. */
static bool resolve_type(struct reader *reader, struct entry *entry, int *tag)
{
    for (int depth = 0; depth < DWARF_MAX_TYPE_DEPTH; depth++) {
        struct entry target;
        *tag = entry_tag(reader, *entry);
        Dwarf_Half next = DW_AT_type;
        if (!is_alias(*tag)) {
            if (!entry_has(reader, *entry, DW_AT_declaration))
                return true;
            next = DW_AT_signature;
        }
        bool found = entry_has(reader, *entry, next) && entry_follow(reader, *entry, next, &target);
        entry_drop(entry);
        if (!found)
            return false;
        *entry = target;
    }
    note_damage(reader, "a type with more than DWARF_MAX_TYPE_DEPTH names");
    entry_drop(entry);
    return false;
}

/* Bytes of a number or pointer; 0: the type is none. A struct or union is one when its first member is one
 * that fills it, as in _Py_atomic_int, PyMutex and _PyStackRef. Drops `type`. */
static unsigned number_size(struct reader *reader, struct entry *type, int depth)
{
    int tag;
    int64_t size = 0;
    if (!resolve_type(reader, type, &tag))
        return 0;
    bool has_size = entry_number(reader, *type, DW_AT_byte_size, &size);
    if (tag == DW_TAG_pointer_type && !has_size) {
        size = 8;
    } else if (is_struct(tag)) {
        struct entry first, inner;
        unsigned first_size = 0;
        int64_t width;
        if (depth < DWARF_MAX_NESTING && size <= 8 && entry_child(reader, *type, &first)) {
            if (entry_tag(reader, first) == DW_TAG_member && !entry_number(reader, first, DW_AT_bit_size, &width) &&
                entry_follow(reader, first, DW_AT_type, &inner))
                first_size = number_size(reader, &inner, depth + 1);
            entry_drop(&first);
        }
        if (first_size != size)
            size = 0;
    } else if (tag != DW_TAG_base_type && tag != DW_TAG_enumeration_type && tag != DW_TAG_pointer_type) {
        size = 0;
    }
    entry_drop(type);
    return size == 1 || size == 2 || size == 4 || size == 8 ? (unsigned)size : 0;
}

/* ---- members ---------------------------------------------------------------------------------------- */

/* Where a bit-field is: `first` is its lowest bit, counted from the start of the struct. Taken apart into
 * the aligned number that holds it, of the declared type's size where it fits in one. */
static bool place_bits(struct dwarf_member *wanted, uint64_t first, unsigned width, unsigned size)
{
    for (size = size ? size : 1; size <= 8; size *= 2) {
        uint64_t offset = first / (8 * size) * size;
        unsigned bit = (unsigned)(first - 8 * offset);
        if (bit + width <= 8 * size) {
            *wanted = (struct dwarf_member){.path = wanted->path, .found = true, .offset = offset,
                                            .size = (uint8_t)size, .bit = (uint8_t)bit, .width = (uint8_t)width};
            return true;
        }
    }
    return false;
}

/* `member` is the one asked for; the struct around it starts at `base` of the outermost. */
static bool place_member(struct reader *reader, struct entry member, uint64_t base, struct dwarf_member *wanted)
{
    struct entry type;
    int64_t offset = 0, width = 0, first = 0, unit = 0;
    unsigned size = entry_follow(reader, member, DW_AT_type, &type) ? number_size(reader, &type, 0) : 0;

    entry_number(reader, member, DW_AT_data_member_location, &offset);
    if (entry_number(reader, member, DW_AT_bit_size, &width)) {
        if (width <= 0 || width > 64)
            return false;
        if (!entry_number(reader, member, DW_AT_data_bit_offset, &first)) {
            /* DWARF 2 and 3: counted from the highest bit of a unit of DW_AT_byte_size */
            if (!entry_number(reader, member, DW_AT_bit_offset, &first))
                return false;
            if (!entry_number(reader, member, DW_AT_byte_size, &unit))
                unit = size;
            if (unit < 1 || unit > 8 || first < -64 || first > 64)
                return false;
            first = offset * 8 + unit * 8 - first - width;
        }
        return first >= 0 && place_bits(wanted, base * 8 + (uint64_t)first, (unsigned)width, size);
    }
    *wanted = (struct dwarf_member){.path = wanted->path, .found = true, .offset = base + (uint64_t)offset,
                                    .size = (uint8_t)size};
    return true;
}

static bool find_member(struct reader *reader, struct entry structure, const char *path, uint64_t base,
                        struct dwarf_member *wanted, int depth);

/* Goes on inside of `member`, whose type is a struct. */
static bool find_inside(struct reader *reader, struct entry member, const char *path, uint64_t base,
                        struct dwarf_member *wanted, int depth)
{
    struct entry type;
    int tag;
    int64_t offset = 0;
    if (depth >= DWARF_MAX_NESTING || !entry_follow(reader, member, DW_AT_type, &type) ||
        !resolve_type(reader, &type, &tag))
        return false;
    entry_number(reader, member, DW_AT_data_member_location, &offset);
    bool found = is_struct(tag) && offset >= 0 &&
                 find_member(reader, type, path, base + (uint64_t)offset, wanted, depth + 1);
    entry_drop(&type);
    return found;
}

static bool find_member(struct reader *reader, struct entry structure, const char *path, uint64_t base,
                        struct dwarf_member *wanted, int depth)
{
    size_t length = strcspn(path, ".");
    const char *rest = path[length] ? path + length + 1 : NULL;
    struct entry member;
    bool found = false;

    for (bool more = entry_child(reader, structure, &member); more; more = entry_advance(reader, &member)) {
        if (entry_tag(reader, member) != DW_TAG_member)
            continue;
        const char *name = entry_name(reader, member);
        if (!name || !*name)
            found = find_inside(reader, member, path, base, wanted, depth);
        else if (strncmp(name, path, length) || name[length])
            continue;
        else if (rest)
            found = find_inside(reader, member, rest, base, wanted, depth);
        else
            found = place_member(reader, member, base, wanted);
        if (found)
            break;
    }
    entry_drop(&member);
    return found;
}

/* ---- structs ---------------------------------------------------------------------------------------- */

/* FNV-1a */
static size_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32);
}

static struct name_slot *find_slot(struct reader *reader, const char *name)
{
    size_t i = hash_name(name) & reader->slot_mask;
    while (reader->slots[i].name && strcmp(reader->slots[i].name, name))
        i = (i + 1) & reader->slot_mask;
    return &reader->slots[i];
}

static bool fill_slots(struct reader *reader, struct dwarf_struct *structs, size_t count)
{
    size_t slot_count = 64;
    while (slot_count < 2 * DWARF_MAX_NAMES * count)
        slot_count *= 2;
    reader->slots = calloc(slot_count, sizeof *reader->slots);
    reader->slot_mask = slot_count - 1;
    if (!reader->slots)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < DWARF_MAX_NAMES && structs[i].names[n]; n++)
            *find_slot(reader, structs[i].names[n]) = (struct name_slot){structs[i].names[n], &structs[i]};
    return true;
}

/* `entry`, of a name that is asked for, may be the struct's complete definition. */
static void try_struct(struct reader *reader, struct entry entry, struct dwarf_struct *wanted)
{
    Dwarf_Error error = NULL;
    Dwarf_Off offset = 0;
    struct entry type = {.file = entry.file};
    int64_t size = 0;
    int tag;

    /* a handle of our own on the same entry: resolve_type() takes it over */
    if (!gave(reader, entry.file, dwarf_dieoffset(entry.die, &offset, &error), &error) ||
        !gave(reader, entry.file,
              dwarf_offdie_b(entry.file, offset, dwarf_get_die_infotypes_flag(entry.die), &type.die, &error), &error) ||
        !resolve_type(reader, &type, &tag))
        return;
    /* A typedef of another kind of type has a size as well: _Py_CODEUNIT was a uint16_t once. */
    if (tag != DW_TAG_pointer_type && entry_number(reader, type, DW_AT_byte_size, &size) && size > 0) {
        wanted->found = true;
        wanted->size = (uint64_t)size;
        reader->missing--;
        for (size_t i = 0; is_struct(tag) && i < wanted->member_count; i++)
            find_member(reader, type, wanted->members[i].path, 0, &wanted->members[i], 0);
    }
    entry_drop(&type);
}

/* Drops `unit`. */
static void read_unit(struct reader *reader, struct entry *unit)
{
    struct entry entry;
    for (bool more = entry_child(reader, *unit, &entry); more; more = entry_advance(reader, &entry)) {
        int tag = entry_tag(reader, entry);
        if (tag != DW_TAG_typedef && !is_struct(tag))
            continue;
        const char *name = entry_name(reader, entry);
        struct dwarf_struct *wanted = name ? find_slot(reader, name)->wanted : NULL;
        if (wanted && !wanted->found)
            try_struct(reader, entry, wanted);
        if (!reader->missing)
            break;
    }
    entry_drop(&entry);
    entry_drop(unit);
}

static void read_units(struct reader *reader, Dwarf_Debug file, Dwarf_Bool is_info)
{
    for (size_t count = 0; reader->missing; count++) {
        Dwarf_Error error = NULL;
        Dwarf_Unsigned header_length, type_offset, next_unit;
        Dwarf_Off abbreviations;
        Dwarf_Half version, address_size, length_size, extension_size, unit_type;
        Dwarf_Sig8 signature;
        struct entry unit = {.file = file};
        if (count == DWARF_MAX_UNITS) {
            note_damage(reader, "more units than DWARF_MAX_UNITS");
            return;
        }
        if (!gave(reader, file,
                  dwarf_next_cu_header_d(file, is_info, &header_length, &version, &abbreviations, &address_size,
                                         &length_size, &extension_size, &signature, &type_offset, &next_unit,
                                         &unit_type, &error),
                  &error))
            return;
        if (gave(reader, file, dwarf_siblingof_b(file, NULL, is_info, &unit.die, &error), &error))
            read_unit(reader, &unit);
    }
}

pst_error *dwarf_find(int fd, int supplement, const char *name, struct dwarf_struct *structs, size_t count)
{
    struct reader reader = {.missing = count};
    Dwarf_Error error = NULL;

    if (!fill_slots(&reader, structs, count))
        return error_no_memory();
    if (!gave(&reader, NULL, open_file(fd, &reader.file, &error), &error))
        reader.file = NULL;
    if (reader.file && supplement >= 0 &&
        gave(&reader, NULL, open_file(supplement, &reader.supplement, &error), &error))
        dwarf_set_tied_dbg(reader.file, reader.supplement, &error);
    if (reader.file) {
        read_units(&reader, reader.file, 1);
        read_units(&reader, reader.file, 0);
    }
    if (reader.supplement) {
        read_units(&reader, reader.supplement, 1);
        close_file(reader.supplement);
    }
    if (reader.file)
        close_file(reader.file);
    free(reader.slots);
    if (reader.damage[0] && reader.missing)
        return error_new(PST_ERROR_CORRUPT, "the debug information of %s can't be read in full: %s", name,
                         reader.damage);
    return NULL;
}
