/* The JSON of `pystander export`; docs/json.md is its reference. */
#include "report/json_parts.h"

static void add_kind(struct text *text, pst_export_kind kind)
{
    switch (kind) {
    case PST_EXPORT_MODULE: add_literal(text, "\"module\""); return;
    case PST_EXPORT_FUNCTIONS: add_literal(text, "\"functions\""); return;
    case PST_EXPORT_PACKAGE: add_literal(text, "\"package\""); return;
    }
    add_literal(text, "null");
}

static void add_file(struct report_sink *sink, const struct report_export_file *exported)
{
    struct text *text = &sink->text;
    const pst_export_file *file = exported->file;
    bool is_first = true;
    add_literal(text, "{\"path\": ");
    escape_json_string(text, exported->path);
    add_literal(text, ", \"module\": ");
    escape_json(text, file->module);
    add_literal(text, ", \"co_filename\": ");
    escape_json(text, file->filename);
    add_literal(text, ", \"kind\": ");
    add_kind(text, file->kind);
    add_literal(text, ", \"size\": ");
    add_natural(text, exported->path ? (int64_t)file->pyc.size : -1);
    add_literal(text, ", \"codes\": [");
    for (size_t i = 0; exported->path && i < file->code_count && report_checkpoint(sink); i++) {
        if (i)
            add_literal(text, ", ");
        add_address(text, file->codes[i]);
    }
    add_literal(text, "], \"errors\": [");
    report_json_error_items(file->errors, text, &is_first);
    report_json_error_items(exported->failure, text, &is_first);
    add_literal(text, "]}");
}

static void add_files(struct report_sink *sink, struct report_export *export)
{
    struct report_export_file file;
    bool is_first = true;
    while (report_checkpoint(sink) && export->next(export->context, &file)) {
        text_add_string(&sink->text, is_first ? "\n" : ",\n");
        add_file(sink, &file);
        is_first = false;
    }
}

void report_export_json(const struct report *report, struct report_sink *sink)
{
    struct text *text = &sink->text;
    struct report_export *export = report->export && report->export->exported ? report->export : NULL;
    bool is_first = true;
    report_json_title(report, "pystander.export/1", text);
    add_literal(text, ",\n\"files\": [");
    if (export)
        add_files(sink, export);
    add_literal(text, "],\n\"scanned_size\": ");
    if (export)
        text_add_unsigned(text, pst_export_get_scanned_size(export->exported));
    else
        add_literal(text, "null");
    add_literal(text, ",\n\"errors\": [");
    report_json_own_errors(report, text, &is_first);
    if (export) {
        report_json_error_items(pst_export_get_errors(export->exported), text, &is_first);
        report_json_error_items(export->failure, text, &is_first);
    }
    add_literal(text, "]}\n");
}
