/* pystander stack: what is every Python thread doing? */
#include "cli/message.h"
#include "cli/options.h"
#include "cli/session.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OPTION_MAX_FRAMES = OPTION_OF_COMMAND,
    OPTION_NO_SOURCE,
    OPTION_VALUE_DEPTH,
    OPTION_VALUE_ITEMS,
    OPTION_VALUE_CHARS,
};

static const struct argp_option stack_options[] = {
    {NULL, 0, NULL, 0, "Of stack:", 1},
    {"thread", 't', "TID", 0, "only the thread with this system id; may be given more than once", 0},
    {"max-frames", OPTION_MAX_FRAMES, "N", 0,
     "only the N innermost frames of each thread; text then shows all N (otherwise it folds deep stacks, and "
     "shows the outermost 20 and the innermost 50 lines)", 0},
    {"no-source", OPTION_NO_SOURCE, NULL, 0, "do not read source files", 0},
    {"locals", 'l', NULL, 0, "the arguments and variables of each frame, as repr() shows them", 0},
    {"value-depth", OPTION_VALUE_DEPTH, "N", 0,
     "of a value, the items of N containers in each other (4; 0, as with the next two: no bound, but 1,572,864 "
     "objects are the most)", 0},
    {"value-items", OPTION_VALUE_ITEMS, "N", 0, "of each container, N items (10)", 0},
    {"value-chars", OPTION_VALUE_CHARS, "N", 0, "of a whole value, N characters (300)", 0},
    /* Scripts may count on it some day; until then it is refused rather than ignored. */
    {"native", 'n', NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

struct stack_own {
    pid_t *tids;
    size_t tid_count;
    size_t max_frames;
    bool no_source, locals;
    size_t value_depth, value_items, value_chars; /* as in pst_snapshot_options */
};

static void add_tid(struct stack_own *own, const char *argument)
{
    pid_t *tids = realloc(own->tids, (own->tid_count + 1) * sizeof *tids);
    if (!tids)
        usage_failure("-t was given too often: out of memory");
    own->tids = tids;
    own->tids[own->tid_count++] = (pid_t)parse_number("-t", argument, 1, INT_MAX);
}

/* Where 0 is none. */
static size_t parse_bound(const char *option, const char *argument)
{
    size_t bound = parse_number(option, argument, 0, SIZE_MAX / 2);
    return bound ? bound : PST_UNBOUNDED;
}

static error_t parse_stack(int key, char *argument, struct argp_state *state)
{
    struct stack_own *own = ((struct invocation *)state->input)->own;
    switch (key) {
    case 't': add_tid(own, argument); break;
    case OPTION_MAX_FRAMES: own->max_frames = parse_number("--max-frames", argument, 1, SIZE_MAX / 2); break;
    case OPTION_NO_SOURCE: own->no_source = true; break;
    case 'l': own->locals = true; break;
    case OPTION_VALUE_DEPTH: own->value_depth = parse_bound("--value-depth", argument); break;
    case OPTION_VALUE_ITEMS: own->value_items = parse_bound("--value-items", argument); break;
    case OPTION_VALUE_CHARS: own->value_chars = parse_bound("--value-chars", argument); break;
    case 'n': usage_failure("-n/--native is not in this version");
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static bool has_thread(const pst_snapshot *snapshot, pid_t tid)
{
    size_t count = pst_snapshot_get_thread_count(snapshot);
    for (size_t i = 0; i < count; i++)
        if (pst_thread_get_tid(pst_snapshot_get_thread(snapshot, i)) == tid)
            return true;
    return false;
}

/* Threads that were asked for but are not there become problems of the report. false: out of memory. */
static bool note_missing_threads(struct session *session, struct report_problem **problems)
{
    const struct stack_own *own = session->invocation->own;
    struct report *report = &session->report;
    for (size_t i = 0; i < own->tid_count; i++) {
        if (has_thread(session->snapshot, own->tids[i]))
            continue;
        struct report_problem *more = realloc(*problems, (report->problem_count + 1) * sizeof *more);
        char *where = NULL;
        if (more)
            *problems = more;
        if (!more || asprintf(&where, "thread %d", (int)own->tids[i]) < 0)
            return false;
        more[report->problem_count++] = (struct report_problem){
            .code = PST_ERROR_OPEN, .where = where, .message = "the target has no such thread"};
    }
    report->problems = *problems;
    return true;
}

/* Prints what was read, and says how it went. */
static int print_snapshot(struct session *session, struct report_problem **problems)
{
    const struct stack_own *own = session->invocation->own;
    if (!note_missing_threads(session, problems))
        return session_fail_memory(session);
    size_t missing_count = session->report.problem_count;
    if (!missing_count)
        return session_finish(session);
    if (!session_print(session) && session->output.error != EPIPE)
        return EXIT_PARTIAL;
    if (missing_count == own->tid_count) {
        message("the target has no such thread");
        return EXIT_NOTHING;
    }
    session_summarize(session);
    return EXIT_PARTIAL;
}

static int run_stack(struct invocation *invocation)
{
    const struct stack_own *own = invocation->own;
    const pst_snapshot_options options = {
        .size = sizeof options,
        .max_frames = own->max_frames,
        .tids = own->tids,
        .tid_count = own->tid_count,
        .with_locals = own->locals,
        .value_depth = own->value_depth,
        .value_items = own->value_items,
        .value_chars = own->value_chars,
    };
    struct session session = {
        .print_json = report_stack_json,
        .print_text = report_stack_text,
        .report = {.with_source = !own->no_source, .with_locals = own->locals, .max_frames = own->max_frames},
    };
    struct report_problem *problems = NULL;
    int code;
    if (session_begin(&session, invocation, &code) && session_take_snapshot(&session, &options, &code))
        code = print_snapshot(&session, &problems);
    for (size_t i = 0; problems && i < session.report.problem_count; i++)
        free((char *)problems[i].where);
    free(problems);
    session_end(&session);
    free(own->tids);
    return code;
}

const struct command stack_command = {
    .name = "stack",
    .summary = "what is every Python thread doing?",
    .usage = "[OPTIONS] TARGET [EXE]",
    .description =
        "Shows what every Python thread of a process, or of the core file of one, is doing: its stack, the\n"
        "most recent call last, as in Python's own tracebacks.\n"
        "\n"
        "TARGET is a process id, the path of a core file, or - for a core on standard input; EXE is a core's\n"
        "executable, where it can't be found from the core itself. A process is stopped for well under a\n"
        "millisecond, while its memory is read; nothing in it is ever run, written or changed.\n",
    .options = stack_options,
    .parse = parse_stack,
    .own_size = sizeof(struct stack_own),
    .run = run_stack,
    .takes_target = true,
};
