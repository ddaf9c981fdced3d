/* Paths as pathlib 3.12+ normalizes them: pure functions. Lib/pathlib, PurePath._parse_path(), _format_parsed_parts();
 * Lib/posixpath.py and Lib/ntpath.py, join(), splitroot(). */
#ifndef PYSTANDER_PYTHON_PATH_H
#define PYSTANDER_PYTHON_PATH_H

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

/* Its names without empty ones and ".": pst_texts of whoever filled it. */
struct path_parts {
    bool windows;
    bool with_dot;         /* "./c:name" for a name that would be taken for a drive */
    pst_text drive, root;
    pst_text *tail;
    size_t count;
};

/* Their text, with the separator of the system; "." if there is none. */
MUST_USE pst_error *path_format(const struct path_parts *parts, struct text *path);
/* The text of the paths that one was made of. */
MUST_USE pst_error *path_normalize(const pst_text *raw, size_t count, bool windows, struct arena *arena,
                                   struct text *path);

#endif
