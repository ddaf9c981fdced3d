/* The text of `pystander export`: a line for each file. */
#include "report/escape.h"
#include "report/text_parts.h"

static void add_codes(struct text *text, size_t count)
{
    if (count)
        add_count(text, count);
    else
        text_add_string(text, "no");
    text_add_string(text, count == 1 ? " code object" : " code objects");
}

static void add_file(struct text *text, const struct report_export_file *exported, const struct palette *palette)
{
    const pst_export_file *file = exported->file;
    text_add_string(text, palette->name);
    if (exported->path)
        add_plain(text, exported->path);
    else
        text_add_string(text, "not written");
    text_add_string(text, palette->off);
    text_add_string(text, ": ");
    if (file->module.data || file->filename.data)
        escape_text(text, file->module.data ? file->module : file->filename, ESCAPE_NAME);
    else
        text_add_char(text, '?');
    if (exported->path) {
        text_add_string(text, ", ");
        add_codes(text, file->code_count);
        if (file->kind == PST_EXPORT_MODULE)
            text_add_string(text, ", the module's own body among them: importing it runs it");
    }
    text_add_char(text, '\n');
    add_errors(text, file->errors, true, 2, palette);
    add_errors(text, exported->failure, true, 2, palette);
}

static void add_end(struct text *text, const struct report_export *export, const struct palette *palette)
{
    add_codes(text, export->code_count);
    text_add_string(text, " in ");
    add_count(text, export->written_count);
    text_add_string(text, export->written_count == 1 ? " file\n" : " files\n");
    add_errors(text, pst_export_get_errors(export->exported), true, 0, palette);
    add_errors(text, export->failure, true, 0, palette);
}

void report_export_text(const struct report *report, struct report_sink *sink)
{
    const struct palette *palette = report->colour ? &palette_terminal : &palette_none;
    struct report_export *export = report->export;
    struct report_export_file file;
    report_text_head(report, &sink->text, palette);
    if (!export || !export->exported)
        return;
    text_add_char(&sink->text, '\n');
    while (report_checkpoint(sink) && export->next(export->context, &file))
        add_file(&sink->text, &file, palette);
    text_add_char(&sink->text, '\n');
    add_end(&sink->text, export, palette);
}
