#include "python/lock_object.h"

#include "python/object.h"
#include "python/string.h"

enum {
    MUTEX_LOCKED = 1,                     /* PyMutex._bits (Include/cpython/lock_object.h) */
};

static const struct {
    const char *name;
    enum lock_type type;
} lock_types[] = {
    {"lock", LOCK_TYPE_PLAIN},
    {"RLock", LOCK_TYPE_REENTRANT},
    {"SemLock", LOCK_TYPE_SEMAPHORE},
};

static bool is_module_of_locks(pst_text module)
{
    return text_is(module, "_thread") || text_is(module, "thread") || text_is(module, "_multiprocessing") ||
           text_is(module, "multiprocessing");
}

/* Classes written in Python can't be derived from these. */
static enum lock_type type_from(const struct type *type)
{
    for (size_t i = 0; i < sizeof lock_types / sizeof *lock_types; i++)
        if (text_is(type->name, lock_types[i].name) && is_module_of_locks(type->module))
            return lock_types[i].type;
    return LOCK_TYPE_NONE;
}

static pst_error *read_mutex(const struct python *python, pst_addr mutex, struct lock_object *lock)
{
    uint64_t bits;
    TRY(field_unsigned(python, mutex, F(PyMutex__bits), &bits));
    lock->is_locked = bits & MUTEX_LOCKED;
    lock->parked_at = mutex;
    return NULL;
}

pst_error *lock_read_plain(const struct python *python, pst_addr object, struct lock_object *lock)
{
    if (has(python, F(lockobject_lock))) {
        pst_addr mutex;
        TRY(field_place(python, object, F(lockobject_lock), &mutex));
        return read_mutex(python, mutex, lock);
    }
    TRY(field_address(python, object, F(lockobject_lock_lock), &lock->semaphore));
    if (!has(python, F(lockobject_locked)))
        return NULL; /* 2.7: only the semaphore knows */
    uint64_t locked;
    TRY(field_unsigned(python, object, F(lockobject_locked), &locked));
    lock->is_locked = locked ? PST_YES : PST_NO;
    return NULL;
}

pst_error *lock_read_reentrant(const struct python *python, pst_addr object, struct lock_object *lock)
{
    if (has(python, F(rlockobject_lock))) {
        pst_addr own, mutex;
        TRY(field_place(python, object, F(rlockobject_lock), &own));
        TRY(field_unsigned(python, own, F(_PyRecursiveMutex_thread), &lock->owner));
        TRY(field_unsigned(python, own, F(_PyRecursiveMutex_level), &lock->level));
        lock->level++; /* it counts from 0 on */
        TRY(field_place(python, own, F(_PyRecursiveMutex_mutex), &mutex));
        TRY(read_mutex(python, mutex, lock));
    } else {
        TRY(field_address(python, object, F(rlockobject_rlock_lock), &lock->semaphore));
        TRY(field_unsigned(python, object, F(rlockobject_rlock_owner), &lock->owner));
        TRY(field_unsigned(python, object, F(rlockobject_rlock_count), &lock->level));
        lock->is_locked = lock->level ? PST_YES : PST_NO;
    }
    if (lock->is_locked != PST_YES)
        lock->owner = lock->level = 0;
    return NULL;
}

pst_error *lock_read(struct types *types, pst_addr object, struct lock_object *lock)
{
    struct type *type;
    TRY(type_of(types, object, &type));
    *lock = (struct lock_object){.type = type_from(type), .address = object, .is_locked = PST_UNKNOWN};
    switch (lock->type) {
    case LOCK_TYPE_PLAIN: return lock_read_plain(types->python, object, lock);
    case LOCK_TYPE_REENTRANT: return lock_read_reentrant(types->python, object, lock);
    case LOCK_TYPE_SEMAPHORE:
    case LOCK_TYPE_NONE: break;
    }
    return NULL;
}

/* The semaphore of a parked thread is a part of what stands on its stack for it (struct wait_entry). */
pst_addr futex_find_parked(const struct python *python, pst_addr futex)
{
    pst_addr offset, parked = 0;
    if (!futex || !has(python, F(wait_entry_addr)))
        return 0;
    pst_error *error = field_place(python, 0, F(wait_entry_sema), &offset);
    if (!error)
        error = field_address(python, futex - offset, F(wait_entry_addr), &parked);
    pst_error_free(error);
    return error ? 0 : parked;
}

pst_addr lock_get_place(const struct lock_object *lock)
{
    return lock->semaphore ? lock->semaphore : lock->parked_at;
}

/* One waits at the first word of a sem_t: of glibc the low half of sem->data.data (sysdeps/nptl/internaltypes.h, struct
 * new_sem), of musl sem->__val[0]. The next one may begin 32 bytes further on. */
bool lock_has_futex(const struct python *python, const struct lock_object *lock, pst_addr futex)
{
    if (lock->semaphore)
        return futex == lock->semaphore;
    return lock->parked_at && futex_find_parked(python, futex) == lock->parked_at;
}
