/*
 * Why the kernel says EPERM or EACCES, in the order of ptrace(2), "Ptrace access mode checking": the kernel
 * gives the same number for every cause, so that we go through its checks and name the first that fails.
 */
#include "target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_STATUS_SIZE = 1 << 20,
    CAPABILITY_SYS_PTRACE = 19, /* linux/capability.h */
    SECCOMP_FILTER = 2,
};

/* What /proc/PID/status says that matters here. */
struct credentials {
    uint64_t tracer;
    uint64_t uids[4], gids[4]; /* real, effective, saved, of the file system */
    uint64_t permitted, effective, bounding;
    uint64_t seccomp;
};

static bool read_credentials(int directory, struct credentials *credentials)
{
    char *status;
    size_t size;
    *credentials = (struct credentials){ 0 };
    if (proc_read_file(directory, "status", MAX_STATUS_SIZE, &status, &size) != 0)
        return false;
    proc_status_numbers(status, "TracerPid:", 10, &credentials->tracer, 1);
    proc_status_numbers(status, "Uid:", 10, credentials->uids, 4);
    proc_status_numbers(status, "Gid:", 10, credentials->gids, 4);
    proc_status_numbers(status, "CapPrm:", 16, &credentials->permitted, 1);
    proc_status_numbers(status, "CapEff:", 16, &credentials->effective, 1);
    proc_status_numbers(status, "CapBnd:", 16, &credentials->bounding, 1);
    proc_status_numbers(status, "Seccomp:", 10, &credentials->seccomp, 1);
    free(status);
    return true;
}

/* The first character of a setting of the kernel's; '0': there is none. */
static char read_setting(const char *path)
{
    char character = '0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, &character, 1) != 1)
            character = '0';
        close(fd);
    }
    return character;
}

/* Yama's rule, 0 where there is no Yama. */
static int read_ptrace_scope(void)
{
    return read_setting("/proc/sys/kernel/yama/ptrace_scope") - '0';
}

