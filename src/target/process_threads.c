/* The threads of a live process, as the kernel lists them. */
#include "target/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LISTING_SIZE = 8 * 1024, /* some 250 threads at a time */
    MAX_STATUS_SIZE = 1 << 20,
    MAX_PID_NAMESPACES = 33, /* the kernel's MAX_PID_NS_LEVEL, and the outermost */
    MANY_THREADS = 128,      /* the kernel takes 8 µs for each, a helper 100 µs to be made and to end */
    HELPER_STACK_SIZE = 256 * 1024,
};

/* ---- numbers ------------------------------------------------------------------------------------------- */

/* Numbers of threads as they were listed. */
struct tids {
    pid_t *items;
    size_t count, capacity;
};

static int open_task_directory(struct process *process)
{
    if (process->task_directory < 0)
        process->task_directory = openat(process->directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return process->task_directory;
}

static bool tids_add(struct tids *tids, pid_t tid)
{
    if (tids->count == tids->capacity) {
        size_t capacity = tids->capacity ? tids->capacity * 2 : 64;
        pid_t *items = realloc(tids->items, capacity * sizeof *items);
        if (!items)
            return false;
        tids->items = items;
        tids->capacity = capacity;
    }
    tids->items[tids->count++] = tid;
    return true;
}

static pst_error *cannot_list(const struct process *process, int errnum)
{
    pid_t pid = process->target->pid;
    if (errnum == ENOENT || errnum == ESRCH)
        return error_new(PST_ERROR_OPEN, "process %d has ended", pid);
    return error_system(PST_ERROR_SYSTEM, errnum, "cannot list the threads of process %d", pid);
}

/* All that the kernel lists now, in its order (by age). */
static pst_error *list_tids(const struct process *process, struct tids *tids)
{
    char buffer[LISTING_SIZE] __attribute__((aligned(16)));
    if (process->task_directory < 0 || lseek(process->task_directory, 0, SEEK_SET) < 0)
        return cannot_list(process, errno);
    for (;;) {
        ssize_t size = getdents64(process->task_directory, buffer, sizeof buffer);
        if (size < 0)
            return cannot_list(process, errno);
        if (size == 0)
            return NULL;
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const void *)(buffer + at);
            at += entry->d_reclen;
            long tid = strtol(entry->d_name, NULL, 10); /* "." and "..": 0 */
            if (tid <= 0)
                continue;
            if (tids->count == TARGET_MAX_THREADS)
                return error_new(PST_ERROR_LIMIT, "process %d has more than %d threads", process->target->pid,
                                 TARGET_MAX_THREADS);
            if (!tids_add(tids, (pid_t)tid))
                return error_no_memory();
        }
    }
}

size_t process_count_threads(struct process *process)
{
    struct stat status;
    if (open_task_directory(process) < 0 || fstat(process->task_directory, &status) != 0 || status.st_nlink < 2)
        return 0;
    return (size_t)status.st_nlink - 2; /* one link for each thread, beside those every folder has */
}

/* ---- threads ------------------------------------------------------------------------------------------- */

/* The number by which the thread knows itself, in its own PID namespace. */
static pid_t read_inner_tid(const struct process *process, pid_t tid)
{
    char path[PROCESS_NAME_SIZE], *status;
    size_t size;
    uint64_t numbers[MAX_PID_NAMESPACES];
    snprintf(path, sizeof path, "%d/status", tid);
    if (proc_read_file(process->task_directory, path, MAX_STATUS_SIZE, &status, &size) != 0)
        return tid;
    size_t count = proc_status_numbers(status, "NSpid:", 10, numbers, MAX_PID_NAMESPACES);
    free(status);
    return count >= 1 && count <= MAX_PID_NAMESPACES ? (pid_t)numbers[count - 1] : tid;
}

/* false: it has ended. *stack_start: of the main thread. */
static bool describe_thread(const struct process *process, pid_t tid, struct target_thread *thread,
                            uint64_t *stack_start)
{
    char path[PROCESS_NAME_SIZE];
    struct proc_stat stat;
    snprintf(path, sizeof path, "%d/stat", tid);
    int errnum = proc_read_stat(process->task_directory, path, &stat);
    if (errnum == ENOENT || errnum == ESRCH)
        return false;
    *thread = (struct target_thread){ .tid = tid, .inner_tid = tid };
    if (!errnum) {
        memcpy(thread->name, stat.name, sizeof thread->name);
        thread->has_name = true;
        thread->state = stat.state;
        if (tid == process->target->pid)
            *stack_start = stat.stack_start;
    }
    if (process->nested)
        thread->inner_tid = read_inner_tid(process, tid);
    return thread->state != 'X';
}

static bool reserve_threads(struct process *process, size_t more)
{
    struct pst_target *target = process->target;
    size_t count = target->thread_count + more + 1;
    struct target_thread *threads = realloc(target->threads, count * sizeof *threads);
    if (threads)
        target->threads = threads;
    struct tracee *tracees = realloc(process->tracees, count * sizeof *tracees);
    if (tracees)
        process->tracees = tracees;
    return threads && tracees;
}

