/*
 * Stopping all threads of a process, and letting them go.
 *
 * PTRACE_SEIZE changes nothing in a thread; PTRACE_INTERRUPT then stops it without a signal. So all threads
 * are seized first, and the pause is as short as telling all to stop and waiting until they did. A thread
 * that has stopped creates no other, so that the list is complete once it shows none that runs.
 *
 * What a thread may stop with, and what is owed to it when it is released:
 * - PTRACE_EVENT_STOP: our interrupt, or a stop of the whole process (SIGSTOP), which the kernel goes on with
 *   by itself after the release. Nothing is owed.
 * - a signal on its way: we have it now and hand it on with PTRACE_DETACH, or it would be lost.
 *
 * A thread in uninterruptible sleep (D) stops when that sleep ends, in a moment or never, and if it were
 * attached it could not be released before. It is left alone and read as it stands. A thread that does not
 * stop in time for other reasons is released as soon as it does: by process_resume(), by the next pause, at
 * the target's close; and if it still has not stopped then, by the kernel when the calling thread exits.
 */
#include "target/process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_STATUS_SIZE = 1 << 20,
    MAX_ROUNDS = 1000,    /* of looking for threads born meanwhile; the deadline ends it before */
    SPIN_NS = 200 * 1000, /* most threads stop sooner than a nap takes */
    FIRST_NAP_NS = 20 * 1000,
    MAX_NAP_NS = 1000 * 1000,
    SLEEPER_PATIENCE_NS = 2000 * 1000, /* with threads in uninterruptible sleep, while the others stand still */
    SECOND_CHANCE_NS = 2000 * 1000, /* to stop, for those that are to be released */
};

/* ---- waiting --------------------------------------------------------------------------------------- */

/* Gives the processor away: first in the hope to have it back at once, then for longer and longer. */
static void rest(uint64_t waiting_since)
{
    uint64_t waited = process_now_ns() - waiting_since;
    if (waited < SPIN_NS) {
        sched_yield();
        return;
    }
    uint64_t nap = waited / 8 < FIRST_NAP_NS ? FIRST_NAP_NS : waited / 8;
    nanosleep(&(struct timespec){ .tv_nsec = (long)(nap < MAX_NAP_NS ? nap : MAX_NAP_NS) }, NULL);
}

/* The exit of our caller's own child is the caller's to reap: it is only looked at. */
static bool own_child_ended(const struct tracee *tracee)
{
    siginfo_t info = { 0 };
    return waitid(P_PID, (id_t)tracee->tid, &info, WEXITED | WNOWAIT | WNOHANG | __WALL) == 0 &&
           info.si_pid != 0;
}

/* Takes note if it has stopped or ended. Waits for this one thread only, never for any child. */
static void check_tracee(const struct process *process, struct tracee *tracee)
{
    bool own_child = process->own_child && tracee->tid == process->target->pid;
    siginfo_t info = { 0 };
    if (waitid(P_PID, (id_t)tracee->tid, &info, WSTOPPED | (own_child ? 0 : WEXITED) | WNOHANG | __WALL) !=
        0) {
        if (errno != EINTR)
            tracee->state = TRACEE_GONE; /* ECHILD: gone without a word, as an execve makes threads go */
    } else if (info.si_pid == 0) {
        if (own_child && own_child_ended(tracee))
            tracee->state = TRACEE_GONE;
    } else if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) {
        tracee->state = TRACEE_STOPPED;
        tracee->signal = info.si_status >> 8 ? 0
                                             : info.si_status; /* PTRACE_EVENT_STOP is in the upper bits */
    } else {
        tracee->state = TRACEE_GONE;
    }
}

