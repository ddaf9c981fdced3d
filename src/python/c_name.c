#include "python/c_name.h"

#include "python/dict.h"
#include "python/object.h"
#include "python/string.h"
#include "python/walk.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_NAME = 64,          /* of a module, a type or a function, with its NUL */
    MAX_ENTRIES = 1 << 14,  /* of a dict in which they are sought */
    MAX_BASES = 64,         /* of a class */
    MAX_INTERPRETERS = 256, /* that are looked at for the main one */
};

struct known_type_names {
    struct {
        pst_addr type;
        char name[MAX_NAME];
    } items[C_NAME_MAX_TYPES];
    size_t count;
};

/* ---- where modules have them ------------------------------------------------------------------------------- */

/* A type by its name in a module, or by that of an object which is one of its instances. */
struct type_place {
    const char *tp_name, *module, *name;
    bool is_instance;
};

static const struct type_place places[] = {
    {"builtin_function_or_method", "builtins", "len", true},
    {"NoneType", "builtins", "None", true},
    {"NotImplementedType", "builtins", "NotImplemented", true},
    {"ellipsis", "builtins", "Ellipsis", true},
    {"function", "types", "FunctionType", false},
    {"method", "types", "MethodType", false},
    {"generator", "types", "GeneratorType", false},
    {"coroutine", "types", "CoroutineType", false},
    {"async_generator", "types", "AsyncGeneratorType", false},
    {"code", "types", "CodeType", false},
    {"frame", "types", "FrameType", false},
    {"traceback", "types", "TracebackType", false},
    {"module", "types", "ModuleType", false},
    {"cell", "types", "CellType", false},
    {"mappingproxy", "types", "MappingProxyType", false},
    {"wrapper_descriptor", "types", "WrapperDescriptorType", false},
    {"method-wrapper", "types", "MethodWrapperType", false},
    {"method_descriptor", "types", "MethodDescriptorType", false},
    {"classmethod_descriptor", "types", "ClassMethodDescriptorType", false},
    {"getset_descriptor", "types", "GetSetDescriptorType", false},
    {"member_descriptor", "types", "MemberDescriptorType", false},
    {"_thread.lock", "_thread", "LockType", false},
};

static const struct type_place places_2[] = {
    {"str", "__builtin__", "str", false}, /* which is bytes, too */
    {"builtin_function_or_method", "__builtin__", "len", true},
    {"NoneType", "__builtin__", "None", true},
    {"NotImplementedType", "__builtin__", "NotImplemented", true},
    {"ellipsis", "__builtin__", "Ellipsis", true},
    {"function", "types", "FunctionType", false},
    {"instancemethod", "types", "MethodType", false},
    {"classobj", "types", "ClassType", false},
    {"instance", "types", "InstanceType", false},
    {"generator", "types", "GeneratorType", false},
    {"code", "types", "CodeType", false},
    {"frame", "types", "FrameType", false},
    {"traceback", "types", "TracebackType", false},
    {"module", "types", "ModuleType", false},
    {"dictproxy", "types", "DictProxyType", false},
    {"getset_descriptor", "types", "GetSetDescriptorType", false},
    {"member_descriptor", "types", "MemberDescriptorType", false},
    {"thread.lock", "thread", "LockType", false},
};

/* "collections.deque": most have the name that they have in their module. */
static const char *const dotted_names[] = {
    "_io._BufferedIOBase", "_io._IOBase", "_io._TextIOBase", "_queue.SimpleQueue", "select.epoll",
#define KIND(origin, definer, function, cycle) definer,
#define ALIAS(origin, definer, function, cycle) definer,
#include "python/repr_kinds.def"
#undef KIND
#undef ALIAS
};

/* ---- modules ------------------------------------------------------------------------------------------------ */

/* As dict_get(), where there are not too many: here a search is one of many. */
static pst_error *find_in_dict(const struct python *python, pst_addr dict, const char *name, pst_addr *value)
{
    struct dict_reader reader;
    *value = 0;
    TRY(dict_start(python, dict, &reader));
    return reader.count <= MAX_ENTRIES ? dict_get(python, dict, name, NULL, value) : NULL;
}

/* The main interpreter is the oldest, and the last in the list: it has most modules. */
static pst_error *find_main_interpreter(const struct python *python, pst_addr *interpreter)
{
    pst_addr next;
    TRY(interpreter_get_head(python, &next));
    *interpreter = 0;
    for (int i = 0; next && i < MAX_INTERPRETERS; i++) {
        *interpreter = next;
        TRY(field_address(python, next, F(PyInterpreterState_next), &next));
    }
    return NULL;
}

