#include "cli/spool.h"

#include "base/transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TIME_SIZE = 16,             /* "20251126T123711Z" */
    LOCK_INTERVAL_NS = 5 * 1000 * 1000,
    BLOCK_SIZE = 512,           /* what st_blocks counts */
    MIN_ROOM = 1 << 20,         /* that is made on a full disk */
};

static const char *const extensions[] = {".txt", ".json", ".small.core", ".core"};

/* ---- names ------------------------------------------------------------------------------------------------ */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

void spool_set_stem(struct spool *spool, int64_t when, pid_t pid, const char *name)
{
    char safe[17];
    size_t size = strnlen(name, sizeof safe - 1);
    for (size_t i = 0; i < size; i++)
        safe[i] = is_name_char(name[i]) ? name[i] : '_';
    if (size == 0)
        safe[size++] = '_';
    safe[size] = '\0';
    /* "x.small" with ".core" would be "x" with ".small.core". */
    static const char small[] = ".small";
    size_t tail = sizeof small - 1;
    if (size >= tail && memcmp(safe + size - tail, small, tail) == 0)
        safe[size - tail] = '_';
    time_t seconds = (time_t)when;
    struct tm parts;
    char text[TIME_SIZE + 1] = "00000000T000000Z";
    if (gmtime_r(&seconds, &parts))
        strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
    snprintf(spool->stem, sizeof spool->stem, "%s-%d-%s", text, pid, safe);
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* The size of the stem of a name of ours; 0: it is none. */
static size_t find_stem(const char *name)
{
    if (count_digits(name) != 8 || name[8] != 'T' || count_digits(name + 9) != 6 || name[15] != 'Z' || name[16] != '-')
        return 0;
    size_t at = TIME_SIZE + 1, digits = count_digits(name + at);
    if (digits == 0 || name[at + digits] != '-')
        return 0;
    size_t size = strlen(name);
    for (size_t i = at + digits + 1; i < size; i++)
        if (!is_name_char(name[i]))
            return 0;
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        size_t tail = strlen(extensions[i]);
        if (size > at + digits + 1 + tail && strcmp(name + size - tail, extensions[i]) == 0)
            return size - tail;
    }
    return 0;
}

/* ".STEM.txt": not finished. */
static void name_hidden(const struct spool *spool, const char *extension, char name[NAME_MAX + 1])
{
    snprintf(name, NAME_MAX + 1, ".%s%s", spool->stem, extension);
}

static void name_finished(const struct spool *spool, const char *extension, char name[NAME_MAX + 1])
{
    snprintf(name, NAME_MAX + 1, "%s%s", spool->stem, extension);
}

/* ---- the folder ------------------------------------------------------------------------------------------- */

/* Makes what is missing of the path. */
static void make_folders(const char *path)
{
    char *copy = strdup(path);
    for (char *at = copy; at && *at && (at = strchr(at + 1, '/'));) {
        *at = '\0';
        mkdir(copy, 0755);
        *at = '/';
    }
    if (copy)
        mkdir(copy, 0700);
    free(copy);
}

pst_error *spool_open(struct spool *spool, const char *path)
{
    struct stat status;
    spool->path = path;
    spool->fd = -1;
    if (path[0] != '/')
        return error_new(PST_ERROR_USAGE, "the spool %s is no absolute path", path);
    make_folders(path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_system(PST_ERROR_SYSTEM, errno, "the spool %s can't be opened", path);
    if (fstat(fd, &status) < 0 || status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH)) {
        close(fd);
        return error_hint(error_new(PST_ERROR_PERMISSION, "the spool %s is not ours alone to write into", path),
                          "chown root %s; chmod 700 %s", path, path);
    }
    spool->fd = fd;
    return NULL;
}

void spool_close(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}

