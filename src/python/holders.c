/*
 * Who is inside of a “with lock:”. While its block runs, the lock's __exit__ lies on the value stack of the frame, and
 * where, the handler says that would call it if an exception came: in the exception table from 3.11 on
 * (Objects/exception_handling_notes.txt), before in the frame's block stack (Include/cpython/frameobject.h,
 * PyTryBlock).
 */
#include "python/attribute.h"
#include "python/c_name.h"
#include "python/code_object.h"
#include "python/object.h"
#include "python/slot.h"
#include "python/step.h"
#include "python/string.h"
#include "python/waiting.h"

#include <limits.h>
#include <stdlib.h>

enum {
    MAX_BLOCKS = 64,         /* of one frame: CPython's own limit was 20 */
    MAX_HELD = 1 << 16,
};

/* The handlers that an exception would come to in a frame, the innermost first: where each is, a byte offset into
 * co_code, and how deep the value stack is for it. */
struct handlers {
    struct handler {
        int target, depth;
    } items[MAX_BLOCKS];
    size_t count;
};

/* ---- where the handlers begin ---------------------------------------------------------------------------- */

/* To 3.10 they stand in the frame; 3.10 counts code units. */
static pst_error *read_block_stack(const struct python *python, pst_addr frame, struct handlers *handlers)
{
    int block_count;
    pst_addr blocks;
    TRY(field_int(python, frame, F(PyFrameObject_f_iblock), &block_count));
    TRY(field_place(python, frame, F(PyFrameObject_f_blockstack), &blocks));
    while (block_count-- > 0 && handlers->count < MAX_BLOCKS) {
        struct handler *handler = &handlers->items[handlers->count++];
        pst_addr block = blocks + (uint64_t)block_count * size_of(python, F(sizeof_PyTryBlock));
        TRY(field_int(python, block, F(PyTryBlock_b_level), &handler->depth));
        TRY(field_int(python, block, F(PyTryBlock_b_handler), &handler->target));
        if (python_minor_version(python) == 310 && handler->target < INT_MAX / 2)
            handler->target *= 2;
    }
    return NULL;
}

/* The handler of an instruction, that of the handler itself, and so on outwards. */
static void list_handlers(const pst_exception_range *ranges, size_t count, int offset, struct handlers *handlers)
{
    while (handlers->count < MAX_BLOCKS) {
        size_t i = 0;
        while (i < count && !(ranges[i].start <= offset && offset < ranges[i].end))
            i++;
        if (i == count)
            return;
        handlers->items[handlers->count++] = (struct handler){ranges[i].target, ranges[i].depth};
        offset = ranges[i].target;
    }
}

static pst_error *read_exception_table(struct waits *waits, const struct pst_frame *frame, struct handlers *handlers)
{
    struct arena *arena = &waits->details->scratch;
    pst_addr object;
    pst_bytes table;
    const pst_exception_range *ranges;
    size_t count;
    TRY(field_address(waits->python, frame->code->address, F(PyCodeObject_co_exceptiontable), &object));
    TRY(bytes_read(waits->python, arena, object, &table.data, &table.size));
    if (!table.size || !frame->has_lasti)
        return NULL;
    TRY(exceptions_list(table, frame->code->table.code_size, arena, &ranges, &count));
    list_handlers(ranges, count, frame->lasti, handlers);
    return NULL;
}

/* ---- the line of the “with” ------------------------------------------------------------------------------ */

static int line_at(const struct code *code, int offset)
{
    pst_position position;
    return code->table.bytes && linetable_find(&code->table, offset, &position) ? position.line : -1;
}

static bool sets_up(const struct opcodes *opcodes, const struct step *step, int target)
{
    const char *name = opcodes->opcodes[step->opcode].name;
    bool is_with = name && (strcmp(name, "SETUP_WITH") == 0 || strcmp(name, "SETUP_ASYNC_WITH") == 0);
    return is_with && step_find_target(opcodes, step, step->arg) == target;
}