/* Until all that were asked have stopped or ended, or the deadline has come. */
static void wait_for_stops(const struct process *process, struct tracee *tracees, size_t count,
                           uint64_t deadline)
{
    uint64_t waiting_since = 0;
    for (size_t i = 0; i < count; i++) {
        while (tracees[i].state == TRACEE_ASKED) {
            check_tracee(process, &tracees[i]);
            if (tracees[i].state != TRACEE_ASKED) {
                waiting_since = 0;
                break;
            }
            uint64_t now = process_now_ns();
            if (now >= deadline)
                break;
            if (!waiting_since)
                waiting_since = now;
            rest(waiting_since);
        }
    }
}

/* ---- releasing ------------------------------------------------------------------------------------- */

/* false: it must be waited for first; it is being killed. */
static bool detach(struct tracee *tracee)
{
    tracee->held_ns = process_now_ns() - tracee->asked_ns;
    if (ptrace(PTRACE_DETACH, tracee->tid, NULL, (void *)(intptr_t)tracee->signal) != 0) {
        tracee->state = TRACEE_ASKED;
        return false;
    }
    tracee->state = TRACEE_FREE;
    return true;
}

static void interrupt(struct tracee *tracees, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tracees[i].state == TRACEE_ATTACHED) {
            /* A failure means that it is ending: the wait will tell. */
            tracees[i].asked_ns = process_now_ns();
            ptrace(PTRACE_INTERRUPT, tracees[i].tid, NULL, NULL);
            tracees[i].state = TRACEE_ASKED;
        }
}

/* Returns how many are still attached: in the state TRACEE_ASKED. */
static size_t release(const struct process *process, struct tracee *tracees, size_t count,
                      uint64_t patience_ns)
{
    size_t held = 0;
    interrupt(tracees, count);
    for (size_t i = 0; i < count; i++)
        if (tracees[i].state == TRACEE_STOPPED)
            detach(&tracees[i]);
    for (size_t i = 0; i < count; i++)
        held += tracees[i].state == TRACEE_ASKED;
    if (!held)
        return 0;
    wait_for_stops(process, tracees, count, process_now_ns() + patience_ns);
    held = 0;
    for (size_t i = 0; i < count; i++) {
        if (tracees[i].state == TRACEE_STOPPED)
            detach(&tracees[i]);
        held += tracees[i].state == TRACEE_ASKED;
    }
    return held;
}

/* Drops the leftovers that are free now. */
static void release_leftovers(struct process *process)
{
    release(process, process->leftovers, process->leftover_count, 0);
    size_t kept = 0;
    for (size_t i = 0; i < process->leftover_count; i++)
        if (process->leftovers[i].state == TRACEE_ASKED)
            process->leftovers[kept++] = process->leftovers[i];
    process->leftover_count = kept;
}

/* Keeps in mind what could not be released. Without memory for that, the kernel still releases them when the
 * calling thread exits. */
static void keep_leftovers(struct process *process, size_t held)
{
    struct tracee *leftovers = realloc(process->leftovers,
                                       (process->leftover_count + held) * sizeof *leftovers);
    if (!leftovers)
        return;
    process->leftovers = leftovers;
    for (size_t i = 0; i < process->tracee_count; i++)
        if (process->tracees[i].state == TRACEE_ASKED)
            leftovers[process->leftover_count++] = process->tracees[i];
}

/* Of any one thread, from when it was told to stop until it was let go: threads are told and let go in the same
 * order, so that this is less than from the first of the one to the last of the other. */
static uint64_t longest_hold(const struct process *process)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < process->tracee_count; i++)
        if (process->tracees[i].held_ns > longest)
            longest = process->tracees[i].held_ns;
    return longest;
}

void process_resume(struct pst_target *target)
{
    struct process *process = target->process;
    if (process->leftover_count)
        release_leftovers(process);
    size_t held = release(process, process->tracees, process->tracee_count, SECOND_CHANCE_NS);
    target->pause_ns = longest_hold(process);
    if (held)
        keep_leftovers(process, held);
    process->tracee_count = 0;
}

/* ---- stopping -------------------------------------------------------------------------------------- */

/* What came in the way of attaching. */
struct obstacle {
    pid_t tid;
    int errnum; /* 0: nothing */
};

