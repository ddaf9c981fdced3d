/* pystander snapshot: a small core with just the memory that the other commands need. */
#include "cli/message.h"
#include "cli/options.h"
#include "cli/session.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPTION_ALL_CODE = OPTION_OF_COMMAND,
    OPTION_HEAP,
};

static const struct argp_option snapshot_options[] = {
    {NULL, 0, NULL, 0, "Of snapshot:", 1},
    {"all-code", OPTION_ALL_CODE, NULL, 0, "keep every code object, for code --all and export; else those that run", 0},
    {"heap", OPTION_HEAP, "LIMIT", 0,
     "keep LIMIT bytes of the objects that frames' variables lead to, the nearest first (256K); K, M and G may "
     "follow the number; 0: none", 0},
    {0},
};

struct snapshot_own {
    pst_core_options options;
};

/* A number of bytes, with K, M or G behind it. */
static uint64_t parse_size(const char *option, const char *argument)
{
    static const char suffixes[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(argument, &end, 10);
    const char *suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    if (!isdigit((unsigned char)*argument) || (*end && (!suffix || end[1])))
        usage_failure("%s needs a number of bytes, as in 500K or 4M, not '%s'", option, argument);
    if (errno || number > UINT64_MAX >> (shift + 1))
        usage_failure("%s %s is too much", option, argument);
    return (uint64_t)number << shift;
}

static error_t parse_snapshot(int key, char *argument, struct argp_state *state)
{
    struct snapshot_own *own = ((struct invocation *)state->input)->own;
    switch (key) {
    case OPTION_ALL_CODE: own->options.all_code = true; break;
    case OPTION_HEAP:
        own->options.heap_size = parse_size("--heap", argument);
        own->options.with_heap_size = true;
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void check_usage(const struct invocation *invocation)
{
    if (invocation->output_path)
        return;
    if (isatty(STDOUT_FILENO))
        usage_failure("where to? -o FILE, or a pipe as standard output");
    if (invocation->json)
        usage_failure("--json needs -o FILE: standard output is for the core");
}

static uint64_t size_of_file(const char *path)
{
    struct stat status;
    return path && stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

/* Writes the core, and closes `output` in any case. */
static bool write_core(pst_core *core, struct output *output, uint64_t *size)
{
    pst_error *error = NULL;
    if (output_open(output))
        error = pst_core_write(core, output->fd, size);
    if (error && !output->error)
        output->error = pst_error_get_errno(error) ? pst_error_get_errno(error) : EIO;
    pst_error_free(error);
    return output_finish(output, true);
}

/* The report goes to standard output, unless the core did. */
static int finish(struct session *session, const pst_core *core)
{
    bool partial = session_is_partial(session) || pst_core_get_errors(core);
    if (session->invocation->output_path && !session_print(session) && session->output.error != EPIPE)
        return EXIT_PARTIAL;
    if (!partial)
        return EXIT_COMPLETE;
    if (pst_core_get_errors(core) && !session->invocation->quiet)
        message_error(pst_core_get_errors(core), NULL);
    else
        session_summarize(session);
    return EXIT_PARTIAL;
}

static int take_and_write(struct session *session, struct output *output)
{
    const struct snapshot_own *own = session->invocation->own;
    pst_core_options options = own->options;
    pst_core *core;
    options.size = sizeof options;
    pst_error *error = pst_core_take(session->report.target, &options, &core);
    if (error) {
        output_finish(output, false);
        return session_fail(session, error);
    }
    struct report_small_core small = {
        .core = core,
        .path = session->invocation->output_path,
        .origin_size = size_of_file(session->invocation->core_path),
    };
    session->report.snapshot = pst_core_get_snapshot(core);
    session->snapshot = (pst_snapshot *)pst_core_get_snapshot(core);
    session->report.small_core = &small;
    int code = write_core(core, output, &small.size) ? finish(session, core) : EXIT_PARTIAL;
    session->snapshot = NULL; /* it is the core's */
    session->report.snapshot = NULL;
    session->report.small_core = NULL;
    pst_core_free(core);
    return code;
}

static int run_snapshot(struct invocation *invocation)
{
    check_usage(invocation);
    struct invocation printing = *invocation;
    printing.output_path = NULL;
    struct session session = {.print_json = report_snapshot_json, .print_text = report_snapshot_text};
    struct output output;
    int code = EXIT_PARTIAL;
    if (!output_prepare(&output, invocation->output_path))
        return code;
    if (session_begin(&session, &printing, &code)) {
        session.invocation = invocation;
        code = take_and_write(&session, &output);
    } else {
        output_finish(&output, false);
    }
    session_end(&session);
    return code;
}

const struct command snapshot_command = {
    .name = "snapshot",
    .summary = "a small core with just the memory that these commands need",
    .usage = "[OPTIONS] -o FILE TARGET [EXE]",
    .description =
        "Writes a core file that has of a process, or of another core, the pages that the other commands read, and\n"
        "those that frames' variables lead to; typically a hundredth of a whole core, or less. It needs no file of\n"
        "the program, so it can be sent to another machine. Every command gives on it what it gives on its origin\n"
        "(code --all and export: with --all-code), and readelf, gdb and others read it as any core.\n"
        "\n"
        "It is as confidential as the process's memory, and is readable by its owner alone. What is printed goes to\n"
        "standard output, unless that is where the core goes: without -o, into a pipe.\n",
    .options = snapshot_options,
    .parse = parse_snapshot,
    .own_size = sizeof(struct snapshot_own),
    .run = run_snapshot,
    .takes_target = true,
};
