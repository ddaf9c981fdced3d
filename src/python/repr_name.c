#include "python/repr_name.h"

#include "python/c_name.h"
#include "python/dict.h"
#include "python/member.h"
#include "python/object.h"
#include "python/string.h"

enum { MAX_DEPTH = 32 /* of methods that were made of methods */ };

/* A search for the name of one object. */
struct search {
    struct repr *repr;
    enum name_attribute attribute;
    const char *key;
    int depth;
    bool *there;
};

static pst_error *find(const struct search *search, pst_addr object, pst_text *name);

/* ---- parts ----------------------------------------------------------------------------------------------- */

/* Of anything else than a str: none. */
static pst_error *read_str(const struct search *search, pst_addr object, pst_text *name)
{
    const struct python *python = search->repr->python;
    struct type *type;
    *name = (pst_text){0};
    *search->there = object;
    if (!object)
        return NULL;
    TRY(type_of(search->repr->types, object, &type));
    if (!(type->flags & (python_is_2(python) ? TPFLAGS_BYTES_SUBCLASS : TPFLAGS_UNICODE_SUBCLASS)))
        return NULL;
    return string_read(python, search->repr->arena, object, name);
}

static pst_error *read_field(const struct search *search, pst_addr object, enum field field, pst_text *name)
{
    pst_addr str;
    TRY(field_address(search->repr->python, object, field, &str));
    return read_str(search, str, name);
}

static pst_error *join(const struct search *search, pst_text outer, pst_text inner, pst_text *name)
{
    struct text text = {0};
    text_add(&text, outer.data, outer.size);
    text_add_char(&text, '.');
    text_add(&text, inner.data, inner.size);
    const char *copy = text.failed ? NULL : arena_copy(search->repr->arena, text.data, text.size);
    *name = (pst_text){copy, text.size};
    text_free(&text);
    return copy ? NULL : error_no_memory();
}

/* "Class.name", where a qualified name is wanted. */
static pst_error *qualify(const struct search *search, pst_addr type_at, pst_text *name)
{
    struct type *type;
    if (search->attribute != NAME_QUALIFIED)
        return NULL;
    TRY(type_get(search->repr->types, type_at, &type));
    return join(search, type->qualname, *name, name);
}

/* ---- kinds ------------------------------------------------------------------------------------------------- */

pst_error *repr_is_module(struct repr *repr, const struct type *type, bool *is_module)
{
    struct type *base;
    TRY(type_find_base(repr->types, type, "", "module", &base));
    *is_module = base != NULL;
    return NULL;
}

/* Objects/methodobject.c, meth_get__qualname__() */
static pst_error *find_of_builtin(const struct search *search, pst_addr function, pst_text *name)
{
    const struct python *python = search->repr->python;
    pst_addr self;
    struct type *type;
    bool is_module;
    TRY(builtin_read_name(python, search->repr->arena, function, name));
    TRY(field_address(python, function, F(PyCFunctionObject_m_self), &self));
    if (!self || search->attribute != NAME_QUALIFIED)
        return NULL;
    TRY(type_of(search->repr->types, self, &type));
    TRY(repr_is_module(search->repr, type, &is_module));
    return is_module ? NULL : qualify(search, type->flags & TPFLAGS_TYPE_SUBCLASS ? self : type->address, name);
}

/* Objects/descrobject.c, calculate_qualname() */
static pst_error *find_of_descriptor(const struct search *search, pst_addr descriptor, pst_text *name)
{
    pst_addr type;
    TRY(read_field(search, descriptor, F(PyDescrObject_d_name), name));
    TRY(field_address(search->repr->python, descriptor, F(PyDescrObject_d_type), &type));
    return name->data ? qualify(search, type, name) : NULL;
}

static pst_error *find_of_class(const struct search *search, pst_addr class, pst_text *name)
{
    struct type *type;
    TRY(type_get(search->repr->types, class, &type));
    *name = search->attribute == NAME_QUALIFIED ? type->qualname : type->name;
    return NULL;
}

static pst_error *find_of_module(const struct search *search, pst_addr module, pst_text *name)
{
    const struct python *python = search->repr->python;
    pst_addr dict, value = 0;
    TRY(field_address(python, module, F(PyModuleObject_md_dict), &dict));
    if (dict)
        TRY(dict_get(python, dict, search->key, NULL, &value));
    return read_str(search, value, name);
}

