/* Exceptions, as repr() shows them. Objects/exceptions.c. */
#include "python/exception.h"
#include "python/object.h"
#include "python/repr.h"

#include <string.h>

static pst_error *read_args(const struct repr *repr, pst_addr exception, pst_addr *items, uint64_t *count)
{
    pst_addr args;
    TRY(field_address(repr->python, exception, F(PyBaseExceptionObject_args), &args));
    return tuple_find_items(repr->python, args, items, count);
}

/* BaseException_repr(): to 3.6 the tuple's own repr, which has a comma behind a single item. */
pst_error *repr_add_exception(struct repr *repr, const struct instance *object)
{
    pst_addr items;
    uint64_t count;
    TRY(read_args(repr, object->address, &items, &count));
    repr_add_last_name(repr, object);
    text_add_char(repr->text, '(');
    TRY(repr_add_array(repr, items, count));
    text_add_string(repr->text, count == 1 && python_minor_version(repr->python) < 307 ? ",)" : ")");
    return NULL;
}

static pst_error *add_keyword(struct repr *repr, pst_addr exception, enum field field, const char *name, bool *is_first)
{
    pst_addr value;
    TRY(field_address(repr->python, exception, field, &value));
    if (!value)
        return NULL;
    text_printf(repr->text, "%s%s=", *is_first ? "" : ", ", name);
    *is_first = false;
    return repr_add_object(repr, value);
}

/* ImportError_repr(), 3.15+ */
pst_error *repr_add_import_error(struct repr *repr, const struct instance *object)
{
    pst_addr items;
    uint64_t count;
    TRY(read_args(repr, object->address, &items, &count));
    bool is_first = count == 0;
    repr_add_last_name(repr, object);
    text_add_char(repr->text, '(');
    TRY(repr_add_array(repr, items, count));
    TRY(add_keyword(repr, object->address, F(PyImportErrorObject_name), "name", &is_first));
    TRY(add_keyword(repr, object->address, F(PyImportErrorObject_path), "path", &is_first));
    text_add_char(repr->text, ')');
    return NULL;
}

static pst_error *is_given_as_list(const struct repr *repr, pst_addr group, bool *is_list)
{
    const struct python *python = repr->python;
    pst_addr items, second, type;
    uint64_t flags;
    uint64_t count;
    *is_list = false;
    TRY(read_args(repr, group, &items, &count));
    if (count != 2)
        return NULL;
    TRY(pointer_at(python, items, 1, &second));
    TRY(object_get_type(python, second, &type));
    TRY(type_get_flags(python, type, &flags));
    *is_list = flags & TPFLAGS_LIST_SUBCLASS;
    return NULL;
}

/* BaseExceptionGroup_repr(), from 3.13.12, 3.14.4 and 3.15 on: the message, and the exceptions as a list if they were
 * given as one, or what repr() said of another sequence that they were given as. */
pst_error *repr_add_exception_group(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr message, exceptions, saved = 0, items;
    uint64_t count;
    bool is_list;
    TRY(field_address(python, object->address, F(PyBaseExceptionGroupObject_msg), &message));
    TRY(field_address(python, object->address, F(PyBaseExceptionGroupObject_excs), &exceptions));
    if (has(python, F(PyBaseExceptionGroupObject_excs_str)))
        TRY(field_address(python, object->address, F(PyBaseExceptionGroupObject_excs_str), &saved));
    TRY(is_given_as_list(repr, object->address, &is_list));
    TRY(tuple_find_items(python, exceptions, &items, &count));
    repr_add_last_name(repr, object);
    text_add_char(repr->text, '(');
    TRY(repr_add_object(repr, message));
    text_add_string(repr->text, ", ");
    if (saved) {
        TRY(repr_add_name(repr, saved));
    } else {
        text_add_char(repr->text, is_list ? '[' : '(');
        TRY(repr_add_array(repr, items, count));
        text_add_string(repr->text, is_list ? "]" : count == 1 ? ",)" : ")");
    }
    text_add_char(repr->text, ')');
    return NULL;
}
