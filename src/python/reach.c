#include "python/reach.h"

#include "base/hash.h"
#include "python/c_name.h"
#include "python/object.h"
#include "python/slot.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORD = 8,
    FIRST_CAPACITY = 1024,
    PREHEADER_WORDS = 4,       /* 3.11+: what stands before an object: GC links, dict, values, weak references */
    PREHEADER_GC_WORDS = 2,    /* the nearest two, which lead to every other object */
    VALUES_PREFIX_SIZE = 32,   /* 3.11 and 3.12: before the values, the order of up to 30 */
    MAX_TYPE_NAME = 256,
    TYPE_SIZE = 1024,          /* of a PyHeapTypeObject, and the members behind it */
};

void reach_start(struct reach *reach, uint64_t limit)
{
    *reach = (struct reach){.limit = limit, .multiplier = hash_multiplier()};
}

void reach_free(struct reach *reach)
{
    free(reach->queue);
    free(reach->seen);
    free(reach->raws);
    *reach = (struct reach){0};
}

void reach_clear(struct reach *reach)
{
    if (reach->seen)
        memset(reach->seen, 0, reach->seen_capacity * sizeof *reach->seen);
    reach->count = reach->next = reach->raw_count = 0;
    reach->size = 0;
    reach->is_cut = false;
}

/* ---- what was found --------------------------------------------------------------------------------------- */

static size_t find_slot(const struct reach *reach, pst_addr address)
{
    size_t slot = (size_t)(address * reach->multiplier >> 32) & (reach->seen_capacity - 1);
    while (reach->seen[slot] && reach->seen[slot] != address)
        slot = (slot + 1) & (reach->seen_capacity - 1);
    return slot;
}

static bool grow(struct reach *reach)
{
    if (reach->count < reach->capacity)
        return true;
    size_t capacity = reach->capacity ? reach->capacity * 2 : FIRST_CAPACITY;
    pst_addr *queue = realloc(reach->queue, capacity * sizeof *queue);
    if (!queue)
        return false;
    reach->queue = queue;
    pst_addr *seen = calloc(capacity * 2, sizeof *seen);
    if (!seen)
        return false;
    free(reach->seen);
    reach->seen = seen;
    reach->seen_capacity = capacity * 2;
    reach->capacity = capacity;
    for (size_t i = 0; i < reach->count; i++)
        seen[find_slot(reach, queue[i])] = queue[i];
    return true;
}

/* Notes a number once. What is no address of an object (those are multiples of WORD) has low bits set: a type whose own
 * memory was touched, a page. */
enum { NOTED_TYPE = 1, NOTED_PAGE = 2 };

/* false: it was noted before, or there is no room. */
static bool note(struct reach *reach, uint64_t number)
{
    if (reach->count >= REACH_MAX_BLOCKS || !grow(reach)) {
        reach->is_cut = true;
        return false;
    }
    size_t slot = find_slot(reach, number);
    if (reach->seen[slot])
        return false;
    reach->seen[slot] = number;
    reach->queue[reach->count++] = number;
    return true;
}

/* Counts the pages of memory that was read. */
static void count_pages(struct reach *reach, pst_addr address, size_t size)
{
    pst_addr page = address & ~(pst_addr)(MEMORY_PAGE_SIZE - 1);
    /* Counted, not compared: the last page there can be has none behind it. */
    for (size_t left = size ? size + (size_t)(address - page) : 0; left; page += MEMORY_PAGE_SIZE) {
        if (note(reach, page | NOTED_PAGE))
            reach->size += MEMORY_PAGE_SIZE;
        left -= left < MEMORY_PAGE_SIZE ? left : MEMORY_PAGE_SIZE;
    }
}

/* What can't be an address, or not that of an object or of what malloc() gave, is passed over. */
static void add_word(struct reach *reach, const struct python *python, uint64_t word)
{
    if (word < MEMORY_PAGE_SIZE || word % WORD)
        return;
    const struct segment *segment = target_find_segment(python->target, word);
    if (segment && segment->readable && !segment->executable)
        note(reach, word);
}

