/*
 * Frames, innermost first. Python/ceval.c and Include/frameobject.h to 3.10; from 3.11 on
 * Include/internal/pycore_frame.h (3.14+: pycore_interpframe_structs.h).
 */
#include "python/code_object.h"
#include "python/object.h"
#include "python/reach.h"
#include "python/slot.h"
#include "python/walk.h"

#include <limits.h>
#include <stdlib.h>

enum {
    OWNED_BY_GENERATOR = 1,
    OWNED_BY_INTERPRETER = 3, /* 3.12/3.13: _CSTACK, 3.14+: _INTERPRETER; this and above are no Python calls */
    CODE_UNIT_SIZE = 2,
    MAX_THREAD_STATE_SIZE = 4096, /* sizeof(PyThreadState) of 3.11 and 3.12 is a tenth of it */
};

/* ---- collecting ------------------------------------------------------------------------------------- */

static struct pst_frame *add_frame(struct walk *walk, struct pst_thread *thread)
{
    if (thread->frame_count == walk->frame_capacity) {
        size_t capacity = walk->frame_capacity ? walk->frame_capacity * 2 : 64;
        struct pst_frame *frames = realloc(walk->frames, capacity * sizeof *frames);
        if (!frames)
            return NULL;
        walk->frames = frames;
        walk->frame_capacity = capacity;
    }
    struct pst_frame *frame = &walk->frames[thread->frame_count++];
    *frame = (struct pst_frame){.position = {-1, -1, -1, -1}};
    return frame;
}

/* Those of one thread are gathered before they are kept: most have a dozen. */
static pst_error *keep_frames(struct walk *walk, struct pst_thread *thread)
{
    thread->frames = arena_copy(&walk->snapshot->frames, walk->frames, thread->frame_count * sizeof *walk->frames);
    if (thread->frames)
        return NULL;
    for (size_t i = 0; i < thread->frame_count; i++)
        pst_error_free(walk->frames[i].error);
    thread->frame_count = 0;
    return error_no_memory();
}

static pst_error *check_lasti(struct pst_frame *frame, int64_t lasti)
{
    if (lasti < -1 || lasti > INT_MAX || (lasti >= frame->code->table.code_size && !frame->code->errors.first))
        return error_new(PST_ERROR_CORRUPT, "f_lasti is %lld in a code object of %d bytes", (long long)lasti,
                         frame->code->table.code_size);
    frame->lasti = (int)lasti;
    frame->has_lasti = true;
    return NULL;
}

enum field frame_previous_field(const struct python *python)
{
    return has(python, F(_PyInterpreterFrame_previous)) ? F(_PyInterpreterFrame_previous) : F(PyFrameObject_f_back);
}

/* ---- to 3.10: PyFrameObject ------------------------------------------------------------------------- */

/* 3.10 counts code units and shows bytes. */
static pst_error *read_f_lasti(const struct python *python, pst_addr address, int64_t *lasti)
{
    bool units = python_minor_version(python) >= 310;
    int counted;
    TRY(field_int(python, address, F(PyFrameObject_f_lasti), &counted));
    *lasti = units && counted > 0 ? (int64_t)counted * CODE_UNIT_SIZE : counted;
    return NULL;
}

static pst_error *read_frame_object(struct walk *walk, pst_addr address, struct pst_frame *frame)
{
    const struct python *python = walk->python;
    pst_addr code;
    int64_t lasti;
    TRY(frame_find_code(python, address, &code));
    TRY(code_get(walk, code, &frame->code));
    TRY(read_f_lasti(python, address, &lasti));
    return check_lasti(frame, lasti);
}

/* ---- from 3.11 on: _PyInterpreterFrame --------------------------------------------------------------- */

/* Where the instruction pointer of this frame counts from. Free-threaded 3.14+ builds give every thread its
 * own copy of the bytecode: co_tlbc->entries[tlbc_index]. */
static pst_error *find_first_instruction(const struct python *python, pst_addr address, pst_addr code,
                                         pst_addr *first, int *copy)
{
    *copy = 0;
    if (!has(python, F(_PyInterpreterFrame_tlbc_index)))
        return NULL;
    TRY(field_int(python, address, F(_PyInterpreterFrame_tlbc_index), copy));
    return *copy ? code_copy_find(python, code, *copy, first) : NULL;
}

