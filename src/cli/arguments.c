#include "cli/arguments.h"

#include "cli/message.h"
#include "cli/options.h"
#include "cli/scan.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_number(const char *word)
{
    return *word && word[strspn(word, "0123456789")] == '\0';
}

/* The command that `word` was probably meant to be, if it names no file: it is what py-spy and pystack call it. */
static const struct command *guess_command(const char *word)
{
    if (!strcmp(word, "dump") || !strcmp(word, "remote"))
        return &stack_command;
    const struct command *guess = NULL;
    unsigned guess_distance = strlen(word) > 3 ? 3 : 2;
    for (const struct command *const *command = commands; *command; command++) {
        unsigned distance = scan_distance((*command)->name, word);
        if (distance < guess_distance) {
            guess = *command;
            guess_distance = distance;
        }
    }
    return guess;
}

/* The first operand is no command's name and no number: a core's path, or a command that there is not. */
static void check_for_misspelt_command(struct scan *scan)
{
    const char *word = scan->argv[scan->index];
    if (is_number(word) || strchr(word, '/') || !strcmp(word, "-") || access(word, F_OK) == 0)
        return;
    const struct command *guess = guess_command(word);
    if (!strcmp(word, "help"))
        usage_failure("there is no command (and no file) 'help'; it is 'pystander --help', or 'pystander COMMAND "
                      "--help'");
    if (guess)
        usage_failure("there is no command (and no file) '%s'; did you mean '%s'?", word, guess->name);
    struct scan rest = *scan;
    if (scan_step(&rest) == SCAN_OPERAND && is_number(rest.argv[rest.index]))
        usage_failure("there is no command '%s'; 'pystander --help' lists them", word);
}

/* Finds the command's name, the first operand, and takes it out of argv. */
static const struct command *take_command(int *argc, char **argv)
{
    /* Options of any command may stand before its name, so their arguments must be known. */
    struct scan scan = {.argc = *argc, .argv = argv, .next = 1, .tables = {global_argp.options}};
    size_t table_count = 1;
    for (const struct command *const *command = commands; *command; command++)
        if ((*command)->options && table_count < SCAN_TABLES_MAX)
            scan.tables[table_count++] = (*command)->options;
    enum scan_kind kind;
    while ((kind = scan_step(&scan)) != SCAN_END && kind != SCAN_OPERAND)
        ;
    if (kind == SCAN_END)
        return NULL;
    const struct command *command = scan.only_operands ? NULL : command_find(argv[scan.index]);
    if (command) {
        for (int i = scan.index; i < *argc; i++)
            argv[i] = argv[i + 1];   /* the last one is the NULL at the end */
        --*argc;
    } else if (!scan.only_operands) {
        check_for_misspelt_command(&scan);
    }
    return command ? command : &stack_command;
}

_Noreturn static void fail_unknown(const struct scan *scan)
{
    const char *word = scan->argv[scan->index];
    if (scan->letter)
        usage_failure("there is no option -%c; 'pystander --help' lists them", scan->letter);
    const char *guess = scan_guess_option(scan, word + 2);
    int size = (int)strcspn(word, "=");
    if (guess)
        usage_failure("there is no option %.*s; did you mean --%s?", size, word, guess);
    usage_failure("there is no option %.*s; 'pystander --help' lists them", size, word);
}

/* Fails with our own words for what argp would reject. */
static void check_options(int argc, char **argv, const struct command *command)
{
    struct scan scan = {.argc = argc, .argv = argv, .next = 1};
    scan.tables[0] = global_argp.options;
    scan.tables[1] = command ? command->options : NULL;
    enum scan_kind kind;
    while ((kind = scan_step(&scan)) != SCAN_END) {
        const char *word = argv[scan.index];
        if (kind == SCAN_UNKNOWN)
            fail_unknown(&scan);
        if (kind == SCAN_ARGUMENT_MISSING && scan.letter)
            usage_failure("-%c needs an argument", scan.letter);
        if (kind == SCAN_ARGUMENT_MISSING)
            usage_failure("%s needs an argument", word);
        if (kind == SCAN_ARGUMENT_TOO_MANY)
            usage_failure("%.*s takes no argument", (int)strcspn(word, "="), word);
    }
}

