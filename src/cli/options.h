/* The options that every command takes. */
#ifndef PYSTANDER_CLI_OPTIONS_H
#define PYSTANDER_CLI_OPTIONS_H

#include "cli/command.h"

/* Keys of options that have no letter. */
enum option_key {
    OPTION_JSON = 0x100,
    OPTION_COLOR,
    OPTION_VERSION,
    OPTION_HELP,
    OPTION_SYSROOT,
    OPTION_EXE,
    OPTION_DEBUG_DIR,
    OPTION_LAYOUT,
    OPTION_ASSUME_VERSION,
    OPTION_NO_PAUSE,
    OPTION_PAUSE_TIMEOUT,
    OPTION_PID,
    OPTION_CORE,
    OPTION_OF_COMMAND,   /* the first that a command may use */
};

extern const struct argp global_argp;

/* The argument of `option` as a number, from `least` to `most`; anything else is wrong usage. */
unsigned long parse_number(const char *option, const char *argument, unsigned long least, unsigned long most);

#endif
