/* What a thread waits for, by its frames: what the innermost one calls is a part of what those around it do. */
#include "python/attribute.h"
#include "python/object.h"
#include "python/slot.h"
#include "python/string.h"
#include "python/variables.h"
#include "python/waiting.h"

#include <string.h>

enum {
    MAX_NAME = 64,          /* of a class, of the state of a Future */
    MAX_PASSED = 16,        /* frames of the standard library around one wait */
};

/* ---- rows of waits.def ----------------------------------------------------------------------------------- */

enum inner {
    INNER_PASS = 0,
#define KIND_BIT(kind) INNER_##kind = 1 << PST_WAIT_##kind
    KIND_BIT(LOCK), KIND_BIT(SLEEP), KIND_BIT(CONDITION), KIND_BIT(EVENT), KIND_BIT(SEMAPHORE), KIND_BIT(BARRIER),
    KIND_BIT(THREAD), KIND_BIT(RLOCK), KIND_BIT(QUEUE), KIND_BIT(FUTURE), KIND_BIT(IMPORT), KIND_BIT(CHILD),
#undef KIND_BIT
};

/* 2.7's locks of its own are Python over a Lock. */
struct row {
    unsigned kind;          /* INNER_PASS: what the inner frames say */
    unsigned inner;
    const char *file, *function, *module, *class;
};

static const struct row rows[] = {
#define LOCK INNER_LOCK
#define SLEEP INNER_SLEEP
#define CONDITION INNER_CONDITION
#define THREAD INNER_THREAD
#define BARRIER INNER_BARRIER
#define WAIT(kind, inner, file, function, module, class) {INNER_##kind, inner, file, function, module, class},
#include "python/waits.def"
#undef LOCK
#undef SLEEP
#undef CONDITION
#undef THREAD
#undef BARRIER
};

/* Whole parts of a path. */
static bool path_ends_with(pst_text path, const char *end)
{
    size_t size = strlen(end);
    return path.size >= size && memcmp(path.data + path.size - size, end, size) == 0 &&
           (path.size == size || path.data[path.size - size - 1] == '/');
}

bool waiting_is_in(const struct code *code, const char *file, const char *function)
{
    return text_is(code->name, function) && path_ends_with(code->filename, file);
}

pst_error *waiting_read_self(struct waits *waits, const struct pst_frame *frame, pst_addr *self)
{
    const struct code_variables *variables;
    pst_addr slots;
    *self = 0;
    TRY(code_get_variables(waits->details->walk, frame->code, &variables));
    if (!variables->count || variables->slots[0].kind != PST_VARIABLE_ARGUMENT)
        return NULL;
    TRY(slots_find(waits->python, frame->address, &slots));
    return slot_read(waits->python, slots, &variables->slots[0], self);
}

/* 2.7: an instance of a class that is no type; the function alone must do. */
static bool is_old_instance(const struct type *type)
{
    return text_is(type->name, "instance") && !type->is_heap;
}

/* The row that tells of this frame, around frames that say what the thread waits for so far; NULL: there is none. A
 * function that is no method is known by being the outermost, too. */
static pst_error *find_row(struct waits *waits, const struct waiting *waiting, const struct pst_frame *frame,
                           const struct row **found, pst_addr *self)
{
    const struct pst_frame *outermost = &waiting->thread->frames[waiting->thread->frame_count - 1];
    unsigned inner = 1u << waiting->wait.kind;
    struct types *types = &waits->details->types;
    *found = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct type *type, *base;
        if (!(rows[i].inner & inner) || !waiting_is_in(frame->code, rows[i].file, rows[i].function))
            continue;
        if (!rows[i].class && frame != outermost)
            continue;
        *self = 0;
        if (rows[i].class) {
            TRY(waiting_read_self(waits, frame, self));
            if (!*self)
                continue;
            TRY(type_of(types, *self, &type));
            TRY(type_find_base(types, type, rows[i].module, rows[i].class, &base));
            if (!base && !is_old_instance(type))
                continue;
        }
        *found = &rows[i];
        return NULL;
    }
    return NULL;
}

/* ---- what that is a part of ------------------------------------------------------------------------------ */

