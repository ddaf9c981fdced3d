/*
 * What a thread waits for, by the builtin function that its innermost frame calls: it stands on the frame's value
 * stack, with its arguments.
 */
#include "python/attribute.h"
#include "python/c_name.h"
#include "python/call_site.h"
#include "python/dict.h"
#include "python/object.h"
#include "python/string.h"
#include "python/waiting.h"

#include <string.h>

enum { MAX_NAME = 64 };     /* of a builtin function */

/* The builtin that the innermost frame calls. */
struct callee {
    char name[MAX_NAME];    /* its name; empty: it is no builtin, or not known */
    pst_addr self;          /* what it is a method of, or its module; 0: not known */
    pst_addr module;        /* of a function: the name of its module; 0: not known, or it is a method */
};

/* ---- the callee ------------------------------------------------------------------------------------------ */

static void set_name(struct callee *callee, pst_text name)
{
    if (name.size >= MAX_NAME)
        return;
    memcpy(callee->name, name.data, name.size);
    callee->name[name.size] = '\0';
}

static pst_error *read_builtin(struct waits *waits, pst_addr function, struct callee *callee)
{
    pst_text name;
    TRY(field_address(waits->python, function, F(PyCFunctionObject_m_self), &callee->self));
    TRY(field_address(waits->python, function, F(PyCFunctionObject_m_module), &callee->module));
    TRY(builtin_read_name(waits->python, &waits->details->scratch, function, &name));
    set_name(callee, name);
    return NULL;
}

/* A method that was looked up in the type; the object stands beside it. */
static pst_error *read_descriptor(struct waits *waits, const struct call_site *site, struct callee *callee)
{
    pst_addr object;
    pst_text name;
    TRY(field_address(waits->python, site->callee, F(PyDescrObject_d_name), &object));
    TRY(string_read(waits->python, &waits->details->scratch, object, &name));
    callee->self = site->self;
    set_name(callee, name);
    return NULL;
}

/* "for item in iter(queue.get, None)" calls that at each turn. */
static pst_error *unwrap_iterator(struct waits *waits, struct call_site *site)
{
    struct type *type;
    if (site->kind != CALL_ITERATE || !site->self)
        return NULL;
    /* Of most iterators no module has the type: where its name can't be read, it is one of them. */
    pst_error *error = type_of(&waits->details->types, site->self, &type);
    pst_error_free(error);
    if (error || (!text_is(type->name, "callable_iterator") && !text_is(type->name, "callable-iterator")))
        return NULL;
    TRY(field_address(waits->python, site->self, F(calliterobject_it_callable), &site->callee));
    site->self = 0;
    return NULL;
}

static pst_error *read_callee(struct waits *waits, struct call_site *site, struct callee *callee)
{
    struct type *type;
    *callee = (struct callee){0};
    TRY(unwrap_iterator(waits, site));
    if (site->callee) {
        TRY(type_of(&waits->details->types, site->callee, &type));
        if (text_is(type->name, "builtin_function_or_method") || text_is(type->name, "builtin_method"))
            TRY(read_builtin(waits, site->callee, callee));
        else if (text_is(type->name, "method_descriptor"))
            TRY(read_descriptor(waits, site, callee));
    }
    if (site->kind == CALL_ENTER) {
        memcpy(callee->name, "__enter__", sizeof "__enter__");
        if (site->self)
            callee->self = site->self;
    }
    return NULL;
}

/* That of callee(*star). */
static pst_error *find_in_star(struct waits *waits, pst_addr star, size_t position, pst_addr *argument)
{
    int64_t count;
    pst_addr items;
    TRY(field_signed(waits->python, star, F(PyVarObject_ob_size), &count));
    TRY(field_place(waits->python, star, F(PyTupleObject_ob_item), &items));
    return count > 0 && position < (uint64_t)count ? pointer_at(waits->python, items, position, argument) : NULL;
}

/* The argument of this name, or at this place among the positional ones; 0: it was not given. */
static pst_error *find_argument(struct waits *waits, const struct call_site *site, size_t position, const char *name,
                                pst_addr *argument)
{
    *argument = 0;
    for (size_t i = 0; i < site->argument_count && i < CALL_SITE_MAX_ARGUMENTS; i++) {
        const struct call_argument *given = &site->arguments[i];
        bool is_it = !given->name && i == position;
        if (given->name)
            TRY(string_equals(waits->python, given->name, name, &is_it));
        if (is_it)
            *argument = given->value;
    }
    if (!*argument && site->star && position >= site->argument_count)
        TRY(find_in_star(waits, site->star, position - site->argument_count, argument));
    if (!*argument && site->double_star)
        TRY(dict_get(waits->python, site->double_star, name, NULL, argument));
    return NULL;
}

