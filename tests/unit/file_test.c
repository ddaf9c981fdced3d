/* Paths are resolved inside of a root, by openat2() and without it alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];
static int root_fd;

static const char *const folders[] = { "a", "a/b" };
static const char *const files[] = { "a/file", "a/b/file", "top" };
static const struct {
    const char *path, *target;
} links[] = {
    { "a/absolute", "/a/b" }, { "a/b/up", "../../../../a/file" }, { "loop", "a/../loop" }, { "dangling", "/nowhere" },
    { "out", "/etc/passwd" },
};

static int make_root(void **state)
{
    char path[256];
    (void)state;
    snprintf(root, sizeof root, "/tmp/pystander-file-test-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        if (mkdir(path, 0700) != 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, files[i], strlen(files[i])) < 0)
            return -1;
        close(fd);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        snprintf(path, sizeof path, "%s/%s", root, links[i].path);
        if (symlink(links[i].target, path) != 0)
            return -1;
    }
    root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 ? -1 : 0;
}

static int remove_root(void **state)
{
    char path[256];
    (void)state;
    close(root_fd);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        snprintf(path, sizeof path, "%s/%s", root, links[i].path);
        remove(path);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        remove(path);
    }
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        remove(path);
    }
    return rmdir(root);
}

/* `content` is NULL where nothing is found, and then `errnum` says why. */
static void expect(int (*find)(int, const char *), const char *path, const char *content, int errnum)
{
    struct stat status;
    char bytes[64] = { 0 };
    errno = 0;
    int found = find(root_fd, path);
    if (!content) {
        if (found >= 0 || (errnum && errno != errnum))
            fail_msg("%s: %d, %s", path, found, strerror(errno));
        return;
    }
    if (found < 0)
        fail_msg("%s: %s", path, strerror(errno));
    int fd = file_read_found(found, &status);
    assert_true(fd >= 0);
    assert_true(read(fd, bytes, sizeof bytes - 1) >= 0);
    close(fd);
    assert_string_equal(bytes, content);
}

static void test_paths(void **state)
{
    int (*const ways[])(int, const char *) = { file_find, file_find_by_walking };
    char long_path[2 * PATH_MAX], long_name[NAME_MAX + 3];
    (void)state;
    memset(long_path, '/', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        expect(ways[i], "/top", "top", 0);
        expect(ways[i], "top", "top", 0);
        expect(ways[i], "//a/./b//file", "a/b/file", 0);
        expect(ways[i], "/../../../top", "top", 0);
        expect(ways[i], "/a/b/../file", "a/file", 0);
        expect(ways[i], "/a/absolute/file", "a/b/file", 0);
        expect(ways[i], "/a/absolute/up", "a/file", 0);
        expect(ways[i], "/a/absolute/../file", "a/file", 0);
        expect(ways[i], "/a/nothing", NULL, ENOENT);
        expect(ways[i], "/top/file", NULL, ENOTDIR);
        expect(ways[i], "/dangling", NULL, ENOENT);
        expect(ways[i], "/out", NULL, ENOENT);
        expect(ways[i], "/loop", NULL, ELOOP);
        expect(ways[i], long_path, NULL, ENAMETOOLONG);
        expect(ways[i], long_name, NULL, ENAMETOOLONG);
    }
}

static void test_folders(void **state)
{
    struct stat status;
    (void)state;
    int found = file_find(root_fd, "/a/absolute");
    assert_true(found >= 0);
    assert_int_equal(file_read_found(found, &status), -1);
    found = file_find_by_walking(root_fd, "/a/absolute");
    assert_true(found >= 0);
    assert_int_equal(file_read_found(found, &status), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_folders, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
