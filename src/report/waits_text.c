/* What threads wait for, in words. */
#include "report/waits.h"

#include "report/escape.h"
#include "report/text_parts.h"

void wait_add_text(struct text *text, const pst_thread *thread, const struct palette *palette)
{
    const pst_wait *wait = pst_thread_get_wait(thread);
    if (!wait)
        return;
    text_add_string(text, "  ");
    text_add_string(text, palette->mark);
    text_add_string(text, "Waiting for ");
    escape_text(text, wait->detail, ESCAPE_PLAIN);
    text_add_string(text, palette->off);
    text_add_char(text, '\n');
}

void deadlocks_add_text(struct text *text, const pst_snapshot *snapshot, const struct palette *palette)
{
    const pst_deadlock *deadlock;
    for (size_t i = 0; (deadlock = pst_snapshot_get_deadlock(snapshot, i)); i++) {
        text_add_char(text, '\n');
        text_add_string(text, palette->mark);
        text_add_string(text, "Deadlock:\n");
        text_add_string(text, palette->off);
        for (size_t j = 0; j < deadlock->tid_count; j++) {
            text_add_string(text, "  ");
            escape_text(text, deadlock->lines[j], ESCAPE_PLAIN);
            text_add_char(text, '\n');
        }
    }
}