/* Touches memory, up to the limit, and adds the words in it. false: it ends before. */
static bool add_memory(struct reach *reach, const struct python *python, pst_addr address, uint64_t size)
{
    uint8_t bytes[REACH_MAX_BLOCK_SIZE];
    for (uint64_t done = 0; done < size && reach->size < reach->limit;) {
        size_t got, wanted = size - done < sizeof bytes ? size - done : sizeof bytes;
        pst_error_free(memory_read_some(python->memory, address + done, bytes, wanted, &got));
        count_pages(reach, address + done, got);
        done += got;
        for (size_t at = 0; at + WORD <= got; at += WORD)
            add_word(reach, python, bytes_word(bytes + at));
        if (got < wanted)
            return false;
    }
    return true;
}

static void add_raw(struct reach *reach, pst_addr start, pst_addr end)
{
    if (reach->raw_count == reach->raw_capacity) {
        size_t capacity = reach->raw_capacity ? reach->raw_capacity * 2 : FIRST_CAPACITY;
        struct reach_raw *raws = realloc(reach->raws, capacity * sizeof *raws);
        if (!raws) {
            reach->is_cut = true;
            return;
        }
        reach->raws = raws;
        reach->raw_capacity = capacity;
    }
    reach->raws[reach->raw_count++] = (struct reach_raw){start, end};
}

/* Looks at more of the memory that has no known end. false: there is no more of any. */
static bool extend_raws(struct reach *reach, const struct python *python)
{
    bool more = false;
    for (size_t i = 0; i < reach->raw_count && reach->size < reach->limit; i++) {
        struct reach_raw *raw = &reach->raws[i];
        uint64_t size = raw->end - raw->start, added = size * (REACH_RAW_GROWTH - 1);
        if (size == 0 || size > REACH_MAX_RAW_SIZE / REACH_RAW_GROWTH)
            continue;
        bool goes_on = add_memory(reach, python, raw->end, added);
        raw->end = goes_on ? raw->end + added : raw->start;
        more |= goes_on;
    }
    return more;
}

/* ---- where it begins -------------------------------------------------------------------------------------- */

static void add_slots(struct reach *reach, const struct python *python, pst_addr slots, uint64_t count)
{
    uint8_t bytes[REACH_MAX_SLOTS * WORD];
    size_t got;
    if (count > REACH_MAX_SLOTS)
        count = REACH_MAX_SLOTS;
    if (reach->count >= REACH_MAX_ROOTS) {
        reach->is_cut = true;
        return;
    }
    pst_error_free(memory_read_some(python->memory, slots, bytes, count * WORD, &got));
    for (size_t at = 0; at + WORD <= got; at += WORD)
        add_word(reach, python, slot_untag(python, bytes_word(bytes + at)));
}

static pst_error *add_field(struct reach *reach, const struct python *python, pst_addr object, enum field field)
{
    uint64_t word;
    if (!has(python, field))
        return NULL;
    TRY(field_unsigned(python, object, field, &word));
    add_word(reach, python, slot_untag(python, word));
    return NULL;
}

/* To 3.10: the frame is an object whose size says how many slots it has. */
static pst_error *add_frame_object(struct reach *reach, const struct python *python, pst_addr frame)
{
    pst_addr slots;
    int64_t count;
    TRY(field_place(python, frame, F(PyFrameObject_f_localsplus), &slots));
    TRY(field_signed(python, frame, F(PyVarObject_ob_size), &count));
    /* All that stands before the slots: the block stack of with and try, too. */
    if (slots > frame && slots - frame <= REACH_MAX_BLOCK_SIZE) {
        uint8_t bytes[REACH_MAX_BLOCK_SIZE];
        size_t got;
        pst_error_free(memory_read_some(python->memory, frame, bytes, slots - frame, &got));
    }
    add_slots(reach, python, slots, count > 0 ? (uint64_t)count : 0);
    return add_field(reach, python, frame, F(PyFrameObject_f_locals));
}

static pst_error *add_interpreter_frame(struct reach *reach, const struct python *python, pst_addr frame, pst_addr code)
{
    pst_addr slots;
    uint64_t local_count, stack_size;
    TRY(field_place(python, frame, F(_PyInterpreterFrame_localsplus), &slots));
    TRY(field_unsigned(python, code, F(PyCodeObject_co_nlocalsplus), &local_count));
    TRY(field_unsigned(python, code, F(PyCodeObject_co_stacksize), &stack_size));
    add_slots(reach, python, slots, local_count + stack_size);
    return add_field(reach, python, frame, F(_PyInterpreterFrame_f_locals));
}