/* From 3.11 on the handler has the line of its “with”; before, the instruction that made the block. */
static pst_error *find_line(struct waits *waits, const struct code *code, const struct handler *handler, int *line)
{
    const struct layout *layout = &waits->python->layout;
    const struct opcodes *opcodes;
    struct step_reader reader = {0};
    struct step step;
    pst_addr bytes;
    *line = -1;
    if (has(waits->python, F(PyCodeObject_co_exceptiontable))) {
        *line = line_at(code, handler->target);
        return NULL;
    }
    TRY(opcodes_get(layout->major, layout->minor, &opcodes));
    TRY(field_address(waits->python, code->address, F(PyCodeObject_co_code), &bytes));
    TRY(bytes_read(waits->python, &waits->details->scratch, bytes, &reader.bytes.data, &reader.bytes.size));
    reader.opcodes = opcodes;
    while (opcodes && step_next(&reader, &step)) {
        if (sets_up(opcodes, &step, handler->target)) {
            *line = line_at(code, (int)step.offset);
            return NULL;
        }
    }
    return NULL;
}

/* ---- what lies there ------------------------------------------------------------------------------------- */

/* The value stack's first slot. */
static pst_error *find_stack(struct waits *waits, const struct pst_frame *frame, pst_addr *stack)
{
    const struct python *python = waits->python;
    uint64_t count;
    if (has(python, F(PyFrameObject_f_valuestack)))
        return field_address(python, frame->address, F(PyFrameObject_f_valuestack), stack);
    TRY(slots_find(python, frame->address, stack));
    TRY(field_unsigned(python, frame->code->address, F(PyCodeObject_co_nlocalsplus), &count));
    *stack += count * sizeof(pst_addr);
    return NULL;
}

static pst_error *read_stack_slot(struct waits *waits, pst_addr stack, int depth, pst_addr *object)
{
    uint64_t word;
    *object = 0;
    if (depth < 1 || depth > 1 << 20)
        return NULL;
    TRY(pointer_at(waits->python, stack, (uint64_t)depth - 1, &word));
    if (!slot_is_int(waits->python, word))
        *object = slot_untag(waits->python, word);
    return NULL;
}

/* Whether it is a method that leaves a “with” block; *self is what of, as far as it says so itself. */
static pst_error *is_exit(struct waits *waits, pst_addr object, pst_addr *self, bool *exits)
{
    const struct python *python = waits->python;
    struct type *type;
    pst_addr name = 0, function = object;
    *self = 0;
    *exits = false;
    TRY(type_of(&waits->details->types, object, &type));
    if (text_is(type->name, "builtin_function_or_method")) {
        pst_text text;
        TRY(field_address(python, object, F(PyCFunctionObject_m_self), self));
        TRY(builtin_read_name(python, &waits->details->scratch, object, &text));
        *exits = text_is(text, "__exit__");
        return NULL;
    }
    if (text_is(type->name, "method") || text_is(type->name, "instancemethod")) {
        TRY(field_address(python, object, F(PyMethodObject_im_self), self));
        TRY(field_address(python, object, F(PyMethodObject_im_func), &function));
        TRY(type_of(&waits->details->types, function, &type));
    }
    if (text_is(type->name, "function"))
        TRY(field_address(python, function, F(PyFunctionObject_func_name), &name));
    else if (text_is(type->name, "method_descriptor"))
        TRY(field_address(python, function, F(PyDescrObject_d_name), &name));
    return name ? string_equals(python, name, "__exit__", exits) : NULL;
}

/* The object whose block ends with the handler at this depth; 0: it is no “with”. From 3.14 on the object itself lies
 * above its method. */
static pst_error *find_manager(struct waits *waits, pst_addr stack, int depth, pst_addr *manager)
{
    pst_addr top, below;
    bool exits = false;
    *manager = 0;
    TRY(read_stack_slot(waits, stack, depth, &top));
    if (top)
        TRY(is_exit(waits, top, manager, &exits));
    if (exits && *manager)
        return NULL;
    *manager = 0;
    if (python_minor_version(waits->python) < 314)
        return NULL;
    TRY(read_stack_slot(waits, stack, depth - 1, &below));
    if (below)
        TRY(is_exit(waits, below, manager, &exits));
    if (exits && !*manager)
        *manager = top;
    if (!exits)
        *manager = 0;
    return NULL;
}

static pst_error *is_of_class(struct waits *waits, const struct type *type, const char *class, bool *is_it)
{
    struct type *base;
    TRY(type_find_base(&waits->details->types, type, "threading", class, &base));
    *is_it = base != NULL;
    return NULL;
}