/* How many items a Queue has: those of its deque or, of a PriorityQueue or LifoQueue, of its list. */
static pst_error *count_queued(struct waits *waits, pst_addr queue, double *count, bool *is_number)
{
    const struct python *python = waits->python;
    pst_addr items;
    struct type *type;
    uint64_t size;
    *is_number = false;
    TRY(attribute_get(python, queue, "queue", NULL, &items));
    if (!items)
        return NULL;
    TRY(type_of(&waits->details->types, items, &type));
    bool is_deque = type_is(type, "collections", "deque"), is_list = type_is(type, "", "list");
    if (is_deque && has(python, F(dequeobject_len)))
        TRY(field_unsigned(python, items, F(dequeobject_len), &size));
    else if (is_deque || is_list)
        TRY(field_unsigned(python, items, F(PyVarObject_ob_size), &size));
    *is_number = is_deque || is_list;
    *count = *is_number ? (double)size : 0;
    return NULL;
}

static pst_error *say_queue(struct waits *waits, struct waiting *waiting, const struct code *code, const char *class)
{
    struct text *text = &waits->details->text;
    pst_addr queue = waiting->wait.address;
    bool is_put = text_is(code->name, "put"), is_join = text_is(code->name, "join"), is_number, has_most;
    double count = 0, most = 0;
    text_printf(text, "%s.%s() %s the ", class, is_put ? "put" : is_join ? "join" : "get", is_put ? "into" : "of");
    waiting_add_object(waits->details, class, queue);
    if (is_join) {
        TRY(waits_get_number(waits, queue, "unfinished_tasks", NULL, &count, &is_number));
        if (is_number)
            text_printf(text, ", which has %.0f unfinished task%s", count, count == 1 ? "" : "s");
        return waiting_say(waits, waiting);
    }
    TRY(count_queued(waits, queue, &count, &is_number));
    TRY(waits_get_number(waits, queue, "maxsize", NULL, &most, &has_most));
    bool is_full = is_put && has_most && count >= most;
    if (is_number && count == 0)
        text_add_string(text, ", which is empty");
    else if (is_number)
        text_printf(text, ", which %s%.0f item%s%s", is_full ? "is full (" : "has ", count, count == 1 ? "" : "s",
                    is_full ? ")" : "");
    return waiting_say(waits, waiting);
}

static pst_error *say_semaphore(struct waits *waits, struct waiting *waiting, const char *class)
{
    double value;
    bool is_number;
    waiting_add_object(waits->details, class, waiting->wait.address);
    TRY(waits_get_number(waits, waiting->wait.address, "_value", "_Semaphore__value", &value, &is_number));
    if (is_number)
        text_printf(&waits->details->text, ", which is at %.0f", value);
    return waiting_say(waits, waiting);
}

static pst_error *say_barrier(struct waits *waits, struct waiting *waiting, const char *class)
{
    double count, parties;
    bool has_count, has_parties;
    waiting_add_object(waits->details, class, waiting->wait.address);
    TRY(waits_get_number(waits, waiting->wait.address, "_count", NULL, &count, &has_count));
    TRY(waits_get_number(waits, waiting->wait.address, "_parties", NULL, &parties, &has_parties));
    if (has_count && has_parties)
        text_printf(&waits->details->text, ": %.0f of %.0f have come", count, parties);
    return waiting_say(waits, waiting);
}

static pst_error *say_future(struct waits *waits, struct waiting *waiting, const char *class)
{
    struct text *text = &waits->details->text;
    pst_addr state;
    pst_text name = {0};
    text_add_string(text, "the result of the ");
    waiting_add_object(waits->details, class, waiting->wait.address);
    TRY(attribute_get(waits->python, waiting->wait.address, "_state", NULL, &state));
    if (state)
        TRY(string_read(waits->python, &waits->details->scratch, state, &name));
    text_add_string(text, name.size ? ", which is " : "");
    for (size_t i = 0; i < name.size && i < MAX_NAME; i++) {
        char c = name.data[i];
        text_add_char(text, (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c));
    }
    return waiting_say(waits, waiting);
}

