/* pystander export: give me this process's code back as .pyc files. */
#include "base/error.h"
#include "cli/folder.h"
#include "cli/message.h"
#include "cli/selectors.h"
#include "cli/session.h"

#include <errno.h>

enum {
    OPTION_OUT = OPTION_AFTER_SELECTORS,
    OPTION_FORCE,
};

static const struct argp_option export_options[] = {
    {NULL, 0, NULL, 0, "Which code objects, with those nested in them (the default is --all):", 1},
    SELECTOR_OPTIONS(1),
    {NULL, 0, NULL, 0, "Where to (-o FILE is for what comes from one file alone):", 2},
    {"out", OPTION_OUT, "DIR", 0, "a folder, made if need be, that modules can be imported from", 2},
    {"force", OPTION_FORCE, NULL, 0, "replace files that are there already", 2},
    {0},
};

struct export_own {
    struct selectors selectors;
    const char *out;
    bool force;
};

static error_t parse_export(int key, char *argument, struct argp_state *state)
{
    struct export_own *own = ((struct invocation *)state->input)->own;
    switch (key) {
    case OPTION_OUT:
        if (!*argument)
            usage_failure("--out needs a folder, not an empty name");
        own->out = argument;
        break;
    case OPTION_FORCE: own->force = true; break;
    default: return selectors_parse(&own->selectors, key, argument);
    }
    return 0;
}

/* One run. */
struct writer {
    pst_export *exported;
    const char *file_path;      /* -o; NULL: into `folder` */
    bool force;
    struct folder folder;
    struct text path;           /* of the file that was written last */
    pst_error *file_failure;    /* of that file */
    pst_error *failure;
    size_t file_count;          /* those that were tried */
    size_t failed_count;        /* of them, those that are not there, or not all of what they should hold */
    struct report_export report;
};

/* ---- files ---------------------------------------------------------------------------------------------- */

static pst_error *write_to_folder(struct writer *writer, const pst_export_file *file)
{
    struct text name = {0};
    folder_add_path(file, &name);
    pst_error *error = name.failed ? error_no_memory() : folder_write(&writer->folder, &name, file->pyc);
    text_add_string(&writer->path, writer->folder.path);
    text_add_char(&writer->path, '/');
    text_add(&writer->path, name.data, name.size);
    text_free(&name);
    return error;
}

static pst_error *write_file(struct writer *writer, const pst_export_file *file)
{
    writer->path.size = 0;
    if (!writer->file_path)
        return write_to_folder(writer, file);
    text_add_string(&writer->path, writer->file_path);
    return file_write(writer->file_path, writer->force, file->pyc);
}

/* For struct report_export. */
static bool next_file(void *context, struct report_export_file *exported)
{
    struct writer *writer = context;
    const pst_export_file *file = NULL;
    *exported = (struct report_export_file){0};
    pst_error_free(writer->file_failure);
    writer->file_failure = NULL;
    if (writer->failure)
        return false;
    writer->failure = pst_export_next(writer->exported, &file);
    writer->report.failure = writer->failure;
    if (!file || (writer->file_path && file->kind == PST_EXPORT_PACKAGE))
        return false;
    if (file->pyc.data)
        writer->file_failure = write_file(writer, file);
    text_add_char(&writer->path, '\0');
    exported->file = file;
    exported->failure = writer->file_failure;
    if (file->pyc.data && !writer->file_failure && !writer->path.failed) {
        exported->path = writer->path.data;
        writer->report.written_count++;
        writer->report.code_count += file->code_count;
    }
    writer->file_count++;
    writer->failed_count += !exported->path || file->errors;
    return true;
}

/* ---- the run ---------------------------------------------------------------------------------------------- */

static pst_error *open_export(struct session *session, struct writer *writer)
{
    const struct export_own *own = session->invocation->own;
    pst_code_options options = {.size = sizeof options};
    selectors_fill(&own->selectors, PST_CODE_ALL, &options);
    TRY(pst_export_open(session->report.target, session->snapshot, &options, &writer->exported));
    size_t count = pst_export_get_file_count(writer->exported);
    if (writer->file_path && count > 1)
        return error_hint(error_new(PST_ERROR_USAGE, "what was asked for is %zu files, and -o writes one", count),
                          "choose with --file or --name, or use --out DIR");
    return NULL;
}

