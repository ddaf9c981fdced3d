#include "cli/scan.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX 40

static bool is_end(const struct argp_option *option)
{
    return !option->name && !option->key && !option->doc;
}

static const struct argp_option *find_long(const struct scan *scan, const char *name, size_t size)
{
    for (size_t i = 0; i < SCAN_TABLES_MAX && scan->tables[i]; i++)
        for (const struct argp_option *option = scan->tables[i]; !is_end(option); option++)
            if (option->name && strlen(option->name) == size && !memcmp(option->name, name, size))
                return option;
    return NULL;
}

static const struct argp_option *find_short(const struct scan *scan, char letter)
{
    for (size_t i = 0; i < SCAN_TABLES_MAX && scan->tables[i]; i++)
        for (const struct argp_option *option = scan->tables[i]; !is_end(option); option++)
            if (option->key == letter)
                return option;
    return NULL;
}

static enum scan_kind take_argument(struct scan *scan)
{
    if (scan->next >= scan->argc)
        return SCAN_ARGUMENT_MISSING;
    scan->next++;
    return SCAN_OPTION;
}

static enum scan_kind step_long(struct scan *scan, const char *name)
{
    size_t size = strcspn(name, "=");
    const struct argp_option *option = find_long(scan, name, size);
    if (!option)
        return SCAN_UNKNOWN;
    if (!option->arg)
        return name[size] ? SCAN_ARGUMENT_TOO_MANY : SCAN_OPTION;
    return name[size] ? SCAN_OPTION : take_argument(scan);
}

/* -vqo FILE, -t12 */
static enum scan_kind step_short(struct scan *scan, const char *letters)
{
    for (; *letters; letters++) {
        scan->letter = *letters;
        const struct argp_option *option = find_short(scan, *letters);
        if (!option)
            return SCAN_UNKNOWN;
        if (option->arg)
            return letters[1] ? SCAN_OPTION : take_argument(scan);
    }
    return SCAN_OPTION;
}

enum scan_kind scan_step(struct scan *scan)
{
    if (scan->next >= scan->argc)
        return SCAN_END;
    scan->index = scan->next++;
    scan->letter = 0;
    const char *word = scan->argv[scan->index];
    if (scan->only_operands || word[0] != '-' || !word[1])
        return SCAN_OPERAND;
    if (word[1] != '-')
        return step_short(scan, word + 1);
    if (word[2])
        return step_long(scan, word + 2);
    scan->only_operands = true;
    return scan_step(scan);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned scan_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > WORD_MAX || b_size > WORD_MAX)
        return 3;
    unsigned row[WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned above = row[j];
            row[j] = least(least(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return least(row[b_size], 3);
}

const char *scan_guess_option(const struct scan *scan, const char *word)
{
    char name[WORD_MAX + 1];
    size_t size = strcspn(word, "=");
    if (size < 2 || size > WORD_MAX)
        return NULL;
    memcpy(name, word, size);
    name[size] = '\0';
    const char *guess = NULL;
    unsigned guess_distance = 3;
    for (size_t i = 0; i < SCAN_TABLES_MAX && scan->tables[i]; i++)
        for (const struct argp_option *option = scan->tables[i]; !is_end(option); option++) {
            if (!option->name || option->flags & OPTION_HIDDEN)
                continue;
            unsigned distance = strncmp(option->name, name, size) ? scan_distance(option->name, name) : 1;
            if (distance < guess_distance) {
                guess = option->name;
                guess_distance = distance;
            }
        }
    return guess;
}
