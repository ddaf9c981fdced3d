/* threading.Thread, _thread._ThreadHandle and concurrent.futures.Future. Lib/threading.py, Modules/_threadmodule.c,
 * Lib/concurrent/futures/_base.py. */
#include "python/repr.h"

#include "python/lock_object.h"
#include "python/object.h"
#include "python/string.h"

/* ---- handles, 3.13+ -------------------------------------------------------------------------------------- */

/* PyThreadHandleObject_repr(): "%llx" of the ident. */
pst_error *repr_add_thread_handle(struct repr *repr, const struct instance *object)
{
    pst_addr handle;
    uint64_t ident;
    TRY(field_address(repr->python, object->address, F(PyThreadHandleObject_handle), &handle));
    TRY(field_unsigned(repr->python, handle, F(ThreadHandle_ident), &ident));
    text_add_char(repr->text, '<');
    TRY(repr_add_tp_name(repr, object));
    text_printf(repr->text, " object: ident=%llu>", (unsigned long long)ident);
    return NULL;
}

/* PyThreadHandleObject_is_done() */
static pst_error *is_done(const struct python *python, pst_addr object, bool *yes)
{
    pst_addr handle;
    uint64_t is_exiting;
    TRY(field_address(python, object, F(PyThreadHandleObject_handle), &handle));
    TRY(field_unsigned(python, handle, F(ThreadHandle_thread_is_exiting), &is_exiting));
    *yes = is_exiting & 1;
    return NULL;
}

/* ---- threads --------------------------------------------------------------------------------------------- */

/* What a thread has. */
struct thread_parts {
    pst_addr name, ident;
    bool is_started, is_stopped, is_daemon;
};

static pst_error *get_flag(struct repr *repr, const struct instance *object, const char *name, bool *yes, bool *there)
{
    pst_addr value;
    TRY(repr_get_attribute(repr, object, name, &value));
    *yes = false;
    *there &= value != 0;
    return value ? repr_is_true(repr, value, yes) : NULL;
}

/* Event.is_set() */
static pst_error *is_set(struct repr *repr, pst_addr event, bool *yes, bool *there)
{
    struct instance instance = {.address = event};
    TRY(type_of(repr->types, event, &instance.type));
    return get_flag(repr, &instance, python_is_2(repr->python) ? "_Event__flag" : "_flag", yes, there);
}

/* is_alive(), 3.4 to 3.12, which __repr__ calls: a thread has ended when what its end unlocks is unlocked, though
 * nobody may have said so yet. That of a _DummyThread does not look; that of somebody else's class, who knows. */
static pst_error *has_ended(struct repr *repr, const struct instance *object, bool *yes, bool *is_known)
{
    struct lock_object lock = {0};
    struct type *dummy, *kind;
    pst_addr end;
    TRY(repr_has_method_of(repr, object->type, "is_alive", "threading", is_known));
    TRY(type_find_base(repr->types, object->type, "threading", "_DummyThread", &dummy));
    TRY(repr_get_attribute(repr, object, "_tstate_lock", &end));
    if (dummy || !end)
        return NULL;
    TRY(type_of(repr->types, end, &kind));
    if (!text_is(kind->name, "lock"))
        return NULL;
    TRY(lock_read_plain(repr->python, end, &lock));
    *yes = lock.is_locked == PST_NO;
    return NULL;
}

static pst_error *find_end(struct repr *repr, const struct instance *object, struct thread_parts *parts, bool *there)
{
    int version = python_minor_version(repr->python);
    pst_addr handle;
    if (version < 313) {
        TRY(get_flag(repr, object, version < 300 ? "_Thread__stopped" : "_is_stopped", &parts->is_stopped, there));
        if (version >= 300 && parts->is_started && !parts->is_stopped)
            return has_ended(repr, object, &parts->is_stopped, there);
        return NULL;
    }
    TRY(repr_get_attribute(repr, object, version < 314 ? "_handle" : "_os_thread_handle", &handle));
    *there &= handle != 0;
    return handle ? is_done(repr->python, handle, &parts->is_stopped) : NULL;
}

