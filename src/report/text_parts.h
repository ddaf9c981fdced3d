/* What the text printers share. */
#ifndef PYSTANDER_REPORT_TEXT_PARTS_H
#define PYSTANDER_REPORT_TEXT_PARTS_H

#include "report/report.h"

/* What switches a colour on and off; empty strings where there is no terminal. */
struct palette {
    const char *off, *title, *name, *mark, *dim;
};

extern const struct palette palette_none, palette_terminal;

/* 59,930 */
void add_count(struct text *text, uint64_t count);

/* Escaped for a terminal, backslashes as they are. */
void add_plain(struct text *text, const char *string);

/* One line for each error, and one for its hint. `with_where` is for errors that do not stand beside what
 * they are about. */
void add_errors(struct text *text, const pst_error *error, bool with_where, size_t indent,
                const struct palette *palette);

bool text_equal(pst_text a, pst_text b);

/* "…", escaped. */
void add_quoted(struct text *text, pst_text string);

/* "SIGSEGV", "signal 40" */
void add_signal_name(struct text *text, const pst_signal *signal);
/* Lines on why and when a core was written, and of whose process; or of whose a live process is. */
void add_details(struct text *text, const struct report *report);

/* What a thread's title depends on beside the thread. */
struct thread_naming {
    const struct report *report;
    pst_text process_name;   /* what the system calls the main thread */
    bool many_interpreters;
    bool has_signal;         /* signal.tid took it */
    pst_signal signal;
    const char *what_it_did; /* "died of " */
};

/* Of a report that has a snapshot. */
struct thread_naming thread_naming_of(const struct report *report);
/* It took the signal that the core was written for. */
bool thread_was_struck(const struct thread_naming *naming, const pst_thread *thread);
/* Thread 4711 "MainThread" (main, holds the GIL, running) */
void add_thread_title(struct text *text, const struct thread_naming *naming, const pst_thread *thread);

void report_text_head(const struct report *report, struct text *text, const struct palette *palette);

#endif
