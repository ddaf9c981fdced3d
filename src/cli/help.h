/* --help and --version. */
#ifndef PYSTANDER_CLI_HELP_H
#define PYSTANDER_CLI_HELP_H

#include "cli/command.h"

/* Of all commands, or of the one that was named. Returns an exit code. */
int help_print(const struct command *command);
int help_print_version(void);

#endif
