#include "python/repr.h"

#include "python/c_name.h"
#include "python/dict.h"
#include "python/member.h"
#include "python/object.h"
#include "python/string.h"

#include <string.h>

enum { LEAST_WORK = 32 }; /* with fewer reads left nothing can be added */

/* ---- bounds ---------------------------------------------------------------------------------------------- */

size_t repr_get_left(struct repr *repr)
{
    size_t size = repr->text->size - repr->start;
    if (repr->bounds.chars == SIZE_MAX)
        return SIZE_MAX;
    /* A part that was given up may have taken text away again. */
    if (repr->counted_size > size)
        repr->counted_size = repr->char_count = 0;
    for (; repr->counted_size < size; repr->counted_size++)
        repr->char_count += (repr->text->data[repr->start + repr->counted_size] & 0xc0) != 0x80;
    return repr->char_count < repr->bounds.chars ? repr->bounds.chars - repr->char_count : 0;
}

uint64_t repr_choose_shown(uint64_t count, uint64_t room)
{
    uint64_t size = 5; /* " … +5" */
    if (count <= room)
        return count;
    for (uint64_t cut = count - room, digits = 1; cut >= 10; cut /= 10, digits++)
        size += digits % 3 ? 1 : 2;
    return count - room > size ? room : count;
}

uint64_t repr_get_shown(struct repr *repr, uint64_t count)
{
    return repr_choose_shown(count, repr_get_left(repr));
}

void repr_add_cut(struct repr *repr, uint64_t count)
{
    char digits[REPR_MAX_CUT_SIZE];
    size_t at = sizeof digits, shown = 0;
    do {
        if (shown && shown % 3 == 0)
            digits[--at] = ',';
        digits[--at] = (char)('0' + count % 10);
        shown++;
        count /= 10;
    } while (count);
    text_add_string(repr->text, "… +");
    text_add(repr->text, digits + at, sizeof digits - at);
}

bool repr_begin_part(struct repr *repr, uint64_t index, uint64_t left, const char *separator)
{
    if (index)
        text_add_string(repr->text, separator);
    if (index < repr->bounds.items && repr->depth <= repr->bounds.depth && repr_get_left(repr) > 0)
        return true;
    repr_add_cut(repr, left);
    return false;
}

bool repr_begin_item(struct repr *repr, uint64_t index, uint64_t left)
{
    return repr_begin_part(repr, index, left, ", ");
}

pst_error *repr_check_limits(struct repr *repr)
{
    if (++repr->object_count > REPR_MAX_OBJECTS)
        return error_hint(error_new(PST_ERROR_LIMIT, "a repr of more than %d objects", REPR_MAX_OBJECTS),
                          "bound the items: --value-items N");
    if (repr->text->size - repr->start > REPR_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a repr of more than %d bytes", REPR_MAX_SIZE);
    if (repr_is_strict(repr) && repr->depth > VALUE_MAX_DEPTH)
        return error_new(PST_ERROR_LIMIT, "more than %d objects in each other", VALUE_MAX_DEPTH);
    return repr->text->failed ? error_no_memory() : NULL;
}

/* ---- parts that decoders are made of ----------------------------------------------------------------------- */

pst_error *repr_add_array(struct repr *repr, pst_addr array, uint64_t count)
{
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        pst_addr item;
        TRY(pointer_at(repr->python, array, i, &item));
        TRY(error_in(repr_add_object(repr, item), "item %llu", (unsigned long long)i));
    }
    return NULL;
}

void repr_add_last_name(struct repr *repr, const struct instance *object)
{
    pst_text name = object->type->name;
    const char *dot = name.size ? memrchr(name.data, '.', name.size) : NULL;
    size_t before = dot ? (size_t)(dot + 1 - name.data) : 0;
    repr_add_text(repr, (pst_text){name.data + before, name.size - before});
}

void repr_add_class_name(struct repr *repr, const struct instance *object, const char *name)
{
    if (python_minor_version(repr->python) < 307)
        text_add_string(repr->text, name);
    else
        repr_add_last_name(repr, object);
}

pst_error *repr_add_tp_name(struct repr *repr, const struct instance *object)
{
    pst_text name;
    TRY(type_read_tp_name(repr->types, object->type->address, &name));
    repr_add_text(repr, name);
    return NULL;
}

void repr_add_full_name(struct repr *repr, const struct type *type)
{
    if (text_is(type->module, "__main__"))
        repr_add_text(repr, type->qualname);
    else
        repr_add_type_name(repr, type);
}

