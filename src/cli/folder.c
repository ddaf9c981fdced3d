#include "cli/folder.h"

#include "base/error.h"
#include "base/transfer.h"
#include "report/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths --------------------------------------------------------------------------------------------- */

static bool is_harmless(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-.+@=,", c));
}

/* One character, or '_' in its place. Returns how many bytes were taken. */
static size_t add_point(struct text *path, const char *bytes, size_t size)
{
    struct text escaped = {0};
    unsigned width;
    size_t taken = escape_point(&escaped, bytes, size, ESCAPE_NAME, &width);
    bool is_same = escaped.size == taken && memcmp(escaped.data, bytes, taken) == 0;
    if (taken > 1 ? is_same : is_harmless(*bytes))
        text_add(path, bytes, taken);
    else
        text_add_char(path, '_');
    text_free(&escaped);
    return taken;
}

static void add_part(struct text *path, pst_text part)
{
    size_t start = path->size;
    if (!part.size || part.data[0] == '.')
        text_add_char(path, '_');
    for (size_t at = part.size && part.data[0] == '.'; at < part.size && path->size - start < FOLDER_MAX_PART - 4;)
        at += add_point(path, part.data + at, part.size - at);
}

static bool ends_with(pst_text text, const char *end)
{
    size_t size = strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

/* A folder of a name that a file could have is in the way. */
static void add_folder_part(struct text *path, pst_text part)
{
    add_part(path, part);
    if (!path->failed && ends_with((pst_text){path->data, path->size}, ".pyc"))
        text_add_char(path, '_');
    text_add_char(path, '/');
}

/* The next part, in front of `separator`; false: there is none. */
static bool split(pst_text *rest, char separator, pst_text *part)
{
    if (!rest->data)
        return false;
    const char *end = memchr(rest->data, separator, rest->size);
    *part = (pst_text){rest->data, end ? (size_t)(end - rest->data) : rest->size};
    *rest = end ? (pst_text){end + 1, rest->size - part->size - 1} : (pst_text){0};
    return true;
}

static bool is_step(pst_text part)
{
    return !part.size || (part.size == 1 && part.data[0] == '.') || (part.size == 2 && memcmp(part.data, "..", 2) == 0);
}

/* The last FOLDER_MAX_PARTS of the parts, the last one without its folders if `is_stem`. */
static void add_parts(struct text *path, pst_text name, char separator, bool is_stem)
{
    pst_text parts[FOLDER_MAX_PARTS], part;
    size_t count = 0;
    while (split(&name, separator, &part))
        if (separator == '.' || !is_step(part))
            parts[count++ % FOLDER_MAX_PARTS] = part;
    size_t kept = count < FOLDER_MAX_PARTS ? count : FOLDER_MAX_PARTS;
    for (size_t i = is_stem && count ? count - 1 : count - kept; i + 1 < count; i++)
        add_folder_part(path, parts[i % FOLDER_MAX_PARTS]);
    add_part(path, count ? parts[(count - 1) % FOLDER_MAX_PARTS] : (pst_text){0});
}

static pst_text without_extension(pst_text filename)
{
    static const char *const extensions[] = {".py", ".pyc", ".pyo", ".pyw"};
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (ends_with(filename, extensions[i]))
            return (pst_text){filename.data, filename.size - strlen(extensions[i])};
    return filename;
}

static bool is_main_itself(const pst_export_file *file)
{
    return file->is_main && file->module.size == strlen("__main__") &&
           memcmp(file->module.data, "__main__", file->module.size) == 0;
}

void folder_add_path(const pst_export_file *file, struct text *path)
{
    bool is_stem = is_main_itself(file);
    if (file->module.data && !is_stem)
        add_parts(path, file->module, '.', false);
    else
        add_parts(path, without_extension(file->filename), '/', is_stem);
    if (file->is_package && !is_stem)
        text_add_string(path, "/__init__");
    text_add_string(path, ".pyc");
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* Nothing of it is left if it fails. */
static pst_error *write_temporary(int folder, const char *name, pst_bytes bytes)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_system(PST_ERROR_SYSTEM, errno, "can't be made");
    int errnum;
    pst_error *error = NULL;
    if (transfer_write(fd, bytes.data, bytes.size, &errnum) < bytes.size)
        error = error_system(PST_ERROR_SYSTEM, errnum, "can't be written");
    if (close(fd) < 0 && !error)
        error = error_system(PST_ERROR_SYSTEM, errno, "can't be written");
    if (error)
        unlinkat(folder, name, 0);
    return error;
}

/* As rename(2), but never over something; some file systems know only one of the two ways. */
static int move_without_replacing(int folder, const char *from, const char *to)
{
    if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return linkat(folder, from, folder, to, 0) < 0 ? -1 : unlinkat(folder, from, 0);
}

/* It is there when it is complete, for its owner alone: as every other file that this program writes. */
static pst_error *put_file(int folder, const char *name, bool force, pst_bytes bytes)
{
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".pystander-%ld.tmp", (long)getpid());
    TRY(write_temporary(folder, temporary, bytes));
    if (!(force ? renameat(folder, temporary, folder, name) : move_without_replacing(folder, temporary, name)))
        return NULL;
    int errnum = errno;
    unlinkat(folder, temporary, 0);
    if (errnum == EEXIST && !force)
        return error_hint(error_new(PST_ERROR_SYSTEM, "it is there already"), "--force replaces it");
    return error_system(PST_ERROR_SYSTEM, errnum, force ? "can't be replaced" : "can't be made");
}