/* ---- what the callee waits for --------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static pst_error *wait_for_lock_of(struct waits *waits, struct waiting *waiting, const struct call_site *site)
{
    pst_addr timeout;
    TRY(waiting_be_at_lock(waits, waiting));
    TRY(find_argument(waits, site, 1, "timeout", &timeout));
    return waiting_set_timeout(waits, waiting, timeout, 1);
}

static pst_error *wait_for_simple_queue(struct waits *waits, struct waiting *waiting, const struct call_site *site,
                                        pst_addr queue)
{
    pst_addr timeout;
    waiting_be(waiting, PST_WAIT_QUEUE, queue);
    text_add_string(&waits->details->text, "SimpleQueue.get() of the ");
    waiting_add_object(waits->details, "SimpleQueue", queue);
    text_add_string(&waits->details->text, ", which is empty");
    TRY(waiting_say(waits, waiting));
    TRY(find_argument(waits, site, 1, "timeout", &timeout));
    return waiting_set_timeout(waits, waiting, timeout, 1);
}

/* 3.13+ */
static pst_error *wait_for_handle(struct waits *waits, struct waiting *waiting, const struct call_site *site,
                                  pst_addr object)
{
    pst_addr handle, timeout;
    waiting_be(waiting, PST_WAIT_THREAD, 0);
    TRY(field_address(waits->python, object, F(PyThreadHandleObject_handle), &handle));
    TRY(field_unsigned(waits->python, handle, F(ThreadHandle_ident), &waiting->owner_ident));
    waiting->owner = OWNER_UNKNOWN;
    waiting->before_owner = " of ";
    text_add_string(&waits->details->text, "Thread.join()");
    TRY(waiting_say(waits, waiting));
    TRY(find_argument(waits, site, 0, "timeout", &timeout));
    return waiting_set_timeout(waits, waiting, timeout, 1);
}

static pst_error *sleep_for(struct waits *waits, struct waiting *waiting, const struct call_site *site)
{
    const struct repr_bounds bounds = {.depth = 1, .items = 1, .chars = MAX_NAME}; /* it is a number */
    pst_addr seconds;
    struct repr repr;
    waiting_be(waiting, PST_WAIT_SLEEP, 0);
    waiting->sleeps = true;
    TRY(find_argument(waits, site, 0, "seconds", &seconds));
    text_add_string(&waits->details->text, "time.sleep(");
    repr_start(&repr, &waits->details->types, &waits->details->scratch, bounds, &waits->details->text);
    pst_error *error = seconds ? repr_add_object(&repr, seconds) : NULL;
    text_add_char(&waits->details->text, ')');
    TRY(error ? error : repr.error);
    TRY(waiting_say(waits, waiting));
    return waiting_set_timeout(waits, waiting, seconds, 1);
}

/* select.select() and the poll() of its objects: what they look at, the system call says. */
static pst_error *poll_for(struct waits *waits, struct waiting *waiting, const struct call_site *site,
                           const char *name, const struct type *self)
{
    pst_addr timeout;
    bool is_select = strcmp(name, "select") == 0, is_epoll = text_is(self->name, "epoll");
    enum { SELECT_TIMEOUT_AT = 3, MS = 1000 };
    waiting_be(waiting, PST_WAIT_POLL, 0);
    TRY(find_argument(waits, site, is_select ? SELECT_TIMEOUT_AT : 0, "timeout", &timeout));
    return waiting_set_timeout(waits, waiting, timeout, is_select || is_epoll ? 1 : 1.0 / MS);
}

/* Whether the end of this thread is waited for by way of a lock (to 3.12) or of an event in its handle. */
static pst_error *has_end_at(struct waits *waits, const struct pst_thread *thread, pst_addr lock, pst_addr parked,
                             bool *found)
{
    pst_addr value, handle, event;
    if (!has(waits->python, F(PyThreadHandleObject_handle))) {
        TRY(attribute_get(waits->python, thread->object, "_tstate_lock", NULL, &value));
        *found = lock && value == lock;
        return NULL;
    }
    TRY(waits_get_attribute(waits, thread->object, "_os_thread_handle", "_handle", &value));
    if (!value)
        return NULL;
    TRY(field_address(waits->python, value, F(PyThreadHandleObject_handle), &handle));
    TRY(field_place(waits->python, handle, F(ThreadHandle_thread_is_exiting), &event));
    *found = parked && parked == event;
    return NULL;
}

/* threading._shutdown() waits for one after the other of the threads that are no daemons. */
pst_error *waiting_be_at_exit(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    const struct pst_snapshot *snapshot = waits->details->walk->snapshot;
    pst_addr parked = futex_find_parked(waits->python, futex), lock = waiting->lock.address;
    waiting_be(waiting, PST_WAIT_THREAD, 0);
    waiting->lock = (struct lock_object){0};
    waiting->before_owner = "";
    waiting->behind_owner = " to end, as Python exits";
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        bool found = false;
        if (snapshot->threads[i].object)
            TRY(has_end_at(waits, &snapshot->threads[i], lock, parked, &found));
        if (!found)
            continue;
        waiting->wait.address = snapshot->threads[i].object;
        waiting->owner = OWNER_THREAD;
        waiting->owner_index = i;
        return waiting_say(waits, waiting);
    }
    waiting->owner = OWNER_NONE;
    text_add_string(&waits->details->text, "another thread to end, as Python exits");
    return waiting_say(waits, waiting);
}

