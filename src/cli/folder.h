/*
 * A folder that files are written into whose names a target has a say in: whatever those are, and whatever symbolic
 * links lie in it, nothing is written outside of it and nothing is replaced unasked.
 */
#ifndef PYSTANDER_CLI_FOLDER_H
#define PYSTANDER_CLI_FOLDER_H

#include "base/text.h"
#include "pystander/pystander.h"

enum {
    FOLDER_MAX_PART = 100,    /* bytes of one part of a path */
    FOLDER_MAX_PARTS = 32,    /* of a path; outer ones are left out */
};

struct folder {
    const char *path;   /* as the command line has it */
    int fd;             /* -1: not open */
    void *names;        /* of the files so far (tsearch(3)) */
    bool force;         /* replace files that are there */
};

/* Opens it; makes it, if need be. On success to be closed. */
PST_MUST_USE pst_error *folder_open(struct folder *folder, const char *path, bool force);
void folder_close(struct folder *folder);

/* The path of an exported file in its folder, such as "json/decoder.pyc": of its module's name, else of its
 * co_filename; with no empty part, none that begins with a dot, no control characters. */
void folder_add_path(const pst_export_file *file, struct text *path);

/* Writes a file; `path` is what folder_add_path() gave, and becomes what was taken, which is another if this run
 * wrote one of that name already. */
PST_MUST_USE pst_error *folder_write(struct folder *folder, struct text *path, pst_bytes bytes);

/* Writes one file in any folder. */
PST_MUST_USE pst_error *file_write(const char *path, bool force, pst_bytes bytes);

#endif