/* An ident among the attributes of an object. */
static pst_error *take_owner(struct waits *waits, struct waiting *waiting, pst_addr object, const char *name,
                             const char *other, const char *before)
{
    pst_addr value;
    struct type *type;
    waiting->owner_ident = 0;
    waiting->owner = OWNER_UNKNOWN;
    waiting->before_owner = before;
    TRY(waits_get_attribute(waits, object, name, other, &value));
    if (!value)
        return NULL;
    TRY(type_of(&waits->details->types, value, &type));
    bool is_int = type->flags & (TPFLAGS_LONG_SUBCLASS | (python_is_2(waits->python) ? TPFLAGS_INT_SUBCLASS : 0));
    return is_int ? object_get_int(waits->python, value, &waiting->owner_ident) : NULL;
}

static pst_error *say_thread(struct waits *waits, struct waiting *waiting)
{
    if (!waiting->wait.address)
        return waiting_be_at_exit(waits, waiting, 0);
    text_add_string(&waits->details->text, "Thread.join()");
    TRY(waiting_say(waits, waiting));
    return take_owner(waits, waiting, waiting->wait.address, "_ident", "_Thread__ident", " of ");
}

static pst_error *say_import(struct waits *waits, struct waiting *waiting)
{
    struct text *text = &waits->details->text;
    pst_addr name;
    pst_text module = {0};
    TRY(attribute_get(waits->python, waiting->wait.address, "name", NULL, &name));
    if (name)
        TRY(string_read(waits->python, &waits->details->scratch, name, &module));
    text_add_string(text, "the import of \"");
    text_add(text, module.data, module.size);
    text_add_char(text, '"');
    TRY(waiting_say(waits, waiting));
    waiting->behind_owner = " does";
    return take_owner(waits, waiting, waiting->wait.address, "owner", NULL, ", which ");
}

static pst_error *say_popen(struct waits *waits, struct waiting *waiting)
{
    double pid;
    bool is_number;
    TRY(waits_get_number(waits, waiting->wait.address, "pid", NULL, &pid, &is_number));
    return waiting_say_child(waits, waiting, is_number ? (int64_t)pid : 0);
}

/* One that is written in Python. */
static pst_error *say_python_rlock(struct waits *waits, struct waiting *waiting, const char *class)
{
    pst_addr lock = waiting->wait.address;
    double level = 0;
    bool is_number;
    TRY(waits_get_number(waits, lock, "_count", "_RLock__count", &level, &is_number));
    waiting->lock = (struct lock_object){.address = lock, .level = is_number && level > 0 ? (uint64_t)level : 0};
    waiting_add_object(waits->details, class, lock);
    TRY(waiting_say(waits, waiting));
    return take_owner(waits, waiting, lock, "_owner", "_RLock__owner", ", held by ");
}

/* The name of an object's class; of 2.7's, which have an underscore before it, the name of the functions that make
 * them. */
static pst_error *read_class_name(struct waits *waits, pst_addr object, const struct row *row, char name[MAX_NAME])
{
    struct type *type;
    name[0] = '\0';
    if (!object)
        return NULL;
    TRY(type_of(&waits->details->types, object, &type));
    pst_text found = is_old_instance(type) ? (pst_text){row->class, strlen(row->class)} : type->name;
    size_t start = found.size > 1 && found.data[0] == '_';
    size_t size = found.size - start < MAX_NAME ? found.size - start : MAX_NAME - 1;
    memcpy(name, found.data + start, size);
    name[size] = '\0';
    return NULL;
}

static pst_error *say_row(struct waits *waits, struct waiting *waiting, const struct code *code, const struct row *row)
{
    char class[MAX_NAME];
    TRY(read_class_name(waits, waiting->wait.address, row, class));
    waiting->owner = OWNER_NONE;
    waiting->owner_ident = 0;
    waiting->before_owner = NULL;
    switch (waiting->wait.kind) {
    case PST_WAIT_QUEUE: return say_queue(waits, waiting, code, class);
    case PST_WAIT_SEMAPHORE: return say_semaphore(waits, waiting, class);
    case PST_WAIT_BARRIER: return say_barrier(waits, waiting, class);
    case PST_WAIT_FUTURE: return say_future(waits, waiting, class);
    case PST_WAIT_THREAD: return say_thread(waits, waiting);
    case PST_WAIT_IMPORT: return say_import(waits, waiting);
    case PST_WAIT_CHILD: return say_popen(waits, waiting);
    case PST_WAIT_RLOCK: return say_python_rlock(waits, waiting, class);
    default: break;
    }
    waiting_add_object(waits->details, class, waiting->wait.address);
    text_add_string(&waits->details->text, waiting->wait.kind == PST_WAIT_EVENT ? " to be set" : " to be notified");
    return waiting_say(waits, waiting);
}

