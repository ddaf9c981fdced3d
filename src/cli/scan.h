/*
 * A walk over argv that knows which words are options and which are their arguments: to find the command
 * among them before its options are parsed, and to say what is wrong in our own words.
 */
#ifndef PYSTANDER_CLI_SCAN_H
#define PYSTANDER_CLI_SCAN_H

#include <argp.h>
#include <stdbool.h>

#define SCAN_TABLES_MAX 16

enum scan_kind {
    SCAN_END,
    SCAN_OPERAND,
    SCAN_OPTION,
    SCAN_UNKNOWN,             /* no such option */
    SCAN_ARGUMENT_MISSING,    /* the option needs an argument, and the line ends */
    SCAN_ARGUMENT_TOO_MANY,   /* --json=yes */
};

struct scan {
    int argc;
    char **argv;
    const struct argp_option *tables[SCAN_TABLES_MAX];   /* up to the first NULL */
    int next;           /* in argv */
    bool only_operands; /* "--" was seen */
    /* What the last step found. */
    int index;          /* in argv */
    char letter;        /* of a short option; 0: a long one */
};

enum scan_kind scan_step(struct scan *scan);

/* How many letters have to be changed, at most 3, to make one word into the other. */
unsigned scan_distance(const char *a, const char *b);

/* The long option of the tables that `word` (without dashes, up to a '=') was probably meant to be, or NULL. */
const char *scan_guess_option(const struct scan *scan, const char *word);

#endif
