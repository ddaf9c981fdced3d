/*
 * What Lib/typing.py and _collections_abc.py write in Python: special forms, aliases, and to 3.11 type variables. From
 * 3.7 on; 3.6 had classes for most of them.
 */
#include "python/object.h"
#include "python/repr_type.h"
#include "python/string.h"

/* The items of a tuple. */
struct arguments {
    pst_addr array;
    uint64_t count;
};

static pst_error *get(struct repr *repr, const struct instance *object, const char *name, pst_addr *value)
{
    TRY(repr_get_attribute(repr, object, name, value));
    if (*value)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx has no %s", (unsigned long long)object->address, name);
}

static pst_error *get_arguments(struct repr *repr, const struct instance *object, struct arguments *arguments)
{
    pst_addr tuple;
    TRY(get(repr, object, "__args__", &tuple));
    return tuple_find_items(repr->python, tuple, &arguments->array, &arguments->count);
}

static pst_error *add_attribute_name(struct repr *repr, const struct instance *object, const char *name)
{
    pst_addr str;
    TRY(get(repr, object, name, &str));
    return repr_add_name(repr, str);
}

/* ---- _type_repr() ------------------------------------------------------------------------------------------ */

/* A tuple stands for the parameters of a ParamSpec since 3.12. `depth`: of such tuples in each other. */
static pst_error *add_item(struct repr *repr, pst_addr item, int depth)
{
    enum { MAX_DEPTH = 20 };
    struct type *type;
    struct arguments arguments;
    TRY(type_of(repr->types, item, &type));
    if (!(type->flags & TPFLAGS_TUPLE_SUBCLASS) || python_minor_version(repr->python) < 312 || depth >= MAX_DEPTH)
        return repr_add_type_item(repr, item, TYPE_ITEM_PYTHON);
    TRY(tuple_find_items(repr->python, item, &arguments.array, &arguments.count));
    text_add_char(repr->text, '[');
    for (uint64_t i = 0; i < arguments.count && repr_begin_item(repr, i, arguments.count - i); i++) {
        TRY(pointer_at(repr->python, arguments.array, i, &item));
        TRY(add_item(repr, item, depth + 1));
    }
    text_add_char(repr->text, ']');
    return NULL;
}

static pst_error *add_items(struct repr *repr, const struct arguments *arguments, uint64_t count)
{
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        pst_addr item;
        TRY(pointer_at(repr->python, arguments->array, i, &item));
        TRY(add_item(repr, item, 0));
    }
    return NULL;
}

/* ---- aliases ------------------------------------------------------------------------------------------------ */

/* "typing.List", "m.Class": what stands before the bracket. */
static pst_error *add_alias_name(struct repr *repr, const struct instance *object)
{
    pst_addr name, origin;
    enum value_kind kind;
    uint64_t size = 0;
    pst_text text;
    TRY(get(repr, object, "_name", &name));
    TRY(value_get_kind(repr->python, name, &kind));
    if (kind == VALUE_STR)
        TRY(string_read_start(repr->python, repr->arena, name, 0, &text, &size));
    if (size) {
        text_add_string(repr->text, "typing.");
        return repr_add_name(repr, name);
    }
    TRY(get(repr, object, "__origin__", &origin));
    return add_item(repr, origin, 0);
}

static pst_error *add_alias(struct repr *repr, const struct instance *object, const struct arguments *arguments)
{
    bool has_mark = python_minor_version(repr->python) >= 311;
    TRY(add_alias_name(repr, object));
    text_add_char(repr->text, '[');
    if (!arguments->count && has_mark)
        text_add_string(repr->text, "()");
    TRY(add_items(repr, arguments, arguments->count));
    text_add_char(repr->text, ']');
    return NULL;
}

/* "typing.Callable[[int, str], None]" */
static pst_error *add_callable(struct repr *repr, const char *name, const struct arguments *arguments)
{
    pst_addr result;
    if (!arguments->count)
        return error_new(PST_ERROR_CORRUPT, "a Callable without a result");
    TRY(pointer_at(repr->python, arguments->array, arguments->count - 1, &result));
    text_add_string(repr->text, name);
    text_add_string(repr->text, "[[");
    TRY(add_items(repr, arguments, arguments->count - 1));
    text_add_string(repr->text, "], ");
    TRY(add_item(repr, result, 0));
    text_add_char(repr->text, ']');
    return NULL;
}

