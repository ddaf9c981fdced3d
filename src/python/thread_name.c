/*
 * threading.Thread.name: threading._active maps an ident to its Thread, whose _name is the name
 * (Lib/threading.py). Threads that threading does not know have none.
 */
#include "python/attribute.h"
#include "python/object.h"
#include "python/walk.h"
#include "python/string.h"

#include <stdlib.h>

/* threading._active of an interpreter. Both 0: threading was not imported there. */
struct active_threads {
    struct active_threads *next;
    pst_addr interpreter, dict;
};

/* An entry of threading._active. */
struct named_thread {
    pst_addr ident_object, thread_object;
};

enum { NAME_SIZE = 128 }; /* bytes of a str: more than most names take */

/* ---- finding threading._active ------------------------------------------------------------------------ */

static pst_error *find_active(const struct python *python, pst_addr interpreter, pst_addr *dict)
{
    pst_addr modules, module = 0, namespace;
    *dict = 0;
    TRY(interpreter_get_modules(python, interpreter, &modules));
    if (modules)
        TRY(dict_get(python, modules, "threading", NULL, &module));
    if (!module)
        return NULL;
    TRY(field_address(python, module, F(PyModuleObject_md_dict), &namespace));
    return dict_get(python, namespace, "_active", NULL, dict);
}

/* The dict stays the same object for the life of the process: it is looked up once, by the first walk. */
static pst_error *get_active(struct walk *walk, pst_addr interpreter, pst_addr *dict)
{
    for (struct active_threads *active = walk->active; active; active = active->next) {
        if (active->interpreter == interpreter) {
            *dict = active->dict;
            return NULL;
        }
    }
    TRY(find_active(walk->python, interpreter, dict));
    struct active_threads *active = malloc(sizeof *active);
    if (!active)
        return error_no_memory();
    *active = (struct active_threads){walk->active, interpreter, *dict};
    walk->active = active;
    return NULL;
}

void active_threads_free(struct active_threads *active)
{
    while (active) {
        struct active_threads *next = active->next;
        free(active);
        active = next;
    }
}

/* ---- names -------------------------------------------------------------------------------------------- */

static pst_error *read_entries(const struct python *python, pst_addr dict, struct named_thread **entries,
                               size_t *count)
{
    struct dict_reader reader;
    size_t capacity = 0;
    TRY(dict_start(python, dict, &reader));
    for (;;) {
        struct named_thread entry;
        TRY(dict_next(&reader, &entry.ident_object, &entry.thread_object));
        if (!entry.ident_object)
            return NULL;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            struct named_thread *more = realloc(*entries, capacity * sizeof **entries);
            if (!more)
                return error_no_memory();
            *entries = more;
        }
        (*entries)[(*count)++] = entry;
    }
}

static pst_error *find_name(const struct python *python, pst_addr thread_object, pst_addr *name)
{
    const char *attribute = python_is_2(python) ? "_Thread__name" : "_name";
    /* The memo belongs to the walk's runtime, which the decoders otherwise only read. */
    struct attribute_memo *memo = &((struct python *)python)->thread_name;
    return attribute_get(python, thread_object, attribute, memo, name);
}

/* The Thread objects of all entries at once, then what their attributes need. Of the idents and the names themselves
 * it is enough to know where they are. */
static void prefetch_entries(const struct python *python, const struct named_thread *entries, size_t count)
{
    pst_addr *objects = calloc(count + 1, sizeof *objects);
    if (!objects)
        return;
    for (size_t i = 0; i < count; i++)
        objects[i] = entries[i].thread_object;
    memory_prefetch(python->memory, objects, count);
    attributes_prefetch(python, objects, count);
    for (size_t i = 0; i < count; i++) {
        pst_addr name = 0;
        pst_error_free(find_name(python, entries[i].thread_object, &name));
        memory_note(python->memory, entries[i].ident_object);
        memory_note(python->memory, name);
        memory_note(python->memory, name + NAME_SIZE);
    }
    free(objects);
}

static pst_error *read_name(struct walk *walk, pst_addr thread_object, pst_text *name)
{
    pst_addr value;
    TRY(find_name(walk->python, thread_object, &value));
    return value ? string_read(walk->python, &walk->snapshot->arena, value, name) : NULL;
}

static int by_ident(const void *a, const void *b)
{
    const struct pst_thread *x = *(struct pst_thread *const *)a, *y = *(struct pst_thread *const *)b;
    return x->ident < y->ident ? -1 : x->ident > y->ident;
}

static struct pst_thread *find_ident(struct pst_thread **threads, size_t count, uint64_t ident)
{
    const struct pst_thread key = {.ident = ident}, *key_pointer = &key;
    struct pst_thread **found = bsearch(&key_pointer, threads, count, sizeof *threads, by_ident);
    return found ? *found : NULL;
}

static pst_error *name_threads(struct walk *walk, const struct named_thread *entries, size_t count,
                               struct pst_thread **threads, size_t thread_count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t ident;
        TRY(object_get_int(walk->python, entries[i].ident_object, &ident));
        struct pst_thread *thread = find_ident(threads, thread_count, ident);
        if (thread)
            thread->object = entries[i].thread_object;
        if (thread)
            walk_add_error(walk, &thread->errors, error_in(read_name(walk, entries[i].thread_object, &thread->name),
                                                           "threading.Thread at 0x%llx",
                                                           (unsigned long long)entries[i].thread_object));
    }
    return NULL;
}

static pst_error *walk_names(struct walk *walk, pst_addr dict, size_t first, struct named_thread **entries,
                             struct pst_thread **threads)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    size_t count = 0, thread_count = snapshot->thread_count - first;
    TRY(read_entries(walk->python, dict, entries, &count));
    if (walk->is_rehearsal) {
        prefetch_entries(walk->python, *entries, count);
        count = count ? 1 : 0; /* for the types */
    }
    for (size_t i = 0; i < thread_count; i++)
        threads[i] = &snapshot->threads[first + i];
    qsort(threads, thread_count, sizeof(struct pst_thread *), by_ident);
    return name_threads(walk, *entries, count, threads, thread_count);
}

void thread_names_walk(struct walk *walk, const struct pst_interpreter *interpreter, size_t first)
{
    struct pst_snapshot *snapshot = walk->snapshot;
    if (snapshot->thread_count == first)
        return;
    pst_addr dict = 0;
    struct named_thread *entries = NULL;
    struct pst_thread **threads = calloc(snapshot->thread_count - first, sizeof(struct pst_thread *));
    pst_error *error = threads ? get_active(walk, interpreter->address, &dict) : error_no_memory();
    if (!error && dict)
        error = walk_names(walk, dict, first, &entries, threads);
    error_list_add(&snapshot->errors,
                   error_in(error, "interpreter %lld: thread names", (long long)interpreter->id));
    free(entries);
    free(threads);
}
