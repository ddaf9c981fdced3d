/*
 * Where the callee and its arguments lie is that of Python/ceval.c and, from 3.12 on, Python/bytecodes.c: values
 * stay on the stack until the call has returned.
 */
#include "python/call_site.h"

#include "python/object.h"
#include "python/value_stack.h"

#include <string.h>

/* What a form is read from. */
struct call {
    const struct python *python;
    int version;
    const struct value_stack *stack;
    const struct stack_depths *depths;
    pst_addr code;
    int offset;                /* of the instruction */
    int64_t arg;
};

static pst_error *peek(const struct call *call, int64_t from_top, pst_addr *object)
{
    return value_stack_peek(call->stack, from_top, object);
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

static void add_argument(struct call_site *site, pst_addr name, pst_addr value)
{
    if (site->argument_count < CALL_SITE_MAX_ARGUMENTS)
        site->arguments[site->argument_count] = (struct call_argument){name, value};
    site->argument_count++;
}

static bool makes_sense(const struct call *call, const struct call_site *site)
{
    const struct python *python = call->python;
    size_t count = site->argument_count < CALL_SITE_MAX_ARGUMENTS ? site->argument_count : CALL_SITE_MAX_ARGUMENTS;
    if ((site->callee || site->kind == CALL_FUNCTION) && !object_is_callable(python, site->callee))
        return false;
    if (site->self && !object_is_there(python, site->self))
        return false;
    /* What is no tuple, or no dict, was made one of, and is gone perhaps. */
    if ((site->star && !object_has_flag(python, site->star, TPFLAGS_TUPLE_SUBCLASS)) ||
        (site->double_star && !object_has_flag(python, site->double_star, TPFLAGS_DICT_SUBCLASS)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!object_is_there(python, site->arguments[i].value) ||
            (site->arguments[i].name && !object_is_there(python, site->arguments[i].name)))
            return false;
    }
    return true;
}

/* `count` of them, the last one `below` the top; the names of those at the end are in a tuple, 0: none have. */
static pst_error *read_arguments(const struct call *call, int64_t below, int64_t count, pst_addr names,
                                 struct call_site *site)
{
    uint64_t name_count = 0;
    pst_addr items = 0;
    if (names) {
        if (!object_has_flag(call->python, names, TPFLAGS_TUPLE_SUBCLASS))
            return NULL; /* which is no call */
        TRY(field_unsigned(call->python, names, F(PyVarObject_ob_size), &name_count));
        TRY(field_place(call->python, names, F(PyTupleObject_ob_item), &items));
    }
    if (count < 0 || count >= call->stack->depth || name_count > (uint64_t)count)
        return NULL;
    site->kind = CALL_FUNCTION;
    for (int64_t i = 0; i < count && i < CALL_SITE_MAX_ARGUMENTS; i++) {
        pst_addr value, name = 0;
        int64_t named = i - (count - (int64_t)name_count);
        TRY(peek(call, below + count - 1 - i, &value));
        if (named >= 0)
            TRY(pointer_at(call->python, items, (uint64_t)named, &name));
        add_argument(site, name, value);
    }
    site->argument_count = (size_t)count;
    return NULL;
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

typedef pst_error *read_call(const struct call *call, struct call_site *site);

/* callee, arguments */
static pst_error *read_function(const struct call *call, struct call_site *site)
{
    TRY(peek(call, call->arg, &site->callee));
    return read_arguments(call, 0, call->arg, 0, site);
}

/* callee, arguments, names */
static pst_error *read_function_kw(const struct call *call, struct call_site *site)
{
    pst_addr names;
    TRY(peek(call, 0, &names));
    TRY(peek(call, call->arg + 1, &site->callee));
    return names ? read_arguments(call, 1, call->arg, names, site) : NULL;
}

/* 2.7: callee, arguments, names and values, tuple, dict */
static pst_error *read_function_2(const struct call *call, struct call_site *site, bool has_star,
                                  bool has_double_star)
{
    int64_t positional = call->arg & 255, named = call->arg >> 8, below = has_star + has_double_star;
    if (named >= call->stack->depth)
        return NULL;
    TRY(peek(call, below + positional + 2 * named, &site->callee));
    if (has_double_star)
        TRY(peek(call, 0, &site->double_star));
    if (has_star)
        TRY(peek(call, has_double_star, &site->star));
    TRY(read_arguments(call, below + 2 * named, positional, 0, site));
    for (int64_t i = 0; i < named; i++) {
        pst_addr name, value;
        TRY(peek(call, below + 2 * (named - 1 - i) + 1, &name));
        TRY(peek(call, below + 2 * (named - 1 - i), &value));
        add_argument(site, name, value);
    }
    return NULL;
}

static pst_error *read_function_plain_2(const struct call *call, struct call_site *site)
{
    return read_function_2(call, site, false, false);
}

static pst_error *read_function_var_2(const struct call *call, struct call_site *site)
{
    return read_function_2(call, site, true, false);
}

static pst_error *read_function_kw_2(const struct call *call, struct call_site *site)
{
    return read_function_2(call, site, false, true);
}

static pst_error *read_function_var_kw_2(const struct call *call, struct call_site *site)
{
    return read_function_2(call, site, true, true);
}

/* method or NULL, self or callee, arguments; from 3.13 on callee, self or NULL, arguments */
static pst_error *read_method_of(const struct call *call, int64_t below, pst_addr names, struct call_site *site)
{
    pst_addr lower, upper;
    TRY(peek(call, below + call->arg + 1, &lower));
    TRY(peek(call, below + call->arg, &upper));
    bool is_method = call->version >= 313 || lower;
    site->callee = is_method ? lower : upper;
    site->self = is_method ? upper : 0;
    return read_arguments(call, below, call->arg, names, site);
}

static pst_error *read_method(const struct call *call, struct call_site *site)
{
    return read_method_of(call, 0, 0, site);
}

/* The tuple that the KW_NAMES before this instruction, or before the PRECALL before it, names; 0: there is none. */
static pst_error *find_kw_names(const struct call *call, pst_addr *names)
{
    int start = call->offset;
    uint8_t opcode;
    int64_t index;
    const char *name = "";
    pst_addr constants, items;
    uint64_t count;
    *names = 0;
    for (int back = 0; back < 2 && strcmp(name, "KW_NAMES") != 0; back++) {
        if (!stack_depths_get_instruction(call->depths, start - 1, &start, &opcode, &index))
            return NULL;
        name = call->depths->opcodes->opcodes[opcode].name;
        if (!name || (strcmp(name, "KW_NAMES") != 0 && strcmp(name, "PRECALL") != 0))
            return NULL;
    }
    if (strcmp(name, "KW_NAMES") != 0)
        return NULL;
    TRY(field_address(call->python, call->code, F(PyCodeObject_co_consts), &constants));
    TRY(field_unsigned(call->python, constants, F(PyVarObject_ob_size), &count));
    TRY(field_place(call->python, constants, F(PyTupleObject_ob_item), &items));
    return index >= 0 && (uint64_t)index < count ? pointer_at(call->python, items, (uint64_t)index, names) : NULL;
}

static pst_error *read_call_any(const struct call *call, struct call_site *site)
{
    pst_addr names;
    TRY(find_kw_names(call, &names));
    return read_method_of(call, 0, names, site);
}

/* callee, self or NULL, arguments, names */
static pst_error *read_call_kw(const struct call *call, struct call_site *site)
{
    pst_addr names;
    TRY(peek(call, 0, &names));
    return names ? read_method_of(call, 1, names, site) : NULL;
}

/* NULL from 3.11 on, callee, NULL from 3.13 on, tuple, and a dict if the argument says so; from 3.14 on that or
 * NULL. */
static pst_error *read_function_ex(const struct call *call, struct call_site *site)
{
    bool has_dict = call->version >= 314 || call->arg & 1;
    if (has_dict)
        TRY(peek(call, 0, &site->double_star));
    TRY(peek(call, has_dict, &site->star));
    TRY(peek(call, has_dict + 1 + (call->version >= 313), &site->callee));
    site->kind = site->star ? CALL_FUNCTION : CALL_NONE;
    return NULL;
}

/* ---- what else calls --------------------------------------------------------------------------------------- */

static pst_error *read_enter(const struct call *call, struct call_site *site)
{
    pst_addr top;
    TRY(peek(call, 0, &top));
    site->kind = top ? CALL_ENTER : CALL_NONE;
    *(call->version >= 312 ? &site->self : &site->callee) = top;
    return NULL;
}

/* Below what an exception has put on the stack. */
static pst_error *read_exit(const struct call *call, struct call_site *site)
{
    int64_t size = call->version >= 311 ? 3 : 6;
    if (call->version >= 314)
        TRY(peek(call, size++, &site->self));
    TRY(peek(call, size, &site->callee));
    site->kind = site->callee ? CALL_EXIT : CALL_NONE;
    return NULL;
}

static pst_error *read_iterate(const struct call *call, struct call_site *site)
{
    TRY(peek(call, call->version >= 315, &site->self)); /* 3.15: below an index, or NULL */
    site->kind = site->self ? CALL_ITERATE : CALL_NONE;
    return NULL;
}

/* ---- which one --------------------------------------------------------------------------------------------- */

enum { VERSION_2 = 207, VERSION_3 = 300, VERSION_LAST = 399 };

static const struct {
    const char *name;
    int first, last;           /* version */
    read_call *read;
} forms[] = {
    {"CALL_FUNCTION", VERSION_2, VERSION_2, read_function_plain_2},
    {"CALL_FUNCTION_VAR", VERSION_2, VERSION_2, read_function_var_2},
    {"CALL_FUNCTION_KW", VERSION_2, VERSION_2, read_function_kw_2},
    {"CALL_FUNCTION_VAR_KW", VERSION_2, VERSION_2, read_function_var_kw_2},
    {"CALL_FUNCTION", VERSION_3, VERSION_LAST, read_function},
    {"CALL_FUNCTION_KW", VERSION_3, VERSION_LAST, read_function_kw},
    {"CALL_FUNCTION_EX", VERSION_3, VERSION_LAST, read_function_ex},
    {"CALL_METHOD", VERSION_3, VERSION_LAST, read_method},
    {"PRECALL", VERSION_3, VERSION_LAST, read_call_any},
    {"CALL", VERSION_3, VERSION_LAST, read_call_any},
    {"CALL_KW", VERSION_3, VERSION_LAST, read_call_kw},
    {"SETUP_WITH", VERSION_2, VERSION_LAST, read_enter},
    {"BEFORE_WITH", VERSION_3, VERSION_LAST, read_enter},
    {"WITH_EXCEPT_START", VERSION_3, VERSION_LAST, read_exit},
    {"FOR_ITER", VERSION_2, VERSION_LAST, read_iterate},
};

static read_call *find_form(const struct call *call, uint8_t opcode)
{
    const char *name = call->depths->opcodes->opcodes[opcode].name;
    for (size_t i = 0; name && i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].first <= call->version && call->version <= forms[i].last && strcmp(forms[i].name, name) == 0)
            return forms[i].read;
    }
    return NULL;
}

