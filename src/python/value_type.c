/* Which builtin type an object has: exactly that type, none that was derived from it. */
#include "python/c_name.h"
#include "python/code_object.h"
#include "python/dict.h"
#include "python/object.h"
#include "python/value.h"
#include "python/walk.h"

#include <string.h>

struct builtin_type {
    enum value_kind kind;
    const char *symbol;     /* NULL: it has none in any version */
    const char *name;       /* tp_name */
};

static const struct builtin_type builtin_types[] = {
    {VALUE_STR, "PyUnicode_Type", "str"},
    {VALUE_INT, "PyLong_Type", "int"},
    {VALUE_TUPLE, "PyTuple_Type", "tuple"},
    {VALUE_BYTES, "PyBytes_Type", "bytes"},
    {VALUE_FLOAT, "PyFloat_Type", "float"},
    {VALUE_BOOL, "PyBool_Type", "bool"},
    {VALUE_COMPLEX, "PyComplex_Type", "complex"},
    {VALUE_FROZENSET, "PyFrozenSet_Type", "frozenset"},
    {VALUE_SLICE, "PySlice_Type", "slice"},
    {VALUE_CODE, "PyCode_Type", "code"},
    {VALUE_ELLIPSIS, "PyEllipsis_Type", "ellipsis"},
    {VALUE_NONE, "_PyNone_Type", "NoneType"},
};

static const struct builtin_type builtin_types_2[] = {
    {VALUE_BYTES, "PyString_Type", "str"},
    {VALUE_STR, "PyUnicode_Type", "unicode"},
    {VALUE_INT, "PyInt_Type", "int"},
    {VALUE_LONG, "PyLong_Type", "long"},
    {VALUE_TUPLE, "PyTuple_Type", "tuple"},
    {VALUE_FLOAT, "PyFloat_Type", "float"},
    {VALUE_BOOL, "PyBool_Type", "bool"},
    {VALUE_COMPLEX, "PyComplex_Type", "complex"},
    {VALUE_FROZENSET, "PyFrozenSet_Type", "frozenset"},
    {VALUE_SLICE, "PySlice_Type", "slice"},
    {VALUE_CODE, "PyCode_Type", "code"},
    {VALUE_ELLIPSIS, "PyEllipsis_Type", "ellipsis"},
    {VALUE_NONE, NULL, "NoneType"},
};

enum { BUILTIN_TYPES = sizeof builtin_types_2 / sizeof *builtin_types_2 };
_Static_assert((int)BUILTIN_TYPES <= (int)VALUE_TYPES, "struct value_types has room for them");

static const struct builtin_type *get_types(const struct python *python, size_t *count)
{
    *count = python_is_2(python) ? BUILTIN_TYPES : sizeof builtin_types / sizeof *builtin_types;
    return python_is_2(python) ? builtin_types_2 : builtin_types;
}

/* ---- all at once: symbols, builtins --------------------------------------------------------------------- */

/* None and Ellipsis are there themselves, not their types. */
static pst_error *find_builtin(const struct python *python, pst_addr builtins, const struct builtin_type *builtin,
                               pst_addr *found)
{
    bool is_instance = builtin->kind == VALUE_NONE || builtin->kind == VALUE_ELLIPSIS, fits;
    const char *name = builtin->kind == VALUE_NONE ? "None" : is_instance ? "Ellipsis" : builtin->name;
    pst_addr object;
    TRY(dict_get(python, builtins, name, NULL, &object));
    if (object && is_instance)
        TRY(object_get_type(python, object, &object));
    if (!object)
        return NULL;
    TRY(object_is_static_type(python, object, &fits));
    *found = fits ? object : 0;
    return NULL;
}

/* The dict of the module `builtins` names them all. It is on the heap: even a core without its files has it. */
static pst_error *find_in_builtins(const struct python *python, struct value_types *known)
{
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    pst_addr interpreter, builtins = 0;
    TRY(interpreter_get_head(python, &interpreter));
    if (interpreter)
        TRY(field_address(python, interpreter, F(PyInterpreterState_builtins), &builtins));
    for (size_t i = 0; i < count && builtins; i++)
        if (!known->types[i] && types[i].kind != VALUE_CODE)
            TRY(find_builtin(python, builtins, &types[i], &known->types[i]));
    return NULL;
}

/* What fails here is only not known yet: the type's own name is left. */
static void find_types(const struct python *python, struct value_types *known)
{
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    bool lacks = false;
    for (size_t i = 0; i < count; i++) {
        pst_addr type = types[i].kind == VALUE_CODE ? python->location.code_type : 0;
        if (!type && types[i].symbol)
            pst_error_free(location_find_symbol(python->target, &python->location, types[i].symbol, &type));
        known->types[i] = type;
        lacks |= !type && types[i].kind != VALUE_CODE;
    }
    if (lacks)
        pst_error_free(find_in_builtins(python, known));
    known->complete = true;
}

/* ---- one by one: names ---------------------------------------------------------------------------------- */

/* Code objects stand in no dict; a core without its files has not the type's name, but its sizes. */
static bool is_code(const struct python *python, pst_addr object)
{
    pst_error *error = code_expect(python, object);
    pst_error_free(error);
    return !error;
}

static bool name_is(const char *name, const struct builtin_type *type)
{
    return strcmp(name, type->name) == 0;
}

/* Of a type that none of the known ones is. */
static pst_error *find_by_name(const struct python *python, struct value_types *known, pst_addr object, pst_addr type,
                               enum value_kind *kind)
{
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    char name[16] = "";
    uint64_t flags;
    *kind = VALUE_OTHER;
    TRY(type_get_flags(python, type, &flags));
    if (flags & TPFLAGS_HEAPTYPE)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (known->types[i])
            continue;
        if (types[i].kind != VALUE_CODE && !*name)
            TRY(type_get_name(python, type, name, sizeof name));
        if (types[i].kind == VALUE_CODE ? is_code(python, object) : name_is(name, &types[i])) {
            known->types[i] = type;
            *kind = types[i].kind;
            return NULL;
        }
    }
    return NULL;
}

pst_error *value_type_get_kind(const struct python *python, pst_addr object, pst_addr type, enum value_kind *kind)
{
    struct value_types *known = python->value_types;
    size_t count;
    const struct builtin_type *types = get_types(python, &count);
    if (!known->complete)
        find_types(python, known);
    for (size_t i = 0; i < count; i++) {
        if (type && known->types[i] == type) {
            *kind = types[i].kind;
            return NULL;
        }
    }
    return find_by_name(python, known, object, type, kind);
}

/* ---- digits of ints ------------------------------------------------------------------------------------- */

/* Include/cpython/longintrepr.h: `configure --enable-big-digits` chooses. The items of an int are its digits. */
pst_error *value_type_get_digit_size(const struct python *python, pst_addr long_type, unsigned *size)
{
    struct value_types *known = python->value_types;
    uint64_t item_size;
    if (!known->digit_size) {
        TRY(field_unsigned(python, long_type, F(PyTypeObject_tp_itemsize), &item_size));
        if (item_size != 2 && item_size != 4)
            return error_new(PST_ERROR_CORRUPT, "the type of ints has digits of %llu bytes",
                             (unsigned long long)item_size);
        known->digit_size = (unsigned)item_size;
    }
    *size = known->digit_size;
    return NULL;
}