/* The kernel says EPERM of a thread that is just ending, too. */
static bool has_ended(struct process *process, struct target_thread *thread)
{
    char path[PROCESS_NAME_SIZE];
    struct proc_stat stat;
    snprintf(path, sizeof path, "%d/stat", thread->tid);
    if (proc_read_stat(process->task_directory, path, &stat) != 0)
        return true;
    thread->state = stat.state;
    return stat.state == 'Z' || stat.state == 'X';
}

static bool take_leftover(struct process *process, struct tracee *tracee)
{
    for (size_t i = 0; i < process->leftover_count; i++)
        if (process->leftovers[i].tid == tracee->tid) {
            *tracee = process->leftovers[i];
            process->leftovers[i] = process->leftovers[--process->leftover_count];
            return true;
        }
    return false;
}

/* An execve gives the main thread's number to the thread that called it, and we may hold that already. */
static bool is_ours(const struct process *process, pid_t tid)
{
    char path[PROCESS_NAME_SIZE], *status;
    size_t size;
    uint64_t tracer = 0;
    snprintf(path, sizeof path, "%d/status", tid);
    if (proc_read_file(process->task_directory, path, MAX_STATUS_SIZE, &status, &size) != 0)
        return false;
    proc_status_numbers(status, "TracerPid:", 10, &tracer, 1);
    free(status);
    return tracer == (uint64_t)gettid() || tracer == (uint64_t)getpid();
}

static void attach(struct process *process, size_t index, struct obstacle *obstacle)
{
    struct tracee *tracee = &process->tracees[index];
    struct target_thread *thread = &process->target->threads[index];
    if (thread->state == 'Z' || take_leftover(process, tracee))
        return;
    if (thread->state == 'D') {
        thread->running = true;
        return;
    }
    if (ptrace(PTRACE_SEIZE, tracee->tid, NULL, NULL) == 0) {
        tracee->state = TRACEE_ATTACHED;
        return;
    }
    int errnum = errno;
    if (errnum == ESRCH || has_ended(process, thread)) {
        tracee->state = thread->state == 'Z' ? TRACEE_FREE : TRACEE_GONE;
        return;
    }
    /* In the middle of an execve it may have said no for a moment only. */
    if (is_ours(process, tracee->tid) || ptrace(PTRACE_SEIZE, tracee->tid, NULL, NULL) == 0) {
        tracee->state = TRACEE_ATTACHED;
        return;
    }
    thread->running = true;
    if (!obstacle->errnum)
        *obstacle = (struct obstacle){ tracee->tid, errnum };
}

/* Those from `first` on. */
static void stop_threads(struct process *process, size_t first, uint64_t deadline, struct obstacle *obstacle)
{
    for (size_t i = first; i < process->tracee_count; i++)
        attach(process, i, obstacle);
    interrupt(process->tracees + first, process->tracee_count - first);
    wait_for_stops(process, process->tracees + first, process->tracee_count - first, deadline);
}

/* One that slept uninterruptibly is stopped like the others as soon as it has come out of that: mostly it waits for a
 * lock on the process's memory, as for a thread that is made or ends, and soon has it. */
static void retry_sleeper(struct process *process, size_t index, uint64_t patience, uint64_t deadline,
                          struct obstacle *obstacle)
{
    struct tracee *tracee = &process->tracees[index];
    struct target_thread *thread = &process->target->threads[index];
    uint64_t waiting_since = process_now_ns();
    while (!has_ended(process, thread)) {
        if (thread->state != 'D') {
            thread->running = false;
            attach(process, index, obstacle);
            interrupt(tracee, 1);
            wait_for_stops(process, tracee, 1, deadline);
            return;
        }
        if (process_now_ns() >= patience)
            return;
        rest(waiting_since);
    }
    tracee->state = thread->state == 'Z' ? TRACEE_FREE : TRACEE_GONE;
}

