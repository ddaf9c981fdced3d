/*
 * alternate ROUNDS COMMAND… [-- COMMAND…]…: what whole processes cost, measured side by side.
 *
 * Runs each command once a round, in turn, so that whatever else the machine does falls on all of them
 * alike. The harness's own part is one posix_spawn (which is a vfork: its cost does not grow with this
 * process) and one wait, the same for every command. Each run's time is from before the spawn to after the
 * wait; output goes to /dev/null. A first round is not counted.
 *
 * One line for each command, tab-separated: median, lower and upper quartile and minimum in microseconds,
 * the largest resident size in KiB, and the last exit status (128 + signal if it was killed; 127: it could
 * not be run).
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MAX_COMMANDS = 64, MAX_ROUNDS = 1 << 20 };

extern char **environ;

struct command {
    char **arguments;
    uint32_t *times_us;
    long max_resident_kib;
    int status;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t run(struct command *command, const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    uint64_t start = now_ns();
    int errnum = posix_spawnp(&pid, command->arguments[0], actions, NULL, command->arguments, environ);
    if (errnum) {
        command->status = 127;
        return 0;
    }
    int status;
    struct rusage usage;
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    uint64_t end = now_ns();
    command->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (usage.ru_maxrss > command->max_resident_kib)
        command->max_resident_kib = usage.ru_maxrss;
    return (uint32_t)((end - start) / 1000);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct command commands[MAX_COMMANDS];
    size_t count = 0;
    long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: alternate ROUNDS COMMAND… [-- COMMAND…]…\n");
        return 64;
    }
    for (int i = 2; i < argc; i++) {
        if (count == MAX_COMMANDS || !strcmp(argv[i], "--"))
            return 64;
        commands[count++] = (struct command){ .arguments = &argv[i],
                                              .times_us = calloc((size_t)rounds, sizeof(uint32_t)) };
        while (i < argc && strcmp(argv[i], "--"))
            i++;
        argv[i] = NULL; /* the "--", or the end */
    }

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);

    for (long round = -1; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            uint32_t time_us = run(&commands[i], &actions);
            if (round >= 0)
                commands[i].times_us[round] = time_us;
        }
    }

    for (size_t i = 0; i < count; i++) {
        const struct command *command = &commands[i];
        qsort(command->times_us, (size_t)rounds, sizeof(uint32_t), compare);
        printf("%u\t%u\t%u\t%u\t%ld\t%d\n", command->times_us[rounds / 2], command->times_us[rounds / 4],
               command->times_us[rounds * 3 / 4], command->times_us[0], command->max_resident_kib,
               command->status);
        free(command->times_us);
    }
    posix_spawn_file_actions_destroy(&actions);
    return 0;
}
