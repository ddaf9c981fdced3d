/*
 * A code object's instructions, in the manner of the target's own Lib/dis.py: Instruction._disassemble() and
 * _disassemble_bytes(), from 3.13 on Formatter. Each version lays its columns out a little differently.
 */
#include "report/escape.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_WIDTH = 20, ARG_WIDTH = 5 };

static const char no_line[] = "  --";

struct dis {
    const pst_code *code;
    const pst_instruction *instructions;
    size_t count;
    const int *labels;          /* 3.13+ */
    size_t label_count;
    const struct dis_part *part;
    bool adaptive;
    int version;                /* 313 */
    int line_width;             /* 0: no column */
    int label_width, offset_width;
    struct text *text;
};

static int digits(long long number)
{
    return snprintf(NULL, 0, "%lld", number);
}

/* ---- widths ------------------------------------------------------------------------------------------------- */

static int find_line_width(const struct dis *dis)
{
    int most = -1;
    bool any = false, any_without = false;
    for (size_t i = 0; i < dis->count; i++) {
        const pst_instruction *instruction = &dis->instructions[i];
        if (!instruction->starts_line)
            continue;
        any = true;
        any_without |= instruction->position.line == -1;
        if (instruction->position.line > most)
            most = instruction->position.line;
    }
    if (dis->version <= 306)
        return 3;
    if (dis->version < 313)
        return dis->version >= 310 && !any ? 0 : most >= 1000 ? digits(most) : 3;
    if (most <= 0)    /* _get_lineno_width() takes line 0 for none */
        return 0;
    int width = digits(most) > 3 ? digits(most) : 3;
    return any_without && width < (int)strlen(no_line) ? (int)strlen(no_line) : width;
}

static int find_offset_width(const struct dis *dis)
{
    long long last = (long long)pst_code_get_bytes(dis->code, PST_CODE_BYTECODE).size - 2;
    return dis->version >= 307 && last >= 10000 ? digits(last) : 4;
}

/* ---- a line ------------------------------------------------------------------------------------------------- */

/* To 3.11 dis marks an instruction only by its own offset; what a frame's f_lasti is there. */
static bool is_current(const struct dis *dis, const pst_instruction *instruction)
{
    for (size_t i = 0; i < dis->part->mark_count; i++) {
        int offset = dis->part->marks[i];
        if (offset >= instruction->offset && offset <= instruction->offset + instruction->cache_size)
            return true;
    }
    return false;
}

static void add_line_number(const struct dis *dis, const pst_instruction *instruction)
{
    if (!dis->line_width)
        return;
    if (!instruction->starts_line)
        text_printf(dis->text, "%*s ", dis->line_width, "");
    else if (instruction->position.line == -1)
        text_printf(dis->text, "%*s ", dis->line_width, no_line);
    else
        text_printf(dis->text, "%*d ", dis->line_width, instruction->position.line);
}

/* What stands before the name. */
static void add_margin(const struct dis *dis, const pst_instruction *instruction)
{
    const char *arrow = is_current(dis, instruction) ? "-->" : "   ";
    add_line_number(dis, instruction);
    if (dis->version < 313) {
        text_printf(dis->text, "%s %s %*d ", arrow, instruction->is_jump_target ? ">>" : "  ", dis->offset_width,
                    instruction->offset);
        return;
    }
    char label[16] = "";
    if (instruction->label)
        snprintf(label, sizeof label, "L%d:", instruction->label);
    text_printf(dis->text, "%*s %s ", dis->label_width, label, arrow);
}