/* ---- the frame --------------------------------------------------------------------------------------------- */

/* If only one of the depths that the stack may have makes sense, it is that. */
static pst_error *read_one(struct call *call, read_call *read, const struct value_stack *stacks, size_t count,
                           struct call_site *site)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct call_site candidate = {.kind = CALL_NONE};
        call->stack = &stacks[i];
        if (!stacks[i].is_before)
            continue;
        TRY(read(call, &candidate));
        if (candidate.kind == CALL_NONE || !makes_sense(call, &candidate))
            continue;
        *site = candidate;
        found++;
    }
    if (found != 1)
        *site = (struct call_site){.kind = CALL_NONE};
    return NULL;
}

pst_error *call_site_find(const struct python *python, struct arena *arena, struct code *code, pst_addr address,
                          int lasti, struct call_site *site)
{
    struct value_stack stacks[STACK_DEPTH_CHOICES];
    struct call call = {.python = python, .version = python_minor_version(python), .code = code->address};
    size_t count;
    uint8_t opcode;
    *site = (struct call_site){.kind = CALL_NONE};
    TRY(code_get_stack_depths(python, arena, code, &call.depths));
    if (!stack_depths_get_instruction(call.depths, lasti, &call.offset, &opcode, &call.arg))
        return NULL;
    read_call *read = find_form(&call, opcode);
    if (!read)
        return NULL;
    TRY(value_stacks_find(python, arena, code, address, lasti, stacks, &count));
    return read_one(&call, read, stacks, count, site);
}
