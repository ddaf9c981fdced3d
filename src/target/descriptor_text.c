#include "target/descriptor.h"

/* ---- processes ---------------------------------------------------------------------------------------------- */

void descriptor_write_processes(const struct descriptor_processes *processes, struct text *text)
{
    size_t count = processes->count + (processes->more > 0);
    for (size_t i = 0; i < count; i++) {
        if (i)
            text_add_string(text, i + 1 == count ? " and " : ", ");
        if (i == processes->count)
            text_printf(text, "%zu more", processes->more);
        else if (processes->items[i].is_target)
            text_add_string(text, "this process");
        else if (processes->items[i].name[0])
            text_printf(text, "process %d (%s)", processes->items[i].pid, processes->items[i].name);
        else
            text_printf(text, "process %d", processes->items[i].pid);
    }
}

void descriptor_write_holders(const struct descriptor_processes *holders, struct text *text)
{
    if (!holders->count)
        return;
    text_add_string(text, "held by ");
    descriptor_write_processes(holders, text);
}

/* ---- kinds -------------------------------------------------------------------------------------------------- */

static void add_name(struct text *text, const char *what, const struct descriptor *descriptor)
{
    text_add_string(text, what);
    if (descriptor->name) {
        if (*what)
            text_add_char(text, ' ');
        text_add_string(text, descriptor->name);
    }
    if (descriptor->is_deleted)
        text_add_string(text, " (deleted)");
}

static void write_pipe(const struct descriptor *descriptor, struct text *text)
{
    add_name(text, descriptor->kind == DESCRIPTOR_FIFO ? "FIFO" : "pipe", descriptor);
    if (descriptor->end != END_SOUGHT)
        return;
    if (descriptor->others.count) {
        text_add_string(text, ", whose other end is open in ");
        descriptor_write_processes(&descriptor->others, text);
    } else {
        text_add_string(text, descriptor->others.is_complete ? ", whose other end is closed everywhere"
                                                             : ", whose other end was not found");
    }
}

static void write_inet(const struct descriptor *descriptor, const char *protocol, struct text *text)
{
    text_add_string(text, protocol);
    if (!descriptor->has_socket) {
        text_add_string(text, " socket");
        return;
    }
    text_add_char(text, ' ');
    endpoint_write(&descriptor->local, descriptor->is_v6, text);
    if (!endpoint_is_any(&descriptor->remote)) {
        text_add_string(text, " to ");
        endpoint_write(&descriptor->remote, descriptor->is_v6, text);
    }
    const char *state = socket_get_state_name(descriptor->state);
    if (descriptor->kind == DESCRIPTOR_TCP && state)
        text_printf(text, ", %s", state);
}

static void write_unix(const struct descriptor *descriptor, struct text *text)
{
    add_name(text, "Unix socket", descriptor);
    if (descriptor->state == SOCKET_LISTENS)
        text_add_string(text, ", LISTEN");
    if (descriptor->end_name)
        text_printf(text, ", connected to %s", descriptor->end_name);
    if (descriptor->end == END_UNACCEPTED)
        text_add_string(text, ", not accepted by its peer yet");
    if (descriptor->end != END_SOUGHT)
        return;
    if (descriptor->others.count) {
        text_add_string(text, ", whose peer is ");
        descriptor_write_processes(&descriptor->others, text);
    } else {
        text_add_string(text, ", whose peer was not found");
    }
}

static void write_epoll(const struct descriptor *descriptor, struct text *text)
{
    text_add_string(text, "epoll");
    for (size_t i = 0; i < descriptor->watched_count; i++)
        text_printf(text, "%s%d", i ? ", " : descriptor->watched_count > 1 ? " of descriptors " : " of descriptor ",
                    descriptor->watched[i]);
    if (descriptor->watched_more)
        text_printf(text, " and %zu more", descriptor->watched_more);
}

static void write_pidfd(const struct descriptor *descriptor, struct text *text)
{
    text_add_string(text, "pidfd");
    if (descriptor->watched_pid < 0)
        text_add_string(text, " of a process that has ended");
    if (!descriptor->others.count)
        return;
    text_add_string(text, " of ");
    descriptor_write_processes(&descriptor->others, text);
}

void descriptor_write(const struct descriptor *descriptor, struct text *text)
{
    switch (descriptor->kind) {
    case DESCRIPTOR_CLOSED:
        text_add_string(text, "closed");
        return;
    case DESCRIPTOR_TERMINAL:
        add_name(text, "terminal", descriptor);
        return;
    case DESCRIPTOR_PIPE:
    case DESCRIPTOR_FIFO:
        write_pipe(descriptor, text);
        return;
    case DESCRIPTOR_TCP:
        write_inet(descriptor, "TCP", text);
        return;
    case DESCRIPTOR_UDP:
        write_inet(descriptor, "UDP", text);
        return;
    case DESCRIPTOR_UNIX:
        write_unix(descriptor, text);
        return;
    case DESCRIPTOR_SOCKET:
        add_name(text, "socket", descriptor);
        return;
    case DESCRIPTOR_EPOLL:
        write_epoll(descriptor, text);
        return;
    case DESCRIPTOR_PIDFD:
        write_pidfd(descriptor, text);
        return;
    default:
        add_name(text, "", descriptor);
    }
}
