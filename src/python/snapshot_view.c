/* What the public header lets a caller ask of a snapshot. */
#include "python/walk.h"

static bool frame_is_partial(const struct pst_frame *frame)
{
    for (size_t i = 0; i < frame->variable_count; i++)
        if (frame->variables[i].error)
            return true;
    return pst_frame_get_errors(frame);
}

static bool thread_is_partial(const struct pst_thread *thread)
{
    if (thread->errors.first)
        return true;
    for (size_t i = 0; i < thread->frame_count; i++)
        if (frame_is_partial(&thread->frames[i]))
            return true;
    return false;
}

bool pst_snapshot_is_partial(const pst_snapshot *snapshot)
{
    if (snapshot->errors.first)
        return true;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (thread_is_partial(&snapshot->threads[i]))
            return true;
    return false;
}

const pst_python *pst_snapshot_get_python(const pst_snapshot *snapshot)
{
    return &snapshot->python;
}

const char *pst_snapshot_get_layout_source(const pst_snapshot *snapshot, size_t index)
{
    const size_t most = sizeof snapshot->layout_sources / sizeof *snapshot->layout_sources;
    return index < most ? snapshot->layout_sources[index] : NULL;
}

uint64_t pst_snapshot_get_pause_ns(const pst_snapshot *snapshot)
{
    return snapshot->pause_ns;
}

const pst_error *pst_snapshot_get_errors(const pst_snapshot *snapshot)
{
    return snapshot->errors.first;
}

size_t pst_snapshot_get_interpreter_count(const pst_snapshot *snapshot)
{
    return snapshot->interpreter_count;
}

const pst_interpreter *pst_snapshot_get_interpreter(const pst_snapshot *snapshot, size_t index)
{
    return index < snapshot->interpreter_count ? &snapshot->interpreters[index] : NULL;
}

size_t pst_snapshot_get_thread_count(const pst_snapshot *snapshot)
{
    return snapshot->thread_count;
}

const pst_thread *pst_snapshot_get_thread(const pst_snapshot *snapshot, size_t index)
{
    return index < snapshot->thread_count ? &snapshot->threads[index] : NULL;
}

int64_t pst_interpreter_get_id(const pst_interpreter *interpreter)
{
    return interpreter->id;
}

pst_addr pst_interpreter_get_address(const pst_interpreter *interpreter)
{
    return interpreter->address;
}

pst_gil pst_interpreter_get_gil(const pst_interpreter *interpreter)
{
    return interpreter->gil;
}

pid_t pst_thread_get_tid(const pst_thread *thread)
{
    return thread->tid;
}

bool pst_thread_has_python(const pst_thread *thread)
{
    return thread->has_python;
}

uint64_t pst_thread_get_ident(const pst_thread *thread)
{
    return thread->ident;
}

pst_text pst_thread_get_name(const pst_thread *thread)
{
    return thread->name;
}

pst_text pst_thread_get_os_name(const pst_thread *thread)
{
    return thread->os_name;
}

int64_t pst_thread_get_interpreter_id(const pst_thread *thread)
{
    return thread->interpreter_id;
}

bool pst_thread_is_main(const pst_thread *thread)
{
    return thread->is_main;
}

pst_maybe pst_thread_holds_gil(const pst_thread *thread)
{
    return thread->holds_gil;
}

char pst_thread_get_state(const pst_thread *thread)
{
    return thread->state;
}

bool pst_thread_is_truncated(const pst_thread *thread)
{
    return thread->truncated;
}

size_t pst_thread_get_frame_count(const pst_thread *thread)
{
    return thread->frame_count;
}

const pst_frame *pst_thread_get_frame(const pst_thread *thread, size_t index)
{
    return index < thread->frame_count ? &thread->frames[index] : NULL;
}

const pst_wait *pst_thread_get_wait(const pst_thread *thread)
{
    return thread->wait;
}

const pst_deadlock *pst_snapshot_get_deadlock(const pst_snapshot *snapshot, size_t index)
{
    return index < snapshot->deadlock_count ? &snapshot->deadlocks[index] : NULL;
}

const pst_exception *pst_thread_get_exception(const pst_thread *thread, size_t index)
{
    return index < thread->exception_count ? thread->exceptions[index] : NULL;
}

const pst_error *pst_thread_get_errors(const pst_thread *thread)
{
    return thread->errors.first;
}

pst_text pst_frame_get_name(const pst_frame *frame)
{
    return frame->code ? frame->code->name : (pst_text){0};
}

pst_text pst_frame_get_qualname(const pst_frame *frame)
{
    return frame->code ? frame->code->qualname : (pst_text){0};
}

pst_text pst_frame_get_file(const pst_frame *frame)
{
    return frame->code ? frame->code->filename : (pst_text){0};
}

int pst_frame_get_firstlineno(const pst_frame *frame)
{
    return frame->code ? frame->code->table.firstlineno : -1;
}

pst_position pst_frame_get_position(const pst_frame *frame)
{
    return frame->position;
}

size_t pst_frame_get_copy(const pst_frame *frame)
{
    return (size_t)frame->copy;
}

bool pst_frame_get_lasti(const pst_frame *frame, int *lasti)
{
    *lasti = frame->lasti;
    return frame->has_lasti;
}

pst_addr pst_frame_get_code(const pst_frame *frame)
{
    return frame->code ? frame->code->address : 0;
}

const pst_error *pst_frame_get_errors(const pst_frame *frame)
{
    if (frame->error)
        return frame->error;
    return frame->code ? frame->code->errors.first : NULL;
}

const pst_variable *pst_frame_get_variable(const pst_frame *frame, size_t index)
{
    return index < frame->variable_count ? &frame->variables[index] : NULL;
}
