/* Files. Modules/_io/fileio.c, bufferedio.c, textio.c; 2.7's Objects/fileobject.c. */
#include "python/repr.h"

#include "python/object.h"
#include "python/string.h"

enum {
    MAX_STREAMS = 16,          /* in each other */
    MAX_TYPE_NAME = 100,       /* bytes: "%.100s" */
};

/* ---- the attribute `name` -------------------------------------------------------------------------------- */

/* *object becomes what is inside of a buffered or text stream, which that asks for its name; 0: it was detached.
 * *there is false: it is none of these. */
static pst_error *step_inside(const struct repr *repr, pst_addr *object, const struct type *type, bool *there)
{
    bool is_buffered = text_is(type->definer, "_io.BufferedReader") || text_is(type->definer, "_io.BufferedWriter") ||
                       text_is(type->definer, "_io.BufferedRandom") || text_is(type->definer, "_io._Buffered");
    bool is_text = text_is(type->definer, "_io.TextIOWrapper");
    *there = type->origin == REPR_IN_C && (is_buffered || is_text);
    if (!*there)
        return NULL;
    return field_address(repr->python, *object, is_text ? F(textio_buffer) : F(buffered_raw), object);
}

/* SocketIO.name, a property: the descriptor of its socket, -1 of one that is closed. *there is false: it is none. */
static pst_error *find_socket(struct repr *repr, const struct instance *object, int *descriptor, bool *there)
{
    struct instance socket = {0};
    struct type *base, *c_base;
    TRY(type_find_base(repr->types, object->type, "socket", "SocketIO", &base));
    *there = base;
    *descriptor = -1;
    if (!base)
        return NULL;
    TRY(repr_get_attribute(repr, object, "_sock", &socket.address));
    if (!socket.address)
        return NULL;
    TRY(type_of(repr->types, socket.address, &socket.type));
    TRY(type_find_base(repr->types, socket.type, "_socket", "socket", &c_base));
    return c_base ? field_int(repr->python, socket.address, F(PySocketSockObject_sock_fd), descriptor) : NULL;
}

/* What a class written in Python has under this name; *calls: it may be computed. Streams' own are passed over. */
static pst_error *find_in_class(struct repr *repr, const struct instance *object, pst_addr *value, bool *calls)
{
    struct type *kind;
    pst_addr get;
    *calls = false;
    TRY(type_find_attribute(repr->types, object->type, "name", value));
    if (!*value)
        return NULL;
    TRY(type_of(repr->types, *value, &kind));
    TRY(type_find_attribute(repr->types, kind, "__get__", &get));
    *calls = get || text_is(kind->name, "property") || text_is(kind->name, "function");
    if (!kind->is_heap && text_is(kind->name, "getset_descriptor"))
        *value = 0;
    return NULL;
}

static pst_error *find_own_name(struct repr *repr, const struct instance *object, struct repr_stream_name *name)
{
    pst_addr of_class, getattr;
    TRY(find_socket(repr, object, &name->descriptor, &name->is_descriptor));
    if (name->is_descriptor)
        return NULL;
    TRY(find_in_class(repr, object, &of_class, &name->is_unknown));
    if (name->is_unknown)
        return NULL;
    TRY(repr_get_attribute(repr, object, "name", &name->object));
    name->object = name->object ? name->object : of_class;
    if (name->object)
        return NULL;
    TRY(type_find_attribute(repr->types, object->type, "__getattr__", &getattr));
    name->is_unknown = getattr != 0;
    return NULL;
}

pst_error *repr_find_stream_name(struct repr *repr, const struct instance *object, struct repr_stream_name *name)
{
    struct instance inner = *object;
    *name = (struct repr_stream_name){0};
    for (int i = 0; i < MAX_STREAMS && inner.address; i++) {
        bool is_stream, calls;
        pst_addr of_class;
        TRY(type_of(repr->types, inner.address, &inner.type));
        TRY(find_in_class(repr, &inner, &of_class, &calls));
        type_find_repr(repr->types, inner.type);
        pst_addr inside = inner.address;
        TRY(step_inside(repr, &inside, inner.type, &is_stream));
        if (!is_stream || of_class)
            return find_own_name(repr, &inner, name);
        inner.address = inside;
    }
    return NULL;
}

static pst_error *add_name(struct repr *repr, const struct repr_stream_name *name)
{
    if (!name->is_descriptor && !name->object)
        return NULL;
    text_add_string(repr->text, " name=");
    if (name->object)
        return repr_add_object(repr, name->object);
    size_t start = repr->text->size, left = repr_get_left(repr);
    if (!left) {
        text_add_string(repr->text, "…");
        return NULL;
    }
    text_add_signed(repr->text, name->descriptor);
    repr_cut_number(repr, start, left);
    return NULL;
}

/* ---- FileIO ---------------------------------------------------------------------------------------------- */

static pst_error *get_flag(const struct repr *repr, pst_addr file, enum field field, bool *yes)
{
    uint64_t flag = 0;
    if (has(repr->python, field))
        TRY(field_unsigned(repr->python, file, field, &flag));
    *yes = flag;
    return NULL;
}

