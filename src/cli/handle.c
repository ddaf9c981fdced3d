/*
 * pystander handle: what the kernel runs for each process that crashes, as core_pattern says (core(5)).
 *
 * The kernel holds the dying process as long as its core has not been read out of the pipe; so first comes the report,
 * then the core is passed on, or left. Whatever happens, this ends at a deadline, for somebody waits for the process.
 */
#include "cli/handle.h"
#include "cli/options.h"

#include "cli/message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    OPTION_CONFIG = OPTION_OF_COMMAND,
    OPTION_OF_HANDLE,        /* + enum handle_option */
    SPARE_SECONDS = 10,      /* beyond a deadline: then this process is ended, whatever it is at */
};

static const struct argp_option handle_options[] = {
    {NULL, 0, NULL, 0, "Of handle; all but --pid and --config may stand in the file, too:", 1},
    {"spool", OPTION_OF_HANDLE + HANDLE_SPOOL, "DIR", 0,
     "keep reports in DIR (/var/lib/pystander/crashes), which is made if need be", 0},
    {"max-size", OPTION_OF_HANDLE + HANDLE_MAX_SIZE, "SIZE", 0,
     "of all crashes together, on disk (256M); the oldest are removed", 0},
    {"max-count", OPTION_OF_HANDLE + HANDLE_MAX_COUNT, "N", 0,
     "how many crashes are kept (1000); the oldest are removed", 0},
    {"max-report", OPTION_OF_HANDLE + HANDLE_MAX_REPORT, "SIZE", 0, "of one report (16M)", 0},
    {"max-frames", OPTION_OF_HANDLE + HANDLE_MAX_FRAMES, "N", 0, "innermost frames of each thread (10000)", 0},
    {"deadline", OPTION_OF_HANDLE + HANDLE_DEADLINE, "SECONDS", 0, "for the report (20)", 0},
    {"program-deadline", OPTION_OF_HANDLE + HANDLE_PROGRAM_DEADLINE, "SECONDS", 0,
     "for PROGRAM, or for keeping the core (300); PROGRAM is then killed", 0},
    {"keep-core", OPTION_OF_HANDLE + HANDLE_KEEP_CORE, NULL, 0, "keep the whole core beside the report", 0},
    {"max-core", OPTION_OF_HANDLE + HANDLE_MAX_CORE, "SIZE", 0, "a larger core is not kept (128M)", 0},
    {"config", OPTION_CONFIG, "FILE", 0,
     "more options, one on each line, as in 'deadline = 30' (/etc/pystander/handle.conf)", 0},
    {"snapshot", OPTION_OF_HANDLE + HANDLE_SNAPSHOT, NULL, 0,
     "keep a small core beside the report, as 'pystander snapshot' makes it", 0},
    {0},
};

static error_t parse_handle(int key, char *argument, struct argp_state *state)
{
    struct invocation *invocation = state->input;
    struct handle_settings *settings = invocation->own;
    if (key == OPTION_CONFIG) {
        settings->config = argument;
        return 0;
    }
    if (key < OPTION_OF_HANDLE || key >= OPTION_OF_HANDLE + HANDLE_OPTION_COUNT)
        return ARGP_ERR_UNKNOWN;
    pst_error *error = handle_settings_set(settings, (enum handle_option)(key - OPTION_OF_HANDLE), argument);
    if (!error)
        return 0;
    char text[256];
    snprintf(text, sizeof text, "%s", pst_error_get_message(error));
    pst_error_free(error);
    usage_failure("--%s", text);
}

/* ---- this process ----------------------------------------------------------------------------------------- */

/* It must not be handled itself when it crashes: with a limit of 1 byte, unlike with one of 0, the kernel starts no
 * handler, and writes no file either. And it must show nobody what it read. */
static void secure(struct handle *handle)
{
    sigset_t child;
    handle->umask = umask(077);
    setrlimit(RLIMIT_CORE, &(struct rlimit){1, 1});
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    if (chdir("/") < 0)
        handle_log("/ can't be entered: %s", strerror(errno));
}

