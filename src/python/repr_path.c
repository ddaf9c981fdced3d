/*
 * pathlib's paths: "PosixPath('/a/b')". Lib/pathlib.py, 3.13: pathlib/_local.py, 3.14+: pathlib/__init__.py. To 3.11 a
 * path is taken apart when it is made; since 3.12 when somebody asks, so that it may have to be done here.
 */
#include "python/repr.h"

#include "python/path.h"
#include "python/str.h"
#include "python/string.h"

enum {
    MAX_PARTS = 1 << 14,
    MAX_SIZE = 1 << 20,    /* bytes; the system's own limit is 4,096 */
};

static pst_error *read_text(struct repr *repr, pst_addr object, pst_text *text)
{
    return string_read(repr->python, repr->arena, object, text);
}

static pst_error *is_windows(struct repr *repr, const struct instance *object, bool *yes)
{
    struct type *base;
    TRY(type_find_base(repr->types, object->type, "pathlib", "PureWindowsPath", &base));
    if (!base)
        TRY(type_find_base(repr->types, object->type, "pathlib._local", "PureWindowsPath", &base));
    *yes = base;
    return NULL;
}

/* The strs of a list that a path has. *there is false: it has none, or they are too many. */
static pst_error *read_list(struct repr *repr, pst_addr list, pst_text **texts, size_t *count, bool *there)
{
    int64_t size;
    pst_addr items;
    TRY(field_signed(repr->python, list, F(PyVarObject_ob_size), &size));
    TRY(field_address(repr->python, list, F(PyListObject_ob_item), &items));
    *there = size >= 0 && size <= MAX_PARTS;
    *texts = arena_alloc(repr->arena, *there ? ((size_t)size + 1) * sizeof **texts : 1);
    *count = *there ? (size_t)size : 0;
    if (!*texts)
        return error_no_memory();
    for (size_t i = 0; i < *count; i++) {
        pst_addr item;
        TRY(pointer_at(repr->python, items, i, &item));
        TRY(read_text(repr, item, &(*texts)[i]));
    }
    return NULL;
}

static pst_error *get_list(struct repr *repr, const struct instance *object, const char *name, pst_text **texts,
                           size_t *count, bool *there)
{
    pst_addr list;
    *there = false;
    TRY(repr_get_attribute(repr, object, name, &list));
    return list ? read_list(repr, list, texts, count, there) : NULL;
}

static pst_error *get_text(struct repr *repr, const struct instance *object, const char *name, pst_text *text,
                           bool *there)
{
    pst_addr value;
    TRY(repr_get_attribute(repr, object, name, &value));
    *there = value;
    return value ? read_text(repr, value, text) : NULL;
}

/* What was taken apart already; the first of _parts (to 3.11) is drive and root, if there are any. */
static pst_error *get_parts(struct repr *repr, const struct instance *object, struct path_parts *parts, bool *there)
{
    bool is_old = python_minor_version(repr->python) < 312;
    TRY(get_text(repr, object, "_drv", &parts->drive, there));
    if (*there)
        TRY(get_text(repr, object, "_root", &parts->root, there));
    if (*there)
        TRY(get_list(repr, object, is_old ? "_parts" : "_tail_cached", &parts->tail, &parts->count, there));
    if (*there && is_old && parts->count && (parts->drive.size || parts->root.size)) {
        parts->tail++;
        parts->count--;
    }
    return NULL;
}

/* str(): *there is false: of a path that is just being made, or one that is not as it should be. */
static pst_error *get_path(struct repr *repr, const struct instance *object, bool windows, struct text *path,
                           bool *there)
{
    struct path_parts parts = {.windows = windows, .with_dot = python_minor_version(repr->python) >= 312};
    pst_text text = {0}, *raw;
    size_t count, size = 0;
    TRY(get_text(repr, object, "_str", &text, there));
    if (*there) {
        text_add(path, text.data, text.size);
        return NULL;
    }
    TRY(get_parts(repr, object, &parts, there));
    if (*there)
        return path_format(&parts, path);
    TRY(get_list(repr, object, "_raw_paths", &raw, &count, there));
    for (size_t i = 0; *there && i < count; i++)
        size += raw[i].size;
    *there &= size <= MAX_SIZE;
    return *there ? path_normalize(raw, count, windows, repr->arena, path) : NULL;
}

static pst_error *add_path(struct repr *repr, const struct instance *object, struct text *path)
{
    bool windows, there;
    TRY(is_windows(repr, object, &windows));
    TRY(get_path(repr, object, windows, path, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    if (path->failed)
        return error_no_memory();
    for (size_t i = 0; i < path->size && windows; i++)
        if (path->data[i] == '\\')
            path->data[i] = '/';
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    repr_add_quoted(repr, (pst_text){path->data, path->size});
    text_add_char(repr->text, ')');
    return NULL;
}

/* PurePath.__repr__() */
pst_error *repr_add_path(struct repr *repr, const struct instance *object)
{
    struct text path = {0};
    pst_error *error = add_path(repr, object, &path);
    text_free(&path);
    return error;
}

/* _PathParents.__repr__(): "<PosixPath.parents>" */
pst_error *repr_add_path_parents(struct repr *repr, const struct instance *object)
{
    pst_addr value;
    struct type *type;
    bool is_old = python_minor_version(repr->python) < 312;
    TRY(repr_get_attribute(repr, object, is_old ? "_pathcls" : "_path", &value));
    if (!value)
        return repr_add_attributes(repr, object);
    TRY(is_old ? type_get(repr->types, value, &type) : type_of(repr->types, value, &type));
    text_add_char(repr->text, '<');
    repr_add_text(repr, type->name);
    text_add_string(repr->text, ".parents>");
    return NULL;
}

/* PurePath.__str__() */
pst_error *str_add_path(struct repr *repr, const struct instance *object, bool *there)
{
    struct text path = {0};
    bool windows;
    TRY(is_windows(repr, object, &windows));
    pst_error *error = get_path(repr, object, windows, &path, there);
    if (!error && path.failed)
        error = error_no_memory();
    if (!error && *there)
        repr_add_text(repr, (pst_text){path.data, path.size});
    text_free(&path);
    return error;
}