/* mode_string() */
static pst_error *find_mode(const struct repr *repr, pst_addr file, const char **mode)
{
    bool created, readable, writable, appending, truncate;
    TRY(get_flag(repr, file, F(fileio_created), &created));
    TRY(get_flag(repr, file, F(fileio_readable), &readable));
    TRY(get_flag(repr, file, F(fileio_writable), &writable));
    TRY(get_flag(repr, file, F(fileio_appending), &appending));
    TRY(get_flag(repr, file, F(fileio_truncate), &truncate));
    *mode = created     ? (readable ? "xb+" : "xb")
            : appending ? (readable ? "ab+" : "ab")
            : !readable ? "wb"
            : !writable ? "rb"
            : truncate  ? "wb+"
                        : "rb+";
    return NULL;
}

/* "<_io.FileIO"; since 3.13 that of the class. */
static pst_error *begin(struct repr *repr, const struct instance *object, const char *name)
{
    pst_text tp_name;
    text_add_char(repr->text, '<');
    if (python_minor_version(repr->python) < 313) {
        text_add_string(repr->text, name);
        return NULL;
    }
    TRY(type_read_tp_name(repr->types, object->type->address, &tp_name));
    text_add(repr->text, tp_name.data, tp_name.size < MAX_TYPE_NAME ? tp_name.size : MAX_TYPE_NAME);
    return NULL;
}

/* fileio_repr() */
pst_error *repr_add_fileio(struct repr *repr, const struct instance *object)
{
    struct repr_stream_name name = {0};
    const char *mode;
    bool closes;
    int descriptor;
    TRY(field_int(repr->python, object->address, F(fileio_fd), &descriptor));
    if (descriptor >= 0)
        TRY(find_own_name(repr, object, &name));
    if (name.is_unknown)
        return repr_add_attributes(repr, object);
    TRY(begin(repr, object, "_io.FileIO"));
    if (descriptor < 0) {
        text_add_string(repr->text, " [closed]>");
        return NULL;
    }
    if (name.object)
        TRY(add_name(repr, &name));
    else
        text_printf(repr->text, " fd=%d", descriptor);
    TRY(find_mode(repr, object->address, &mode));
    TRY(get_flag(repr, object->address, F(fileio_closefd), &closes));
    text_printf(repr->text, " mode='%s'", mode);
    if (!python_is_2(repr->python))
        text_printf(repr->text, " closefd=%s", closes ? "True" : "False");
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- around it ------------------------------------------------------------------------------------------- */

/* buffered_repr() */
pst_error *repr_add_buffered(struct repr *repr, const struct instance *object)
{
    struct repr_stream_name name;
    TRY(repr_find_stream_name(repr, object, &name));
    if (name.is_unknown)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    TRY(repr_add_tp_name(repr, object));
    TRY(add_name(repr, &name));
    text_add_char(repr->text, '>');
    return NULL;
}

/* textiowrapper_repr() */
pst_error *repr_add_textio(struct repr *repr, const struct instance *object)
{
    struct repr_stream_name name;
    uint64_t is_initialized;
    pst_addr mode = 0, encoding;
    TRY(field_unsigned(repr->python, object->address, F(textio_ok), &is_initialized));
    TRY(repr_find_stream_name(repr, object, &name));
    if (!is_initialized || name.is_unknown)
        return repr_add_attributes(repr, object);
    TRY(begin(repr, object, "_io.TextIOWrapper"));
    TRY(add_name(repr, &name));
    if (!python_is_2(repr->python))
        TRY(repr_get_attribute(repr, object, "mode", &mode));
    if (mode) {
        text_add_string(repr->text, " mode=");
        TRY(repr_add_object(repr, mode));
    }
    TRY(field_address(repr->python, object->address, F(textio_encoding), &encoding));
    text_add_string(repr->text, " encoding=");
    TRY(repr_add_object(repr, encoding));
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- 2.7's file ------------------------------------------------------------------------------------------ */

/* file_repr() */
pst_error *repr_add_file(struct repr *repr, const struct instance *object)
{
    pst_addr pointer, name, mode;
    struct type *type;
    TRY(field_address(repr->python, object->address, F(PyFileObject_f_fp), &pointer));
    TRY(field_address(repr->python, object->address, F(PyFileObject_f_name), &name));
    TRY(field_address(repr->python, object->address, F(PyFileObject_f_mode), &mode));
    TRY(type_of(repr->types, name, &type));
    if (type->flags & TPFLAGS_UNICODE_SUBCLASS)
        return repr_add_attributes(repr, object); /* which it escapes in a way of its own */
    text_add_string(repr->text, pointer ? "<open file " : "<closed file ");
    TRY(repr_add_object(repr, name));
    text_add_string(repr->text, ", mode '");
    TRY(repr_add_str_of(repr, mode));
    text_add_char(repr->text, '\'');
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}
