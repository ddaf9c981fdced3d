/*
 * What is given up before anything is read that the crashed process could have made up. Its memory and its root are
 * open already; all else is read with the rights that the process itself had.
 */
#include "cli/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#endif

enum {
    MAX_STATUS_SIZE = 64 << 10,
    MAX_GROUPS = 1024,
    MAX_MEMORY = 1U << 30,   /* a hundred times what a report takes; as many handlers run as core_pipe_limit says */
    NOBODY = 65534,
};

/* ---- who we are ------------------------------------------------------------------------------------------- */

struct identity {
    uid_t uid;
    gid_t gid, groups[MAX_GROUPS];
    size_t group_count;
};

/* The numbers of a line of /proc/PID/status, up to `max`: how many. Names in it have their line ends escaped. */
static size_t read_numbers(const char *status, const char *field, unsigned *numbers, size_t max)
{
    const char *line = strstr(status, field);
    size_t count = 0;
    for (char *end; line && count < max; line = end) {
        line += count ? 0 : strlen(field);
        while (*line == ' ' || *line == '\t')
            line++;
        if (*line < '0' || *line > '9')
            break;
        numbers[count++] = (unsigned)strtoul(line, &end, 10);
    }
    return count;
}

static void become_nobody(struct identity *identity)
{
    identity->uid = identity->gid = NOBODY;
    identity->group_count = 0;
}

/* Of the process as the file system sees it; nobody's, if it is gone. */
static void read_identity(const pst_target *target, struct identity *identity)
{
    char path[32], *status = calloc(1, MAX_STATUS_SIZE + 1);
    unsigned ids[4];
    become_nobody(identity);
    snprintf(path, sizeof path, "/proc/%d/status", pst_target_get_pid(target));
    int fd = status ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0 && read(fd, status, MAX_STATUS_SIZE) > 0 && read_numbers(status, "\nUid:", ids, 4) == 4) {
        identity->uid = ids[3];
        identity->gid = read_numbers(status, "\nGid:", ids, 4) == 4 ? ids[3] : NOBODY;
        identity->group_count = read_numbers(status, "\nGroups:", identity->groups, MAX_GROUPS);
    }
    if (fd >= 0)
        close(fd);
    free(status);
    /* If it is there now, its number was its own when that was read; else another, of root say, may have got it. */
    if (!pst_crash_is_held(target))
        become_nobody(identity);
}

static pst_error *drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capset, &header, none) < 0)
        return error_system(PST_ERROR_SYSTEM, errno, "capabilities can't be given up");
    return NULL;
}

static pst_error *become_owner(const pst_target *target)
{
    struct identity *identity = malloc(sizeof *identity);
    pst_error *error = NULL;
    if (!identity)
        return error_no_memory();
    read_identity(target, identity);
    if (geteuid() == 0 && (setgroups(identity->group_count, identity->groups) < 0 ||
                           setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
                           setresuid(identity->uid, identity->uid, identity->uid) < 0))
        error = error_system(PST_ERROR_SYSTEM, errno, "the rights of user %u can't be taken on", identity->uid);
    free(identity);
    if (!error)
        error = drop_capabilities();
    /* Another user id undoes both. That user must not look into what reads the process, even where fs.suid_dumpable
     * is 1. */
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return error;
}

/* ---- what we may do --------------------------------------------------------------------------------------- */

static void limit(int resource, uint64_t value)
{
    setrlimit(resource, &(struct rlimit){value, value});
}

/* Nothing can be opened for writing, made, removed or executed (Linux 5.13 and later). */
static void forbid_writing(void)
{
#ifdef LANDLOCK_ACCESS_FS_WRITE_FILE
    struct landlock_ruleset_attr rules = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM,
    };
    int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (fd < 0)
        return;
    syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
#endif
}

#if defined(__x86_64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* No other process is reached, none is made, nothing is connected to. */
static void forbid_calls(void)
{
#ifdef OUR_ARCHITECTURE
    static const unsigned forbidden[] = {
        __NR_ptrace, __NR_process_vm_writev, __NR_execve, __NR_execveat, __NR_clone, __NR_clone3,
#ifdef __NR_fork
        __NR_fork, __NR_vfork,
#endif
        __NR_socket, __NR_socketpair, __NR_kill, __NR_tkill, __NR_tgkill, __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo,
        __NR_pidfd_open, __NR_pidfd_send_signal, __NR_pidfd_getfd, __NR_setns, __NR_unshare, __NR_mount, __NR_umount2,
        __NR_pivot_root, __NR_chroot, __NR_bpf, __NR_perf_event_open, __NR_io_uring_setup, __NR_userfaultfd,
        __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_kexec_load, __NR_reboot, __NR_add_key,
        __NR_request_key, __NR_keyctl, __NR_setpriority, __NR_sched_setscheduler, __NR_sched_setattr, __NR_shmget,
        __NR_msgget, __NR_semget, __NR_mq_open, __NR_prlimit64, __NR_personality, __NR_fchmod, __NR_fchmodat,
    };
    enum { COUNT = sizeof forbidden / sizeof *forbidden, HEAD = 4 };
    struct sock_filter program[HEAD + COUNT + 2];
    size_t size = 0;
    program[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    program[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCHITECTURE, 0, COUNT + 3);
    program[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    /* x86-64's other numbers for the same calls (x32). */
    program[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, COUNT + 1, 0);
    for (size_t i = 0; i < COUNT; i++)
        program[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden[i],
                                                       (uint8_t)(COUNT - i), 0);
    program[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog filter = {.len = (unsigned short)size, .filter = program};
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
#endif
}

pst_error *handle_sandbox_enter(const pst_target *target, uint64_t max_file_size)
{
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, max_file_size);
    limit(RLIMIT_NPROC, 0);
#if !defined(__SANITIZE_ADDRESS__)
    limit(RLIMIT_DATA, MAX_MEMORY);   /* a sanitizer's own memory is more than that */
#endif
    TRY(become_owner(target));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_system(PST_ERROR_SYSTEM, errno, "new rights can't be renounced");
    forbid_writing();
    forbid_calls();
    return NULL;
}
