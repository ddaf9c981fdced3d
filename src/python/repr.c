#include "python/repr.h"

#include "python/c_name.h"
#include "python/dict.h"
#include "python/member.h"
#include "python/object.h"
#include "python/string.h"

#include <string.h>

enum {
    MAX_INT_DIGITS = 4300,          /* what CPython 3.11+ itself converts at most; within bounds, nor do we */
    MAX_BOUNDED_INT_BITS = 14285,   /* that many digits, or one more */
    MAX_CUT_SIZE = 32,              /* of " … +1,234" */
    MIN_NAME = 80,                  /* characters that a name has before it is cut */
    LEAST_WORK = 32,                /* with fewer reads left nothing can be added */
};

/* ---- bounds ---------------------------------------------------------------------------------------------- */

static bool is_strict(const struct repr *repr)
{
    return !repr->types;
}

size_t repr_get_left(struct repr *repr)
{
    size_t size = repr->text->size - repr->start;
    if (repr->bounds.chars == SIZE_MAX)
        return SIZE_MAX;
    /* A part that was given up may have taken text away again. */
    if (repr->counted_size > size)
        repr->counted_size = repr->char_count = 0;
    for (const char *data = repr->text->data + repr->start; repr->counted_size < size; repr->counted_size++)
        repr->char_count += (data[repr->counted_size] & 0xc0) != 0x80;
    return repr->char_count < repr->bounds.chars ? repr->bounds.chars - repr->char_count : 0;
}

/* Of so many characters, as many as there is `room` for: or all, if saying how many were cut takes no fewer. */
static uint64_t choose_shown(uint64_t count, uint64_t room)
{
    uint64_t size = 5; /* " … +5" */
    if (count <= room)
        return count;
    for (uint64_t cut = count - room, digits = 1; cut >= 10; cut /= 10, digits++)
        size += digits % 3 ? 1 : 2;
    return count - room > size ? room : count;
}

uint64_t repr_get_shown(struct repr *repr, uint64_t count)
{
    return choose_shown(count, repr_get_left(repr));
}

void repr_add_cut(struct repr *repr, uint64_t count)
{
    char digits[MAX_CUT_SIZE];
    size_t at = sizeof digits, shown = 0;
    do {
        if (shown && shown % 3 == 0)
            digits[--at] = ',';
        digits[--at] = (char)('0' + count % 10);
        shown++;
        count /= 10;
    } while (count);
    text_add_string(repr->text, "… +");
    text_add(repr->text, digits + at, sizeof digits - at);
}

bool repr_begin_part(struct repr *repr, uint64_t index, uint64_t left, const char *separator)
{
    if (index)
        text_add_string(repr->text, separator);
    if (index < repr->bounds.items && repr->depth <= repr->bounds.depth && repr_get_left(repr) > 0)
        return true;
    repr_add_cut(repr, left);
    return false;
}

bool repr_begin_item(struct repr *repr, uint64_t index, uint64_t left)
{
    return repr_begin_part(repr, index, left, ", ");
}

pst_error *repr_check_limits(struct repr *repr)
{
    if (++repr->object_count > REPR_MAX_OBJECTS)
        return error_hint(error_new(PST_ERROR_LIMIT, "a repr of more than %d objects", REPR_MAX_OBJECTS),
                          "bound the items: --value-items N");
    if (repr->text->size - repr->start > REPR_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "a repr of more than %d bytes", REPR_MAX_SIZE);
    if (is_strict(repr) && repr->depth > VALUE_MAX_DEPTH)
        return error_new(PST_ERROR_LIMIT, "more than %d objects in each other", VALUE_MAX_DEPTH);
    return repr->text->failed ? error_no_memory() : NULL;
}

/* ---- numbers, strings ------------------------------------------------------------------------------------ */

/* Characters of UTF-8. */
static uint64_t count_characters(pst_text text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

/* The first `count` of them. */
static pst_text start_of(pst_text text, uint64_t count)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] & 0xc0) != 0x80 && count-- == 0)
            return (pst_text){text.data, i};
    return text;
}

