/*
 * The report. It is made by a child with few rights, for what it reads was made up by a process that may have wanted to
 * crash; and it can be ended at any time, wherever it hangs. What it writes goes into memory: only when it is done, and
 * by the parent, into the spool.
 */
#include "base/transfer.h"
#include "cli/handle.h"
#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_LOG_SIZE = 800,
    LOCK_TIMEOUT_MS = 5000,
};

/* Files in memory; -1: not made. */
struct papers {
    int text, json, core, log;
};

/* ---- the child -------------------------------------------------------------------------------------------- */

/* For struct report_sink: a file that must not grow without end. */
struct paper {
    int fd;
    uint64_t left;
    bool is_cut;
};

static bool write_paper(void *context, const char *data, size_t size)
{
    struct paper *paper = context;
    if (size > paper->left) {
        size = paper->left;
        paper->is_cut = true;
    }
    int errnum;
    size_t written = transfer_write(paper->fd, data, size, &errnum);
    paper->left -= written;
    paper->is_cut |= written < size;
    return !paper->is_cut;
}

static void note(const struct papers *papers, const pst_error *error)
{
    const char *where = pst_error_get_where(error), *hint = pst_error_get_hint(error);
    dprintf(papers->log, "%.200s%s%.400s%s%.200s", where, *where ? ": " : "", pst_error_get_message(error),
            hint ? "; " : "", hint ? hint : "");
}

static void print_text(const struct handle *handle, const struct papers *papers, const struct report *report)
{
    static const char cut[] = "\n[the report is longer than max-report permits: the rest was left out]\n";
    struct paper paper = {papers->text, handle->settings->numbers[HANDLE_MAX_REPORT] - sizeof cut, false};
    struct report_sink sink = {.write = write_paper, .context = &paper};
    time_t now = time(NULL);
    struct tm parts;
    char text[64] = "";
    if (gmtime_r(&now, &parts))
        strftime(text, sizeof text, "Crash report of %Y-%m-%d %H:%M:%S UTC\n\n", &parts);
    text_add_string(&sink.text, text);
    report_stack_text(report, &sink);
    report_finish(&sink);
    if (paper.is_cut && write(papers->text, cut, sizeof cut - 1) < 0)
        dprintf(papers->log, "the report was cut off");
}

/* Half of a JSON text serves nobody. */
static void print_json(const struct handle *handle, const struct papers *papers, const struct report *report)
{
    struct paper paper = {papers->json, handle->settings->numbers[HANDLE_MAX_REPORT], false};
    struct report_sink sink = {.write = write_paper, .context = &paper};
    report_stack_json(report, &sink);
    if (report_finish(&sink) && !paper.is_cut)
        return;
    if (ftruncate(papers->json, 0) == 0)
        dprintf(papers->log, "the JSON would be longer than max-report permits: there is none");
}

static void write_core(const struct papers *papers, pst_core *core)
{
    uint64_t size;
    pst_error *error = pst_core_write(core, papers->core, &size);
    if (error && ftruncate(papers->core, 0) == 0)
        dprintf(papers->log, "there is no small core: %.300s", pst_error_get_message(error));
    pst_error_free(error);
}

static bool is_called_python(const pst_target *target)
{
    const char *executable = pst_target_get_executable(target), *name = executable ? strrchr(executable, '/') : NULL;
    return name && strstr(name, "python");
}

/* It is no Python, or nobody can tell. */
static bool is_no_python(const struct papers *papers, const pst_target *target, const pst_error *error)
{
    if (pst_crash_is_held(target))
        return pst_error_get_code(error) == PST_ERROR_NOT_PYTHON;
    if (is_called_python(target))
        return false;
    dprintf(papers->log, "the process was gone before it could be read");
    return true;
}

/* What was read of the target: with a core, if one was asked for and could be made. */
struct reading {
    pst_snapshot *own_snapshot;
    pst_core *core;
    const pst_snapshot *snapshot;   /* one of the two */
};

