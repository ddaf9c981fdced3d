/* Classes, and what types are told by. Objects/typeobject.c, genericaliasobject.c, unionobject.c, typevarobject.c;
 * 2.7: classobject.c. */
#include "python/dict.h"
#include "python/object.h"
#include "python/repr_type.h"
#include "python/string.h"

static void add_full_name(struct repr *repr, const struct type *type)
{
    if (type->module.data) {
        repr_add_text(repr, type->module);
        text_add_char(repr->text, '.');
    }
    repr_add_text(repr, type->module.data ? type->qualname : type->name);
}

/* type_repr() */
pst_error *repr_add_type(struct repr *repr, const struct instance *object)
{
    struct type *type;
    TRY(type_get(repr->types, object->address, &type));
    text_add_string(repr->text, python_is_2(repr->python) && !type->is_heap ? "<type '" : "<class '");
    add_full_name(repr, type);
    text_add_string(repr->text, "'>");
    return NULL;
}

static pst_error *add_str_or_mark(struct repr *repr, pst_addr object)
{
    enum value_kind kind = VALUE_OTHER;
    pst_text text = {"?", 1};
    if (object)
        TRY(value_get_kind(repr->python, object, &kind));
    if (kind == VALUE_BYTES)
        TRY(string_read(repr->python, repr->arena, object, &text));
    text_add(repr->text, text.data, text.size);
    return NULL;
}

pst_error *repr_add_old_class_name(struct repr *repr, pst_addr class)
{
    const struct python *python = repr->python;
    pst_addr dict, module = 0, name;
    TRY(field_address(python, class, F(PyClassObject_cl_dict), &dict));
    if (dict)
        TRY(dict_get(python, dict, "__module__", NULL, &module));
    TRY(field_address(python, class, F(PyClassObject_cl_name), &name));
    TRY(add_str_or_mark(repr, module));
    text_add_char(repr->text, '.');
    return add_str_or_mark(repr, name);
}

/* 2.7: class_repr(), of a class that is no type */
pst_error *repr_add_classobj(struct repr *repr, const struct instance *object)
{
    text_add_string(repr->text, "<class ");
    TRY(repr_add_old_class_name(repr, object->address));
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

static pst_error *add_tp_name_or_null(struct repr *repr, pst_addr type)
{
    pst_text name = {"NULL", 4};
    if (type)
        TRY(type_read_tp_name(repr->types, type, &name));
    repr_add_text(repr, name);
    return NULL;
}

/* super_repr() */
pst_error *repr_add_super(struct repr *repr, const struct instance *object)
{
    pst_addr type, obj_type;
    TRY(field_address(repr->python, object->address, F(superobject_type), &type));
    TRY(field_address(repr->python, object->address, F(superobject_obj_type), &obj_type));
    text_add_string(repr->text, "<super: <class '");
    TRY(add_tp_name_or_null(repr, type));
    text_add_string(repr->text, obj_type ? "'>, <" : "'>, ");
    TRY(add_tp_name_or_null(repr, obj_type));
    text_add_string(repr->text, obj_type ? " object>>" : ">");
    return NULL;
}

/* ---- generic aliases, unions ----------------------------------------------------------------------------- */

/* A function stands there as "module.name". What of it is no str, a module that is None: as any object. */
static pst_error *add_function_name(struct repr *repr, pst_addr function, enum type_item style)
{
    const struct python *python = repr->python;
    enum value_kind kind = VALUE_OTHER;
    pst_addr module;
    bool is_builtin;
    if (style == TYPE_ITEM_PYTHON && python_minor_version(python) < 314)
        return repr_add_name_field(repr, function, F(PyFunctionObject_func_name), 0);
    TRY(field_address(python, function, F(PyFunctionObject_func_module), &module));
    if (module)
        TRY(value_get_kind(python, module, &kind));
    if (kind != VALUE_STR)
        return repr_add_object(repr, function);
    TRY(string_equals(python, module, "builtins", &is_builtin));
    if (!is_builtin) {
        TRY(repr_add_name(repr, module));
        text_add_char(repr->text, '.');
    }
    return repr_add_name_field(repr, function, F(PyFunctionObject_func_qualname), 0);
}

static pst_error *add_class_name(struct repr *repr, pst_addr class, bool is_none_short)
{
    struct type *type;
    TRY(type_get(repr->types, class, &type));
    if (is_none_short && !type->is_heap && text_is(type->name, "NoneType"))
        text_add_string(repr->text, "None");
    else if (type->module.data)
        add_full_name(repr, type);
    else
        repr_add_text(repr, type->qualname);
    return NULL;
}

pst_error *repr_add_type_item(struct repr *repr, pst_addr item, enum type_item style)
{
    bool is_one = python_minor_version(repr->python) >= 314 && style != TYPE_ITEM_PYTHON;
    bool has_dots = style != TYPE_ITEM_UNION || is_one, is_none_short = style == TYPE_ITEM_UNION || is_one;
    struct type *kind;
    TRY(type_of(repr->types, item, &kind));
    if (kind->flags & TPFLAGS_TYPE_SUBCLASS)
        return add_class_name(repr, item, is_none_short);
    if (!kind->is_heap && text_is(kind->name, "function"))
        return add_function_name(repr, item, style);
    if (kind->is_heap || !text_is(kind->name, "ellipsis") || !has_dots)
        return repr_add_object(repr, item);
    text_add_string(repr->text, "...");
    return NULL;
}

static pst_error *add_items(struct repr *repr, pst_addr array, uint64_t count, enum type_item style)
{
    for (uint64_t i = 0; i < count; i++) {
        pst_addr item;
        if (!repr_begin_part(repr, i, count - i, style == TYPE_ITEM_UNION ? " | " : ", "))
            break;
        TRY(pointer_at(repr->python, array, i, &item));
        TRY(repr_add_type_item(repr, item, style));
    }
    return NULL;
}

/* A list of arguments, as Callable's: 3.12+ */
static pst_error *add_list(struct repr *repr, pst_addr list)
{
    pst_addr array;
    int64_t count;
    TRY(field_signed(repr->python, list, F(PyVarObject_ob_size), &count));
    TRY(field_address(repr->python, list, F(PyListObject_ob_item), &array));
    text_add_char(repr->text, '[');
    TRY(add_items(repr, array, count < 0 ? 0 : (uint64_t)count, TYPE_ITEM_ALIAS));
    text_add_char(repr->text, ']');
    return NULL;
}

static pst_error *add_argument(struct repr *repr, pst_addr item)
{
    struct type *type;
    TRY(type_of(repr->types, item, &type));
    bool is_list = python_minor_version(repr->python) >= 312 && !type->is_heap && text_is(type->name, "list");
    return is_list ? add_list(repr, item) : repr_add_type_item(repr, item, TYPE_ITEM_ALIAS);
}

static pst_error *find_items(const struct repr *repr, pst_addr object, enum field field, pst_addr *array,
                             uint64_t *count)
{
    pst_addr tuple;
    TRY(field_address(repr->python, object, field, &tuple));
    return tuple_find_items(repr->python, tuple, array, count);
}

/* ga_repr() */
pst_error *repr_add_generic_alias(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr origin, array, item;
    uint64_t is_starred = 0, count;
    if (has(python, F(gaobject_starred)))
        TRY(field_unsigned(python, object->address, F(gaobject_starred), &is_starred));
    TRY(field_address(python, object->address, F(gaobject_origin), &origin));
    TRY(find_items(repr, object->address, F(gaobject_args), &array, &count));
    if (is_starred)
        text_add_char(repr->text, '*');
    TRY(repr_add_type_item(repr, origin, TYPE_ITEM_ALIAS));
    text_add_string(repr->text, count ? "[" : "[()");
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        TRY(pointer_at(python, array, i, &item));
        TRY(add_argument(repr, item));
    }
    text_add_char(repr->text, ']');
    return NULL;
}

