/* Modules. Lib/importlib/_bootstrap.py, _module_repr(), _module_repr_from_spec(); 2.7: Objects/moduleobject.c. */
#include "python/attribute.h"
#include "python/dict.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

/* What a module's __loader__.module_repr(), to 3.11, says of it. */
enum loader_word {
    LOADER_SILENT,     /* it has none, or one that always fails */
    LOADER_BUILTIN,
    LOADER_FROZEN,
    LOADER_NAMESPACE,
    LOADER_UNKNOWN,    /* it is another's, and not run */
};

/* The parts of a module that tell of it; 0: not there, or None. */
struct module {
    pst_addr name, file, loader, spec;
    bool has_name, has_file;
};

struct spec {
    pst_addr name, origin, loader;
    bool has_location;
};

/* None is as good as nothing. */
static pst_error *drop_none(struct repr *repr, pst_addr *object)
{
    enum value_kind kind = VALUE_OTHER;
    if (*object)
        TRY(value_get_kind(repr->python, *object, &kind));
    if (kind == VALUE_NONE)
        *object = 0;
    return NULL;
}

static pst_error *find(struct repr *repr, pst_addr dict, const char *name, pst_addr *value, bool *there)
{
    TRY(dict_get(repr->python, dict, name, NULL, value));
    *there = *value;
    return drop_none(repr, value);
}

static pst_error *read_module(struct repr *repr, pst_addr dict, struct module *module)
{
    bool there;
    TRY(find(repr, dict, "__name__", &module->name, &module->has_name));
    TRY(find(repr, dict, "__file__", &module->file, &module->has_file));
    TRY(find(repr, dict, "__loader__", &module->loader, &there));
    return find(repr, dict, "__spec__", &module->spec, &there);
}

/* repr(), of None, too. */
static pst_error *add_or_none(struct repr *repr, pst_addr object)
{
    if (object)
        return repr_add_object(repr, object);
    text_add_string(repr->text, "None");
    return NULL;
}

/* ---- what loaders say ------------------------------------------------------------------------------------- */

static enum loader_word word_of(const struct type *class)
{
    if (type_is(class, "_frozen_importlib", "BuiltinImporter"))
        return LOADER_BUILTIN;
    if (type_is(class, "_frozen_importlib", "FrozenImporter"))
        return LOADER_FROZEN;
    if (type_is(class, "_frozen_importlib_external", "_NamespaceLoader"))
        return LOADER_NAMESPACE;
    bool always_fails = type_is(class, "importlib.abc", "Loader") || type_is(class, "importlib._abc", "Loader");
    return always_fails ? LOADER_SILENT : LOADER_UNKNOWN;
}

/* A loader is an object or, of the builtin and frozen modules, a class. */
static pst_error *find_word(struct repr *repr, pst_addr loader, enum loader_word *word)
{
    struct type *type, *class;
    const pst_addr *bases;
    size_t count;
    *word = LOADER_SILENT;
    if (!loader)
        return NULL;
    TRY(type_of(repr->types, loader, &type));
    if (type->flags & TPFLAGS_TYPE_SUBCLASS)
        TRY(type_get(repr->types, loader, &type));
    TRY(type_read_mro(repr->types, type, &bases, &count));
    for (size_t i = 0; i < count; i++) {
        pst_addr method = 0;
        TRY(type_get(repr->types, bases[i], &class));
        if (class->is_heap)
            TRY(type_get_own(repr->python, bases[i], "module_repr", &method));
        if (!method)
            continue;
        *word = word_of(class);
        return NULL;
    }
    return NULL;
}

static pst_error *add_word(struct repr *repr, const struct module *module, enum loader_word word)
{
    text_add_string(repr->text, "<module ");
    TRY(add_or_none(repr, module->name));
    text_add_string(repr->text, word == LOADER_BUILTIN ? " (built-in)>"
                                : word == LOADER_FROZEN ? " (frozen)>" : " (namespace)>");
    return NULL;
}

/* ---- from a spec ------------------------------------------------------------------------------------------- */