/* *there is false: it is not initialized. */
static pst_error *read_thread(struct repr *repr, const struct instance *object, struct thread_parts *parts, bool *there)
{
    bool is_2 = python_is_2(repr->python), is_initialized;
    pst_addr started;
    *there = true;
    TRY(repr_get_attribute(repr, object, is_2 ? "_Thread__name" : "_name", &parts->name));
    TRY(repr_get_attribute(repr, object, is_2 ? "_Thread__ident" : "_ident", &parts->ident));
    TRY(repr_get_attribute(repr, object, is_2 ? "_Thread__started" : "_started", &started));
    TRY(get_flag(repr, object, is_2 ? "_Thread__initialized" : "_initialized", &is_initialized, there));
    TRY(get_flag(repr, object, is_2 ? "_Thread__daemonic" : "_daemonic", &parts->is_daemon, there));
    *there &= parts->name && parts->ident && started && is_initialized;
    if (!*there)
        return NULL;
    TRY(is_set(repr, started, &parts->is_started, there));
    return find_end(repr, object, parts, there);
}

/* Thread.__repr__(): "<Thread(Thread-1, started daemon 1234)>" */
pst_error *repr_add_thread(struct repr *repr, const struct instance *object)
{
    struct thread_parts parts = {0};
    enum value_kind kind;
    uint64_t ident;
    bool there;
    TRY(read_thread(repr, object, &parts, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, '(');
    TRY(repr_add_str_of(repr, parts.name));
    text_add_string(repr->text, parts.is_stopped ? ", stopped" : parts.is_started ? ", started" : ", initial");
    text_add_string(repr->text, parts.is_daemon ? " daemon" : "");
    TRY(value_get_kind(repr->python, parts.ident, &kind));
    if (kind != VALUE_NONE) {
        TRY(object_get_int(repr->python, parts.ident, &ident));
        text_printf(repr->text, " %llu", (unsigned long long)ident);
    }
    text_add_string(repr->text, ")>");
    return NULL;
}

/* ---- futures --------------------------------------------------------------------------------------------- */

static const struct {
    const char *state, *description;
} states[] = {
    {"PENDING", "pending"},       {"RUNNING", "running"},
    {"CANCELLED", "cancelled"},   {"CANCELLED_AND_NOTIFIED", "cancelled"},
    {"FINISHED", "finished"},
};

static pst_error *describe_state(struct repr *repr, pst_addr state, const char **description)
{
    *description = NULL;
    for (size_t i = 0; i < sizeof states / sizeof *states && !*description; i++) {
        bool equal;
        TRY(string_equals(repr->python, state, states[i].state, &equal));
        if (equal)
            *description = states[i].description;
    }
    return NULL;
}

/* "raised ValueError", "returned int" */
static pst_error *add_result(struct repr *repr, pst_addr exception, pst_addr result)
{
    bool has_raised;
    struct type *type;
    TRY(repr_is_true(repr, exception, &has_raised));
    TRY(type_of(repr->types, has_raised ? exception : result, &type));
    text_add_string(repr->text, has_raised ? " raised " : " returned ");
    repr_add_text(repr, type->name);
    return NULL;
}

/* Future.__repr__() of concurrent.futures */
pst_error *repr_add_future(struct repr *repr, const struct instance *object)
{
    pst_addr state, exception, result;
    const char *description = NULL;
    TRY(repr_get_attribute(repr, object, "_state", &state));
    TRY(repr_get_attribute(repr, object, "_exception", &exception));
    TRY(repr_get_attribute(repr, object, "_result", &result));
    if (state && exception && result)
        TRY(describe_state(repr, state, &description));
    if (!description)
        return repr_add_attributes(repr, object);
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    repr_add_address(repr, object->address);
    text_printf(repr->text, " state=%s", description);
    if (strcmp(description, "finished") == 0)
        TRY(add_result(repr, exception, result));
    text_add_char(repr->text, '>');
    return NULL;
}
