/* Members of enumerations, and the classes. Lib/enum.py, Lib/http/__init__.py. */
#include "python/repr.h"

#include "python/dict.h"
#include "python/object.h"
#include "python/string.h"

/* ---- the value ------------------------------------------------------------------------------------------- */

static pst_error *is_dataclass_repr(const struct repr *repr, pst_addr function, bool *yes)
{
    pst_addr name;
    TRY(field_address(repr->python, function, F(PyFunctionObject_func_name), &name));
    return string_equals(repr->python, name, "_dataclass_repr", yes);
}

/* Whether a field's `repr` is True. */
static pst_error *is_shown(struct repr *repr, pst_addr field, bool *yes)
{
    struct instance instance = {.address = field};
    struct value value;
    pst_addr flag;
    *yes = false;
    TRY(type_of(repr->types, field, &instance.type));
    TRY(repr_get_attribute(repr, &instance, "repr", &flag));
    if (!flag)
        return NULL;
    TRY(value_read(repr->python, repr->arena, flag, &value));
    *yes = value.kind == VALUE_BOOL && value.boolean;
    return NULL;
}

static pst_error *count_shown(struct repr *repr, struct dict_reader reader, uint64_t used, uint64_t *count)
{
    *count = 0;
    for (uint64_t i = 0; i < used; i++) {
        pst_addr name, field;
        bool shown;
        TRY(dict_next_item(&reader, &name, &field));
        TRY(is_shown(repr, field, &shown));
        *count += shown;
    }
    return NULL;
}

/* Of the object or, as that of a ClassVar is, of its class. */
static pst_error *add_dataclass_field(struct repr *repr, const struct instance *object, pst_addr name)
{
    pst_text text;
    pst_addr value;
    TRY(string_read(repr->python, repr->arena, name, &text));
    char *string = arena_alloc(repr->arena, text.size + 1);
    if (!string)
        return error_no_memory();
    memcpy(string, text.data, text.size);
    TRY(repr_get_attribute(repr, object, string, &value));
    if (!value)
        TRY(type_find_attribute(repr->types, object->type, string, &value));
    repr_add_text(repr, text);
    text_add_char(repr->text, '=');
    if (value)
        return repr_add_object(repr, value);
    text_add_char(repr->text, '?');
    return NULL;
}

/* _dataclass_repr(), 3.12+: "field=value, field=value" */
static pst_error *add_dataclass(struct repr *repr, pst_addr object)
{
    struct instance instance = {.address = object};
    struct dict_reader reader;
    pst_addr fields;
    uint64_t used, count, index = 0;
    TRY(type_of(repr->types, object, &instance.type));
    TRY(type_find_attribute(repr->types, instance.type, "__dataclass_fields__", &fields));
    if (!fields)
        return repr_add_object(repr, object);
    TRY(dict_start_items(repr->python, fields, &reader, &used));
    TRY(count_shown(repr, reader, used, &count));
    for (uint64_t i = 0; i < used; i++) {
        pst_addr name, field;
        bool shown;
        TRY(dict_next_item(&reader, &name, &field));
        TRY(is_shown(repr, field, &shown));
        if (!shown)
            continue;
        if (!repr_begin_item(repr, index, count - index))
            return NULL;
        TRY(add_dataclass_field(repr, &instance, name));
        index++;
    }
    return NULL;
}

/* By the __repr__ of the class of a slot wrapper, if the value is of that class. */
static pst_error *add_by_wrapper(struct repr *repr, pst_addr wrapper, pst_addr value)
{
    struct type *type;
    pst_addr class;
    pst_text name;
    bool is_derived = false;
    const pst_addr *bases;
    size_t count;
    TRY(field_address(repr->python, wrapper, F(PyDescrObject_d_type), &class));
    TRY(type_of(repr->types, value, &type));
    TRY(type_read_mro(repr->types, type, &bases, &count));
    for (size_t i = 0; i < count; i++)
        is_derived |= bases[i] == class;
    if (!is_derived)
        return repr_add_object(repr, value);
    TRY(type_read_tp_name(repr->types, class, &name));
    return repr_add_object_as(repr, value, repr_kind_named(REPR_IN_C, name));
}

/* As _value_repr_ of 3.11+ says, which is found when the class is made: None, or the __repr__ of the class that the
 * members are mixed with. */
static pst_error *add_deeper_value(struct repr *repr, const struct instance *member, pst_addr value)
{
    pst_addr function;
    struct type *kind, *type;
    bool is_dataclass = false;
    TRY(type_find_attribute(repr->types, member->type, "_value_repr_", &function));
    if (!function)
        return repr_add_object(repr, value);
    TRY(type_of(repr->types, function, &kind));
    if (!kind->is_heap && text_is(kind->name, "wrapper_descriptor"))
        return add_by_wrapper(repr, function, value);
    if (kind->is_heap || !text_is(kind->name, "function"))
        return repr_add_object(repr, value);
    TRY(is_dataclass_repr(repr, function, &is_dataclass));
    if (is_dataclass)
        return add_dataclass(repr, value);
    TRY(type_of(repr->types, value, &type));
    type_find_repr(repr->types, type);
    if (type->origin == REPR_IN_PYTHON)
        return repr_add_object(repr, value);
    return repr_add_object_as(repr, value, repr_kind_named(REPR_UNKNOWN, (pst_text){0}));
}

/* It is not counted as one deeper: a member of no more than its value says little without. */
static pst_error *add_value(struct repr *repr, const struct instance *member, pst_addr value)
{
    repr->bounds.depth++;
    pst_error *error = add_deeper_value(repr, member, value);
    repr->bounds.depth--;
    return error;
}

/* ---- members --------------------------------------------------------------------------------------------- */

