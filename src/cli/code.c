/* pystander code: which code objects are there, and what is in them? */
#include "cli/message.h"
#include "cli/selectors.h"
#include "cli/session.h"

#include <errno.h>

enum {
    OPTION_DIS = OPTION_AFTER_SELECTORS,
    OPTION_LINES,
    OPTION_ADAPTIVE,
};

static const struct argp_option code_options[] = {
    {NULL, 0, NULL, 0, "Which code objects (the default is --running; with --name or --file, --all):", 1},
    SELECTOR_OPTIONS(1),
    {NULL, 0, NULL, 0, "What is shown of them (one line each; with -v every field):", 2},
    {"dis", OPTION_DIS, NULL, 0, "the disassembly, as the dis module of the target's Python prints it", 2},
    {"lines", OPTION_LINES, NULL, 0, "the line table, with columns from Python 3.11 on", 2},
    {"adaptive", OPTION_ADAPTIVE, NULL, 0,
     "the bytecode as it is being executed, with what it was specialised to (3.11 and later); with --dis, its "
     "instructions", 2},
    {0},
};

struct code_own {
    struct selectors selectors;
    bool dis, lines, adaptive;
};

static error_t parse_code(int key, char *argument, struct argp_state *state)
{
    struct code_own *own = ((struct invocation *)state->input)->own;
    switch (key) {
    case OPTION_DIS: own->dis = true; break;
    case OPTION_LINES: own->lines = true; break;
    case OPTION_ADAPTIVE: own->adaptive = true; break;
    default: return selectors_parse(&own->selectors, key, argument);
    }
    return 0;
}

static pst_error *open_search(struct session *session, struct report_code *of_code)
{
    const struct invocation *invocation = session->invocation;
    const struct code_own *own = invocation->own;
    bool is_list = !invocation->json && !invocation->verbose && !own->dis && !own->lines && !own->adaptive;
    pst_code_options options = {
        .size = sizeof options,
        .head_only = is_list,
        .with_instructions = own->dis,
    };
    selectors_fill(&own->selectors, PST_CODE_RUNNING, &options);
    of_code->which = options.which;
    return pst_code_search_open(session->report.target, session->snapshot, &options, &of_code->search);
}

/* Threads count where code objects were looked for on their stacks. */
static bool is_partial(const struct session *session, const struct report_code *of_code)
{
    return of_code->failed_count || of_code->failure || pst_code_search_get_errors(of_code->search) ||
           pst_snapshot_get_errors(session->snapshot) || pst_target_get_errors(session->report.target) ||
           (of_code->which == PST_CODE_RUNNING && pst_snapshot_is_partial(session->snapshot));
}

static void summarize(const struct session *session, const struct report_code *of_code)
{
    if (session->invocation->quiet)
        return;
    if (of_code->failed_count)
        message("partial: %zu of %zu code object%s could not be read fully", of_code->failed_count, of_code->count,
                of_code->count == 1 ? "" : "s");
    else
        message("partial: not everything could be read; the report says what");
}

static int print(struct session *session, const struct report_code *of_code)
{
    if (!session_print(session) && session->output.error != EPIPE)
        return EXIT_PARTIAL;
    if (session->output.error || !is_partial(session, of_code))
        return EXIT_COMPLETE;
    /* None of those that were asked for, as with threads that are not there. */
    if (of_code->which == PST_CODE_AT && !of_code->count) {
        message("there is no code object at that address");
        return EXIT_NOTHING;
    }
    summarize(session, of_code);
    return EXIT_PARTIAL;
}

static int run_code(struct invocation *invocation)
{
    struct code_own *own = invocation->own;
    const pst_snapshot_options options = {.size = sizeof options};
    struct report_code of_code = {.instructions = own->dis, .lines = own->lines};
    struct session session = {
        .print_json = report_code_json,
        .print_text = report_code_text,
        .report = {.code = &of_code, .adaptive = own->adaptive},
    };
    int code;
    if (session_begin(&session, invocation, &code) && session_take_snapshot(&session, &options, &code)) {
        pst_error *error = open_search(&session, &of_code);
        code = error ? session_fail(&session, error) : print(&session, &of_code);
    }
    pst_code_search_close(of_code.search);
    pst_error_free(of_code.failure);
    session_end(&session);
    selectors_free(&own->selectors);
    return code;
}

const struct command code_command = {
    .name = "code",
    .summary = "which code objects are there, and what is in them?",
    .usage = "[OPTIONS] TARGET [EXE]",
    .description =
        "Shows code objects of a process or core file: those that are being run, suspended generators and\n"
        "coroutines included, or all that are in memory. A process is stopped only while its stacks are read.\n"
        "\n"
        "That there is none is no error: the exit code is 0, and the list is empty. It is 2 if there is none\n"
        "at any of the addresses that were asked for.\n",
    .options = code_options,
    .parse = parse_code,
    .own_size = sizeof(struct code_own),
    .run = run_code,
    .takes_target = true,
};
