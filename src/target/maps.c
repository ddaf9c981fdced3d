#include "target/maps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static const char deleted_suffix[] = " (deleted)";

/* Where the parser is: [at, end) of one line. */
struct line {
    const char *at, *end;
};

static bool take_char(struct line *line, char c)
{
    if (line->at == line->end || *line->at != c)
        return false;
    line->at++;
    return true;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* A number of 1 to 20 digits that fits. */
static bool take_number(struct line *line, unsigned base, uint64_t *value)
{
    const char *start = line->at;
    *value = 0;
    for (; line->at < line->end; line->at++) {
        int digit = digit_value(*line->at);
        if (digit < 0 || (unsigned)digit >= base)
            break;
        if (*value > (UINT64_MAX - (unsigned)digit) / base)
            return false;
        *value = *value * base + (unsigned)digit;
    }
    return line->at > start;
}

/* "55d0c0e00000-55d0c0e01000 r-xp 00001000 fd:01 1234   ", up to the name. */
static bool parse_line(struct line *line, struct segment *segment)
{
    uint64_t major_number, minor_number;
    if (!take_number(line, 16, &segment->start) || !take_char(line, '-') ||
        !take_number(line, 16, &segment->end) || !take_char(line, ' ') || segment->start >= segment->end ||
        line->end - line->at < 5)
        return false;
    segment->readable = line->at[0] == 'r';
    segment->writable = line->at[1] == 'w';
    segment->executable = line->at[2] == 'x';
    line->at += 4;
    if (!take_char(line, ' ') || !take_number(line, 16, &segment->file_offset) || !take_char(line, ' ') ||
        !take_number(line, 16, &major_number) || !take_char(line, ':') ||
        !take_number(line, 16, &minor_number) || !take_char(line, ' ') ||
        !take_number(line, 10, &segment->inode))
        return false;
    segment->device = makedev((unsigned)major_number, (unsigned)minor_number);
    while (take_char(line, ' '))
        ;
    return true;
}

/* The kernel writes a line end in a name as \012, and nothing else that way. In place. */
static void undo_escapes(char *name)
{
    char *from = strstr(name, "\\012");
    if (!from)
        return;
    char *to = from;
    while (*from) {
        if (strncmp(from, "\\012", 4) == 0) {
            *to++ = '\n';
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

bool maps_strip_deleted(char *path)
{
    size_t size = strlen(path), suffix = sizeof deleted_suffix - 1;
    if (size <= suffix || memcmp(path + size - suffix, deleted_suffix, suffix) != 0)
        return false;
    path[size - suffix] = '\0';
    return true;
}

const char *maps_strip_root(const char *path, const char *root)
{
    size_t size = root ? strlen(root) : 0;
    if (size > 1 && strncmp(path, root, size) == 0 && path[size] == '/')
        return path + size;
    return path;
}

static size_t count_lines(const char *text, const char *end)
{
    size_t count = 0;
    for (const char *at = text; at < end; count++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
    }
    return count;
}

pst_error *maps_parse(char *text, size_t size, const char *root, struct segment **result, size_t *count)
{
    *result = NULL;
    *count = 0;
    char *end = text + size;
    size_t line_count = count_lines(text, end);
    if (line_count > TARGET_MAX_SEGMENTS)
        return error_new(PST_ERROR_LIMIT, "the process has %zu mappings, more than %d", line_count,
                         TARGET_MAX_SEGMENTS);
    struct segment *segments = calloc(line_count + 1, sizeof *segments);
    if (!segments)
        return error_no_memory();
    pst_addr previous_end = 0;
    for (char *at = text, *next; at < end; at = next) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        next = stop + 1;
        struct line line = { at, stop };
        struct segment *segment = &segments[*count];
        *segment = (struct segment){ 0 };
        if (!parse_line(&line, segment) || segment->start < previous_end)
            continue;
        *stop = '\0';
        char *name = at + (line.at - at);
        if (*name) {
            undo_escapes(name);
            segment->deleted = maps_strip_deleted(name);
            segment->path = maps_strip_root(name, root);
        }
        previous_end = segment->end;
        (*count)++;
    }
    *result = segments;
    return NULL;
}
