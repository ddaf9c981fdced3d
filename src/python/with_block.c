/*
 * The “with” blocks that a frame is inside of. While such a block runs, the __exit__ of its object lies on the value
 * stack of the frame, and where, the handler says that would call it if an exception came: in the exception table from
 * 3.11 on (Objects/exception_handling_notes.txt), before in the frame's block stack (Include/cpython/frameobject.h,
 * PyTryBlock).
 */
#include "python/c_name.h"
#include "python/code_object.h"
#include "python/object.h"
#include "python/slot.h"
#include "python/step.h"
#include "python/string.h"
#include "python/waiting.h"

#include <limits.h>

/* The handlers that an exception would come to in a frame, the innermost first: where each is, a byte offset into
 * co_code, and how deep the value stack is for it. */
struct handlers {
    struct handler {
        int target, depth;
    } items[WITH_MAX_BLOCKS];
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
    while (block_count-- > 0 && handlers->count < WITH_MAX_BLOCKS) {
        struct handler *handler = &handlers->items[handlers->count++];
        pst_addr block = blocks + (uint64_t)block_count * size_of(python, F(sizeof_PyTryBlock));
        TRY(field_int(python, block, F(PyTryBlock_b_level), &handler->depth));
        TRY(field_int(python, block, F(PyTryBlock_b_handler), &handler->target));
        if (python_minor_version(python) == 310 && handler->target > 0 && handler->target < INT_MAX / 2)
            handler->target *= 2;
    }
    return NULL;
}

/* Which range an instruction is in: they stand in order and apart from each other. */
static const pst_exception_range *find_range(const struct code *code, int offset)
{
    size_t low = 0, high = code->exception_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code->exceptions[middle].start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low && offset < code->exceptions[low - 1].end ? &code->exceptions[low - 1] : NULL;
}

/* The handler of an instruction, that of the handler itself, and so on outwards. */
static void list_handlers(const struct code *code, int offset, struct handlers *handlers)
{
    const pst_exception_range *range;
    while (handlers->count < WITH_MAX_BLOCKS && (range = find_range(code, offset))) {
        handlers->items[handlers->count++] = (struct handler){range->target, range->depth};
        offset = range->target;
    }
}

/* Once for all frames of this code: there may be thousands. */
static pst_error *read_exception_table(struct waits *waits, struct code *code)
{
    pst_addr object;
    pst_bytes table;
    if (code->has_exceptions)
        return NULL;
    code->has_exceptions = true;
    TRY(field_address(waits->python, code->address, F(PyCodeObject_co_exceptiontable), &object));
    TRY(bytes_read(waits->python, &waits->details->scratch, object, &table.data, &table.size));
    if (!table.size)
        return NULL;
    return exceptions_list(table, code->table.code_size, &waits->details->walk->snapshot->arena, &code->exceptions,
                           &code->exception_count);
}

static pst_error *read_handlers(struct waits *waits, const struct pst_frame *frame, struct handlers *handlers)
{
    handlers->count = 0;
    if (!has(waits->python, F(PyCodeObject_co_exceptiontable)))
        return read_block_stack(waits->python, frame->address, handlers);
    TRY(read_exception_table(waits, frame->code));
    if (frame->has_lasti)
        list_handlers(frame->code, frame->lasti, handlers);
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
    return name && strcmp(name, "SETUP_WITH") == 0 && step_find_target(opcodes, step, step->arg) == target;
}

/* It takes time as reading does, and of a forged core many may be asked for. */
static void count_work(const struct python *python, uint64_t work)
{
    uint64_t left = memory_get_work_left(python->memory);
    memory_set_work(python->memory, left > work ? left - work : 0);
}

pst_error *with_block_find_line(struct waits *waits, const struct code *code, int handler, int *line)
{
    const struct layout *layout = &waits->python->layout;
    const struct opcodes *opcodes;
    struct step_reader reader = {0};
    struct step step;
    pst_addr bytes;
    *line = -1;
    if (has(waits->python, F(PyCodeObject_co_exceptiontable))) {
        *line = line_at(code, handler);
        return NULL;
    }
    TRY(opcodes_get(layout->major, layout->minor, &opcodes));
    TRY(field_address(waits->python, code->address, F(PyCodeObject_co_code), &bytes));
    TRY(bytes_read(waits->python, &waits->details->scratch, bytes, &reader.bytes.data, &reader.bytes.size));
    count_work(waits->python, reader.bytes.size);
    reader.opcodes = opcodes;
    while (opcodes && *line < 0 && step_next(&reader, &step))
        if (sets_up(opcodes, &step, handler))
            *line = line_at(code, (int)step.offset);
    return NULL;
}

/* ---- what the block has done so far ---------------------------------------------------------------------- */

