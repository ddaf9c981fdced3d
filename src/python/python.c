#include "python/python.h"

#include "layout/settle.h"
#include "python/c_name.h"
#include "python/walk.h"

#include <stdlib.h>
#include <unistd.h>

/* To 3.10 only sys.hexversion tells the exact version. */
static pst_error *read_hexversion(struct python *python)
{
    pst_addr interpreter;
    uint64_t hexversion;
    TRY(interpreter_get_head(python, &interpreter));
    if (!interpreter)
        return error_new(PST_ERROR_NOT_PYTHON, "CPython is there but not initialised: no interpreter exists");
    TRY(interpreter_read_sys(python, interpreter, "hexversion", &hexversion));
    if (hexversion && hexversion >> 16 != ((uint64_t)python->version.major << 8 | (uint64_t)python->version.minor))
        return error_new(PST_ERROR_CORRUPT, "sys.hexversion is 0x%llx in what seems to be CPython %d.%d",
                         (unsigned long long)hexversion, python->version.major, python->version.minor);
    python->version.hexversion = (uint32_t)hexversion;
    return NULL;
}

/* A dict of a running target may change while it is read. What is read again is read anew. */
static pst_error *read_hexversion_twice(struct python *python)
{
    pst_error *error = read_hexversion(python);
    if (!error || python->target->kind != PST_TARGET_PROCESS)
        return error;
    pst_error_free(error);
    memory_begin(python->memory);
    memory_refresh(python->memory);
    return read_hexversion(python);
}

static pst_error *read_maxunicode(const struct python *python, uint64_t *maxunicode)
{
    pst_addr interpreter;
    *maxunicode = 0;
    TRY(interpreter_get_head(python, &interpreter));
    return interpreter ? interpreter_read_sys(python, interpreter, "maxunicode", maxunicode) : NULL;
}

/* 2.7 was built with two or four bytes for a Py_UNICODE. sys.maxunicode says which, and the names of its functions,
 * which a core may not have. */
static pst_error *detect_unicode_unit(struct python *python)
{
    uint64_t maxunicode;
    pst_addr narrow;
    pst_error *error = read_maxunicode(python, &maxunicode);
    bool is_known = !error && maxunicode;
    pst_error_free(error);
    if (is_known) {
        python->unicode_unit = maxunicode > UINT16_MAX ? 4 : 2;
        return NULL;
    }
    TRY(location_find_symbol(python->target, &python->location, "PyUnicodeUCS2_FromUnicode", &narrow));
    python->unicode_unit = narrow ? 2 : 4;
    return NULL;
}

static pst_error *settle(struct python *python)
{
    return layout_settle(python->target, &python->location, &python->version, &python->layout,
                         python->layout_sources);
}

/* That the interpreter's own file is of another build is said, though it may be needed for nothing. */
static void try_file(struct pst_target *target, const struct location *location)
{
    int fd = -1;
    if (target->kind == PST_TARGET_CORE)
        pst_error_free(target->operations->open_file(target, location->segment->path, location->segment, &fd));
    if (fd >= 0)
        close(fd);
}

static pst_error *open_python(struct python *python)
{
    struct pst_target *target = python->target;
    TRY(locate_interpreter(target, &python->location));
    version_detect(target, &python->location, &python->version);
    bool user_knows = target->layout_file || target->assume_version;
    if (!python->version.major && !user_knows)
        TRY(interpreter_search_version(python));
    TRY(settle(python));
    if (!python->location.runtime && !python->location.interp_head && python->location.suspects.count)
        TRY(interpreter_search_suspects(python));
    if (!python->location.runtime && !python->location.interp_head)
        TRY(interpreter_search_head(python));
    try_file(target, &python->location);
    if (python_is_2(python))
        TRY(detect_unicode_unit(python));
    if (python->version.hexversion)
        return NULL;
    error_list_add(&target->errors, error_in(read_hexversion_twice(python), "the version"));
    /* Now that the exact version is known: some offsets moved within 3.7, and a pre-release is refused. */
    return python->version.hexversion ? settle(python) : NULL;
}

static void close_python(struct python *python)
{
    known_type_names_free(python->value_types->names);
    free(python->value_types);
    free(python);
}

pst_error *python_open(struct pst_target *target, struct python **result)
{
    if (!target->python) {
        struct python *python = calloc(1, sizeof *python);
        struct value_types *value_types = calloc(1, sizeof *value_types);
        if (!python || !value_types) {
            free(python);
            free(value_types);
            return error_no_memory();
        }
        python->value_types = value_types;
        python->target = target;
        python->memory = target->memory;
        python->unicode_unit = 4; /* till it is known */
        pst_error *error = open_python(python);
        if (error) {
            close_python(python);
            return error;
        }
        target->python = python;
        target->python_close = close_python;
    }
    *result = target->python;
    return NULL;
}