static pst_error *read_target(const struct handle *handle, pst_target *target, struct reading *reading)
{
    if (handle->settings->numbers[HANDLE_SNAPSHOT]) {
        const pst_core_options options = {
            .size = sizeof options,
            .max_frames = handle->settings->numbers[HANDLE_MAX_FRAMES],
        };
        pst_error *error = pst_core_take(target, &options, &reading->core);
        if (!error)
            reading->snapshot = pst_core_get_snapshot(reading->core);
        if (!error || pst_error_get_code(error) == PST_ERROR_NOT_PYTHON)
            return error;
        pst_error_free(error);
    }
    const pst_snapshot_options options = {
        .size = sizeof options,
        .max_frames = handle->settings->numbers[HANDLE_MAX_FRAMES],
    };
    pst_error *error = pst_snapshot_take(target, &options, &reading->own_snapshot);
    reading->snapshot = reading->own_snapshot;
    return error;
}

/* `error`: why there is no snapshot; NULL: there is one. */
static void print(const struct handle *handle, const struct papers *papers, pst_target *target,
                  const struct reading *reading, const pst_error *error)
{
    struct report_problem problem = {0};
    struct report report = {.target = target, .snapshot = reading->snapshot, .with_source = true};
    if (error) {
        problem = (struct report_problem){
            .code = pst_error_get_code(error),
            .address = pst_error_get_address(error),
            .where = pst_error_get_where(error),
            .message = pst_error_get_message(error),
            .hint = pst_error_get_hint(error),
        };
        report.problems = &problem;
        report.problem_count = 1;
    }
    print_text(handle, papers, &report);
    print_json(handle, papers, &report);
    if (reading->core)
        write_core(papers, reading->core);
}

static enum handle_result report_target(const struct handle *handle, const struct papers *papers, pst_target *target)
{
    struct reading reading = {0};
    enum handle_result result = HANDLE_NOT_PYTHON;
    pst_error *error = read_target(handle, target, &reading);
    if (!error || !is_no_python(papers, target, error)) {
        bool is_held = pst_crash_is_held(target);
        bool is_whole = reading.snapshot && !pst_snapshot_is_partial(reading.snapshot) &&
                        !pst_target_get_errors(target) && is_held;
        if (reading.snapshot && !is_held)
            dprintf(papers->log, "the process went while it was being read");
        print(handle, papers, target, &reading, error);
        result = is_whole ? HANDLE_REPORTED : HANDLE_PARTIAL;
    }
    pst_snapshot_free(reading.own_snapshot);
    pst_core_free(reading.core);
    pst_error_free(error);
    return result;
}

static enum handle_result make_report(const struct handle *handle, const struct papers *papers)
{
    pst_target *target;
    pst_error *error = pst_target_open_crash(handle->pid, handle->head, handle->head_size, NULL, &target);
    if (!error) {
        error = handle_sandbox_enter(target, handle->settings->numbers[HANDLE_MAX_REPORT]);
        enum handle_result result = error ? HANDLE_FAILED : report_target(handle, papers, target);
        pst_target_close(target);
        if (!error)
            return result;
    }
    note(papers, error);
    pst_error_free(error);
    return HANDLE_FAILED;
}

/* The kernel waits until nobody has the pipe open any more: a child that hangs in the kernel must not. */
static bool leave_pipe(void)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool left = nothing >= 0 && dup2(nothing, STDIN_FILENO) == STDIN_FILENO;
    if (nothing > STDIN_FILENO)
        close(nothing);
    return left;
}

_Noreturn static void run_child(struct handle *handle, const struct papers *papers, pid_t parent)
{
    spool_close(&handle->spool);   /* what others left there is none of its business, not even the names */
    if (!leave_pipe() || dup2(papers->log, STDERR_FILENO) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        getppid() != parent)
        _exit(HANDLE_FAILED);
    _exit(make_report(handle, papers));
}

/* ---- the parent ------------------------------------------------------------------------------------------- */

