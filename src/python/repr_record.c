/*
 * Tuples whose items have names: collections.namedtuple and typing.NamedTuple, and struct sequences.
 * Lib/collections/__init__.py, Objects/structseq.c.
 */
#include "python/dict.h"
#include "python/member.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"
#include "python/walk.h"

#include <string.h>

/* The fields of one object, one by one. */
struct fields {
    pst_addr items;         /* of a tuple */
    uint64_t count;
};

static pst_error *read_fields(const struct python *python, pst_addr tuple, struct fields *fields)
{
    TRY(object_expect(python, tuple, TPFLAGS_TUPLE_SUBCLASS, "tuple"));
    TRY(field_unsigned(python, tuple, F(PyVarObject_ob_size), &fields->count));
    return field_place(python, tuple, F(PyTupleObject_ob_item), &fields->items);
}

/* "name=" and the value of that number. */
static pst_error *add_field(struct repr *repr, const struct fields *fields, uint64_t index, pst_text name)
{
    pst_addr value;
    TRY(pointer_at(repr->python, fields->items, index, &value));
    repr_add_text(repr, name);
    text_add_char(repr->text, '=');
    return repr_add_object(repr, value);
}

/* ---- named tuples ---------------------------------------------------------------------------------------- */

/* The only item of a tuple, or its last one; 0: it has none. */
static pst_error *get_last(const struct python *python, pst_addr tuple, bool only, pst_addr *item)
{
    struct fields fields;
    *item = 0;
    if (!tuple)
        return NULL;
    TRY(read_fields(python, tuple, &fields));
    if (!fields.count || (only && fields.count != 1))
        return NULL;
    return pointer_at(python, fields.items, fields.count - 1, item);
}

static pst_error *get_function(const struct python *python, const struct type *type, pst_addr *function,
                               pst_addr *code)
{
    *code = 0;
    TRY(type_get_own(python, type->definer_type, "__repr__", function));
    return *function ? field_address(python, *function, F(PyFunctionObject_func_code), code) : NULL;
}

/* namedtuple() makes each class a __repr__ of its own: from 3.7 on a closure over its format, before that of source
 * for a module that is named after the class. */
static pst_error *is_namedtuple(const struct python *python, const struct type *type, bool *result)
{
    static const char module[] = "collections.", old_module[] = "namedtuple_";
    bool is_old = python_minor_version(python) < 307, has_qualname = has(python, F(PyCodeObject_co_qualname));
    const char *prefix = is_old ? old_module : module;
    pst_addr function, code, name;
    if (type->definer.size < strlen(prefix) || memcmp(type->definer.data, prefix, strlen(prefix)) != 0)
        return NULL;
    TRY(get_function(python, type, &function, &code));
    if (!code)
        return NULL;
    TRY(field_address(python, code,
                      is_old         ? F(PyCodeObject_co_filename)
                      : has_qualname ? F(PyCodeObject_co_qualname)
                                     : F(PyCodeObject_co_freevars),
                      &name));
    if (!is_old && !has_qualname)
        TRY(get_last(python, name, true, &name));
    const char *wanted = is_old ? "<string>" : has_qualname ? "namedtuple.<locals>.__repr__" : "repr_fmt";
    return name ? string_equals(python, name, wanted, result) : NULL;
}

bool repr_is_namedtuple(const struct types *types, const struct type *type)
{
    bool result = false;
    if (type->origin == REPR_IN_PYTHON)
        pst_error_free(is_namedtuple(types->python, type, &result));
    return result;
}

/* "(x=%r, y=%r)"; in 2.7 behind the name of the class that namedtuple() made. */
static pst_error *read_format(const struct repr *repr, const struct type *type, pst_text *format)
{
    const struct python *python = repr->python;
    bool is_old = python_minor_version(python) < 307;
    pst_addr function, code, object = 0;
    TRY(get_function(python, type, &function, &code));
    if (function && is_old)
        TRY(field_address(python, code, F(PyCodeObject_co_consts), &object));
    else if (function)
        TRY(field_address(python, function, F(PyFunctionObject_func_closure), &object));
    TRY(get_last(python, object, !is_old, &object));
    if (object && !is_old)
        TRY(field_address(python, object, F(PyCellObject_ob_ref), &object));
    if (object)
        return string_read(python, repr->arena, object, format);
    return error_new(PST_ERROR_CORRUPT, "the type at 0x%llx has no format of its fields",
                     (unsigned long long)type->address);
}

