/*
 * Where the file of a mapped image may be found:
 *
 *   - at the image's own path, below the sysroot if there is one;
 *   - by its last name directly in the sysroot, and in --debug-dir, as one lays out a few files by hand;
 *   - by the build-id that the core has of it, where distributions link it to the file: .build-id/xx/yyyy in
 *     --debug-dir, in /usr/lib/debug and in /usr/lib; of the sysroot, and then of this machine.
 *
 * What is found is not yet the right file: see core_image.c.
 */
#include "target/core.h"

#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum place {
    PLACE_PATH,
    PLACE_SYSROOT_NAME,
    PLACE_DEBUG_DIR_NAME,
    PLACE_DEBUG_DIR_ID,
    PLACE_ROOT_DEBUG_ID,
    PLACE_ROOT_ID,
    PLACE_HERE_DEBUG_ID,
    PLACE_HERE_ID,
    PLACE_COUNT
};

static const char debug_folder[] = "/usr/lib/debug", library_folder[] = "/usr/lib";

static int open_found(int found)
{
    struct stat status;
    if (found < 0)
        return -1;
    int fd = file_read_found(found, &status);
    if (fd < 0)
        errno = 0;
    return fd;
}

int core_open_in_root(int root, const char *path)
{
    if (path[0] == '/')
        return open_found(file_find(root, path));
    errno = 0;
    return -1;
}

/* The build-id's part of a path; false: the core has none of this image. */
static bool format_build_id(const struct core *core, const struct core_image *image, const char *folder, char *path)
{
    struct elf_head head;
    char id[BUILD_ID_TEXT_SIZE];
    if (!core_image_read_head(core, image, &head) || head.build_id_status != BUILD_ID_FOUND || head.build_id_size < 2)
        return false;
    elf_head_format_build_id(&head, id);
    int size = snprintf(path, PATH_MAX, "%s/.build-id/%.2s/%s", folder, id, id + 2);
    return size > 0 && size < PATH_MAX;
}

static bool format_name(const struct core_image *image, const char *folder, char *path)
{
    const char *slash = strrchr(image->path, '/');
    int size = slash && slash[1] ? snprintf(path, PATH_MAX, "%s%s", folder, slash) : 0;
    return size > 0 && size < PATH_MAX;
}

/* false: this place has nothing to look for. */
static bool format_path(const struct core *core, const struct core_image *image, enum place place, char *path)
{
    const char *sysroot = core->target->sysroot, *debug_dir = core->target->debug_dir;
    switch (place) {
    case PLACE_SYSROOT_NAME:
        return sysroot && format_name(image, "", path);
    case PLACE_DEBUG_DIR_NAME:
        return debug_dir && format_name(image, debug_dir, path);
    case PLACE_DEBUG_DIR_ID:
        return debug_dir && format_build_id(core, image, debug_dir, path);
    case PLACE_ROOT_DEBUG_ID:
        return format_build_id(core, image, debug_folder, path);
    case PLACE_ROOT_ID:
        return format_build_id(core, image, library_folder, path);
    case PLACE_HERE_DEBUG_ID:
        return sysroot && format_build_id(core, image, debug_folder, path);
    case PLACE_HERE_ID:
        return sysroot && format_build_id(core, image, library_folder, path);
    default:
        return false;
    }
}

static int open_path(const struct core *core, enum place place, const char *path)
{
    bool in_root = place == PLACE_SYSROOT_NAME || place == PLACE_ROOT_DEBUG_ID || place == PLACE_ROOT_ID;
    return in_root ? core_open_in_root(core->root, path) : open_found(open(path, O_PATH | O_CLOEXEC));
}

bool core_open_place(const struct core *core, const struct core_image *image, size_t place, char *path, int *fd)
{
    *fd = -1;
    errno = core->open_count >= CORE_MAX_OPEN_FILES ? EMFILE : ENOENT;
    if (place >= PLACE_COUNT)
        return false;
    bool is_full = core->open_count >= CORE_MAX_OPEN_FILES;
    if (place == PLACE_PATH) {
        const char *root = core->target->sysroot ? core->target->sysroot : "";
        int size = snprintf(path, PATH_MAX, "%s%s", root, image->path);
        if (size >= PATH_MAX)
            errno = ENAMETOOLONG;
        else if (!is_full)
            *fd = core_open_in_root(core->root, image->path);
    } else if (!is_full && format_path(core, image, (enum place)place, path)) {
        *fd = open_path(core, (enum place)place, path);
    }
    return true;
}
