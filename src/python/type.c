#include "python/type.h"

#include "base/hash.h"
#include "base/text.h"
#include "python/c_name.h"
#include "python/dict.h"
#include "python/object.h"
#include "python/old_class.h"
#include "python/string.h"

#include <stdlib.h>
#include <string.h>

/* ---- the table of those that were met ------------------------------------------------------------------ */

void types_start(struct types *types, const struct python *python, struct arena *arena)
{
    *types = (struct types){.python = python, .arena = arena, .multiplier = hash_multiplier()};
}

void types_free(struct types *types)
{
    free(types->slots);
    *types = (struct types){0};
}

static size_t slot_of(const struct types *types, pst_addr address)
{
    size_t slot = (size_t)(address * types->multiplier >> 32) & (types->capacity - 1);
    while (types->slots[slot] && types->slots[slot]->address != address)
        slot = (slot + 1) & (types->capacity - 1);
    return slot;
}

static bool grow(struct types *types)
{
    struct types larger = *types;
    larger.capacity = types->capacity ? types->capacity * 2 : 64;
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < types->capacity; i++)
        if (types->slots[i])
            larger.slots[slot_of(&larger, types->slots[i]->address)] = types->slots[i];
    free(types->slots);
    *types = larger;
    return true;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static pst_text last_part(pst_text dotted)
{
    const char *dot = dotted.size ? memrchr(dotted.data, '.', dotted.size) : NULL;
    if (!dot)
        return dotted;
    size_t before = (size_t)(dot + 1 - dotted.data);
    return (pst_text){dot + 1, dotted.size - before};
}

pst_error *type_read_tp_name(struct types *types, pst_addr type, pst_text *name)
{
    char buffer[TYPE_MAX_NAME];
    TRY(type_get_name(types->python, type, buffer, sizeof buffer));
    return string_decode(types->arena, (pst_bytes){(const uint8_t *)buffer, strlen(buffer)}, name);
}

static pst_error *read_name(struct types *types, pst_addr object, pst_text *name)
{
    return object ? string_read(types->python, types->arena, object, name) : NULL;
}

/* Objects/typeobject.c, type_module(): of a static type, what stands before the last dot of its name. */
static pst_error *read_static_names(struct types *types, struct type *type)
{
    pst_text full;
    TRY(type_read_tp_name(types, type->address, &full));
    type->qualname = type->name = last_part(full);
    if (type->name.size < full.size)
        type->module = (pst_text){full.data, full.size - type->name.size - 1};
    return NULL;
}

/* A module that is no str is none. */
static pst_error *read_module(struct types *types, struct type *type)
{
    bool is_2 = python_is_2(types->python);
    pst_addr module, kind;
    uint64_t flags;
    TRY(type_get_own(types->python, type->address, "__module__", &module));
    if (!module)
        return NULL;
    TRY(object_get_type(types->python, module, &kind));
    TRY(type_get_flags(types->python, kind, &flags));
    if (flags & (is_2 ? TPFLAGS_BYTES_SUBCLASS : TPFLAGS_UNICODE_SUBCLASS))
        TRY(read_name(types, module, &type->module));
    if (text_is(type->module, is_2 ? "__builtin__" : "builtins"))
        type->module = (pst_text){0};
    return NULL;
}

static pst_error *read_heap_names(struct types *types, struct type *type)
{
    const struct python *python = types->python;
    pst_addr name, qualname = 0;
    TRY(field_address(python, type->address, F(PyHeapTypeObject_ht_name), &name));
    if (has(python, F(PyHeapTypeObject_ht_qualname)))
        TRY(field_address(python, type->address, F(PyHeapTypeObject_ht_qualname), &qualname));
    TRY(read_name(types, name, &type->name));
    type->qualname = type->name;
    TRY(read_name(types, qualname, &type->qualname));
    return read_module(types, type);
}

/* 2.7 */
static pst_error *read_old_class(struct types *types, struct type *type)
{
    pst_addr name;
    type->is_heap = true;
    TRY(field_address(types->python, type->address, F(PyClassObject_cl_name), &name));
    TRY(read_name(types, name, &type->name));
    type->qualname = type->name;
    return read_module(types, type);
}

static pst_error *read_type(struct types *types, struct type *type)
{
    bool is_old;
    TRY(object_is_old_class(types->python, type->address, &is_old));
    if (is_old)
        return read_old_class(types, type);
    TRY(type_get_flags(types->python, type->address, &type->flags));
    TRY(field_unsigned(types->python, type->address, F(PyTypeObject_tp_basicsize), &type->basic_size));
    type->is_heap = type->flags & TPFLAGS_HEAPTYPE;
    return type->is_heap ? read_heap_names(types, type) : read_static_names(types, type);
}