/* Cuts the next field's name off: what is before "=%r" or the end. */
static bool next_name(pst_text *format, pst_text *name)
{
    static const char mark[] = "=%r", comma[] = ", ";
    const size_t mark_size = sizeof mark - 1, comma_size = sizeof comma - 1;
    const char *end = format->size ? memmem(format->data, format->size, mark, mark_size) : NULL;
    if (!end)
        return false;
    *name = (pst_text){format->data, (size_t)(end - format->data)};
    *format = (pst_text){end + mark_size, format->size - name->size - mark_size};
    if (format->size >= comma_size && memcmp(format->data, comma, comma_size) == 0)
        *format = (pst_text){format->data + comma_size, format->size - comma_size};
    return true;
}

pst_error *repr_add_namedtuple(struct repr *repr, const struct instance *object)
{
    struct fields fields;
    pst_text format = {0}, name;
    TRY(read_fields(repr->python, object->address, &fields));
    TRY(read_format(repr, object->type, &format));
    const char *bracket = format.size ? memchr(format.data, '(', format.size) : NULL;
    size_t before = bracket ? (size_t)(bracket - format.data) : format.size;
    pst_text class_name = python_is_2(repr->python) ? (pst_text){format.data, before} : object->type->name;
    repr_add_text(repr, class_name);
    text_add_char(repr->text, '(');
    format = bracket ? (pst_text){bracket + 1, format.size - before - 1} : (pst_text){0};
    for (uint64_t i = 0; i < fields.count && repr_begin_item(repr, i, fields.count - i); i++) {
        if (!next_name(&format, &name))
            return error_new(PST_ERROR_CORRUPT, "the named tuple at 0x%llx has %llu items, and names for %llu",
                             (unsigned long long)object->address, (unsigned long long)fields.count,
                             (unsigned long long)i);
        TRY(error_in(add_field(repr, &fields, i, name), "field %llu", (unsigned long long)i));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- struct sequences: sys.version_info, time.struct_time, os.stat_result … ------------------------------ */

static pst_error *find_function(struct types *types, pst_addr *function)
{
    const struct python *python = types->python;
    pst_addr interpreter, sys, version;
    struct type *type;
    TRY(interpreter_get_head(python, &interpreter));
    TRY(field_address(python, interpreter, F(PyInterpreterState_sysdict), &sys));
    TRY(dict_get(python, sys, "version_info", NULL, &version));
    if (!version)
        return NULL;
    TRY(type_of(types, version, &type));
    bool is_own = !type->is_heap && type_is(type, "sys", "version_info"); /* a program may put anything in its place */
    return is_own ? field_address(python, type->address, F(PyTypeObject_tp_repr), function) : NULL;
}

/* All of them have the same function for their __repr__, and no type that they got it from. */
bool repr_is_struct_sequence(struct types *types, const struct type *type)
{
    pst_addr function = 0;
    if (!types->has_searched_structseq_repr)
        pst_error_free(find_function(types, &types->structseq_repr));
    types->has_searched_structseq_repr = true;
    if (type->origin == REPR_IN_C && types->structseq_repr)
        pst_error_free(field_address(types->python, type->address, F(PyTypeObject_tp_repr), &function));
    return function && function == types->structseq_repr;
}

/* To 3.7 they are made in a buffer of so many bytes, of which the last five are for the end. */
enum { BUFFER_SIZE = 512 - 5, MAX_NAME = 100 };

/* Whether there is no room for the field that was added from `at` on; then "..." takes its place. */
static bool is_over(struct repr *repr, size_t start, size_t at)
{
    if (python_minor_version(repr->python) >= 308)
        return false;
    size_t comma = sizeof ", " - 1;
    if (repr->text->size + comma - start <= BUFFER_SIZE)
        return false;
    repr->text->size = at;
    text_add_string(repr->text, "...)");
    return true;
}

pst_error *repr_add_struct_sequence(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    size_t start = repr->text->size;
    struct fields fields;
    pst_addr members;
    pst_text type_name, name;
    TRY(read_fields(python, object->address, &fields));
    TRY(field_address(python, object->type->address, F(PyTypeObject_tp_members), &members));
    TRY(type_read_tp_name(repr->types, object->type->address, &type_name));
    if (python_minor_version(python) < 308 && type_name.size > MAX_NAME)
        type_name.size = MAX_NAME;
    repr_add_text(repr, type_name);
    text_add_char(repr->text, '(');
    for (uint64_t i = 0; i < fields.count && repr_begin_item(repr, i, fields.count - i); i++) {
        size_t at = repr->text->size;
        TRY(member_read_name(python, repr->arena, members + i * size_of(python, F(sizeof_PyMemberDef)), &name));
        TRY(error_in(add_field(repr, &fields, i, name), "field %llu", (unsigned long long)i));
        if (is_over(repr, start, at))
            return NULL;
    }
    text_add_char(repr->text, ')');
    return NULL;
}
