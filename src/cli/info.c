/* pystander info: what is this target, and what is hooked into it? */
#include "cli/session.h"

static int run_info(struct invocation *invocation)
{
    const pst_snapshot_options options = {.size = sizeof options, .with_hooks = true};
    struct session session = {.print_json = report_info_json, .print_text = report_info_text,
                              .report = {.with_details = true}};
    int code;
    if (session_begin(&session, invocation, &code) && session_take_snapshot(&session, &options, &code))
        code = session_finish(&session);
    session_end(&session);
    return code;
}

const struct command info_command = {
    .name = "info",
    .summary = "what is this target, what is hooked into it, and why did it die?",
    .usage = "[OPTIONS] TARGET [EXE]",
    .description =
        "Shows what a process or core file is: its command line, executable, Python version and build, where\n"
        "the struct offsets came from; its interpreters and threads, and what was hooked into them (frame\n"
        "evaluators, users of co_extra, code watchers, monitoring tools, trace and profile functions), by the\n"
        "names of their functions; and of a core, why it was written: the signal and its code, the address and\n"
        "what is mapped there, who sent it, the thread that took it, the user, and when.\n",
    .run = run_info,
    .takes_target = true,
};
