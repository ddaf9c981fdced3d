#include "python/str.h"

#include "python/string.h"

/* ---- that of a repr ---------------------------------------------------------------------------------------- */

/* What stands between the quotes of "Decimal('1.5')", which was added from `start` on, or "Decimal('1' … +2)". Anything
 * else stays as it is: *there is false. */
static void unwrap(struct text *text, size_t start, bool *there)
{
    const char *open = memchr(text->data + start, '(', text->size - start);
    const char *end = text->data + text->size - 1;
    *there = open && end - open > 2 && (open[1] == '\'' || open[1] == '"') && *end == ')';
    if (!*there)
        return;
    const char *first = open + 2, *quote = memrchr(first, open[1], (size_t)(end - first));
    *there = quote && !memchr(first, '\\', (size_t)(quote - first));
    if (!*there)
        return;
    size_t size = (size_t)(quote - first);
    const char *rest = end - quote > 1 ? quote + 2 : end;   /* behind a blank */
    size_t rest_size = (size_t)(end - rest);
    memmove(text->data + start, first, size);
    memmove(text->data + start + size, rest, rest_size);
    text->size = start + size + rest_size;
}

/* Of a class whose repr() is its name and what str() says, whatever __repr__ the object's own class has. */
static pst_error *add_unwrapped(struct repr *repr, pst_addr object, enum repr_origin origin, const char *kind,
                                bool *there)
{
    size_t start = repr->text->size;
    *there = false;
    TRY(repr_add_object_as(repr, object, repr_kind_named(origin, (pst_text){kind, strlen(kind)})));
    if (repr->text->size > start)
        unwrap(repr->text, start, there);
    return NULL;
}

/* ---- enumerations: Lib/enum.py ------------------------------------------------------------------------------- */

/* Flag.__str__() of one that has no name: what the repr has, "<Color.RED|BLUE: 5>", since 3.11 "<Color: 8>". */
static pst_error *add_unnamed_flag(struct repr *repr, const struct instance *object, pst_addr value)
{
    static const char definer[] = "enum.Flag";
    struct text *text = repr->text;
    size_t start = text->size, at;
    TRY(repr_add_object_as(repr, object->address,
                           repr_kind_named(REPR_IN_PYTHON, (pst_text){definer, sizeof definer - 1})));
    for (at = start; at < text->size && text->data[at] != ':'; at++)
        ;
    if (at == text->size || text->data[start] != '<')
        return NULL;
    bool has_members = memchr(text->data + start, '.', at - start);
    memmove(text->data + start, text->data + start + 1, at - start - 1);
    text->size = at - 1;
    if (has_members)
        return NULL;
    text_add_char(text, '(');
    TRY(repr_add_object(repr, value));
    text_add_char(text, ')');
    return NULL;
}

static pst_error *add_enum(struct repr *repr, const struct instance *object, bool *there)
{
    pst_addr name, value;
    enum value_kind kind;
    TRY(repr_get_attribute(repr, object, "_name_", &name));
    TRY(repr_get_attribute(repr, object, "_value_", &value));
    *there = name && value;
    if (!*there)
        return NULL;
    TRY(value_get_kind(repr->python, name, &kind));
    if (kind == VALUE_NONE)
        return add_unnamed_flag(repr, object, value);
    text_add(repr->text, object->type->name.data, object->type->name.size);
    text_add_char(repr->text, '.');
    return repr_add_str_of(repr, name);
}

/* Since 3.11 the __str__ of these is int.__repr__, under another name. */
static pst_error *add_int_enum(struct repr *repr, const struct instance *object, bool *there)
{
    struct type *base;
    TRY(type_find_base(repr->types, object->type, "enum", "IntEnum", &base));
    if (!base)
        TRY(type_find_base(repr->types, object->type, "enum", "IntFlag", &base));
    *there = base;
    return base ? repr_add_scalar(repr, object->address, VALUE_INT) : NULL;
}

/* ---- by definer ---------------------------------------------------------------------------------------------- */

