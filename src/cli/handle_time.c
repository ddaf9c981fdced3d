/* Deadlines. */
#include "cli/handle.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

int64_t handle_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool handle_wait(pid_t child, int64_t deadline_ns, int *status)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (;;) {
        pid_t ended = waitpid(child, status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR))
            return true;
        int64_t left = deadline_ns - handle_now_ns();
        if (left <= 0)
            return false;
        struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        sigtimedwait(&signals, NULL, &timeout);
    }
}
