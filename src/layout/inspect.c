/* What `pystander layout` shows: the tables, and an ELF file against them. */
#include "image/file_target.h"
#include "layout/crosscheck.h"
#include "layout/derive.h"
#include "layout/locate.h"
#include "layout/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the built-in tables ---------------------------------------------------------------------------- */

const char *pst_layout_get_version(size_t table)
{
#define VERSION(major, minor) #major "." #minor,
#define MICROS(major, minor, first, last)
    static const char *const names[] = {
#include "../../layouts/versions.def"
    };
#undef VERSION
#undef MICROS
    return table < sizeof names / sizeof *names ? names[table] : NULL;
}

static pst_text get_line(size_t table, const char *keyword, size_t index)
{
    int major, minor;
    size_t size = 0;
    const char *text = layout_table_get(table, &major, &minor, &size);
    return text ? layout_table_line(text, size, keyword, index) : (pst_text){0};
}

/* The word that `line` begins with. */
static size_t first_word(pst_text line)
{
    size_t size = 0;
    while (size < line.size && line.data[size] != ' ')
        size++;
    return size;
}

const char *pst_layout_get_flavour(size_t table, size_t flavour)
{
    pst_text line = get_line(table, "column", flavour);
    for (unsigned i = 0; line.data && i < FLAVOUR_COUNT; i++) {
        const char *name = flavour_get_name(i);
        if (strlen(name) == first_word(line) && !memcmp(name, line.data, strlen(name)))
            return name;
    }
    return NULL;
}

pst_text pst_layout_get_origin(size_t table, size_t flavour)
{
    pst_text line = get_line(table, "column", flavour);
    size_t at = first_word(line);
    while (at < line.size && line.data[at] == ' ')
        at++;
    return line.data ? (pst_text){line.data + at, line.size - at} : line;
}

pst_text pst_layout_get_exception(size_t table, size_t index)
{
    return get_line(table, "when", index);
}

/* ---- an ELF file ------------------------------------------------------------------------------------ */

/* An ELF file that was opened to be looked into. */
struct subject {
    const char *path;
    struct pst_target *target;     /* NULL: nothing in it can be loaded (a separate debug file) */
    struct location location;
    bool located;
    struct layout_build build;
};

/* "3.12" or "3.7.3" */
static pst_error *parse_version(const char *text, struct layout_build *build)
{
    int end = 0;
    bool parsed = sscanf(text, "%d.%d%n", &build->major, &build->minor, &end) == 2;
    build->micro = -1;
    if (parsed && text[end] == '.')
        parsed = sscanf(text, "%d.%d.%d%n", &build->major, &build->minor, &build->micro, &end) == 3;
    if (parsed && !text[end])
        return NULL;
    return error_new(PST_ERROR_USAGE, "'%s' is no version like 3.12 or 3.7.3", text);
}

static pst_error *locate(struct subject *subject)
{
    struct version version;
    TRY(file_target_open(subject->path, &subject->target));
    TRY(locate_interpreter(subject->target, &subject->location));
    version_detect(subject->target, &subject->location, &version);
    subject->located = true;
    subject->build = (struct layout_build){.major = version.major, .minor = version.minor, .micro = -1,
                                           .flavour = version.flavour, .machine = subject->target->machine};
    if (version.hexversion)
        subject->build.micro = (int)(version.hexversion >> 8 & 0xff);
    return NULL;
}

/* Without a `version` the file must tell it; with one, that it can't is no matter. */
static pst_error *open_subject(const char *path, const char *version, struct subject *subject)
{
    *subject = (struct subject){.path = path, .build = {.flavour = FLAVOUR_COUNT}};
    pst_error *error = locate(subject);
    if (error && (!version || pst_error_get_code(error) == PST_ERROR_OPEN ||
                  pst_error_get_code(error) == PST_ERROR_PERMISSION))
        return error;
    pst_error_free(error);
    return version ? parse_version(version, &subject->build) : NULL;
}

