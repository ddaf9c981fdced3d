/* The line that names a thread in text reports. */
#include "report/text_parts.h"

#include "report/escape.h"

#include <string.h>

bool text_equal(pst_text a, pst_text b)
{
    return a.size == b.size && (a.data == b.data || (a.data && b.data && !memcmp(a.data, b.data, a.size)));
}

static const char *describe_state(char state)
{
    switch (state) {
    case 'R': return "running";
    case 'S': return "sleeping";
    case 'D': return "in uninterruptible sleep";
    case 'T': return "stopped";
    case 't': return "stopped by a tracer";
    case 'Z': return "a zombie";
    case 'X': return "dead";
    case 'I': return "idle";
    case 'P': return "parked";
    default: return NULL;
    }
}

void add_quoted(struct text *text, pst_text string)
{
    text_add_char(text, '"');
    escape_text(text, string, ESCAPE_QUOTED);
    text_add_char(text, '"');
}

/* The kernel's name says something if it is neither Python's own name for the thread (the kernel keeps 15
 * bytes) nor the process's name, which threads inherit. */
static bool os_name_matters(const struct thread_naming *naming, pst_text name, pst_text os_name)
{
    if (!os_name.data || !os_name.size)
        return false;
    if (naming->report->verbose)
        return true;
    if (name.size > 15)
        name.size = 15;
    return !text_equal(name, os_name) && !text_equal(os_name, naming->process_name);
}

static void add_thread_name(struct text *text, const struct thread_naming *naming, const pst_thread *thread)
{
    pid_t tid = pst_thread_get_tid(thread);
    text_add_string(text, "Thread ");
    if (tid > 0)
        text_add_signed(text, tid);
    else
        text_add_char(text, '?');
    pst_text name = pst_thread_get_name(thread), os_name = pst_thread_get_os_name(thread);
    if (name.data) {
        text_add_char(text, ' ');
        add_quoted(text, name);
    }
    if (os_name_matters(naming, name, os_name)) {
        text_add_string(text, " [");
        escape_text(text, os_name, ESCAPE_NAME);
        text_add_char(text, ']');
    }
}

static void add_attribute(struct text *text, const char *attribute, bool *is_first)
{
    text_add_string(text, *is_first ? " (" : ", ");
    *is_first = false;
    text_add_string(text, attribute);
}

bool thread_was_struck(const struct thread_naming *naming, const pst_thread *thread)
{
    return naming->has_signal && naming->signal.tid > 0 && pst_thread_get_tid(thread) == naming->signal.tid;
}

static void add_attributes(struct text *text, const struct thread_naming *naming, const pst_thread *thread)
{
    bool is_first = true;
    if (thread_was_struck(naming, thread)) {
        add_attribute(text, naming->what_it_did, &is_first);
        add_signal_name(text, &naming->signal);
    }
    if (pst_thread_is_main(thread))
        add_attribute(text, "main", &is_first);
    if (naming->many_interpreters && pst_thread_has_python(thread)) {
        add_attribute(text, "interpreter ", &is_first);
        text_add_signed(text, pst_thread_get_interpreter_id(thread));
    }
    if (pst_thread_holds_gil(thread) == PST_YES)
        add_attribute(text, "holds the GIL", &is_first);
    char state = pst_thread_get_state(thread);
    const char *description = describe_state(state);
    if (description) {
        add_attribute(text, description, &is_first);
    } else if (state) {
        add_attribute(text, "state ", &is_first);
        escape_text(text, (pst_text){&state, 1}, ESCAPE_NAME);
    }
    if (naming->report->verbose && pst_thread_get_ident(thread)) {
        add_attribute(text, "ident ", &is_first);
        text_add_hex(text, pst_thread_get_ident(thread));
    }
    if (!is_first)
        text_add_char(text, ')');
}

struct thread_naming thread_naming_of(const struct report *report)
{
    const pst_snapshot *snapshot = report->snapshot;
    struct thread_naming naming = {
        .report = report,
        .many_interpreters = pst_snapshot_get_interpreter_count(snapshot) > 1,
    };
    pst_process_details details = {.writer = PST_WRITER_UNKNOWN};
    naming.has_signal = pst_target_get_signal(report->target, &naming.signal);
    if (naming.has_signal)
        pst_target_get_process_details(report->target, &details);
    naming.what_it_did = details.writer == PST_WRITER_DEBUGGER ? "stopped by " : "died of ";
    size_t count = pst_snapshot_get_thread_count(snapshot);
    for (size_t i = 0; i < count; i++) {
        const pst_thread *thread = pst_snapshot_get_thread(snapshot, i);
        if (pst_thread_get_tid(thread) == pst_target_get_pid(report->target))
            naming.process_name = pst_thread_get_os_name(thread);
    }
    return naming;
}

void add_thread_title(struct text *text, const struct thread_naming *naming, const pst_thread *thread)
{
    add_thread_name(text, naming, thread);
    add_attributes(text, naming, thread);
}