/* "recv" of "recv_into", "accept" of "_accept"; NULL: no method of sockets is called so. */
static const char *find_socket_call(const char *name)
{
    static const char *const calls[] = {"recv", "send", "accept", "connect"};
    name += name[0] == '_';
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strncmp(name, calls[i], strlen(calls[i])) == 0)
            return calls[i];
    return NULL;
}

/* A socket with a timeout is not blocking: its methods poll() first. */
static pst_error *wait_for_socket(struct waits *waits, struct waiting *waiting, const struct callee *callee)
{
    const struct python *python = waits->python;
    int64_t timeout;
    double seconds;
    if (!has(python, F(PySocketSockObject_sock_fd)))
        return NULL;
    waiting->socket_call = find_socket_call(callee->name);
    TRY(field_int(python, callee->self, F(PySocketSockObject_sock_fd), &waiting->socket_fd));
    TRY(field_signed(python, callee->self, F(PySocketSockObject_sock_timeout), &timeout));
    waiting_be(waiting, PST_WAIT_SOCKET, callee->self);
    if (python_is_2(python))
        memcpy(&seconds, &timeout, sizeof seconds);
    else
        seconds = (double)timeout / 1e9;
    waiting->wait.has_timeout = seconds > 0;
    waiting->wait.timeout = seconds > 0 ? seconds : 0;
    text_printf(&waits->details->text, "%s of descriptor %d", waiting->socket_call, waiting->socket_fd);
    return waiting_say(waits, waiting);
}

static pst_error *is_function(const struct python *python, const struct callee *callee, const char *module,
                              const char *name, bool *is_it)
{
    *is_it = callee->module && strcmp(callee->name, name) == 0;
    return *is_it ? string_equals(python, callee->module, module, is_it) : NULL;
}

/* Of print(), the file that it prints to; of a method, what it is a method of. */
static pst_error *find_file(struct waits *waits, const struct waiting *waiting, const struct call_site *site,
                            const struct callee *callee, pst_addr *file)
{
    static const char *const methods[] = {"write",    "writelines", "flush",    "close", "read",     "read1",
                                          "readinto", "readline",   "readlines", "seek", "truncate", NULL};
    enum { NO_POSITION = 1 << 20 };
    bool is_print;
    TRY(is_function(waits->python, callee, "builtins", "print", &is_print));
    *file = is_one_of(callee->name, methods) ? callee->self : 0;
    if (!is_print)
        return NULL;
    TRY(find_argument(waits, site, NO_POSITION, "file", file));
    return *file ? NULL : waiting_find_stdout(waits, waiting, file);
}

static pst_error *judge_callee(struct waits *waits, struct waiting *waiting, const struct call_site *site,
                               const struct callee *callee, pst_addr futex)
{
    static const char *const acquiring[] = {"acquire", "__enter__", "acquire_lock", "_acquire_restore", NULL};
    static const char *const polling[] = {"select", "poll", NULL};
    struct type *self, *socket;
    pst_addr file;
    bool is_get = strcmp(callee->name, "get") == 0, is_join = strcmp(callee->name, "join") == 0, is_it;
    TRY(is_function(waits->python, callee, "time", "sleep", &is_it));
    if (is_it)
        return sleep_for(waits, waiting, site);
    TRY(is_function(waits->python, callee, "_thread", "_shutdown", &is_it));
    if (is_it)
        return waiting_be_at_exit(waits, waiting, futex);
    if (!callee->name[0] || !callee->self)
        return NULL;
    if (is_one_of(callee->name, acquiring)) {
        TRY(lock_read(&waits->details->types, callee->self, &waiting->lock));
        return waiting->lock.type ? wait_for_lock_of(waits, waiting, site) : NULL;
    }
    if (futex) {
        TRY(find_file(waits, waiting, site, callee, &file));
        if (file)
            return waiting_be_at_buffered(waits, waiting, file, futex);
    }
    if (!is_get && !is_join && !is_one_of(callee->name, polling) && !find_socket_call(callee->name))
        return NULL;
    TRY(type_of(&waits->details->types, callee->self, &self));
    if (is_one_of(callee->name, polling))
        return poll_for(waits, waiting, site, callee->name, self);
    if (is_get && type_is(self, "_queue", "SimpleQueue"))
        return wait_for_simple_queue(waits, waiting, site, callee->self);
    if (is_join && type_is(self, "_thread", "_ThreadHandle"))
        return wait_for_handle(waits, waiting, site, callee->self);
    if (is_get || is_join)
        return NULL;
    TRY(type_find_base(&waits->details->types, self, "_socket", "socket", &socket));
    return socket ? wait_for_socket(waits, waiting, callee) : NULL;
}

pst_error *waiting_find_in_call(struct waits *waits, struct waiting *waiting, pst_addr futex)
{
    struct pst_frame *frame = waiting->thread->frames;
    struct call_site site = {0};
    struct callee callee;
    TRY(call_site_find(waits->python, &waits->details->walk->snapshot->arena, frame->code, frame->address, frame->lasti,
                       &site));
    TRY(read_callee(waits, &site, &callee));
    return judge_callee(waits, waiting, &site, &callee, futex);
}