static void close_subject(struct subject *subject)
{
    if (subject->target)
        pst_target_close(subject->target);
}

/* By the file's debug information; *found is false if that knows nothing of CPython's. */
static pst_error *derive(const struct subject *subject, struct layout *layout, bool *found)
{
    int fd = open(subject->path, O_RDONLY | O_CLOEXEC);
    *found = false;
    if (fd < 0)
        return error_system(PST_ERROR_OPEN, errno, "cannot open %s", subject->path);
    int supplement = file_open_supplement(subject->path);
    pst_error *error = layout_derive(fd, supplement, subject->path, subject->build.major, subject->build.minor,
                                     subject->build.flavour, layout, found);
    close(fd);
    if (supplement >= 0)
        close(supplement);
    return error;
}

static pst_error *derive_text(const struct subject *subject, char **bytes, size_t *size)
{
    struct layout layout;
    struct text text = {0};
    bool found;
    TRY(derive(subject, &layout, &found));
    /* An extension module knows no more of the interpreter than objects. */
    if (!found && !layout_has(&layout, FIELD_PyObject_ob_type))
        return error_hint(error_new(PST_ERROR_UNSUPPORTED, "%s has no debug information of CPython's", subject->path),
                          "distributions keep it in a package of its own, as /usr/lib/debug/.build-id/…/….debug");
    const char *slash = strrchr(subject->path, '/');
    text_printf(&text, "# Written by pystander layout --derive.\n");
    layout_write(&layout, slash ? slash + 1 : subject->path, &text);
    if (text.failed) {
        text_free(&text);
        return error_no_memory();
    }
    *bytes = text.data;
    *size = text.size;
    return NULL;
}

pst_error *pst_layout_derive(const char *path, const char *version, char **text, size_t *size)
{
    struct subject subject;
    *text = NULL;
    *size = 0;
    pst_error *error = open_subject(path, version, &subject);
    if (!error)
        error = derive_text(&subject, text, size);
    close_subject(&subject);
    return error;
}

/* ---- the comparison --------------------------------------------------------------------------------- */

enum { REPORT_SOURCES = 3, PLACE_SIZE = 32 };

struct difference {
    pst_layout_difference public;
    char table[PLACE_SIZE], stated[PLACE_SIZE];
};

struct pst_layout_report {
    struct layout layout;
    struct {
        const char *name;
        size_t field_count;
    } sources[REPORT_SOURCES];
    size_t source_count;
    struct difference differences[REPORT_SOURCES * FIELD_COUNT];
    size_t difference_count;
    struct error_list errors;
};

static void write_place(const struct place *place, unsigned size, char *bytes)
{
    struct text text = {0};
    layout_write_place(place, size, &text);
    snprintf(bytes, PLACE_SIZE, "%.*s", (int)text.size, text.data ? text.data : "");
    text_free(&text);
}

static bool same_place(const struct place *one, const struct place *other)
{
    if (one->offset < 0 || other->offset < 0)
        return one->offset < 0 && other->offset < 0;
    return one->offset == other->offset && one->size == other->size && one->bit == other->bit &&
           one->width == other->width;
}

/* Adds a source that states `field_count` fields; those of `stated` that are not as in the table differ. */
static void compare(struct pst_layout_report *report, enum layout_source source, const struct layout *stated,
                    size_t field_count)
{
    const char *name = layout_source_get_name(source);
    report->sources[report->source_count].name = name;
    report->sources[report->source_count++].field_count = field_count;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct place *table = &report->layout.places[i], *place = &stated->places[i];
        if (same_place(table, place))
            continue;
        struct difference *difference = &report->differences[report->difference_count++];
        write_place(table, table->size, difference->table);
        write_place(place, table->offset < 0 ? place->size : table->size, difference->stated);
        difference->public = (pst_layout_difference){name, field_get_name(i), difference->table, difference->stated};
    }
}

