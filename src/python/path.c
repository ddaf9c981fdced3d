#include "python/path.h"

static char separator(bool windows)
{
    return windows ? '\\' : '/';
}

static bool is_separator(char c, bool windows)
{
    return c == '/' || (windows && c == '\\');
}

static pst_text part(pst_text text, size_t start, size_t end)
{
    return (pst_text){text.data + start, end - start};
}

static void add(struct text *path, pst_text text)
{
    text_add(path, text.data, text.size);
}

/* ---- drive, root and tail -------------------------------------------------------------------------------- */

struct split {
    pst_text drive, root, tail;
};

/* The next one at or behind `start`, or the end. */
static size_t find_separator(pst_text path, size_t start, bool windows)
{
    while (start < path.size && !is_separator(path.data[start], windows))
        start++;
    return start;
}

/* Two slashes are a root of their own; three are one. */
static struct split split_posix(pst_text path)
{
    size_t slashes = 0;
    while (slashes < path.size && path.data[slashes] == '/')
        slashes++;
    size_t root = slashes == 2 ? 2 : slashes ? 1 : 0;
    return (struct split){.root = part(path, 0, root), .tail = part(path, root, path.size)};
}

static bool are_equal(const char *one, const char *other, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool is_letter = (one[i] | 0x20) >= 'a' && (one[i] | 0x20) <= 'z';
        if (one[i] != other[i] && !(is_letter && (one[i] ^ other[i]) == 0x20))
            return false;
    }
    return true;
}

static bool has_unc_prefix(pst_text path)
{
    return path.size >= 8 && path.data[2] == '?' && is_separator(path.data[3], true) &&
           are_equal(path.data + 4, "UNC", 3) && is_separator(path.data[7], true);
}

/* "\\server\share", "\\?\UNC\server\share", "\\?\device" */
static struct split split_unc(pst_text path)
{
    size_t first = find_separator(path, has_unc_prefix(path) ? 8 : 2, true);
    size_t second = first < path.size ? find_separator(path, first + 1, true) : path.size;
    if (second == path.size)
        return (struct split){.drive = path};
    return (struct split){part(path, 0, second), part(path, second, second + 1), part(path, second + 1, path.size)};
}

/* Of a colon that is the second character; 0: it is none. */
static size_t find_colon(pst_text path)
{
    size_t at = 1;
    while (at < path.size && (path.data[at] & 0xc0) == 0x80)
        at++;
    return at < path.size && path.data[at] == ':' ? at : 0;
}

static struct split split_windows(pst_text path)
{
    size_t colon = find_colon(path);
    if (path.size >= 2 && is_separator(path.data[0], true) && is_separator(path.data[1], true))
        return split_unc(path);
    size_t drive = path.size && is_separator(path.data[0], true) ? 0 : colon ? colon + 1 : 0;
    size_t root = drive < path.size && is_separator(path.data[drive], true) ? drive + 1 : drive;
    return (struct split){part(path, 0, drive), part(path, drive, root), part(path, root, path.size)};
}

/* ---- join() ---------------------------------------------------------------------------------------------- */

static void join_posix(const pst_text *raw, size_t count, struct text *path)
{
    for (size_t i = 0; i < count; i++) {
        bool is_absolute = raw[i].size && raw[i].data[0] == '/';
        if (is_absolute)
            path->size = 0;
        else if (i && path->size && path->data[path->size - 1] != '/')
            text_add_char(path, '/');
        add(path, raw[i]);
    }
}

/* But for the case of ASCII letters. */
static bool are_same(pst_text one, pst_text other)
{
    return one.size == other.size && are_equal(one.data, other.data, one.size);
}