/* The name of a class is measured anew for each of the objects that share it: as soon as that takes as long as reads
 * do, it counts as they do. */
static void spend_on_text(const struct python *python, size_t size)
{
    enum { BYTES_PER_READ = 128 };
    uint64_t work = size / BYTES_PER_READ, left = memory_get_work_left(python->memory);
    if (work)
        memory_set_work(python->memory, work < left ? left - work : 0);
}

/* Of a name of so many characters. */
static uint64_t get_shown_of_name(struct repr *repr, uint64_t count)
{
    size_t left = repr_get_left(repr);
    return choose_shown(count, left > MIN_NAME ? left : MIN_NAME);
}

void repr_add_text(struct repr *repr, pst_text text)
{
    spend_on_text(repr->python, text.size);
    uint64_t count = count_characters(text), shown = get_shown_of_name(repr, count);
    text = start_of(text, shown);
    text_add(repr->text, text.data, text.size);
    if (count > shown)
        repr_add_cut(repr, count - shown);
}

void repr_add_type_name(struct repr *repr, const struct type *type)
{
    if (type->module.data) {
        repr_add_text(repr, type->module);
        text_add_char(repr->text, '.');
    }
    repr_add_text(repr, type->qualname);
}

void repr_cut_number(struct repr *repr, size_t start, size_t left)
{
    size_t size = repr->text->size - start, shown = choose_shown(size, left);
    if (size <= shown)
        return;
    repr->text->size = start + shown;
    text_add_char(repr->text, ' ');
    repr_add_cut(repr, size - shown);
}

/* What takes long for its size counts as reads do: a lie may be made of many. */
static pst_error *spend_on_int(const struct python *python, const struct value *value)
{
    enum { STEPS_PER_READ = 32 };
    uint64_t work = repr_count_int_steps(value) / STEPS_PER_READ, left = memory_get_work_left(python->memory);
    if (work > left)
        return error_new(PST_ERROR_LIMIT, "an int of %zu digits of %u bits: too much work, after what was read before",
                         value->digit_count, value->digit_bits);
    if (work)
        memory_set_work(python->memory, left - work);
    return NULL;
}

static pst_error *add_int(struct repr *repr, const struct value *value)
{
    size_t left = repr_get_left(repr), start = repr->text->size;
    TRY(spend_on_int(repr->python, value));
    TRY(repr_add_int(value, repr->text));
    if (value->kind == VALUE_LONG)
        text_add_char(repr->text, 'L');
    repr_cut_number(repr, start, left);
    return NULL;
}

static void add_int_size(struct repr *repr, bool is_negative, uint64_t bits)
{
    text_printf(repr->text, "<%sint of %llu bits>", is_negative ? "negative " : "", (unsigned long long)bits);
}

static pst_error *has_too_many_digits(struct repr *repr, const struct value *value, bool *yes)
{
    size_t start = repr->text->size;
    TRY(repr_add_int(value, repr->text));
    *yes = repr->text->size - start - value->is_negative > MAX_INT_DIGITS;
    repr->text->size = start;
    return NULL;
}

/* An int that is no constant: of a large one only the size is read. `kind`: how it is read, as_kind: how shown. */
static pst_error *add_int_object(struct repr *repr, pst_addr object, enum value_kind kind, enum value_kind as_kind)
{
    bool is_negative, is_long = false, is_bounded = repr->bounds.chars != SIZE_MAX;
    uint64_t bits;
    struct value value;
    TRY(value_get_int_size(repr->python, object, kind, &is_negative, &bits));
    if (bits > (is_bounded ? MAX_BOUNDED_INT_BITS : REPR_MAX_INT_BITS)) {
        add_int_size(repr, is_negative, bits);
        return NULL;
    }
    TRY(value_read_as(repr->python, repr->arena, object, kind, &value));
    value.kind = as_kind;
    if (is_bounded && bits == MAX_BOUNDED_INT_BITS)
        TRY(has_too_many_digits(repr, &value, &is_long));
    if (!is_long)
        return add_int(repr, &value);
    add_int_size(repr, is_negative, bits);
    return NULL;
}

