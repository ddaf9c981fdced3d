#include "target/process.h"

#include "target/maps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_MAPS_SIZE = 1 << 28,
    MAX_ARGUMENTS_SIZE = 8 << 20, /* the kernel's own limit is 6 MiB */
    MAX_STATUS_SIZE = 1 << 20,
    MAX_BATCH = 256, /* stretches of one call. IOV_MAX of them fill 32 KB of stack, whose pages cost more than calls */
    THREAD_PAGES = 6,       /* a walk touches about as many for each thread */
    MAX_READER_CHANGES = 8, /* in one call: threads that end one after the other */
};

uint64_t process_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static const char *why_unreadable(const struct process *process, pst_addr address)
{
    const struct segment *segment = target_find_segment(process->target, address);
    if (!segment)
        return "nothing is mapped there";
    if (!segment->readable)
        return "the process itself must not read there";
    return "the kernel cannot read it (a device, or a file that was cut short)";
}

static void fail_page(const struct process *process, struct memory_page *page, int errnum)
{
    page->errnum = errnum;
    if (errnum == EFAULT || errnum == EIO)
        page->why = why_unreadable(process, page->address);
    else if (errnum == ESRCH || errnum == 0)
        page->why = "the process has ended";
    else if (errnum == EPERM || errnum == EACCES)
        page->why = "the kernel does not permit it";
    else
        page->why = "the kernel refuses to read it";
}

/* One call for up to MAX_BATCH stretches of pages, which neighbours share. Returns how many of the pages were read;
 * if not all, errno says why not the next one. *tried: how many were asked for. */
static size_t read_batch(const struct process *process, struct memory_page *const *pages, size_t count,
                         size_t *tried)
{
    struct iovec local[MAX_BATCH], remote[MAX_BATCH];
    size_t local_count = 0, remote_count = 0, i;
    for (i = 0; i < count; i++) {
        bool same_remote = i && pages[i]->address == pages[i - 1]->address + MEMORY_PAGE_SIZE;
        bool same_local = i && pages[i]->bytes == pages[i - 1]->bytes + MEMORY_PAGE_SIZE;
        if ((!same_remote && remote_count == MAX_BATCH) || (!same_local && local_count == MAX_BATCH))
            break;
        if (same_remote)
            remote[remote_count - 1].iov_len += MEMORY_PAGE_SIZE;
        else
            remote[remote_count++] = (struct iovec){ (void *)(uintptr_t)pages[i]->address, MEMORY_PAGE_SIZE };
        if (same_local)
            local[local_count - 1].iov_len += MEMORY_PAGE_SIZE;
        else
            local[local_count++] = (struct iovec){ pages[i]->bytes, MEMORY_PAGE_SIZE };
    }
    *tried = i;
    ssize_t got = process_vm_readv(process->reader, local, local_count, remote, remote_count, 0);
    if (got < 0)
        return 0;
    errno = EFAULT;
    return (size_t)got / MEMORY_PAGE_SIZE;
}

/* The way round a sandbox of our own that forbids process_vm_readv(). Returns how many of the pages were dealt with:
 * one at least, and as many as lie behind each other. */
static size_t read_pages_from_file(const struct process *process, struct memory_page *const *pages, size_t count)
{
    size_t run = 1;
    while (run < count && run < MAX_BATCH && pages[run]->address == pages[run - 1]->address + MEMORY_PAGE_SIZE &&
           pages[run]->bytes == pages[run - 1]->bytes + MEMORY_PAGE_SIZE)
        run++;
    ssize_t got = pread(process->memory_file, pages[0]->bytes, run * MEMORY_PAGE_SIZE, (off_t)pages[0]->address);
    size_t whole = got > 0 ? (size_t)got / MEMORY_PAGE_SIZE : 0;
    for (size_t i = 0; i < whole; i++)
        pages[i]->valid_end = MEMORY_PAGE_SIZE;
    if (whole == 0) /* of a process without memory there is nothing: neither bytes nor an error */
        fail_page(process, pages[0], got < 0 ? errno : got > 0 ? EIO : 0);
    return whole ? whole : 1;
}