/* _is_param_expr(): what stands for all parameters. To 3.9 that is "..." alone. */
static pst_error *are_all_parameters(struct repr *repr, const struct arguments *arguments, bool *result)
{
    static const char *const classes[][2] = {{"", "ellipsis"}, {"", "list"}, {"", "tuple"}, {"typing", "ParamSpec"},
                                             {"typing", "_ConcatenateGenericAlias"}};
    size_t count = python_minor_version(repr->python) < 310 ? 1 : sizeof classes / sizeof *classes;
    struct type *type, *base;
    pst_addr first;
    *result = false;
    if (arguments->count != 2)
        return NULL;
    TRY(pointer_at(repr->python, arguments->array, 0, &first));
    TRY(type_of(repr->types, first, &type));
    for (size_t i = 0; i < count && !*result; i++) {
        TRY(type_find_base(repr->types, type, classes[i][0], classes[i][1], &base));
        *result = base;
    }
    return NULL;
}

/* To 3.8 one class does for all of them, and those without arguments are marked. */
static pst_error *add_alias_38(struct repr *repr, const struct instance *object, const struct arguments *arguments)
{
    pst_addr name, special;
    bool is_callable, is_all;
    struct value is_special;
    TRY(get(repr, object, "_name", &name));
    TRY(get(repr, object, "_special", &special));
    TRY(string_equals(repr->python, name, "Callable", &is_callable));
    TRY(are_all_parameters(repr, arguments, &is_all));
    TRY(value_read(repr->python, repr->arena, special, &is_special));
    if (is_special.kind == VALUE_BOOL && is_special.boolean)
        return add_alias_name(repr, object);
    return is_callable && !is_all ? add_callable(repr, "typing.Callable", arguments)
                                  : add_alias(repr, object, arguments);
}

/* _GenericAlias */
pst_error *repr_add_typing_alias(struct repr *repr, const struct instance *object)
{
    struct arguments arguments;
    TRY(get_arguments(repr, object, &arguments));
    return python_minor_version(repr->python) < 309 ? add_alias_38(repr, object, &arguments)
                                                    : add_alias(repr, object, &arguments);
}

/* _CallableGenericAlias */
pst_error *repr_add_typing_callable(struct repr *repr, const struct instance *object)
{
    struct arguments arguments;
    bool is_all;
    TRY(get_arguments(repr, object, &arguments));
    TRY(are_all_parameters(repr, &arguments, &is_all));
    return is_all ? add_alias(repr, object, &arguments) : add_callable(repr, "typing.Callable", &arguments);
}

/* Lib/_collections_abc.py, _CallableGenericAlias, which is derived from types.GenericAlias */
pst_error *repr_add_abc_callable(struct repr *repr, const struct instance *object)
{
    struct arguments arguments;
    pst_addr tuple;
    bool is_all;
    TRY(field_address(repr->python, object->address, F(gaobject_args), &tuple));
    TRY(tuple_find_items(repr->python, tuple, &arguments.array, &arguments.count));
    TRY(are_all_parameters(repr, &arguments, &is_all));
    return is_all ? repr_add_generic_alias(repr, object)
                  : add_callable(repr, "collections.abc.Callable", &arguments);
}

static pst_error *is_none_type(struct repr *repr, pst_addr object, bool *result)
{
    struct type *kind, *type;
    TRY(type_of(repr->types, object, &kind));
    *result = kind->flags & TPFLAGS_TYPE_SUBCLASS;
    if (!*result)
        return NULL;
    TRY(type_get(repr->types, object, &type));
    *result = !type->is_heap && text_is(type->name, "NoneType");
    return NULL;
}

/* _UnionGenericAlias, 3.9 to 3.13 */
pst_error *repr_add_typing_union(struct repr *repr, const struct instance *object)
{
    struct arguments arguments;
    TRY(get_arguments(repr, object, &arguments));
    for (size_t i = 0; i < 2 && arguments.count == 2; i++) {
        pst_addr item, other;
        bool is_none;
        TRY(pointer_at(repr->python, arguments.array, i, &item));
        TRY(pointer_at(repr->python, arguments.array, 1 - i, &other));
        TRY(is_none_type(repr, item, &is_none));
        if (!is_none)
            continue;
        text_add_string(repr->text, "typing.Optional[");
        TRY(add_item(repr, other, 0));
        text_add_char(repr->text, ']');
        return NULL;
    }
    return add_alias(repr, object, &arguments);
}

/* _UnpackGenericAlias, 3.11+ */
pst_error *repr_add_typing_unpack(struct repr *repr, const struct instance *object)
{
    struct arguments arguments;
    pst_addr first;
    bool is_star = python_minor_version(repr->python) < 312;
    TRY(get_arguments(repr, object, &arguments));
    TRY(pointer_at(repr->python, arguments.array, 0, &first));
    text_add_string(repr->text, is_star ? "*" : "typing.Unpack[");
    TRY(is_star ? repr_add_object(repr, first) : add_item(repr, first, 0));
    text_add_string(repr->text, is_star ? "" : "]");
    return NULL;
}