static void add_thread(struct process *process, const struct target_thread *thread)
{
    struct pst_target *target = process->target;
    target->threads[target->thread_count] = *thread;
    process->tracees[target->thread_count] = (struct tracee){ .tid = thread->tid };
    process->tracee_count = ++target->thread_count;
}

/* ---- all of them --------------------------------------------------------------------------------------- */

/* The threads of a process at one moment. */
struct listing {
    const struct process *process;
    struct target_thread *threads;
    size_t count;
    uint64_t main_stack_start;
    pst_error *error;
    pthread_t helper; /* that makes it */
};

static void make_listing(struct listing *listing)
{
    struct tids tids = { 0 };
    listing->error = list_tids(listing->process, &tids);
    if (!listing->error)
        listing->threads = calloc(tids.count + 1, sizeof *listing->threads);
    if (!listing->error && !listing->threads)
        listing->error = error_no_memory();
    for (size_t i = 0; !listing->error && i < tids.count; i++)
        if (describe_thread(listing->process, tids.items[i], &listing->threads[listing->count],
                            &listing->main_stack_start))
            listing->count++;
    free(tids.items);
}

static void *run_helper(void *listing)
{
    make_listing(listing);
    return NULL;
}

static bool start_helper(struct listing *listing)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    pthread_attr_setstacksize(&attributes, HELPER_STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* which it inherits: signals are for our caller's threads */
    int errnum = pthread_create(&listing->helper, &attributes, run_helper, listing);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return errnum == 0;
}

void process_prepare(struct pst_target *target)
{
    struct process *process = target->process;
    if (process->listing || process_count_threads(process) < MANY_THREADS)
        return;
    struct listing *listing = calloc(1, sizeof *listing);
    if (!listing)
        return;
    listing->process = process;
    if (start_helper(listing))
        process->listing = listing;
    else
        free(listing);
}

/* The one that a helper makes; NULL: there is none. */
static struct listing *take_listing(struct process *process)
{
    struct listing *listing = process->listing;
    process->listing = NULL;
    if (listing)
        pthread_join(listing->helper, NULL);
    return listing;
}

void process_forget_listing(struct process *process)
{
    struct listing *listing = take_listing(process);
    if (!listing)
        return;
    pst_error_free(listing->error);
    free(listing->threads);
    free(listing);
}

/* `listing` is used up. */
static pst_error *take_threads(struct process *process, struct listing *listing)
{
    process->target->thread_count = process->tracee_count = 0;
    if (!listing->error && !reserve_threads(process, listing->count))
        listing->error = error_no_memory();
    for (size_t i = 0; !listing->error && i < listing->count; i++)
        add_thread(process, &listing->threads[i]);
    process->main_stack_start = listing->main_stack_start;
    free(listing->threads);
    return listing->error;
}

/* What a helper listed is some milliseconds old: only an execve since then matters, which the main thread shows. */
pst_error *process_list_threads(struct process *process)
{
    struct listing *prepared = take_listing(process), listing = { .process = process };
    struct target_thread main_thread;
    if (!prepared) {
        open_task_directory(process);
        make_listing(&listing);
        return take_threads(process, &listing);
    }
    listing = *prepared;
    free(prepared);
    describe_thread(process, process->target->pid, &main_thread, &listing.main_stack_start);
    return take_threads(process, &listing);
}

/* ---- those that come and go ---------------------------------------------------------------------------- */

static int compare_tids(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;
    return (left > right) - (left < right);
}

static bool known_tids(const struct process *process, struct tids *known)
{
    for (size_t i = 0; i < process->tracee_count; i++)
        if (!tids_add(known, process->tracees[i].tid))
            return false;
    if (known->count)
        qsort(known->items, known->count, sizeof *known->items, compare_tids);
    return true;
}

pst_error *process_add_new_threads(struct process *process)
{
    struct tids listed = { 0 }, known = { 0 };
    pst_error *error = list_tids(process, &listed);
    if (!error && (!known_tids(process, &known) || !reserve_threads(process, listed.count)))
        error = error_no_memory();
    for (size_t i = 0; !error && i < listed.count; i++) {
        struct target_thread thread;
        bool is_known = known.count &&
                        bsearch(&listed.items[i], known.items, known.count, sizeof *known.items, compare_tids);
        if (!is_known && describe_thread(process, listed.items[i], &thread, &process->main_stack_start))
            add_thread(process, &thread);
    }
    free(listed.items);
    free(known.items);
    return error;
}

pid_t process_find_live_thread(struct process *process)
{
    struct tids tids = { 0 };
    process_forget_listing(process); /* whose maker reads the same folder */
    open_task_directory(process);
    pst_error_free(list_tids(process, &tids)); /* what was listed before an error serves */
    pid_t live = 0;
    for (size_t i = 0; !live && i < tids.count; i++) {
        char path[PROCESS_NAME_SIZE];
        struct proc_stat stat;
        snprintf(path, sizeof path, "%d/stat", tids.items[i]);
        if (proc_read_stat(process->task_directory, path, &stat) == 0 && stat.state != 'Z' &&
            stat.state != 'X')
            live = tids.items[i];
    }
    free(tids.items);
    return live;
}
