#include "cli/selectors.h"

#include "cli/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void choose(struct selectors *selectors, const char *option, pst_code_which which)
{
    if (selectors->chosen && strcmp(selectors->chosen, option) != 0)
        usage_failure("one choice at a time: %s and %s exclude each other", selectors->chosen, option);
    selectors->chosen = option;
    selectors->which = which;
}

static pst_addr parse_address(const char *argument)
{
    bool is_hex = argument[0] == '0' && (argument[1] == 'x' || argument[1] == 'X');
    const char *digits = argument + (is_hex ? 2 : 0);
    char *end;
    errno = 0;
    unsigned long long address = strtoull(digits, &end, is_hex ? 16 : 10);
    /* strtoull() takes a sign, blanks and a second 0x too. */
    bool is_number = is_hex ? isxdigit((unsigned char)*digits) && (digits[1] | ' ') != 'x'
                            : isdigit((unsigned char)*digits);
    if (!is_number || *end)
        usage_failure("--at needs an address as in 0x7f0011223344, not '%s'", argument);
    if (errno || !address)
        usage_failure("--at needs an address from 0x1 to 0xffffffffffffffff, not %s", argument);
    return address;
}

static void add_address(struct selectors *selectors, pst_addr address)
{
    pst_addr *addresses = realloc(selectors->addresses, (selectors->address_count + 1) * sizeof *addresses);
    if (!addresses)
        usage_failure("--at was given too often: out of memory");
    selectors->addresses = addresses;
    addresses[selectors->address_count++] = address;
}

static void set_glob(const char **glob, const char *option, const char *argument)
{
    if (!*argument)
        usage_failure("%s needs a pattern, not an empty one", option);
    if (*glob)
        usage_failure("%s was given twice: '%s' and '%s'", option, *glob, argument);
    *glob = argument;
}

error_t selectors_parse(struct selectors *selectors, int key, const char *argument)
{
    switch (key) {
    case SELECTOR_RUNNING: choose(selectors, "--running", PST_CODE_RUNNING); break;
    case SELECTOR_ALL: choose(selectors, "--all", PST_CODE_ALL); break;
    case SELECTOR_AT:
        choose(selectors, "--at", PST_CODE_AT);
        add_address(selectors, parse_address(argument));
        break;
    case SELECTOR_NAME: set_glob(&selectors->name, "--name", argument); break;
    case SELECTOR_FILE: set_glob(&selectors->file, "--file", argument); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void selectors_fill(const struct selectors *selectors, pst_code_which otherwise, pst_code_options *options)
{
    bool has_glob = selectors->name || selectors->file;
    options->which = selectors->chosen ? selectors->which : has_glob ? PST_CODE_ALL : otherwise;
    options->addresses = selectors->addresses;
    options->address_count = selectors->address_count;
    options->name = selectors->name;
    options->file = selectors->file;
}

void selectors_free(struct selectors *selectors)
{
    free(selectors->addresses);
    selectors->addresses = NULL;
    selectors->address_count = 0;
}