/* After a read failed: true if there is now another way to read. */
static bool change_reader(struct process *process, int errnum)
{
    if (errnum == ESRCH) { /* the thread that we named has ended; another may live */
        pid_t live = process_find_live_thread(process);
        if (live == 0 || live == process->reader)
            return false;
        process->reader = live;
        return true;
    }
    if ((errnum == EPERM || errnum == ENOSYS) && process->memory_file < 0) {
        process->memory_file = openat(process->memory_directory, "mem", O_RDONLY | O_CLOEXEC);
        return process->memory_file >= 0;
    }
    return false;
}

static void process_read_pages(void *context, struct memory_page *const *pages, size_t count)
{
    struct process *process = context;
    int changes = 0;
    for (size_t i = 0; i < count;) {
        if (process->memory_file >= 0) {
            i += read_pages_from_file(process, pages + i, count - i);
            continue;
        }
        size_t tried, got = read_batch(process, pages + i, count - i, &tried);
        for (size_t end = i + got; i < end; i++)
            pages[i]->valid_end = MEMORY_PAGE_SIZE;
        if (got == tried)
            continue;
        int errnum = errno;
        if (got == 0 && changes++ < MAX_READER_CHANGES && change_reader(process, errnum))
            continue;
        fail_page(process, pages[i++], errnum);
        for (; errnum != EFAULT && i < count; i++) /* no other page would fare better */
            fail_page(process, pages[i], errnum);
    }
}

static size_t process_read_range(void *context, pst_addr address, uint8_t *bytes, size_t size)
{
    struct process *process = context;
    for (int changes = 0;; changes++) {
        ssize_t got;
        if (process->memory_file >= 0) {
            got = pread(process->memory_file, bytes, size, (off_t)address);
        } else {
            struct iovec local = {bytes, size}, remote = {(void *)(uintptr_t)address, size};
            got = process_vm_readv(process->reader, &local, 1, &remote, 1, 0);
        }
        if (got >= 0)
            return (size_t)got;
        if (changes == MAX_READER_CHANGES || !change_reader(process, errno))
            return 0;
    }
}

/* One call for up to MAX_BATCH ranges, one at least. Returns how many are done: all, or those up to the first that
 * could not be read to its end. -1: none could be tried, errno says why. */
static ssize_t read_range_batch(const struct process *process, struct memory_range *ranges, size_t count)
{
    struct iovec local[MAX_BATCH], remote[MAX_BATCH];
    size_t tried = 0, done = 0;
    do {
        local[tried] = (struct iovec){ranges[tried].bytes, ranges[tried].size};
        remote[tried] = (struct iovec){(void *)(uintptr_t)ranges[tried].address, ranges[tried].size};
    } while (++tried < count && tried < MAX_BATCH);
    ssize_t left = process_vm_readv(process->reader, local, tried, remote, tried, 0);
    if (left < 0 && errno != EFAULT)
        return -1;
    for (bool whole = true; done < tried && whole; done++) {
        size_t size = ranges[done].size;
        ranges[done].got = left <= 0 ? 0 : (size_t)left < size ? (size_t)left : size;
        left -= (ssize_t)ranges[done].got;
        whole = ranges[done].got == size;
    }
    return (ssize_t)done;
}

static void process_read_ranges(void *context, struct memory_range *ranges, size_t count)
{
    const struct process *process = context;
    for (size_t i = 0; i < count;) {
        ssize_t done = process->memory_file < 0 ? read_range_batch(process, &ranges[i], count - i) : -1;
        if (done > 0) {
            i += (size_t)done;
            continue;
        }
        /* Which finds another way, if there is one. */
        ranges[i].got = process_read_range(context, ranges[i].address, ranges[i].bytes, ranges[i].size);
        i++;
    }
}

bool process_read_name(const struct pst_target *target, pid_t pid, char name[17])
{
    char path[PROCESS_NAME_SIZE + sizeof "/proc/"];
    struct proc_stat stat;
    if (target->process->nested)
        return false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (proc_read_stat(AT_FDCWD, path, &stat))
        return false;
    memcpy(name, stat.name, sizeof stat.name);
    return true;
}

/* ---- opening --------------------------------------------------------------------------------------- */

static pst_error *gone(const struct process *process)
{
    return error_new(PST_ERROR_OPEN, "process %d has ended", process->target->pid);
}