/* So many characters of a string were shown, and there are more. */
static void add_rest(struct repr *repr, uint64_t shown, uint64_t count)
{
    if (count <= shown)
        return;
    text_add_char(repr->text, ' ');
    repr_add_cut(repr, count - shown);
}

/* As many characters as may have to be shown of a string of which that many are wanted. */
static uint64_t get_most(uint64_t left)
{
    return left > UINT64_MAX - MAX_CUT_SIZE ? left : left + MAX_CUT_SIZE;
}

static pst_error *add_str(struct repr *repr, pst_addr object)
{
    uint64_t count;
    pst_text text;
    TRY(string_read_start(repr->python, repr->arena, object, get_most(repr_get_left(repr)), &text, &count));
    uint64_t shown = repr_get_shown(repr, count);
    repr_add_str(start_of(text, shown), python_is_2(repr->python) ? -1 : repr->python->layout.minor, repr->text);
    add_rest(repr, shown, count);
    return NULL;
}

static pst_error *add_bytes(struct repr *repr, pst_addr object)
{
    uint64_t count;
    pst_bytes bytes;
    TRY(bytes_read_start(repr->python, repr->arena, object, get_most(repr_get_left(repr)), &bytes, &count));
    uint64_t shown = repr_get_shown(repr, count);
    bytes.size = bytes.size < shown ? bytes.size : shown;
    repr_add_bytes(bytes, python_is_2(repr->python) ? "" : "b", repr->text);
    add_rest(repr, shown, count);
    return NULL;
}

/* One that has its value in itself. */
static pst_error *add_scalar_value(struct repr *repr, const struct value *value)
{
    struct text *text = repr->text;
    switch (value->kind) {
    case VALUE_NONE: text_add_string(text, "None"); break;
    case VALUE_ELLIPSIS: text_add_string(text, "Ellipsis"); break;
    case VALUE_BOOL: text_add_string(text, value->boolean ? "True" : "False"); break;
    case VALUE_INT:
    case VALUE_LONG: return add_int(repr, value);
    case VALUE_FLOAT: repr_add_double(value->real, text); break;
    case VALUE_COMPLEX: repr_add_complex(value->real, value->imaginary, text); break;
    case VALUE_STR: repr_add_str(value->text, python_is_2(repr->python) ? -1 : repr->python->layout.minor, text); break;
    case VALUE_BYTES: repr_add_bytes(value->bytes, python_is_2(repr->python) ? "" : "b", text); break;
    default: break; /* containers: see add_builtin() */
    }
    return NULL;
}

pst_error *repr_add_scalar(struct repr *repr, pst_addr object, enum value_kind kind)
{
    struct value value;
    if (kind == VALUE_STR)
        return add_str(repr, object);
    if (kind == VALUE_BYTES)
        return add_bytes(repr, object);
    if (!is_strict(repr) && (kind == VALUE_INT || kind == VALUE_LONG))
        return add_int_object(repr, object, kind, kind);
    TRY(value_read_as(repr->python, repr->arena, object, kind, &value));
    return add_scalar_value(repr, &value);
}

/* ---- parts that decoders are made of ----------------------------------------------------------------------- */

pst_error *repr_add_array(struct repr *repr, pst_addr array, uint64_t count)
{
    for (uint64_t i = 0; i < count && repr_begin_item(repr, i, count - i); i++) {
        pst_addr item;
        TRY(pointer_at(repr->python, array, i, &item));
        TRY(error_in(repr_add_object(repr, item), "item %llu", (unsigned long long)i));
    }
    return NULL;
}

pst_error *repr_add_name(struct repr *repr, pst_addr str)
{
    pst_text text;
    uint64_t count, left = repr_get_left(repr);
    TRY(string_read_start(repr->python, repr->arena, str, get_most(left > MIN_NAME ? left : MIN_NAME), &text, &count));
    uint64_t shown = get_shown_of_name(repr, count);
    if (count > shown) /* in 2.7 these are bytes, of which the text may have fewer characters */
        TRY(string_read_start(repr->python, repr->arena, str, shown, &text, &count));
    text_add(repr->text, text.data, text.size);
    if (count > shown)
        repr_add_cut(repr, count - shown);
    return NULL;
}

