/* Why a core was written, of whose process, when and by what. */
#include "report/text_parts.h"

#include "report/calendar.h"
#include "report/escape.h"

#include <string.h>

/* An instance of this of a thread's own, or of the process: abort(), os.kill(os.getpid(), …). */
static bool is_own(const pst_target *target, const pst_signal *signal)
{
    return signal->has_sender && signal->sender_pid > 0 && signal->sender_pid == pst_target_get_pid(target);
}

void add_signal_name(struct text *text, const pst_signal *signal)
{
    if (signal->name)
        add_plain(text, signal->name);
    else
        text_printf(text, "signal %d", signal->number);
}

/* " (address not mapped)" */
static void add_code(struct text *text, const struct report *report, const pst_signal *signal)
{
    if (!signal->has_code)
        return;
    text_add_string(text, " (");
    if (is_own(report->target, signal)) {
        text_add_string(text, "raised by itself");
    } else if (signal->has_sender) {
        if (signal->sender_pid > 0)
            text_printf(text, "sent by process %d, user %u", signal->sender_pid, signal->sender_uid);
        else
            text_printf(text, "sent from outside of its PID namespace, by user %u", signal->sender_uid);
    } else if (signal->description) {
        add_plain(text, signal->description);
    } else {
        text_printf(text, "code %d", signal->code);
    }
    if (signal->has_syscall)
        text_printf(text, ": number %d", signal->syscall);
    if (report->verbose && signal->description) {
        text_add_string(text, "; ");
        add_plain(text, signal->code_name);
        text_printf(text, ", code %d", signal->code);
    }
    text_add_char(text, ')');
}

static void add_fault(struct text *text, const pst_signal *signal)
{
    if (!signal->has_address)
        return;
    text_add_string(text, " at address ");
    text_add_hex(text, signal->address);
    if (!signal->place)
        return;
    text_add_string(text, " (");
    escape_text(text, (pst_text){signal->place, strlen(signal->place)}, ESCAPE_NAME);
    text_add_char(text, ')');
}

static void add_struck_thread(struct text *text, const struct report *report, pid_t tid)
{
    if (tid <= 0)
        return;
    text_printf(text, ", in thread %d", tid);
    size_t count = report->snapshot ? pst_snapshot_get_thread_count(report->snapshot) : 0;
    for (size_t i = 0; i < count; i++) {
        const pst_thread *thread = pst_snapshot_get_thread(report->snapshot, i);
        if (pst_thread_get_tid(thread) != tid || !pst_thread_get_name(thread).data)
            continue;
        text_add_char(text, ' ');
        add_quoted(text, pst_thread_get_name(thread));
        return;
    }
}

static void add_cause(struct text *text, const struct report *report, const pst_signal *signal, pst_writer writer)
{
    text_add_string(text, writer == PST_WRITER_DEBUGGER ? "Stopped by " : "Died of ");
    add_signal_name(text, signal);
    add_code(text, report, signal);
    add_fault(text, signal);
    add_struck_thread(text, report, signal->tid);
    text_add_char(text, '\n');
    if (!signal->has_instruction || (signal->has_address && signal->address == signal->instruction))
        return;
    text_add_string(text, "It executed ");
    escape_text(text, (pst_text){signal->instruction_place, strlen(signal->instruction_place)}, ESCAPE_NAME);
    text_add_char(text, '\n');
}

/* A line of clauses: the first begins it, the others follow a comma. */
static void add_clause(struct text *text, size_t line_start, const char *first, const char *other)
{
    if (text->size > line_start)
        text_add_string(text, ", ");
    text_add_string(text, text->size > line_start ? other : first);
}

static void add_writer(struct text *text, const struct report *report, const pst_process_details *details,
                       size_t line_start)
{
    if (details->writer == PST_WRITER_UNKNOWN || (details->writer == PST_WRITER_KERNEL && !report->verbose))
        return;
    if (!details->has_written)
        add_clause(text, line_start, "Written", "written");
    pst_signal signal;
    if (details->writer == PST_WRITER_KERNEL)
        text_add_string(text, " by the kernel");
    else if (details->writer == PST_WRITER_PYSTANDER)
        text_add_string(text, " by pystander: the process was alive");
    else if (pst_target_get_signal(report->target, &signal))
        text_add_string(text, " by a debugger");
    else
        text_add_string(text, " by a debugger (gcore): the process was alive");
}

static void add_user(struct text *text, const struct report *report, const pst_process_details *details)
{
    size_t line_start = text->size;
    if (details->has_user) {
        add_clause(text, line_start, "User ", "user ");
        text_add_unsigned(text, details->uid);
        if (report->verbose) {
            add_clause(text, line_start, "Group ", "group ");
            text_add_unsigned(text, details->gid);
        }
    }
    if (report->verbose && details->parent > 0) {
        add_clause(text, line_start, "Parent ", "parent ");
        text_add_signed(text, details->parent);
    }
    if (details->has_start && calendar_has(details->start)) {
        add_clause(text, line_start, "Started ", "started ");
        calendar_add(text, details->start, " ", " UTC");
    }
    if (details->has_written && calendar_has(details->written)) {
        add_clause(text, line_start, "Written ", "written ");
        calendar_add(text, details->written, " ", " UTC");
    }
    add_writer(text, report, details, line_start);
    if (text->size > line_start)
        text_add_char(text, '\n');
}

void add_details(struct text *text, const struct report *report)
{
    pst_process_details details;
    pst_signal signal;
    pst_target_get_process_details(report->target, &details);
    if (pst_target_get_signal(report->target, &signal))
        add_cause(text, report, &signal, details.writer);
    add_user(text, report, &details);
}