/* What kept a file of /proc/PID from being read. */
static pst_error *unreadable(const struct process *process, int errnum, const char *file)
{
    pid_t pid = process->target->pid;
    char what[64];
    switch (errnum) {
    case EPERM:
    case EACCES:
        snprintf(what, sizeof what, "read /proc/%d/%s", pid, file);
        return process_denied(process, pid, errnum, what, false);
    case ENOENT:
    case ESRCH:
        return gone(process);
    case ENOMEM:
        return error_no_memory();
    default:
        return error_system(PST_ERROR_SYSTEM, errnum, "cannot read /proc/%d/%s", pid, file);
    }
}

/* There is no /proc/PID: because there is no such process, or because we are not shown it. */
static pst_error *not_found(pid_t pid, int errnum)
{
    if (access("/proc/self/stat", R_OK) != 0)
        return error_hint(error_system(PST_ERROR_SYSTEM, errno, "cannot read /proc"),
                          "mount it: mount -t proc proc /proc");
    if (errnum != ENOENT && errnum != ESRCH)
        return error_system(PST_ERROR_SYSTEM, errnum, "cannot open /proc/%d", pid);
    if (kill(pid, 0) == 0 || errno == EPERM)
        return error_hint(error_new(PST_ERROR_PERMISSION,
                                    "process %d exists, but /proc is mounted with hidepid and hides it", pid),
                          "run it as root: sudo pystander …");
    return error_new(PST_ERROR_OPEN, "no such process: %d", pid);
}

/* The /proc that we see must number processes as our system calls do, or a stranger would be stopped. */
static pst_error *check_own_proc(void)
{
    char name[16];
    ssize_t size = readlinkat(AT_FDCWD, "/proc/self", name, sizeof name - 1);
    if (size < 0)
        return not_found(getpid(), errno);
    name[size] = '\0';
    if (strtol(name, NULL, 10) == getpid())
        return NULL;
    return error_hint(
        error_new(PST_ERROR_SYSTEM, "/proc shows another PID namespace than this process is in"),
        "run it outside of the container, or mount the container's own /proc");
}

