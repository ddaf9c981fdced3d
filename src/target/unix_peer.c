/* Who is at the other end of a Unix socket: only the kernel's diagnosis of sockets tells, sock_diag(7). */
#include "target/sockets.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_MS = 100 };

static bool ask(int fd, uint64_t inode)
{
    const struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } question = {
        .header = { .nlmsg_len = sizeof question, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
        .request = { .sdiag_family = AF_UNIX,
                     .udiag_states = UINT32_MAX,
                     .udiag_ino = (uint32_t)inode,
                     .udiag_show = UDIAG_SHOW_PEER,
                     .udiag_cookie = { UINT32_MAX, UINT32_MAX } }, /* whichever has it */
    };
    const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    return sendto(fd, &question, sizeof question, 0, (const struct sockaddr *)&kernel, sizeof kernel) ==
           sizeof question;
}

static enum unix_peer take_answer(const uint8_t *bytes, size_t size, uint64_t inode, uint64_t *peer)
{
    struct nlmsghdr header;
    struct unix_diag_msg message;
    if (size < NLMSG_HDRLEN + sizeof message)
        return UNIX_PEER_UNKNOWN;
    memcpy(&header, bytes, sizeof header);
    memcpy(&message, bytes + NLMSG_HDRLEN, sizeof message);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || header.nlmsg_len > size || message.udiag_ino != (uint32_t)inode)
        return UNIX_PEER_UNKNOWN;
    for (size_t at = NLMSG_LENGTH(sizeof message); at + RTA_LENGTH(0) <= header.nlmsg_len;) {
        struct rtattr attribute;
        uint32_t number;
        memcpy(&attribute, bytes + at, sizeof attribute);
        if (attribute.rta_len < RTA_LENGTH(0) || attribute.rta_len > header.nlmsg_len - at)
            return UNIX_PEER_UNKNOWN;
        if (attribute.rta_type == UNIX_DIAG_PEER && attribute.rta_len >= RTA_LENGTH(sizeof number)) {
            memcpy(&number, bytes + at + RTA_LENGTH(0), sizeof number);
            *peer = number;
            return number ? UNIX_PEER_FOUND : UNIX_PEER_UNACCEPTED;
        }
        at += RTA_ALIGN(attribute.rta_len);
    }
    return UNIX_PEER_NONE;
}

enum unix_peer socket_find_unix_peer(uint64_t inode, uint64_t *peer)
{
    uint8_t answer[1024];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    *peer = 0;
    if (fd < 0)
        return UNIX_PEER_UNKNOWN;
    const struct timeval patience = { .tv_usec = PATIENCE_MS * 1000 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t got = ask(fd, inode) ? recv(fd, answer, sizeof answer, 0) : -1;
    close(fd);
    return got > 0 ? take_answer(answer, (size_t)got, inode, peer) : UNIX_PEER_UNKNOWN;
}