static void add_argument(const struct dis *dis, const pst_instruction *instruction, size_t name_size)
{
    size_t excess = dis->version >= 313 && name_size > NAME_WIDTH ? name_size - NAME_WIDTH : 0;
    int width = excess < ARG_WIDTH ? ARG_WIDTH - (int)excess : 0;
    /* In 2.7 an EXTENDED_ARG has made a long of it. */
    bool is_long = dis->version < 300 && instruction->arg > 0xffff;
    char number[32];
    snprintf(number, sizeof number, "%lld%s", (long long)instruction->arg, is_long ? "L" : "");
    text_printf(dis->text, " %*s", width, number);
    /* 2.7 shows an empty name, too. */
    if (dis->version < 300 ? !instruction->argrepr.data : !instruction->argrepr.size)
        return;
    text_add_string(dis->text, " (");
    escape_text(dis->text, instruction->argrepr, ESCAPE_PLAIN);
    text_add_char(dis->text, ')');
}

static void add_counter(const struct dis *dis, const pst_instruction *instruction)
{
    if (!dis->adaptive || instruction->counter < 0)
        return;
    text_printf(dis->text, "  ; counter %d", instruction->counter);
    if (instruction->backoff >= 0)
        text_printf(dis->text, ", backoff %d", instruction->backoff);
}

static void add_instruction(const struct dis *dis, const pst_instruction *instruction)
{
    struct text *text = dis->text;
    const char *name = dis->adaptive && instruction->adaptive ? instruction->adaptive : instruction->name;
    if (dis->line_width && instruction->starts_line && instruction->offset > 0)
        text_add_char(text, '\n');
    add_margin(dis, instruction);
    /* Only 2.7 leaves blanks at a line's end. */
    bool is_last = !instruction->has_arg && dis->version >= 300;
    text_printf(text, "%-*s", is_last ? 0 : NAME_WIDTH, name);
    if (instruction->has_arg)
        add_argument(dis, instruction, strlen(name));
    add_counter(dis, instruction);
    text_add_char(text, '\n');
}

/* ---- the exception table ------------------------------------------------------------------------------------ */

static int compare_offsets(const void *a, const void *b)
{
    const int *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

/* 24, or from 3.13 on L1. */
static void add_place(const struct dis *dis, int offset)
{
    const int *found = dis->label_count ? bsearch(&offset, dis->labels, dis->label_count, sizeof *dis->labels,
                                                  compare_offsets) : NULL;
    if (found)
        text_printf(dis->text, "L%d", (int)(found - dis->labels) + 1);
    else
        text_printf(dis->text, "%d", offset);
}

static void add_exceptions(const struct dis *dis)
{
    size_t count;
    const pst_exception_range *ranges = pst_code_get_exceptions(dis->code, &count);
    if (count)
        text_add_string(dis->text, "ExceptionTable:\n");
    for (size_t i = 0; i < count; i++) {
        const pst_exception_range *range = &ranges[i];
        text_add_string(dis->text, "  ");
        add_place(dis, range->start);
        text_add_string(dis->text, " to ");
        add_place(dis, dis->version < 313 ? range->end - 2 : range->end);
        text_add_string(dis->text, " -> ");
        add_place(dis, range->target);
        text_printf(dis->text, " [%d]%s\n", range->depth, range->lasti ? " lasti" : "");
    }
}

void report_code_dis(const struct report *report, const pst_code *code, const struct dis_part *part, struct text *text)
{
    uint32_t version = pst_snapshot_get_python(report->snapshot)->hexversion;
    struct dis dis = {
        .code = code,
        .part = part,
        .adaptive = report->adaptive,
        .version = (int)(version >> 24) * 100 + (int)(version >> 16 & 0xff),
        .text = text,
        .instructions = part->instructions,
    };
    pst_code_get_instructions(code, &dis.count);
    dis.labels = pst_code_get_labels(code, &dis.label_count);
    dis.line_width = find_line_width(&dis);
    dis.offset_width = find_offset_width(&dis);
    dis.label_width = 4 + digits((long long)dis.label_count);
    for (size_t i = 0; i < dis.count; i++)
        add_instruction(&dis, &dis.instructions[i]);
    if (!part->is_copy)
        add_exceptions(&dis);
}
