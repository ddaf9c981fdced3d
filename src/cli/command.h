/*
 * The commands, each in a file of its own, and what the command line said.
 */
#ifndef PYSTANDER_CLI_COMMAND_H
#define PYSTANDER_CLI_COMMAND_H

#include "pystander/pystander.h"

#include <argp.h>
#include <stdbool.h>

/* Exit codes; the contract with every script that calls us. */
enum exit_code {
    EXIT_COMPLETE = 0,
    EXIT_PARTIAL = 1,   /* something could not be read, or the report could not be written */
    EXIT_NOTHING = 2,   /* nothing to report: no CPython, an unsupported one, a file that is no core */
    EXIT_OPEN = 3,      /* the target can't be opened */
    EXIT_USAGE = 64,
};

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct invocation;

struct command {
    const char *name;
    const char *summary;       /* for the list of commands */
    const char *usage;         /* what follows the name in a usage line */
    const char *description;   /* for --help; whole lines */
    /* Its own options. The parser is called with the invocation as its input. */
    const struct argp_option *options;
    argp_parser_t parse;
    size_t own_size;           /* of invocation->own, which begins as zeros */
    /* NULL: known, but not in this version. Returns an exit code. */
    int (*run)(struct invocation *invocation);
    bool takes_target;         /* false: run() looks at the operands itself */
};

struct invocation {
    const struct command *command;   /* NULL: none was named and there is no target either */
    void *own;                       /* the command's own options */
    char **operands;                 /* what is no option, without the command's name */
    size_t operand_count;

    bool help, version;
    bool json, verbose, quiet;
    enum color_choice color;
    const char *output_path;         /* NULL: standard output */

    bool has_target;
    pst_target_kind kind;
    pid_t pid;
    const char *core_path;
    /* A number was taken for a process id without --pid: a file of that name may have been meant. */
    bool pid_was_guessed;
    const char *impossible_pid;   /* a number that no process can have; `pid` is 0 then */
    pst_target_options target_options;
};

extern const struct command stack_command, code_command, export_command, info_command, snapshot_command,
    layout_command, tasks_command, handle_command;

/* All of them; ends with NULL. */
extern const struct command *const commands[];

/* NULL: there is none of that name. */
const struct command *command_find(const char *name);

#endif
