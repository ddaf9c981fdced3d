/* The parts of `pystander handle`: handle*.c. */
#ifndef PYSTANDER_CLI_HANDLE_H
#define PYSTANDER_CLI_HANDLE_H

#include "cli/spool.h"

enum handle_option {
    HANDLE_SPOOL,
    HANDLE_MAX_SIZE,
    HANDLE_MAX_COUNT,
    HANDLE_MAX_REPORT,
    HANDLE_MAX_FRAMES,
    HANDLE_MAX_CORE,
    HANDLE_DEADLINE,
    HANDLE_PROGRAM_DEADLINE,
    HANDLE_SNAPSHOT,
    HANDLE_KEEP_CORE,
    HANDLE_OPTION_COUNT,
};

struct handle_settings {
    const char *config;          /* the file; NULL: the usual one, if it is there */
    char *config_text;           /* what it holds; strings below may point into it */
    bool given[HANDLE_OPTION_COUNT];
    const char *spool;
    uint64_t numbers[HANDLE_OPTION_COUNT];
};

/* What this run is about. */
struct handle {
    pid_t pid;
    const struct handle_settings *settings;
    uint8_t *head;               /* of the core, as far as it was read from standard input */
    size_t head_size;
    char name[17];               /* the program's, of the kernel; anything */
    unsigned umask;              /* as we were started with it */
    struct spool spool;
};

/* ---- handle_settings.c ------------------------------------------------------------------------------------ */

/* The name of an option is that of the command line without its dashes; NULL: there is none of that number. */
const char *handle_option_get_name(enum handle_option option);
/* `argument` is borrowed; NULL for an option without one. An error says what is wrong. */
MUST_USE pst_error *handle_settings_set(struct handle_settings *settings, enum handle_option option,
                                        const char *argument);
/* Fills in what the command line did not say, from the file and from our defaults. What is wrong with a line is logged,
 * and the line passed over. */
void handle_settings_fill(struct handle_settings *settings);

/* ---- handle_log.c ----------------------------------------------------------------------------------------- */

/* One line, escaped. */
void handle_log(const char *format, ...) PRINTF(1, 2);
void handle_log_error(const struct handle *handle, const pst_error *error);

/* ---- handle_time.c ---------------------------------------------------------------------------------------- */

int64_t handle_now_ns(void);  /* CLOCK_MONOTONIC */
/* Waits for a child until `deadline_ns`, with SIGCHLD blocked; false: it runs still. */
bool handle_wait(pid_t child, int64_t deadline_ns, int *status);

/* ---- handle_worker.c -------------------------------------------------------------------------------------- */

/* What became of the report; also what the child ends with, so that no number is one that others use. */
enum handle_result {
    HANDLE_REPORTED = 40, /* it is in the spool */
    HANDLE_PARTIAL,       /* likewise; something could not be read */
    HANDLE_NOT_PYTHON,
    HANDLE_FAILED,        /* the log says why */
};

/* Makes the report in a process of its own and puts it into the spool. Returns at the deadline at the latest. */
enum handle_result handle_report(struct handle *handle, int64_t deadline_ns);

/* ---- handle_sandbox.c ------------------------------------------------------------------------------------- */

/* Gives up what is not needed to read a target that was opened (pst_target_open_crash()): rights, and ways to write,
 * connect and execute. What is left are the rights of the process, whose files will be read; if it is gone, nobody's.
 */
MUST_USE pst_error *handle_sandbox_enter(const pst_target *target, uint64_t max_file_size);

/* ---- handle_stream.c -------------------------------------------------------------------------------------- */

/* The core, head and rest, to a program's standard input: until it has ended, or the deadline. */
void handle_pass_on(const struct handle *handle, char **program, int64_t deadline_ns);
/* Or into the spool. */
void handle_keep_core(struct handle *handle, int64_t deadline_ns);

#endif
