#include "cli/command.h"

#include <string.h>

/* The commands that scripts may count on but that this version does not have. */
const struct command tasks_command = {
    .name = "tasks",
    .summary = "asyncio tasks as a tree",
};

const struct command *const commands[] = {
    &stack_command,  &code_command,   &export_command, &info_command,
    &snapshot_command, &layout_command, &tasks_command,  &handle_command, NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *command = commands; *command; command++)
        if (!strcmp((*command)->name, name))
            return *command;
    return NULL;
}
