/* uuid.UUID, and the addresses and networks of ipaddress. Lib/uuid.py, Lib/ipaddress.py. */
#include "python/repr.h"

#include "python/object.h"
#include "python/string.h"

#include <stdio.h>

enum {
    SIZE = 16,                 /* bytes of the largest number */
    HEXTETS = 8,
};

/* A number of up to 128 bits, its highest byte first. *fits is false: it is none. */
static pst_error *read_number(struct repr *repr, pst_addr object, uint8_t bytes[SIZE], bool *fits)
{
    struct value value;
    TRY(value_read(repr->python, repr->arena, object, &value));
    memset(bytes, 0, SIZE);
    *fits = (value.kind == VALUE_INT || value.kind == VALUE_LONG) && !value.is_negative;
    for (size_t i = 0; i < value.digit_count && *fits; i++) {
        uint64_t digit = bytes_unsigned(value.digits + i * value.digit_size, value.digit_size);
        for (size_t bit = 0; bit < value.digit_bits; bit++) {
            size_t at = i * value.digit_bits + bit;
            if (!(digit >> bit & 1))
                continue;
            *fits &= at < SIZE * 8;
            if (at < SIZE * 8)
                bytes[SIZE - 1 - at / 8] |= (uint8_t)(1 << at % 8);
        }
    }
    return NULL;
}

static pst_error *get_number(struct repr *repr, const struct instance *object, const char *name, uint8_t bytes[SIZE],
                             bool *there)
{
    pst_addr value;
    TRY(repr_get_attribute(repr, object, name, &value));
    *there = value;
    return value ? read_number(repr, value, bytes, there) : NULL;
}

static void add_call(struct repr *repr, pst_text name, pst_text argument)
{
    repr_add_text(repr, name);
    text_add_char(repr->text, '(');
    repr_add_quoted(repr, argument);
    text_add_char(repr->text, ')');
}

/* ---- UUID ------------------------------------------------------------------------------------------------ */