static pst_error *make(struct types *types, pst_addr address, struct type **slot)
{
    if (types->count >= TYPES_MAX_COUNT)
        return error_new(PST_ERROR_LIMIT, "more than %d types", TYPES_MAX_COUNT);
    struct type *type = arena_alloc(types->arena, sizeof *type);
    if (!type)
        return error_no_memory();
    type->address = address;
    TRY(error_in(read_type(types, type), "the type at 0x%llx", (unsigned long long)address));
    *slot = type;
    types->count++;
    return NULL;
}

pst_error *type_get(struct types *types, pst_addr address, struct type **result)
{
    if (types->count * 4 >= types->capacity * 3 && !grow(types))
        return error_no_memory();
    struct type **slot = &types->slots[slot_of(types, address)];
    if (!*slot)
        TRY(make(types, address, slot));
    *result = *slot;
    return NULL;
}

pst_error *type_of(struct types *types, pst_addr object, struct type **type)
{
    pst_addr address;
    TRY(object_get_type(types->python, object, &address));
    return type_get(types, address, type);
}

void type_add_name(const struct type *type, struct text *text)
{
    if (type->module.data) {
        text_add(text, type->module.data, type->module.size);
        text_add_char(text, '.');
    }
    text_add(text, type->qualname.data, type->qualname.size);
}

bool type_is(const struct type *type, const char *module, const char *qualname)
{
    return text_is(type->module, module) && text_is(type->qualname, qualname);
}

/* ---- bases ---------------------------------------------------------------------------------------------- */

pst_error *type_is_on_heap(const struct python *python, pst_addr class, bool *result)
{
    uint64_t flags;
    TRY(object_is_old_class(python, class, result));
    if (*result)
        return NULL;
    TRY(type_get_flags(python, class, &flags));
    *result = flags & TPFLAGS_HEAPTYPE;
    return NULL;
}

pst_error *type_get_own(const struct python *python, pst_addr type, const char *name, pst_addr *value)
{
    pst_addr dict;
    bool is_old;
    *value = 0;
    TRY(object_is_old_class(python, type, &is_old));
    TRY(field_address(python, type, is_old ? F(PyClassObject_cl_dict) : F(PyTypeObject_tp_dict), &dict));
    return dict ? dict_get(python, dict, name, NULL, value) : NULL;
}

static pst_error *read_bases(struct types *types, struct type *type, pst_addr tuple)
{
    uint64_t count;
    pst_addr items;
    TRY(tuple_find_items(types->python, tuple, &items, &count));
    if (count > TYPE_MAX_BASES)
        return error_new(PST_ERROR_LIMIT, "the type at 0x%llx has more than %d bases",
                         (unsigned long long)type->address, TYPE_MAX_BASES);
    if (count > TYPES_MAX_BASES - types->base_count)
        return error_new(PST_ERROR_LIMIT, "the types so far have %d bases", TYPES_MAX_BASES);
    pst_addr *bases = arena_alloc(types->arena, (count + 1) * sizeof *bases);
    if (!bases)
        return error_no_memory();
    types->base_count += count;
    for (uint64_t i = 0; i < count; i++)
        TRY(pointer_at(types->python, items, i, &bases[i]));
    type->bases = bases;
    type->base_count = count;
    return NULL;
}

pst_error *type_read_mro(struct types *types, const struct type *type, const pst_addr **bases, size_t *count)
{
    pst_addr tuple;
    struct type *own;
    *count = 0;
    TRY(type_get(types, type->address, &own));
    if (!own->bases) {
        TRY(field_address(types->python, type->address, F(PyTypeObject_tp_mro), &tuple));
        if (!tuple)
            return NULL; /* it is just being made */
        TRY(read_bases(types, own, tuple));
    }
    *bases = own->bases;
    *count = own->base_count;
    return NULL;
}

pst_error *type_find_attribute(struct types *types, const struct type *type, const char *name, pst_addr *value)
{
    const pst_addr *bases;
    size_t count;
    *value = 0;
    TRY(type_read_mro(types, type, &bases, &count));
    for (size_t i = 0; i < count && !*value; i++) {
        bool is_heap;
        TRY(type_is_on_heap(types->python, bases[i], &is_heap));
        if (is_heap)
            TRY(type_get_own(types->python, bases[i], name, value));
    }
    return NULL;
}

