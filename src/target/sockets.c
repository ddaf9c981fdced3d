#include "target/sockets.h"

#include "target/proc_lines.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ------------------------------------------------------------------------------------------------- */

/* A number and one character behind it; false: it is not there. */
static bool take(const char **at, int base, char behind, uint64_t *number)
{
    char *end;
    while (**at == ' ')
        ++*at;
    if (**at == '-' || **at == '+')
        return false;
    *number = strtoull(*at, &end, base);
    bool taken = end != *at && (*end == behind || (behind == ' ' && *end == '\0'));
    *at = *end ? end + 1 : end;
    return taken;
}

/* Words of four bytes as this machine reads them, in eight digits each, and the port. */
static bool take_endpoint(const char **at, size_t size, struct endpoint *endpoint)
{
    while (**at == ' ')
        ++*at;
    for (size_t i = 0; i < size; i += 4) {
        char digits[9] = "", *end;
        strncpy(digits, *at, sizeof digits - 1);
        uint32_t word = (uint32_t)strtoul(digits, &end, 16);
        if (end != digits + 8)
            return false;
        memcpy(endpoint->address + i, &word, sizeof word);
        *at += 8;
    }
    uint64_t port;
    if (*(*at)++ != ':' || !take(at, 16, ' ', &port))
        return false;
    endpoint->port = (uint16_t)port;
    return true;
}

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 …" */
bool socket_parse_inet(const char *line, enum socket_table_id table, struct socket *socket)
{
    size_t size = table == SOCKETS_TCP6 || table == SOCKETS_UDP6 ? 16 : 4;
    uint64_t state, other;
    *socket = (struct socket){ .table = table };
    if (!take(&line, 10, ':', &other) || !take_endpoint(&line, size, &socket->local) ||
        !take_endpoint(&line, size, &socket->remote) || !take(&line, 16, ' ', &state))
        return false;
    socket->state = (unsigned)state;
    static const char behind[] = ": :    "; /* tx and rx queue, timer and when, retransmits, user, timeout */
    for (size_t i = 0; i < sizeof behind - 1; i++)
        if (!take(&line, i < 5 ? 16 : 10, behind[i], &other))
            return false;
    return take(&line, 10, ' ', &socket->inode) && socket->inode != 0;
}

/* "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /path" */
bool socket_parse_unix(const char *line, struct socket *socket, const char **path)
{
    enum { ACCEPTS = 1 << 16 /* the flags' __SO_ACCEPTCON */ };
    uint64_t flags, other;
    *socket = (struct socket){ .table = SOCKETS_UNIX };
    if (!take(&line, 16, ':', &other) || !take(&line, 16, ' ', &other) || !take(&line, 16, ' ', &other) ||
        !take(&line, 16, ' ', &flags) || !take(&line, 16, ' ', &other) || !take(&line, 16, ' ', &other) ||
        !take(&line, 10, ' ', &socket->inode))
        return false;
    socket->state = flags & ACCEPTS ? SOCKET_LISTENS : 0;
    socket->has_path = *line != '\0';
    *path = socket->has_path ? line : NULL;
    return socket->inode != 0;
}

/* ---- tables ------------------------------------------------------------------------------------------------ */

static bool add(struct socket_table *table, const struct socket *socket)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        struct socket *sockets = realloc(table->sockets, capacity * sizeof *sockets);
        if (!sockets)
            return false;
        table->sockets = sockets;
        table->capacity = capacity;
    }
    table->sockets[table->count++] = *socket;
    return true;
}

static bool take_line(struct socket_table *table, enum socket_table_id id, const char *line)
{
    struct socket socket;
    const char *path = NULL;
    if (!(id == SOCKETS_UNIX ? socket_parse_unix(line, &socket, &path) : socket_parse_inet(line, id, &socket)))
        return true;
    socket.path = table->paths.size;
    if (path)
        text_add(&table->paths, path, strlen(path) + 1);
    return add(table, &socket) && !table->paths.failed;
}

static int compare(const void *one, const void *other)
{
    const struct socket *a = one, *b = other;
    return (a->inode > b->inode) - (a->inode < b->inode);
}

static void read_table(int directory, struct socket_table *table, enum socket_table_id id)
{
    static const char *const names[] = { "net/tcp", "net/tcp6", "net/udp", "net/udp6", "net/unix" };
    struct proc_lines lines;
    table->is_read = true;
    if (proc_lines_open(directory, names[id], &lines) != 0)
        return;
    const char *line = proc_lines_next(&lines); /* the heading */
    while (line && (line = proc_lines_next(&lines)) != NULL)
        if (!take_line(table, id, line))
            break;
    table->cut = lines.cut || line;
    proc_lines_close(&lines);
    if (table->count)
        qsort(table->sockets, table->count, sizeof *table->sockets, compare);
}

const struct socket *socket_find(int directory, struct socket_table *table, enum socket_table_id id, uint64_t inode)
{
    if (!table->is_read)
        read_table(directory, table, id);
    const struct socket key = { .inode = inode };
    const struct socket *found =
        table->count ? bsearch(&key, table->sockets, table->count, sizeof *table->sockets, compare) : NULL;
    if (!found)
        return NULL;
    bool twice = (found > table->sockets && found[-1].inode == inode) ||
                 (found + 1 < table->sockets + table->count && found[1].inode == inode);
    return twice ? NULL : found;
}

void socket_table_free(struct socket_table *table)
{
    free(table->sockets);
    text_free(&table->paths);
    *table = (struct socket_table){ 0 };
}

/* ---- words ------------------------------------------------------------------------------------------------- */

void endpoint_write(const struct endpoint *endpoint, bool is_v6, struct text *text)
{
    char address[INET6_ADDRSTRLEN];
    inet_ntop(is_v6 ? AF_INET6 : AF_INET, endpoint->address, address, sizeof address);
    text_printf(text, is_v6 ? "[%s]:%u" : "%s:%u", address, endpoint->port);
}

bool endpoint_is_any(const struct endpoint *endpoint)
{
    static const struct endpoint any;
    return memcmp(endpoint->address, any.address, sizeof any.address) == 0 && endpoint->port == 0;
}

const char *socket_get_state_name(unsigned state)
{
    /* include/net/tcp_states.h */
    static const char *const names[] = {
        NULL,       "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",    "TIME_WAIT",
        "CLOSE",    "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV",
    };
    return state < sizeof names / sizeof *names ? names[state] : NULL;
}
