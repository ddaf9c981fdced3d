#include "target/mounts.h"

#include "target/proc_lines.h"
#include "target/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines -------------------------------------------------------------------------------------------------- */

/* What is missing here is not asked, which loses a source line; what should not be here can hang us. */
static bool is_local(const char *type, size_t size)
{
    static const char *const types[] = {
        "ext2",      "ext3",      "ext4",     "xfs",      "btrfs",     "bcachefs", "f2fs",     "zfs",
        "jfs",       "reiserfs",  "nilfs2",   "minix",    "overlay",   "tmpfs",    "ramfs",    "rootfs",
        "hugetlbfs", "mqueue",    "devtmpfs", "devpts",   "vfat",      "msdos",    "exfat",    "ntfs3",
        "hfs",       "hfsplus",   "udf",      "iso9660",  "squashfs",  "erofs",    "cramfs",   "romfs",
        "ubifs",     "jffs2",     "proc",     "sysfs",    "cgroup",    "cgroup2",  "debugfs",  "tracefs",
        "nsfs",      "securityfs", "configfs", "pstore",  "efivarfs",  "selinuxfs", "bpf",     "binfmt_misc",
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == size && memcmp(type, types[i], size) == 0)
            return true;
    return false;
}

static bool take_number(const char **at, char behind, uint64_t *number)
{
    char *end;
    *number = strtoull(*at, &end, 10);
    if (end == *at || *end != behind)
        return false;
    *at = end + 1;
    return true;
}

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw": blanks in names are escaped. */
bool mount_parse(const char *line, struct mount *mount)
{
    static const char separator[] = " - ";
    uint64_t major, minor;
    *mount = (struct mount){ 0 };
    if (!take_number(&line, ' ', &mount->id) || !take_number(&line, ' ', &mount->parent) ||
        !take_number(&line, ':', &major) || !take_number(&line, ' ', &minor))
        return false;
    const char *type = strstr(line, separator), *point = strchr(line, ' ');
    if (!type || point >= type)
        return false;
    type += strlen(separator);
    mount->major = (unsigned)major;
    mount->minor = (unsigned)minor;
    mount->is_local = is_local(type, strcspn(type, " "));
    mount->point = point + 1;
    mount->point_size = strcspn(mount->point, " ");
    return true;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static bool add(struct mounts *mounts, const struct mount *mount)
{
    if (mounts->count == mounts->capacity) {
        size_t capacity = mounts->capacity ? mounts->capacity * 2 : 64;
        struct mount *items = realloc(mounts->items, capacity * sizeof *items);
        if (!items)
            return false;
        mounts->items = items;
        mounts->capacity = capacity;
    }
    struct mount *item = &mounts->items[mounts->count];
    *item = *mount;
    item->point = strndup(mount->point, mount->point_size);
    mounts->count += item->point != NULL;
    return item->point;
}

static void read_mounts(int directory, const char *path, struct mounts *mounts)
{
    struct proc_lines lines;
    struct mount mount;
    const char *line;
    if (proc_lines_open(directory, path, &lines) != 0)
        return;
    while ((line = proc_lines_next(&lines)) != NULL)
        if (mount_parse(line, &mount) && !add(mounts, &mount))
            break;
    proc_lines_close(&lines);
}

static bool is_root(const struct mount *mount)
{
    return mount->point_size == 1;
}

static void allow_own_root(struct mounts *mounts)
{
    const struct mount *root = NULL;
    for (size_t i = mounts->seen; i < mounts->count; i++)
        if (is_root(&mounts->items[i]))
            root = &mounts->items[i]; /* of several, the last is on top */
    for (size_t i = 0; root && i < mounts->count; i++) {
        struct mount *mount = &mounts->items[i];
        mount->is_local |= mount->major == root->major && mount->minor == root->minor;
    }
}

static void ensure(int directory, struct mounts *mounts)
{
    if (mounts->is_read)
        return;
    mounts->is_read = true;
    mounts->read_ns = process_now_ns();
    read_mounts(directory, "mountinfo", mounts);
    mounts->seen = mounts->count;
}

static const struct mount *find(const struct mounts *mounts, uint64_t id)
{
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->items[i].id == id)
            return &mounts->items[i];
    return NULL;
}

const struct mount *mounts_find(int directory, struct mounts *mounts, uint64_t id)
{
    ensure(directory, mounts);
    const struct mount *found = find(mounts, id);
    if ((found && found->is_local) || mounts->has_own)
        return found;
    mounts->has_own = true;
    read_mounts(AT_FDCWD, "/proc/self/mountinfo", mounts);
    allow_own_root(mounts);
    return find(mounts, id);
}

const struct mount *mounts_adopt(struct mounts *mounts, uint64_t id, unsigned major, unsigned minor)
{
    for (size_t i = 0; i < mounts->count; i++) {
        struct mount mount = mounts->items[i];
        if (!mount.is_local || mount.major != major || mount.minor != minor)
            continue;
        mount.id = id;
        mount.parent = 0;
        return add(mounts, &mount) ? find(mounts, id) : NULL;
    }
    return NULL;
}

bool mounts_have_foreign_root(int directory, struct mounts *mounts)
{
    ensure(directory, mounts);
    for (size_t i = 0; i < mounts->seen; i++)
        if (is_root(&mounts->items[i]) && !mounts_find(directory, mounts, mounts->items[i].id)->is_local)
            return true;
    return false;
}

/* ---- by path ------------------------------------------------------------------------------------------------ */

/* Whether a mount's point is "/" and this: blanks, tabs, line ends and backslashes are three octal digits there. */
static bool is_at(const struct mount *mount, const char *path, size_t size)
{
    const char *at = mount->point + 1, *end = mount->point + mount->point_size;
    for (size_t i = 0; i < size; i++) {
        if (at == end)
            return false;
        char byte = *at++;
        if (byte == '\\' && end - at >= 3) {
            byte = (char)((at[0] - '0') << 6 | (at[1] - '0') << 3 | (at[2] - '0'));
            at += 3;
        }
        if (byte != path[i])
            return false;
    }
    return at == end;
}

static const struct mount *find_upon(const struct mounts *mounts, uint64_t mount, const char *path, size_t size)
{
    for (size_t i = 0; i < mounts->seen; i++)
        if (mounts->items[i].parent == mount && is_at(&mounts->items[i], path, size))
            return &mounts->items[i];
    return NULL;
}

/* What is mounted there, on that mount: several may lie one upon the other. */
static uint64_t climb(const struct mounts *mounts, uint64_t mount, const char *path, size_t size)
{
    const struct mount *upon;
    for (size_t i = 0; i < mounts->seen && (upon = find_upon(mounts, mount, path, size)) != NULL; i++)
        mount = upon->id;
    return mount;
}

const struct mount *mounts_find_by_path(const struct mount_view *view, const char *path)
{
    uint64_t mount = view->root;
    ensure(view->directory, view->mounts);
    for (size_t size = 0; path[size];) {
        size += strcspn(path + size, "/");
        mount = climb(view->mounts, mount, path, size);
        size += path[size] == '/';
    }
    return mounts_find(view->directory, view->mounts, mount);
}

void mounts_free(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++)
        free((char *)mounts->items[i].point);
    free(mounts->items);
    *mounts = (struct mounts){ 0 };
}
