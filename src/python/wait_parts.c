/* What the readers of frames and system calls share. */
#include "python/attribute.h"
#include "python/object.h"
#include "python/string.h"
#include "python/waiting.h"

/* Or of a class derived from it. */
static pst_error *is_float(struct types *types, const struct type *type, bool *result)
{
    const pst_addr *bases;
    size_t count;
    TRY(type_read_mro(types, type, &bases, &count));
    *result = false;
    for (size_t i = 0; i < count && !*result; i++) {
        struct type *base;
        TRY(type_get(types, bases[i], &base));
        *result = text_is(base->name, "float") && !base->is_heap;
    }
    return NULL;
}

pst_error *number_read(struct details *details, pst_addr object, double *number, bool *is_number)
{
    struct type *type;
    struct value value;
    *is_number = false;
    if (!object)
        return NULL;
    TRY(type_of(&details->types, object, &type));
    if (type->flags & (TPFLAGS_LONG_SUBCLASS | (python_is_2(details->walk->python) ? TPFLAGS_INT_SUBCLASS : 0))) {
        uint64_t integer;
        TRY(object_get_int(details->walk->python, object, &integer));
        *number = (double)(int64_t)integer;
        *is_number = true;
        return NULL;
    }
    TRY(is_float(&details->types, type, is_number));
    if (*is_number) {
        TRY(value_read_as(details->walk->python, &details->scratch, object, VALUE_FLOAT, &value));
        *number = value.real;
    }
    return NULL;
}

void number_add(double number, struct text *text)
{
    if (number == (double)(int64_t)number)
        text_add_signed(text, (int64_t)number);
    else
        repr_add_double(number, text);
}

static pst_error *is_none(struct waits *waits, pst_addr object, bool *result)
{
    struct type *type;
    TRY(type_of(&waits->details->types, object, &type));
    *result = text_is(type->name, "NoneType") && !type->is_heap;
    return NULL;
}

/* What is neither None nor one of these may have a method that makes a number of it. */
pst_error *waiting_set_timeout(struct waits *waits, struct waiting *waiting, pst_addr object, double unit)
{
    double number = 0;
    bool is_number, none;
    if (!object)
        return NULL;
    waiting->has_unknown_timeout = true;
    TRY(is_none(waits, object, &none));
    TRY(number_read(waits->details, object, &number, &is_number));
    waiting->has_unknown_timeout = !none && !is_number;
    if (is_number && number >= 0) {
        waiting->wait.has_timeout = true;
        waiting->wait.timeout = number * unit;
    }
    return NULL;
}

pst_error *waits_get_attribute(struct waits *waits, pst_addr object, const char *name, const char *other,
                                pst_addr *value)
{
    TRY(attribute_get(waits->python, object, name, NULL, value));
    return *value || !other ? NULL : attribute_get(waits->python, object, other, NULL, value);
}

pst_error *waits_get_number(struct waits *waits, pst_addr object, const char *name, const char *other, double *number,
                             bool *is_number)
{
    pst_addr value;
    TRY(waits_get_attribute(waits, object, name, other, &value));
    return number_read(waits->details, value, number, is_number);
}

void waiting_be(struct waiting *waiting, pst_wait_kind kind, pst_addr address)
{
    waiting->is_waiting = true;
    waiting->wait.kind = kind;
    waiting->wait.address = address;
}

static pst_error *say_lock(struct waits *waits, struct waiting *waiting)
{
    static const char *const names[] = {
        [LOCK_TYPE_PLAIN] = "Lock",
        [LOCK_TYPE_REENTRANT] = "RLock",
        [LOCK_TYPE_SEMAPHORE] = "multiprocessing lock",
    };
    waiting_add_object(waits->details, names[waiting->lock.type], waiting->lock.address);
    return waiting_say(waits, waiting);
}

pst_error *waiting_be_at_lock(struct waits *waits, struct waiting *waiting)
{
    const struct lock_object *lock = &waiting->lock;
    waiting_be(waiting, lock->type == LOCK_TYPE_REENTRANT ? PST_WAIT_RLOCK : PST_WAIT_LOCK, lock->address);
    waiting->owner_ident = lock->owner;
    waiting->owner = lock->is_locked == PST_NO ? OWNER_NONE : OWNER_UNKNOWN;
    waiting->before_owner = ", held by ";
    return say_lock(waits, waiting);
}

pst_error *waiting_say(struct waits *waits, struct waiting *waiting)
{
    waiting->is_waiting = true;
    pst_error *error = details_copy_text(waits->details, &waiting->what);
    waits->details->text.size = 0;
    return error;
}

void waiting_add_object(struct details *details, const char *name, pst_addr address)
{
    text_add_string(&details->text, name);
    text_add_string(&details->text, " at ");
    text_add_hex(&details->text, address);
}
