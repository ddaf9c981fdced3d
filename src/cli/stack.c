/* pystander stack: what is every Python thread doing? */
#include "cli/command.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "report/report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPTION_MAX_FRAMES = OPTION_OF_COMMAND,
    OPTION_NO_SOURCE,
    OPTION_VALUE,
};

static const struct argp_option stack_options[] = {
    {NULL, 0, NULL, 0, "Of stack:", 1},
    {"thread", 't', "TID", 0, "only the thread with this system id; may be given more than once", 0},
    {"max-frames", OPTION_MAX_FRAMES, "N", 0,
     "only the N innermost frames of each thread; text then shows all N (otherwise it folds deep stacks, and "
     "shows the outermost 20 and the innermost 50 lines)", 0},
    {"no-source", OPTION_NO_SOURCE, NULL, 0, "do not read source files", 0},
    /* Scripts may count on these some day; until then they are refused rather than ignored. */
    {"locals", 'l', NULL, OPTION_HIDDEN, NULL, 0},
    {"native", 'n', NULL, OPTION_HIDDEN, NULL, 0},
    {"value-depth", OPTION_VALUE, "N", OPTION_HIDDEN, NULL, 0},
    {"value-items", OPTION_VALUE, "N", OPTION_HIDDEN, NULL, 0},
    {"value-chars", OPTION_VALUE, "N", OPTION_HIDDEN, NULL, 0},
    {0},
};

struct stack_own {
    pid_t *tids;
    size_t tid_count;
    size_t max_frames;
    bool no_source;
};

static void add_tid(struct stack_own *own, const char *argument)
{
    pid_t *tids = realloc(own->tids, (own->tid_count + 1) * sizeof *tids);
    if (!tids)
        usage_failure("-t was given too often: out of memory");
    own->tids = tids;
    own->tids[own->tid_count++] = (pid_t)parse_number("-t", argument, 1, INT_MAX);
}

