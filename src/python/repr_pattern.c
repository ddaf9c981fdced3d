/* re.Pattern and re.Match, in 3.6 _sre.SRE_Pattern and _sre.SRE_Match. Modules/_sre/sre.c (to 3.10: Modules/_sre.c). */
#include "python/object.h"
#include "python/repr.h"
#include "python/string.h"

enum {
    PATTERN_CHARACTERS = 200,  /* "%.200R": of the repr of a pattern */
    MATCH_CHARACTERS = 50,     /* "%.50R": of that of what it matched */
};

/* ---- a repr that is cut ---------------------------------------------------------------------------------- */

/* The first `most` characters of what was made, and those as all text is. */
static pst_error *add_start(struct repr *repr, struct text *made, size_t most)
{
    size_t size = 0, count = 0;
    for (; size < made->size; size++) {
        count += (made->data[size] & 0xc0) != 0x80;
        if (count > most)
            break;
    }
    bool failed = made->failed;
    if (!failed)
        repr_add_text(repr, (pst_text){made->data, size});
    text_free(made);
    return failed ? error_no_memory() : NULL;
}

static pst_error *add_start_of_str(struct repr *repr, pst_text str, size_t most)
{
    struct text made = {0};
    repr_add_str(str, repr->python->layout.minor, &made);
    return add_start(repr, &made, most);
}

static pst_error *add_start_of_bytes(struct repr *repr, pst_bytes bytes, size_t most)
{
    struct text made = {0};
    repr_add_bytes(bytes, "b", &made);
    return add_start(repr, &made, most);
}

/* ---- patterns -------------------------------------------------------------------------------------------- */

static pst_error *add_source(struct repr *repr, pst_addr pattern, bool *is_str)
{
    struct type *type;
    pst_text text;
    pst_bytes bytes;
    TRY(type_of(repr->types, pattern, &type));
    const struct repr_kind *kind = repr_kind_of(repr->types, type);
    *is_str = type->flags & TPFLAGS_UNICODE_SUBCLASS;
    if (kind->add == repr_add_str_object) {
        TRY(string_read(repr->python, repr->arena, pattern, &text));
        return add_start_of_str(repr, text, PATTERN_CHARACTERS);
    }
    if (kind->add != repr_add_bytes_object)
        return repr_add_object(repr, pattern);
    TRY(bytes_read(repr->python, repr->arena, pattern, &bytes.data, &bytes.size));
    return add_start_of_bytes(repr, bytes, PATTERN_CHARACTERS);
}

struct pattern_flag {
    const char *name;
    uint32_t value;
};

/* In the order in which they are shown. re.TEMPLATE is none any more since 3.13. */
static const struct pattern_flag flag_names[] = {
    {"re.TEMPLATE", 1}, {"re.IGNORECASE", 2}, {"re.LOCALE", 4}, {"re.MULTILINE", 8}, {"re.DOTALL", 16},
    {"re.UNICODE", 32}, {"re.VERBOSE", 64},   {"re.DEBUG", 128}, {"re.ASCII", 256},
};
enum { FLAG_LOCALE = 4, FLAG_UNICODE = 32, FLAG_ASCII = 256 };

static void add_flags(struct repr *repr, uint32_t flags, bool is_str)
{
    const char *separator = ", ";
    if (is_str && (flags & (FLAG_LOCALE | FLAG_UNICODE | FLAG_ASCII)) == FLAG_UNICODE)
        flags &= ~(uint32_t)FLAG_UNICODE;
    for (size_t i = python_minor_version(repr->python) >= 313; i < sizeof flag_names / sizeof *flag_names; i++) {
        if (!(flags & flag_names[i].value))
            continue;
        text_printf(repr->text, "%s%s", separator, flag_names[i].name);
        flags &= ~flag_names[i].value;
        separator = "|";
    }
    if (flags)
        text_printf(repr->text, "%s0x%x", separator, flags);
}

/* pattern_repr() */
pst_error *repr_add_pattern(struct repr *repr, const struct instance *object)
{
    pst_addr pattern;
    uint64_t flags;
    bool is_str;
    TRY(field_address(repr->python, object->address, F(PatternObject_pattern), &pattern));
    TRY(field_unsigned(repr->python, object->address, F(PatternObject_flags), &flags));
    text_add_string(repr->text, "re.compile(");
    TRY(add_source(repr, pattern, &is_str));
    add_flags(repr, (uint32_t)flags, is_str);
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- matches --------------------------------------------------------------------------------------------- */

struct span {
    int64_t from, to;
};

static pst_error *add_group_of_bytes(struct repr *repr, pst_addr data, int64_t size, struct span span)
{
    enum { MAX_SIZE = STRING_MAX_SIZE };
    int64_t from = span.from < size ? span.from : size, to = span.to < size ? span.to : size;
    if (to - from < 0 || to - from > MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a match of %lld bytes", (long long)(to - from));
    uint8_t *bytes = arena_alloc(repr->arena, (size_t)(to - from) + 1);
    if (!bytes)
        return error_no_memory();
    if (to > from)
        TRY(memory_read(repr->python->memory, data + (uint64_t)from, bytes, (size_t)(to - from)));
    return add_start_of_bytes(repr, (pst_bytes){bytes, (size_t)(to - from)}, MATCH_CHARACTERS);
}

/* What was matched, of a str, bytes or a bytearray; of another buffer: "…". */
static pst_error *add_group(struct repr *repr, pst_addr string, struct span span)
{
    const struct python *python = repr->python;
    struct type *type;
    pst_text text;
    pst_addr data;
    int64_t size;
    TRY(type_of(repr->types, string, &type));
    if (text_is(type->name, "NoneType") || span.from < 0) {
        text_add_string(repr->text, "None");
        return NULL;
    }
    if (type->flags & TPFLAGS_UNICODE_SUBCLASS) {
        TRY(string_read_part(python, repr->arena, string, (uint64_t)span.from, (uint64_t)span.to, &text));
        return add_start_of_str(repr, text, MATCH_CHARACTERS);
    }
    bool is_bytes = type->flags & TPFLAGS_BYTES_SUBCLASS;
    if (!is_bytes && !type_is(type, "", "bytearray")) {
        text_add_string(repr->text, "…");
        return NULL;
    }
    TRY(field_signed(python, string, F(PyVarObject_ob_size), &size));
    if (is_bytes)
        TRY(field_place(python, string, F(PyBytesObject_ob_sval), &data));
    else
        TRY(field_address(python, string, F(PyByteArrayObject_ob_start), &data));
    return add_group_of_bytes(repr, data, size, span);
}

/* match_repr() */
pst_error *repr_add_match(struct repr *repr, const struct instance *object)
{
    pst_addr string, marks;
    uint64_t from, to;
    TRY(field_address(repr->python, object->address, F(MatchObject_string), &string));
    TRY(field_place(repr->python, object->address, F(MatchObject_mark), &marks));
    TRY(pointer_at(repr->python, marks, 0, &from));
    TRY(pointer_at(repr->python, marks, 1, &to));
    text_add_char(repr->text, '<');
    TRY(repr_add_tp_name(repr, object));
    text_printf(repr->text, " object; span=(%lld, %lld), match=", (long long)from, (long long)to);
    TRY(add_group(repr, string, (struct span){(int64_t)from, (int64_t)to}));
    text_add_char(repr->text, '>');
    return NULL;
}