/* One parser for the command's and the global options. */
static error_t parse_command(int key, char *argument, struct argp_state *state)
{
    const struct invocation *invocation = state->input;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = state->input;
    const struct command *command = invocation->command;
    return command && command->parse ? command->parse(key, argument, state) : ARGP_ERR_UNKNOWN;
}

static void parse(int argc, char **argv, struct invocation *invocation)
{
    static const struct argp_child children[] = {{.argp = &global_argp}, {0}};
    const struct argp argp = {
        .options = invocation->command ? invocation->command->options : NULL,
        .parser = parse_command,
        .children = children,
    };
    /* In order: options may follow operands even under POSIXLY_CORRECT. */
    if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_ERRS | ARGP_IN_ORDER, NULL, invocation))
        usage_failure("the command line was not understood; see 'pystander --help'");
}

static void take_operand_as_target(struct invocation *invocation, const char *operand)
{
    invocation->has_target = true;
    if (!is_number(operand)) {
        if (!*operand)
            usage_failure("the target is empty");
        invocation->kind = PST_TARGET_CORE;
        invocation->core_path = operand;
        return;
    }
    invocation->kind = PST_TARGET_PROCESS;
    invocation->pid_was_guessed = true;
    unsigned long number = strtoul(operand, NULL, 10);   /* saturates */
    if (number > 0 && number < INT_MAX)
        invocation->pid = (pid_t)number;
    else
        invocation->impossible_pid = operand;
}

static void find_target(struct invocation *invocation)
{
    size_t used = 0;
    if (!invocation->has_target) {
        if (!invocation->operand_count)
            usage_failure("which process or core? Usage: pystander %s %s", invocation->command->name,
                          invocation->command->usage);
        take_operand_as_target(invocation, invocation->operands[used++]);
    }
    if (used < invocation->operand_count) {
        if (invocation->kind == PST_TARGET_PROCESS)
            usage_failure("'%s' is one too many: of a process, there is one target and no EXE",
                          invocation->operands[used]);
        if (invocation->target_options.executable)
            usage_failure("'%s' is one too many: --exe names the executable", invocation->operands[used]);
        invocation->target_options.executable = invocation->operands[used++];
    }
    if (used < invocation->operand_count)
        usage_failure("'%s' is one too many: there is one target and its EXE", invocation->operands[used]);
    if (invocation->kind == PST_TARGET_PROCESS && invocation->target_options.executable)
        usage_failure("--exe is for a core; a process's executable is known");
}

void arguments_read(int argc, char **argv, struct invocation *invocation)
{
    *invocation = (struct invocation){.target_options.size = sizeof invocation->target_options};
    const struct command *command = take_command(&argc, argv);
    if (command && !command->run)
        usage_failure("the command '%s' is not in this version", command->name);
    check_options(argc, argv, command ? command : &stack_command);
    /* Only options: --help and --version, or --pid and --core of the command that needs no name. */
    invocation->command = command ? command : &stack_command;
    invocation->own = calloc(1, invocation->command->own_size + 1);
    invocation->operands = calloc((size_t)argc + 1, sizeof *invocation->operands);
    if (!invocation->own || !invocation->operands) {
        message("out of memory");
        exit(EXIT_OPEN);
    }
    parse(argc, argv, invocation);
    if (invocation->help || invocation->version) {
        invocation->command = command;   /* the help of all, unless one was named */
        return;
    }
    if (invocation->command->takes_target)
        find_target(invocation);
}

void arguments_free(struct invocation *invocation)
{
    free(invocation->own);
    free(invocation->operands);
}
