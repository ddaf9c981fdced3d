#include "cli/session.h"

#include "cli/message.h"
#include "cli/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the report ------------------------------------------------------------------------------------------- */

static bool wants_colour(const struct invocation *invocation, size_t width)
{
    if (invocation->color != COLOR_AUTO)
        return invocation->color == COLOR_ALWAYS;
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return width && !(no_color && *no_color) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

bool session_print(struct session *session)
{
    struct report *report = &session->report;
    struct report_sink sink = {.write = output_write, .context = &session->output};
    if (session->invocation->json) {
        session->print_json(report, &sink);
    } else {
        report->width = output_get_width(&session->output);
        report->colour = wants_colour(session->invocation, report->width);
        session->print_text(report, &sink);
    }
    bool complete = report_finish(&sink);
    if (!complete && !session->output.error)
        message("the report is not complete: out of memory");
    return output_finish(&session->output, complete);
}

/* A report of the problem alone, if there is to be one. */
static void print_problem(struct session *session, const struct report_problem *problem)
{
    if (!session->invocation->json) {
        output_finish(&session->output, true);
        return;
    }
    session->report.problems = problem;
    session->report.problem_count = 1;
    session_print(session);
    session->report.problems = NULL;
    session->report.problem_count = 0;
}

/* ---- failures --------------------------------------------------------------------------------------------- */

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

/* A truncated core, a file of another build. */
static void print_target_errors(const struct session *session)
{
    const pst_error *error = session->report.target ? pst_target_get_errors(session->report.target) : NULL;
    for (; error; error = pst_error_get_next(error))
        message_error(error, NULL);
}

int session_fail(struct session *session, pst_error *error)
{
    pst_error_code code = pst_error_get_code(error);
    char *added_hint = make_hint(session->invocation, code);
    const char *own_hint = pst_error_get_hint(error);
    /* What the target lacks may be why: first that, then what came of it. */
    print_target_errors(session);
    message_error(error, added_hint);
    print_problem(session, &(struct report_problem){
                               .code = code,
                               .address = pst_error_get_address(error),
                               .where = pst_error_get_where(error),
                               .message = pst_error_get_message(error),
                               .hint = own_hint ? own_hint : added_hint,
                           });
    pst_error_free(error);
    free(added_hint);
    return exit_code_of(code);
}

/* Without a target: a number that no process can have. */
static int fail_impossible_pid(struct session *session)
{
    char *hint = make_hint(session->invocation, PST_ERROR_OPEN);
    const struct report_problem problem = {
        .code = PST_ERROR_OPEN,
        .message = "no process has this number as its id",
        .where = session->invocation->impossible_pid,
        .hint = hint,
    };
    message("%s: %s%s%s", problem.where, problem.message, hint ? "; " : "", hint ? hint : "");
    print_problem(session, &problem);
    free(hint);
    return EXIT_OPEN;
}

int session_fail_memory(struct session *session)
{
    message("out of memory");
    output_finish(&session->output, true);
    return EXIT_OPEN;
}

/* ---- the target ------------------------------------------------------------------------------------------- */

static pst_error *open_target(struct session *session)
{
    const struct invocation *invocation = session->invocation;
    if (invocation->kind == PST_TARGET_PROCESS)
        return pst_target_open_process(invocation->pid, &invocation->target_options, &session->report.target);
    pst_target_options options = invocation->target_options;
    struct progress progress = {0};
    if (!invocation->quiet)
        progress_begin(&progress, invocation->core_path, &options);
    pst_error *error = pst_target_open_core(invocation->core_path, &options, &session->report.target);
    progress_end(&progress);
    return error;
}

bool session_begin(struct session *session, const struct invocation *invocation, int *code)
{
    session->invocation = invocation;
    session->report.kind = invocation->kind;
    session->report.pid = invocation->pid;
    session->report.path = invocation->core_path;
    session->report.verbose = invocation->verbose;
    if (!output_prepare(&session->output, invocation->output_path)) {
        *code = EXIT_PARTIAL;
        return false;
    }
    if (invocation->impossible_pid) {
        *code = fail_impossible_pid(session);
        return false;
    }
    pst_error *error = open_target(session);
    if (error)
        *code = session_fail(session, error);
    return !error;
}

bool session_take_snapshot(struct session *session, const pst_snapshot_options *options, int *code)
{
    pst_error *error = pst_snapshot_take(session->report.target, options, &session->snapshot);
    if (error)
        *code = session_fail(session, error);
    else
        session->report.snapshot = session->snapshot;
    return !error;
}

/* ---- the end ---------------------------------------------------------------------------------------------- */

bool session_is_partial(const struct session *session)
{
    return pst_snapshot_is_partial(session->snapshot) || pst_target_get_errors(session->report.target);
}

void session_summarize(const struct session *session)
{
    size_t thread_count = pst_snapshot_get_thread_count(session->snapshot);
    size_t failed_count = report_count_failed_threads(session->snapshot);
    if (session->invocation->quiet)
        return;
    if (failed_count)
        message("partial: %zu of %zu thread%s could not be read fully", failed_count, thread_count,
                thread_count == 1 ? "" : "s");
    else
        message("partial: not everything could be read; the report says what");
}

int session_finish(struct session *session)
{
    if (!session_print(session) && session->output.error != EPIPE)
        return EXIT_PARTIAL;
    if (!session_is_partial(session))
        return EXIT_COMPLETE;
    session_summarize(session);
    return EXIT_PARTIAL;
}

void session_end(struct session *session)
{
    if (session->snapshot)
        pst_snapshot_free(session->snapshot);
    if (session->report.target)
        pst_target_close(session->report.target);
}
