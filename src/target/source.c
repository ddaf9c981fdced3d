/*
 * Lines of source files, as the target sees them.
 *
 * A file is read once and kept until the target is closed. Lines end where Python's tokenizer ends them: at
 * \n, \r\n and \r; a form feed is just a character. What is given is always UTF-8: a file that declares
 * Latin-1 is converted, and bytes that are not UTF-8 become U+FFFD.
 */
#include "target/source.h"

#include "base/transfer.h"
#include "target/file.h"
#include "target/target.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_FILE_SIZE = 32 << 20,   /* larger than any source that Python would compile in reasonable time */
    MAX_CACHE_SIZE = 256 << 20, /* of all files together; beyond, lines are absent */
    MAX_FILES = 1 << 16,
    BUCKET_COUNT = 256,
    /* Start times count in ticks of 10 ms, rounded down, and file times lag by up to a tick. */
    TIME_SLACK_NS = 20 * 1000 * 1000,
};

struct source_file {
    struct source_file *next; /* of the same bucket */
    char *name;               /* as asked for */
    size_t name_size;
    pst_source_status status;
    char *text;
    size_t size;
    bool has_returns; /* there are \r among the line ends */
    uint32_t *starts; /* of the lines found so far */
    size_t line_count, capacity;
    size_t scanned; /* how far the lines are known */
};

struct source_cache {
    struct source_file *buckets[BUCKET_COUNT];
    struct source_file *newest; /* the one asked for last: the next line is often of the same */
    size_t file_count, total_size;
    int sysroot; /* of a core; -1: not opened */
};

/* ---- the cache ------------------------------------------------------------------------------------- */

static void source_file_free(struct source_file *file)
{
    free(file->name);
    free(file->text);
    free(file->starts);
    free(file);
}

void source_cache_free(struct source_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < BUCKET_COUNT; i++)
        for (struct source_file *file = cache->buckets[i]; file;) {
            struct source_file *next = file->next;
            source_file_free(file);
            file = next;
        }
    if (cache->sysroot >= 0)
        close(cache->sysroot);
    free(cache);
}

static struct source_cache *source_cache_get(struct pst_target *target)
{
    if (!target->sources) {
        target->sources = calloc(1, sizeof *target->sources);
        if (target->sources)
            target->sources->sysroot = -1;
    }
    return target->sources;
}

static bool has_name(const struct source_file *file, pst_text name)
{
    return file->name_size == name.size && memcmp(file->name, name.data, name.size) == 0;
}

static size_t bucket_of(pst_text name)
{
    uint32_t hash = 2166136261; /* FNV-1a */
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.data[i]) * 16777619;
    return (hash ^ hash >> 16) % BUCKET_COUNT;
}

/* ---- opening --------------------------------------------------------------------------------------- */

/* Python's surrogateescape: U+DC80 to U+DCFF stand for the bytes 0x80 to 0xFF that are no UTF-8. In WTF-8 they
 * are ED B2 80 to ED B3 BF. NULL: no memory, or no name of a file. */
static char *path_of(pst_text name)
{
    if (name.size == 0 || memchr(name.data, '\0', name.size))
        return NULL;
    char *path = malloc(name.size + 1), *to = path;
    if (!path)
        return NULL;
    const uint8_t *from = (const uint8_t *)name.data, *end = from + name.size;
    while (from < end) {
        if (end - from >= 3 && from[0] == 0xed && (from[1] == 0xb2 || from[1] == 0xb3) &&
            (from[2] & 0xc0) == 0x80) {
            *to++ = (char)(from[1] == 0xb2 ? from[2] : from[2] + 0x40);
            from += 3;
        } else {
            *to++ = (char)*from++;
        }
    }
    *to = '\0';
    return path;
}