static void papers_close(struct papers *papers)
{
    int fds[] = {papers->text, papers->json, papers->core, papers->log};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool papers_open(struct papers *papers)
{
    papers->text = memfd_create("text", MFD_CLOEXEC);
    papers->json = memfd_create("json", MFD_CLOEXEC);
    papers->core = memfd_create("core", MFD_CLOEXEC);
    papers->log = memfd_create("log", MFD_CLOEXEC);
    return papers->text >= 0 && papers->json >= 0 && papers->core >= 0 && papers->log >= 0;
}

/* NULL: nothing is in it, or no memory. */
static uint8_t *read_paper(int fd, uint64_t limit, size_t *size)
{
    off_t end = lseek(fd, 0, SEEK_END);
    *size = 0;
    if (end <= 0)
        return NULL;
    size_t wanted = (uint64_t)end < limit ? (size_t)end : (size_t)limit;
    uint8_t *bytes = malloc(wanted);
    int errnum;
    if (bytes)
        *size = transfer_read_at(fd, 0, bytes, wanted, &errnum);
    return bytes;
}

static void log_paper(const struct handle *handle, int fd)
{
    size_t size;
    char *text = (char *)read_paper(fd, MAX_LOG_SIZE, &size);
    if (text)
        handle_log("process %d (%s): %.*s", handle->pid, handle->name, (int)size, text);
    free(text);
}

static pst_error *write_paper_to_spool(const struct handle *handle, int fd, const char *extension)
{
    size_t size;
    uint8_t *bytes = read_paper(fd, handle->settings->numbers[HANDLE_MAX_REPORT], &size);
    if (!bytes)
        return lseek(fd, 0, SEEK_END) > 0 ? error_no_memory() : NULL;
    pst_error *error = spool_write(&handle->spool, extension, bytes, size);
    free(bytes);
    return error;
}

static pst_error *publish(struct handle *handle, const struct papers *papers)
{
    if (!spool_lock(&handle->spool, LOCK_TIMEOUT_MS))
        return error_new(PST_ERROR_SYSTEM, "the spool %s is locked by another for %d s", handle->spool.path,
                         LOCK_TIMEOUT_MS / 1000);
    pst_error *error = write_paper_to_spool(handle, papers->text, ".txt");
    if (!error)
        error = write_paper_to_spool(handle, papers->json, ".json");
    if (!error)
        error = write_paper_to_spool(handle, papers->core, ".small.core");
    pst_error *trimming = spool_trim(&handle->spool);
    spool_unlock(&handle->spool);
    if (!error)
        return trimming;
    pst_error_free(trimming);
    return error;
}

static enum handle_result finish(struct handle *handle, const struct papers *papers, int status)
{
    enum handle_result result = WIFEXITED(status) ? (enum handle_result)WEXITSTATUS(status) : HANDLE_FAILED;
    log_paper(handle, papers->log);
    if (!WIFEXITED(status))
        handle_log("process %d (%s): no report: making it ended with signal %d", handle->pid, handle->name,
                   WTERMSIG(status));
    if (result != HANDLE_REPORTED && result != HANDLE_PARTIAL)
        return result == HANDLE_NOT_PYTHON ? result : HANDLE_FAILED;
    pst_error *error = publish(handle, papers);
    if (error) {
        handle_log_error(handle, error);
        pst_error_free(error);
        return HANDLE_FAILED;
    }
    handle_log("process %d (%s) crashed: %s/%s.txt", handle->pid, handle->name, handle->spool.path,
               handle->spool.stem);
    return result;
}

enum handle_result handle_report(struct handle *handle, int64_t deadline_ns)
{
    struct papers papers;
    pid_t parent = getpid(), child = papers_open(&papers) ? fork() : -1;
    if (child == 0)
        run_child(handle, &papers, parent);
    enum handle_result result = HANDLE_FAILED;
    int status = 0;
    if (child < 0) {
        handle_log("process %d (%s): no report: %s", handle->pid, handle->name, strerror(errno));
    } else if (handle_wait(child, deadline_ns, &status)) {
        result = finish(handle, &papers, status);
    } else {
        kill(child, SIGKILL);   /* which may take its time: nobody waits for it */
        handle_log("process %d (%s): no report: making it took longer than the deadline, %llu s", handle->pid,
                   handle->name, (unsigned long long)handle->settings->numbers[HANDLE_DEADLINE]);
    }
    papers_close(&papers);
    return result;
}