static int open_self(void)
{
    return open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The machine's own user namespace, which all others are in, maps every number to itself. */
static bool in_inner_user_namespace(int self)
{
    char *map;
    size_t size;
    uint64_t numbers[3] = { 0 };
    if (proc_read_file(self, "uid_map", MAX_STATUS_SIZE, &map, &size) != 0)
        return false;
    size_t count = proc_status_numbers(map, "", 10, numbers, 3);
    free(map);
    return count != 3 || numbers[0] != 0 || numbers[1] != 0 || numbers[2] != UINT32_MAX;
}

/* Whether two links of /proc/PID/ns lead to the same. Theirs can't be seen by whom the process is closed to: for
 * who has CAP_SYS_PTRACE in an inner namespace, that is one outside of it. */
static bool same_user_namespace(int self, int other, bool capable)
{
    struct stat ours, theirs;
    if (fstatat(self, "ns/user", &ours, 0) != 0)
        return true;
    if (fstatat(other, "ns/user", &theirs, 0) != 0)
        return !capable || !in_inner_user_namespace(self);
    return ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

static bool same_owner(const struct credentials *ours, const struct credentials *theirs)
{
    for (int i = 0; i < 3; i++) /* the kernel compares our real ids with each of theirs */
        if (theirs->uids[i] != ours->uids[0] || theirs->gids[i] != ours->gids[0])
            return false;
    return true;
}

/* The files in the folder of a process that must not be dumped belong to root. */
static bool is_undumpable(int directory, const struct credentials *theirs)
{
    struct stat status;
    return fstatat(directory, "stat", &status, 0) == 0 && status.st_uid == 0 && theirs->uids[1] != 0;
}

/* How to get the rights that are lacking. */
static pst_error *hint_at_rights(pst_error *error, pid_t pid, const struct credentials *ours)
{
    if (ours->uids[0] == 0)
        return error_hint(error, "this is root without CAP_SYS_PTRACE, as in a container: "
                                 "docker run --cap-add=SYS_PTRACE, or look from the host");
    return error_hint(error, "run it as root: sudo pystander %d", pid);
}

static pst_error *traced(const struct process *process, const char *what, int errnum, uint64_t tracer)
{
    char path[PROCESS_NAME_SIZE];
    struct proc_stat stat = { 0 };
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", tracer);
    if (proc_read_stat(AT_FDCWD, path, &stat) != 0)
        snprintf(stat.name, sizeof stat.name, "unknown");
    return error_hint(error_system(PST_ERROR_PERMISSION, errnum,
                                   "cannot %s: process %d is being traced by process %" PRIu64
                                   " (%s), and only one can trace it",
                                   what, process->target->pid, tracer, stat.name),
                      "end that tracer, or read without stopping the process: --no-pause");
}

static pst_error *other_owner(const struct process *process, const char *what, int errnum,
                              const struct credentials *ours, const struct credentials *theirs)
{
    pid_t pid = process->target->pid;
    pst_error *error;
    if (theirs->uids[0] != theirs->uids[1] || theirs->uids[0] != theirs->uids[2])
        error = error_system(PST_ERROR_PERMISSION, errnum,
                             "cannot %s: process %d runs set-user-ID (real user %" PRIu64
                             ", effective %" PRIu64 "), and we are user %" PRIu64,
                             what, pid, theirs->uids[0], theirs->uids[1], ours->uids[0]);
    else if (theirs->uids[0] != ours->uids[0])
        error = error_system(PST_ERROR_PERMISSION, errnum,
                             "cannot %s: process %d belongs to another user (user %" PRIu64
                             ", we are user %" PRIu64 ")",
                             what, pid, theirs->uids[0], ours->uids[0]);
    else
        error = error_system(PST_ERROR_PERMISSION, errnum,
                             "cannot %s: process %d runs with another group (group %" PRIu64
                             ", ours is %" PRIu64 ")",
                             what, pid, theirs->gids[1], ours->gids[0]);
    if (ours->uids[0] == 0)
        return hint_at_rights(error, pid, ours);
    return error_hint(error, "run it as root (sudo pystander %d) or as that user", pid);
}

static pst_error *yama_forbids(const char *what, int errnum, int scope, pid_t pid)
{
    pst_error *error = error_system(PST_ERROR_PERMISSION, errnum,
                                    "cannot %s: Yama forbids it (kernel.yama.ptrace_scope is %d%s)", what,
                                    scope,
                                    scope == 1   ? ": only a process's ancestors may trace it"
                                    : scope == 2 ? ": only root may trace"
                                                 : ": nobody may trace");
    if (scope == 1)
        return error_hint(
            error,
            "run it as root (sudo pystander %d; in a container: docker run --cap-add=SYS_PTRACE), "
            "or allow it: sudo sysctl kernel.yama.ptrace_scope=0",
            pid);
    if (scope == 2)
        return error_hint(error, "run it as root: sudo pystander %d", pid);
    return error_hint(error,
                      "this can't be undone before the next boot (then: sysctl kernel.yama.ptrace_scope=1); "
                      "a core can still be looked at");
}

/* Of checks that CAP_SYS_PTRACE would have passed. */
static pst_error *explain_without_capability(const struct process *process, const char *what, int errnum,
                                             const struct credentials *ours, const struct credentials *theirs)
{
    pid_t pid = process->target->pid;
    int scope = read_ptrace_scope();
    if (!same_owner(ours, theirs))
        return other_owner(process, what, errnum, ours, theirs);
    if (is_undumpable(process->directory, theirs))
        return hint_at_rights(
            error_system(PST_ERROR_PERMISSION, errnum,
                         "cannot %s: process %d is marked as not "
                         "dumpable (it called prctl(PR_SET_DUMPABLE), changed its user, or its "
                         "executable is not readable)",
                         what, pid),
            pid, ours);
    if (theirs->permitted & ~ours->permitted)
        return hint_at_rights(error_system(PST_ERROR_PERMISSION, errnum,
                                           "cannot %s: process %d has capabilities "
                                           "that we lack (0x%" PRIx64 ")",
                                           what, pid, theirs->permitted & ~ours->permitted),
                              pid, ours);
    if (scope)
        return yama_forbids(what, errnum, scope, pid);
    return NULL;
}

/* By what is left when none of the kernel's own rules forbids it. */
static pst_error *module_forbids(const struct process *process, const char *what, int errnum,
                                 const struct credentials *ours, const struct credentials *theirs)
{
    bool capable = ours->effective >> CAPABILITY_SYS_PTRACE & 1;
    const char *otherwise = capable ? "" : ", or it needs CAP_SYS_PTRACE";
    if (read_setting("/sys/fs/selinux/enforce") == '1')
        return error_hint(error_system(PST_ERROR_PERMISSION, errnum, "cannot %s: SELinux may forbid it%s", what,
                                       otherwise),
                          "see its log (ausearch -m avc); setsebool deny_ptrace off");
    if (read_setting("/sys/module/apparmor/parameters/enabled") == 'Y')
        return error_hint(error_system(PST_ERROR_PERMISSION, errnum, "cannot %s: AppArmor may forbid it%s", what,
                                       otherwise),
                          "see the kernel's log (dmesg)");
    pst_error *error;
    if (theirs->permitted & ~ours->effective)
        error = error_system(PST_ERROR_PERMISSION, errnum,
                             "cannot %s: the kernel refuses it%s; process %d has capabilities that we lack "
                             "(0x%" PRIx64 ")",
                             what, otherwise, process->target->pid, theirs->permitted & ~ours->effective);
    else
        error = error_system(PST_ERROR_PERMISSION, errnum, "cannot %s: the kernel refuses it%s", what, otherwise);
    return error_hint(error, "a sandbox around us may be the reason (Landlock, a container): look from outside of it");
}

static pst_error *explain(const struct process *process, int self, const char *what, int errnum,
                          const struct credentials *ours, const struct credentials *theirs)
{
    pid_t pid = process->target->pid;
    bool capable = ours->effective >> CAPABILITY_SYS_PTRACE & 1;
    if (!same_user_namespace(self, process->directory, capable))
        return error_hint(error_system(PST_ERROR_PERMISSION, errnum,
                                       "cannot %s: process %d is in another user namespace, "
                                       "where we have no rights",
                                       what, pid),
                          "run it as root of the host, or inside of that namespace (nsenter -t %d -U …)",
                          pid);
    if (!capable) {
        pst_error *error = explain_without_capability(process, what, errnum, ours, theirs);
        if (error)
            return error;
    } else if (read_ptrace_scope() == 3) {
        return yama_forbids(what, errnum, 3, pid);
    }
    if (ours->seccomp == SECCOMP_FILTER)
        return error_hint(error_system(PST_ERROR_PERMISSION, errnum,
                                       "cannot %s: a seccomp filter on ourselves forbids it, as "
                                       "container engines set one up",
                                       what),
                          "docker run --cap-add=SYS_PTRACE, or --security-opt seccomp=unconfined");
    return module_forbids(process, what, errnum, ours, theirs);
}

pst_error *process_denied(const struct process *process, pid_t tid, int errnum, const char *what,
                          bool attaching)
{
    struct credentials ours, theirs;
    char path[PROCESS_NAME_SIZE];
    snprintf(path, sizeof path, "task/%d", tid);
    int self = open_self(), thread = openat(process->directory, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    pst_error *error = NULL;
    if (self < 0 || thread < 0 || !read_credentials(self, &ours) || !read_credentials(thread, &theirs))
        error = error_system(PST_ERROR_PERMISSION, errnum, "cannot %s", what);
    else if (attaching && theirs.tracer)
        error = traced(process, what, errnum, theirs.tracer);
    else
        error = explain(process, self, what, errnum, &ours, &theirs);
    if (self >= 0)
        close(self);
    if (thread >= 0)
        close(thread);
    return error;
}