pst_error *type_find_base(struct types *types, const struct type *type, const char *module, const char *qualname,
                          struct type **base)
{
    const pst_addr *bases;
    size_t count;
    TRY(type_read_mro(types, type, &bases, &count));
    for (size_t i = 0; i < count; i++) {
        TRY(type_get(types, bases[i], base));
        if (type_is(*base, module, qualname))
            return NULL;
    }
    *base = NULL;
    return NULL;
}

/* ---- whose __repr__ or __str__ it has ---------------------------------------------------------------------- */

/* A method that every type has: its name, and the slot that calls it. */
struct method {
    const char *name;
    enum field slot;
};

static const struct method method_repr = {"__repr__", F(PyTypeObject_tp_repr)};
static const struct method method_str = {"__str__", F(PyTypeObject_tp_str)};

/* The classes in the order of resolution. */
struct bases {
    const pst_addr *items;
    size_t count;
};

/* A static type that has none inherits that of its base, of which it then has the very function. */
static pst_error *find_static_definer(const struct python *python, const struct method *method, pst_addr type,
                                      pst_addr *definer)
{
    pst_addr wanted;
    TRY(field_address(python, type, method->slot, &wanted));
    *definer = type;
    for (size_t i = 0; i < TYPE_MAX_BASES; i++) {
        pst_addr base, function = 0;
        TRY(field_address(python, *definer, F(PyTypeObject_tp_base), &base));
        if (base)
            TRY(field_address(python, base, method->slot, &function));
        if (!base || function != wanted)
            return NULL;
        *definer = base;
    }
    return error_new(PST_ERROR_CORRUPT, "the type at 0x%llx has no end of bases", (unsigned long long)type);
}

/* "Class" of "Class.__repr__", the __qualname__ of a function; one of another name, which a class was given as its
 * __repr__, keeps all of its own. In 2.7 functions have none: that of the class where it was found. */
static pst_error *read_definer_qualname(struct types *types, const struct method *method, pst_addr class_at,
                                        pst_addr function, pst_text *qualname)
{
    bool is_2 = !has(types->python, F(PyFunctionObject_func_qualname));
    struct type *class;
    pst_addr object;
    TRY(field_address(types->python, function, is_2 ? F(PyFunctionObject_func_name) : F(PyFunctionObject_func_qualname),
                      &object));
    TRY(read_name(types, object, qualname));
    if (!text_is(last_part(*qualname), method->name))
        return NULL;
    if (is_2)
        TRY(type_get(types, class_at, &class));
    size_t cut = strlen(method->name) + 1;
    *qualname = is_2 ? class->qualname : (pst_text){qualname->data, qualname->size > cut ? qualname->size - cut : 0};
    return NULL;
}

/* The module that a function says it is of. functools.wraps() has one of any module say so: *is_own is false. */
static pst_error *read_definer_module(struct types *types, pst_addr function, pst_text *module, bool *is_own)
{
    pst_addr object, globals, name;
    TRY(field_address(types->python, function, F(PyFunctionObject_func_module), &object));
    TRY(read_name(types, object, module));
    TRY(field_address(types->python, function, F(PyFunctionObject_func_globals), &globals));
    TRY(dict_get(types->python, globals, "__name__", NULL, &name));
    pst_text found = {0};
    TRY(read_name(types, name, &found));
    /* reprlib.recursive_repr() calls what it wraps. */
    *is_own = (found.size && module->size == found.size && memcmp(module->data, found.data, found.size) == 0) ||
              text_is(found, "reprlib");
    return NULL;
}

/* "module.Class" of a function in the dict of a class: which may be another's that was put there, as enum does. */
static pst_error *name_python_definer(struct types *types, const struct method *method, pst_addr class_at,
                                      pst_addr function, struct type_definer *definer)
{
    pst_text module = {0}, qualname = {0};
    struct text text = {0};
    bool is_own;
    TRY(read_definer_qualname(types, method, class_at, function, &qualname));
    TRY(read_definer_module(types, function, &module, &is_own));
    if (!is_own) {
        *definer = (struct type_definer){.origin = REPR_IN_PYTHON, .type = class_at};
        return NULL;
    }
    text_add(&text, module.data, module.size);
    text_add_char(&text, '.');
    text_add(&text, qualname.data, qualname.size);
    const char *copy = text.failed ? NULL : arena_copy(types->arena, text.data, text.size);
    pst_text name = {copy, text.size};
    text_free(&text);
    if (!copy)
        return error_no_memory();
    *definer = (struct type_definer){REPR_IN_PYTHON, name, class_at};
    return NULL;
}