pst_error *repr_get_attribute(struct repr *repr, const struct instance *object, const char *name, pst_addr *value)
{
    bool is_computed;
    *value = 0;
    TRY(repr_is_computed(repr, object, name, &is_computed));
    if (is_computed)
        return NULL;
    return member_or_attribute_get(repr->types, object->address, object->type, name, value);
}

pst_error *repr_has_method_of(struct repr *repr, const struct type *type, const char *name, const char *module,
                              bool *yes)
{
    pst_addr method, found;
    struct type *kind;
    *yes = false;
    TRY(type_find_attribute(repr->types, type, name, &method));
    if (!method)
        return NULL;
    TRY(type_of(repr->types, method, &kind));
    if (kind->is_heap || !text_is(kind->name, "function"))
        return NULL;
    TRY(field_address(repr->python, method, F(PyFunctionObject_func_module), &found));
    return string_equals(repr->python, found, module, yes);
}

pst_error *repr_get_global(struct repr *repr, const struct instance *object, const char *name, pst_addr *value)
{
    pst_addr function, globals;
    *value = 0;
    TRY(type_find_attribute(repr->types, object->type, "__repr__", &function));
    if (!function)
        return NULL;
    TRY(field_address(repr->python, function, F(PyFunctionObject_func_globals), &globals));
    return dict_get(repr->python, globals, name, NULL, value);
}

pst_error *repr_is_true(struct repr *repr, pst_addr object, bool *yes)
{
    struct value value;
    TRY(value_read(repr->python, repr->arena, object, &value));
    switch (value.kind) {
    case VALUE_NONE: *yes = false; break;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_LONG: *yes = value.digit_count; break;
    case VALUE_STR: *yes = value.text.size; break;
    case VALUE_BYTES: *yes = value.bytes.size; break;
    default: *yes = true; break;
    }
    return NULL;
}

void repr_add_address(struct repr *repr, pst_addr address)
{
    text_add_string(repr->text, " at ");
    text_add_hex(repr->text, address);
}

pst_error *repr_add_marked(struct repr *repr, pst_addr object)
{
    repr->marked = object;
    pst_error *error = repr_add_object(repr, object);
    repr->marked = 0;
    return error;
}

pst_error *repr_add_field(struct repr *repr, pst_addr object, enum field field)
{
    pst_addr member;
    TRY(field_address(repr->python, object, field, &member));
    if (member)
        return repr_add_object(repr, member);
    text_add_string(repr->text, "<NULL>"); /* as "%R" has it */
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static pst_error *refuse(const struct python *python, pst_addr object, pst_addr type)
{
    char name[64] = "?";
    pst_error_free(type_get_name(python, type, name, sizeof name));
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c >= 0x7f)
            *c = '?';
    return error_new(PST_ERROR_UNSUPPORTED, "the object at 0x%llx is no constant, but a %s",
                     (unsigned long long)object, name);
}

/* One of just that type. */
static pst_error *add_builtin(struct repr *repr, pst_addr object, enum value_kind kind)
{
    const struct instance instance = {.address = object};
    switch (kind) {
    case VALUE_TUPLE: return repr_add_tuple(repr, &instance);
    case VALUE_FROZENSET: return repr_add_set(repr, &instance);
    case VALUE_SLICE: return repr_add_slice(repr, &instance);
    case VALUE_CODE: return repr_add_code(repr, &instance);
    default: return repr_add_scalar(repr, object, kind);
    }
}

static bool is_open(const struct repr *repr, pst_addr object)
{
    for (size_t i = 0; i + 1 < repr->depth; i++)
        if (repr->open[i] == object)
            return true;
    return false;
}

static void add_cycle(struct repr *repr, const struct type *type, const char *cycle)
{
    for (; *cycle; cycle++) {
        if (*cycle == '%')
            repr_add_text(repr, type->name);
        else
            text_add_char(repr->text, *cycle);
    }
}

/* By its type, if kind is NULL. */
static pst_error *add_instance(struct repr *repr, pst_addr object, pst_addr type, const struct repr_kind *kind)
{
    struct instance instance = {.address = object, .is_open = is_open(repr, object)};
    TRY(type_get(repr->types, type, &instance.type));
    kind = kind ? kind : repr_kind_of(repr->types, instance.type);
    bool looks_out = kind->cycle && *kind->cycle;
    bool is_marked = object == repr->marked && looks_out && kind->origin == REPR_IN_C;
    repr->marked = 0;
    if (!is_marked && (!instance.is_open || (kind->cycle && !looks_out)))
        return kind->add(repr, &instance);
    if (!kind->cycle)
        return repr_add_cycle_of_attributes(repr, &instance);
    add_cycle(repr, instance.type, kind->cycle);
    return NULL;
}