/* The lock of the object: itself, or of a condition its own. 0: there is none. */
static pst_error *find_lock(struct waits *waits, pst_addr manager, pst_addr *lock)
{
    struct lock_object found;
    struct type *type;
    bool is_it;
    *lock = manager;
    TRY(lock_read(&waits->details->types, manager, &found));
    if (found.type)
        return NULL;
    TRY(type_of(&waits->details->types, manager, &type));
    TRY(is_of_class(waits, type, "_RLock", &is_it));
    if (is_it)
        return NULL;
    *lock = 0;
    TRY(is_of_class(waits, type, "Condition", &is_it));
    if (is_it)
        return attribute_get(waits->python, manager, "_lock", NULL, lock);
    TRY(is_of_class(waits, type, "_Condition", &is_it));
    return is_it ? attribute_get(waits->python, manager, "_Condition__lock", NULL, lock) : NULL;
}

/* ---- the list -------------------------------------------------------------------------------------------- */

static pst_error *add_held(struct waits *waits, struct held_lock held)
{
    if (waits->held_count == MAX_HELD)
        return error_new(PST_ERROR_LIMIT, "more than %d locks are held", MAX_HELD);
    if (waits->held_count == waits->held_capacity) {
        size_t capacity = waits->held_capacity ? waits->held_capacity * 2 : 32;
        struct held_lock *more = realloc(waits->held, capacity * sizeof *more);
        if (!more)
            return error_no_memory();
        waits->held = more;
        waits->held_capacity = capacity;
    }
    waits->held[waits->held_count++] = held;
    return NULL;
}

static pst_error *add_frame(struct waits *waits, size_t thread, struct pst_frame *frame)
{
    struct handlers handlers = {.count = 0};
    pst_addr stack, manager;
    bool has_table = has(waits->python, F(PyCodeObject_co_exceptiontable));
    TRY(has_table ? read_exception_table(waits, frame, &handlers)
                  : read_block_stack(waits->python, frame->address, &handlers));
    if (!handlers.count)
        return NULL;
    TRY(find_stack(waits, frame, &stack));
    int depth = INT_MAX;
    for (size_t i = 0; i < handlers.count; i++) {
        struct held_lock held = {.thread = thread, .frame = frame};
        /* A handler's own is for what it has put on the stack beyond; here, old values lie there. */
        if (handlers.items[i].depth >= depth)
            continue;
        bool has_block = has(waits->python, F(PyFrameObject_f_iblock));
        TRY(find_line(waits, frame->code, &handlers.items[i], &held.line));
        if (has_block && held.line < 0) /* of a loop, or a try */
            continue;
        depth = handlers.items[i].depth;
        pst_error *error = find_manager(waits, stack, handlers.items[i].depth, &manager);
        if (!error && manager)
            error = find_lock(waits, manager, &held.lock);
        pst_error_free(error); /* a slot that holds something else */
        if (held.lock)
            TRY(add_held(waits, held));
    }
    return NULL;
}

/* A thread that waits for a condition has let go of its lock. */
static bool gave_back(struct waits *waits, size_t thread, pst_addr lock)
{
    const struct waiting *waiting = &waits->items[thread];
    return waiting->released_lock && waiting->released_lock == lock;
}

static pst_error *list_held(struct waits *waits)
{
    const struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    pst_error *first = NULL;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct pst_thread *thread = &snapshot->threads[i];
        if (thread->source && thread->source->moved)
            continue;
        for (size_t j = 0; j < thread->frame_count; j++) {
            pst_error *error = thread->frames[j].code ? add_frame(waits, i, &thread->frames[j]) : NULL;
            arena_reset(&waits->details->scratch);
            pst_error_free(first ? error : NULL);
            first = first ? first : error;
        }
    }
    return first;
}

pst_error *held_locks_list(struct waits *waits)
{
    if (waits->has_held)
        return NULL;
    waits->has_held = true;
    return list_held(waits);
}

pst_error *lock_find_holder(struct waits *waits, pst_addr lock, const struct held_lock **holder)
{
    *holder = NULL;
    pst_error *error = held_locks_list(waits);
    for (size_t i = 0; i < waits->held_count; i++)
        if (waits->held[i].lock == lock && !gave_back(waits, waits->held[i].thread, lock))
            *holder = &waits->held[i];
    return error;
}