static pst_error *is_a(struct repr *repr, pst_addr object, const char *module, const char *name, bool *result)
{
    struct type *type, *base;
    TRY(type_of(repr->types, object, &type));
    TRY(type_find_base(repr->types, type, module, name, &base));
    *result = base;
    return NULL;
}

static pst_error *read_attribute(struct repr *repr, pst_addr object, const char *name, pst_addr *value)
{
    TRY(attribute_get(repr->python, object, name, NULL, value));
    return drop_none(repr, value);
}

static pst_error *read_spec(struct repr *repr, pst_addr address, struct spec *spec)
{
    pst_addr location;
    struct value value;
    TRY(read_attribute(repr, address, "name", &spec->name));
    TRY(read_attribute(repr, address, "origin", &spec->origin));
    TRY(read_attribute(repr, address, "loader", &spec->loader));
    TRY(read_attribute(repr, address, "_set_fileattr", &location));
    spec->has_location = false;
    if (!location)
        return NULL;
    TRY(value_read(repr->python, repr->arena, location, &value));
    spec->has_location = value.kind == VALUE_BOOL && value.boolean;
    return NULL;
}

/* 3.12+: where the parts of a namespace package are, as it was found out the last time. */
static pst_error *add_namespace_path(struct repr *repr, pst_addr loader)
{
    pst_addr path, list;
    TRY(read_attribute(repr, loader, "_path", &path));
    if (!path)
        return error_new(PST_ERROR_CORRUPT, "the loader at 0x%llx has no _path", (unsigned long long)loader);
    TRY(read_attribute(repr, path, "_path", &list));
    text_add_string(repr->text, " (namespace) from ");
    TRY(repr_add_object(repr, list ? list : path));
    text_add_char(repr->text, '>');
    return NULL;
}

static pst_error *is_namespace_loader(struct repr *repr, pst_addr loader, bool *result)
{
    *result = false;
    if (python_minor_version(repr->python) < 312)
        return NULL;
    TRY(is_a(repr, loader, "_frozen_importlib_external", "NamespaceLoader", result));
    return *result ? NULL : is_a(repr, loader, "_frozen_importlib_external", "_NamespaceLoader", result);
}

static pst_error *add_loader(struct repr *repr, pst_addr loader)
{
    bool is_namespace = false;
    if (loader)
        TRY(is_namespace_loader(repr, loader, &is_namespace));
    if (is_namespace)
        return add_namespace_path(repr, loader);
    if (loader) {
        text_add_string(repr->text, " (");
        TRY(repr_add_object(repr, loader));
        text_add_char(repr->text, ')');
    }
    text_add_char(repr->text, '>');
    return NULL;
}

/* format(origin): of a str, its text. */
static pst_error *add_origin(struct repr *repr, pst_addr origin)
{
    enum value_kind kind;
    TRY(value_get_kind(repr->python, origin, &kind));
    return kind == VALUE_STR ? repr_add_name(repr, origin) : repr_add_object(repr, origin);
}

