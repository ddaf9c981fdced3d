/* functools.partial; itertools.count, repeat. Modules/_functoolsmodule.c, itertoolsmodule.c. */
#include "python/dict.h"
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

/* ---- partial --------------------------------------------------------------------------------------------- */

/* "functools.partial": its tp_name, from 3.13 on always with the module. */
static pst_error *add_partial_name(struct repr *repr, const struct instance *object)
{
    if (python_minor_version(repr->python) < 313)
        return repr_add_tp_name(repr, object);
    repr_add_type_name(repr, object->type);
    return NULL;
}

struct partial {
    pst_addr function, arguments;   /* an array */
    uint64_t argument_count, keyword_count;
    struct dict_reader keywords;
};

static pst_error *read_partial(const struct python *python, pst_addr object, struct partial *partial)
{
    pst_addr arguments, keywords;
    TRY(field_address(python, object, F(partialobject_fn), &partial->function));
    TRY(field_address(python, object, F(partialobject_args), &arguments));
    TRY(field_address(python, object, F(partialobject_kw), &keywords));
    TRY(object_expect(python, arguments, TPFLAGS_TUPLE_SUBCLASS, "tuple"));
    TRY(field_unsigned(python, arguments, F(PyVarObject_ob_size), &partial->argument_count));
    TRY(field_place(python, arguments, F(PyTupleObject_ob_item), &partial->arguments));
    return dict_start_items(python, keywords, &partial->keywords, &partial->keyword_count);
}

/* The function, an argument, a keyword. */
static pst_error *add_part(struct repr *repr, struct partial *partial, uint64_t index)
{
    pst_addr key, value = partial->function;
    if (index > partial->argument_count) {
        TRY(dict_next_item(&partial->keywords, &key, &value));
        TRY(repr_add_name(repr, key));
        text_add_char(repr->text, '=');
    } else if (index > 0) {
        TRY(pointer_at(repr->python, partial->arguments, index - 1, &value));
    }
    return repr_add_object(repr, value);
}

pst_error *repr_add_partial(struct repr *repr, const struct instance *object)
{
    struct partial partial;
    TRY(read_partial(repr->python, object->address, &partial));
    TRY(add_partial_name(repr, object));
    text_add_char(repr->text, '(');
    uint64_t count = 1 + partial.argument_count + partial.keyword_count;
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++)
        TRY(error_in(add_part(repr, &partial, i), "argument %llu", (unsigned long long)i));
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_placeholder(struct repr *repr, const struct instance *object)
{
    (void)object;
    text_add_string(repr->text, "Placeholder");
    return NULL;
}

/* ---- itertools ------------------------------------------------------------------------------------------- */

/* Whether an object is an int that is 1; in 2.7 no long. */
static pst_error *is_one(const struct repr *repr, pst_addr object, bool *result)
{
    uint64_t flags;
    pst_addr type;
    struct value value;
    TRY(object_get_type(repr->python, object, &type));
    TRY(type_get_flags(repr->python, type, &flags));
    *result = flags & (python_is_2(repr->python) ? TPFLAGS_INT_SUBCLASS : TPFLAGS_LONG_SUBCLASS);
    if (!*result)
        return NULL;
    TRY(value_read_as(repr->python, repr->arena, object, VALUE_INT, &value));
    *result = value.digit_count == 1 && !value.is_negative && bytes_unsigned(value.digits, value.digit_size) == 1;
    return NULL;
}

pst_error *repr_add_count(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    int64_t count;
    pst_addr number, step;
    bool is_short, is_step_one = true;
    TRY(field_signed(python, object->address, F(countobject_cnt), &count));
    TRY(field_address(python, object->address, F(countobject_long_cnt), &number));
    TRY(field_address(python, object->address, F(countobject_long_step), &step));
    is_short = python_minor_version(python) >= 314 ? !number : count != INT64_MAX;
    repr_add_class_name(repr, object, "count");
    text_add_char(repr->text, '(');
    if (is_short)
        text_add_signed(repr->text, count);
    else
        TRY(repr_add_field(repr, object->address, F(countobject_long_cnt)));
    if (!is_short)
        TRY(is_one(repr, step, &is_step_one));
    if (!is_step_one) {
        text_add_string(repr->text, ", ");
        TRY(repr_add_object(repr, step));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_repeat(struct repr *repr, const struct instance *object)
{
    int64_t count;
    TRY(field_signed(repr->python, object->address, F(repeatobject_cnt), &count));
    repr_add_class_name(repr, object, "repeat");
    text_add_char(repr->text, '(');
    TRY(repr_add_field(repr, object->address, F(repeatobject_element)));
    if (count != -1) {
        text_add_string(repr->text, ", ");
        text_add_signed(repr->text, count);
    }
    text_add_char(repr->text, ')');
    return NULL;
}