static pst_error *open_folder(const struct export_own *own, struct writer *writer)
{
    if (!writer->file_path)
        TRY(folder_open(&writer->folder, own->out, own->force));
    writer->report.exported = writer->exported;
    return NULL;
}

/* Threads count where code objects were looked for on their stacks. */
static bool is_partial(const struct session *session, const struct writer *writer)
{
    const struct export_own *own = session->invocation->own;
    bool is_running = own->selectors.chosen && own->selectors.which == PST_CODE_RUNNING;
    return writer->failed_count || writer->failure || pst_export_get_errors(writer->exported) ||
           pst_snapshot_get_errors(session->snapshot) || pst_target_get_errors(session->report.target) ||
           (is_running && pst_snapshot_is_partial(session->snapshot));
}

static bool finds_nothing(const struct session *session, const struct writer *writer)
{
    const struct export_own *own = session->invocation->own;
    bool is_at = own->selectors.chosen && own->selectors.which == PST_CODE_AT;
    bool has_none = !writer->report.written_count && !writer->failed_count && !writer->failure;
    return has_none && (writer->file_path || is_at);
}

static int print(struct session *session, struct writer *writer)
{
    struct report_export_file file;
    bool printed = session_print(session);
    /* Whoever reads the list may go; the files are wanted all the same. */
    while (next_file(writer, &file))
        continue;
    if (!printed && session->output.error != EPIPE)
        return EXIT_PARTIAL;
    if (finds_nothing(session, writer)) {
        message("there is no such code object; nothing was written");
        return EXIT_NOTHING;
    }
    if (!is_partial(session, writer))
        return EXIT_COMPLETE;
    if (!session->invocation->quiet && writer->failed_count)
        message("partial: %zu of %zu files were not written, or not with all that belongs in them; the report says "
                "why", writer->failed_count, writer->file_count);
    else if (!session->invocation->quiet)
        message("partial: not everything could be read; the report says what");
    return EXIT_PARTIAL;
}

static void check_usage(const struct invocation *invocation)
{
    const struct export_own *own = invocation->own;
    if (own->out && invocation->output_path)
        usage_failure("one place at a time: --out and -o exclude each other");
    if (!own->out && !invocation->output_path)
        usage_failure("where to? --out DIR, or -o FILE for one module");
}

static int run_export(struct invocation *invocation)
{
    const pst_snapshot_options options = {.size = sizeof options};
    struct export_own *own = invocation->own;
    check_usage(invocation);
    /* -o is the file that is exported; what is printed goes to standard output. */
    struct invocation printing = *invocation;
    printing.output_path = NULL;
    struct writer writer = {.file_path = invocation->output_path, .force = own->force, .folder = {.fd = -1}};
    writer.report.next = next_file;
    writer.report.context = &writer;
    struct session session = {
        .print_json = report_export_json,
        .print_text = report_export_text,
        .report = {.export = &writer.report},
    };
    int code;
    if (session_begin(&session, &printing, &code) && session_take_snapshot(&session, &options, &code)) {
        pst_error *error = open_export(&session, &writer);
        code = error ? session_fail(&session, error) : EXIT_COMPLETE;
        pst_error *folder_error = error ? NULL : open_folder(own, &writer);
        if (folder_error)
            session_fail(&session, folder_error);   /* which is no fault of the target's */
        if (!error)
            code = folder_error ? EXIT_PARTIAL : print(&session, &writer);
    }
    folder_close(&writer.folder);
    pst_export_close(writer.exported);
    pst_error_free(writer.file_failure);
    pst_error_free(writer.failure);
    text_free(&writer.path);
    session_end(&session);
    selectors_free(&own->selectors);
    return code;
}

const struct command export_command = {
    .name = "export",
    .summary = "give me this process's code back as .pyc files",
    .usage = "[OPTIONS] (--out DIR | -o FILE) TARGET [EXE]",
    .description =
        "Writes code objects of a process or core file into .pyc files for the same version of Python, one for\n"
        "each co_filename. Where a module's own body is still in memory, as that of __main__, the file holds it:\n"
        "importing it runs it. Elsewhere the file is a module that defines the functions of the original by their\n"
        "names, without defaults; all code objects, those of methods and closures too, are in its __codes__.\n"
        "Importing that runs nothing of the program's.\n"
        "\n"
        "With -o FILE what is printed still goes to standard output.\n",
    .options = export_options,
    .parse = parse_export,
    .own_size = sizeof(struct export_own),
    .run = run_export,
    .takes_target = true,
};
