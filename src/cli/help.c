#include "cli/help.h"

#include "cli/options.h"
#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char exit_codes[] =
    "\n"
    "Exit codes: 0 complete; 1 partial: something could not be read, the report says what; 2 nothing to\n"
    "report: no CPython, an unsupported version, no core; 3 the target can't be opened; 64 wrong usage.\n";

static void print_overview(FILE *stream)
{
    fputs("Usage: pystander [GLOBAL] COMMAND [OPTIONS] TARGET [EXE]\n"
          "       pystander TARGET          the same as: pystander stack TARGET\n"
          "\n"
          "Looks into a CPython process, or its core file, from outside. TARGET is a process id, the path of a\n"
          "core file (plain, or compressed with gzip, zstd, xz or lz4), or - for a core on standard input.\n"
          "Nothing in the target is ever run, written or changed.\n"
          "\n"
          "Commands ('pystander COMMAND --help' says more):\n",
          stream);
    for (const struct command *const *command = commands; *command; command++)
        if ((*command)->run)
            fprintf(stream, "  %-10s%s\n", (*command)->name, (*command)->summary);
    fputs("\nOptions, anywhere on the line:\n", stream);
    argp_help(&global_argp, stream, ARGP_HELP_LONG, (char *)"pystander");
}

static void print_command(FILE *stream, const struct command *command)
{
    static const struct argp_child children[] = {{.argp = &global_argp}, {0}};
    const struct argp argp = {.options = command->options, .children = children};
    fprintf(stream, "Usage: pystander %s %s\n\n%s\n", command->name, command->usage, command->description);
    argp_help(&argp, stream, ARGP_HELP_LONG, (char *)"pystander");
}

/* Like a report: with one write, and an error if it fails. */
static int print(const char *text, size_t size)
{
    struct output output;
    output_prepare(&output, NULL);
    output_write(&output, text, size);
    output_finish(&output, true);
    return output.error && output.error != EPIPE ? EXIT_PARTIAL : EXIT_COMPLETE;
}

int help_print(const struct command *command)
{
    /* Unless the user chose the form of every such help. */
    setenv("ARGP_HELP_FMT", "no-dup-args-note,header-col=0,rmargin=100", 0);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return EXIT_PARTIAL;
    if (command)
        print_command(stream, command);
    else
        print_overview(stream);
    fputs(exit_codes, stream);
    fclose(stream);
    int code = print(text, size);
    free(text);
    return code;
}

int help_print_version(void)
{
    static const char version[] = "pystander " PST_VERSION "\n";
    return print(version, sizeof version - 1);
}