static pst_error *add_from_spec(struct repr *repr, const struct spec *spec)
{
    text_add_string(repr->text, "<module ");
    if (spec->name || (spec->origin && !spec->has_location))
        TRY(add_or_none(repr, spec->name));
    else
        text_add_string(repr->text, "'?'");
    if (!spec->origin)
        return add_loader(repr, spec->loader);
    text_add_string(repr->text, spec->has_location ? " from " : " (");
    TRY(spec->has_location ? repr_add_object(repr, spec->origin) : add_origin(repr, spec->origin));
    text_add_string(repr->text, spec->has_location ? ">" : ")>");
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

/* Of a module that has no spec. */
static pst_error *add_without_spec(struct repr *repr, const struct module *module)
{
    text_add_string(repr->text, "<module ");
    if (module->has_name)
        TRY(add_or_none(repr, module->name));
    else
        text_add_string(repr->text, "'?'");
    if (module->has_file) {
        text_add_string(repr->text, " from ");
        TRY(add_or_none(repr, module->file));
    } else if (module->loader) {
        text_add_string(repr->text, " (");
        TRY(repr_add_object(repr, module->loader));
        text_add_char(repr->text, ')');
    }
    text_add_char(repr->text, '>');
    return NULL;
}

/* Whether the class of a module answers for what its __repr__ asks for, by an attribute or a __getattr__(). */
static pst_error *is_answered(struct repr *repr, const struct instance *object, const char *name, pst_addr dict,
                              bool *result)
{
    pst_addr own, others, others_all;
    TRY(repr_is_computed(repr, object, name, result));
    TRY(dict_get(repr->python, dict, name, NULL, &own));
    if (*result || own)
        return NULL;
    TRY(type_find_attribute(repr->types, object->type, name, &others));
    TRY(type_find_attribute(repr->types, object->type, "__getattr__", &others_all));
    *result = others || others_all;
    return NULL;
}

/* A module that is yet to be loaded has another __getattribute__(), which then changes nothing. */
static pst_error *is_of_its_own(struct repr *repr, const struct instance *object, pst_addr dict, bool has_spec,
                                bool *result)
{
    static const char *const names[] = {"__spec__", "__loader__", "__name__", "__file__"};
    pst_addr method = 0;
    *result = false;
    if (!object->type->is_heap)
        return NULL;
    if (!type_is(object->type, "importlib.util", "_LazyModule"))
        TRY(type_find_attribute(repr->types, object->type, "__getattribute__", &method));
    *result = method;
    for (size_t i = 0; i < (has_spec ? 2 : 4) && !*result; i++)
        TRY(is_answered(repr, object, names[i], dict, result));
    return NULL;
}

/* A spec that is none of importlib's own may be of any form. */
static pst_error *add_module(struct repr *repr, const struct instance *object, const struct module *module)
{
    int version = python_minor_version(repr->python);
    enum loader_word word = LOADER_SILENT;
    bool is_known;
    struct spec spec;
    if (version < 312 && (version < 310 || !module->spec))
        TRY(find_word(repr, module->loader, &word));
    if (word == LOADER_UNKNOWN)
        return repr_add_attributes(repr, object);
    if (word != LOADER_SILENT && module->has_name)
        return add_word(repr, module, word);
    if (!module->spec)
        return add_without_spec(repr, module);
    TRY(is_a(repr, module->spec, "_frozen_importlib", "ModuleSpec", &is_known));
    if (!is_known)
        return repr_add_attributes(repr, object);
    TRY(read_spec(repr, module->spec, &spec));
    return add_from_spec(repr, &spec);
}

/* 2.7: module_repr(), PyModule_GetName(), PyModule_GetFilename(): of what is no str, nothing. */
static pst_error *add_module_2(struct repr *repr, const struct module *module)
{
    enum value_kind name = VALUE_OTHER, file = VALUE_OTHER;
    if (module->name)
        TRY(value_get_kind(repr->python, module->name, &name));
    if (module->file)
        TRY(value_get_kind(repr->python, module->file, &file));
    text_add_string(repr->text, "<module '");
    if (name == VALUE_BYTES)
        TRY(repr_add_name(repr, module->name));
    else
        text_add_char(repr->text, '?');
    text_add_string(repr->text, file == VALUE_BYTES ? "' from '" : "' (built-in)>");
    if (file != VALUE_BYTES)
        return NULL;
    TRY(repr_add_name(repr, module->file));
    text_add_string(repr->text, "'>");
    return NULL;
}

pst_error *repr_add_module(struct repr *repr, const struct instance *object)
{
    struct module module = {0};
    pst_addr dict;
    bool is_own = false;
    TRY(field_address(repr->python, object->address, F(PyModuleObject_md_dict), &dict));
    if (dict)
        TRY(read_module(repr, dict, &module));
    if (python_is_2(repr->python))
        return add_module_2(repr, &module);
    if (dict)
        TRY(is_of_its_own(repr, object, dict, module.spec, &is_own));
    return is_own ? repr_add_attributes(repr, object) : add_module(repr, object, &module);
}