static void retry_sleepers(struct process *process, uint64_t deadline, struct obstacle *obstacle)
{
    uint64_t patience = process_now_ns() + SLEEPER_PATIENCE_NS;
    if (patience > deadline)
        patience = deadline;
    for (size_t i = 0; i < process->tracee_count; i++)
        if (process->target->threads[i].state == 'D' && process->tracees[i].state == TRACEE_FREE)
            retry_sleeper(process, i, patience, deadline, obstacle);
}

static void drop_gone(struct process *process)
{
    struct pst_target *target = process->target;
    size_t kept = 0;
    for (size_t i = 0; i < process->tracee_count; i++) {
        if (process->tracees[i].state == TRACEE_GONE)
            continue;
        process->tracees[kept] = process->tracees[i];
        target->threads[kept++] = target->threads[i];
    }
    process->tracee_count = target->thread_count = kept;
}

/* Then none of those that are listed can end, and a thread more or less shows in their number. */
static bool all_stand_still(const struct process *process)
{
    for (size_t i = 0; i < process->tracee_count; i++)
        if (process->tracees[i].state != TRACEE_STOPPED && process->tracees[i].tid != process->target->pid)
            return false; /* the main thread: as a zombie it stays for as long as the others are there */
    return true;
}

static pst_error *stop_newborn(struct process *process, uint64_t deadline, struct obstacle *obstacle)
{
    for (int round = 0; round < MAX_ROUNDS; round++) {
        drop_gone(process);
        size_t known = process->tracee_count;
        if (all_stand_still(process) && process_count_threads(process) == known)
            return NULL;
        TRY(process_add_new_threads(process));
        if (process->tracee_count == known || process_now_ns() >= deadline)
            break;
        stop_threads(process, known, deadline, obstacle);
        retry_sleepers(process, deadline, obstacle);
    }
    return NULL;
}

/* Marks those that did not stop; returns how many are held. */
static size_t mark_running(struct process *process)
{
    size_t held = 0;
    for (size_t i = 0; i < process->tracee_count; i++) {
        enum tracee_state state = process->tracees[i].state;
        held += state == TRACEE_STOPPED;
        if (state == TRACEE_ASKED || state == TRACEE_ATTACHED)
            process->target->threads[i].running = true;
    }
    return held;
}

static pst_error *pause_threads(struct process *process)
{
    struct pst_target *target = process->target;
    struct obstacle obstacle = { 0 };
    uint64_t deadline = process_now_ns() + (uint64_t)target->pause_timeout_ms * 1000000;
    stop_threads(process, 0, deadline, &obstacle);
    retry_sleepers(process, deadline, &obstacle);
    TRY(stop_newborn(process, deadline, &obstacle));
    drop_gone(process);
    size_t held = mark_running(process);
    if (process->tracee_count == 0)
        return error_new(PST_ERROR_OPEN, "process %d has ended", target->pid);
    if (!obstacle.errnum)
        return NULL;
    char what[64];
    snprintf(what, sizeof what, "attach to thread %d", obstacle.tid);
    pst_error *error = process_denied(process, obstacle.tid, obstacle.errnum, what, true);
    if (held == 0)
        return error;
    error_list_add(&target->errors, error);
    return NULL;
}

/* An execve since the target was opened: the mappings and the interpreter found are of another program. */
static bool has_executed(const struct process *process)
{
    return process->stack_start > 1 && process->main_stack_start > 1 &&
           process->stack_start != process->main_stack_start;
}

pst_error *process_pause(struct pst_target *target)
{
    struct process *process = target->process;
    process_resume(target);
    TRY(process_list_threads(process));
    if (has_executed(process))
        return error_hint(error_new(PST_ERROR_OPEN,
                                    "process %d has started another program since it was opened",
                                    target->pid),
                          "try again");
    if (target->no_pause) {
        for (size_t i = 0; i < target->thread_count; i++)
            target->threads[i].running = true;
        return NULL;
    }
    pst_error *error = pause_threads(process);
    if (error)
        process_resume(target);
    return error;
}
