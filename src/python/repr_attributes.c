/*
 * "<module.Class at 0x…>(slot=1, attribute=2)": an object whose __repr__ is object's own, or is not known.
 * Objects/typeobject.c, object_repr().
 */
#include "python/attribute.h"
#include "python/member.h"
#include "python/object.h"
#include "python/old_class.h"
#include "python/repr.h"
#include "python/string.h"

/* `what`: what Python itself says between name and address. */
static pst_error *add_head(struct repr *repr, const struct instance *object, bool what)
{
    pst_addr class;
    bool is_old;
    TRY(type_is_of_old_instances(repr->python, object->type->address, &is_old));
    text_add_char(repr->text, '<');
    if (is_old) {
        TRY(field_address(repr->python, object->address, F(PyInstanceObject_in_class), &class));
        TRY(repr_add_old_class_name(repr, class));
    } else {
        repr_add_type_name(repr, object->type);
    }
    text_add_string(repr->text, !what ? "" : is_old ? " instance" : " object");
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

pst_error *repr_add_plain(struct repr *repr, const struct instance *object)
{
    return add_head(repr, object, true);
}

/* 2.7: as the class says, all of them having one type. That it says this very function is possible. */
pst_error *repr_add_old_instance(struct repr *repr, const struct instance *object)
{
    pst_addr address;
    struct type *class;
    TRY(field_address(repr->python, object->address, F(PyInstanceObject_in_class), &address));
    TRY(type_get(repr->types, address, &class));
    const struct repr_kind *kind = repr_kind_of(repr->types, class);
    if (kind->add == repr_add_old_instance)
        return object->is_open ? repr_add_cycle_of_attributes(repr, object) : repr_add_attributes(repr, object);
    bool shows_again = kind->cycle && !*kind->cycle;
    return object->is_open && !shows_again ? repr_add_cycle_of_attributes(repr, object) : kind->add(repr, object);
}

pst_error *repr_add_cycle_of_attributes(struct repr *repr, const struct instance *object)
{
    TRY(add_head(repr, object, false));
    text_add_string(repr->text, "(...)");
    return NULL;
}

/* ---- how many there are ---------------------------------------------------------------------------------- */

/* What an object has, in the order in which it is shown: what it holds as a list or a str does; an exception's args;
 * slots, those of the outermost base first; then its dict. */
struct listing {
    struct repr *repr;
    const struct instance *object;
    bool is_counting;          /* nothing is added yet */
    uint64_t index, count;
    bool is_full;
};

/* A name by its object, a str, unless somebody put something else into the dict. */
static pst_error *add_key(struct repr *repr, pst_addr key)
{
    struct type *type;
    size_t start = repr->text->size;
    uint64_t flags = TPFLAGS_UNICODE_SUBCLASS | (python_is_2(repr->python) ? TPFLAGS_BYTES_SUBCLASS : 0);
    pst_error *error = type_of(repr->types, key, &type);
    if (!error && !(type->flags & flags))
        return repr_add_object(repr, key);
    return repr_end_part(repr, key, start, error ? error : repr_add_name(repr, key));
}

/* false: it is counted only, or left out. */
static bool begin_item(struct listing *listing)
{
    struct repr *repr = listing->repr;
    if (listing->is_counting || listing->is_full) {
        listing->count += listing->is_counting;
        return false;
    }
    if (listing->index == 0)
        text_add_char(repr->text, '(');
    listing->is_full = !repr_begin_item(repr, listing->index, listing->count - listing->index);
    listing->index++;
    return !listing->is_full;
}

/* Its name is `key` where that is not 0. */
static pst_error *add_attribute(struct listing *listing, pst_text name, pst_addr key, pst_addr value)
{
    struct repr *repr = listing->repr;
    if (!begin_item(listing))
        return NULL;
    if (key)
        TRY(add_key(repr, key));
    else
        repr_add_text(repr, name);
    text_add_char(repr->text, '=');
    return repr_add_object(repr, value);
}

/* ---- __slots__ ------------------------------------------------------------------------------------------- */

static pst_error *add_member(struct listing *listing, pst_addr member)
{
    const struct python *python = listing->repr->python;
    pst_addr value;
    pst_text name;
    TRY(member_get(python, member, listing->object->address, listing->object->type, &value));
    if (!value)
        return NULL;
    TRY(member_read_name(python, listing->repr->arena, member, &name));
    return add_attribute(listing, name, 0, value);
}

static pst_error *add_members(struct listing *listing, pst_addr class)
{
    struct members members;
    TRY(members_of(listing->repr->python, class, &members));
    for (uint64_t i = 0; i < members.count; i++)
        TRY(add_member(listing, members.first + i * members.size));
    return NULL;
}

static pst_error *add_slots(struct listing *listing)
{
    const pst_addr *bases;
    size_t count;
    TRY(type_read_mro(listing->repr->types, listing->object->type, &bases, &count));
    while (count-- > 0)
        TRY(add_members(listing, bases[count]));
    return NULL;
}

/* ---- what lists, exceptions and classes have ------------------------------------------------------------- */

static pst_error *add_named(struct listing *listing, const char *name, pst_addr value)
{
    return value ? add_attribute(listing, (pst_text){name, strlen(name)}, 0, value) : NULL;
}

/* That of a list, str …, whose class has a __repr__ of its own. */
static pst_error *add_contents(struct listing *listing)
{
    struct repr *repr = listing->repr;
    struct instance instance = *listing->object;
    TRY(repr_get_contents(repr->types, listing->object->type, &instance.type));
    if (!instance.type || !begin_item(listing))
        return NULL;
    size_t start = repr->text->size;
    return repr_end_part(repr, instance.address, start, instance.type->kind->add(repr, &instance));
}

static pst_error *add_args(struct listing *listing)
{
    pst_addr args;
    TRY(field_address(listing->repr->python, listing->object->address, F(PyBaseExceptionObject_args), &args));
    return add_named(listing, "args", args);
}

/* A class whose metaclass has a __repr__ of its own is told by its name, and not by all that it has. */
static pst_error *add_class_names(struct listing *listing)
{
    const struct python *python = listing->repr->python;
    bool is_qualified = has(python, F(PyHeapTypeObject_ht_qualname));
    pst_addr class = listing->object->address, module, name;
    uint64_t flags;
    TRY(type_get_flags(python, class, &flags));
    if (!(flags & TPFLAGS_HEAPTYPE))
        return NULL;
    TRY(type_get_own(python, class, "__module__", &module));
    TRY(field_address(python, class, is_qualified ? F(PyHeapTypeObject_ht_qualname) : F(PyHeapTypeObject_ht_name),
                      &name));
    TRY(add_named(listing, "__module__", module));
    return add_named(listing, is_qualified ? "__qualname__" : "__name__", name);
}

/* ---- the dict -------------------------------------------------------------------------------------------- */

static pst_error *add_dict(struct listing *listing)
{
    const struct instance *object = listing->object;
    struct dict_reader reader;
    uint64_t used;
    bool has_any;
    TRY(attributes_start(listing->repr->python, object->address, object->type->address, &reader, &used, &has_any));
    if (!has_any)
        return NULL;
    if (listing->is_counting) {
        listing->count += used;
        return NULL;
    }
    for (uint64_t i = 0; i < used && !listing->is_full; i++) {
        pst_addr key, value;
        TRY(dict_next_item(&reader, &key, &value));
        TRY(add_attribute(listing, (pst_text){0}, key, value));
    }
    return NULL;
}

static pst_error *add_all(struct listing *listing)
{
    uint64_t flags = listing->object->type->flags;
    if (flags & TPFLAGS_TYPE_SUBCLASS)
        return add_class_names(listing);
    TRY(add_contents(listing));
    if (flags & TPFLAGS_BASE_EXC_SUBCLASS)
        TRY(add_args(listing));
    TRY(add_slots(listing));
    return add_dict(listing);
}

pst_error *repr_add_attributes(struct repr *repr, const struct instance *object)
{
    struct listing listing = {.repr = repr, .object = object, .is_counting = true};
    TRY(add_head(repr, object, false));
    TRY(add_all(&listing));
    listing.is_counting = false;
    if (!listing.count)
        return NULL;
    TRY(add_all(&listing));
    text_add_char(repr->text, ')');
    return NULL;
}
