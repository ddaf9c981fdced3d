/*
 * The files that a core names: found, and used only if they are the build that was mapped. The kernel's
 * default filter leaves the pages out that stand unchanged in a file, but for the first page of each ELF
 * image: it has the program headers and, nearly always, the build-id.
 */
#include "target/core.h"

#include "base/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_PAGE_SIZE = 4096 };

/* How what is said of a page begins. */
static const char not_in_core[] = "not in the core, and ";

static char *format(const char *text, ...) PRINTF(1, 2);

/* NULL: out of memory. */
static char *format(const char *text, ...)
{
    va_list arguments;
    char *formatted = NULL;
    va_start(arguments, text);
    if (vasprintf(&formatted, text, arguments) < 0)
        formatted = NULL;
    va_end(arguments);
    return formatted;
}

/* ---- where bytes of an image come from ------------------------------------------------------------- */

size_t core_read_file(void *context, uint64_t offset, void *bytes, size_t size)
{
    int errnum;
    return transfer_read_at(*(int *)context, offset, bytes, size, &errnum);
}

size_t core_read_loaded(void *context, uint64_t offset, void *bytes, size_t size)
{
    const struct core_loaded *image = context;
    return core_read(image->core, image->base + offset, bytes, size);
}

bool core_image_read_head(const struct core *core, const struct core_image *image, struct elf_head *head)
{
    struct core_loaded loaded = { core, image->base };
    const struct elf_bytes bytes = { core_read_loaded, &loaded, true };
    return elf_head_read(&bytes, head);
}

/* ---- is it the same build? ------------------------------------------------------------------------- */

static bool is_first_page_same(const struct core *core, const struct core_image *image, int fd)
{
    uint8_t ours[FIRST_PAGE_SIZE], theirs[FIRST_PAGE_SIZE] = { 0 };
    /* What the file does not fill of its last page is zero in memory. */
    return core_read_file(&fd, 0, theirs, sizeof theirs) > 0 &&
           core_read(core, image->base, ours, sizeof ours) == sizeof ours && memcmp(ours, theirs, sizeof ours) == 0;
}

enum match { MATCH_SAME, MATCH_OTHER, MATCH_UNKNOWN };

static const char *describe_difference(bool comparable)
{
    return comparable ? "build-id" : "its first page differs; build-id";
}

/* Without the header that the core lacks. */
static enum match match_data(struct core *core, const struct core_image *image, const struct elf_bytes *file,
                             const char *path, const struct elf_head *head, char **why)
{
    struct core_match found;
    core_match_data(core, image, file, head, &found);
    if (found.is_same)
        return MATCH_SAME;
    if (found.is_elsewhere)
        *why = format("%s is another build (its parts are not mapped as it says): not used", path);
    else if (found.is_other)
        *why = format("%s is another build (of the words that tell builds apart, %zu in the core differ from it and "
                      "%zu do not): not used", path, found.different, found.same);
    else
        *why = format("%s can't be told from another build: the core lacks the ELF header it began with, and of the "
                      "words that tell builds apart %zu agree and %zu differ", path, found.same, found.different);
    return found.is_other ? MATCH_OTHER : MATCH_UNKNOWN;
}

/* Whether the file `fd` is what was mapped; if not, *why says so (NULL: out of memory). */
static enum match match_file(struct core *core, const struct core_image *image, int fd, const char *path,
                             struct elf_head *head, char **why)
{
    struct elf_bytes from_file = { core_read_file, &fd, false };
    struct elf_head mapped;
    bool is_image = elf_head_read(&from_file, head), is_known = core_image_read_head(core, image, &mapped);
    if (!is_image && is_known) {
        *why = format("%s is another file (no 64-bit ELF image): not used", path);
        return MATCH_OTHER;
    }
    if (!is_image) {
        *why = format("%s can't be told from another file: it is no ELF image", path);
        return MATCH_UNKNOWN;
    }
    if (!is_known)
        return match_data(core, image, &from_file, path, head, why);
    bool comparable = mapped.build_id_status == BUILD_ID_FOUND ||
                      (mapped.build_id_status == BUILD_ID_ABSENT && head->build_id_status == BUILD_ID_FOUND);
    if (comparable ? elf_head_same_build_id(&mapped, head) : is_first_page_same(core, image, fd)) {
        if (elf_head_same_loads(&mapped, head))
            return MATCH_SAME;
        *why = format("%s has the right build-id, but is not the image itself (is it debug information alone?): not "
                      "used", path);
        return MATCH_OTHER;
    }
    char file_id[BUILD_ID_TEXT_SIZE], core_id[BUILD_ID_TEXT_SIZE];
    elf_head_format_build_id(head, file_id);
    elf_head_format_build_id(&mapped, core_id);
    *why = format("%s is another build (%s %s, the core has %s): not used", path, describe_difference(comparable),
                  file_id, core_id);
    return MATCH_OTHER;
}

/* ---- finding the file ------------------------------------------------------------------------------ */

/* Takes over `fd` if it is the right file. */
static enum match use_file(struct core *core, struct core_image *image, int fd, const char *path, char **why)
{
    *why = NULL;
    struct elf_head *head = malloc(sizeof *head);
    enum match match = head ? match_file(core, image, fd, path, head, why) : MATCH_UNKNOWN;
    if (match != MATCH_SAME) {
        free(head);
        return match;
    }
    image->fd = fd;
    image->head = head;
    image->state = CORE_IMAGE_USED;
    core->open_count++;
    return MATCH_SAME;
}