/* prev_instr of a frame that has run nothing yet is one unit before the first. */
static pst_error *read_offset(const struct python *python, pst_addr address, pst_addr first, int64_t *lasti)
{
    enum field pointer = has(python, F(_PyInterpreterFrame_instr_ptr)) ? F(_PyInterpreterFrame_instr_ptr)
                                                                       : F(_PyInterpreterFrame_prev_instr);
    pst_addr instruction;
    TRY(field_address(python, address, pointer, &instruction));
    int64_t offset = (int64_t)(instruction - first);
    *lasti = offset == -CODE_UNIT_SIZE ? -1 : offset;
    return NULL;
}

static pst_error *read_lasti(const struct python *python, pst_addr address, struct pst_frame *frame)
{
    pst_addr first = frame->code->first_instruction;
    int64_t lasti;
    TRY(find_first_instruction(python, address, frame->code->address, &first, &frame->copy));
    if (!first)
        return NULL;
    TRY(read_offset(python, address, first, &lasti));
    return check_lasti(frame, lasti);
}

pst_error *frame_find_lasti(const struct python *python, pst_addr frame, pst_addr code, int64_t *lasti)
{
    pst_addr first;
    int copy;
    if (frame_previous_field(python) == F(PyFrameObject_f_back))
        return read_f_lasti(python, frame, lasti);
    TRY(field_place(python, code, F(PyCodeObject_co_code_adaptive), &first));
    TRY(find_first_instruction(python, frame, code, &first, &copy));
    return read_offset(python, frame, first, lasti);
}

pst_error *frame_find_code(const struct python *python, pst_addr address, pst_addr *code)
{
    if (frame_previous_field(python) == F(PyFrameObject_f_back))
        return field_address(python, address, F(PyFrameObject_f_code), code);
    if (has(python, F(_PyInterpreterFrame_f_code)))
        return field_address(python, address, F(_PyInterpreterFrame_f_code), code);
    TRY(field_address(python, address, F(_PyInterpreterFrame_f_executable), code));
    if (slot_is_int(python, *code))
        return error_new(PST_ERROR_CORRUPT, "f_executable is the tagged int 0x%llx", (unsigned long long)*code);
    *code = slot_untag(python, *code);
    return NULL;
}

static pst_error *read_interpreter_frame(struct walk *walk, pst_addr address, struct pst_frame *frame)
{
    pst_addr code;
    TRY(frame_find_code(walk->python, address, &code));
    TRY(code_get(walk, code, &frame->code));
    return read_lasti(walk->python, address, frame);
}

/* ---- the chain --------------------------------------------------------------------------------------- */

/* Which form of frame this version has, and how they are linked. */
struct frame_form {
    enum field previous;
    pst_error *(*read)(struct walk *walk, pst_addr address, struct pst_frame *frame);
};

static struct frame_form frame_form_of(const struct python *python)
{
    enum field previous = frame_previous_field(python);
    return (struct frame_form){previous, previous == F(PyFrameObject_f_back) ? read_frame_object
                                                                             : read_interpreter_frame};
}

pst_error *frame_find_innermost(const struct python *python, pst_addr thread, pst_addr *frame)
{
    if (has(python, F(PyThreadState_current_frame)))
        return field_address(python, thread, F(PyThreadState_current_frame), frame);
    if (!has(python, F(_PyCFrame_current_frame)))
        return field_address(python, thread, F(PyThreadState_frame), frame);
    pst_addr cframe;
    *frame = 0;
    TRY(field_address(python, thread, F(PyThreadState_cframe), &cframe));
    if (!cframe)
        return NULL;
    TRY(field_address(python, cframe, F(_PyCFrame_current_frame), frame));
    /* Only the root cframe, which is a part of the thread state, is ever without a frame; those on the C stack are
     * linked just before theirs is set (Python/ceval.c, the start of _PyEval_EvalFrameDefault). */
    bool is_root = cframe - thread < MAX_THREAD_STATE_SIZE;
    if (*frame || is_root)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the innermost frame is missing: the _PyCFrame at 0x%llx was just made",
                     (unsigned long long)cframe);
}

static pst_error *read_owner(const struct python *python, pst_addr address, uint64_t *owner)
{
    *owner = 0;
    if (!has(python, F(_PyInterpreterFrame_owner)))
        return NULL;
    return field_unsigned(python, address, F(_PyInterpreterFrame_owner), owner);
}

