/* Lines of /proc about descriptors, as the kernel writes them and as somebody would forge them; and what is made of
 * them. */
#include "target/descriptor.h"
#include "target/proc_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char tcp_line[] =
    "   0: 0100007F:1F90 0200007F:9D70 01 00000010:00000020 02:00000003 00000004  1000        5 123456 2 "
    "0000000000000000";
static const char tcp6_line[] =
    "  12: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 "
    "00:00000000 00000000     0        0 77 1 0000000000000000 100 0 0 10 0";
static const char udp_line[] =
    "  345: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 9 2 "
    "0000000000000000 0";

static void expect_text(struct text *text, const char *expected)
{
    text_add_char(text, '\0');
    assert_string_equal(text->data, expected);
    text_free(text);
    *text = (struct text){ 0 };
}

static void expect_endpoint(const struct endpoint *endpoint, bool is_v6, const char *expected)
{
    struct text text = { 0 };
    endpoint_write(endpoint, is_v6, &text);
    expect_text(&text, expected);
}

/* ---- sockets ------------------------------------------------------------------------------------------------ */

static void test_inet_lines(void **state)
{
    (void)state;
    struct socket socket;
    assert_true(socket_parse_inet(tcp_line, SOCKETS_TCP, &socket));
    assert_int_equal(socket.inode, 123456);
    assert_string_equal(socket_get_state_name(socket.state), "ESTABLISHED");
    expect_endpoint(&socket.local, false, "127.0.0.1:8080");
    expect_endpoint(&socket.remote, false, "127.0.0.2:40304");
    assert_true(socket_parse_inet(tcp6_line, SOCKETS_TCP6, &socket));
    assert_int_equal(socket.inode, 77);
    assert_int_equal(socket.state, SOCKET_LISTENS);
    expect_endpoint(&socket.local, true, "[::1]:22");
    assert_true(endpoint_is_any(&socket.remote));
    assert_true(socket_parse_inet(udp_line, SOCKETS_UDP, &socket));
    assert_int_equal(socket.inode, 9);
    expect_endpoint(&socket.local, false, "127.0.0.53:53");
    assert_null(socket_get_state_name(0));
    assert_null(socket_get_state_name(99));
}

/* Cut anywhere, no line is believed: nor is one of the other address family. */
static void test_cut_inet_lines(void **state)
{
    (void)state;
    struct socket socket;
    char line[sizeof tcp_line];
    size_t end = (size_t)(strstr(tcp_line, "123456") - tcp_line);
    for (size_t size = 0; size < end; size++) {
        memcpy(line, tcp_line, size);
        line[size] = '\0';
        assert_false(socket_parse_inet(line, SOCKETS_TCP, &socket));
    }
    assert_false(socket_parse_inet(tcp_line, SOCKETS_TCP6, &socket));
    assert_false(socket_parse_inet(tcp6_line, SOCKETS_TCP, &socket));
    assert_false(socket_parse_inet("  sl  local_address rem_address   st tx_queue", SOCKETS_TCP, &socket));
}

static void test_unix_lines(void **state)
{
    (void)state;
    struct socket socket;
    const char *path;
    assert_true(socket_parse_unix("0000000012345678: 00000002 00000000 00010000 0001 01 4711 /run/x y", &socket,
                                  &path));
    assert_int_equal(socket.inode, 4711);
    assert_int_equal(socket.state, SOCKET_LISTENS);
    assert_string_equal(path, "/run/x y");
    assert_true(socket_parse_unix("0000000012345678: 00000003 00000000 00000000 0001 03 4712", &socket, &path));
    assert_int_equal(socket.state, 0);
    assert_null(path);
    assert_false(socket_parse_unix("Num       RefCount Protocol Flags    Type St Inode Path", &socket, &path));
    assert_false(socket_parse_unix("0000000012345678: 00000003 00000000", &socket, &path));
    assert_false(socket_parse_unix("", &socket, &path));
}

