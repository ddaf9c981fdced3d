/* What `handle` was asked for: on its command line, of which the kernel takes 127 bytes, and in a file. */
#include "cli/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CONFIG_SIZE = 64 << 10 };

static const char usual_config[] = "/etc/pystander/handle.conf";

enum kind { KIND_PATH, KIND_FLAG, KIND_COUNT, KIND_SIZE };

static const struct {
    const char *name;
    enum kind kind;
    uint64_t least, most, usual;
} options[HANDLE_OPTION_COUNT] = {
    [HANDLE_SPOOL] = {"spool", KIND_PATH, 0, 0, 0},
    [HANDLE_MAX_SIZE] = {"max-size", KIND_SIZE, 0, UINT64_MAX / 2, 256 << 20},
    [HANDLE_MAX_COUNT] = {"max-count", KIND_COUNT, 1, SPOOL_MAX_ENTRIES / 4, 1000},
    [HANDLE_MAX_REPORT] = {"max-report", KIND_SIZE, 4096, 1 << 30, 16 << 20},
    [HANDLE_MAX_FRAMES] = {"max-frames", KIND_COUNT, 1, 1 << 24, 10000},
    [HANDLE_MAX_CORE] = {"max-core", KIND_SIZE, 0, UINT64_MAX / 2, 128 << 20},
    [HANDLE_DEADLINE] = {"deadline", KIND_COUNT, 1, 600, 20},
    [HANDLE_PROGRAM_DEADLINE] = {"program-deadline", KIND_COUNT, 1, 3600, 300},
    [HANDLE_SNAPSHOT] = {"snapshot", KIND_FLAG, 0, 1, 0},
    [HANDLE_KEEP_CORE] = {"keep-core", KIND_FLAG, 0, 1, 0},
};

const char *handle_option_get_name(enum handle_option option)
{
    return option < HANDLE_OPTION_COUNT ? options[option].name : NULL;
}

/* Digits, and for a size K, M, G or T behind them. */
static bool parse_number(const char *text, bool is_size, uint64_t *number)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno)
        return false;
    static const char suffixes[] = "KMGT";
    const char *suffix = is_size && *end ? strchr(suffixes, *end) : NULL;
    if (!suffix)
        return !*end;
    return !end[1] && !__builtin_mul_overflow(*number, UINT64_C(1) << 10 * (suffix - suffixes + 1), number);
}

pst_error *handle_settings_set(struct handle_settings *settings, enum handle_option option, const char *argument)
{
    const char *name = options[option].name;
    uint64_t number = 1;
    switch (options[option].kind) {
    case KIND_PATH:
        if (!argument || argument[0] != '/')
            return error_new(PST_ERROR_USAGE, "%s needs an absolute path", name);
        settings->spool = argument;
        break;
    case KIND_FLAG:
        if (argument)
            return error_new(PST_ERROR_USAGE, "%s takes no argument", name);
        break;
    case KIND_COUNT:
    case KIND_SIZE:
        if (!argument || !parse_number(argument, options[option].kind == KIND_SIZE, &number) ||
            number < options[option].least || number > options[option].most)
            return error_new(PST_ERROR_USAGE, "%s needs a number from %llu to %llu%s, not '%s'", name,
                             (unsigned long long)options[option].least, (unsigned long long)options[option].most,
                             options[option].kind == KIND_SIZE ? " (K, M, G or T may stand behind it)" : "",
                             argument ? argument : "");
        break;
    }
    settings->numbers[option] = number;
    settings->given[option] = true;
    return NULL;
}

/* ---- the file --------------------------------------------------------------------------------------------- */

/* NULL: there is none, or it is not to be trusted, which is logged. */
static char *read_config(const char *path, bool must_be_there)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (must_be_there || errno != ENOENT)
            handle_log("%s can't be opened: %s: it is passed over", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        status.st_mode & (S_IWGRP | S_IWOTH)) {
        handle_log("%s is not a file that its owner, root, alone can write: it is passed over", path);
    } else if (status.st_size > MAX_CONFIG_SIZE) {
        handle_log("%s is larger than %d bytes: it is passed over", path, MAX_CONFIG_SIZE);
    } else if ((text = calloc(1, MAX_CONFIG_SIZE + 1)) && read(fd, text, MAX_CONFIG_SIZE) < 0) {
        handle_log("%s can't be read: %s: it is passed over", path, strerror(errno));
        free(text);
        text = NULL;
    }
    close(fd);
    return text;
}

static char *trim(char *text)
{
    static const char blanks[] = " \t\r";
    text += strspn(text, blanks);
    size_t size = strlen(text);
    while (size && strchr(blanks, text[size - 1]))
        text[--size] = '\0';
    return text;
}

/* "name", "name = value", or nothing; # begins a comment. The command line's word comes first. */
static pst_error *take_line(struct handle_settings *settings, const bool *from_command_line, char *line)
{
    line = trim(line);
    if (!*line || *line == '#')
        return NULL;
    char *value = strchr(line, '=');
    if (value) {
        *value = '\0';
        value = trim(value + 1);
    }
    line = trim(line);
    for (int i = 0; i < HANDLE_OPTION_COUNT; i++)
        if (strcmp(line, options[i].name) == 0)
            return from_command_line[i] ? NULL : handle_settings_set(settings, (enum handle_option)i, value);
    return error_new(PST_ERROR_USAGE, "there is no option '%s'", line);
}

void handle_settings_fill(struct handle_settings *settings)
{
    bool from_command_line[HANDLE_OPTION_COUNT];
    const char *path = settings->config ? settings->config : usual_config;
    memcpy(from_command_line, settings->given, sizeof from_command_line);
    settings->config_text = read_config(path, settings->config);
    int number = 1;
    for (char *line = settings->config_text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        pst_error *error = take_line(settings, from_command_line, line);
        if (error)
            handle_log("%s, line %d: %s: it is passed over", path, number, pst_error_get_message(error));
        pst_error_free(error);
    }
    for (int i = 0; i < HANDLE_OPTION_COUNT; i++)
        if (!settings->given[i])
            settings->numbers[i] = options[i].usual;
    if (!settings->spool)
        settings->spool = "/var/lib/pystander/crashes";
}
