/* What refers to another object and does not show it. Objects/cellobject.c, weakrefobject.c, capsule.c. */
#include "python/object.h"
#include "python/repr.h"
#include "python/repr_name.h"
#include "python/string.h"

static pst_error *read_tp_name(struct repr *repr, pst_addr object, size_t most, pst_text *name)
{
    pst_addr type;
    TRY(object_get_type(repr->python, object, &type));
    TRY(type_read_tp_name(repr->types, type, name));
    if (name->size > most)
        name->size = most;
    return NULL;
}

/* cell_repr(): "%.80s" */
pst_error *repr_add_cell(struct repr *repr, const struct instance *object)
{
    enum { NAME_SIZE = 80 };
    pst_addr value;
    pst_text name;
    TRY(field_address(repr->python, object->address, F(PyCellObject_ob_ref), &value));
    text_add_string(repr->text, "<cell");
    repr_add_address(repr, object->address);
    if (!value) {
        text_add_string(repr->text, ": empty>");
        return NULL;
    }
    TRY(read_tp_name(repr, value, NAME_SIZE, &name));
    text_add_string(repr->text, ": ");
    repr_add_text(repr, name);
    text_add_string(repr->text, " object");
    repr_add_address(repr, value);
    text_add_char(repr->text, '>');
    return NULL;
}

/* capsule_repr() */
pst_error *repr_add_capsule(struct repr *repr, const struct instance *object)
{
    pst_addr address;
    pst_text name = {"NULL", 4};
    TRY(field_address(repr->python, object->address, F(PyCapsule_name), &address));
    if (address)
        TRY(string_read_c(repr->python, repr->arena, address, &name));
    text_add_string(repr->text, address ? "<capsule object \"" : "<capsule object ");
    repr_add_text(repr, name);
    text_add_string(repr->text, address ? "\"" : "");
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- weak references --------------------------------------------------------------------------------------- */

/* The object; 0: it is dead, and None stands in its place. */
static pst_error *find_referent(struct repr *repr, pst_addr reference, pst_addr *object)
{
    enum value_kind kind = VALUE_OTHER;
    TRY(field_address(repr->python, reference, F(PyWeakReference_wr_object), object));
    if (*object)
        TRY(value_get_kind(repr->python, *object, &kind));
    if (kind == VALUE_NONE)
        *object = 0;
    return NULL;
}

/* " to 'Class' at 0x…" */
static pst_error *add_referent(struct repr *repr, pst_addr object, bool is_quoted, bool is_full, size_t most)
{
    struct type *type;
    pst_text name;
    TRY(type_of(repr->types, object, &type));
    TRY(read_tp_name(repr, object, most, &name));
    text_add_string(repr->text, is_quoted ? " to '" : " to ");
    if (is_full)
        repr_add_full_name(repr, type);
    else
        repr_add_text(repr, name);
    text_add_string(repr->text, is_quoted ? "'" : "");
    repr_add_address(repr, object);
    return NULL;
}

/* To 3.11.3 a reference is told by the name of its object, then only by one that the object's class gives it. */
static enum name_attribute name_attribute_of(const struct python *python)
{
    uint32_t hexversion = python->version.hexversion, first_special = 0x030b0400;
    int version = python_minor_version(python);
    bool is_special = version > 311 || (version == 311 && (!hexversion || hexversion >= first_special));
    return is_special ? NAME_SPECIAL : NAME_PLAIN;
}

/* weakref_repr(): "%.50s" in 2.7, "%T" since 3.13. */
pst_error *repr_add_weakref(struct repr *repr, const struct instance *object)
{
    enum { NAME_SIZE_2 = 50 };
    int version = python_minor_version(repr->python);
    pst_addr referent;
    pst_text name;
    bool there;
    TRY(find_referent(repr, object->address, &referent));
    text_add_string(repr->text, "<weakref");
    repr_add_address(repr, object->address);
    if (!referent) {
        text_add_string(repr->text, "; dead>");
        return NULL;
    }
    text_add_char(repr->text, ';');
    TRY(add_referent(repr, referent, true, version >= 313, version < 300 ? NAME_SIZE_2 : SIZE_MAX));
    TRY(repr_find_name(repr, referent, name_attribute_of(repr->python), &there, &name));
    if (name.data) {
        text_add_string(repr->text, " (");
        repr_add_text(repr, name);
        text_add_char(repr->text, ')');
    }
    text_add_char(repr->text, '>');
    return NULL;
}

/* proxy_repr() */
pst_error *repr_add_weakproxy(struct repr *repr, const struct instance *object)
{
    enum { NAME_SIZE_2 = 100 };
    int version = python_minor_version(repr->python);
    pst_addr referent;
    TRY(find_referent(repr, object->address, &referent));
    text_add_string(repr->text, "<weakproxy");
    repr_add_address(repr, object->address);
    if (version >= 313)
        text_add_string(repr->text, referent ? ";" : "; dead>");
    if (version >= 313 && !referent)
        return NULL;
    if (!referent) /* None */
        TRY(field_address(repr->python, object->address, F(PyWeakReference_wr_object), &referent));
    TRY(add_referent(repr, referent, version >= 313, version >= 313, version < 300 ? NAME_SIZE_2 : SIZE_MAX));
    text_add_char(repr->text, '>');
    return NULL;
}