void reach_add_frame(struct reach *reach, const struct python *python, pst_addr frame, pst_addr code)
{
    bool is_object = !has(python, F(_PyInterpreterFrame_localsplus));
    pst_error_free(is_object ? add_frame_object(reach, python, frame)
                             : add_interpreter_frame(reach, python, frame, code));
}

void reach_add_thread(struct reach *reach, const struct python *python, pst_addr thread)
{
    static const enum field fields[] = {
        F(PyThreadState_current_exception), F(PyThreadState_curexc_type), F(PyThreadState_curexc_value),
        F(PyThreadState_curexc_traceback),  F(PyThreadState_exc_type),    F(PyThreadState_exc_value),
        F(PyThreadState_exc_traceback),     F(PyThreadState_exc_info),
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        pst_error_free(add_field(reach, python, thread, fields[i]));
}

/* ---- objects ---------------------------------------------------------------------------------------------- */

struct kind {
    uint64_t basic_size, item_size, flags;
};

/* Whether `type` is one: its own type's type is `type`, in every program but those with rarer metaclasses. */
static bool is_type(const struct python *python, pst_addr type)
{
    pst_addr meta = 0, top = 0;
    pst_error *error = object_get_type(python, type, &meta);
    if (!error && meta != python->location.type_type)
        error = object_get_type(python, meta, &top);
    pst_error_free(error);
    if (error)
        return false;
    return python->location.type_type ? meta == python->location.type_type || top == python->location.type_type
                                      : meta == top || top != 0;
}

static pst_error *read_kind(const struct python *python, pst_addr type, struct kind *kind)
{
    TRY(field_unsigned(python, type, F(PyTypeObject_tp_basicsize), &kind->basic_size));
    TRY(field_unsigned(python, type, F(PyTypeObject_tp_itemsize), &kind->item_size));
    return type_get_flags(python, type, &kind->flags);
}

/* What a reader asks of a type: its name, sizes, and where attributes are; not its dict, which leads everywhere. */
static void touch_type(struct reach *reach, const struct python *python, pst_addr type)
{
    uint8_t bytes[TYPE_SIZE];
    char name[MAX_TYPE_NAME];
    size_t got;
    if (!note(reach, type | NOTED_TYPE))
        return;
    pst_error_free(memory_read_some(python->memory, type, bytes, TYPE_SIZE, &got));
    count_pages(reach, type, got);
    pst_error_free(type_get_name(python, type, name, sizeof name));
    pst_error_free(add_field(reach, python, type, F(PyHeapTypeObject_ht_qualname)));
    pst_error_free(add_field(reach, python, type, F(PyHeapTypeObject_ht_cached_keys)));
    pst_error_free(add_field(reach, python, type, F(PyTypeObject_tp_mro)));
}

/* A variable object's size is that of its items; of others the word may mean anything. */
static uint64_t object_size(const struct python *python, pst_addr object, const struct kind *kind)
{
    enum { TEXT = TPFLAGS_UNICODE_SUBCLASS | TPFLAGS_BYTES_SUBCLASS, TEXT_SIZE = 1024 };
    enum { INLINE_VALUES_SIZE = 280 /* 3.13+: a head, up to 30 values and their order, behind the object */ };
    int64_t count = 0;
    uint64_t size = kind->basic_size;
    if (kind->flags & TPFLAGS_INLINE_VALUES)
        return size + INLINE_VALUES_SIZE;
    if (kind->flags & TEXT)
        return size + TEXT_SIZE;
    if (!kind->item_size)
        return size;
    pst_error *error = field_signed(python, object, F(PyVarObject_ob_size), &count);
    pst_error_free(error);
    if (error)
        return size;
    uint64_t items = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    if (items > REACH_MAX_BLOCK_SIZE || kind->item_size > REACH_MAX_BLOCK_SIZE)
        return REACH_MAX_BLOCK_SIZE;
    return size + items * kind->item_size;
}

/* The values of an instance that has no dict yet. 3.12 counts one less, which tells them from a dict. */
static pst_addr untag_values(const struct python *python, uint64_t word)
{
    return word & 1 && python_minor_version(python) == 312 ? word + 1 : word;
}

/* What stands before the values; a reader needs it for their order. */
static void touch_values_prefix(struct reach *reach, const struct python *python, pst_addr values)
{
    uint8_t bytes[VALUES_PREFIX_SIZE];
    size_t got;
    if (values < MEMORY_PAGE_SIZE || !target_find_segment(python->target, values - sizeof bytes))
        return;
    pst_error_free(memory_read_some(python->memory, values - sizeof bytes, bytes, sizeof bytes, &got));
    count_pages(reach, values - sizeof bytes, got);
}

/* The dict or the values of an instance may stand before it (from 3.13 on the values are behind it):
 *
 *     word           -4               -3                      -2               -1
 *     3.11           values           dict                    GC               GC
 *     3.12           weak references  dict, or values - 1     GC               GC
 *     3.13+          weak references  dict                    GC               GC
 *     free-threaded                                           weak references  dict
 */
static void add_preheader(struct reach *reach, const struct python *python, pst_addr object)
{
    uint8_t bytes[PREHEADER_WORDS * WORD];
    size_t got;
    pst_error_free(memory_read_some(python->memory, object - sizeof bytes, bytes, sizeof bytes, &got));
    if (got < sizeof bytes)
        return;
    size_t first = python->version.free_threaded ? PREHEADER_GC_WORDS : 0;
    for (size_t i = first; i < first + PREHEADER_WORDS - PREHEADER_GC_WORDS; i++) {
        uint64_t word = bytes_word(bytes + i * WORD);
        pst_addr values = untag_values(python, word);
        if (values != word || (i == 0 && python_minor_version(python) == 311))
            touch_values_prefix(reach, python, values);
        add_word(reach, python, values);
    }
}

static bool add_object(struct reach *reach, const struct python *python, pst_addr object)
{
    pst_addr type;
    struct kind kind;
    pst_error *error = object_get_type(python, object, &type);
    bool plausible = !error && type >= MEMORY_PAGE_SIZE && type % WORD == 0 && is_type(python, type);
    if (plausible)
        error = read_kind(python, type, &kind);
    pst_error_free(error);
    if (!plausible || error)
        return false;
    touch_type(reach, python, type);
    /* Of classes and modules' dicts there is no end: a type's own words are not followed. */
    if (type == python->location.type_type) {
        touch_type(reach, python, object);
        return true;
    }
    if (kind.flags & TPFLAGS_MANAGED_DICT && python_minor_version(python) >= 311)
        add_preheader(reach, python, object);
    uint64_t size = object_size(python, object, &kind);
    if (add_memory(reach, python, object, size < REACH_MAX_BLOCK_SIZE ? size : REACH_MAX_BLOCK_SIZE) &&
        size >= REACH_MAX_BLOCK_SIZE)
        add_raw(reach, object, object + REACH_MAX_BLOCK_SIZE);
    return true;
}

/* Up to number `end` of the queue. */
static void follow_queue(struct reach *reach, const struct python *python, size_t end)
{
    while (reach->next < reach->count && reach->next < end && reach->size < reach->limit) {
        pst_addr address = reach->queue[reach->next++];
        if (address % WORD)
            continue; /* a type or a page that was noted */
        if (!add_object(reach, python, address) && add_memory(reach, python, address, REACH_RAW_SIZE))
            add_raw(reach, address, address + REACH_RAW_SIZE);
    }
}

/* The variables' own values are kept in any case: the limit is for what those lead to. */
static void follow_roots(struct reach *reach, const struct python *python, size_t root_count)
{
    uint64_t limit = reach->limit;
    if (limit && limit < REACH_ROOTS_SIZE)
        reach->limit = REACH_ROOTS_SIZE;
    follow_queue(reach, python, root_count);
    reach->limit = limit;
}

void reach_follow(struct reach *reach, const struct python *python)
{
    follow_roots(reach, python, reach->count);
    do
        follow_queue(reach, python, SIZE_MAX);
    while (reach->size < reach->limit && extend_raws(reach, python));
    reach->is_cut |= reach->next < reach->count || reach->size >= reach->limit;
}
