/* subprocess.Popen and CompletedProcess. Lib/subprocess.py. */
#include "python/repr.h"

/* Makes what stands there from `start` on no longer than `most` characters: "...>" takes the place of the rest. */
static void shorten(struct text *text, size_t start, size_t most)
{
    static const char end[] = "...>";
    size_t count = 0, cut = text->size;
    for (size_t i = start; i < text->size; i++) {
        if ((text->data[i] & 0xc0) == 0x80)
            continue;
        if (count++ == most - (sizeof end - 1))
            cut = i;
    }
    if (count <= most)
        return;
    text->size = cut;
    text_add_string(text, end);
}

/* Popen.__repr__(), 3.9+ */
pst_error *repr_add_popen(struct repr *repr, const struct instance *object)
{
    enum { MOST = 80 };
    size_t start = repr->text->size;
    pst_addr code, args;
    TRY(repr_get_attribute(repr, object, "returncode", &code));
    TRY(repr_get_attribute(repr, object, "args", &args));
    if (!code || !args)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    text_add_string(repr->text, ": returncode: ");
    TRY(repr_add_str_of(repr, code));
    text_add_string(repr->text, " args: ");
    TRY(repr_add_object(repr, args));
    text_add_char(repr->text, '>');
    shorten(repr->text, start, MOST);
    return NULL;
}

/* What was not captured is None, and is left out. */
static pst_error *add_output(struct repr *repr, const char *name, pst_addr value)
{
    enum value_kind kind;
    TRY(value_get_kind(repr->python, value, &kind));
    if (kind == VALUE_NONE)
        return NULL;
    text_printf(repr->text, ", %s=", name);
    return repr_add_object(repr, value);
}

/* CompletedProcess.__repr__() */
pst_error *repr_add_completed_process(struct repr *repr, const struct instance *object)
{
    static const char *const names[] = {"args", "returncode", "stdout", "stderr"};
    pst_addr values[4];
    for (size_t i = 0; i < 4; i++) {
        TRY(repr_get_attribute(repr, object, names[i], &values[i]));
        if (!values[i])
            return repr_add_attributes(repr, object);
    }
    repr_add_text(repr, object->type->name);
    text_add_string(repr->text, "(args=");
    TRY(repr_add_object(repr, values[0]));
    text_add_string(repr->text, ", returncode=");
    TRY(repr_add_object(repr, values[1]));
    TRY(add_output(repr, names[2], values[2]));
    TRY(add_output(repr, names[3], values[3]));
    text_add_char(repr->text, ')');
    return NULL;
}