/* The timeout of these functions is a variable of that name. */
static pst_error *take_timeout(struct waits *waits, struct waiting *waiting, const struct pst_frame *frame)
{
    const struct code_variables *variables;
    pst_addr slots, value = 0;
    TRY(code_get_variables(waits->details->walk, frame->code, &variables));
    TRY(slots_find(waits->python, frame->address, &slots));
    for (size_t i = 0; i < variables->count; i++)
        if (text_is(variables->slots[i].name, "timeout"))
            TRY(slot_read(waits->python, slots, &variables->slots[i], &value));
    waiting->wait.has_timeout = waiting->has_unknown_timeout = false;
    return waiting_set_timeout(waits, waiting, value, 1);
}

/* A condition's own lock, to which Condition.wait() comes back in the end. */
static pst_error *is_own_lock(struct waits *waits, struct waiting *waiting, pst_addr condition, bool *own)
{
    pst_addr lock;
    TRY(waits_get_attribute(waits, condition, "_lock", "_Condition__lock", &lock));
    *own = lock && lock == waiting->lock.address;
    return NULL;
}

static pst_error *take_row(struct waits *waits, struct waiting *waiting, const struct pst_frame *frame,
                           const struct row *row, pst_addr self, bool *taken)
{
    bool own = false;
    if (row->kind == INNER_CONDITION && waiting->lock.type)
        TRY(is_own_lock(waits, waiting, self, &own));
    *taken = !own;
    if (own || row->kind == INNER_PASS)
        return NULL;
    waiting->wait.kind = (pst_wait_kind)__builtin_ctz(row->kind);
    waiting->wait.address = self;
    TRY(say_row(waits, waiting, frame->code, row));
    return take_timeout(waits, waiting, frame);
}

/* From the innermost frame outwards, as long as each says more of the same. */
pst_error *waiting_climb(struct waits *waits, struct waiting *waiting)
{
    const struct pst_thread *thread = waiting->thread;
    for (size_t i = 0; i < thread->frame_count && i < MAX_PASSED; i++) {
        const struct row *row;
        pst_addr self;
        bool taken;
        if (!thread->frames[i].code)
            return NULL;
        TRY(find_row(waits, waiting, &thread->frames[i], &row, &self));
        if (!row)
            return NULL;
        TRY(take_row(waits, waiting, &thread->frames[i], row, self, &taken));
        if (!taken)
            return NULL;
    }
    return NULL;
}

/* What the frames say may have been before: whoever has it, or has slept, may wait for something else now. */
static bool can_be_at(const struct waits *waits, const struct waiting *waiting, pst_addr futex)
{
    if (waiting->wait.kind == PST_WAIT_SLEEP || waiting->wait.kind == PST_WAIT_POLL || waiting->socket_call)
        return false;
    bool can_tell = waiting->lock.type && waiting->lock.type != LOCK_TYPE_SEMAPHORE;
    return !can_tell || lock_has_futex(waits->python, &waiting->lock, futex);
}

static void forget(struct waiting *waiting)
{
    *waiting = (struct waiting){.thread = waiting->thread, .index = waiting->index};
}

pst_error *waiting_find_in_frames(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    const struct pst_frame *frame = waiting->thread->frames;
    if (!frame->code || !frame->has_lasti)
        return NULL;
    TRY(waiting_find_in_call(waits, waiting, futex));
    if (waiting->is_waiting && futex && !can_be_at(waits, waiting, futex))
        forget(waiting);
    return waiting->is_waiting ? waiting_climb(waits, waiting) : NULL;
}
