#include "python/member.h"

#include "python/attribute.h"
#include "python/object.h"
#include "python/old_class.h"
#include "python/string.h"

enum {
    T_OBJECT = 6,              /* Include/structmember.h, 3.12+: descrobject.h */
    T_OBJECT_EX = 16,
};

/* They stand behind the struct of the class. */
pst_error *members_of(const struct python *python, pst_addr class, struct members *members)
{
    pst_addr meta, slots = 0;
    uint64_t flags, head_size;
    int64_t count;
    bool is_old;
    *members = (struct members){0};
    TRY(object_is_old_class(python, class, &is_old));
    if (is_old)
        return NULL;
    TRY(type_get_flags(python, class, &flags));
    if (flags & TPFLAGS_HEAPTYPE)
        TRY(field_address(python, class, F(PyHeapTypeObject_ht_slots), &slots));
    if (!slots)
        return NULL;
    TRY(object_get_type(python, class, &meta));
    TRY(field_unsigned(python, meta, F(PyTypeObject_tp_basicsize), &head_size));
    TRY(field_signed(python, class, F(PyVarObject_ob_size), &count));
    if (count < 0 || count > MEMBERS_MAX_COUNT)
        return error_new(PST_ERROR_CORRUPT, "the type at 0x%llx has %lld members", (unsigned long long)class,
                         (long long)count);
    *members = (struct members){class + head_size, size_of(python, F(sizeof_PyMemberDef)), (uint64_t)count};
    return NULL;
}

pst_error *member_get(const struct python *python, pst_addr member, pst_addr object, const struct type *type,
                      pst_addr *value)
{
    uint64_t kind, offset;
    *value = 0;
    TRY(field_unsigned(python, member, F(PyMemberDef_type), &kind));
    if (kind != T_OBJECT && kind != T_OBJECT_EX)
        return NULL;
    TRY(field_unsigned(python, member, F(PyMemberDef_offset), &offset));
    if (offset > type->basic_size || type->basic_size - offset < 8)
        return error_new(PST_ERROR_CORRUPT, "a slot at offset %llu of a %llu-byte object", (unsigned long long)offset,
                         (unsigned long long)type->basic_size);
    return pointer_at(python, object + offset, 0, value);
}

static pst_error *read_name(const struct python *python, pst_addr member, char name[MEMBER_MAX_NAME])
{
    pst_addr address;
    size_t got;
    TRY(field_address(python, member, F(PyMemberDef_name), &address));
    pst_error *error = memory_read_some(python->memory, address, name, MEMBER_MAX_NAME, &got);
    if (strnlen(name, got) == got)
        return error ? error
                     : error_new(PST_ERROR_CORRUPT, "the name at 0x%llx has no end", (unsigned long long)address);
    pst_error_free(error);
    return NULL;
}

pst_error *member_read_name(const struct python *python, struct arena *arena, pst_addr member, pst_text *name)
{
    char bytes[MEMBER_MAX_NAME];
    TRY(read_name(python, member, bytes));
    return string_decode(arena, (pst_bytes){(const uint8_t *)bytes, strlen(bytes)}, name);
}

/* In the slots of one class; *there: it has one of that name. */
static pst_error *find(const struct python *python, pst_addr class, pst_addr object, const struct type *type,
                       const char *name, bool *there, pst_addr *value)
{
    struct members members;
    TRY(members_of(python, class, &members));
    for (uint64_t i = 0; i < members.count; i++) {
        char found[MEMBER_MAX_NAME];
        pst_addr member = members.first + i * members.size;
        TRY(read_name(python, member, found));
        *there = strcmp(found, name) == 0;
        if (*there)
            return member_get(python, member, object, type, value);
    }
    return NULL;
}

pst_error *member_or_attribute_get(struct types *types, pst_addr object, const struct type *type, const char *name,
                                   pst_addr *value)
{
    const pst_addr *bases;
    size_t count;
    bool there = false;
    *value = 0;
    TRY(type_read_mro(types, type, &bases, &count));
    for (size_t i = 0; i < count && !there; i++)
        TRY(find(types->python, bases[i], object, type, name, &there, value));
    return there ? NULL : attribute_get(types->python, object, name, NULL, value);
}
