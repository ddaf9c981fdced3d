/* What becomes of the core itself, once the report is made: another program gets it, or it is kept. */
#include "cli/handle.h"

#include "base/bytes.h"
#include "base/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PIECE_SIZE = 1 << 20,      /* what is asked of the kernel at a time */
    BLOCK_SIZE = 4096,         /* zeros of that size become a hole */
    LOCK_TIMEOUT_MS = 5000,
};

/* Milliseconds for poll(), rounded up; 0: the deadline has passed. */
static int time_left(int64_t deadline_ns)
{
    int64_t left = deadline_ns - handle_now_ns();
    return left <= 0 ? 0 : left / 1000000 >= 1 << 20 ? 1 << 20 : (int)(left / 1000000) + 1;
}

static bool wait_until_ready(int fd, short events, int64_t deadline_ns)
{
    struct pollfd waited = {.fd = fd, .events = events};
    for (;;) {
        int left = time_left(deadline_ns);
        int ready = left ? poll(&waited, 1, left) : 0;
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;   /* whatever it is, using it will tell */
        if (ready == 0 && left == 0)
            return false;
    }
}

/* ---- to a program ----------------------------------------------------------------------------------------- */

static bool write_head(const struct handle *handle, int fd, int64_t deadline_ns)
{
    for (size_t at = 0; at < handle->head_size;) {
        if (!wait_until_ready(fd, POLLOUT, deadline_ns))
            return false;
        ssize_t written = write(fd, handle->head + at, handle->head_size - at);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        at += written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* From pipe to pipe: pages change hands, none is copied. */
static void move_rest(int fd, int64_t deadline_ns)
{
    for (;;) {
        if (!wait_until_ready(STDIN_FILENO, POLLIN, deadline_ns) || !wait_until_ready(fd, POLLOUT, deadline_ns))
            return;
        ssize_t moved = splice(STDIN_FILENO, NULL, fd, NULL, PIECE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (moved == 0 || (moved < 0 && errno != EINTR && errno != EAGAIN))
            return;   /* the end; or the program reads no more */
    }
}

static bool is_stand_in(int fd)
{
    struct stat status;
    return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ||
           (fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 11) /* /dev/kmsg */);
}

_Noreturn static void become(const struct handle *handle, char **program, int input)
{
    sigset_t none;
    sigemptyset(&none);
    umask((mode_t)handle->umask);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* What stands in for streams that were closed is ours (see main.c). */
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (is_stand_in(fd))
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    setpgid(0, 0);
    if (dup2(input, STDIN_FILENO) == STDIN_FILENO)
        execv(program[0], program);
    handle_log("%s can't be run: %s", program[0], strerror(errno));
    _exit(127);
}

static void tell_end(const struct handle *handle, const char *program, int status)
{
    if (WIFSIGNALED(status))
        handle_log("process %d (%s): %s ended with signal %d", handle->pid, handle->name, program, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        handle_log("process %d (%s): %s ended with status %d", handle->pid, handle->name, program,
                   WEXITSTATUS(status));
}

void handle_pass_on(const struct handle *handle, char **program, int64_t deadline_ns)
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        handle_log("process %d (%s): the core can't be passed on: %s", handle->pid, handle->name, strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0)
        become(handle, program, ends[0]);
    close(ends[0]);
    if (child < 0) {
        handle_log("process %d (%s): the core can't be passed on: %s", handle->pid, handle->name, strerror(errno));
    } else {
        setpgid(child, child);   /* both do it: neither may be late */
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        if (write_head(handle, ends[1], deadline_ns))
            move_rest(ends[1], deadline_ns);
    }
    close(ends[1]);
    if (child < 0)
        return;
    if (handle_wait(child, deadline_ns, &status)) {
        tell_end(handle, program[0], status);
        return;
    }
    kill(-child, SIGKILL);
    handle_log("process %d (%s): %s was ended at its deadline, after %llu s", handle->pid, handle->name, program[0],
               (unsigned long long)handle->settings->numbers[HANDLE_PROGRAM_DEADLINE]);
}

/* ---- to the spool ----------------------------------------------------------------------------------------- */

/* A file that is written in blocks; those of zeros become holes. */
struct core_file {
    int fd;
    uint64_t size, max_size;
};

/* 0 or an errno. */
static int add_bytes(struct core_file *file, const uint8_t *bytes, size_t size)
{
    if (size > file->max_size - file->size)
        return EFBIG;
    for (size_t at = 0, part; at < size; at += part) {
        part = BLOCK_SIZE - (size_t)((file->size + at) % BLOCK_SIZE);
        part = part < size - at ? part : size - at;
        int errnum = 0;
        if (!bytes_are_zero(bytes + at, part))
            transfer_write_at(file->fd, file->size + at, bytes + at, part, &errnum);
        if (errnum)
            return errnum;
    }
    file->size += size;
    return 0;
}

/* 0 or an errno. */
static int add_rest(struct core_file *file, int64_t deadline_ns)
{
    uint8_t *bytes = malloc(PIECE_SIZE);
    int errnum = bytes ? 0 : ENOMEM;
    while (!errnum) {
        if (!wait_until_ready(STDIN_FILENO, POLLIN, deadline_ns)) {
            errnum = ETIMEDOUT;
            break;
        }
        ssize_t got = read(STDIN_FILENO, bytes, PIECE_SIZE);
        if (got == 0)
            break;
        if (got > 0)
            errnum = add_bytes(file, bytes, (size_t)got);
        else if (errno != EINTR && errno != EAGAIN)
            errnum = errno;
    }
    free(bytes);
    return errnum;
}

static pst_error *finish_core(struct handle *handle)
{
    if (!spool_lock(&handle->spool, LOCK_TIMEOUT_MS)) {
        spool_drop(&handle->spool, ".core");
        return error_new(PST_ERROR_SYSTEM, "the spool %s is locked by another", handle->spool.path);
    }
    pst_error *error = spool_finish(&handle->spool, ".core");
    if (!error)
        error = spool_trim(&handle->spool);
    spool_unlock(&handle->spool);
    return error;
}

void handle_keep_core(struct handle *handle, int64_t deadline_ns)
{
    struct core_file file = {.fd = spool_create(&handle->spool, ".core"),
                             .max_size = handle->settings->numbers[HANDLE_MAX_CORE]};
    int errnum = file.fd < 0 ? errno : add_bytes(&file, handle->head, handle->head_size);
    if (!errnum)
        errnum = add_rest(&file, deadline_ns);
    if (!errnum && ftruncate(file.fd, (off_t)file.size) < 0)
        errnum = errno;
    if (file.fd >= 0 && close(file.fd) < 0 && !errnum)
        errnum = errno;
    if (errnum) {
        if (file.fd >= 0)
            spool_drop(&handle->spool, ".core");
        handle_log("process %d (%s): the core is not kept: %s", handle->pid, handle->name,
                   errnum == EFBIG ? "it is larger than max-core permits" : strerror(errnum));
        return;
    }
    pst_error *error = finish_core(handle);
    if (error)
        handle_log_error(handle, error);
    pst_error_free(error);
}
