#include "image/debug_file.h"

#include "target/elf_head.h"
#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char system_folder[] = "/usr/lib/debug";

/* ---- the build-id ------------------------------------------------------------------------------------- */

struct loaded_image {
    struct memory *memory;
    pst_addr start;
};

static size_t read_loaded(void *context, uint64_t offset, void *bytes, size_t size)
{
    const struct loaded_image *image = context;
    size_t got = 0;
    pst_error_free(memory_read_some(image->memory, image->start + offset, bytes, size, &got));
    return got;
}

bool image_read_build_id(struct pst_target *target, pst_addr start, struct build_id *id)
{
    struct loaded_image image = {target->memory, start};
    struct elf_bytes bytes = {read_loaded, &image, true};
    struct elf_head head;
    _Static_assert((int)BUILD_ID_MAX_SIZE == (int)DEBUG_LINK_MAX_ID, "a build-id has one size everywhere");
    if (!elf_head_read(&bytes, &head) || head.build_id_status != BUILD_ID_FOUND)
        return false;
    memcpy(id->bytes, head.build_id, head.build_id_size);
    id->size = head.build_id_size;
    return true;
}

/* ---- files -------------------------------------------------------------------------------------------- */

/* Opens a regular file: of this machine if `here`, else as the target sees it. */
static int open_regular(struct pst_target *target, bool here, const char *path)
{
    struct stat status;
    int fd = -1;
    if (here) {
        int found = open(path, O_PATH | O_CLOEXEC);
        return found < 0 ? -1 : file_read_found(found, &status);
    }
    pst_error_free(target->operations->open_file(target, path, NULL, &fd));
    return fd;
}

static int open_matching(struct pst_target *target, bool here, const char *path, const struct build_id *id)
{
    return elf_keep_if_build(open_regular(target, here, path), id);
}

/* What the file at `path` says that dwz took out of it. */
static int open_supplement(struct pst_target *target, bool here, const char *path, int fd)
{
    char name[PATH_MAX], full[2 * PATH_MAX];
    struct build_id id;
    if (!elf_find_supplement(fd, name, &id))
        return -1;
    const char *slash = strrchr(path, '/');
    int folder_size = name[0] == '/' || !slash ? 0 : (int)(slash + 1 - path);
    snprintf(full, sizeof full, "%.*s%s", folder_size, path, name);
    return open_matching(target, here, full, &id);
}

pst_error *debug_file_open_own(struct pst_target *target, const struct segment *segment, struct debug_file *file)
{
    *file = (struct debug_file){-1, -1};
    TRY(target->operations->open_file(target, segment->path, segment, &file->fd));
    if (file->fd >= 0)
        file->supplement = open_supplement(target, false, segment->path, file->fd);
    return NULL;
}

bool debug_file_open(struct pst_target *target, const struct build_id *id, size_t place, struct debug_file *file)
{
    char path[PATH_MAX];
    bool here = place < 2;
    const char *folder = place == 0 ? target->debug_dir : system_folder;
    *file = (struct debug_file){-1, -1};
    if (place > 2)
        return false;
    if (!folder || id->size < 2)
        return true;
    int used = snprintf(path, sizeof path, "%s/.build-id/%02x/", folder, id->bytes[0]);
    if (used < 0 || (size_t)used + 2 * id->size + sizeof ".debug" > sizeof path)
        return true;
    for (size_t i = 1; i < id->size; i++)
        used += snprintf(path + used, sizeof path - (size_t)used, "%02x", id->bytes[i]);
    snprintf(path + used, sizeof path - (size_t)used, ".debug");
    file->fd = open_matching(target, here, path, id);
    if (file->fd >= 0)
        file->supplement = open_supplement(target, here, path, file->fd);
    return true;
}

void debug_file_close(struct debug_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->supplement >= 0)
        close(file->supplement);
    *file = (struct debug_file){-1, -1};
}
