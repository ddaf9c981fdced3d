/* Objects of a few fields. Objects/sliceobject.c, rangeobject.c, codeobject.c, boolobject.c and others. */
#include "python/object.h"
#include "python/repr.h"

pst_error *repr_add_slice(struct repr *repr, const struct instance *object)
{
    text_add_string(repr->text, "slice(");
    TRY(repr_add_field(repr, object->address, F(PySliceObject_start)));
    text_add_string(repr->text, ", ");
    TRY(repr_add_field(repr, object->address, F(PySliceObject_stop)));
    text_add_string(repr->text, ", ");
    TRY(repr_add_field(repr, object->address, F(PySliceObject_step)));
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- range ------------------------------------------------------------------------------------------------ */

static pst_error *add_range_3(struct repr *repr, pst_addr range)
{
    pst_addr start, stop, step;
    struct value value;
    TRY(field_address(repr->python, range, F(rangeobject_start), &start));
    TRY(field_address(repr->python, range, F(rangeobject_stop), &stop));
    TRY(field_address(repr->python, range, F(rangeobject_step), &step));
    TRY(value_read_as(repr->python, repr->arena, step, VALUE_INT, &value));
    bool is_one = value.digit_count == 1 && !value.is_negative &&
                  bytes_unsigned(value.digits, value.digit_size) == 1;
    text_add_string(repr->text, "range(");
    TRY(repr_add_inside(repr, start));
    text_add_string(repr->text, ", ");
    TRY(repr_add_inside(repr, stop));
    if (!is_one) {
        text_add_string(repr->text, ", ");
        TRY(repr_add_inside(repr, step));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* get_stop_for_range() */
static int64_t get_stop_2(int64_t start, int64_t step, uint64_t count)
{
    if (!count)
        return start;
    int64_t last = (int64_t)((uint64_t)start + (count - 1) * (uint64_t)step);
    if (step > 0 && last > INT64_MAX - step)
        return INT64_MAX;
    return step < 0 && last < INT64_MIN - step ? INT64_MIN : last + step;
}

/* 2.7's xrange: C's numbers. */
static pst_error *add_range_2(struct repr *repr, pst_addr range)
{
    int64_t start, step;
    uint64_t count;
    TRY(field_signed(repr->python, range, F(rangeobject_start), &start));
    TRY(field_signed(repr->python, range, F(rangeobject_step), &step));
    TRY(field_unsigned(repr->python, range, F(rangeobject_len), &count));
    text_add_string(repr->text, "xrange(");
    if (start || step != 1) {
        text_add_signed(repr->text, start);
        text_add_string(repr->text, ", ");
    }
    text_add_signed(repr->text, get_stop_2(start, step, count));
    if (step != 1) {
        text_add_string(repr->text, ", ");
        text_add_signed(repr->text, step);
    }
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_range(struct repr *repr, const struct instance *object)
{
    return python_is_2(repr->python) ? add_range_2(repr, object->address) : add_range_3(repr, object->address);
}

/* ---- what has its value in itself, and subclasses of it --------------------------------------------------- */

pst_error *repr_add_int_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_INT);
}

pst_error *repr_add_long_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_LONG);
}

pst_error *repr_add_bool_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_BOOL);
}

pst_error *repr_add_float_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_FLOAT);
}

pst_error *repr_add_complex_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_COMPLEX);
}

/* 2.7's str is bytes. */
pst_error *repr_add_str_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, python_is_2(repr->python) ? VALUE_BYTES : VALUE_STR);
}

pst_error *repr_add_unicode_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_STR);
}

pst_error *repr_add_bytes_object(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_BYTES);
}

pst_error *repr_add_none(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_NONE);
}

pst_error *repr_add_ellipsis(struct repr *repr, const struct instance *object)
{
    return repr_add_scalar(repr, object->address, VALUE_ELLIPSIS);
}

pst_error *repr_add_notimplemented(struct repr *repr, const struct instance *object)
{
    (void)object;
    text_add_string(repr->text, "NotImplemented");
    return NULL;
}

/* ---- code -------------------------------------------------------------------------------------------------- */

/* code_repr() */
pst_error *repr_add_code(struct repr *repr, const struct instance *object)
{
    enum { NAME_SIZE_2 = 100, FILENAME_SIZE_2 = 300 };
    int line;
    TRY(field_int(repr->python, object->address, F(PyCodeObject_co_firstlineno), &line));
    text_add_string(repr->text, "<code object ");
    TRY(repr_add_name_field(repr, object->address, F(PyCodeObject_co_name), NAME_SIZE_2));
    repr_add_address(repr, object->address);
    text_add_string(repr->text, ", file \"");
    TRY(repr_add_name_field(repr, object->address, F(PyCodeObject_co_filename), FILENAME_SIZE_2));
    text_add_string(repr->text, "\", line ");
    text_add_signed(repr->text, line ? line : -1);
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- since 3.15 ---------------------------------------------------------------------------------------------- */

/* Objects/sentinelobject.c, sentinel_repr() */
pst_error *repr_add_sentinel(struct repr *repr, const struct instance *object)
{
    pst_addr given;
    TRY(field_address(repr->python, object->address, F(sentinelobject_repr), &given));
    return repr_add_name_field(repr, object->address, given ? F(sentinelobject_repr) : F(sentinelobject_name), 0);
}

/* The module of a lazy import: what "from" takes is of another one, which is of the module. */
static pst_error *find_lazy_module(struct repr *repr, pst_addr object, pst_addr type, pst_addr *module)
{
    enum { MAX_DEPTH = 20 };
    pst_addr found = type;
    *module = object;
    for (int i = 0; i < MAX_DEPTH && found == type; i++) {
        TRY(field_address(repr->python, *module, F(PyLazyImportObject_lz_from), module));
        TRY(object_get_type(repr->python, *module, &found));
    }
    return NULL;
}

/* Objects/lazyimportobject.c, lazy_import_name() */
static pst_error *add_lazy_name(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr module, attribute;
    enum value_kind kind = VALUE_OTHER;
    TRY(find_lazy_module(repr, object->address, object->type->address, &module));
    TRY(field_address(python, object->address, F(PyLazyImportObject_lz_attr), &attribute));
    TRY(repr_add_name(repr, module));
    if (attribute)
        TRY(value_get_kind(python, attribute, &kind));
    text_add_string(repr->text, kind == VALUE_STR ? "." : attribute ? "..." : "");
    return kind == VALUE_STR ? repr_add_name(repr, attribute) : NULL;
}

/* lazy_import_repr() */
pst_error *repr_add_lazy_import(struct repr *repr, const struct instance *object)
{
    text_add_char(repr->text, '<');
    repr_add_full_name(repr, object->type);
    text_add_string(repr->text, " '");
    TRY(add_lazy_name(repr, object));
    text_add_string(repr->text, "'>");
    return NULL;
}
