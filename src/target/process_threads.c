/* The threads of a live process, as the kernel lists them. */
#include "target/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LISTING_SIZE = 32 * 1024, /* some 1,000 threads at a time */
    MAX_STATUS_SIZE = 1 << 20,
    MAX_PID_NAMESPACES = 33, /* the kernel's MAX_PID_NS_LEVEL, and the outermost */
};

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
static pst_error *list_tids(struct process *process, struct tids *tids)
{
    char buffer[LISTING_SIZE] __attribute__((aligned(16)));
    if (open_task_directory(process) < 0 || lseek(process->task_directory, 0, SEEK_SET) < 0)
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

size_t process_count_threads(const struct process *process)
{
    struct stat status;
    if (process->task_directory < 0 || fstat(process->task_directory, &status) != 0 || status.st_nlink < 2)
        return 0;
    return (size_t)status.st_nlink - 2; /* one link for each thread, beside those every folder has */
}

/* The number by which the thread knows itself, in its own PID namespace. */
static pid_t read_inner_tid(struct process *process, pid_t tid)
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

/* false: it has ended. */
static bool describe_thread(struct process *process, pid_t tid, struct target_thread *thread)
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
            process->main_stack_start = stat.stack_start;
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

static void add_thread(struct process *process, pid_t tid)
{
    struct pst_target *target = process->target;
    if (!describe_thread(process, tid, &target->threads[target->thread_count]))
        return;
    process->tracees[target->thread_count] = (struct tracee){ .tid = tid };
    process->tracee_count = ++target->thread_count;
}

pst_error *process_list_threads(struct process *process)
{
    struct tids tids = { 0 };
    process->target->thread_count = process->tracee_count = 0;
    pst_error *error = list_tids(process, &tids);
    if (!error && !reserve_threads(process, tids.count))
        error = error_no_memory();
    for (size_t i = 0; !error && i < tids.count; i++)
        add_thread(process, tids.items[i]);
    free(tids.items);
    return error;
}

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
    for (size_t i = 0; !error && i < listed.count; i++)
        if (!known.count ||
            !bsearch(&listed.items[i], known.items, known.count, sizeof *known.items, compare_tids))
            add_thread(process, listed.items[i]);
    free(listed.items);
    free(known.items);
    return error;
}

pid_t process_find_live_thread(struct process *process)
{
    struct tids tids = { 0 };
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
