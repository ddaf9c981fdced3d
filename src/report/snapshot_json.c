/* The JSON of `pystander snapshot`; docs/json.md is its reference. */
#include "report/json_parts.h"

static void add_number_or_null(struct text *text, uint64_t number)
{
    if (number)
        text_add_unsigned(text, number);
    else
        add_literal(text, "null");
}

void report_snapshot_json(const struct report *report, struct report_sink *sink)
{
    struct text *text = &sink->text;
    const struct report_small_core *small = report->small_core;
    bool is_first = true;
    report_json_title(report, "pystander.snapshot/1", text);
    add_literal(text, ",\n\"file\": ");
    escape_json_string(text, small ? small->path : NULL);
    add_literal(text, ",\n\"size\": ");
    add_number_or_null(text, small ? small->size : 0);
    add_literal(text, ",\n\"kept_size\": ");
    add_number_or_null(text, small ? pst_core_get_kept_size(small->core) : 0);
    add_literal(text, ",\n\"origin_size\": ");
    add_number_or_null(text, small ? small->origin_size : 0);
    add_literal(text, ",\n\"heap_cut\": ");
    add_boolean(text, small && pst_core_is_heap_cut(small->core));
    add_literal(text, ",\n\"pause_ns\": ");
    if (small)
        text_add_unsigned(text, pst_snapshot_get_pause_ns(report->snapshot));
    else
        add_literal(text, "null");
    add_literal(text, ",\n\"errors\": [");
    report_json_own_errors(report, text, &is_first);
    if (small)
        report_json_error_items(pst_core_get_errors(small->core), text, &is_first);
    add_literal(text, "]}\n");
}
