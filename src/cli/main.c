#include "cli/arguments.h"
#include "cli/help.h"

#include <fcntl.h>
#include <unistd.h>

/* If a standard stream is closed, the next file to be opened would take its place, and be written into. What
 * stands in for it here fails every use, as the closed one would. */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(EXIT_OPEN);
}

int main(int argc, char **argv)
{
    hold_standard_streams();
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
