#include "layout/settle.h"

#include "image/debug_file.h"
#include "layout/cache.h"
#include "layout/crosscheck.h"
#include "layout/derive.h"

#include <stdio.h>

/* ---- the four ways ------------------------------------------------------------------------------------ */

static pst_error *load_table(const struct pst_target *target, const struct version *version, struct layout *layout,
                             bool *found)
{
    const struct layout_build build = {
        .major = version->major,
        .minor = version->minor,
        .micro = version->hexversion ? (int)(version->hexversion >> 8 & 0xff) : -1,
        .flavour = version->flavour,
        .machine = target->machine,
    };
    return layout_load_build(&build, layout, found);
}

static pst_error *load_assumed(const struct pst_target *target, struct version *version, struct layout *layout)
{
    bool found = false;
    char rest;
    if (sscanf(target->assume_version, "%d.%d%c", &version->major, &version->minor, &rest) != 2)
        return error_new(PST_ERROR_USAGE, "'%s' is no version like 3.12", target->assume_version);
    TRY(load_table(target, version, layout, &found));
    if (found)
        return NULL;
    return error_new(PST_ERROR_UNSUPPORTED, "there is no layout table for a %s build of CPython %s",
                     flavour_get_name(version->flavour), target->assume_version);
}

/* By the debug information of `file`, which it closes. */
static pst_error *derive(struct debug_file *file, const struct location *location, const struct version *version,
                         struct layout *layout, bool *found)
{
    *found = false;
    if (file->fd < 0)
        return NULL;
    pst_error *error = layout_derive(file->fd, file->supplement, location->segment->path, version->major,
                                     version->minor, version->flavour, layout, found);
    debug_file_close(file);
    return error;
}

/* The first file that knows CPython's structs; *damaged if not all of it could be read. */
static pst_error *derive_from_files(struct pst_target *target, const struct location *location,
                                    const struct version *version, const struct build_id *id, struct layout *layout,
                                    bool *found, bool *damaged)
{
    struct debug_file file;
    TRY(debug_file_open_own(target, location->segment, &file));
    pst_error *error = derive(&file, location, version, layout, found);
    for (size_t place = 0; !*found && id->size && debug_file_open(target, id, place, &file); place++) {
        pst_error_free(error);
        error = derive(&file, location, version, layout, found);
    }
    *damaged = error != NULL;
    if (!*found)
        return error;
    error_list_add(&target->errors, error);
    return NULL;
}

static pst_error *derive_from_image(struct pst_target *target, const struct location *location,
                                    const struct version *version, struct layout *layout, bool *found)
{
    struct build_id id = {.size = 0};
    bool damaged;
    if (image_read_build_id(target, location->image.start, &id) && layout_cache_load(&id, layout) &&
        layout->major == version->major && layout->minor == version->minor && layout->flavour == version->flavour) {
        snprintf(layout->name, sizeof layout->name, "the DWARF of %s", location->segment->path);
        *found = true;
        return NULL;
    }
    TRY(derive_from_files(target, location, version, &id, layout, found, &damaged));
    if (*found && !damaged && id.size)
        layout_cache_store(&id, layout);
    return NULL;
}

static pst_error *refuse(const struct version *version)
{
    char text[32];
    version_format(version, text, sizeof text);
    bool prerelease = version->hexversion && version_is_prerelease(version->hexversion);
    pst_error *error = error_new(PST_ERROR_UNSUPPORTED, "CPython %s (%s build) is %s", text,
                                 flavour_get_name(version->flavour),
                                 prerelease ? "a pre-release, whose layout may change"
                                            : "a version whose layout is not known");
    return error_hint(error, "an interpreter built with debug information needs no table; else give --layout FILE, "
                             "or --assume-version X.Y at your own risk");
}

/* Of an image that does not tell its version, the file does. */
static void take_unknown_version(struct version *version, const struct layout *layout)
{
    if (version->major)
        return;
    version->major = layout->major;
    version->minor = layout->minor;
    version->flavour = layout->flavour;
    version->debug = layout->flavour == FLAVOUR_DEBUG || layout->flavour == FLAVOUR_TRACE_REFS;
}

static pst_error *choose(struct pst_target *target, const struct location *location, struct version *version,
                         struct layout *layout, enum layout_source *source)
{
    bool found = false;
    if (target->layout_file) {
        *source = LAYOUT_FILE;
        TRY(layout_load_file(target->layout_file, layout));
        take_unknown_version(version, layout);
        return NULL;
    }
    *source = LAYOUT_TABLE;
    if (target->assume_version)
        return load_assumed(target, version, layout);
    if (!version->hexversion || !version_is_prerelease(version->hexversion))
        TRY(load_table(target, version, layout, &found));
    if (found)
        return NULL;
    *source = LAYOUT_DWARF;
    TRY(derive_from_image(target, location, version, layout, &found));
    return found ? NULL : refuse(version);
}

/* What the target says of itself wins over what was chosen: a micro version that is newer than its table may have
 * moved a field, and then nothing is wrong that a report would have to tell. That it can't be asked is told. */
static void crosscheck(struct pst_target *target, const struct location *location, struct layout *layout,
                       bool *sources)
{
    struct error_list differences = {0};
    size_t by_offsets = 0, by_members = 0;
    if (location->runtime)
        error_list_add(&target->errors, crosscheck_debug_offsets(target->memory, location->runtime, layout,
                                                                 &by_offsets, &differences));
    /* A table of a final release was checked when it was made. */
    bool is_checked = sources[LAYOUT_TABLE] && !target->assume_version;
    if (location->code_type && !is_checked)
        error_list_add(&target->errors, crosscheck_code_members(target->memory, location->code_type, layout,
                                                                &by_members, &differences));
    error_list_free(&differences);
    sources[LAYOUT_DEBUG_OFFSETS] |= by_offsets > 0;
    sources[LAYOUT_TYPE_MEMBERS] |= by_members > 0;
}

pst_error *layout_settle(struct pst_target *target, const struct location *location, struct version *version,
                         struct layout *layout, bool *sources)
{
    enum layout_source source = LAYOUT_TABLE;
    TRY(choose(target, location, version, layout, &source));
    sources[source] = true;
    crosscheck(target, location, layout, sources);
    return NULL;
}
