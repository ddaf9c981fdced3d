/* Which code objects: the options that `code` and `export` share. */
#ifndef PYSTANDER_CLI_SELECTORS_H
#define PYSTANDER_CLI_SELECTORS_H

#include "cli/options.h"

enum selector_key {
    SELECTOR_RUNNING = OPTION_OF_COMMAND,
    SELECTOR_ALL,
    SELECTOR_AT,
    SELECTOR_NAME,
    SELECTOR_FILE,
    OPTION_AFTER_SELECTORS,   /* the first that a command with selectors may use */
};

/* Lines of a command's table of options, in its group `group`. Each command says for itself what its default is. */
#define SELECTOR_OPTIONS(group)                                                                                \
    {"running", SELECTOR_RUNNING, NULL, 0,                                                                     \
     "code that a thread is in, or a suspended generator or coroutine", group},                                \
    {"all", SELECTOR_ALL, NULL, 0, "every code object in memory", group},                                      \
    {"at", SELECTOR_AT, "ADDRESS", 0,                                                                          \
     "the code object at ADDRESS (0x…, or decimal); may be given more than once", group},                      \
    {"name", SELECTOR_NAME, "GLOB", 0,                                                                         \
     "only those whose co_name or co_qualname matches GLOB, as in 'Server.*'", group},                         \
    {"file", SELECTOR_FILE, "GLOB", 0,                                                                         \
     "only those whose co_filename, or the last part of it, matches GLOB", group}

/* All zeros: nothing was chosen. */
struct selectors {
    const char *chosen;      /* "--all": which of --running, --all, --at */
    pst_code_which which;
    pst_addr *addresses;
    size_t address_count;
    const char *name, *file;
};

/* As an argp_parser_t's. Takes the keys above; of any other, ARGP_ERR_UNKNOWN. */
error_t selectors_parse(struct selectors *selectors, int key, const char *argument);

/* Fills in what was chosen; where nothing was, `otherwise`, but all if there is a glob: who names a function wants to
 * see it wherever it is. The options borrow from the selectors. */
void selectors_fill(const struct selectors *selectors, pst_code_which otherwise, pst_code_options *options);

void selectors_free(struct selectors *selectors);

#endif