void repr_add_quoted(struct repr *repr, pst_text text)
{
    uint64_t count = count_characters(text), shown = repr_get_shown(repr, count);
    text = start_of(text, shown);
    if (python_is_2(repr->python))
        repr_add_bytes((pst_bytes){(const uint8_t *)text.data, text.size}, "", repr->text);
    else
        repr_add_str(text, repr->python->layout.minor, repr->text);
    add_rest(repr, shown, count);
}

pst_error *repr_add_name_field(struct repr *repr, pst_addr object, enum field field, size_t most_2)
{
    pst_addr str;
    pst_text name;
    pst_bytes bytes;
    TRY(field_address(repr->python, object, field, &str));
    if (!python_is_2(repr->python))
        return repr_add_name(repr, str);
    TRY(bytes_read(repr->python, repr->arena, str, &bytes.data, &bytes.size));
    bytes.size = strnlen((const char *)bytes.data, bytes.size < most_2 ? bytes.size : most_2);
    TRY(string_decode(repr->arena, bytes, &name));
    repr_add_text(repr, name);
    return NULL;
}

/* "%s" */
pst_error *repr_add_str_of(struct repr *repr, pst_addr object)
{
    enum value_kind kind;
    TRY(value_get_kind(repr->python, object, &kind));
    if (kind == VALUE_STR || (kind == VALUE_BYTES && python_is_2(repr->python)))
        return repr_add_name(repr, object);
    if (kind != VALUE_INT && kind != VALUE_LONG)
        return repr_add_object(repr, object);
    return add_int_object(repr, object, kind, VALUE_INT);
}

void repr_add_last_name(struct repr *repr, const struct instance *object)
{
    pst_text name = object->type->name;
    const char *dot = name.size ? memrchr(name.data, '.', name.size) : NULL;
    size_t before = dot ? (size_t)(dot + 1 - name.data) : 0;
    repr_add_text(repr, (pst_text){name.data + before, name.size - before});
}

void repr_add_class_name(struct repr *repr, const struct instance *object, const char *name)
{
    if (python_minor_version(repr->python) < 307)
        text_add_string(repr->text, name);
    else
        repr_add_last_name(repr, object);
}

pst_error *repr_add_tp_name(struct repr *repr, const struct instance *object)
{
    pst_text name;
    TRY(type_read_tp_name(repr->types, object->type->address, &name));
    repr_add_text(repr, name);
    return NULL;
}

void repr_add_full_name(struct repr *repr, const struct type *type)
{
    if (text_is(type->module, "__main__"))
        repr_add_text(repr, type->qualname);
    else
        repr_add_type_name(repr, type);
}

pst_error *repr_get_attribute(struct repr *repr, const struct instance *object, const char *name, pst_addr *value)
{
    bool is_computed;
    *value = 0;
    TRY(repr_is_computed(repr, object, name, &is_computed));
    if (is_computed)
        return NULL;
    return member_or_attribute_get(repr->types, object->address, object->type, name, value);
}

pst_error *repr_has_method_of(struct repr *repr, const struct type *type, const char *name, const char *module,
                              bool *yes)
{
    pst_addr method, found;
    struct type *kind;
    *yes = false;
    TRY(type_find_attribute(repr->types, type, name, &method));
    if (!method)
        return NULL;
    TRY(type_of(repr->types, method, &kind));
    if (kind->is_heap || !text_is(kind->name, "function"))
        return NULL;
    TRY(field_address(repr->python, method, F(PyFunctionObject_func_module), &found));
    return string_equals(repr->python, found, module, yes);
}

pst_error *repr_get_global(struct repr *repr, const struct instance *object, const char *name, pst_addr *value)
{
    pst_addr function, globals;
    *value = 0;
    TRY(type_find_attribute(repr->types, object->type, "__repr__", &function));
    if (!function)
        return NULL;
    TRY(field_address(repr->python, function, F(PyFunctionObject_func_globals), &globals));
    return dict_get(repr->python, globals, name, NULL, value);
}

