/* The JSON of `pystander code`; docs/json.md is its reference. */
#include "report/code_parts.h"
#include "report/json_parts.h"
#include "report/json_tables.h"

/* A number that could not be read is -1, with an error; without one -1 is just what it says. */
static void add_number(struct text *text, const pst_code *code, int64_t value)
{
    if (value == -1 && pst_code_get_errors(code))
        add_literal(text, "null");
    else
        text_add_signed(text, value);
}

static void add_flags(struct text *text, const pst_code *code)
{
    const char *name;
    text_add_char(text, '[');
    for (size_t i = 0; (name = pst_code_get_flag_name(code, i)); i++) {
        if (i)
            add_literal(text, ", ");
        escape_json_string(text, name);
    }
    text_add_char(text, ']');
}

static void add_numbers(struct text *text, const pst_code *code)
{
    const pst_code_numbers *numbers = pst_code_get_numbers(code);
    add_literal(text, ", \"co_firstlineno\": ");
    add_number(text, code, numbers->firstlineno);
    add_literal(text, ", \"co_argcount\": ");
    add_number(text, code, numbers->argcount);
    add_literal(text, ", \"co_posonlyargcount\": ");
    add_number(text, code, numbers->posonlyargcount);
    add_literal(text, ", \"co_kwonlyargcount\": ");
    add_number(text, code, numbers->kwonlyargcount);
    add_literal(text, ", \"co_nlocals\": ");
    add_number(text, code, numbers->nlocals);
    add_literal(text, ", \"co_stacksize\": ");
    add_number(text, code, numbers->stacksize);
    add_literal(text, ", \"co_flags\": ");
    add_number(text, code, numbers->flags);
    add_literal(text, ", \"flags\": ");
    add_flags(text, code);
}

static void add_list(struct report_sink *sink, const pst_code *code, pst_code_list list)
{
    struct text *text = &sink->text;
    size_t count;
    const pst_text *items = pst_code_get_list(code, list, &count);
    if (!items) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        if (i)
            add_literal(text, ", ");
        escape_json(text, items[i]);
    }
    text_add_char(text, ']');
}

static void add_constants(struct report_sink *sink, const pst_code *code)
{
    struct text *text = &sink->text;
    size_t count;
    const pst_constant *constants = pst_code_get_constants(code, &count);
    if (!constants) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        if (i)
            add_literal(text, ", ");
        if (constants[i].code) {
            add_literal(text, "{\"code\": ");
            add_address(text, constants[i].code);
            text_add_char(text, '}');
        } else {
            escape_json(text, constants[i].repr);
        }
    }
    text_add_char(text, ']');
}

static void add_lists(struct report_sink *sink, const pst_code *code)
{
    struct text *text = &sink->text;
    add_literal(text, ", \"co_names\": ");
    add_list(sink, code, PST_CODE_NAMES);
    add_literal(text, ", \"co_varnames\": ");
    add_list(sink, code, PST_CODE_VARNAMES);
    add_literal(text, ", \"co_freevars\": ");
    add_list(sink, code, PST_CODE_FREEVARS);
    add_literal(text, ", \"co_cellvars\": ");
    add_list(sink, code, PST_CODE_CELLVARS);
    add_literal(text, ", \"co_consts\": ");
    add_constants(sink, code);
}

static void add_tables(struct report_sink *sink, const pst_code *code)
{
    struct text *text = &sink->text;
    size_t count;
    add_literal(text, ", \"co_code\": ");
    json_add_bytes(sink, pst_code_get_bytes(code, PST_CODE_BYTECODE));
    add_literal(text, ", \"adaptive\": ");
    json_add_bytes(sink, pst_code_get_bytes(code, PST_CODE_ADAPTIVE));
    add_literal(text, ", \"linetable\": ");
    json_add_bytes(sink, pst_code_get_bytes(code, PST_CODE_LINETABLE));
    add_literal(text, ", \"lines\": ");
    const pst_line_range *lines = pst_code_get_lines(code, &count);
    json_add_lines(sink, lines, count);
    add_literal(text, ", \"positions\": ");
    const pst_position *positions = pst_code_get_positions(code, &count);
    json_add_positions(sink, positions, count);
    add_literal(text, ", \"exceptiontable\": ");
    json_add_bytes(sink, pst_code_get_bytes(code, PST_CODE_EXCEPTIONTABLE));
}

