/* Diagnostics: what goes to standard error, each with one write and escaped like the report. */
#ifndef PYSTANDER_CLI_MESSAGE_H
#define PYSTANDER_CLI_MESSAGE_H

#include "base/error.h"

/* "pystander: …" and a line end. */
void message(const char *format, ...) PRINTF(1, 2);

/* The error, its place and its hint; `hint`, if any, is one more. */
void message_error(const pst_error *error, const char *hint);

/* Says what is wrong with the command line, and ends the program. */
_Noreturn void usage_failure(const char *format, ...) PRINTF(1, 2);

/* What the program ends with when a target failed with `code`. */
int exit_code_of(pst_error_code code);

#endif