bool spool_lock(struct spool *spool, unsigned timeout_ms)
{
    for (int64_t left_ns = (int64_t)timeout_ms * 1000000;; left_ns -= LOCK_INTERVAL_NS) {
        if (flock(spool->fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (left_ns <= 0 || (errno != EWOULDBLOCK && errno != EINTR))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_INTERVAL_NS}, NULL);
    }
}

void spool_unlock(struct spool *spool)
{
    flock(spool->fd, LOCK_UN);
}

/* ---- what lies there -------------------------------------------------------------------------------------- */

/* A file of some crash. */
struct entry {
    char *name;
    size_t stem_size;
    uint64_t size;
};

struct listing {
    struct entry *entries;
    size_t count, capacity;
};

static bool is_same_stem(const struct entry *a, const struct entry *b)
{
    return a->stem_size == b->stem_size && memcmp(a->name, b->name, a->stem_size) == 0;
}

/* By time, then by the rest of the stem. */
static int compare_entries(const void *one, const void *other)
{
    const struct entry *a = one, *b = other;
    size_t size = a->stem_size < b->stem_size ? a->stem_size : b->stem_size;
    int order = memcmp(a->name, b->name, size);
    if (order == 0)
        order = (a->stem_size > b->stem_size) - (a->stem_size < b->stem_size);
    return order ? order : strcmp(a->name, b->name);
}

static void listing_free(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->entries[i].name);
    free(listing->entries);
}

static pst_error *listing_add(struct listing *listing, const char *name, size_t stem_size, uint64_t size)
{
    if (listing->count == SPOOL_MAX_ENTRIES)
        return error_new(PST_ERROR_LIMIT, "there are more than %d files in the spool", SPOOL_MAX_ENTRIES);
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
        struct entry *entries = realloc(listing->entries, capacity * sizeof *entries);
        if (!entries)
            return error_no_memory();
        listing->entries = entries;
        listing->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return error_no_memory();
    listing->entries[listing->count++] = (struct entry){copy, stem_size, size};
    return NULL;
}

