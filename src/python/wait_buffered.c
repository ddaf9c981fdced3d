/*
 * The lock of a buffered file, which whoever reads or writes it takes: it records its owner. If one thread's write() to
 * a full pipe does not end, all others that print wait here. Modules/_io/bufferedio.c, _enter_buffered_busy().
 */
#include "python/dict.h"
#include "python/object.h"
#include "python/waiting.h"

/* The BufferedReader, BufferedWriter or BufferedRandom below a file; *buffered is 0: there is none. */
static pst_error *find_buffered(struct waits *waits, pst_addr file, pst_addr *buffered)
{
    struct types *types = &waits->details->types;
    struct type *type, *base;
    static const char *const classes[] = {"BufferedWriter", "BufferedReader", "BufferedRandom"};
    *buffered = 0;
    TRY(type_of(types, file, &type));
    TRY(type_find_base(types, type, "_io", "TextIOWrapper", &base));
    if (base && has(waits->python, F(textio_buffer))) {
        TRY(field_address(waits->python, file, F(textio_buffer), &file));
        if (!file)
            return NULL;
        TRY(type_of(types, file, &type));
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes && !*buffered; i++) {
        TRY(type_find_base(types, type, "_io", classes[i], &base));
        *buffered = base ? file : 0;
    }
    return NULL;
}

pst_error *waiting_find_stdout(struct waits *waits, const struct waiting *waiting, pst_addr *file)
{
    const struct pst_interpreter *interpreter = waiting_get_interpreter(waits, waiting);
    pst_addr sysdict;
    *file = 0;
    if (!interpreter)
        return NULL;
    TRY(field_address(waits->python, interpreter->address, F(PyInterpreterState_sysdict), &sysdict));
    return dict_get(waits->python, sysdict, "stdout", NULL, file);
}

pst_error *waiting_be_at_buffered(struct waits *waits, struct waiting *waiting, pst_addr file, pst_addr futex)
{
    pst_addr buffered = 0, lock, owner;
    struct type *type;
    if (has(waits->python, F(buffered_lock)))
        TRY(find_buffered(waits, file, &buffered));
    if (!buffered)
        return NULL;
    TRY(field_address(waits->python, buffered, F(buffered_lock), &lock));
    TRY(field_unsigned(waits->python, buffered, F(buffered_owner), &owner));
    if (!lock || (futex != lock && futex_find_parked(waits->python, futex) != lock))
        return NULL;
    TRY(type_of(&waits->details->types, buffered, &type));
    waiting_be(waiting, PST_WAIT_LOCK, buffered);
    waiting->owner_ident = owner;
    waiting->owner = OWNER_UNKNOWN;
    waiting->before_owner = ", held by ";
    text_add_string(&waits->details->text, "the lock of the ");
    text_add(&waits->details->text, type->name.data, type->name.size);
    text_add_string(&waits->details->text, " at ");
    text_add_hex(&waits->details->text, buffered);
    return waiting_say(waits, waiting);
}
