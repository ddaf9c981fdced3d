#include "cli/options.h"

#include "cli/message.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct argp_option global_options[] = {
    {NULL, 0, NULL, 0, "What is written, for every command:", 10},
    {"json", OPTION_JSON, NULL, 0, "write JSON instead of text", 0},
    {"output", 'o', "FILE", 0,
     "write to FILE instead of standard output; FILE appears when it is complete, readable by its owner "
     "alone", 0},
    {"color", OPTION_COLOR, "WHEN", 0,
     "colours: auto (the default: on a terminal, unless NO_COLOR is set or TERM is dumb), always, never", 0},
    {"verbose", 'v', NULL, 0, "show more: addresses, columns, where the layout came from", 0},
    {"quiet", 'q', NULL, 0, "no summary of errors and no line of progress on standard error", 0},

    {NULL, 0, NULL, 0, "The target:", 11},
    {"pid", OPTION_PID, "N", 0, "the target is process N", 0},
    {"core", OPTION_CORE, "FILE", 0, "the target is the core FILE, whatever its name", 0},
    {"exe", OPTION_EXE, "FILE", 0, "the executable of a core, where the core does not lead to it", 0},
    {"sysroot", OPTION_SYSROOT, "DIR", 0, "find a core's files below DIR instead of /", 0},
    {"debug-dir", OPTION_DEBUG_DIR, "DIR", 0, "find separate debug information in DIR too", 0},
    {"layout", OPTION_LAYOUT, "FILE", 0, "take struct offsets from FILE, a layout file", 0},
    {"assume-version", OPTION_ASSUME_VERSION, "X.Y", 0, "take Python X.Y's layout whatever the target says", 0},
    {"no-pause", OPTION_NO_PAUSE, NULL, 0, "never stop a live target: read it as it runs", 0},
    {"pause-timeout", OPTION_PAUSE_TIMEOUT, "MS", 0,
     "wait at most MS milliseconds for a thread to stop (1000); it is then read as it runs", 0},

    {NULL, 0, NULL, 0, "About this program:", 12},
    {"help", OPTION_HELP, NULL, 0, "show this help (after a COMMAND: of that command)", 0},
    {"version", OPTION_VERSION, NULL, 0, "show the version", 0},
    {0},
};

unsigned long parse_number(const char *option, const char *argument, unsigned long least, unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(argument, &end, 10);
    if (!isdigit((unsigned char)*argument) || *end)
        usage_failure("%s needs a number, not '%s'", option, argument);
    if (errno || number < least || number > most)
        usage_failure("%s needs a number from %lu to %lu, not %s", option, least, most, argument);
    return number;
}

static enum color_choice parse_color(const char *argument)
{
    if (!strcmp(argument, "auto"))
        return COLOR_AUTO;
    if (!strcmp(argument, "always"))
        return COLOR_ALWAYS;
    if (!strcmp(argument, "never"))
        return COLOR_NEVER;
    usage_failure("--color is auto, always or never, not '%s'", argument);
}

static const char *parse_version(const char *argument)
{
    const char *c = argument;
    while (isdigit((unsigned char)*c))
        c++;
    bool valid = c > argument && *c == '.' && isdigit((unsigned char)c[1]);
    for (c += valid; isdigit((unsigned char)*c);)
        c++;
    if (!valid || *c)
        usage_failure("--assume-version needs a version as in 3.12, not '%s'", argument);
    return argument;
}

static void set_target(struct invocation *invocation, pst_target_kind kind)
{
    if (invocation->has_target)
        usage_failure("one target at a time: --pid and --core name two");
    invocation->has_target = true;
    invocation->kind = kind;
}

static const char *not_empty(const char *option, const char *argument)
{
    if (!*argument)
        usage_failure("%s needs a path, not an empty one", option);
    return argument;
}

/* Standard output by a name: opened as a file, it would be written from its beginning. */
static const char *parse_output(const char *argument)
{
    if (!strcmp(argument, "-") || !strcmp(argument, "/dev/stdout"))
        return NULL;
    return not_empty("-o", argument);
}

static error_t parse_global(int key, char *argument, struct argp_state *state)
{
    struct invocation *invocation = state->input;
    pst_target_options *options = &invocation->target_options;
    switch (key) {
    case OPTION_JSON: invocation->json = true; break;
    case 'o': invocation->output_path = parse_output(argument); break;
    case OPTION_COLOR: invocation->color = parse_color(argument); break;
    case 'v': invocation->verbose = true; break;
    case 'q': invocation->quiet = true; break;
    case OPTION_HELP: invocation->help = true; break;
    case OPTION_VERSION: invocation->version = true; break;
    case OPTION_SYSROOT: options->sysroot = not_empty("--sysroot", argument); break;
    case OPTION_EXE: options->executable = not_empty("--exe", argument); break;
    case OPTION_DEBUG_DIR: options->debug_dir = not_empty("--debug-dir", argument); break;
    case OPTION_LAYOUT: options->layout_file = not_empty("--layout", argument); break;
    case OPTION_ASSUME_VERSION: options->assume_version = parse_version(argument); break;
    case OPTION_NO_PAUSE: options->no_pause = true; break;
    case OPTION_PAUSE_TIMEOUT:
        options->pause_timeout_ms = (unsigned)parse_number("--pause-timeout", argument, 1, UINT_MAX / 2);
        break;
    case OPTION_PID:
        set_target(invocation, PST_TARGET_PROCESS);
        invocation->pid = (pid_t)parse_number("--pid", argument, 1, INT_MAX);
        break;
    case OPTION_CORE:
        set_target(invocation, PST_TARGET_CORE);
        invocation->core_path = not_empty("--core", argument);
        break;
    case ARGP_KEY_ARG:
        invocation->operands[invocation->operand_count++] = argument;
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

const struct argp global_argp = {.options = global_options, .parser = parse_global};
