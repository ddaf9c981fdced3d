/*
 * Lock objects, and which one a futex belongs to. Modules/_threadmodule.c (2.7: threadmodule.c),
 * Python/thread_pthread.h, from 3.13 on Python/lock.c and parking_lot.c; Modules/_multiprocessing/semaphore.c.
 */
#ifndef PYSTANDER_PYTHON_LOCK_OBJECT_H
#define PYSTANDER_PYTHON_LOCK_OBJECT_H

#include "python/type.h"

enum lock_type {
    LOCK_TYPE_NONE,       /* the object is no lock */
    LOCK_TYPE_PLAIN,      /* threading.Lock */
    LOCK_TYPE_REENTRANT,  /* threading.RLock */
    LOCK_TYPE_SEMAPHORE, /* multiprocessing's: who holds it stands nowhere */
};

struct lock_object {
    enum lock_type type;
    pst_addr address;
    pst_maybe is_locked;
    uint64_t owner;      /* of LOCK_TYPE_REENTRANT: the ident of the thread that holds it; 0: none does */
    uint64_t level;      /* how often it holds it */
    pst_addr semaphore;  /* the sem_t that threads wait on; 0: there is none, but: */
    pst_addr parked_at;  /* 3.13+: the address that they are parked at */
};

/* What the object is; *lock has type LOCK_TYPE_NONE if it is no lock. */
MUST_USE pst_error *lock_read(struct types *types, pst_addr object, struct lock_object *lock);
/* One of that type, or of a class derived from it: what an empty *lock does not have yet. */
MUST_USE pst_error *lock_read_plain(const struct python *python, pst_addr object, struct lock_object *lock);
MUST_USE pst_error *lock_read_reentrant(const struct python *python, pst_addr object, struct lock_object *lock);
/* Where threads wait for it: a semaphore, or what they are parked at; 0: not known. */
pst_addr lock_get_place(const struct lock_object *lock);
/* Whether a thread that waits at this futex waits for the lock. */
bool lock_has_futex(const struct python *python, const struct lock_object *lock, pst_addr futex);
/* What a thread is parked at that waits at this futex, 3.13+; 0: it can't be told, or it is not parked. */
pst_addr futex_find_parked(const struct python *python, pst_addr futex);

#endif