pst_error *repr_is_true(struct repr *repr, pst_addr object, bool *yes)
{
    struct value value;
    TRY(value_read(repr->python, repr->arena, object, &value));
    switch (value.kind) {
    case VALUE_NONE: *yes = false; break;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_LONG: *yes = value.digit_count; break;
    case VALUE_STR: *yes = value.text.size; break;
    case VALUE_BYTES: *yes = value.bytes.size; break;
    default: *yes = true; break;
    }
    return NULL;
}

void repr_add_address(struct repr *repr, pst_addr address)
{
    text_add_string(repr->text, " at ");
    text_add_hex(repr->text, address);
}

pst_error *repr_add_marked(struct repr *repr, pst_addr object)
{
    repr->marked = object;
    pst_error *error = repr_add_object(repr, object);
    repr->marked = 0;
    return error;
}

pst_error *repr_add_field(struct repr *repr, pst_addr object, enum field field)
{
    pst_addr member;
    TRY(field_address(repr->python, object, field, &member));
    if (member)
        return repr_add_object(repr, member);
    text_add_string(repr->text, "<NULL>"); /* as "%R" has it */
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static pst_error *refuse(const struct python *python, pst_addr object, pst_addr type)
{
    char name[64] = "?";
    pst_error_free(type_get_name(python, type, name, sizeof name));
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c >= 0x7f)
            *c = '?';
    return error_new(PST_ERROR_UNSUPPORTED, "the object at 0x%llx is no constant, but a %s",
                     (unsigned long long)object, name);
}

/* One of just that type. */
static pst_error *add_builtin(struct repr *repr, pst_addr object, enum value_kind kind)
{
    const struct instance instance = {.address = object};
    switch (kind) {
    case VALUE_TUPLE: return repr_add_tuple(repr, &instance);
    case VALUE_FROZENSET: return repr_add_set(repr, &instance);
    case VALUE_SLICE: return repr_add_slice(repr, &instance);
    case VALUE_CODE: return repr_add_code(repr, &instance);
    default: return repr_add_scalar(repr, object, kind);
    }
}

static bool is_open(const struct repr *repr, pst_addr object)
{
    for (size_t i = 0; i + 1 < repr->depth; i++)
        if (repr->open[i] == object)
            return true;
    return false;
}

static void add_cycle(struct repr *repr, const struct type *type, const char *cycle)
{
    for (; *cycle; cycle++) {
        if (*cycle == '%')
            repr_add_text(repr, type->name);
        else
            text_add_char(repr->text, *cycle);
    }
}

/* By its type, if kind is NULL. */
static pst_error *add_instance(struct repr *repr, pst_addr object, pst_addr type, const struct repr_kind *kind)
{
    struct instance instance = {.address = object, .is_open = is_open(repr, object)};
    TRY(type_get(repr->types, type, &instance.type));
    kind = kind ? kind : repr_kind_of(repr->types, instance.type);
    bool looks_out = kind->cycle && *kind->cycle;
    bool is_marked = object == repr->marked && looks_out && kind->origin == REPR_IN_C;
    repr->marked = 0;
    if (!is_marked && (!instance.is_open || (kind->cycle && !looks_out)))
        return kind->add(repr, &instance);
    if (!kind->cycle)
        return repr_add_cycle_of_attributes(repr, &instance);
    add_cycle(repr, instance.type, kind->cycle);
    return NULL;
}

static pst_error *add_object(struct repr *repr, pst_addr object, const struct repr_kind *wanted)
{
    pst_addr type;
    enum value_kind kind;
    TRY(repr_check_limits(repr));
    TRY(object_get_type(repr->python, object, &type));
    if (wanted)
        return add_instance(repr, object, type, wanted);
    TRY(value_type_get_kind(repr->python, object, type, &kind));
    if ((kind == VALUE_TUPLE || kind == VALUE_FROZENSET) && !is_strict(repr) && is_open(repr, object)) {
        text_add_string(repr->text, kind == VALUE_TUPLE ? "(...)" : "frozenset(...)");
        return NULL;
    }
    if (kind != VALUE_OTHER)
        return add_builtin(repr, object, kind);
    return is_strict(repr) ? refuse(repr->python, object, type) : add_instance(repr, object, type, NULL);
}

