#include "cli/arguments.h"
#include "cli/help.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* If a standard stream is closed, the next file to be opened would take its place, and be written into. What
 * stands in for it here fails every use, as the closed one would.
 *
 * The kernel starts its handler of crashes without any: what that has to say goes where the kernel itself tells of
 * crashes, into its log, which needs no service that runs, and which journald and syslogd read. */
static void hold_standard_streams(bool is_handler)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int stand_in = -1;
        if (is_handler && fd == STDERR_FILENO)
            stand_in = open("/dev/kmsg", O_WRONLY | O_NONBLOCK | O_NOCTTY);
        if (stand_in < 0)
            stand_in = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (stand_in != fd)
            _exit(EXIT_OPEN);
    }
}

int main(int argc, char **argv)
{
    hold_standard_streams(argc > 1 && !strcmp(argv[1], handle_command.name));
    struct invocation invocation;
    arguments_read(argc, argv, &invocation);
    int code;
    if (invocation.help)
        code = help_print(invocation.command);
    else if (invocation.version)
        code = help_print_version();
    else
        code = invocation.command->run(&invocation);
    arguments_free(&invocation);
    return code;
}