static pst_error *name_c_definer(struct types *types, pst_addr type, struct type_definer *definer)
{
    TRY(type_read_tp_name(types, type, &definer->name));
    definer->type = type;
    definer->origin = REPR_IN_C;
    return NULL;
}

/* The wrapper of a slot: that of another class where the class says "__repr__ = dict.__repr__". If it is none of the
 * bases, Python refuses the call. */
static pst_error *judge_wrapper(struct types *types, const struct method *method, const struct bases *bases,
                                pst_addr wrapper, struct type_definer *definer)
{
    pst_addr name, type;
    bool is_same, is_base = false;
    TRY(field_address(types->python, wrapper, F(PyDescrObject_d_name), &name));
    TRY(string_equals(types->python, name, method->name, &is_same));
    TRY(field_address(types->python, wrapper, F(PyDescrObject_d_type), &type));
    for (size_t i = 0; i < bases->count && !is_base; i++)
        is_base = bases->items[i] == type;
    return is_same && is_base ? name_c_definer(types, type, definer) : NULL;
}

/* What a class on the heap has as its own: a function, or the wrapper of a slot; anything else is called, and no
 * telling what it does. */
static pst_error *judge_own(struct types *types, const struct method *method, const struct bases *bases,
                            pst_addr class_at, pst_addr own, struct type_definer *definer)
{
    struct type *kind;
    TRY(type_of(types, own, &kind));
    if (kind->is_heap)
        return NULL;
    if (text_is(kind->name, "function"))
        return name_python_definer(types, method, class_at, own, definer);
    return text_is(kind->name, "wrapper_descriptor") ? judge_wrapper(types, method, bases, own, definer)
                                                      : NULL;
}

/* 2.7: one without is shown as object's own __repr__ does, or nearly so. */
static pst_error *find_old_definer(struct types *types, const struct method *method, pst_addr class_at,
                                   struct type_definer *definer)
{
    pst_addr owner, found;
    TRY(old_class_find(types->python, class_at, method->name, &owner, &found));
    if (found)
        return judge_own(types, method, &(struct bases){0}, owner, found, definer);
    *definer = (struct type_definer){.origin = REPR_IN_C, .name = {"object", 6}};
    return NULL;
}

static pst_error *find_definer(struct types *types, const struct method *method, const struct type *type,
                               struct type_definer *definer)
{
    const struct python *python = types->python;
    struct bases bases;
    pst_addr function, nearest = 0;
    bool is_old;
    TRY(object_is_old_class(python, type->address, &is_old));
    if (is_old)
        return find_old_definer(types, method, type->address, definer);
    TRY(field_address(python, type->address, method->slot, &function));
    TRY(type_read_mro(types, type, &bases.items, &bases.count));
    for (size_t i = 0; i < bases.count; i++) {
        pst_addr found = 0, static_type;
        bool is_heap;
        TRY(type_is_on_heap(python, bases.items[i], &is_heap));
        if (is_heap)
            TRY(type_get_own(python, bases.items[i], method->name, &found));
        if (found)
            return judge_own(types, method, &bases, bases.items[i], found, definer);
        TRY(object_is_old_class(python, bases.items[i], &is_old));
        if (!is_old)
            TRY(field_address(python, bases.items[i], method->slot, &found));
        if (!found || found != function)
            continue;
        nearest = bases.items[i];
        if (is_heap)
            continue;
        TRY(find_static_definer(python, method, bases.items[i], &static_type));
        return name_c_definer(types, static_type, definer);
    }
    /* The slot of a class on the heap was set by hand: 2.7's ssl.SSLError. */
    return nearest ? name_c_definer(types, nearest, definer) : NULL;
}

static void find(struct types *types, const struct method *method, const struct type *type,
                 struct type_definer *definer)
{
    *definer = (struct type_definer){0};
    pst_error *error = find_definer(types, method, type, definer);
    if (error)
        *definer = (struct type_definer){0};
    pst_error_free(error);
}

void type_find_repr(struct types *types, struct type *type)
{
    struct type_definer definer;
    if (type->has_definer)
        return;
    find(types, &method_repr, type, &definer);
    type->has_definer = true;
    type->origin = definer.origin;
    type->definer = definer.name;
    type->definer_type = definer.type;
}

void type_find_str(struct types *types, const struct type *type, struct type_definer *definer)
{
    find(types, &method_str, type, definer);
}