/* Of the limits, those of the repr as a whole: see check_limits(). */
static bool ends_all(const struct repr *repr, const pst_error *error)
{
    bool is_full = repr->object_count > REPR_MAX_OBJECTS || repr->text->size - repr->start > REPR_MAX_SIZE ||
                   memory_get_work_left(repr->python->memory) < LEAST_WORK;
    return pst_error_get_code(error) == PST_ERROR_MEMORY || (pst_error_get_code(error) == PST_ERROR_LIMIT && is_full);
}

static void keep_error(struct repr *repr, pst_error *error)
{
    if (repr->error)
        pst_error_free(error);
    else
        repr->error = error;
}

pst_error *repr_end_items(struct repr *repr, const char *separator, uint64_t left, pst_error *error)
{
    if (!error || is_strict(repr) || pst_error_get_code(error) != PST_ERROR_LIMIT || ends_all(repr, error))
        return error;
    text_add_string(repr->text, separator);
    repr_add_cut(repr, left);
    keep_error(repr, error);
    return NULL;
}

pst_error *repr_end_part(struct repr *repr, pst_addr object, size_t start, pst_error *error)
{
    if (!error || is_strict(repr) || ends_all(repr, error))
        return error;
    repr->text->size = start;
    text_add_string(repr->text, "<unreadable");
    repr_add_address(repr, object);
    text_add_char(repr->text, '>');
    keep_error(repr, error);
    return NULL;
}

pst_error *repr_add_object_as(struct repr *repr, pst_addr object, const struct repr_kind *kind)
{
    size_t start = repr->text->size;
    bool is_deep = repr->depth > repr->bounds.depth || repr->depth > VALUE_MAX_DEPTH;
    if (!is_strict(repr) && (is_deep || (repr->depth && !repr_get_left(repr)))) {
        text_add_string(repr->text, "…");
        return NULL;
    }
    if (repr->depth <= VALUE_MAX_DEPTH)
        repr->open[repr->depth] = object;
    repr->depth++;
    pst_error *error = add_object(repr, object, kind);
    repr->depth--;
    return repr_end_part(repr, object, start, error);
}

pst_error *repr_add_object(struct repr *repr, pst_addr object)
{
    return repr_add_object_as(repr, object, NULL);
}

pst_error *repr_add_inside(struct repr *repr, pst_addr object)
{
    repr->bounds.depth++;
    pst_error *error = repr_add_object(repr, object);
    repr->bounds.depth--;
    return error;
}

void repr_start(struct repr *repr, struct types *types, struct arena *arena, struct repr_bounds bounds,
                struct text *text)
{
    *repr = (struct repr){.python = types->python, .types = types, .arena = arena, .text = text,
                          .bounds = bounds, .start = text->size};
    if (repr->bounds.depth > VALUE_MAX_DEPTH)
        repr->bounds.depth = VALUE_MAX_DEPTH;
}

static struct repr of_constant(const struct python *python, struct arena *arena, struct text *text)
{
    return (struct repr){.python = python, .arena = arena, .text = text, .start = text->size,
                         .bounds = REPR_UNBOUNDED};
}

pst_error *repr_add(const struct python *python, struct arena *arena, pst_addr object, struct text *text)
{
    struct repr repr = of_constant(python, arena, text);
    return repr_add_object(&repr, object);
}

pst_error *repr_add_value(const struct python *python, struct arena *arena, const struct value *value,
                          struct text *text)
{
    bool is_scalar = value->kind < VALUE_TUPLE;
    if (!is_scalar)
        return repr_add(python, arena, value->address, text);
    struct repr repr = of_constant(python, arena, text);
    return add_scalar_value(&repr, value);
}
