#include "target/locks.h"

#include "target/proc_lines.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines -------------------------------------------------------------------------------------------------- */

/* The next word of it, which ends with a blank, or NULL. */
static const char *take_word(const char **at, size_t *size)
{
    *at += strspn(*at, " \t");
    const char *word = *at;
    *size = strcspn(word, " \t");
    *at += *size;
    return *size ? word : NULL;
}

static bool take_number(const char **at, int base, char behind, uint64_t *number)
{
    char *end;
    if (**at == '+' || **at == '-' || **at == ' ')
        return false;
    *number = strtoull(*at, &end, base);
    if (end == *at || *end != behind)
        return false;
    *at = end + 1;
    return true;
}

static enum lock_kind kind_of(const char *word, size_t size)
{
    static const struct {
        const char *name;
        enum lock_kind kind;
    } kinds[] = { { "FLOCK", LOCK_FLOCK }, { "POSIX", LOCK_POSIX }, { "OFDLCK", LOCK_OFD } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == size && memcmp(word, kinds[i].name, size) == 0)
            return kinds[i].kind;
    return LOCK_OTHER;
}

/* "1: POSIX  ADVISORY  WRITE 708 fd:01:2345 0 EOF"; of one that waits: "1: -> POSIX …". */
bool lock_parse(const char *line, struct lock *lock)
{
    static const char arrow[] = "->";
    uint64_t major, minor;
    size_t size;
    *lock = (struct lock){ 0 };
    line += strspn(line, " \t");
    if (!take_number(&line, 10, ':', &lock->number))
        return false;
    const char *word = take_word(&line, &size);
    lock->waits = word && size == strlen(arrow) && memcmp(word, arrow, size) == 0;
    if (lock->waits)
        word = take_word(&line, &size);
    if (!word)
        return false;
    lock->kind = kind_of(word, size);
    for (int i = 0; i < 2; i++) /* ADVISORY, WRITE */
        if (!take_word(&line, &size))
            return false;
    word = take_word(&line, &size);
    if (!word)
        return false;
    lock->pid = strtoll(word, NULL, 10);
    line += strspn(line, " ");
    if (!take_number(&line, 16, ':', &major) || !take_number(&line, 16, ':', &minor) ||
        !take_number(&line, 10, ' ', &lock->inode))
        return false;
    lock->major = (unsigned)major;
    lock->minor = (unsigned)minor;
    return true;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static bool add(struct lock_table *table, const struct lock *lock)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        struct lock *locks = realloc(table->locks, capacity * sizeof *locks);
        if (!locks)
            return false;
        table->locks = locks;
        table->capacity = capacity;
    }
    table->locks[table->count++] = *lock;
    return true;
}

int lock_table_read(struct lock_table *table)
{
    struct proc_lines lines;
    struct lock lock;
    const char *line;
    if (table->is_read)
        return 0;
    int errnum = proc_lines_open(AT_FDCWD, "/proc/locks", &lines);
    if (errnum)
        return errnum;
    table->is_read = true;
    while ((line = proc_lines_next(&lines)) != NULL)
        if (lock_parse(line, &lock) && !add(table, &lock))
            break;
    table->cut = lines.cut || line;
    proc_lines_close(&lines);
    return 0;
}

void lock_table_free(struct lock_table *table)
{
    free(table->locks);
    *table = (struct lock_table){ 0 };
}