/* The number of "release" among the names of the code; -1: it is none of them. */
static pst_error *find_name(const struct python *python, const struct code *code, int64_t *number)
{
    pst_addr names, items, name;
    uint64_t count;
    TRY(field_address(python, code->address, F(PyCodeObject_co_names), &names));
    TRY(tuple_find_items(python, names, &items, &count));
    *number = -1;
    for (uint64_t i = 0; i < count && i < CODE_MAX_NAMES && *number < 0; i++) {
        bool equal;
        TRY(pointer_at(python, items, i, &name));
        TRY(string_equals(python, name, "release", &equal));
        *number = equal ? (int64_t)i : -1;
    }
    return NULL;
}

/* Where the block begins, if it does with this instruction. */
static bool begins(const struct opcodes *opcodes, const struct code *code, const struct step *step, int handler)
{
    if (!code->has_exceptions)
        return sets_up(opcodes, step, handler);
    const pst_exception_range *range = find_range(code, (int)step->offset);
    return range && range->target == handler && range->start == (int)step->offset;
}

static bool takes_name(const struct opcodes *opcodes, const struct step *step, int64_t number)
{
    enum operand operand = opcodes->opcodes[step->opcode].operand;
    return (operand == OPERAND_NAME && step->arg == number) ||
           (operand == OPERAND_ATTRIBUTE && step->arg >> 1 == number);
}

pst_error *with_block_find_release(struct waits *waits, const struct pst_frame *frame, int handler, bool *found)
{
    struct pst_code whole = {.address = frame->code->address, .table = {.code_size = frame->code->table.code_size}};
    struct code_reader reader = {.python = waits->python, .arena = &waits->details->scratch, .code = &whole};
    struct step step;
    int64_t number;
    bool has_begun = false;
    TRY(find_name(waits->python, frame->code, &number));
    TRY(opcodes_get(waits->python->layout.major, waits->python->layout.minor, &reader.opcodes));
    if (number < 0 || !reader.opcodes || *found)
        return NULL;
    TRY(bytecode_read(&reader));
    count_work(waits->python, whole.bytecode.size);
    struct step_reader steps = {.opcodes = reader.opcodes, .bytes = whole.bytecode};
    while (!*found && step_next(&steps, &step) && (int64_t)step.offset < frame->lasti) {
        has_begun = has_begun || begins(reader.opcodes, frame->code, &step, handler);
        *found = has_begun && takes_name(reader.opcodes, &step, number);
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

pst_error *with_block_is_exit(struct waits *waits, pst_addr object, pst_addr *self, bool *exits)
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
        TRY(with_block_is_exit(waits, top, manager, &exits));
    if (exits && *manager)
        return NULL;
    *manager = 0;
    if (python_minor_version(waits->python) < 314)
        return NULL;
    TRY(read_stack_slot(waits, stack, depth - 1, &below));
    if (below)
        TRY(with_block_is_exit(waits, below, manager, &exits));
    if (exits && !*manager)
        *manager = top;
    if (!exits)
        *manager = 0;
    return NULL;
}

/* ---- the blocks ------------------------------------------------------------------------------------------ */

/* Of the handlers that find the stack as deep, the outermost is that of the “with”: before it, its __exit__ was not
 * there. The others are those of a “try” inside of it. */
static void add_handler(struct waits *waits, pst_addr stack, const struct handler *handler, int *depth,
                        struct with_blocks *blocks)
{
    struct with_block block = {.handler = handler->target};
    struct with_block *last = blocks->count ? &blocks->items[blocks->count - 1] : NULL;
    if (last && last->depth == *depth && handler->depth == *depth)
        last->handler = handler->target;
    if (handler->depth >= *depth)
        return;
    block.depth = *depth = handler->depth;
    pst_error *error = find_manager(waits, stack, block.depth, &block.manager);
    if (!error && block.manager)
        blocks->items[blocks->count++] = block;
    pst_error_free(error); /* a slot that holds something else */
}

pst_error *with_blocks_read(struct waits *waits, const struct pst_frame *frame, struct with_blocks *blocks)
{
    struct handlers handlers;
    pst_addr stack;
    int depth = INT_MAX;
    blocks->count = 0;
    TRY(read_handlers(waits, frame, &handlers));
    if (!handlers.count)
        return NULL;
    TRY(find_stack(waits, frame, &stack));
    /* Deeper ones further out are a handler's own, for what it will put on the stack; here, old values lie there. To
     * 3.10, one that is executed stands among them with no place. */
    for (size_t i = 0; i < handlers.count; i++)
        if (handlers.items[i].target >= 0)
            add_handler(waits, stack, &handlers.items[i], &depth, blocks);
    return NULL;
}
