/* pause_times PID ROUNDS: takes ROUNDS snapshots; how long each held the target up, in nanoseconds, one a line. */
#include "pystander/pystander.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(pst_error *error)
{
    fprintf(stderr, "pause_times: %s\n", pst_error_get_message(error));
    pst_error_free(error);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 64;
    pid_t pid = atoi(argv[1]);
    for (long rounds = strtol(argv[2], NULL, 10); rounds > 0; rounds--) {
        /* A new target each time, as a run of the program does. */
        pst_target *target;
        pst_error *error = pst_target_open_process(pid, NULL, &target);
        if (error)
            return fail(error);
        pst_snapshot *snapshot;
        error = pst_snapshot_take(target, NULL, &snapshot);
        if (error) {
            pst_target_close(target);
            return fail(error);
        }
        printf("%llu\n", (unsigned long long)pst_snapshot_get_pause_ns(snapshot));
        pst_snapshot_free(snapshot);
        pst_target_close(target);
    }
    return 0;
}
