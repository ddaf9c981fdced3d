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

static int walk(int root, const char *path)
{
    return file_find_by_walking(root, path, NULL);
}

static void test_paths(void **state)
{
    int (*const ways[])(int, const char *) = { file_find, walk };
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
    found = walk(root_fd, "/a/absolute");
    assert_true(found >= 0);
    assert_int_equal(file_read_found(found, &status), -1);
}

/* ---- mounts ------------------------------------------------------------------------------------------------- */

enum { ROOT_MOUNT = 1 << 30 }; /* none of ours has such a number, nor the device 4095:… */

static const char mountinfo[] = "1073741824 1 4095:1 / / rw,relatime shared:1 - ext4 /dev/x rw\n"
                                "1073741825 1073741824 4095:2 / /a/b rw - nfs4 server:/ rw\n"
                                "1073741826 1073741824 4095:3 / /two\\040words rw - fuse.sshfs x rw\n"
                                "1073741827 1073741826 4095:4 / /two\\040words/in rw - tmpfs x rw\n"
                                "1073741828 1073741824 4095:5 / /over/in rw - tmpfs x rw\n"
                                "1073741829 1073741824 4095:6 / /over rw - cifs x rw\n"
                                "1073741830 1073741824 4095:7 / /under rw - cifs x rw\n"
                                "1073741831 1073741830 4095:8 / /under rw - xfs x rw\n"
                                "1073741832 1073741824 4095:9 / /of-tomorrow rw - quickfs x rw\n";

static void start_view(struct mounts *mounts, struct mount_view *view)
{
    char path[256];
    *mounts = (struct mounts){ 0 };
    *view = (struct mount_view){ root_fd, mounts, ROOT_MOUNT };
    snprintf(path, sizeof path, "%s/mountinfo", root);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(mountinfo, file);
    fclose(file);
    assert_false(mounts_have_foreign_root(root_fd, mounts)); /* they are read now */
    remove(path);
}

static void test_mounts_by_path(void **state)
{
    static const struct {
        const char *path;
        unsigned minor;
        bool is_local;
    } places[] = {
        { "a", 1, true }, { "a/b", 2, false }, { "a/b/c/d", 2, false }, { "a/bc", 1, true }, { "a/c", 1, true },
        { "two words", 3, false }, { "two words/in/it", 4, true }, { "two", 1, true }, { "over/in/it", 6, false },
        { "under/it", 8, true }, { "of-tomorrow", 9, false },
    };
    struct mounts mounts;
    struct mount_view view;
    (void)state;
    start_view(&mounts, &view);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct mount *mount = mounts_find_by_path(&view, places[i].path);
        assert_non_null(mount);
        assert_int_equal(mount->minor, places[i].minor);
        assert_int_equal(mount->is_local, places[i].is_local);
    }
    view.root = ROOT_MOUNT - 1;
    assert_null(mounts_find_by_path(&view, "a"));
    mounts_free(&mounts);
}

/* Of a root whose mount nobody is shown, the device must do: that of a local mount, not of any. */
static void test_adopted_mount(void **state)
{
    enum { UNSEEN = ROOT_MOUNT - 1 };
    struct mounts mounts;
    struct mount_view view;
    (void)state;
    start_view(&mounts, &view);
    const struct mount *local = mounts_find_by_path(&view, "a"), *foreign = mounts_find_by_path(&view, "a/b");
    unsigned major = local->major, minor = local->minor;
    assert_null(mounts_adopt(&mounts, UNSEEN, foreign->major, foreign->minor));
    const struct mount *adopted = mounts_adopt(&mounts, UNSEEN, major, minor);
    assert_non_null(adopted);
    assert_true(adopted->is_local);
    assert_ptr_equal(adopted, mounts_find(view.directory, &mounts, UNSEEN));
    mounts_free(&mounts);
}

static struct mount_view seen;

static int walk_among_mounts(int at, const char *path)
{
    return file_find_by_walking(at, path, &seen);
}

/* Links lead there, too. */
static void test_foreign_mounts(void **state)
{
    struct mounts mounts;
    (void)state;
    start_view(&mounts, &seen);
    expect(walk_among_mounts, "/top", "top", 0);
    expect(walk_among_mounts, "/a/file", "a/file", 0);
    expect(walk_among_mounts, "/a/b/file", NULL, EREMOTE);
    expect(walk_among_mounts, "/a/b", NULL, EREMOTE);
    expect(walk_among_mounts, "/a/absolute/file", NULL, EREMOTE);
    expect(walk_among_mounts, "/a/b/../file", NULL, EREMOTE);
    mounts_free(&mounts);
}

/* What is in memory is found, as what was just looked up may be; what is not, is not looked up. */
static void test_cached(void **state)
{
    (void)state;
    expect(file_find, "/a/b/file", "a/b/file", 0);
    int found = file_find_cached(root_fd, "/a/b/file");
    if (found < 0)
        assert_true(errno == EAGAIN || errno == EINVAL || errno == ENOSYS || errno == EPERM);
    else
        close(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_folders, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_mounts_by_path, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_adopted_mount, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_foreign_mounts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cached, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
