/*
 * late_core PID FILE: opens the process and says so; at a line on standard input, takes a small core of it. What the
 * process maps in between is in none of the mappings that were listed.
 */
#include "pystander/pystander.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fail(pst_error *error)
{
    fprintf(stderr, "late_core: %s\n", pst_error_get_message(error));
    pst_error_free(error);
    return 1;
}

static int write_core(pst_target *target, const char *path)
{
    pst_core *core;
    uint64_t size;
    pst_error *error = pst_core_take(target, NULL, &core);
    if (error)
        return fail(error);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    error = pst_core_write(core, fd, &size);
    bool is_partial = pst_core_get_errors(core) || pst_snapshot_is_partial(pst_core_get_snapshot(core));
    pst_core_free(core);
    close(fd);
    return error ? fail(error) : is_partial ? 2 : 0;
}

int main(int argc, char **argv)
{
    pst_target *target;
    if (argc != 3)
        return 64;
    pst_error *error = pst_target_open_process(atoi(argv[1]), NULL, &target);
    if (error)
        return fail(error);
    puts("open");
    fflush(stdout);
    getchar();
    int status = write_core(target, argv[2]);
    pst_target_close(target);
    return status;
}