/* *dict is 0: there is no such module. What is on the heap in its place, is none. */
static pst_error *find_module(const struct python *python, const char *name, pst_addr *dict)
{
    pst_addr interpreter, modules = 0, module = 0, type;
    uint64_t flags;
    *dict = 0;
    TRY(find_main_interpreter(python, &interpreter));
    if (interpreter)
        TRY(interpreter_get_modules(python, interpreter, &modules));
    if (modules)
        TRY(find_in_dict(python, modules, name, &module));
    if (!module)
        return NULL;
    TRY(object_get_type(python, module, &type));
    TRY(type_get_flags(python, type, &flags));
    return flags & TPFLAGS_HEAPTYPE ? NULL : field_address(python, module, F(PyModuleObject_md_dict), dict);
}

static pst_error *find_in_module(const struct python *python, const char *module, const char *name, pst_addr *object)
{
    pst_addr dict;
    *object = 0;
    TRY(find_module(python, module, &dict));
    return dict ? find_in_dict(python, dict, name, object) : NULL;
}

/* ---- types --------------------------------------------------------------------------------------------------- */

static const char *find_known(const struct known_type_names *names, pst_addr type)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->items[i].type == type)
            return names->items[i].name;
    return NULL;
}

/* The first name that is found for a type is the one; `object` may be anything, or 0. */
static pst_error *add(struct known_type_names *names, const struct python *python, const char *name, pst_addr object)
{
    bool is_static;
    if (!object || names->count == C_NAME_MAX_TYPES || strlen(name) >= MAX_NAME || find_known(names, object))
        return NULL;
    TRY(object_is_static_type(python, object, &is_static));
    if (!is_static)
        return NULL;
    names->items[names->count].type = object;
    memcpy(names->items[names->count++].name, name, strlen(name) + 1);
    return NULL;
}

static pst_error *add_place(struct known_type_names *names, const struct python *python, const struct type_place *place)
{
    pst_addr object;
    TRY(find_in_module(python, place->module, place->name, &object));
    if (object && place->is_instance)
        TRY(object_get_type(python, object, &object));
    return add(names, python, place->tp_name, object);
}

static pst_error *add_dotted(struct known_type_names *names, const struct python *python, const char *dotted)
{
    char module[MAX_NAME];
    pst_addr object;
    const char *dot = strrchr(dotted, '.');
    if (!dot || (size_t)(dot - dotted) >= sizeof module)
        return NULL;
    memcpy(module, dotted, (size_t)(dot - dotted));
    module[dot - dotted] = '\0';
    TRY(find_in_module(python, module, dot + 1, &object));
    return add(names, python, dotted, object);
}

/* All types that a module has, by their names in it. */
static pst_error *add_all_of(struct known_type_names *names, const struct python *python, const char *module,
                             const char *prefix)
{
    struct arena arena = {0};
    struct dict_reader reader;
    pst_addr dict, key, object;
    pst_text text;
    TRY(find_module(python, module, &dict));
    if (!dict)
        return NULL;
    TRY(dict_start(python, dict, &reader));
    pst_error *error = dict_next(&reader, &key, &object);
    for (; !error && key && names->count < C_NAME_MAX_TYPES; error = dict_next(&reader, &key, &object)) {
        char name[MAX_NAME] = "";
        pst_error *failure = string_read(python, &arena, key, &text);
        if (!failure && text.size + strlen(prefix) < sizeof name) {
            memcpy(name, prefix, strlen(prefix));
            memcpy(name + strlen(prefix), text.data, text.size);
            failure = add(names, python, name, object);
        }
        pst_error_free(failure); /* one name less */
        arena_reset(&arena);
    }
    arena_free(&arena);
    return error;
}

/* What fails here is a name less. */
static void find_all(struct known_type_names *names, const struct python *python)
{
    bool is_2 = python_is_2(python);
    const struct type_place *all = is_2 ? places_2 : places;
    size_t count = is_2 ? sizeof places_2 / sizeof *places_2 : sizeof places / sizeof *places;
    for (size_t i = 0; i < count; i++)
        pst_error_free(add_place(names, python, &all[i]));
    if (is_2)
        pst_error_free(add_all_of(names, python, "exceptions", "exceptions."));
    pst_error_free(add_all_of(names, python, is_2 ? "__builtin__" : "builtins", ""));
    for (size_t i = 0; i < sizeof dotted_names / sizeof *dotted_names; i++)
        pst_error_free(add_dotted(names, python, dotted_names[i]));
}

/* NULL: not known. */
static const char *find_name(const struct python *python, pst_addr type)
{
    struct known_type_names **names = &python->value_types->names;
    if (!*names) {
        *names = calloc(1, sizeof **names);
        if (*names)
            find_all(*names, python); /* on the way there they are few: no name is found twice */
    }
    return *names ? find_known(*names, type) : NULL;
}

/* PyCMethod_Type (3.9+), which no module has, is the only one that is derived from PyCFunction_Type. */
static bool is_c_method(const struct python *python, pst_addr type)
{
    pst_addr base = 0;
    pst_error_free(field_address(python, type, F(PyTypeObject_tp_base), &base));
    const char *name = base ? find_name(python, base) : NULL;
    return name && strcmp(name, "builtin_function_or_method") == 0;
}

void known_type_names_free(struct known_type_names *names)
{
    free(names);
}