static void join_windows(const pst_text *raw, size_t count, struct text *path)
{
    struct split joined = {0};
    struct text tail = {0};
    for (size_t i = 0; i < count; i++) {
        struct split next = split_windows(raw[i]);
        bool is_other = next.drive.size && !are_same(next.drive, joined.drive);
        if (i == 0 || next.root.size || is_other) {
            if (i == 0 || next.drive.size || !joined.drive.size)
                joined.drive = next.drive;
            joined.root = next.root;
            tail.size = 0;
        } else if (next.drive.size) {
            joined.drive = next.drive;
        }
        if (tail.size && !is_separator(tail.data[tail.size - 1], true))
            text_add_char(&tail, '\\');
        add(&tail, next.tail);
    }
    char last = joined.drive.size ? joined.drive.data[joined.drive.size - 1] : ':';
    add(path, joined.drive);
    if (tail.size && !joined.root.size && last != ':' && !is_separator(last, true))
        text_add_char(path, '\\');
    add(path, joined.root);
    add(path, (pst_text){tail.data, tail.size});
    path->failed |= tail.failed;
    text_free(&tail);
}

/* ---- pathlib --------------------------------------------------------------------------------------------- */

/* "\\server\share" alone has a root, too. */
static bool has_implied_root(pst_text drive)
{
    size_t third = 0, end = 0, count = 1;
    if (!drive.size || drive.data[0] != '\\' || drive.data[drive.size - 1] == '\\')
        return false;
    for (size_t i = 0; i < drive.size; i++) {
        if (drive.data[i] != '\\')
            continue;
        count++;
        third = count == 3 ? i + 1 : third;
        end = count == 4 ? i : end;
    }
    pst_text name = part(drive, third, count >= 4 ? end : third);
    bool is_device = name.size == 0 || (name.size == 1 && (name.data[0] == '?' || name.data[0] == '.')) ||
                     (name.size == 2 && memcmp(name.data, "?.", 2) == 0);
    return (count == 4 && !is_device) || count == 6;
}

static pst_error *split_tail(pst_text tail, char by, struct arena *arena, struct path_parts *parts)
{
    size_t count = 1;
    for (size_t i = 0; i < tail.size; i++)
        count += tail.data[i] == by;
    parts->tail = arena_alloc(arena, count * sizeof *parts->tail);
    if (!parts->tail)
        return error_no_memory();
    for (size_t start = 0; start < tail.size;) {
        const char *found = memchr(tail.data + start, by, tail.size - start);
        size_t end = found ? (size_t)(found - tail.data) : tail.size;
        pst_text name = part(tail, start, end);
        if (name.size && !(name.size == 1 && name.data[0] == '.'))
            parts->tail[parts->count++] = name;
        start = end + 1;
    }
    return NULL;
}

pst_error *path_format(const struct path_parts *parts, struct text *path)
{
    size_t start = path->size;
    bool is_anchored = parts->drive.size || parts->root.size;
    char by = separator(parts->windows);
    add(path, parts->drive);
    add(path, parts->root);
    if (!is_anchored && parts->windows && parts->with_dot && parts->count && find_colon(parts->tail[0]))
        text_add_string(path, ".\\");
    for (size_t i = 0; i < parts->count; i++) {
        if (i)
            text_add_char(path, by);
        add(path, parts->tail[i]);
    }
    if (path->size == start)
        text_add_char(path, '.');
    return path->failed ? error_no_memory() : NULL;
}

pst_error *path_normalize(const pst_text *raw, size_t count, bool windows, struct arena *arena, struct text *path)
{
    struct path_parts parts = {.windows = windows, .with_dot = true};
    struct text joined = {0};
    pst_error *error = NULL;
    if (count == 1)
        add(&joined, raw[0]);
    else
        (windows ? join_windows : join_posix)(raw, count, &joined);
    for (size_t i = 0; i < joined.size && windows; i++)
        if (joined.data[i] == '/')
            joined.data[i] = '\\';
    pst_text whole = {joined.data, joined.size};
    struct split split = (windows ? split_windows : split_posix)(whole);
    parts.drive = split.drive;
    parts.root = split.root;
    if (windows && !split.root.size && has_implied_root(split.drive))
        parts.root = (pst_text){"\\", 1};
    error = joined.failed ? error_no_memory() : split_tail(split.tail, separator(windows), arena, &parts);
    if (!error)
        error = path_format(&parts, path);
    text_free(&joined);
    return error;
}