/* ---- tables -------------------------------------------------------------------------------------------------- */

static char folder[64];
static int directory;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pystander-unit-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return mkdirat(directory, "net", 0700);
}

static int remove_folder(void **state)
{
    (void)state;
    unlinkat(directory, "net/unix", 0);
    unlinkat(directory, "file", 0);
    unlinkat(directory, "net", AT_REMOVEDIR);
    close(directory);
    return rmdir(folder);
}

static void write_file(const char *path, const char *content, size_t size)
{
    int fd = openat(directory, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, content, size), size);
    close(fd);
}

/* A socket's name with a line end in it can make a line of another's; but not take away the other's own. */
static void test_forged_line(void **state)
{
    (void)state;
    static const char content[] = "Num       RefCount Protocol Flags    Type St Inode Path\n"
                                  "0000000000000001: 00000002 00000000 00010000 0001 01 30 /run/real\n"
                                  "0000000000000002: 00000002 00000000 00010000 0001 01 20 /tmp/a\n"
                                  "0000000000000000: 00000002 00000000 00010000 0001 01 30 /forged\n"
                                  "0000000000000003: 00000003 00000000 00000000 0001 03 10\n";
    struct socket_table table = { 0 };
    write_file("net/unix", content, sizeof content - 1);
    assert_null(socket_find(directory, &table, SOCKETS_UNIX, 30));
    const struct socket *found = socket_find(directory, &table, SOCKETS_UNIX, 20);
    assert_non_null(found);
    assert_string_equal(table.paths.data + found->path, "/tmp/a");
    assert_non_null(socket_find(directory, &table, SOCKETS_UNIX, 10));
    assert_null(socket_find(directory, &table, SOCKETS_UNIX, 11));
    assert_false(table.cut);
    socket_table_free(&table);
    assert_null(socket_find(directory, &table, SOCKETS_TCP, 1)); /* there is no such file */
    socket_table_free(&table);
}

static void test_long_lines(void **state)
{
    (void)state;
    size_t size = 3 * PROC_LINES_PIECE_SIZE;
    char *content = malloc(size);
    memset(content, 'x', size);
    memcpy(content, "first\n", 6);
    memcpy(content + 2 * PROC_LINES_PIECE_SIZE, "\nlast\nno end", 12);
    struct proc_lines lines;
    write_file("file", content, 2 * PROC_LINES_PIECE_SIZE + 12);
    free(content);
    assert_int_equal(proc_lines_open(directory, "file", &lines), 0);
    assert_string_equal(proc_lines_next(&lines), "first");
    assert_string_equal(proc_lines_next(&lines), "last"); /* what is longer than a piece is left out */
    assert_null(proc_lines_next(&lines));
    assert_null(proc_lines_next(&lines));
    assert_false(lines.cut);
    proc_lines_close(&lines);
}

static void test_many_lines(void **state)
{
    (void)state;
    struct proc_lines lines;
    size_t count = 0;
    write_file("file", "\n", 1);
    int fd = openat(directory, "file", O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 2L * PROC_LINES_MAX_SIZE), 0);
    for (off_t at = 99; at < 2L * PROC_LINES_MAX_SIZE; at += 100000)
        assert_int_equal(pwrite(fd, "\n", 1, at), 1);
    close(fd);
    assert_int_equal(proc_lines_open(directory, "file", &lines), 0);
    while (proc_lines_next(&lines))
        count++;
    assert_true(lines.cut);
    assert_true(count <= 2);
    proc_lines_close(&lines);
}

/* ---- locks and mounts ---------------------------------------------------------------------------------------- */

