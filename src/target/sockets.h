/*
 * The sockets of a network namespace, as /proc/PID/net lists them, and what is at their other ends.
 *
 * The names of Unix sockets are their owners' to choose, line ends included, so that a line may be forged: of a socket
 * that has two lines neither is believed.
 */
#ifndef PYSTANDER_TARGET_SOCKETS_H
#define PYSTANDER_TARGET_SOCKETS_H

#include "base/text.h"

enum socket_table_id {
    SOCKETS_TCP,
    SOCKETS_TCP6,
    SOCKETS_UDP,
    SOCKETS_UDP6,
    SOCKETS_UNIX,
    SOCKETS_COUNT,
};

struct endpoint {
    uint8_t address[16]; /* in the order of the network; of IPv4 the first four */
    uint16_t port;
};

struct socket {
    uint64_t inode;
    enum socket_table_id table;
    unsigned state;         /* the kernel's number; of Unix sockets SOCKET_LISTENS, or 0 */
    struct endpoint local, remote;
    size_t path;            /* of a Unix socket: where it begins in the table's paths */
    bool has_path;
};

enum { SOCKET_LISTENS = 10 /* TCP_LISTEN */ };

struct socket_table {
    bool is_read, cut; /* cut: it has more */
    struct socket *sockets; /* sorted */
    size_t count, capacity;
    struct text paths; /* each with a NUL */
};

/* A line of net/tcp, tcp6, udp or udp6. false: it is none of a socket. */
bool socket_parse_inet(const char *line, enum socket_table_id table, struct socket *socket);
/* A line of net/unix; *path is NULL if it has none, else points into it. */
bool socket_parse_unix(const char *line, struct socket *socket, const char **path);

/* Reads the table once, below the O_PATH directory /proc/PID; NULL: it does not have that socket. */
const struct socket *socket_find(int directory, struct socket_table *table, enum socket_table_id id, uint64_t inode);
void socket_table_free(struct socket_table *table);

/* "127.0.0.1:80", "[::1]:80" */
void endpoint_write(const struct endpoint *endpoint, bool is_v6, struct text *text);
bool endpoint_is_any(const struct endpoint *endpoint);
/* "ESTABLISHED"; NULL: not known. */
const char *socket_get_state_name(unsigned state);

enum unix_peer {
    UNIX_PEER_UNKNOWN,    /* the kernel does not tell */
    UNIX_PEER_NONE,       /* it is not connected */
    UNIX_PEER_UNACCEPTED, /* it is connected, and accept() was not called yet */
    UNIX_PEER_FOUND,
};

/* What this Unix socket of our own network namespace is connected to: its inode. */
enum unix_peer socket_find_unix_peer(uint64_t inode, uint64_t *peer);

#endif