/* Takes `why` over. */
static void refuse(struct core_image *image, char *why)
{
    image->state = CORE_IMAGE_REFUSED;
    image->why = why ? format("%s%s", not_in_core, why) : NULL;
    free(why);
}

/* The first file that is the right one; *why is about the one at the image's own path. */
static enum match search_file(struct core *core, struct core_image *image, char **why)
{
    enum match result = MATCH_UNKNOWN;
    char path[PATH_MAX], *reason;
    int fd;
    *why = NULL;
    for (size_t place = 0; core_open_place(core, image, place, path, &fd); place++) {
        if (fd < 0) {
            if (place == 0)
                *why = format("%s can't be opened: %s", path, errno ? strerror(errno) : "it is no regular file");
            continue;
        }
        enum match match = use_file(core, image, fd, path, &reason);
        if (match == MATCH_SAME) {
            free(*why);
            *why = NULL;
            return match;
        }
        close(fd);
        if (place == 0) {
            *why = reason;
            result = match;
        } else {
            free(reason);
        }
    }
    return result;
}

/* What is not there is said where it is missed; what is wrong is said in any case, once, unless it was merely passed by
 * in the search for the interpreter. */
static void report_wrong_file(struct core *core, struct core_image *image)
{
    if (!image->is_wrong || core->target->is_searching)
        return;
    image->is_wrong = false;
    error_list_add(&core->target->errors,
                   error_hint(error_new(PST_ERROR_READ, "%s", image->why + sizeof not_in_core - 1),
                              "give the files of the machine that wrote the core by --sysroot DIR, its executable "
                              "by --exe FILE"));
}

enum core_image_state core_image_prepare(struct core *core, struct core_image *image)
{
    char *why;
    if (image->state == CORE_IMAGE_UNTRIED && !image->has_base)
        refuse(image, format("%s can't be told from another build: its beginning was not mapped", image->path));
    if (image->state == CORE_IMAGE_UNTRIED && core->search_count++ >= CORE_MAX_SEARCHES)
        refuse(image, format("%s was not looked for: there are more than %d mapped files", image->path,
                             CORE_MAX_SEARCHES));
    if (image->state == CORE_IMAGE_UNTRIED) {
        enum match match = search_file(core, image, &why);
        if (match != MATCH_SAME)
            refuse(image, why);
        image->is_wrong = match == MATCH_OTHER && image->why;
    }
    report_wrong_file(core, image);
    return image->state;
}

/* ---- the executable that the user named ------------------------------------------------------------ */

/* The image that the file is of; NULL: of none, and *why says it. */
static struct core_image *match_executable(struct core *core, int fd, const char *path, char **why)
{
    *why = NULL;
    for (size_t i = 0; i < core->image_count; i++) {
        struct core_image *image = &core->images[i];
        bool candidate = core->main_image == CORE_NO_IMAGE || core->main_image == i;
        if (!candidate || !image->has_base || image->state != CORE_IMAGE_UNTRIED)
            continue;
        free(*why);
        if (use_file(core, image, fd, path, why) == MATCH_SAME)
            return image;
    }
    return NULL;
}

void core_try_wanted_executable(struct core *core)
{
    struct error_list *errors = &core->target->errors;
    const char *path = core->target->wanted_executable;
    if (!path)
        return;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        int errnum = errno;
        error_list_add(errors, fd < 0 ? error_system(PST_ERROR_OPEN, errnum, "%s can't be opened", path)
                                      : error_new(PST_ERROR_OPEN, "%s is no regular file", path));
        if (fd >= 0)
            close(fd);
        return;
    }
    char *why;
    if (!match_executable(core, fd, path, &why)) {
        error_list_add(errors, error_hint(error_new(PST_ERROR_READ, "%s", why ? why : "the core does not say what its "
                                                    "executable was: the one given is not used"),
                                          "the core's executable was %s",
                                          core->target->executable ? core->target->executable : "not recorded"));
        free(why);
        close(fd);
    }
}

/* ---- for the stages above -------------------------------------------------------------------------- */

static struct core_image *find_image(struct core *core, const char *path, const struct segment *segment)
{
    const struct segment *segments = core->target->segments;
    if (segment >= segments && segment < segments + core->target->segment_count) {
        size_t image = core_image_of(core, segment);
        return image == CORE_NO_IMAGE ? NULL : &core->images[image];
    }
    for (size_t i = 0; i < core->image_count; i++)
        if (strcmp(core->images[i].path, path) == 0)
            return &core->images[i];
    return NULL;
}

/* Mapped files if they are the same build; others only below a sysroot: those of this machine are not the
 * core's. */
pst_error *core_open_file(struct pst_target *target, const char *path, const struct segment *segment, int *fd)
{
    struct core *core = target->core;
    *fd = -1;
    struct core_image *image = find_image(core, path, segment);
    if (image) {
        if (core_image_prepare(core, image) != CORE_IMAGE_USED)
            return NULL;
        *fd = fcntl(image->fd, F_DUPFD_CLOEXEC, 0);
        return *fd < 0 ? error_system(PST_ERROR_SYSTEM, errno, "%s can't be opened again", path) : NULL;
    }
    if (target->sysroot && core->open_count < CORE_MAX_OPEN_FILES)
        *fd = core_open_in_root(core->root, path);
    return NULL;
}

void core_images_free(struct core *core)
{
    for (size_t i = 0; i < core->image_count; i++) {
        struct core_image *image = &core->images[i];
        if (image->fd >= 0)
            close(image->fd);
        free(image->why);
        free(image->head);
    }
    free(core->images);
}