static error_t parse_stack(int key, char *argument, struct argp_state *state)
{
    struct stack_own *own = ((struct invocation *)state->input)->own;
    switch (key) {
    case 't': add_tid(own, argument); break;
    case OPTION_MAX_FRAMES: own->max_frames = parse_number("--max-frames", argument, 1, SIZE_MAX / 2); break;
    case OPTION_NO_SOURCE: own->no_source = true; break;
    case 'l': usage_failure("-l/--locals is not in this version");
    case 'n': usage_failure("-n/--native is not in this version");
    case OPTION_VALUE: usage_failure("--value-depth, --value-items and --value-chars are not in this version");
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* One run of the command. */
struct run {
    const struct invocation *invocation;
    const struct stack_own *own;
    struct output output;
    struct report report;
    struct report_problem *problems;
    pst_snapshot *snapshot;
};

static pst_error *open_target(struct run *run)
{
    const struct invocation *invocation = run->invocation;
    if (invocation->kind == PST_TARGET_PROCESS)
        return pst_target_open_process(invocation->pid, &invocation->target_options, &run->report.target);
    return pst_target_open_core(invocation->core_path, &invocation->target_options, &run->report.target);
}

static pst_error *take_snapshot(struct run *run)
{
    const pst_snapshot_options options = {
        .size = sizeof options,
        .max_frames = run->own->max_frames,
        .tids = run->own->tids,
        .tid_count = run->own->tid_count,
    };
    pst_error *error = pst_snapshot_take(run->report.target, &options, &run->snapshot);
    if (!error)
        run->report.snapshot = run->snapshot;
    return error;
}

static bool wants_colour(const struct invocation *invocation, size_t width)
{
    if (invocation->color != COLOR_AUTO)
        return invocation->color == COLOR_ALWAYS;
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return width && !(no_color && *no_color) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

/* false: it could not be written, and that has been said. */
static bool print_report(struct run *run)
{
    struct report *report = &run->report;
    struct report_sink sink = {.write = output_write, .context = &run->output};
    if (run->invocation->json) {
        report_stack_json(report, &sink);
    } else {
        report->width = output_get_width(&run->output);
        report->colour = wants_colour(run->invocation, report->width);
        report_stack_text(report, &sink);
    }
    bool complete = report_finish(&sink);
    if (!complete && !run->output.error)
        message("the report is not complete: out of memory");
    return output_finish(&run->output, complete);
}

/* A file called 1234 may have been meant rather than a process. NULL: no; else the caller's to free. */
static char *make_hint(const struct invocation *invocation, pst_error_code code)
{
    if (code != PST_ERROR_OPEN || !invocation->pid_was_guessed)
        return NULL;
    char *hint = NULL;
    const char *name = invocation->operands[0];
    if (access(name, F_OK) < 0 ||
        asprintf(&hint, "there is a file '%s'; for a core use --core %s", name, name) < 0)
        return NULL;
    return hint;
}

/* Nothing could be read at all: says why, in JSON too. Takes `error` over. */
static int fail(struct run *run, pst_error *error)
{
    pst_error_code code = pst_error_get_code(error);
    char *added_hint = make_hint(run->invocation, code);
    message_error(error, added_hint);
    if (run->invocation->json) {
        const char *own_hint = pst_error_get_hint(error);
        struct report_problem problem = {
            .code = code,
            .address = pst_error_get_address(error),
            .where = pst_error_get_where(error),
            .message = pst_error_get_message(error),
            .hint = own_hint ? own_hint : added_hint,
        };
        run->report.problems = &problem;
        run->report.problem_count = 1;
        print_report(run);
    } else {
        output_finish(&run->output, true);
    }
    pst_error_free(error);
    free(added_hint);
    return exit_code_of(code);
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
static bool note_missing_threads(struct run *run)
{
    const struct stack_own *own = run->own;
    for (size_t i = 0; i < own->tid_count; i++) {
        if (has_thread(run->snapshot, own->tids[i]))
            continue;
        struct report_problem *problems =
            realloc(run->problems, (run->report.problem_count + 1) * sizeof *problems);
        char *where = NULL;
        if (problems)
            run->problems = problems;
        if (!problems || asprintf(&where, "thread %d", (int)own->tids[i]) < 0)
            return false;
        problems[run->report.problem_count++] = (struct report_problem){
            .code = PST_ERROR_OPEN, .where = where, .message = "the target has no such thread"};
    }
    run->report.problems = run->problems;
    return true;
}

static void free_problems(struct run *run)
{
    for (size_t i = 0; run->problems && i < run->report.problem_count; i++)
        free((char *)run->problems[i].where);
    free(run->problems);
}

static void summarize_errors(const struct run *run, size_t failed_count)
{
    size_t thread_count = pst_snapshot_get_thread_count(run->snapshot);
    if (run->invocation->quiet)
        return;
    if (failed_count)
        message("partial: %zu of %zu thread%s could not be read fully", failed_count, thread_count,
                thread_count == 1 ? "" : "s");
    else
        message("partial: not everything could be read; the report says what");
}

/* Prints what was read, and says how it went. */
static int print_snapshot(struct run *run)
{
    if (!note_missing_threads(run)) {
        message("out of memory");
        output_finish(&run->output, true);
        return EXIT_OPEN;
    }
    /* What is wrong with the target itself (a truncated core, a library of another build) counts too: whoever reads
     * the exit code alone must learn of it. */
    bool partial = pst_snapshot_is_partial(run->snapshot) || pst_target_get_errors(run->report.target);
    size_t failed_count = partial ? report_count_failed_threads(run->snapshot) : 0;
    if (!print_report(run) && run->output.error != EPIPE)
        return EXIT_PARTIAL;
    size_t missing_count = run->report.problem_count;
    if (missing_count && missing_count == run->own->tid_count) {
        message("the target has no such thread");
        return EXIT_NOTHING;
    }
    if (!partial && !missing_count)
        return EXIT_COMPLETE;
    summarize_errors(run, failed_count);
    return EXIT_PARTIAL;
}

/* Without a target: a number that no process can have. */
static int fail_impossible_pid(struct run *run)
{
    char *hint = make_hint(run->invocation, PST_ERROR_OPEN);
    struct report_problem problem = {
        .code = PST_ERROR_OPEN,
        .message = "no process has this number as its id",
        .where = run->invocation->impossible_pid,
        .hint = hint,
    };
    message("%s: %s%s%s", problem.where, problem.message, hint ? "; " : "", hint ? hint : "");
    run->report.problems = &problem;
    run->report.problem_count = 1;
    if (run->invocation->json)
        print_report(run);
    else
        output_finish(&run->output, true);
    free(hint);
    return EXIT_OPEN;
}

static int run_stack(struct invocation *invocation)
{
    const struct stack_own *own = invocation->own;
    struct run run = {
        .invocation = invocation,
        .own = own,
        .report = {
            .kind = invocation->kind,
            .pid = invocation->pid,
            .path = invocation->core_path,
            .with_source = !own->no_source,
            .verbose = invocation->verbose,
            .max_frames = own->max_frames,
        },
    };
    if (!output_prepare(&run.output, invocation->output_path))
        return EXIT_PARTIAL;
    if (invocation->impossible_pid)
        return fail_impossible_pid(&run);
    int code;
    pst_error *error = open_target(&run);
    if (!error)
        error = take_snapshot(&run);
    if (error) {
        code = fail(&run, error);
    } else {
        code = print_snapshot(&run);
        free_problems(&run);
    }
    if (run.snapshot)
        pst_snapshot_free(run.snapshot);
    if (run.report.target)
        pst_target_close(run.report.target);
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
        "TARGET is a process id or the path of a core file; EXE is a core's executable, where it can't be\n"
        "found from the core itself. A process is stopped for well under a millisecond, while its memory is\n"
        "read; nothing in it is ever run, written or changed.\n",
    .options = stack_options,
    .parse = parse_stack,
    .own_size = sizeof(struct stack_own),
    .run = run_stack,
    .takes_target = true,
};