pst_error *type_get_name(const struct python *python, pst_addr type, char *name, size_t size)
{
    pst_addr address;
    TRY(field_address(python, type, F(PyTypeObject_tp_name), &address));
    size_t got;
    pst_error *error = memory_read_some(python->memory, address, name, size - 1, &got);
    name[got] = '\0';
    if (!error || strlen(name) < got) {
        pst_error_free(error);
        return NULL;
    }
    const char *known = find_name(python, type);
    if (!known && is_c_method(python, type))
        known = "builtin_method";
    if (!known)
        return error;
    pst_error_free(error);
    size_t length = strnlen(known, size - 1);
    memcpy(name, known, length);
    name[length] = '\0';
    return NULL;
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

/* A builtin function or method. */
struct builtin {
    pst_addr address, definition; /* its PyMethodDef */
    pst_addr module;              /* the name of a function's; 0: it is a method */
    pst_addr self;                /* what it is a method of */
};

typedef pst_error *is_wanted(const struct python *python, const struct builtin *builtin, pst_addr owner,
                             pst_addr object, bool *is_it);

/* The key of the wanted one in a dict, of a module or of the class `owner`; *key is 0: there is none. */
static pst_error *find_key(const struct python *python, const struct builtin *builtin, pst_addr owner, pst_addr dict,
                           is_wanted *is_wanted, pst_addr *key)
{
    struct dict_reader reader;
    *key = 0;
    if (!dict)
        return NULL;
    TRY(dict_start(python, dict, &reader));
    for (bool found = reader.count > MAX_ENTRIES; !found;) {
        pst_addr object;
        TRY(dict_next(&reader, key, &object));
        found = !*key;
        if (*key)
            TRY(is_wanted(python, builtin, owner, object, &found));
    }
    return NULL;
}

static pst_error *is_itself(const struct python *python, const struct builtin *builtin, pst_addr owner,
                            pst_addr object, bool *is_it)
{
    (void)python;
    (void)owner;
    *is_it = object == builtin->address;
    return NULL;
}

/* What a class has a method as: the name is an object of its own there. */
static pst_error *is_its_descriptor(const struct python *python, const struct builtin *builtin, pst_addr owner,
                                    pst_addr object, bool *is_it)
{
    pst_addr class, definition = 0;
    TRY(field_address(python, object, F(PyDescrObject_d_type), &class));
    if (class == owner)
        TRY(field_address(python, object, F(PyMethodDescrObject_d_method), &definition));
    *is_it = definition == builtin->definition;
    return NULL;
}

static pst_error *find_in_own_module(const struct python *python, struct arena *arena, const struct builtin *builtin,
                                     pst_addr *key)
{
    char module[MAX_NAME] = "";
    pst_text name;
    pst_addr dict;
    TRY(string_read(python, arena, builtin->module, &name));
    if (name.size < sizeof module)
        memcpy(module, name.data, name.size);
    TRY(find_module(python, module, &dict));
    return find_key(python, builtin, 0, dict, is_itself, key);
}

static pst_error *find_in_classes(const struct python *python, const struct builtin *builtin, pst_addr *key)
{
    pst_addr class, dict;
    *key = 0;
    TRY(object_get_type(python, builtin->self, &class));
    for (int i = 0; i < MAX_BASES && class && !*key; i++) {
        TRY(field_address(python, class, F(PyTypeObject_tp_dict), &dict));
        TRY(find_key(python, builtin, class, dict, is_its_descriptor, key));
        TRY(field_address(python, class, F(PyTypeObject_tp_base), &class));
    }
    return NULL;
}

/* data == NULL: it is not found. */
static pst_error *find_builtin(const struct python *python, struct arena *arena, pst_addr function, pst_text *name)
{
    struct builtin builtin = {.address = function};
    pst_addr key = 0;
    *name = (pst_text){0};
    TRY(field_address(python, function, F(PyCFunctionObject_m_ml), &builtin.definition));
    TRY(field_address(python, function, F(PyCFunctionObject_m_module), &builtin.module));
    TRY(field_address(python, function, F(PyCFunctionObject_m_self), &builtin.self));
    if (builtin.module)
        TRY(find_in_own_module(python, arena, &builtin, &key));
    else if (builtin.self)
        TRY(find_in_classes(python, &builtin, &key));
    return key ? string_read(python, arena, key, name) : NULL;
}

pst_error *builtin_read_name(const struct python *python, struct arena *arena, pst_addr function, pst_text *name)
{
    pst_addr definition, address;
    TRY(field_address(python, function, F(PyCFunctionObject_m_ml), &definition));
    pst_error *error = field_address(python, definition, F(PyMethodDef_ml_name), &address);
    if (!error)
        error = string_read_c(python, arena, address, name);
    if (!error)
        return NULL;
    pst_error *failure = find_builtin(python, arena, function, name);
    bool is_found = !failure && name->data;
    pst_error_free(failure);
    pst_error_free(is_found ? error : NULL);
    return is_found ? NULL : error;
}