/* Of a core, only the files that the caller gave are read. */
static int open_in_sysroot(struct pst_target *target, const char *path)
{
    struct source_cache *cache = target->sources;
    struct stat status;
    if (!target->sysroot || path[0] != '/')
        return -1;
    if (cache->sysroot < 0)
        cache->sysroot = open(target->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int found = cache->sysroot < 0 ? -1 : file_find(cache->sysroot, path);
    return found < 0 ? -1 : file_read_found(found, &status);
}

static int open_source(struct pst_target *target, const char *path)
{
    int fd = -1;
    if (target->kind == PST_TARGET_CORE && !target->process)
        return open_in_sysroot(target, path);
    if (target->operations->open_file)
        pst_error_free(target->operations->open_file(target, path, NULL, &fd));
    return fd;
}

/* Both times count: a file put in place of another may bring its old modification time along. */
static bool is_newer(const struct pst_target *target, const struct stat *status)
{
    if (target->start_time_ns == 0)
        return false;
    int64_t limit = target->start_time_ns + TIME_SLACK_NS;
    const struct timespec *times[2] = { &status->st_mtim, &status->st_ctim };
    for (int i = 0; i < 2; i++) {
        if (times[i]->tv_sec > limit / 1000000000 + 1) /* first of all, so that the product can't overflow */
            return true;
        if (times[i]->tv_sec > 0 && (int64_t)times[i]->tv_sec * 1000000000 + times[i]->tv_nsec > limit)
            return true;
    }
    return false;
}

/* At most `size` bytes: a file that grows meanwhile is not followed. */
static bool read_text(struct source_file *file, int fd, size_t size)
{
    file->text = malloc(size + 1);
    int errnum;
    if (file->text)
        file->size = transfer_read_at(fd, 0, file->text, size, &errnum);
    return file->text && file->size;
}

/* ---- encoding -------------------------------------------------------------------------------------- */

/* The size of the UTF-8 character at `at`; 0: it is none. */
static size_t utf8_size(const uint8_t *at, const uint8_t *end)
{
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xc2 ? 0
                  : at[0] < 0xe0 ? 2
                  : at[0] < 0xf0 ? 3
                  : at[0] < 0xf5 ? 4
                                 : 0;
    if (size == 0 || (size_t)(end - at) < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool impossible = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || impossible ? 0 : size;
}

static bool is_ascii(const char *text, size_t size)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t eight;
        memcpy(&eight, text + i, 8);
        if (eight & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; i < size; i++)
        if (text[i] & 0x80)
            return false;
    return true;
}

static bool is_utf8(const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    while (at < end) {
        size_t one = utf8_size(at, end);
        if (!one)
            return false;
        at += one;
    }
    return true;
}

/* PEP 263: "coding:" or "coding=" in a comment among the first two lines. Latin-1 is the one that matters
 * beside UTF-8. */
static bool declares_latin1(const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    for (int line = 0; line < 2 && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *hash = memchr(at, '#', (size_t)(stop - at));
        const char *word = hash ? memmem(hash, (size_t)(stop - hash), "coding", 6) : NULL;
        if (word && stop - word > 7 && (word[6] == ':' || word[6] == '=')) {
            static const char *const names[] = { "latin-1",   "latin1",      "iso-8859-1",
                                                 "iso8859-1", "iso-latin-1", "l1" };
            for (word += 7; word < stop && (*word == ' ' || *word == '\t'); word++)
                ;
            for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                size_t name_size = strlen(names[i]);
                if ((size_t)(stop - word) >= name_size && strncasecmp(word, names[i], name_size) == 0 &&
                    (word + name_size == stop || !strchr("0123456789", word[name_size])))
                    return true;
            }
        }
        at = stop < end ? stop + 1 : end;
    }
    return false;
}

/* Makes UTF-8 of the text. Each byte becomes three at most. */
static bool convert(struct source_file *file, bool latin1)
{
    const uint8_t *at = (const uint8_t *)file->text, *end = at + file->size;
    char *text = malloc(file->size * 3 + 1), *to = text;
    if (!text)
        return false;
    while (at < end) {
        size_t one = latin1 ? *at < 0x80 : utf8_size(at, end);
        if (one) {
            memcpy(to, at, one);
            to += one;
            at += one;
        } else if (latin1) {
            *to++ = (char)(0xc0 | *at >> 6);
            *to++ = (char)(0x80 | (*at & 0x3f));
            at++;
        } else {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
            at++;
        }
    }
    free(file->text);
    file->text = text;
    file->size = (size_t)(to - text);
    return true;
}

static bool decode(struct source_file *file)
{
    if (is_ascii(file->text, file->size))
        return true;
    bool mark = file->size >= 3 && memcmp(file->text, "\xef\xbb\xbf", 3) == 0;
    if (mark) {
        file->size -= 3;
        memmove(file->text, file->text + 3, file->size);
    }
    bool latin1 = !mark && declares_latin1(file->text, file->size);
    if (!latin1 && is_utf8(file->text, file->size))
        return true;
    return convert(file, latin1);
}