static pst_error *find_of_instance(const struct search *search, pst_addr object, const struct type *type,
                                   pst_text *name)
{
    pst_addr value = 0;
    if (search->attribute != NAME_SPECIAL)
        TRY(member_or_attribute_get(search->repr->types, object, type, search->key, &value));
    if (!value)
        TRY(type_find_attribute(search->repr->types, type, search->key, &value));
    return read_str(search, value, name);
}

/* What it lacks itself, a method takes from its function. */
static pst_error *find_of_method(const struct search *search, pst_addr method, pst_text *name)
{
    struct search inner = *search;
    pst_addr function;
    if (search->attribute == NAME_SPECIAL || search->depth >= MAX_DEPTH)
        return NULL;
    TRY(field_address(search->repr->python, method, F(PyMethodObject_im_func), &function));
    inner.depth++;
    return find(&inner, function, name);
}

static pst_error *find_of_wrapper(const struct search *search, pst_addr wrapper, pst_text *name)
{
    pst_addr descriptor;
    TRY(field_address(search->repr->python, wrapper, F(wrapperobject_descr), &descriptor));
    return find_of_descriptor(search, descriptor, name);
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static bool is_one_of(const struct type *type, const char *const *names)
{
    while (*names && !text_is(type->name, *names))
        names++;
    return *names;
}

/* 2.7 has no qualified names, but for what others call one. */
static pst_error *find_of_generator(const struct search *search, pst_addr generator, pst_text *name)
{
    const struct python *python = search->repr->python;
    pst_addr code;
    if (has(python, F(PyGenObject_gi_name)))
        return read_field(search, generator, search->attribute == NAME_QUALIFIED ? F(PyGenObject_gi_qualname)
                                                                                 : F(PyGenObject_gi_name), name);
    TRY(field_address(python, generator, F(PyGenObject_gi_code), &code));
    return read_field(search, code, F(PyCodeObject_co_name), name);
}

static pst_error *find_of_static(const struct search *search, pst_addr object, const struct type *type,
                                 pst_text *name)
{
    static const char *const builtins[] = {"builtin_function_or_method", "builtin_method", NULL};
    static const char *const methods[] = {"method", "instancemethod", NULL};
    static const char *const generators[] = {"generator", "coroutine", "async_generator", NULL};
    static const char *const descriptors[] = {"method_descriptor", "classmethod_descriptor", "wrapper_descriptor",
                                              "getset_descriptor", "member_descriptor", NULL};
    bool is_qualified = search->attribute == NAME_QUALIFIED && !python_is_2(search->repr->python);
    if (text_is(type->name, "function"))
        return read_field(search, object,
                          is_qualified ? F(PyFunctionObject_func_qualname) : F(PyFunctionObject_func_name), name);
    if (text_is(type->name, "classobj"))
        return read_field(search, object, F(PyClassObject_cl_name), name);
    if (text_is(type->name, "method-wrapper"))
        return find_of_wrapper(search, object, name);
    if (is_one_of(type, builtins))
        return find_of_builtin(search, object, name);
    if (is_one_of(type, methods))
        return find_of_method(search, object, name);
    if (is_one_of(type, generators))
        return find_of_generator(search, object, name);
    if (is_one_of(type, descriptors))
        return find_of_descriptor(search, object, name);
    return find_of_instance(search, object, type, name);
}

static pst_error *find(const struct search *search, pst_addr object, pst_text *name)
{
    struct type *type;
    bool is_module;
    *name = (pst_text){0};
    TRY(type_of(search->repr->types, object, &type));
    if (type->flags & TPFLAGS_TYPE_SUBCLASS)
        return find_of_class(search, object, name);
    TRY(repr_is_module(search->repr, type, &is_module));
    if (is_module && search->attribute != NAME_SPECIAL)
        return find_of_module(search, object, name);
    return type->is_heap ? find_of_instance(search, object, type, name) : find_of_static(search, object, type, name);
}

pst_error *repr_find_name(struct repr *repr, pst_addr object, enum name_attribute attribute, bool *there,
                          pst_text *name)
{
    *there = false;
    struct search search = {repr, attribute, attribute == NAME_QUALIFIED ? "__qualname__" : "__name__", 0, there};
    TRY(find(&search, object, name));
    *there |= name->data != NULL;
    return NULL;
}