/* SIGALRM's own action: unlike a handler of ours, it ends even a read of memory that somebody serves slowly. */
static void set_hard_stop(uint64_t seconds)
{
    struct itimerval timer = {.it_value.tv_sec = (time_t)seconds + SPARE_SECONDS};
    signal(SIGALRM, SIG_DFL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- the run ---------------------------------------------------------------------------------------------- */

static void read_name(struct handle *handle)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/comm", handle->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, handle->name, sizeof handle->name - 1);
    handle->name[got > 0 ? got : 0] = '\0';
    char *end = strrchr(handle->name, '\n');
    if (end)
        *end = '\0';
    if (!handle->name[0])
        strcpy(handle->name, "unknown");
    if (fd >= 0)
        close(fd);
}

/* false: there is nothing to report from, or nowhere to put it. */
static bool prepare(struct handle *handle)
{
    pst_error *error = pst_crash_read_head(STDIN_FILENO, &handle->head, &handle->head_size);
    if (!error)
        error = spool_open(&handle->spool, handle->settings->spool);
    if (error)
        handle_log_error(handle, error);
    bool ready = !error;
    pst_error_free(error);
    return ready;
}

static int exit_code_of_result(enum handle_result result)
{
    switch (result) {
    case HANDLE_REPORTED:
        return EXIT_COMPLETE;
    case HANDLE_PARTIAL:
        return EXIT_PARTIAL;
    case HANDLE_NOT_PYTHON:
        return EXIT_NOTHING;
    case HANDLE_FAILED:
        return EXIT_OPEN;
    }
    return EXIT_OPEN;
}

static void dispose_of_core(struct handle *handle, char **program, int64_t deadline_ns, enum handle_result result)
{
    if (program)
        handle_pass_on(handle, program, deadline_ns);
    else if (handle->settings->numbers[HANDLE_KEEP_CORE] && (result == HANDLE_REPORTED || result == HANDLE_PARTIAL))
        handle_keep_core(handle, deadline_ns);
    /* Else it is left: the kernel gives up writing once nobody can read. */
}

static void check_usage(const struct invocation *invocation)
{
    if (!invocation->has_target || invocation->kind != PST_TARGET_PROCESS)
        usage_failure("handle needs the --pid of the process that crashed; core_pattern gives it as %%P");
    if (invocation->operand_count && invocation->operands[0][0] != '/')
        usage_failure("PROGRAM must be an absolute path, not '%s'", invocation->operands[0]);
    const struct handle_settings *settings = invocation->own;
    if (invocation->operand_count && settings->given[HANDLE_KEEP_CORE])
        usage_failure("--keep-core and PROGRAM: only one of them can have the core");
    if (isatty(STDIN_FILENO))
        usage_failure("handle is for the kernel: core_pattern names it, and a core comes through its standard input");
}

static int run_handle(struct invocation *invocation)
{
    struct handle_settings *settings = invocation->own;
    struct handle handle = {.pid = invocation->pid, .settings = settings, .spool.fd = -1};
    char **program = invocation->operand_count ? invocation->operands : NULL;
    check_usage(invocation);
    secure(&handle);
    handle_settings_fill(settings);
    const uint64_t *numbers = settings->numbers;
    set_hard_stop(numbers[HANDLE_DEADLINE]);
    int64_t started = handle_now_ns(), deadline = started + (int64_t)numbers[HANDLE_DEADLINE] * 1000000000;

    read_name(&handle);
    handle.spool.max_size = numbers[HANDLE_MAX_SIZE];
    handle.spool.max_count = numbers[HANDLE_MAX_COUNT];
    spool_set_stem(&handle.spool, time(NULL), handle.pid, handle.name);
    enum handle_result result = prepare(&handle) ? handle_report(&handle, deadline) : HANDLE_FAILED;
    set_hard_stop(numbers[HANDLE_PROGRAM_DEADLINE]);
    deadline = handle_now_ns() + (int64_t)numbers[HANDLE_PROGRAM_DEADLINE] * 1000000000;
    dispose_of_core(&handle, program, deadline, result);

    spool_close(&handle.spool);
    free(handle.head);
    free(settings->config_text);
    return exit_code_of_result(result);
}

const struct command handle_command = {
    .name = "handle",
    .summary = "report on each process that crashes, as the kernel's core_pattern handler",
    .usage = "[OPTIONS] --pid N [-- PROGRAM [ARGUMENT…]]",
    .description =
        "Is what the kernel runs for each process that crashes, if kernel.core_pattern says so:\n"
        "\n"
        "    |/usr/bin/pystander handle --pid=%P\n"
        "\n"
        "Of a CPython process, the stacks of its threads are written to a folder, as text and as JSON, while\n"
        "the kernel still holds it; no core file is needed. The core goes on to PROGRAM's standard input, if\n"
        "one is given (systemd-coredump, say), of whatever process it is. docs/crash-handler.md tells how it\n"
        "is set up and removed.\n",
    .options = handle_options,
    .parse = parse_handle,
    .own_size = sizeof(struct handle_settings),
    .run = run_handle,
};