static void add_exceptions(struct report_sink *sink, const pst_code *code)
{
    struct text *text = &sink->text;
    size_t count;
    const pst_exception_range *ranges = pst_code_get_exceptions(code, &count);
    add_literal(text, ", \"exceptions\": ");
    if (!ranges) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        text_add_string(text, i ? ", {\"start\": " : "{\"start\": ");
        text_add_signed(text, ranges[i].start);
        add_literal(text, ", \"end\": ");
        text_add_signed(text, ranges[i].end);
        add_literal(text, ", \"target\": ");
        text_add_signed(text, ranges[i].target);
        add_literal(text, ", \"depth\": ");
        text_add_signed(text, ranges[i].depth);
        add_literal(text, ", \"lasti\": ");
        add_boolean(text, ranges[i].lasti);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

static void add_extras(struct text *text, const pst_code *code)
{
    size_t count;
    const pst_code_extra *extras = pst_code_get_extras(code, &count);
    add_literal(text, ", \"extra\": [");
    for (size_t i = 0; extras && i < count; i++) {
        text_add_string(text, i ? ", {\"index\": " : "{\"index\": ");
        text_add_unsigned(text, extras[i].index);
        add_literal(text, ", \"value\": ");
        add_address(text, extras[i].value);
        add_literal(text, ", \"freefunc\": ");
        /* As hooks are told of in `info`. */
        if (extras[i].symbol)
            escape_json_string(text, extras[i].symbol);
        else
            add_address_or_null(text, extras[i].freefunc);
        add_literal(text, ", \"freefunc_address\": ");
        add_address_or_null(text, extras[i].freefunc);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

/* ---- instructions ---- */

static void add_instruction_place(struct text *text, const pst_instruction *instruction)
{
    add_literal(text, ", \"starts_line\": ");
    add_boolean(text, instruction->starts_line);
    add_literal(text, ", \"line\": ");
    add_natural(text, instruction->position.line);
    add_literal(text, ", \"end_line\": ");
    add_natural(text, instruction->position.end_line);
    add_literal(text, ", \"column\": ");
    add_natural(text, instruction->position.column);
    add_literal(text, ", \"end_column\": ");
    add_natural(text, instruction->position.end_column);
    add_literal(text, ", \"jump_target\": ");
    add_natural(text, instruction->jump_target);
    add_literal(text, ", \"is_jump_target\": ");
    add_boolean(text, instruction->is_jump_target);
    add_literal(text, ", \"label\": ");
    add_natural(text, instruction->label ? instruction->label : -1);
}

static void add_adaptive(struct text *text, const pst_instruction *instruction)
{
    add_literal(text, "\"adaptive\": ");
    escape_json_string(text, instruction->adaptive);
    add_literal(text, ", \"counter\": ");
    add_natural(text, instruction->counter);
    add_literal(text, ", \"backoff\": ");
    add_natural(text, instruction->backoff);
    add_literal(text, ", \"cache\": ");
    add_natural(text, instruction->counter < 0 ? -1 : instruction->cache);
    text_add_char(text, '}');
}

static void add_instruction(struct text *text, const pst_instruction *instruction)
{
    add_literal(text, "{\"offset\": ");
    text_add_signed(text, instruction->offset);
    add_literal(text, ", \"opcode\": ");
    text_add_signed(text, instruction->opcode);
    add_literal(text, ", \"opname\": ");
    escape_json_string(text, instruction->name);
    add_literal(text, ", \"arg\": ");
    if (instruction->has_arg)
        text_add_signed(text, instruction->arg);
    else
        add_literal(text, "null");
    add_literal(text, ", \"argrepr\": ");
    escape_json(text, instruction->argrepr.data ? instruction->argrepr : (pst_text){"", 0});
    add_instruction_place(text, instruction);
    add_literal(text, ", \"cache_size\": ");
    text_add_signed(text, instruction->cache_size);
    add_literal(text, ", ");
    add_adaptive(text, instruction);
}

static void add_instructions(struct report_sink *sink, const pst_code *code)
{
    struct text *text = &sink->text;
    size_t count;
    const pst_instruction *instructions = pst_code_get_instructions(code, &count);
    add_literal(text, ", \"instructions\": ");
    if (!instructions) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        if (i)
            add_literal(text, ", ");
        add_instruction(text, &instructions[i]);
    }
    text_add_char(text, ']');
}

/* ---- copies ---- */

static void add_copy_instructions(struct report_sink *sink, const pst_code_copy *copy, size_t count)
{
    struct text *text = &sink->text;
    add_literal(text, ", \"instructions\": [");
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        text_add_string(text, i ? ", {\"offset\": " : "{\"offset\": ");
        text_add_signed(text, copy->instructions[i].offset);
        add_literal(text, ", ");
        add_adaptive(text, &copy->instructions[i]);
    }
    text_add_char(text, ']');
}

static void add_copies(struct report_sink *sink, const pst_code *code)
{
    struct text *text = &sink->text;
    size_t count, instruction_count;
    const pst_code_copy *copies = pst_code_get_copies(code, &count);
    pst_code_get_instructions(code, &instruction_count);
    add_literal(text, ", \"copies\": ");
    if (!copies) {
        add_literal(text, "null");
        return;
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < count && report_checkpoint(sink); i++) {
        text_add_string(text, i ? ", {\"index\": " : "{\"index\": ");
        text_add_unsigned(text, copies[i].index);
        add_literal(text, ", \"adaptive\": ");
        json_add_bytes(sink, copies[i].adaptive);
        if (copies[i].instructions)
            add_copy_instructions(sink, &copies[i], instruction_count);
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
}

/* ---- the report ---- */

static void add_code(struct report_sink *sink, const struct report_code *of_code, const pst_code *code)
{
    struct text *text = &sink->text;
    add_literal(text, "{\"address\": ");
    add_address(text, pst_code_get_address(code));
    add_literal(text, ", \"co_name\": ");
    escape_json(text, pst_code_get_name(code));
    add_literal(text, ", \"co_qualname\": ");
    escape_json(text, pst_code_get_qualname(code));
    add_literal(text, ", \"co_filename\": ");
    escape_json(text, pst_code_get_filename(code));
    add_numbers(text, code);
    add_lists(sink, code);
    add_tables(sink, code);
    add_exceptions(sink, code);
    add_extras(text, code);
    add_copies(sink, code);
    if (of_code->instructions)
        add_instructions(sink, code);
    add_literal(text, ", \"errors\": ");
    report_json_errors(pst_code_get_errors(code), text);
    text_add_char(text, '}');
}

static void add_codes(const struct report *report, struct report_sink *sink)
{
    const pst_code *code;
    while (report_checkpoint(sink) && (code = report_code_next(report->code))) {
        text_add_string(&sink->text, report->code->count > 1 ? ",\n" : "\n");
        add_code(sink, report->code, code);
    }
}

/* Those of threads count where code objects were looked for on their stacks. */
static void add_thread_errors(struct text *text, const pst_thread *thread, bool *is_first)
{
    report_json_error_items(pst_thread_get_errors(thread), text, is_first);
    const pst_error *last = NULL;   /* frames of one code object share its errors */
    size_t count = pst_thread_get_frame_count(thread);
    for (size_t i = 0; i < count; i++) {
        const pst_error *error = pst_frame_get_errors(pst_thread_get_frame(thread, i));
        if (error != last)
            report_json_error_items(error, text, is_first);
        last = error;
    }
}

static void add_errors(struct text *text, const struct report *report)
{
    bool is_first = true;
    const struct report_code *of_code = report->code;
    text_add_char(text, '[');
    report_json_own_errors(report, text, &is_first);
    size_t thread_count = report_code_needs_threads(report) ? pst_snapshot_get_thread_count(report->snapshot) : 0;
    for (size_t i = 0; i < thread_count; i++)
        add_thread_errors(text, pst_snapshot_get_thread(report->snapshot, i), &is_first);
    if (of_code && of_code->search)
        report_json_error_items(pst_code_search_get_errors(of_code->search), text, &is_first);
    if (of_code && of_code->failure)
        report_json_error_items(of_code->failure, text, &is_first);
    text_add_char(text, ']');
}

void report_code_json(const struct report *report, struct report_sink *sink)
{
    struct text *text = &sink->text;
    bool has_search = report->code && report->code->search;
    report_json_title(report, "pystander.code/1", text);
    add_literal(text, ",\n\"codes\": [");
    if (has_search)
        add_codes(report, sink);
    add_literal(text, "],\n\"scanned_size\": ");
    if (has_search)
        text_add_unsigned(text, pst_code_search_get_scanned_size(report->code->search));
    else
        add_literal(text, "null");
    add_literal(text, ",\n\"pause_ns\": ");
    if (report->snapshot)
        text_add_unsigned(text, pst_snapshot_get_pause_ns(report->snapshot));
    else
        add_literal(text, "null");
    add_literal(text, ",\n\"errors\": ");
    add_errors(text, report);
    add_literal(text, "}\n");
}
