/* What runs, and what can run on. Objects/frameobject.c, genobject.c. */
#include "python/code_object.h"
#include "python/linetable.h"
#include "python/repr.h"
#include "python/walk.h"

/* gen_repr(), coro_repr(), async_gen_repr() */
pst_error *repr_add_generator(struct repr *repr, const struct instance *object)
{
    enum { NAME_SIZE_2 = 200 };
    const struct python *python = repr->python;
    pst_addr code;
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    text_add_string(repr->text, " object ");
    if (has(python, F(PyGenObject_gi_qualname))) {
        TRY(repr_add_name_field(repr, object->address, F(PyGenObject_gi_qualname), 0));
    } else {
        TRY(field_address(python, object->address, F(PyGenObject_gi_code), &code));
        TRY(repr_add_name_field(repr, code, F(PyCodeObject_co_name), NAME_SIZE_2));
    }
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

/* While it is traced, a frame keeps its line itself. *line is 0: it does not. */
static pst_error *read_traced_line(const struct python *python, pst_addr object, int *line)
{
    pst_addr trace;
    if (python_minor_version(python) < 310) {
        *line = 0;
        TRY(field_address(python, object, F(PyFrameObject_f_trace), &trace));
        if (!trace)
            return NULL;
    }
    TRY(field_int(python, object, F(PyFrameObject_f_lineno), line));
    if (*line < 0)
        *line = 0; /* 3.13+: not known yet */
    return NULL;
}

static pst_error *find_line(struct repr *repr, pst_addr frame, pst_addr code, int *line)
{
    const struct python *python = repr->python;
    struct linetable table = {.format = linetable_format_of(python->layout.major, python->layout.minor)};
    pst_position position = {-1, -1, -1, -1};
    int64_t lasti;
    TRY(frame_find_lasti(python, frame, code, &lasti));
    TRY(code_read_size(python, code, &table.code_size));
    TRY(code_read_line_table(python, repr->arena, code, &table));
    *line = -1;
    if (lasti <= INT32_MAX && linetable_find(&table, lasti < 0 ? -1 : (int)lasti, &position))
        *line = position.line;
    return NULL;
}

/* frame_repr(), 3.7+ */
pst_error *repr_add_frame(struct repr *repr, const struct instance *object)
{
    const struct python *python = repr->python;
    pst_addr frame = object->address, code;
    int line;
    if (has(python, F(PyFrameObject_f_frame)))
        TRY(field_address(python, object->address, F(PyFrameObject_f_frame), &frame));
    TRY(frame_find_code(python, frame, &code));
    TRY(code_expect(python, code));
    TRY(read_traced_line(python, object->address, &line));
    if (!line)
        TRY(find_line(repr, frame, code, &line));
    text_add_string(repr->text, "<frame");
    repr_add_address(repr, object->address);
    text_add_string(repr->text, ", file ");
    TRY(repr_add_field(repr, code, F(PyCodeObject_co_filename)));
    text_printf(repr->text, ", line %d, code ", line);
    TRY(repr_add_name_field(repr, code, F(PyCodeObject_co_name), 0));
    text_add_char(repr->text, '>');
    return NULL;
}
