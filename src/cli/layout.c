/* pystander layout: the built-in tables of struct offsets; an ELF file against them; one derived from DWARF. */
#include "cli/command.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "report/escape.h"
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_DERIVE = OPTION_OF_COMMAND };

static const struct argp_option layout_options[] = {
    {NULL, 0, NULL, 0, "Of layout:", 1},
    {"derive", OPTION_DERIVE, NULL, 0, "write a layout file from the debug information of FILE", 0},
    {0},
};

struct layout_own {
    bool derive;
};

static error_t parse_layout(int key, char *argument, struct argp_state *state)
{
    struct layout_own *own = ((struct invocation *)state->input)->own;
    (void)argument;
    if (key != OPTION_DERIVE)
        return ARGP_ERR_UNKNOWN;
    own->derive = true;
    return 0;
}

static void add_text(struct text *text, pst_text string)
{
    escape_text(text, string, ESCAPE_PLAIN);
}

static void add_string(struct text *text, const char *string)
{
    add_text(text, (pst_text){string, strlen(string)});
}

/* ---- the list --------------------------------------------------------------------------------------- */

static void list_text(struct text *text)
{
    const char *version, *flavour;
    for (size_t table = 0; (version = pst_layout_get_version(table)); table++) {
        for (size_t i = 0; (flavour = pst_layout_get_flavour(table, i)); i++) {
            text_printf(text, "%-5s  %-19s  ", i ? "" : version, flavour);
            add_text(text, pst_layout_get_origin(table, i));
            text_add_char(text, '\n');
        }
        for (size_t i = 0; pst_layout_get_exception(table, i).data; i++) {
            text_add_string(text, i ? ", " : "       some fields are elsewhere: ");
            add_text(text, pst_layout_get_exception(table, i));
        }
        if (pst_layout_get_exception(table, 0).data)
            text_add_char(text, '\n');
    }
}

static void list_json(struct text *text)
{
    const char *version, *flavour;
    text_add_string(text, "{\"schema\": \"pystander.layout/1\", \"tables\": [");
    for (size_t table = 0; (version = pst_layout_get_version(table)); table++) {
        text_printf(text, "%s\n  {\"version\": \"%s\", \"flavours\": [", table ? "," : "", version);
        for (size_t i = 0; (flavour = pst_layout_get_flavour(table, i)); i++) {
            text_printf(text, "%s{\"name\": \"%s\", \"source\": ", i ? ", " : "", flavour);
            escape_json(text, pst_layout_get_origin(table, i));
            text_add_char(text, '}');
        }
        text_add_string(text, "], \"exceptions\": [");
        for (size_t i = 0; pst_layout_get_exception(table, i).data; i++) {
            text_add_string(text, i ? ", " : "");
            escape_json(text, pst_layout_get_exception(table, i));
        }
        text_add_string(text, "]}");
    }
    text_add_string(text, "\n], \"errors\": []}\n");
}

/* ---- the comparison --------------------------------------------------------------------------------- */

static void check_text(struct text *text, const char *path, const pst_layout_report *report)
{
    const pst_layout_difference *difference;
    const char *source;
    size_t field_count;
    add_string(text, path);
    text_printf(text, ": against the table %s\n", pst_layout_report_get_layout(report));
    for (size_t i = 0; (source = pst_layout_report_get_source(report, i, &field_count)); i++) {
        size_t count = 0;
        for (size_t d = 0; (difference = pst_layout_report_get_difference(report, d)); d++)
            count += strcmp(difference->source, source) == 0;
        text_printf(text, "  %-13s  states %zu fields; ", source, field_count);
        text_printf(text, count ? "%zu differ\n" : "all agree\n", count);
    }
    if (!pst_layout_report_get_source(report, 0, &field_count))
        text_add_string(text, "  it states nothing of its layout\n");
    for (size_t d = 0; (difference = pst_layout_report_get_difference(report, d)); d++)
        text_printf(text, "  differs: %s is at %s in the table, at %s by %s\n", difference->field, difference->table,
                    difference->stated, difference->source);
}

