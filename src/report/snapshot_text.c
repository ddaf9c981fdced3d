/* The text of `pystander snapshot`. */
#include "report/escape.h"
#include "report/text_parts.h"

#include <string.h>

void report_snapshot_text(const struct report *report, struct report_sink *sink)
{
    const struct palette *palette = report->colour ? &palette_terminal : &palette_none;
    const struct report_small_core *small = report->small_core;
    struct text *text = &sink->text;
    report_text_head(report, text, palette);
    if (!small)
        return;
    add_errors(text, pst_core_get_errors(small->core), true, 0, palette);
    if (!small->path)
        return;
    text_add_string(text, "\nWrote ");
    escape_text(text, (pst_text){small->path, strlen(small->path)}, ESCAPE_NAME);
    text_add_string(text, ": ");
    add_count(text, small->size);
    text_add_string(text, " bytes");
    if (small->size && small->origin_size / small->size > 1) {
        text_add_string(text, ", 1/");
        add_count(text, small->origin_size / small->size);
        text_add_string(text, " of the core");
    }
    text_add_char(text, '\n');
}
