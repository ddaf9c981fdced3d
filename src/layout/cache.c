#include "layout/cache.h"

#include "base/transfer.h"
#include "layout/derive.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 2 * DEBUG_LINK_MAX_ID + 40, MARK_SIZE = 80 };

/* ---- the folder --------------------------------------------------------------------------------------- */

static bool is_ours(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH));
}

/* The user's own folder for caches. It may well belong to another (HOME under sudo): what is in it must not. */
static int open_base(bool create)
{
    const char *base = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    char path[PATH_MAX];
    if (base && base[0] == '/')
        snprintf(path, sizeof path, "%s", base);
    else if (home && home[0] == '/')
        snprintf(path, sizeof path, "%s/.cache", home);
    else
        return -1;
    if (create)
        mkdir(path, S_IRWXU);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Takes `parent` over. */
static int open_folder(int parent, const char *name, bool create)
{
    if (parent < 0)
        return -1;
    if (create)
        mkdirat(parent, name, S_IRWXU);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    close(parent);
    if (fd >= 0 && !is_ours(fd)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int open_cache(bool create)
{
    return open_folder(open_folder(open_base(create), "pystander", create), "layouts", create);
}

static void write_name(const struct build_id *id, const char *suffix, char name[NAME_SIZE])
{
    for (size_t i = 0; i < id->size; i++)
        snprintf(name + 2 * i, 3, "%02x", id->bytes[i]);
    snprintf(name + 2 * id->size, NAME_SIZE - 2 * id->size, "%s", suffix);
}

/* The first line of each file: a cache of another list of fields than this program's is of no use. FNV-1a */
static void write_mark(char mark[MARK_SIZE])
{
    uint64_t hash = 0xcbf29ce484222325;
    for (unsigned field = 0; field < FIELD_COUNT; field++)
        for (const char *name = field_get_name(field);; name++) {
            hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
            if (!*name)
                break;
        }
    snprintf(mark, MARK_SIZE, "# Written by pystander " PST_VERSION ", fields %016llx\n", (unsigned long long)hash);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static char *read_file(int fd, size_t *size)
{
    struct stat status;
    *size = 0;
    if (!is_ours(fd) || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > CACHE_MAX_SIZE)
        return NULL;
    char *bytes = malloc((size_t)status.st_size + 1);
    int errnum;
    if (bytes)
        *size = transfer_read_at(fd, 0, bytes, (size_t)status.st_size, &errnum);
    return bytes;
}

static bool parse(const char *bytes, size_t size, struct layout *layout)
{
    char mark[MARK_SIZE];
    write_mark(mark);
    size_t mark_size = strlen(mark);
    if (size < mark_size || memcmp(bytes, mark, mark_size) != 0)
        return false;
    pst_error *error = layout_parse(bytes, size, "the cache", FLAVOUR_COUNT, layout);
    pst_error_free(error);
    for (unsigned field = 0; field < FIELD_COUNT; field++)
        layout->places[field].source = LAYOUT_DWARF;
    return !error;
}

bool layout_cache_load(const struct build_id *id, struct layout *layout)
{
    char name[NAME_SIZE];
    int folder = open_cache(false);
    if (folder < 0)
        return false;
    write_name(id, ".layout", name);
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    close(folder);
    if (fd < 0)
        return false;
    size_t size;
    char *bytes = read_file(fd, &size);
    close(fd);
    bool loaded = bytes && parse(bytes, size, layout);
    free(bytes);
    return loaded;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static bool write_all(int fd, const struct text *text)
{
    int errnum;
    return transfer_write(fd, text->data, text->size, &errnum) == text->size;
}

/* Under a name of its own first: whoever reads meanwhile finds a whole file or none. */
static void replace(int folder, const struct build_id *id, const struct text *text)
{
    char name[NAME_SIZE], temporary[NAME_SIZE], suffix[32];
    snprintf(suffix, sizeof suffix, ".%ld.new", (long)getpid());
    write_name(id, ".layout", name);
    write_name(id, suffix, temporary);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return;
    bool written = write_all(fd, text);
    if (close(fd) != 0 || !written || renameat(folder, temporary, folder, name) != 0)
        unlinkat(folder, temporary, 0);
}

void layout_cache_store(const struct build_id *id, const struct layout *layout)
{
    char mark[MARK_SIZE];
    struct text text = {0};
    int folder = open_cache(true);
    if (folder < 0)
        return;
    write_mark(mark);
    text_add_string(&text, mark);
    layout_write(layout, "debug information", &text);
    if (!text.failed)
        replace(folder, id, &text);
    text_free(&text);
    close(folder);
}