/* ---- lines ----------------------------------------------------------------------------------------- */

static void load(struct pst_target *target, struct source_file *file, const char *path)
{
    int fd = open_source(target, path);
    if (fd < 0)
        return;
    struct stat status;
    bool room = fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size <= MAX_FILE_SIZE &&
                target->sources->total_size + (size_t)status.st_size <= MAX_CACHE_SIZE;
    if (room && is_newer(target, &status)) {
        file->status = PST_SOURCE_NEWER;
    } else if (room && read_text(file, fd, (size_t)status.st_size) && decode(file)) {
        file->status = PST_SOURCE_FOUND;
        file->has_returns = memchr(file->text, '\r', file->size);
        target->sources->total_size += file->size;
    }
    close(fd);
}

/* The file, read when it is first asked for. NULL: no memory, or too many. */
static struct source_file *find_file(struct pst_target *target, pst_text name)
{
    struct source_cache *cache = source_cache_get(target);
    if (!cache)
        return NULL;
    if (cache->newest && has_name(cache->newest, name))
        return cache->newest;
    struct source_file **bucket = &cache->buckets[bucket_of(name)];
    for (struct source_file *file = *bucket; file; file = file->next)
        if (has_name(file, name))
            return cache->newest = file;
    char *path = cache->file_count < MAX_FILES ? path_of(name) : NULL;
    struct source_file *file = path ? calloc(1, sizeof *file) : NULL;
    if (file)
        file->name = malloc(name.size);
    if (!file || !file->name) {
        free(path);
        free(file);
        return NULL;
    }
    memcpy(file->name, name.data, name.size);
    file->name_size = name.size;
    file->status = PST_SOURCE_ABSENT;
    load(target, file, path);
    free(path);
    file->next = *bucket;
    *bucket = file;
    cache->file_count++;
    return cache->newest = file;
}

/* Where the line that starts at `start` ends, and in *next where the one after it starts. */
static size_t line_end(const struct source_file *file, size_t start, size_t *next)
{
    size_t end = start;
    if (file->has_returns) {
        while (end < file->size && file->text[end] != '\n' && file->text[end] != '\r')
            end++;
    } else {
        const char *stop = memchr(file->text + start, '\n', file->size - start);
        end = stop ? (size_t)(stop - file->text) : file->size;
    }
    *next = end < file->size ? end + 1 : end;
    if (*next < file->size && file->text[end] == '\r' && file->text[*next] == '\n')
        (*next)++;
    return end;
}

/* Goes on with the list of lines until it has `count`; false: there are not so many. */
static bool find_lines(struct source_file *file, size_t count)
{
    while (file->line_count < count) {
        if (file->scanned == file->size)
            return false;
        if (file->line_count == file->capacity) {
            size_t capacity = file->capacity ? file->capacity * 2 : 1024;
            uint32_t *starts = realloc(file->starts, capacity * sizeof *starts);
            if (!starts)
                return false;
            file->starts = starts;
            file->capacity = capacity;
        }
        file->starts[file->line_count++] = (uint32_t)file->scanned;
        size_t next;
        line_end(file, file->scanned, &next);
        file->scanned = next;
    }
    return true;
}

pst_source_status pst_target_get_source_line(pst_target *target, pst_text name, int line, pst_text *text)
{
    *text = (pst_text){ 0 };
    if (line < 1 || !name.data || name.size == 0 || name.size > PATH_MAX * 3)
        return PST_SOURCE_ABSENT;
    if (name.data[0] == '<' &&
        name.data[name.size - 1] == '>') /* "<string>", "<frozen os>": made up by Python */
        return PST_SOURCE_ABSENT;
    struct source_file *file = find_file(target, name);
    if (!file || file->status != PST_SOURCE_FOUND)
        return file ? file->status : PST_SOURCE_ABSENT;
    if (!find_lines(file, (size_t)line))
        return PST_SOURCE_ABSENT;
    size_t start = file->starts[line - 1], next;
    *text = (pst_text){ file->text + start, line_end(file, start, &next) - start };
    return PST_SOURCE_FOUND;
}