static pst_error *add_object(struct repr *repr, pst_addr object, const struct repr_kind *wanted)
{
    pst_addr type;
    enum value_kind kind;
    TRY(repr_check_limits(repr));
    TRY(object_get_type(repr->python, object, &type));
    if (wanted)
        return add_instance(repr, object, type, wanted);
    TRY(value_type_get_kind(repr->python, object, type, &kind));
    if ((kind == VALUE_TUPLE || kind == VALUE_FROZENSET) && !repr_is_strict(repr) && is_open(repr, object)) {
        text_add_string(repr->text, kind == VALUE_TUPLE ? "(...)" : "frozenset(...)");
        return NULL;
    }
    if (kind != VALUE_OTHER)
        return add_builtin(repr, object, kind);
    return repr_is_strict(repr) ? refuse(repr->python, object, type) : add_instance(repr, object, type, NULL);
}

/* Of the limits, those of the repr as a whole: see check_limits(). */
static bool ends_all(const struct repr *repr, const pst_error *error)
{
    bool is_full = repr->object_count > REPR_MAX_OBJECTS || repr->text->size - repr->start > REPR_MAX_SIZE ||
                   memory_get_work_left(repr->python->memory) < LEAST_WORK;
    return pst_error_get_code(error) == PST_ERROR_MEMORY || (pst_error_get_code(error) == PST_ERROR_LIMIT && is_full);
}

static void keep_error(struct repr *repr, pst_error *error)
{
    if (repr->error)
        pst_error_free(error);
    else
        repr->error = error;
}

pst_error *repr_end_items(struct repr *repr, const char *separator, uint64_t left, pst_error *error)
{
    if (!error || repr_is_strict(repr) || pst_error_get_code(error) != PST_ERROR_LIMIT || ends_all(repr, error))
        return error;
    text_add_string(repr->text, separator);
    repr_add_cut(repr, left);
    keep_error(repr, error);
    return NULL;
}

pst_error *repr_end_part(struct repr *repr, pst_addr object, size_t start, pst_error *error)
{
    if (!error || repr_is_strict(repr) || ends_all(repr, error))
        return error;
    repr->text->size = start;
    text_add_string(repr->text, "<unreadable");
    repr_add_address(repr, object);
    text_add_char(repr->text, '>');
    keep_error(repr, error);
    return NULL;
}

pst_error *repr_add_object_as(struct repr *repr, pst_addr object, const struct repr_kind *kind)
{
    size_t start = repr->text->size;
    bool is_deep = repr->depth > repr->bounds.depth || repr->depth > VALUE_MAX_DEPTH;
    if (!repr_is_strict(repr) && (is_deep || (repr->depth && !repr_get_left(repr)))) {
        text_add_string(repr->text, "…");
        return NULL;
    }
    if (repr->depth <= VALUE_MAX_DEPTH)
        repr->open[repr->depth] = object;
    repr->depth++;
    pst_error *error = add_object(repr, object, kind);
    repr->depth--;
    return repr_end_part(repr, object, start, error);
}

pst_error *repr_add_object(struct repr *repr, pst_addr object)
{
    return repr_add_object_as(repr, object, NULL);
}

pst_error *repr_add_inside(struct repr *repr, pst_addr object)
{
    repr->bounds.depth++;
    pst_error *error = repr_add_object(repr, object);
    repr->bounds.depth--;
    return error;
}

void repr_start(struct repr *repr, struct types *types, struct arena *arena, struct repr_bounds bounds,
                struct text *text)
{
    *repr = (struct repr){.python = types->python, .types = types, .arena = arena, .text = text,
                          .bounds = bounds, .start = text->size};
    if (repr->bounds.depth > VALUE_MAX_DEPTH)
        repr->bounds.depth = VALUE_MAX_DEPTH;
}

static struct repr of_constant(const struct python *python, struct arena *arena, struct text *text)
{
    return (struct repr){.python = python, .arena = arena, .text = text, .start = text->size,
                         .bounds = REPR_UNBOUNDED};
}

pst_error *repr_add(const struct python *python, struct arena *arena, pst_addr object, struct text *text)
{
    struct repr repr = of_constant(python, arena, text);
    return repr_add_object(&repr, object);
}

pst_error *repr_add_value(const struct python *python, struct arena *arena, const struct value *value,
                          struct text *text)
{
    bool is_scalar = value->kind < VALUE_TUPLE;
    if (!is_scalar)
        return repr_add(python, arena, value->address, text);
    struct repr repr = of_constant(python, arena, text);
    return repr_add_scalar_value(&repr, value);
}
