/* Sockets. Modules/socketmodule.c, sock_repr(); Lib/socket.py. */
#include "python/repr.h"

#include "python/dict.h"
#include "python/object.h"
#include "python/string.h"

struct socket_numbers {
    int descriptor, family, type, protocol;
};

static pst_error *read_numbers(const struct python *python, pst_addr socket, struct socket_numbers *numbers)
{
    TRY(field_int(python, socket, F(PySocketSockObject_sock_fd), &numbers->descriptor));
    TRY(field_int(python, socket, F(PySocketSockObject_sock_family), &numbers->family));
    TRY(field_int(python, socket, F(PySocketSockObject_sock_type), &numbers->type));
    return field_int(python, socket, F(PySocketSockObject_sock_proto), &numbers->protocol);
}

/* sock_repr() of _socket.socket itself */
pst_error *repr_add_c_socket(struct repr *repr, const struct instance *object)
{
    struct socket_numbers numbers;
    TRY(read_numbers(repr->python, object->address, &numbers));
    text_printf(repr->text, "<socket object, fd=%d, family=%d, type=%d, %s=%d>", numbers.descriptor, numbers.family,
                numbers.type, python_is_2(repr->python) ? "protocol" : "proto", numbers.protocol);
    return NULL;
}

/* ---- socket.socket --------------------------------------------------------------------------------------- */

/* The member of that value; *member is 0: there is none. */
static pst_error *find_member(struct repr *repr, pst_addr enumeration, int wanted, pst_addr *member)
{
    struct dict_reader reader;
    struct type *type;
    pst_addr map;
    uint64_t used;
    *member = 0;
    TRY(type_get(repr->types, enumeration, &type));
    TRY(type_find_attribute(repr->types, type, "_value2member_map_", &map));
    if (!map)
        return NULL;
    TRY(dict_start_items(repr->python, map, &reader, &used));
    for (uint64_t i = 0; i < used && !*member; i++) {
        pst_addr key, value;
        uint64_t number;
        TRY(dict_next_item(&reader, &key, &value));
        TRY(object_get_int(repr->python, key, &number));
        if ((int64_t)number == wanted)
            *member = value;
    }
    return NULL;
}

/* str() of a number that Python makes a member of an enumeration: to 3.10 the name of that, if there is one. */
static pst_error *add_number(struct repr *repr, const struct instance *object, const char *name, int number)
{
    struct instance member = {0};
    pst_addr enumeration = 0, member_name = 0;
    if (python_minor_version(repr->python) < 311)
        TRY(repr_get_global(repr, object, name, &enumeration));
    if (enumeration)
        TRY(find_member(repr, enumeration, number, &member.address));
    if (member.address) {
        TRY(type_of(repr->types, member.address, &member.type));
        TRY(repr_get_attribute(repr, &member, "_name_", &member_name));
    }
    if (!member_name) {
        text_add_signed(repr->text, number);
        return NULL;
    }
    text_printf(repr->text, "%s.", name);
    return repr_add_name(repr, member_name);
}

/* socket.__repr__(), without the addresses, for which it asks the system. */
pst_error *repr_add_socket(struct repr *repr, const struct instance *object)
{
    struct socket_numbers numbers;
    pst_addr closed;
    bool is_closed = false;
    TRY(read_numbers(repr->python, object->address, &numbers));
    TRY(repr_get_attribute(repr, object, "_closed", &closed));
    if (closed)
        TRY(repr_is_true(repr, closed, &is_closed));
    text_add_char(repr->text, '<');
    repr_add_type_name(repr, object->type);
    text_printf(repr->text, "%s fd=%d, family=", is_closed ? " [closed]" : "", numbers.descriptor);
    TRY(add_number(repr, object, "AddressFamily", numbers.family));
    text_add_string(repr->text, ", type=");
    TRY(add_number(repr, object, "SocketKind", numbers.type));
    text_printf(repr->text, ", proto=%d>", numbers.protocol);
    return NULL;
}