/* Takes note of a file of ours, and removes one that was begun long ago by somebody who is no more. */
static pst_error *look_at(const struct spool *spool, const char *name, time_t now, struct listing *listing)
{
    struct stat status;
    bool is_hidden = name[0] == '.';
    size_t stem_size = find_stem(name + is_hidden);
    if (stem_size == 0 || fstatat(spool->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
        return NULL;
    if (!is_hidden)
        return listing_add(listing, name, stem_size, (uint64_t)status.st_blocks * BLOCK_SIZE);
    if (status.st_mtime < now - SPOOL_STALE_AGE)
        unlinkat(spool->fd, name, 0);
    return NULL;
}

/* All that is ours and finished, the oldest first. */
static pst_error *list(const struct spool *spool, struct listing *listing)
{
    int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return error_system(PST_ERROR_SYSTEM, errnum, "the spool %s can't be read", spool->path);
    }
    pst_error *error = NULL;
    time_t now = time(NULL);
    const struct dirent *entry;
    while (!error && (entry = readdir(folder)))
        error = look_at(spool, entry->d_name, now, listing);
    closedir(folder);
    if (listing->count)
        qsort(listing->entries, listing->count, sizeof *listing->entries, compare_entries);
    return error;
}

/* ---- limits ----------------------------------------------------------------------------------------------- */

static bool is_own(const struct spool *spool, const struct entry *entry)
{
    return strlen(spool->stem) == entry->stem_size && memcmp(spool->stem, entry->name, entry->stem_size) == 0;
}

/* How many files from `first` on are of the same crash; *size: their size. */
static size_t measure_crash(const struct listing *listing, size_t first, uint64_t *size)
{
    size_t count = 0;
    *size = 0;
    for (size_t i = first; i < listing->count && is_same_stem(&listing->entries[first], &listing->entries[i]); i++) {
        *size += listing->entries[i].size;
        count++;
    }
    return count;
}

static size_t count_crashes(const struct listing *listing)
{
    size_t crashes = 0;
    for (size_t i = 0; i < listing->count; i++)
        crashes += i == 0 || !is_same_stem(&listing->entries[i - 1], &listing->entries[i]);
    return crashes;
}

/* Removes the oldest crashes but our own until there are at most `max_count` of at most `max_size` bytes together.
 * Returns how many were removed; *freed: how many bytes that gave. */
static size_t remove_oldest(const struct spool *spool, const struct listing *listing, size_t max_count,
                            uint64_t max_size, uint64_t *freed)
{
    size_t crashes = count_crashes(listing), removed = 0;
    uint64_t total = 0;
    *freed = 0;
    for (size_t i = 0; i < listing->count; i++)
        total += listing->entries[i].size;
    for (size_t i = 0, count; i < listing->count && (crashes > max_count || total > max_size); i += count) {
        uint64_t size;
        count = measure_crash(listing, i, &size);
        if (is_own(spool, &listing->entries[i]))
            continue;
        for (size_t j = i; j < i + count; j++)
            unlinkat(spool->fd, listing->entries[j].name, 0);
        crashes--;
        total -= size;
        *freed += size;
        removed++;
    }
    return removed;
}

pst_error *spool_trim(const struct spool *spool)
{
    struct listing listing = {0};
    uint64_t freed;
    pst_error *error = list(spool, &listing);
    remove_oldest(spool, &listing, spool->max_count, spool->max_size, &freed);
    listing_free(&listing);
    return error;
}

/* false: there is none but our own. */
static bool remove_one(const struct spool *spool, uint64_t *freed)
{
    struct listing listing = {0};
    pst_error_free(list(spool, &listing));
    size_t crashes = count_crashes(&listing);
    size_t removed = crashes ? remove_oldest(spool, &listing, crashes - 1, UINT64_MAX, freed) : 0;
    listing_free(&listing);
    return removed > 0;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

int spool_create(const struct spool *spool, const char *extension)
{
    char name[NAME_MAX + 1];
    name_hidden(spool, extension, name);
    return openat(spool->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

pst_error *spool_finish(const struct spool *spool, const char *extension)
{
    char hidden[NAME_MAX + 1], finished[NAME_MAX + 1];
    name_hidden(spool, extension, hidden);
    name_finished(spool, extension, finished);
    if (renameat(spool->fd, hidden, spool->fd, finished) == 0)
        return NULL;
    pst_error *error = error_system(PST_ERROR_SYSTEM, errno, "%s/%s can't be written", spool->path, finished);
    spool_drop(spool, extension);
    return error;
}

void spool_drop(const struct spool *spool, const char *extension)
{
    char name[NAME_MAX + 1];
    name_hidden(spool, extension, name);
    unlinkat(spool->fd, name, 0);
}

/* 0 or an errno. */
static int try_to_write(const struct spool *spool, const char *extension, const uint8_t *bytes, size_t size)
{
    int fd = spool_create(spool, extension);
    if (fd < 0)
        return errno;
    int errnum;
    transfer_write(fd, bytes, size, &errnum);
    if (close(fd) < 0 && errnum == 0)
        errnum = errno;
    if (errnum)
        spool_drop(spool, extension);
    return errnum;
}

pst_error *spool_write(const struct spool *spool, const char *extension, const uint8_t *bytes, size_t size)
{
    const uint64_t enough = 2 * (uint64_t)size + MIN_ROOM;
    uint64_t room = 0, freed = 0;
    int errnum;
    do {
        errnum = try_to_write(spool, extension, bytes, size);
        room += freed;
        /* Where that much is filled by others at once, all the crashes there are would not do. */
    } while ((errnum == ENOSPC || errnum == EDQUOT) && room < enough && remove_one(spool, &freed));
    if (errnum)
        return error_system(PST_ERROR_SYSTEM, errnum, "%s/%s%s can't be written", spool->path, spool->stem, extension);
    return spool_finish(spool, extension);
}
