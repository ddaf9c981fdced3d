#include "target/mounts.h"

#include "target/proc_lines.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static bool is_remote(const char *type, size_t size)
{
    static const char *const prefixes[] = { "nfs", "cifs", "smb", "fuse", "9p", "ceph", "afs", "lustre", "gfs", "ocfs",
                                            "virtiofs", "coda", "orangefs", "autofs" };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (size >= strlen(prefixes[i]) && memcmp(type, prefixes[i], strlen(prefixes[i])) == 0)
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
    uint64_t parent, major, minor;
    *mount = (struct mount){ 0 };
    if (!take_number(&line, ' ', &mount->id) || !take_number(&line, ' ', &parent) || !take_number(&line, ':', &major) ||
        !take_number(&line, ' ', &minor))
        return false;
    const char *type = strstr(line, separator);
    if (!type)
        return false;
    type += strlen(separator);
    mount->major = (unsigned)major;
    mount->minor = (unsigned)minor;
    mount->is_remote = is_remote(type, strcspn(type, " "));
    return true;
}

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
    mounts->items[mounts->count++] = *mount;
    return true;
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

const struct mount *mounts_find(int directory, struct mounts *mounts, uint64_t id)
{
    if (!mounts->is_read) {
        mounts->is_read = true;
        read_mounts(directory, "mountinfo", mounts);
        read_mounts(AT_FDCWD, "/proc/self/mountinfo", mounts);
    }
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->items[i].id == id)
            return &mounts->items[i];
    return NULL;
}

void mounts_free(struct mounts *mounts)
{
    free(mounts->items);
    *mounts = (struct mounts){ 0 };
}
