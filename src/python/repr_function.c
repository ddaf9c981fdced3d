/*
 * Functions, methods, and what classes have them as. Objects/funcobject.c, methodobject.c, classobject.c,
 * descrobject.c.
 */
#include "python/c_name.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/repr_name.h"
#include "python/string.h"

static pst_error *add_tp_name_of(struct repr *repr, pst_addr type)
{
    pst_text name;
    TRY(type_read_tp_name(repr->types, type, &name));
    repr_add_text(repr, name);
    return NULL;
}

/* " of dict object at 0x…>" */
static pst_error *add_owner(struct repr *repr, pst_addr owner)
{
    pst_addr type;
    TRY(object_get_type(repr->python, owner, &type));
    text_add_string(repr->text, " of ");
    TRY(add_tp_name_of(repr, type));
    text_add_string(repr->text, " object");
    repr_add_address(repr, owner);
    text_add_char(repr->text, '>');
    return NULL;
}

/* func_repr() */
pst_error *repr_add_function(struct repr *repr, const struct instance *object)
{
    bool is_2 = python_is_2(repr->python);
    text_add_string(repr->text, "<function ");
    TRY(repr_add_name_field(repr, object->address,
                            is_2 ? F(PyFunctionObject_func_name) : F(PyFunctionObject_func_qualname), SIZE_MAX));
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* meth_repr(): a function of a module has that as its m_self since 3.0. */
pst_error *repr_add_builtin(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr self;
    pst_text name;
    struct type *type;
    bool is_function = true;
    TRY(builtin_read_name(python, repr->arena, object->address, &name));
    TRY(field_address(python, object->address, F(PyCFunctionObject_m_self), &self));
    if (self && python_is_2(python))
        is_function = false;
    if (self && is_function) {
        TRY(type_of(repr->types, self, &type));
        TRY(repr_is_module(repr, type, &is_function));
    }
    text_add_string(repr->text, is_function ? "<built-in function " : "<built-in method ");
    repr_add_text(repr, name);
    if (!is_function)
        return add_owner(repr, self);
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- methods of instances ---------------------------------------------------------------------------------- */

static void add_found_name(struct repr *repr, pst_text name)
{
    if (name.data)
        repr_add_text(repr, name);
    else
        text_add_char(repr->text, '?');
}

/* 2.7: instancemethod_repr() */
static pst_error *add_method_2(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr function, self, class;
    pst_text name, class_name = {0};
    bool there;
    TRY(field_address(python, object->address, F(PyMethodObject_im_func), &function));
    TRY(field_address(python, object->address, F(PyMethodObject_im_self), &self));
    TRY(field_address(python, object->address, F(PyMethodObject_im_class), &class));
    TRY(repr_find_name(repr, function, NAME_PLAIN, &there, &name));
    if (class)
        TRY(repr_find_name(repr, class, NAME_PLAIN, &there, &class_name));
    text_add_string(repr->text, self ? "<bound method " : "<unbound method ");
    add_found_name(repr, class_name);
    text_add_char(repr->text, '.');
    add_found_name(repr, name);
    if (self) {
        text_add_string(repr->text, " of ");
        TRY(repr_add_object(repr, self));
    }
    text_add_char(repr->text, '>');
    return NULL;
}

/* method_repr() */
pst_error *repr_add_method(struct repr *repr, const struct instance *object)
{
    pst_addr function;
    pst_text name;
    bool there;
    if (python_is_2(repr->python))
        return add_method_2(repr, object);
    TRY(field_address(repr->python, object->address, F(PyMethodObject_im_func), &function));
    TRY(repr_find_name(repr, function, NAME_QUALIFIED, &there, &name));
    if (!there)
        TRY(repr_find_name(repr, function, NAME_PLAIN, &there, &name));
    text_add_string(repr->text, "<bound method ");
    add_found_name(repr, name);
    text_add_string(repr->text, " of ");
    TRY(repr_add_field(repr, object->address, F(PyMethodObject_im_self)));
    text_add_char(repr->text, '>');
    return NULL;
}

/* 2.7's method; 3.x: one of the C API's own, that Python has no way to make. */
pst_error *repr_add_instancemethod(struct repr *repr, const struct instance *object)
{
    return python_is_2(repr->python) ? add_method_2(repr, object) : repr_add_attributes(repr, object);
}

/* wrapper_repr() */
pst_error *repr_add_method_wrapper(struct repr *repr, const struct instance *object)
{
    pst_addr descriptor, self;
    TRY(field_address(repr->python, object->address, F(wrapperobject_descr), &descriptor));
    TRY(field_address(repr->python, object->address, F(wrapperobject_self), &self));
    text_add_string(repr->text, "<method-wrapper '");
    TRY(repr_add_name_field(repr, descriptor, F(PyDescrObject_d_name), SIZE_MAX));
    text_add_char(repr->text, '\'');
    return add_owner(repr, self);
}

/* ---- what stands in classes --------------------------------------------------------------------------------- */

static const char *descriptor_word(const struct type *type)
{
    if (text_is(type->name, "getset_descriptor"))
        return "attribute";
    if (text_is(type->name, "member_descriptor"))
        return "member";
    return text_is(type->name, "wrapper_descriptor") ? "slot wrapper" : "method";
}

/* descr_repr(): since 3.15 those of object itself are not said to be of it. */
pst_error *repr_add_descriptor(struct repr *repr, const struct instance *object)
{
    pst_addr type_at;
    struct type *type;
    TRY(field_address(repr->python, object->address, F(PyDescrObject_d_type), &type_at));
    TRY(type_get(repr->types, type_at, &type));
    text_printf(repr->text, "<%s '", descriptor_word(object->type));
    TRY(repr_add_name_field(repr, object->address, F(PyDescrObject_d_name), SIZE_MAX));
    text_add_char(repr->text, '\'');
    if (python_minor_version(repr->python) < 315 || type->is_heap || !type_is(type, "", "object")) {
        text_add_string(repr->text, " of '");
        TRY(add_tp_name_of(repr, type_at));
        text_add_string(repr->text, "' objects");
    }
    text_add_char(repr->text, '>');
    return NULL;
}

/* cm_repr(), 3.10+ */
pst_error *repr_add_classmethod(struct repr *repr, const struct instance *object)
{
    text_add_string(repr->text, "<classmethod(");
    TRY(repr_add_field(repr, object->address, F(classmethod_cm_callable)));
    text_add_string(repr->text, ")>");
    return NULL;
}

/* sm_repr(), 3.10+ */
pst_error *repr_add_staticmethod(struct repr *repr, const struct instance *object)
{
    text_add_string(repr->text, "<staticmethod(");
    TRY(repr_add_field(repr, object->address, F(staticmethod_sm_callable)));
    text_add_string(repr->text, ")>");
    return NULL;
}