static void test_locks(void **state)
{
    (void)state;
    struct lock lock;
    assert_true(lock_parse("1: FLOCK  ADVISORY  WRITE 708 fd:01:2345 0 EOF", &lock));
    assert_int_equal(lock.number, 1);
    assert_int_equal(lock.kind, LOCK_FLOCK);
    assert_int_equal(lock.pid, 708);
    assert_int_equal(lock.major, 0xfd);
    assert_int_equal(lock.minor, 1);
    assert_int_equal(lock.inode, 2345);
    assert_false(lock.waits);
    assert_true(lock_parse("12: -> POSIX  ADVISORY  READ  9 00:1b:28 0 100", &lock));
    assert_true(lock.waits);
    assert_int_equal(lock.number, 12);
    assert_int_equal(lock.kind, LOCK_POSIX);
    /* Which waits for one that waits. */
    assert_true(lock_parse("12:  -> POSIX  ADVISORY  READ  9 00:1b:28 0 100", &lock));
    assert_true(lock.waits);
    assert_true(lock_parse("\t3: OFDLCK ADVISORY  WRITE -1 00:1b:28 0 EOF", &lock));   /* as fdinfo has it */
    assert_int_equal(lock.kind, LOCK_OFD);
    assert_int_equal(lock.pid, -1);
    assert_true(lock_parse("4: LEASE  ACTIVE    READ  9 00:1b:28 0 EOF", &lock));
    assert_int_equal(lock.kind, LOCK_OTHER);
    static const char *const bad[] = { "", "1", "1:", "1: ->", "1: FLOCK", "1: FLOCK  ADVISORY  WRITE", "x: FLOCK",
                                       "1: FLOCK  ADVISORY  WRITE 708 <none>:0 0 EOF",
                                       "1: FLOCK  ADVISORY  WRITE 708 fd:01", "1: FLOCK  ADVISORY  WRITE 708 fd:01:2" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(lock_parse(bad[i], &lock));
}

static void test_mounts(void **state)
{
    (void)state;
    struct mount mount;
    assert_true(mount_parse("36 35 98:0 /r /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw", &mount));
    assert_int_equal(mount.id, 36);
    assert_int_equal(mount.major, 98);
    assert_int_equal(mount.minor, 0);
    assert_true(mount.is_local);
    assert_int_equal(mount.parent, 35);
    assert_int_equal(mount.point_size, strlen("/mnt\\0402"));
    assert_memory_equal(mount.point, "/mnt\\0402", mount.point_size);
    assert_true(mount_parse("37 35 0:50 / /mnt rw - nfs4 server:/ rw", &mount));
    assert_false(mount.is_local);
    assert_true(mount_parse("38 35 0:51 / /home/- rw shared:4 - fuse.sshfs user@host:/ rw", &mount));
    assert_false(mount.is_local);
    assert_true(mount_parse("39 35 0:52 / /x rw -  ", &mount));
    assert_false(mount.is_local);
    assert_true(mount_parse("39 35 0:52 / /x rw - extremely-new none rw", &mount)); /* nobody knows */
    assert_false(mount.is_local);
    assert_false(mount_parse("", &mount));
    assert_false(mount_parse("36 35 98 / /mnt rw - ext3 /dev/root rw", &mount));
    assert_false(mount_parse("36 35 98:0 / /mnt rw", &mount));
}

/* ---- fdinfo --------------------------------------------------------------------------------------------------- */

static void test_fd_info(void **state)
{
    (void)state;
    static const char content[] = "pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t1057\n"
                                  "lock:\t1: FLOCK  ADVISORY  WRITE 708 fd:01:2345 0 EOF\n"
                                  "tfd:        5 events:       19 data:                5  pos:0 ino:77 sdev:d\n"
                                  "tfd:        7 events:       19 data:                7  pos:0 ino:78 sdev:d\n"
                                  "Pid:\t-1\n";
    const struct lock flock = { .kind = LOCK_FLOCK, .major = 0xfd, .minor = 1, .inode = 2345 };
    struct lock other = flock;
    struct fd_info info = { .wanted = &flock };
    write_file("file", content, sizeof content - 1);
    assert_int_equal(fd_info_read(directory, "file", &info), 0);
    assert_true(info.has_flags && info.has_mount && info.has_wanted);
    assert_int_equal(info.flags, 02004002);
    assert_int_equal(info.mount, 15);
    assert_int_equal(info.inode, 1057);
    assert_int_equal(info.pid, -1);
    assert_int_equal(info.watched_count, 2);
    assert_int_equal(info.watched[1], 7);
    other.kind = LOCK_POSIX;
    info = (struct fd_info){ .wanted = &other };
    assert_int_equal(fd_info_read(directory, "file", &info), 0);
    assert_false(info.has_wanted);
    other = flock;
    other.inode++;
    assert_int_equal(fd_info_read(directory, "file", &info), 0);
    assert_false(info.has_wanted);
    assert_int_equal(fd_info_read(directory, "nothing", &info), ENOENT);
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

static void expect_words(const struct descriptor *descriptor, const char *expected)
{
    struct text text = { 0 };
    descriptor_write(descriptor, &text);
    expect_text(&text, expected);
}

static void add(struct descriptor_processes *processes, pid_t pid, const char *name, bool is_target)
{
    strcpy(processes->items[processes->count].name, name);
    processes->items[processes->count].pid = pid;
    processes->items[processes->count++].is_target = is_target;
}

static void test_words(void **state)
{
    (void)state;
    struct descriptor pipe = { .kind = DESCRIPTOR_PIPE };
    struct text text = { 0 };
    expect_words(&pipe, "pipe");
    pipe.end = END_SOUGHT;
    expect_words(&pipe, "pipe, whose other end was not found");
    pipe.others.is_complete = true;
    expect_words(&pipe, "pipe, whose other end is closed everywhere");
    descriptor_write_holders(&pipe.others, &text);
    assert_int_equal(text.size, 0);
    add(&pipe.others, 1, "me", true);
    expect_words(&pipe, "pipe, whose other end is open in this process");
    add(&pipe.others, 12, "name", false);
    expect_words(&pipe, "pipe, whose other end is open in this process and process 12 (name)");
    add(&pipe.others, 13, "", false);
    pipe.others.more = 2;
    expect_words(&pipe, "pipe, whose other end is open in this process, process 12 (name), process 13 and 2 more");
    descriptor_write_holders(&pipe.others, &text);
    expect_text(&text, "held by this process, process 12 (name), process 13 and 2 more");

    struct descriptor epoll = { .kind = DESCRIPTOR_EPOLL };
    expect_words(&epoll, "epoll");
    epoll.watched[epoll.watched_count++] = 4;
    expect_words(&epoll, "epoll of descriptor 4");
    epoll.watched[epoll.watched_count++] = 5;
    epoll.watched_more = 3;
    expect_words(&epoll, "epoll of descriptors 4, 5 and 3 more");

    struct descriptor tcp = { .kind = DESCRIPTOR_TCP };
    expect_words(&tcp, "TCP socket");
    tcp.has_socket = true;
    tcp.local = (struct endpoint){ { 127, 0, 0, 1 }, 80 };
    tcp.state = 99;
    expect_words(&tcp, "TCP 127.0.0.1:80");
    expect_words(&(struct descriptor){ .kind = DESCRIPTOR_PIDFD, .watched_pid = -1 },
                 "pidfd of a process that has ended");
    expect_words(&(struct descriptor){ .kind = DESCRIPTOR_SOCKET }, "socket");
    expect_words(&(struct descriptor){ .kind = DESCRIPTOR_UNIX, .end = END_SOUGHT },
                 "Unix socket, whose peer was not found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inet_lines),
        cmocka_unit_test(test_cut_inet_lines),
        cmocka_unit_test(test_unix_lines),
        cmocka_unit_test_setup_teardown(test_forged_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_long_lines, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_many_lines, make_folder, remove_folder),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test_setup_teardown(test_fd_info, make_folder, remove_folder),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
