#include "layout/version.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

/* Include/patchlevel.h: the fields of PY_VERSION_HEX. */
enum { LEVEL_ALPHA = 0xa, LEVEL_BETA = 0xb, LEVEL_CANDIDATE = 0xc, LEVEL_FINAL = 0xf };

/* The start of _Py_DebugOffsets (Include/internal/pycore_debug_offsets.h). */
enum { OFFSETS_COOKIE = 0, OFFSETS_VERSION = 8, OFFSETS_FREE_THREADED = 16, OFFSETS_HEAD_SIZE = 24 };

/* Where ob_type is: after ob_refcnt, or after what trace-refs (_ob_next, _ob_prev) or free-threading
 * (ob_tid, ob_ref_local …) put before it. */
enum { PLAIN_OB_TYPE = 8, LARGE_OB_TYPE = 24 };

/* A function that a minor version brought and that every build of it exports. Those of an image without any
 * symbols are not known. */
static const struct marker {
    int major, minor;
    const char *symbol;
} markers[] = {
    {3, 10, "Py_NewRef"},                 /* Objects/object.c */
    {3, 9, "PyFrame_GetCode"},            /* Objects/frameobject.c */
    {3, 8, "PyCode_NewWithPosOnlyArgs"},  /* Objects/codeobject.c */
    {3, 7, "_PyRuntime"},                 /* Python/pylifecycle.c */
    {3, 6, "PyOS_FSPath"},                /* Modules/posixmodule.c */
    {2, 7, "PyString_Type"},              /* Objects/stringobject.c */
};

static void take_hexversion(struct version *version, uint64_t hexversion)
{
    version->hexversion = (uint32_t)hexversion;
    version->major = (int)(hexversion >> 24 & 0xff);
    version->minor = (int)(hexversion >> 16 & 0xff);
}

/* ---- the version -------------------------------------------------------------------------------------- */

static bool read_debug_offsets(struct pst_target *target, const struct location *location, struct version *version)
{
    uint8_t head[OFFSETS_HEAD_SIZE];
    pst_error *error = location->runtime ? memory_read(target->memory, location->runtime, head, sizeof head)
                                         : error_no_memory();
    bool stated = !error && memcmp(head + OFFSETS_COOKIE, "xdebugpy", 8) == 0;
    pst_error_free(error);
    if (!stated)
        return false;
    take_hexversion(version, bytes_unsigned(head + OFFSETS_VERSION, 8));
    version->free_threaded = bytes_unsigned(head + OFFSETS_FREE_THREADED, 8) != 0;
    return true;
}

/* Py_Version is a constant: a core may lack it, or what it takes to find it. Then the image *may_have it: whatever
 * other symbols say, this may be 3.11 or later. */
static bool read_py_version(struct pst_target *target, const struct location *location, struct version *version,
                            bool *may_have)
{
    pst_addr address;
    uint8_t bytes[4];
    pst_error *error = location_find_symbol(target, location, "Py_Version", &address);
    *may_have = error || address;
    if (!error && address)
        error = memory_read(target->memory, address, bytes, sizeof bytes);
    bool read = !error && address;
    pst_error_free(error);
    if (read)
        take_hexversion(version, bytes_unsigned(bytes, sizeof bytes));
    return read;
}

/* Where a symbol can't be looked for, which one is there says nothing: the version stays unknown. */
static void read_markers(struct pst_target *target, const struct location *location, struct version *version)
{
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++) {
        pst_addr address;
        pst_error *error = location_find_symbol(target, location, markers[i].symbol, &address);
        if (!error && address) {
            version->major = markers[i].major;
            version->minor = markers[i].minor;
        }
        pst_error_free(error);
        if (error || address)
            return;
    }
}

/* ---- the flavour -------------------------------------------------------------------------------------- */

/* Whether objects have the larger header: PyCode_Type is an instance of PyType_Type. */
static bool has_large_header(struct pst_target *target, const struct location *location)
{
    uint8_t header[LARGE_OB_TYPE + 8];
    if (!location->code_type || !location->type_type)
        return false;
    pst_error *error = memory_read(target->memory, location->code_type, header, sizeof header);
    bool large = !error && bytes_unsigned(header + PLAIN_OB_TYPE, 8) != location->type_type &&
                 bytes_unsigned(header + LARGE_OB_TYPE, 8) == location->type_type;
    pst_error_free(error);
    return large;
}

static enum flavour flavour_of(const struct version *version, bool large_header)
{
    bool debug_has_trace_refs = version->major < 3 || version->minor < 8;
    if (version->free_threaded)
        return version->debug ? FLAVOUR_FREE_THREADED_DEBUG : FLAVOUR_FREE_THREADED;
    if (large_header && !debug_has_trace_refs)
        return FLAVOUR_TRACE_REFS;
    return version->debug ? FLAVOUR_DEBUG : FLAVOUR_RELEASE;
}

static void detect_flavour(struct pst_target *target, const struct location *location, struct version *version)
{
    pst_addr address;
    bool large_header = has_large_header(target, location);
    /* Objects/object.c has it under Py_REF_DEBUG, which Py_DEBUG implies. */
    pst_error *error = location_find_symbol(target, location, "_Py_NegativeRefcount", &address);
    version->debug = (!error && address) || (large_header && !version->free_threaded);
    version->flavour = flavour_of(version, large_header);
    pst_error_free(error);
}

void version_detect(struct pst_target *target, const struct location *location, struct version *version)
{
    bool may_be_new = false;
    *version = (struct version){0};
    if (!read_debug_offsets(target, location, version) &&
        !read_py_version(target, location, version, &may_be_new) && !may_be_new)
        read_markers(target, location, version);
    detect_flavour(target, location, version);
}

/* ---- as text ------------------------------------------------------------------------------------------ */

bool version_is_prerelease(uint32_t hexversion)
{
    return (hexversion >> 4 & 0xf) != LEVEL_FINAL;
}

void version_format(const struct version *version, char *text, size_t size)
{
    uint32_t hex = version->hexversion;
    if (!hex) {
        snprintf(text, size, "%d.%d", version->major, version->minor);
        return;
    }
    unsigned level = hex >> 4 & 0xf;
    const char *letter = level == LEVEL_ALPHA ? "a" : level == LEVEL_BETA ? "b" : "rc";
    int used = snprintf(text, size, "%u.%u.%u", hex >> 24 & 0xff, hex >> 16 & 0xff, hex >> 8 & 0xff);
    if (level != LEVEL_FINAL && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, "%s%u", letter, hex & 0xf);
}