static int open_proc(pid_t pid)
{
    char path[PROCESS_NAME_SIZE];
    snprintf(path, sizeof path, "/proc/%d", pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A thread's number was given: the process is meant. */
static pst_error *find_process_of_thread(struct process *process)
{
    char *status;
    size_t size;
    uint64_t pid = 0;
    int errnum = proc_read_file(process->directory, "status", MAX_STATUS_SIZE, &status, &size);
    if (!errnum && proc_status_numbers(status, "Tgid:", 10, &pid, 1) == 0)
        errnum = ESRCH;
    free(status);
    if (errnum)
        return unreadable(process, errnum, "status");
    close(process->directory);
    process->target->pid = process->reader = (pid_t)pid;
    process->directory = process->memory_directory = open_proc((pid_t)pid);
    return process->directory < 0 ? gone(process) : NULL;
}

static pst_error *open_directory(struct process *process)
{
    pid_t pid = process->target->pid;
    process->directory = process->memory_directory = open_proc(pid);
    if (process->directory < 0)
        return not_found(pid, errno);
    if (syscall(SYS_tgkill, pid, pid, 0) != 0 && errno == ESRCH)
        return find_process_of_thread(process);
    return NULL;
}

/* Paths in maps and links are named from our root. One that the target was chroot'ed into comes off. */
static pst_error *read_root(struct process *process)
{
    int errnum = proc_read_link(process->memory_directory, "root", &process->root);
    if (errnum == ENOENT) /* a zombie has none: see leave_main_thread() */
        return NULL;
    return errnum ? unreadable(process, errnum, "root") : NULL;
}

/* The main thread has no memory any more: it exited, and another may have it. */
static pst_error *leave_main_thread(struct process *process)
{
    pid_t pid = process->target->pid;
    struct proc_stat stat;
    int errnum = proc_read_stat(process->directory, "stat", &stat);
    if (errnum)
        return unreadable(process, errnum, "stat");
    if (stat.kernel_thread)
        return error_new(PST_ERROR_NOT_PYTHON, "process %d (%s) is a thread of the kernel", pid, stat.name);
    process->reader = process_find_live_thread(process);
    if (process->reader == 0 || process->reader == pid)
        return error_hint(error_new(PST_ERROR_NOT_PYTHON,
                                    "process %d (%s) has exited and only waits for its parent, %d, "
                                    "to take note (a zombie)",
                                    pid, stat.name, stat.parent),
                          "look at its parent: pystander %d", stat.parent);
    process->memory_directory = open_proc(process->reader);
    if (process->memory_directory < 0) {
        process->memory_directory = process->directory;
        return gone(process);
    }
    return read_root(process);
}

static pst_error *read_maps(struct process *process)
{
    struct pst_target *target = process->target;
    char *text;
    size_t size;
    int errnum = proc_read_file(process->memory_directory, "maps", MAX_MAPS_SIZE, &text, &size);
    if (!errnum && size == 0) {
        free(text);
        TRY(leave_main_thread(process));
        errnum = proc_read_file(process->memory_directory, "maps", MAX_MAPS_SIZE, &text, &size);
    }
    if (errnum)
        return unreadable(process, errnum, "maps");
    target->segment_names = text;
    return maps_parse(text, size, process->root, &target->segments, &target->segment_count);
}

static pst_error *read_executable(struct process *process)
{
    struct pst_target *target = process->target;
    char *link;
    int errnum = proc_read_link(process->memory_directory, "exe", &link);
    if (errnum)
        return unreadable(process, errnum, "exe");
    maps_strip_deleted(link);
    const char *path = maps_strip_root(link, process->root);
    memmove(link, path, strlen(path) + 1);
    target->executable = link;
    errnum = proc_read_file(process->memory_directory, "cmdline", MAX_ARGUMENTS_SIZE, &target->arguments,
                            &target->arguments_size);
    return errnum && errnum != EFBIG ? unreadable(process, errnum, "cmdline") : NULL;
}

/* The first bytes of the executable, from memory if it is mapped there: that page will be wanted anyway, and
 * the read shows whether reading is permitted at all. */
static pst_error *read_executable_head(struct process *process, uint8_t *head, size_t size)
{
    const struct pst_target *target = process->target;
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        if (segment->file_offset != 0 || !segment->path || strcmp(segment->path, target->executable) != 0)
            continue;
        pst_error *error = memory_read(target->memory, segment->start, head, size);
        if (error && (pst_error_get_errno(error) == EPERM || pst_error_get_errno(error) == ENOSYS)) {
            int errnum = pst_error_get_errno(error);
            pst_error_free(error);
            return process_denied(process, target->pid, errnum, "read its memory", false);
        }
        if (!error)
            return NULL;
        pst_error_free(error);
    }
    int fd = openat(process->memory_directory, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return unreadable(process, errno, "exe");
    ssize_t got = pread(fd, head, size, 0);
    int errnum = got < 0 ? errno : EIO;
    close(fd);
    return got == (ssize_t)size ? NULL : unreadable(process, errnum, "exe");
}

static pst_error *read_machine(struct process *process)
{
    struct pst_target *target = process->target;
    uint8_t head[20]; /* e_ident, e_type, e_machine */
    TRY(read_executable_head(process, head, sizeof head));
    if (memcmp(head, ELFMAG, SELFMAG) != 0)
        return error_new(PST_ERROR_UNSUPPORTED, "%s is no ELF file", target->executable);
    target->machine = (uint16_t)(head[18] | head[19] << 8);
    if (head[EI_CLASS] != ELFCLASS64 || head[EI_DATA] != ELFDATA2LSB)
        return error_new(PST_ERROR_UNSUPPORTED,
                         "process %d is a %s program; only 64-bit little-endian ones can be read",
                         target->pid, head[EI_CLASS] != ELFCLASS64 ? "32-bit" : "big-endian");
    if (target->machine != EM_X86_64 && target->machine != EM_AARCH64)
        return error_new(PST_ERROR_UNSUPPORTED,
                         "process %d runs on a machine (ELF number %u) that is not supported: "
                         "x86_64 and aarch64 are",
                         target->pid, target->machine);
    return NULL;
}

/* Comes last: that it can be read shows that all before it was of this process. */
static pst_error *read_start(struct process *process)
{
    struct proc_stat stat;
    int errnum = proc_read_stat(process->directory, "stat", &stat);
    if (errnum)
        return unreadable(process, errnum, "stat");
    struct timespec boot, now;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
    int64_t boot_ns = (int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec;
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    process->target->start_time_ns = now_ns - boot_ns + (int64_t)stat.start_ticks * tick_ns;
    process->target->details.parent = stat.parent;
    process->target->is_forked = stat.forked;
    process->target->details.has_start = true;
    process->target->details.start = process->target->start_time_ns / 1000000000;
    process->stack_start = stat.stack_start;
    process->own_child = stat.parent == getpid();
    return NULL;
}

/* Whether its numbers of processes are others than ours. */
static void compare_pid_namespaces(struct process *process)
{
    char ours[64], theirs[64];
    ssize_t our_size = readlinkat(AT_FDCWD, "/proc/self/ns/pid", ours, sizeof ours);
    ssize_t their_size = readlinkat(process->memory_directory, "ns/pid", theirs, sizeof theirs);
    process->nested = our_size < 0 || our_size != their_size || memcmp(ours, theirs, (size_t)our_size) != 0;
}

static pst_error *open_process(struct process *process)
{
    struct pst_target *target = process->target;
    TRY(check_own_proc());
    TRY(open_directory(process));
    TRY(memory_open((struct memory_source){.read_pages = process_read_pages,
                                           .read_range = process_read_range,
                                           .read_ranges = process_read_ranges,
                                           .find_used = process_find_used,
                                           .context = process},
                    &target->memory));
    TRY(read_root(process));
    TRY(read_maps(process));
    memory_expect(target->memory, process_count_threads(process) * THREAD_PAGES);
    TRY(read_executable(process));
    TRY(read_machine(process));
    compare_pid_namespaces(process);
    TRY(read_start(process));
    return target->no_pause ? process_list_threads(process) : NULL;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void process_close(struct pst_target *target)
{
    struct process *process = target->process;
    process_forget_listing(process);
    process_resume(target);
    if (process->memory_directory != process->directory)
        close_fd(process->memory_directory);
    close_fd(process->directory);
    close_fd(process->task_directory);
    close_fd(process->root_directory);
    close_fd(process->memory_file);
    close_fd(process->pagemap);
    mounts_free(&process->mounts);
    free(process->root);
    free(process->folder);
    free(process->tracees);
    free(process->registers);
    free(process->leftovers);
    free(process);
    target->process = NULL;
}

static void process_read_user(struct pst_target *target)
{
    pst_process_details *details = &target->details;
    char *status;
    size_t size;
    uint64_t uid, gid;
    if (proc_read_file(target->process->directory, "status", MAX_STATUS_SIZE, &status, &size) != 0)
        return;
    if (proc_status_numbers(status, "Uid:", 10, &uid, 1) && proc_status_numbers(status, "Gid:", 10, &gid, 1)) {
        details->has_user = true;
        details->uid = (uid_t)uid;
        details->gid = (gid_t)gid;
    }
    free(status);
}

static const struct target_operations process_operations = {
    .close = process_close,
    .prepare = process_prepare,
    .pause = process_pause,
    .resume = process_resume,
    .read_tls = process_read_tls,
    .read_user = process_read_user,
    .open_file = process_open_file,
    .read_syscalls = process_read_syscalls,
    .read_registers = process_read_registers,
    .read_auxv = process_read_auxv,
    .write_notes = process_write_notes,
};

static pst_error *process_new(struct pst_target *target, pid_t pid)
{
    struct process *process = calloc(1, sizeof *process);
    if (!process)
        return error_no_memory();
    process->target = target;
    process->directory = process->memory_directory = process->task_directory = -1;
    process->root_directory = process->memory_file = process->pagemap = -1;
    process->reader = pid;
    target->process = process;
    target->operations = &process_operations;
    target->pid = pid;
    return NULL;
}

pst_error *process_attach(struct pst_target *target, pid_t pid)
{
    TRY(process_new(target, pid));
    return open_process(target->process);
}

pst_error *pst_target_open_process(pid_t pid, const pst_target_options *options, pst_target **result)
{
    *result = NULL;
    if (pid <= 0)
        return error_new(PST_ERROR_USAGE, "%d is no process id", pid);
    if (pid == getpid())
        return error_new(PST_ERROR_USAGE, "process %d is this very process: it can't stop itself to look",
                         pid);
    struct pst_target *target;
    TRY(target_new(PST_TARGET_PROCESS, options, &target));
    pst_error *error = process_attach(target, pid);
    if (error) {
        pst_target_close(target);
        return error;
    }
    *result = target;
    return NULL;
}