/* UUID.__repr__(): in 2.7 whatever the class is called. */
pst_error *repr_add_uuid(struct repr *repr, const struct instance *object)
{
    uint8_t bytes[SIZE];
    char text[2 * SIZE + 5];
    size_t used = 0;
    bool there;
    TRY(get_number(repr, object, "int", bytes, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    for (size_t i = 0; i < SIZE; i++) {
        bool is_first = i == 4 || i == 6 || i == 8 || i == 10;
        used += (size_t)snprintf(text + used, sizeof text - used, is_first ? "-%02x" : "%02x", bytes[i]);
    }
    add_call(repr, python_is_2(repr->python) ? (pst_text){"UUID", 4} : object->type->name, (pst_text){text, used});
    return NULL;
}

/* ---- addresses ------------------------------------------------------------------------------------------- */

static void add_ipv4(const uint8_t bytes[4], struct text *text)
{
    text_printf(text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

static unsigned hextet(const uint8_t bytes[SIZE], size_t index)
{
    return (unsigned)bytes[2 * index] << 8 | bytes[2 * index + 1];
}

/* The first of the longest rows of zeros; *count is 0 if there are no two on end. */
static size_t find_zeros(const uint8_t bytes[SIZE], size_t *count)
{
    size_t best = 0, row = 0;
    *count = 1;
    for (size_t i = 0; i < HEXTETS; i++) {
        row = hextet(bytes, i) ? 0 : row + 1;
        if (row > *count) {
            *count = row;
            best = i + 1 - row;
        }
    }
    *count = *count > 1 ? *count : 0;
    return best;
}

/* _string_from_ip_int(), _compress_hextets() */
static void add_ipv6(const uint8_t bytes[SIZE], struct text *text)
{
    size_t count, zeros = find_zeros(bytes, &count);
    for (size_t i = 0; i < HEXTETS; i++) {
        if (count && i == zeros) {
            text_add_string(text, i ? ":" : "::");
            i += count - 1;
            continue;
        }
        text_printf(text, "%x", hextet(bytes, i));
        if (i < HEXTETS - 1)
            text_add_char(text, ':');
    }
}

/* "::ffff:1.2.3.4", in the versions that have a method for it. */
static pst_error *is_mapped(struct repr *repr, const struct type *type, const uint8_t bytes[SIZE], bool *yes)
{
    pst_addr method;
    *yes = bytes[10] == 0xff && bytes[11] == 0xff;
    for (size_t i = 0; i < 10; i++)
        *yes &= bytes[i] == 0;
    if (!*yes)
        return NULL;
    TRY(type_find_attribute(repr->types, type, "_ipv4_mapped_ipv6_to_str", &method));
    *yes = method;
    return NULL;
}

/* "%scope", 3.9+ */
static pst_error *add_scope(struct repr *repr, const struct instance *object, struct text *text)
{
    pst_addr scope;
    pst_text name = {0};
    enum value_kind kind = VALUE_NONE;
    TRY(repr_get_attribute(repr, object, "_scope_id", &scope));
    if (scope)
        TRY(value_get_kind(repr->python, scope, &kind));
    if (kind != VALUE_STR)
        return NULL;
    TRY(string_read(repr->python, repr->arena, scope, &name));
    text_add_string(text, name.size ? "%" : "");
    text_add(text, name.data, name.size);
    return NULL;
}

/* Whether a method is that of the module ipaddress. */
static pst_error *is_own_method(struct repr *repr, const struct type *type, const char *name, bool *yes)
{
    const pst_addr *bases;
    size_t count;
    pst_addr method = 0;
    struct type *class;
    *yes = false;
    TRY(type_read_mro(repr->types, type, &bases, &count));
    for (size_t i = 0; i < count && !method; i++) {
        TRY(type_get(repr->types, bases[i], &class));
        if (class->is_heap)
            TRY(type_get_own(repr->python, bases[i], name, &method));
        *yes = method && text_is(class->module, "ipaddress");
    }
    return NULL;
}

/* __str__() of an address; *there is false: it is just being made, or of a class with another __str__. */
static pst_error *add_address(struct repr *repr, const struct instance *object, struct text *text, bool *there)
{
    uint8_t bytes[SIZE];
    struct type *ipv6;
    bool mapped;
    TRY(repr_has_method_of(repr, object->type, "__str__", "ipaddress", there));
    if (*there)
        TRY(is_own_method(repr, object->type, "_string_from_ip_int", there));
    if (*there)
        TRY(get_number(repr, object, "_ip", bytes, there));
    if (!*there)
        return NULL;
    TRY(type_find_base(repr->types, object->type, "ipaddress", "IPv6Address", &ipv6));
    if (!ipv6) {
        add_ipv4(bytes + SIZE - 4, text);
        return NULL;
    }
    TRY(is_mapped(repr, object->type, bytes, &mapped));
    if (mapped) {
        text_add_string(text, "::ffff:");
        add_ipv4(bytes + SIZE - 4, text);
    } else {
        add_ipv6(bytes, text);
    }
    return add_scope(repr, object, text);
}

static pst_error *add_length(struct repr *repr, const struct instance *object, struct text *text, bool *there)
{
    pst_addr value;
    uint64_t length;
    TRY(repr_get_attribute(repr, object, "_prefixlen", &value));
    *there = value;
    if (!value)
        return NULL;
    TRY(object_get_int(repr->python, value, &length));
    text_add_char(text, '/');
    text_add_unsigned(text, length);
    return NULL;
}

/* An interface is an address, and has the length of its network's prefix behind it. */
static pst_error *add_interface(struct repr *repr, const struct instance *object, struct text *text, bool *there)
{
    struct type *one, *other;
    TRY(add_address(repr, object, text, there));
    TRY(type_find_base(repr->types, object->type, "ipaddress", "IPv4Interface", &one));
    TRY(type_find_base(repr->types, object->type, "ipaddress", "IPv6Interface", &other));
    return *there && (one || other) ? add_length(repr, object, text, there) : NULL;
}

static pst_error *add_network(struct repr *repr, const struct instance *object, struct text *text, bool *there)
{
    struct instance address = {0};
    TRY(repr_has_method_of(repr, object->type, "__str__", "ipaddress", there));
    if (*there)
        TRY(repr_get_attribute(repr, object, "network_address", &address.address));
    *there &= address.address != 0;
    if (!*there)
        return NULL;
    TRY(type_of(repr->types, address.address, &address.type));
    TRY(add_address(repr, &address, text, there));
    return *there ? add_length(repr, object, text, there) : NULL;
}

static pst_error *finish(struct repr *repr, const struct instance *object, struct text *text, bool there,
                         pst_error *error)
{
    if (!error && text->failed)
        error = error_no_memory();
    if (!error && there)
        add_call(repr, object->type->name, (pst_text){text->data, text->size});
    text_free(text);
    return error || there ? error : repr_add_attributes(repr, object);
}

/* _BaseAddress.__repr__() */
pst_error *repr_add_ip_address(struct repr *repr, const struct instance *object)
{
    struct text text = {0};
    bool there = false;
    pst_error *error = add_interface(repr, object, &text, &there);
    return finish(repr, object, &text, there, error);
}

/* _BaseNetwork.__repr__() */
pst_error *repr_add_ip_network(struct repr *repr, const struct instance *object)
{
    struct text text = {0};
    bool there = false;
    pst_error *error = add_network(repr, object, &text, &there);
    return finish(repr, object, &text, there, error);
}
