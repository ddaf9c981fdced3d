/*
 * The interpreter of an image that lacks the symbols: which of the suspects (layout/suspect.h) it is, and of which
 * version. What is tried must hold on its own: an interpreter whose first thread points back to it, whose modules
 * are a dict, and whose sys.hexversion is of the very version whose layout led there.
 */
#include "python/dict.h"
#include "python/object.h"
#include "python/walk.h"

static pst_error *check_interpreter(const struct python *python, pst_addr interpreter, bool *matches)
{
    pst_addr thread, back, modules, type;
    uint64_t flags;
    *matches = false;
    TRY(interpreter_get_threads(python, interpreter, &thread));
    if (!thread || thread % 8)
        return NULL;
    TRY(field_address(python, thread, F(PyThreadState_interp), &back));
    if (back != interpreter)
        return NULL;
    TRY(interpreter_get_modules(python, interpreter, &modules));
    TRY(object_get_type(python, modules, &type));
    TRY(type_get_flags(python, type, &flags));
    *matches = flags & TPFLAGS_DICT_SUBCLASS;
    return NULL;
}

static bool is_of_layout(const struct python *python, uint64_t hexversion)
{
    return hexversion >> 16 == ((uint64_t)python->layout.major << 8 | (uint64_t)python->layout.minor);
}

/* Whether there is an interpreter of the layout's version where the location says; a list of `length`. */
static pst_error *try_location(const struct python *python, size_t *length)
{
    pst_addr interpreter;
    bool matches;
    uint64_t hexversion;
    *length = 0;
    TRY(interpreter_get_head(python, &interpreter));
    if (!interpreter)
        return NULL;
    TRY(check_interpreter(python, interpreter, &matches));
    if (!matches)
        return NULL;
    TRY(interpreter_read_sys(python, interpreter, "hexversion", &hexversion));
    while (is_of_layout(python, hexversion) && interpreter && ++*length < SNAPSHOT_MAX_INTERPRETERS)
        TRY(field_address(python, interpreter, F(PyInterpreterState_next), &interpreter));
    if (interpreter)
        *length = 0; /* a list without an end is none */
    return NULL;
}

static size_t measure(const struct python *python)
{
    size_t length;
    pst_error_free(try_location(python, &length));
    return length;
}

static bool is_kind_of_layout(const struct python *python, enum suspect_kind kind)
{
    return (kind == SUSPECT_INTERP_HEAD) == !has(python, F(_PyRuntimeState_interpreters_head));
}

static void take_suspect(struct python *python, size_t index)
{
    location_take_suspect(python->target, &python->location, index);
    if (python->location.runtime)
        python->location.runtime -= (pst_addr)python->layout.places[F(_PyRuntimeState_interpreters_head)].offset;
}

/* Takes the suspect that fits the layout. To 3.6 autoInterpreterState points to an interpreter, too: with several
 * the head is the one whose list is the longer, the other is the main one and ends it. */
static bool choose_suspect(struct python *python)
{
    const struct suspects *suspects = &python->location.suspects;
    size_t best = 0, best_length = 0;
    for (size_t i = 0; i < suspects->count; i++) {
        if (!is_kind_of_layout(python, suspects->list[i].kind))
            continue;
        take_suspect(python, i);
        size_t length = measure(python);
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    if (best_length)
        take_suspect(python, best);
    return best_length;
}

pst_error *interpreter_search_head(struct python *python)
{
    struct location *location = &python->location;
    location->suspects.count = 0;
    suspects_search(python->target, &location->image, location->segment, &location->suspects);
    if (choose_suspect(python))
        return NULL;
    return error_new(PST_ERROR_NOT_PYTHON, "CPython %d.%d is there, but no interpreter was found in its data",
                     python->version.major, python->version.minor);
}

/* ---- the version -------------------------------------------------------------------------------------- */

/* Objects/object.c has sys.gettotalrefcount under Py_REF_DEBUG, which Py_DEBUG implies. */
static void take_version(struct python *python)
{
    struct version *version = &python->version;
    pst_addr interpreter, sysdict, function = 0;
    uint64_t hexversion = 0;
    pst_error *error = interpreter_get_head(python, &interpreter);
    if (!error)
        error = interpreter_read_sys(python, interpreter, "hexversion", &hexversion);
    if (!error)
        error = field_address(python, interpreter, F(PyInterpreterState_sysdict), &sysdict);
    if (!error)
        error = dict_get(python, sysdict, "gettotalrefcount", NULL, &function);
    pst_error_free(error);
    version->major = python->layout.major;
    version->minor = python->layout.minor;
    version->hexversion = (uint32_t)hexversion;
    version->debug = function != 0;
    version->flavour = python->layout.flavour == FLAVOUR_RELEASE && function ? FLAVOUR_DEBUG : python->layout.flavour;
}

static pst_error *try_table(struct python *python, size_t table, enum flavour flavour, bool *fits)
{
    struct layout_build build = {.micro = -1, .flavour = flavour, .machine = python->target->machine};
    bool found;
    *fits = false;
    layout_table_get(table, &build.major, &build.minor, &(size_t){0});
    TRY(layout_load_build(&build, &python->layout, &found));
    if (found)
        *fits = python->location.suspects.count ? choose_suspect(python) : measure(python);
    return NULL;
}

pst_error *interpreter_search_version(struct python *python)
{
    /* A free-threaded build has a cookie, and with it its version. */
    static const enum flavour flavours[] = {FLAVOUR_RELEASE, FLAVOUR_DEBUG, FLAVOUR_TRACE_REFS};
    for (size_t table = layout_table_count(); table-- > 0;) {
        for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++) {
            bool fits;
            TRY(try_table(python, table, flavours[i], &fits));
            if (fits) {
                take_version(python);
                return NULL;
            }
        }
    }
    if (python->location.suspects.count)
        return location_not_found(python->target);
    return error_new(PST_ERROR_UNSUPPORTED, "the version of the CPython in %s cannot be told",
                     python->location.segment->path);
}

pst_error *interpreter_search_suspects(struct python *python)
{
    return choose_suspect(python) ? NULL : location_not_found(python->target);
}