/* _AnnotatedAlias, 3.9+ */
pst_error *repr_add_typing_annotated(struct repr *repr, const struct instance *object)
{
    pst_addr origin, tuple;
    struct arguments metadata;
    TRY(get(repr, object, "__origin__", &origin));
    TRY(get(repr, object, "__metadata__", &tuple));
    TRY(tuple_find_items(repr->python, tuple, &metadata.array, &metadata.count));
    text_add_string(repr->text, "typing.Annotated[");
    TRY(add_item(repr, origin, 0));
    text_add_string(repr->text, ", ");
    TRY(repr_add_array(repr, metadata.array, metadata.count));
    text_add_char(repr->text, ']');
    return NULL;
}

/* ---- special forms, names ----------------------------------------------------------------------------------- */

/* _SpecialForm, _SpecialGenericAlias */
pst_error *repr_add_typing_form(struct repr *repr, const struct instance *object)
{
    text_add_string(repr->text, "typing.");
    return add_attribute_name(repr, object, "_name");
}

/* Objects/typevarobject.c, NoDefault_repr(), 3.13+ */
pst_error *repr_add_no_default(struct repr *repr, const struct instance *object)
{
    (void)object;
    text_add_string(repr->text, "typing.NoDefault");
    return NULL;
}

/* _AnyMeta, 3.11+ */
pst_error *repr_add_typing_any(struct repr *repr, const struct instance *object)
{
    struct type *type;
    TRY(type_get(repr->types, object->address, &type));
    if (!type_is(type, "typing", "Any"))
        return repr_add_type(repr, object);
    text_add_string(repr->text, "typing.Any");
    return NULL;
}

/* NewType, 3.10+ */
pst_error *repr_add_typing_newtype(struct repr *repr, const struct instance *object)
{
    pst_addr module;
    TRY(get(repr, object, "__module__", &module));
    TRY(repr_add_str_of(repr, module));
    text_add_char(repr->text, '.');
    return add_attribute_name(repr, object, "__qualname__");
}

/* ForwardRef, to 3.13 */
pst_error *repr_add_typing_forward(struct repr *repr, const struct instance *object)
{
    pst_addr argument, module;
    enum value_kind kind = VALUE_NONE;
    TRY(get(repr, object, "__forward_arg__", &argument));
    text_add_string(repr->text, "ForwardRef(");
    TRY(repr_add_object(repr, argument));
    if (python_minor_version(repr->python) >= 311) {
        TRY(get(repr, object, "__forward_module__", &module));
        TRY(value_get_kind(repr->python, module, &kind));
    }
    if (kind != VALUE_NONE) {
        text_add_string(repr->text, ", module=");
        TRY(repr_add_object(repr, module));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- type variables, to 3.11 -------------------------------------------------------------------------------- */

static pst_error *is_true(struct repr *repr, const struct instance *object, const char *name, bool *result)
{
    pst_addr attribute;
    struct value value;
    TRY(get(repr, object, name, &attribute));
    TRY(value_read(repr->python, repr->arena, attribute, &value));
    *result = value.kind == VALUE_BOOL && value.boolean;
    return NULL;
}

pst_error *repr_add_typing_variable(struct repr *repr, const struct instance *object)
{
    bool is_covariant, is_contravariant;
    TRY(is_true(repr, object, "__covariant__", &is_covariant));
    TRY(is_true(repr, object, "__contravariant__", &is_contravariant));
    text_add_char(repr->text, is_covariant ? '+' : is_contravariant ? '-' : '~');
    return add_attribute_name(repr, object, "__name__");
}

/* TypeVarTuple, 3.11 */
pst_error *repr_add_typing_variables(struct repr *repr, const struct instance *object)
{
    return add_attribute_name(repr, object, "__name__");
}

/* ParamSpecArgs, ParamSpecKwargs, 3.10 and 3.11 */
pst_error *repr_add_typing_part(struct repr *repr, const struct instance *object)
{
    struct instance origin;
    TRY(get(repr, object, "__origin__", &origin.address));
    TRY(type_of(repr->types, origin.address, &origin.type));
    TRY(add_attribute_name(repr, &origin, "__name__"));
    text_add_string(repr->text, text_is(object->type->name, "ParamSpecArgs") ? ".args" : ".kwargs");
    return NULL;
}
