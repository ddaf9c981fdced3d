/* What threads wait for, in JSON. */
#include "report/waits.h"

#include "report/json_parts.h"

static const char *const kind_names[] = {
    [PST_WAIT_UNKNOWN] = "unknown",     [PST_WAIT_GIL] = "gil",         [PST_WAIT_LOCK] = "lock",
    [PST_WAIT_RLOCK] = "rlock",         [PST_WAIT_CONDITION] = "condition", [PST_WAIT_SEMAPHORE] = "semaphore",
    [PST_WAIT_EVENT] = "event",         [PST_WAIT_BARRIER] = "barrier", [PST_WAIT_QUEUE] = "queue",
    [PST_WAIT_THREAD] = "thread",       [PST_WAIT_FUTURE] = "future",   [PST_WAIT_IMPORT] = "import",
    [PST_WAIT_SLEEP] = "sleep",         [PST_WAIT_CHILD] = "child",     [PST_WAIT_POLL] = "poll",
    [PST_WAIT_FILE] = "file",           [PST_WAIT_PIPE] = "pipe",       [PST_WAIT_SOCKET] = "socket",
    [PST_WAIT_FLOCK] = "flock",
};

/* Seconds to the nanosecond, without an exponent: any reader of JSON takes that. */
static void add_seconds(struct text *text, double seconds)
{
    const double most = 1e15;
    text_printf(text, "%.9g", seconds < most ? seconds : most);
}

void wait_add_json(struct text *text, const pst_thread *thread)
{
    const pst_wait *wait = pst_thread_get_wait(thread);
    if (!wait) {
        add_literal(text, "null");
        return;
    }
    add_literal(text, "{\"kind\": ");
    escape_json_string(text, kind_names[wait->kind]);
    add_literal(text, ", \"address\": ");
    add_address_or_null(text, wait->address);
    add_literal(text, ", \"detail\": ");
    escape_json(text, wait->detail);
    add_literal(text, ", \"owner_tid\": ");
    add_id(text, wait->owner_tid);
    add_literal(text, ", \"timeout\": ");
    if (wait->has_timeout)
        add_seconds(text, wait->timeout);
    else
        add_literal(text, "null");
    text_add_char(text, '}');
}

static void add_deadlock(struct text *text, const pst_deadlock *deadlock)
{
    add_literal(text, "{\"tids\": [");
    for (size_t i = 0; i < deadlock->tid_count; i++) {
        if (i)
            add_literal(text, ", ");
        text_add_signed(text, deadlock->tids[i]);
    }
    add_literal(text, "], \"text\": ");
    struct text joined = {0};
    for (size_t i = 0; i < deadlock->tid_count; i++) {
        text_add_string(&joined, i ? "; " : "");
        text_add(&joined, deadlock->lines[i].data, deadlock->lines[i].size);
    }
    escape_json(text, (pst_text){joined.data, joined.size});
    text->failed |= joined.failed;
    text_free(&joined);
    text_add_char(text, '}');
}

void deadlocks_add_json(struct text *text, const pst_snapshot *snapshot)
{
    const pst_deadlock *deadlock;
    text_add_char(text, '[');
    for (size_t i = 0; snapshot && (deadlock = pst_snapshot_get_deadlock(snapshot, i)); i++) {
        if (i)
            add_literal(text, ",\n ");
        add_deadlock(text, deadlock);
    }
    text_add_char(text, ']');
}
