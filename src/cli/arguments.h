/* From argv to an invocation. */
#ifndef PYSTANDER_CLI_ARGUMENTS_H
#define PYSTANDER_CLI_ARGUMENTS_H

#include "cli/command.h"

/* Wrong usage ends the program. `argv` is borrowed and reordered. */
void arguments_read(int argc, char **argv, struct invocation *invocation);
void arguments_free(struct invocation *invocation);

#endif
