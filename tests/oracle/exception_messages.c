/*
 * What the library takes for str() of exceptions, for tests/oracle/values.py.
 *
 * exception_messages CHARS PID|CORE [SYSROOT]: of each variable of a frame that is an exception a line: its name, its
 *     message in hexadecimal digits, what went wrong; between tabs. CHARS: characters shown of it; 0: all.
 */
#include "python/exception.h"
#include "python/python.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(pst_error *error)
{
    fprintf(stderr, "exception_messages: %s\n", pst_error_get_message(error));
    pst_error_free(error);
    return 1;
}

/* What all messages need. */
struct reading {
    const struct python *python;
    struct types types;
    struct arena names, scratch;
    struct text text;
    struct repr_bounds bounds;
};

static pst_error *print_message(struct reading *reading, const pst_variable *variable)
{
    struct repr repr;
    bool is_exception, is_str;
    TRY(exception_check(reading->python, variable->address, &is_exception));
    if (!is_exception)
        return NULL;
    reading->text.size = 0;
    repr_start(&repr, &reading->types, &reading->scratch, reading->bounds, &reading->text);
    pst_error *error = exception_read_message(&repr, variable->address, &is_str);
    printf("%.*s\t", (int)variable->name.size, variable->name.data);
    for (size_t i = 0; i < reading->text.size; i++)
        printf("%02x", (unsigned char)reading->text.data[i]);
    printf("\t%s%s\n", error ? pst_error_get_message(error) : "", repr.error ? pst_error_get_message(repr.error) : "");
    pst_error_free(error);
    pst_error_free(repr.error);
    arena_reset(&reading->scratch);
    return NULL;
}

static pst_error *print_messages(struct reading *reading, const pst_snapshot *snapshot)
{
    const pst_frame *frame;
    const pst_variable *variable;
    for (size_t i = 0; i < pst_snapshot_get_thread_count(snapshot); i++) {
        const pst_thread *thread = pst_snapshot_get_thread(snapshot, i);
        for (size_t j = 0; (frame = pst_thread_get_frame(thread, j)); j++)
            for (size_t k = 0; (variable = pst_frame_get_variable(frame, k)); k++)
                TRY(print_message(reading, variable));
    }
    return NULL;
}

static pst_error *run(pst_target *target, size_t chars)
{
    struct python *python;
    pst_snapshot *snapshot;
    const pst_snapshot_options options = {.size = sizeof options, .with_locals = true, .value_depth = 1,
                                          .value_items = 1, .value_chars = 1};
    TRY(pst_snapshot_take(target, &options, &snapshot));
    struct reading reading = {.bounds = REPR_UNBOUNDED};
    if (chars)
        reading.bounds.chars = chars;
    pst_error *error = python_open(target, &python);
    if (!error) {
        reading.python = python;
        types_start(&reading.types, python, &reading.names);
        error = print_messages(&reading, snapshot);
        types_free(&reading.types);
    }
    text_free(&reading.text);
    arena_free(&reading.names);
    arena_free(&reading.scratch);
    pst_snapshot_free(snapshot);
    return error;
}

int main(int argc, char **argv)
{
    pst_target *target;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: exception_messages CHARS PID|CORE [SYSROOT]\n");
        return 2;
    }
    pst_target_options options = {.size = sizeof options, .sysroot = argc == 4 ? argv[3] : NULL};
    char *end;
    long pid = strtol(argv[2], &end, 10);
    pst_error *error = *end ? pst_target_open_core(argv[2], &options, &target)
                            : pst_target_open_process((pid_t)pid, &options, &target);
    if (error)
        return fail(error);
    error = run(target, (size_t)strtoul(argv[1], NULL, 10));
    pst_target_close(target);
    return error ? fail(error) : 0;
}
