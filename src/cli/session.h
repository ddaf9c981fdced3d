/* One run of a command that looks into a target: from opening it to the report and the exit code. */
#ifndef PYSTANDER_CLI_SESSION_H
#define PYSTANDER_CLI_SESSION_H

#include "cli/command.h"
#include "cli/output.h"
#include "report/report.h"

struct session {
    const struct invocation *invocation;
    /* What the command prints, as it was asked for. */
    void (*print_json)(const struct report *report, struct report_sink *sink);
    void (*print_text)(const struct report *report, struct report_sink *sink);
    struct output output;
    struct report report;        /* the command may fill in what is its own */
    pst_snapshot *snapshot;      /* report.snapshot, to be freed */
};

/* Each of these returns true if the run goes on; else what was wrong has been told, in JSON too if that was asked for,
 * and *code is the exit code. session_end() ends it in any case. */

/* Readies the output and opens the target. The printers are set already. */
bool session_begin(struct session *session, const struct invocation *invocation, int *code);
bool session_take_snapshot(struct session *session, const pst_snapshot_options *options, int *code);

/* Prints the report. false: it could not be written, and that has been said. */
bool session_print(struct session *session);
/* The same, after a snapshot was taken; a summary on standard error says if it is partial. Returns the exit code. */
int session_finish(struct session *session);
/* Nothing could be read at all: says why. Takes `error` over. Returns the exit code. */
int session_fail(struct session *session, pst_error *error);
/* Memory ran out before there was a report. Returns the exit code. */
int session_fail_memory(struct session *session);

/* Something could not be read: of the target itself (a truncated core, a library of another build) counts too, for
 * whoever reads the exit code alone must learn of it. */
bool session_is_partial(const struct session *session);
/* Says so on standard error, unless with -q. */
void session_summarize(const struct session *session);

void session_end(struct session *session);

#endif