/* union_repr() */
pst_error *repr_add_union(struct repr *repr, const struct instance *object)
{
    pst_addr array;
    uint64_t count;
    TRY(find_items(repr, object->address, F(unionobject_args), &array, &count));
    return add_items(repr, array, count, TYPE_ITEM_UNION);
}

/* ---- type variables, 3.12+ -------------------------------------------------------------------------------- */

static pst_error *add_variable(struct repr *repr, pst_addr object, enum field name, enum field covariant,
                               enum field contravariant, enum field infer_variance)
{
    const struct python *python = repr->python;
    uint64_t is_covariant, is_contravariant, is_inferred;
    TRY(field_unsigned(python, object, covariant, &is_covariant));
    TRY(field_unsigned(python, object, contravariant, &is_contravariant));
    TRY(field_unsigned(python, object, infer_variance, &is_inferred));
    if (!is_inferred)
        text_add_char(repr->text, is_covariant ? '+' : is_contravariant ? '-' : '~');
    return repr_add_name_field(repr, object, name, 0);
}

/* typevar_repr() */
pst_error *repr_add_typevar(struct repr *repr, const struct instance *object)
{
    return add_variable(repr, object->address, F(typevarobject_name), F(typevarobject_covariant),
                        F(typevarobject_contravariant), F(typevarobject_infer_variance));
}

/* paramspec_repr() */
pst_error *repr_add_paramspec(struct repr *repr, const struct instance *object)
{
    return add_variable(repr, object->address, F(paramspecobject_name), F(paramspecobject_covariant),
                        F(paramspecobject_contravariant), F(paramspecobject_infer_variance));
}

/* typevartuple_repr() */
pst_error *repr_add_typevartuple(struct repr *repr, const struct instance *object)
{
    if (!has(repr->python, F(typevartupleobject_infer_variance)))
        return repr_add_name_field(repr, object->address, F(typevartupleobject_name), 0);
    return add_variable(repr, object->address, F(typevartupleobject_name), F(typevartupleobject_covariant),
                        F(typevartupleobject_contravariant), F(typevartupleobject_infer_variance));
}

/* paramspecargs_repr(), paramspeckwargs_repr() */
pst_error *repr_add_paramspecattr(struct repr *repr, const struct instance *object)
{
    pst_addr origin;
    struct type *type;
    TRY(field_address(repr->python, object->address, F(paramspecattrobject___origin__), &origin));
    TRY(type_of(repr->types, origin, &type));
    if (type_is(type, "typing", "ParamSpec"))
        TRY(repr_add_name_field(repr, origin, F(paramspecobject_name), 0));
    else
        TRY(repr_add_object(repr, origin));
    text_add_string(repr->text, text_is(object->type->name, "ParamSpecArgs") ? ".args" : ".kwargs");
    return NULL;
}

/* typealias_repr() */
pst_error *repr_add_typealias(struct repr *repr, const struct instance *object)
{
    bool has_qualname = has(repr->python, F(typealiasobject_qualname));
    return repr_add_name_field(repr, object->address,
                               has_qualname ? F(typealiasobject_qualname) : F(typealiasobject_name), 0);
}
