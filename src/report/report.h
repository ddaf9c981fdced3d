/*
 * The printers: a snapshot in, text or JSON out. They see it through the public API alone.
 */
#ifndef PYSTANDER_REPORT_REPORT_H
#define PYSTANDER_REPORT_REPORT_H

#include "base/text.h"
#include "pystander/pystander.h"

#include <stdbool.h>

/* Where a report goes. A printer adds to `text` and calls report_checkpoint() between two of its parts;
 * what has gathered by then is handed on in large pieces, so that a report's size costs no memory. */
struct report_sink {
    struct text text;
    bool (*write)(void *context, const char *data, size_t size);   /* false: no more, please */
    void *context;
    bool stopped;   /* `write` said so, or memory ran out (text.failed) */
};

/* Large enough that the number of writes does not matter; with a little more it is a power of two, as text grows. */
#define REPORT_PIECE_SIZE (60 << 10)

/* false: stop printing. */
bool report_checkpoint(struct report_sink *sink);
/* Hands on what is left. false: it could not be written, or an earlier piece could not. */
bool report_finish(struct report_sink *sink);

/* What went wrong outside of the snapshot: the target could not be opened, a thread that was asked for does
 * not exist. The strings are borrowed; where and hint may be NULL. */
struct report_problem {
    pst_error_code code;
    pst_addr address;   /* 0: none */
    const char *where, *message, *hint;
};

/* What `code` prints, and how that went. */
struct report_code {
    pst_code_search *search;
    pst_code_which which;
    bool instructions, lines;      /* --dis, --lines */
    size_t count, failed_count;    /* code objects that were printed; of them, those with errors */
    pst_error *failure;            /* what ended the search, if anything did; the caller's to free */
};

/* A file that `export` made. */
struct report_export_file {
    const pst_export_file *file;
    const char *path;         /* where it was written; NULL: it was not */
    const pst_error *failure; /* why it could not be written; NULL: it was, or there was nothing to write */
};

/* What `export` prints: files are made and written as they are printed. */
struct report_export {
    const pst_export *exported;
    /* The next one; false: there is none any more. */
    bool (*next)(void *context, struct report_export_file *file);
    void *context;
    size_t written_count, code_count; /* files that were written so far; the code objects in them */
    const pst_error *failure;         /* what ended it, if anything did */
};

/* What `snapshot` wrote. */
struct report_small_core {
    const pst_core *core;
    const char *path;       /* NULL: standard output */
    uint64_t size;          /* bytes of the file; 0: it was not written */
    uint64_t origin_size;   /* of the core that it was made of; 0: of a process */
};

struct report {
    pst_target *target;             /* NULL: it could not be opened */
    const pst_snapshot *snapshot;   /* NULL: it could not be taken */
    /* What the command line said of the target; used while `target` is NULL. */
    pst_target_kind kind;
    pid_t pid;          /* 0: not known */
    const char *path;   /* of a core, or NULL */
    const struct report_problem *problems;
    size_t problem_count;

    struct report_code *code;   /* of `code` alone, while there is a target */
    struct report_export *export; /* of `export` alone, likewise */
    const struct report_small_core *small_core; /* of `snapshot` alone, likewise */
    bool with_source, with_locals;
    bool with_details; /* JSON: of a live process too its user, parent and start, which are asked for one by one */
    bool adaptive;   /* code: as it is being executed */
    /* Text alone. */
    bool verbose;
    bool colour;
    size_t width;        /* of the terminal in columns; 0: no terminal, cut nothing */
    size_t max_frames;   /* that was asked for: print them all; 0: fold deep stacks */
};

void report_stack_json(const struct report *report, struct report_sink *sink);
void report_stack_text(const struct report *report, struct report_sink *sink);

void report_info_json(const struct report *report, struct report_sink *sink);
void report_info_text(const struct report *report, struct report_sink *sink);

void report_code_json(const struct report *report, struct report_sink *sink);
void report_code_text(const struct report *report, struct report_sink *sink);

void report_export_json(const struct report *report, struct report_sink *sink);
void report_export_text(const struct report *report, struct report_sink *sink);

void report_snapshot_json(const struct report *report, struct report_sink *sink);
void report_snapshot_text(const struct report *report, struct report_sink *sink);

/* What is disassembled of a code object, which was searched for with_instructions. */
struct dis_part {
    const pst_instruction *instructions;   /* its own, or those of a copy; as many */
    bool is_copy;
    /* Where frames are: byte offsets into co_code, as f_lasti. */
    const int *marks;
    size_t mark_count;
};

/* Adds instructions as that version's dis.dis() prints them, where the text is escaped; if the report is `adaptive`, as
 * with adaptive=True, and with the counters. */
void report_code_dis(const struct report *report, const pst_code *code, const struct dis_part *part, struct text *text);

/* The parts that every command's JSON begins with: from "{" to "errors": […], without a comma after it.
 * `schema` is as in "pystander.stack/1". */
void report_json_head(const struct report *report, const char *schema, struct text *text);
/* The same without the errors, for a command that learns of errors while it prints. */
void report_json_title(const struct report *report, const char *schema, struct text *text);
/* The report's own errors: its problems, the target's, the snapshot's, with a comma before each but the first. */
void report_json_own_errors(const struct report *report, struct text *text, bool *is_first);
/* The items of a list of errors, likewise. */
void report_json_error_items(const pst_error *errors, struct text *text, bool *is_first);

/* An array of errors, each with all its fields. */
void report_json_errors(const pst_error *errors, struct text *text);

/* "no-such-thing" for a code, as in an error's "kind". */
const char *report_error_kind(pst_error_code code);

/* Threads of which something could not be read. */
size_t report_count_failed_threads(const pst_snapshot *snapshot);

#endif