/* *there is false: a member that is just being made has none yet. */
static pst_error *read_member(struct repr *repr, const struct instance *object, pst_addr *name, pst_addr *value,
                              bool *there)
{
    TRY(repr_get_attribute(repr, object, "_name_", name));
    TRY(repr_get_attribute(repr, object, "_value_", value));
    *there = *name && *value;
    return NULL;
}

static void add_class_name(struct repr *repr, const struct instance *object)
{
    repr_add_text(repr, object->type->name);
}

/* Enum.__repr__() */
pst_error *repr_add_enum(struct repr *repr, const struct instance *object)
{
    pst_addr name, value;
    bool there;
    TRY(read_member(repr, object, &name, &value, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    add_class_name(repr, object);
    text_add_char(repr->text, '.');
    TRY(repr_add_str_of(repr, name));
    text_add_string(repr->text, ": ");
    TRY(add_value(repr, object, value));
    text_add_char(repr->text, '>');
    return NULL;
}

static pst_error *is_none(const struct repr *repr, pst_addr object, bool *yes)
{
    enum value_kind kind;
    TRY(value_get_kind(repr->python, object, &kind));
    *yes = kind == VALUE_NONE;
    return NULL;
}

/* Flag.__repr__(): from 3.11 on the name of a composite one was made together with it. */
pst_error *repr_add_flag(struct repr *repr, const struct instance *object)
{
    pst_addr name, value;
    bool there, is_unnamed;
    TRY(read_member(repr, object, &name, &value, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    TRY(is_none(repr, name, &is_unnamed));
    if (is_unnamed && python_minor_version(repr->python) < 311)
        return repr_add_composite_flag(repr, object, value);
    if (!is_unnamed)
        return repr_add_enum(repr, object);
    text_add_char(repr->text, '<');
    add_class_name(repr, object);
    text_add_string(repr->text, ": ");
    TRY(add_value(repr, object, value));
    text_add_char(repr->text, '>');
    return NULL;
}

/* HTTPMethod.__repr__(), 3.11+ */
pst_error *repr_add_httpmethod(struct repr *repr, const struct instance *object)
{
    pst_addr name;
    TRY(repr_get_attribute(repr, object, "_name_", &name));
    if (!name)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    add_class_name(repr, object);
    text_add_char(repr->text, '.');
    TRY(repr_add_str_of(repr, name));
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- @global_enum, 3.11+ --------------------------------------------------------------------------------- */

static pst_text get_last_module(const struct type *type)
{
    pst_text module = type->module;
    const char *dot = module.size ? memrchr(module.data, '.', module.size) : NULL;
    if (!dot)
        return module;
    return (pst_text){dot + 1, module.size - (size_t)(dot + 1 - module.data)};
}

static void add_module(struct repr *repr, const struct instance *object)
{
    pst_text module = get_last_module(object->type);
    text_add(repr->text, module.data, module.size);
    text_add_char(repr->text, '.');
}

/* global_enum_repr(): "re.A" */
pst_error *repr_add_global_enum(struct repr *repr, const struct instance *object)
{
    pst_addr name;
    TRY(repr_get_attribute(repr, object, "_name_", &name));
    if (!name)
        return repr_add_attributes(repr, object);
    add_module(repr, object);
    return repr_add_str_of(repr, name);
}

/* Each part of "A|B|0x400" with its module: only FlagBoundary.KEEP has numbers in names. */
static pst_error *add_names(struct repr *repr, const struct instance *object, pst_text names)
{
    pst_text module = get_last_module(object->type);
    struct text text = {0};
    for (size_t start = 0; start <= names.size;) {
        const char *bar = memchr(names.data + start, '|', names.size - start);
        size_t end = bar ? (size_t)(bar - names.data) : names.size;
        bool is_number = end > start && names.data[start] >= '0' && names.data[start] <= '9';
        if (start)
            text_add_char(&text, '|');
        if (!is_number) {
            text_add(&text, module.data, module.size);
            text_add_char(&text, '.');
        }
        text_add(&text, names.data + start, end - start);
        start = end + 1;
    }
    bool failed = text.failed;
    repr_add_text(repr, (pst_text){text.data, text.size});
    text_free(&text);
    return failed ? error_no_memory() : NULL;
}

/* global_flag_repr() */
pst_error *repr_add_global_flag(struct repr *repr, const struct instance *object)
{
    pst_addr name, value;
    pst_text names;
    bool there, is_unnamed;
    TRY(read_member(repr, object, &name, &value, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    TRY(is_none(repr, name, &is_unnamed));
    if (!is_unnamed) {
        TRY(string_read(repr->python, repr->arena, name, &names));
        return add_names(repr, object, names);
    }
    add_module(repr, object);
    add_class_name(repr, object);
    text_add_char(repr->text, '(');
    TRY(repr_add_object(repr, value));
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- classes --------------------------------------------------------------------------------------------- */

/* EnumType.__repr__(), EnumMeta.__repr__(): "<enum 'Color'>"; since 3.11 flags are told apart. */
pst_error *repr_add_enumtype(struct repr *repr, const struct instance *object)
{
    struct type *class, *flag = NULL;
    pst_addr name;
    TRY(type_get(repr->types, object->address, &class));
    if (python_minor_version(repr->python) >= 311)
        TRY(type_find_base(repr->types, class, "enum", "Flag", &flag));
    TRY(field_address(repr->python, object->address, F(PyHeapTypeObject_ht_name), &name));
    text_add_string(repr->text, flag ? "<flag " : "<enum ");
    TRY(repr_add_scalar(repr, name, VALUE_STR));
    text_add_char(repr->text, '>');
    return NULL;
}