/* A frame that is still being set up is none to CPython either (pycore_frame.h, _PyFrame_IsIncomplete): neither
 * sys._current_frames() nor a traceback shows it. Further out it calls something, and is shown. */
static bool is_incomplete(const struct pst_frame *frame, uint64_t owner)
{
    return frame->code && frame->code->first_instruction && frame->has_lasti && owner != OWNED_BY_GENERATOR &&
           frame->lasti < frame->code->first_traceable;
}

/* Adds the frame at `address`, if it is a call: entry and sentinel frames of the interpreter itself are none. *full is
 * set when no more are wanted. */
static pst_error *walk_frame(struct walk *walk, const struct frame_form *form, struct pst_thread *thread,
                             pst_addr address, bool *is_call, bool *full)
{
    uint64_t owner;
    TRY(read_owner(walk->python, address, &owner));
    *is_call = owner < OWNED_BY_INTERPRETER;
    if (!*is_call)
        return NULL;
    *full = walk->max_frames && thread->frame_count == walk->max_frames;
    if (*full)
        return NULL;
    struct pst_frame *frame = add_frame(walk, thread);
    if (!frame)
        return error_no_memory();
    frame->address = address;
    size_t number = thread->frame_count - 1;
    frame->error = error_in(form->read(walk, address, frame), "frame %zu", number);
    if (walk->reach && frame->code)
        reach_add_frame(walk->reach, walk->python, address, frame->code->address);
    walk->error_count += frame->error != NULL;
    bool is_shown = !frame->code || !frame->code->is_own;
    if (!frame->error && (!is_shown || (number == 0 && is_incomplete(frame, owner))))
        thread->frame_count--;
    return NULL;
}

/* From 3.12 on every call has a frame of the interpreter's own below it. */
static bool ends_with_own_frame(const struct python *python)
{
    return python_minor_version(python) >= 312 && has(python, F(_PyInterpreterFrame_owner));
}

/* Of all threads together: they may share their frames. */
static pst_error *check_limits(const struct walk *walk)
{
    uint64_t most = target_limit(walk->python->target, SNAPSHOT_MAX_FRAMES, SNAPSHOT_MIN_FRAMES, SNAPSHOT_FRAME_SIZE);
    if (walk->frame_count >= most)
        return error_new(PST_ERROR_LIMIT, "more than %llu frames in all%s: the outer ones were left out",
                         (unsigned long long)most,
                         most < SNAPSHOT_MAX_FRAMES ? ", for which the core has no room" : "");
    if (walk->error_count >= SNAPSHOT_MAX_ERRORS)
        return error_new(PST_ERROR_LIMIT, "more than %d errors in all: the outer frames were left out",
                         SNAPSHOT_MAX_ERRORS);
    return NULL;
}

static pst_error *walk_chain(struct walk *walk, struct pst_thread *thread, pst_addr address)
{
    struct frame_form form = frame_form_of(walk->python);
    pst_addr checkpoint = 0; /* Brent: a circle comes back to it */
    bool is_call = false;
    for (uint64_t steps = 1; address; steps++) {
        bool full = false;
        TRY(check_limits(walk));
        walk->frame_count++;
        TRY(error_in(walk_frame(walk, &form, thread, address, &is_call, &full), "frame at 0x%llx",
                     (unsigned long long)address));
        if (full) {
            thread->truncated = true;
            return NULL;
        }
        if ((steps & (steps - 1)) == 0)
            checkpoint = address;
        TRY(field_address(walk->python, address, form.previous, &address));
        if (address && address == checkpoint)
            return error_new(PST_ERROR_CORRUPT, "the frames form a circle at 0x%llx", (unsigned long long)address);
    }
    if (is_call && ends_with_own_frame(walk->python))
        return error_new(PST_ERROR_CORRUPT, "the outer frames are missing: a generator that is about to yield, or "
                                            "a frame that was just made, is not linked to them");
    return NULL;
}

void frames_walk(struct walk *walk, struct pst_thread *thread)
{
    pst_addr innermost = 0;
    pst_error *error = frame_find_innermost(walk->python, thread->address, &innermost);
    if (!error && innermost)
        error = walk_chain(walk, thread, innermost);
    thread->truncated |= error != NULL;
    walk_add_error(walk, &thread->errors, error);
    error = keep_frames(walk, thread);
    thread->truncated |= error != NULL;
    walk_add_error(walk, &thread->errors, error);
}