pst_error *file_write(const char *path, bool force, pst_bytes bytes)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!parent)
        return error_no_memory();
    int folder = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    pst_error *error = folder < 0 ? error_system(PST_ERROR_SYSTEM, errno, "its folder can't be opened")
                                  : put_file(folder, slash ? slash + 1 : path, force, bytes);
    if (folder >= 0)
        close(folder);
    free(parent);
    return error_in(error, "%s", path);
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* A path that was given away, and how many more would have had it. */
struct taken_name {
    char *path;
    unsigned long more;
};

static int compare_names(const void *a, const void *b)
{
    const struct taken_name *one = a, *other = b;
    return strcmp(one->path, other->path);
}

static void free_name(void *name)
{
    free(((struct taken_name *)name)->path);
    free(name);
}

/* *owner: who has the path; a new one if *is_new. NULL: no memory. */
static struct taken_name *take_name(struct folder *folder, const char *path, bool *is_new)
{
    struct taken_name *name = calloc(1, sizeof *name);
    if (name)
        name->path = strdup(path);
    struct taken_name **found = name && name->path ? tsearch(name, &folder->names, compare_names) : NULL;
    *is_new = found && *found == name;
    if (!*is_new && name)
        free_name(name);
    return found ? *found : NULL;
}

/* Makes `path` one that no other file of this run has, by a number at its end, and ends it with a NUL. */
static pst_error *make_unique(struct folder *folder, struct text *path)
{
    size_t stem = path->size - strlen(".pyc");
    bool is_new = false;
    text_add_char(path, '\0');
    struct taken_name *owner = path->failed ? NULL : take_name(folder, path->data, &is_new);
    struct taken_name *own = owner;
    while (own && !is_new) {
        path->size = stem;
        text_printf(path, "-%lu.pyc", ++owner->more + 1);
        text_add_char(path, '\0');
        own = path->failed ? NULL : take_name(folder, path->data, &is_new);
    }
    return own ? NULL : error_no_memory();
}

/* The folder that the file is in, made if need be; *name: the last part. The caller closes *fd. */
static pst_error *open_parent(const struct folder *folder, char *path, int *fd, const char **name)
{
    *fd = fcntl(folder->fd, F_DUPFD_CLOEXEC, 0);
    for (char *slash; *fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        *slash = '\0';
        int made = mkdirat(*fd, path, 0700);
        int next = made < 0 && errno != EEXIST
                       ? -1
                       : openat(*fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int errnum = errno;
        close(*fd);
        *fd = next;
        if (next < 0) {
            pst_error *error = errnum == ELOOP || errnum == ENOTDIR
                                   ? error_new(PST_ERROR_SYSTEM, "'%s' is there already and no folder", path)
                                   : error_system(PST_ERROR_SYSTEM, errnum, "the folder '%s'", path);
            *slash = '/';
            return error;
        }
        *slash = '/';
    }
    *name = path;
    return *fd < 0 ? error_system(PST_ERROR_SYSTEM, errno, "its folder can't be opened") : NULL;
}

pst_error *folder_write(struct folder *folder, struct text *path, pst_bytes bytes)
{
    int fd = -1;
    const char *name = NULL;
    TRY(make_unique(folder, path));
    pst_error *error = open_parent(folder, path->data, &fd, &name);
    if (!error)
        error = put_file(fd, name, folder->force, bytes);
    if (fd >= 0)
        close(fd);
    error = error_in(error, "%s/%s", folder->path, path->data);
    path->size--;
    return error;
}

pst_error *folder_open(struct folder *folder, const char *path, bool force)
{
    *folder = (struct folder){.path = path, .force = force, .fd = -1};
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_in(error_system(PST_ERROR_SYSTEM, errno, "the folder can't be made"), "%s", path);
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return error_in(error_system(PST_ERROR_SYSTEM, errno, "the folder can't be opened"), "%s", path);
    return NULL;
}

void folder_close(struct folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    tdestroy(folder->names, free_name);
    folder->names = NULL;
    folder->fd = -1;
}