/* A number of 2.7, where str() and repr() differ. */
static pst_error *add_number_2(struct repr *repr, pst_addr object, enum value_kind kind)
{
    struct value value;
    struct text *text = repr->text;
    if (kind == VALUE_LONG) {
        TRY(repr_add_scalar(repr, object, kind));
        text->size -= text->size && text->data[text->size - 1] == 'L';
        return NULL;
    }
    TRY(value_read_as(repr->python, repr->arena, object, kind, &value));
    if (kind == VALUE_FLOAT)
        repr_add_short_double(value.real, text);
    else
        repr_add_short_complex(value.real, value.imaginary, text);
    return NULL;
}

/* Whether the __str__ of this class does what its __repr__ does; object's calls that. */
static bool is_repr(const struct repr *repr, pst_text definer)
{
    static const char *const names[] = {"object", "bool", "bytes", "complex", "float", "int"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_is(definer, names[i]))
            return true;
    return text_is(definer, "bytearray") && !python_is_2(repr->python);
}

/* Classes written in C. */
static pst_error *add_by_c(struct repr *repr, const struct instance *object, pst_text definer, bool *there)
{
    bool is_2 = python_is_2(repr->python);
    *there = true;
    if (text_is(definer, "str") || (is_2 && text_is(definer, "unicode")))
        return repr_add_name(repr, object->address);
    if (is_2 && text_is(definer, "long"))
        return add_number_2(repr, object->address, VALUE_LONG);
    if (is_2 && text_is(definer, "float"))
        return add_number_2(repr, object->address, VALUE_FLOAT);
    if (is_2 && text_is(definer, "complex"))
        return add_number_2(repr, object->address, VALUE_COMPLEX);
    if (text_is(definer, "decimal.Decimal"))
        return add_unwrapped(repr, object->address, REPR_IN_C, "decimal.Decimal", there);
    if (text_is(definer, "datetime.date"))
        return str_add_date(repr, object);
    if (text_is(definer, "datetime.time"))
        return str_add_time(repr, object, there);
    if (text_is(definer, "datetime.datetime"))
        return str_add_datetime(repr, object, there);
    if (text_is(definer, "datetime.timedelta"))
        return str_add_timedelta(repr, object);
    if (text_is(definer, "datetime.timezone"))
        return str_add_timezone(repr, object);
    *there = is_repr(repr, definer);
    return *there ? repr_add_object(repr, object->address) : NULL;
}

/* Classes of the standard library that are written in Python, whose repr() is that of `kind` and has it in quotes. */
static const struct {
    const char *definer, *kind;
} wrapped[] = {
    {"decimal.Decimal", "decimal.Decimal"}, /* 2.7 */
    {"ipaddress.IPv4Interface", "ipaddress._BaseAddress"},
    {"ipaddress.IPv6Address", "ipaddress._BaseAddress"},
    {"ipaddress.IPv6Interface", "ipaddress._BaseAddress"},
    {"ipaddress._BaseAddress", "ipaddress._BaseAddress"},
    {"ipaddress._BaseNetwork", "ipaddress._BaseNetwork"},
    {"uuid.UUID", "uuid.UUID"},
};

static pst_error *add_by_python(struct repr *repr, const struct instance *object, pst_text definer, bool *there)
{
    *there = false;
    if (text_is(definer, "enum.Enum") || text_is(definer, "enum.Flag"))
        return add_enum(repr, object, there);
    if (text_is(definer, "pathlib.PurePath") || text_is(definer, "pathlib._local.PurePath"))
        return str_add_path(repr, object, there);
    for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++)
        if (text_is(definer, wrapped[i].definer))
            return add_unwrapped(repr, object->address, REPR_IN_PYTHON, wrapped[i].kind, there);
    return NULL;
}

pst_error *str_add(struct repr *repr, pst_addr object, bool *is_str)
{
    struct instance instance = {.address = object};
    struct type_definer definer;
    size_t start = repr->text->size;
    bool there;
    TRY(type_of(repr->types, object, &instance.type));
    type_find_str(repr->types, instance.type, &definer);
    if (definer.origin == REPR_IN_C)
        TRY(add_by_c(repr, &instance, definer.name, &there));
    else if (definer.origin == REPR_IN_PYTHON)
        TRY(add_by_python(repr, &instance, definer.name, &there));
    else
        TRY(add_int_enum(repr, &instance, &there));
    if (there)
        return NULL;
    *is_str = false;
    repr->text->size = start;
    return repr_add_object(repr, object);
}
