/*
 * Locks and what is made of them. Modules/_threadmodule.c; Lib/threading.py: Condition, and since 3.11 Semaphore,
 * BoundedSemaphore, Event and Barrier; 2.7's RLock.
 */
#include "python/repr.h"

#include "python/dict.h"
#include "python/lock_object.h"
#include "python/object.h"
#include "python/string.h"

/* ---- locks ----------------------------------------------------------------------------------------------- */

static pst_error *add_head(struct repr *repr, const struct instance *object, bool is_locked)
{
    text_add_string(repr->text, is_locked ? "<locked " : "<unlocked ");
    TRY(repr_add_tp_name(repr, object));
    text_add_string(repr->text, " object");
    return NULL;
}

/* lock_repr() */
pst_error *repr_add_lock(struct repr *repr, const struct instance *object)
{
    struct lock_object lock = {0};
    TRY(lock_read_plain(repr->python, object->address, &lock));
    TRY(add_head(repr, object, lock.is_locked == PST_YES));
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* rlock_repr() */
pst_error *repr_add_rlock(struct repr *repr, const struct instance *object)
{
    struct lock_object lock = {0};
    TRY(lock_read_reentrant(repr->python, object->address, &lock));
    TRY(add_head(repr, object, lock.is_locked == PST_YES));
    text_printf(repr->text, " owner=%llu count=%llu", (unsigned long long)lock.owner, (unsigned long long)lock.level);
    repr_add_address(repr, object->address);
    text_add_char(repr->text, '>');
    return NULL;
}

/* ---- 2.7's RLock ----------------------------------------------------------------------------------------- */

/* threading._active[ident]; *thread is 0: there is none. */
static pst_error *find_thread(struct repr *repr, const struct instance *object, pst_addr ident, pst_addr *thread)
{
    const struct python *python = repr->python;
    pst_addr active;
    struct dict_reader reader;
    uint64_t used, wanted, found;
    *thread = 0;
    TRY(repr_get_global(repr, object, "_active", &active));
    if (!active)
        return NULL;
    TRY(object_get_int(python, ident, &wanted));
    TRY(dict_start_items(python, active, &reader, &used));
    for (uint64_t i = 0; i < used; i++) {
        pst_addr key, value;
        TRY(dict_next_item(&reader, &key, &value));
        TRY(object_get_int(python, key, &found));
        if (found == wanted) {
            *thread = value;
            return NULL;
        }
    }
    return NULL;
}

/* The name of the thread that owns it, or what it has as its owner. */
static pst_error *add_owner(struct repr *repr, const struct instance *object, pst_addr owner)
{
    enum value_kind kind;
    pst_addr thread = 0, name = 0;
    TRY(value_get_kind(repr->python, owner, &kind));
    if (kind == VALUE_INT || kind == VALUE_LONG)
        TRY(find_thread(repr, object, owner, &thread));
    if (thread) {
        struct instance instance = {.address = thread};
        TRY(type_of(repr->types, thread, &instance.type));
        TRY(repr_get_attribute(repr, &instance, "_Thread__name", &name));
    }
    return repr_add_object(repr, name ? name : owner);
}

/* _RLock.__repr__() */
pst_error *repr_add_rlock_2(struct repr *repr, const struct instance *object)
{
    pst_addr owner, count;
    uint64_t level;
    TRY(repr_get_attribute(repr, object, "_RLock__owner", &owner));
    TRY(repr_get_attribute(repr, object, "_RLock__count", &count));
    if (!owner || !count)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    text_add_string(repr->text, " owner=");
    TRY(add_owner(repr, object, owner));
    TRY(object_get_int(repr->python, count, &level));
    text_printf(repr->text, " count=%llu>", (unsigned long long)level);
    return NULL;
}

/* ---- Condition ------------------------------------------------------------------------------------------- */

/* len() of a deque or, to 3.2, of a list. */
pst_error *repr_add_condition(struct repr *repr, const struct instance *object)
{
    bool is_2 = python_is_2(repr->python);
    pst_addr lock, waiters;
    int64_t count;
    TRY(repr_get_attribute(repr, object, is_2 ? "_Condition__lock" : "_lock", &lock));
    TRY(repr_get_attribute(repr, object, is_2 ? "_Condition__waiters" : "_waiters", &waiters));
    if (!lock || !waiters)
        return repr_add_attributes(repr, object);
    TRY(field_signed(repr->python, waiters, F(PyVarObject_ob_size), &count));
    text_add_string(repr->text, "<Condition(");
    TRY(repr_add_object(repr, lock));
    text_printf(repr->text, ", %lld)>", (long long)count);
    return NULL;
}

/* ---- since 3.11 ------------------------------------------------------------------------------------------ */

/* "<threading.Event at 0x…: " */
static void begin(struct repr *repr, const struct instance *object)
{
    text_add_char(repr->text, '<');
    repr_add_type_name(repr, object->type);
    repr_add_address(repr, object->address);
    text_add_string(repr->text, ": ");
}

static pst_error *add_semaphore(struct repr *repr, const struct instance *object, const char *second)
{
    pst_addr value, initial = 0;
    TRY(repr_get_attribute(repr, object, "_value", &value));
    if (second)
        TRY(repr_get_attribute(repr, object, second, &initial));
    if (!value || (second && !initial))
        return repr_add_attributes(repr, object);
    begin(repr, object);
    text_add_string(repr->text, "value=");
    TRY(repr_add_str_of(repr, value));
    if (initial) {
        text_add_char(repr->text, '/');
        TRY(repr_add_str_of(repr, initial));
    }
    text_add_char(repr->text, '>');
    return NULL;
}

pst_error *repr_add_semaphore(struct repr *repr, const struct instance *object)
{
    return add_semaphore(repr, object, NULL);
}

pst_error *repr_add_bounded_semaphore(struct repr *repr, const struct instance *object)
{
    return add_semaphore(repr, object, "_initial_value");
}

pst_error *repr_add_event(struct repr *repr, const struct instance *object)
{
    pst_addr flag;
    bool is_set;
    TRY(repr_get_attribute(repr, object, "_flag", &flag));
    if (!flag)
        return repr_add_attributes(repr, object);
    TRY(repr_is_true(repr, flag, &is_set));
    begin(repr, object);
    text_add_string(repr->text, is_set ? "set>" : "unset>");
    return NULL;
}

pst_error *repr_add_barrier(struct repr *repr, const struct instance *object)
{
    enum { FILLING = 0, BROKEN = -2 };
    pst_addr state_object, count, parties;
    uint64_t state;
    TRY(repr_get_attribute(repr, object, "_state", &state_object));
    TRY(repr_get_attribute(repr, object, "_count", &count));
    TRY(repr_get_attribute(repr, object, "_parties", &parties));
    if (!state_object || !count || !parties)
        return repr_add_attributes(repr, object);
    TRY(object_get_int(repr->python, state_object, &state));
    begin(repr, object);
    if ((int64_t)state == BROKEN) {
        text_add_string(repr->text, "broken>");
        return NULL;
    }
    text_add_string(repr->text, "waiters=");
    if (state == FILLING)
        TRY(repr_add_str_of(repr, count));
    else
        text_add_char(repr->text, '0');
    text_add_char(repr->text, '/');
    TRY(repr_add_str_of(repr, parties));
    text_add_char(repr->text, '>');
    return NULL;
}