/* "PyCodeObject" of PyCodeObject.co_flags and sizeof(PyCodeObject) */
static pst_text get_struct(enum field field)
{
    const char *name = field_get_name(field);
    if (strncmp(name, "sizeof(", 7) == 0)
        name += 7;
    return (pst_text){name, strcspn(name, ".)")};
}

/* Whether a layout has any field of this one's struct. */
static bool knows_struct(const struct layout *layout, enum field field)
{
    pst_text wanted = get_struct(field);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        pst_text name = get_struct(i);
        if (layout_has(layout, i) && name.size == wanted.size && !memcmp(name.data, wanted.data, name.size))
            return true;
    }
    return false;
}

/* An interpreter may have its extension modules, and their structs, in files of their own: it has no word on those. */
static void compare_dwarf(struct pst_layout_report *report, const struct subject *subject)
{
    struct layout derived, stated = report->layout;
    bool found = false;
    size_t count = 0;
    error_list_add(&report->errors, derive(subject, &derived, &found));
    for (unsigned i = 0; found && i < FIELD_COUNT; i++) {
        count += layout_has(&derived, i);
        if (knows_struct(&derived, i))
            stated.places[i] = derived.places[i];
    }
    if (found)
        compare(report, LAYOUT_DWARF, &stated, count);
}

static void compare_statements(struct pst_layout_report *report, const struct subject *subject)
{
    struct memory *memory = subject->target->memory;
    struct error_list told = {0};
    size_t stated = 0;
    struct layout layout = report->layout;
    error_list_add(&report->errors,
                   crosscheck_debug_offsets(memory, subject->location.runtime, &layout, &stated, &told));
    if (stated)
        compare(report, LAYOUT_DEBUG_OFFSETS, &layout, stated);
    layout = report->layout;
    error_list_add(&report->errors,
                   crosscheck_code_members(memory, subject->location.code_type, &layout, &stated, &told));
    if (stated)
        compare(report, LAYOUT_TYPE_MEMBERS, &layout, stated);
    error_list_free(&told);
}

static pst_error *check(const struct subject *subject, struct pst_layout_report *report)
{
    bool found = false;
    if (!subject->located)
        return error_new(PST_ERROR_NOT_PYTHON, "no CPython interpreter was found in %s", subject->path);
    TRY(layout_load_build(&subject->build, &report->layout, &found));
    if (!found)
        return error_new(PST_ERROR_UNSUPPORTED, "there is no layout table for a %s build of CPython %d.%d",
                         flavour_get_name(subject->build.flavour), subject->build.major, subject->build.minor);
    compare_dwarf(report, subject);
    compare_statements(report, subject);
    return NULL;
}

pst_error *pst_layout_check(const char *path, const char *version, pst_layout_report **result)
{
    struct subject subject;
    struct pst_layout_report *report = calloc(1, sizeof *report);
    if (!report)
        return error_no_memory();
    pst_error *error = open_subject(path, version, &subject);
    if (!error)
        error = check(&subject, report);
    close_subject(&subject);
    if (error)
        pst_layout_report_free(report);
    else
        *result = report;
    return error;
}

void pst_layout_report_free(pst_layout_report *report)
{
    if (!report)
        return;
    error_list_free(&report->errors);
    free(report);
}

const char *pst_layout_report_get_layout(const pst_layout_report *report)
{
    return report->layout.name;
}

const char *pst_layout_report_get_source(const pst_layout_report *report, size_t index, size_t *field_count)
{
    if (index >= report->source_count)
        return NULL;
    *field_count = report->sources[index].field_count;
    return report->sources[index].name;
}

const pst_layout_difference *pst_layout_report_get_difference(const pst_layout_report *report, size_t index)
{
    return index < report->difference_count ? &report->differences[index].public : NULL;
}

const pst_error *pst_layout_report_get_errors(const pst_layout_report *report)
{
    return report->errors.first;
}