static void check_json(struct text *text, const char *path, const pst_layout_report *report)
{
    const pst_layout_difference *difference;
    const char *source;
    size_t field_count;
    text_add_string(text, "{\"schema\": \"pystander.layout/1\", \"file\": ");
    escape_json_string(text, path);
    text_add_string(text, ", \"layout\": ");
    escape_json_string(text, pst_layout_report_get_layout(report));
    text_add_string(text, ", \"sources\": [");
    for (size_t i = 0; (source = pst_layout_report_get_source(report, i, &field_count)); i++)
        text_printf(text, "%s{\"name\": \"%s\", \"fields\": %zu}", i ? ", " : "", source, field_count);
    text_add_string(text, "], \"differences\": [");
    for (size_t d = 0; (difference = pst_layout_report_get_difference(report, d)); d++)
        text_printf(text, "%s\n  {\"source\": \"%s\", \"field\": \"%s\", \"table\": \"%s\", \"stated\": \"%s\"}",
                    d ? "," : "", difference->source, difference->field, difference->table, difference->stated);
    text_add_string(text, "], \"errors\": ");
    report_json_errors(pst_layout_report_get_errors(report), text);
    text_add_string(text, "}\n");
}

/* ---- the command ------------------------------------------------------------------------------------ */

/* Says why there is no report, in JSON too, and returns the exit code. Takes `error` over. */
static int fail(const struct invocation *invocation, struct text *text, pst_error *error)
{
    int code = exit_code_of(pst_error_get_code(error));
    message_error(error, NULL);
    if (invocation->json) {
        text_add_string(text, "{\"schema\": \"pystander.layout/1\", \"errors\": ");
        report_json_errors(error, text);
        text_add_string(text, "}\n");
    }
    pst_error_free(error);
    return code;
}

static int derive(const struct invocation *invocation, const char *path, struct text *text)
{
    char *bytes = NULL;
    size_t size = 0;
    pst_error *error = pst_layout_derive(path, invocation->target_options.assume_version, &bytes, &size);
    if (error)
        return fail(invocation, text, error);
    text_add(text, bytes, size);
    free(bytes);
    return EXIT_COMPLETE;
}

static int check(const struct invocation *invocation, const char *path, struct text *text)
{
    pst_layout_report *report;
    pst_error *error = pst_layout_check(path, invocation->target_options.assume_version, &report);
    if (error)
        return fail(invocation, text, error);
    if (invocation->json)
        check_json(text, path, report);
    else
        check_text(text, path, report);
    const pst_error *unread = pst_layout_report_get_errors(report);
    for (const pst_error *each = unread; each; each = pst_error_get_next(each))
        message_error(each, NULL);
    bool differs = pst_layout_report_get_difference(report, 0);
    pst_layout_report_free(report);
    return differs || unread ? EXIT_PARTIAL : EXIT_COMPLETE;
}

static int run_layout(struct invocation *invocation)
{
    const struct layout_own *own = invocation->own;
    const char *path = invocation->operand_count ? invocation->operands[0] : NULL;
    struct output output;
    struct report_sink sink = {.write = output_write, .context = &output};
    int code = EXIT_COMPLETE;
    if (invocation->operand_count > 1)
        usage_failure("'%s' is one too many: there is one FILE", invocation->operands[1]);
    if (own->derive && !path)
        usage_failure("--derive needs the FILE whose debug information is read");
    if (own->derive && invocation->json)
        usage_failure("--derive writes a layout file, not JSON");
    if (!output_prepare(&output, invocation->output_path))
        return EXIT_PARTIAL;
    if (own->derive)
        code = derive(invocation, path, &sink.text);
    else if (path)
        code = check(invocation, path, &sink.text);
    else if (invocation->json)
        list_json(&sink.text);
    else
        list_text(&sink.text);
    bool complete = report_finish(&sink);
    if (!output_finish(&output, complete) && output.error != EPIPE)
        return EXIT_PARTIAL;
    return code;
}

const struct command layout_command = {
    .name = "layout",
    .summary = "which layout tables are built in?",
    .usage = "[OPTIONS] [FILE]",
    .description =
        "Lists the built-in tables of struct offsets: CPython's versions, their build flavours, and what each\n"
        "was made from.\n"
        "\n"
        "With FILE, an executable or shared library that holds an interpreter: compares its table with what the\n"
        "file itself says, in its debug information (DWARF), its _Py_DebugOffsets (3.13 and later) and the\n"
        "members of its code type. --derive writes a layout file from its debug information, for --layout;\n"
        "where the file does not tell its version, --assume-version does.\n",
    .options = layout_options,
    .parse = parse_layout,
    .own_size = sizeof(struct layout_own),
    .run = run_layout,
};
