/*
 * target_facts [--no-pause] [--sysroot FOLDER] PID|CORE [FD…]: what the lowest stage knows, and no command of the
 * program shows as it is, in JSON: of each thread, one a line, the system call that it is in; or of each descriptor
 * what it is, and who holds locks of its file.
 */
#include "target/descriptor.h"
#include "target/syscall.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(pst_error *error)
{
    fprintf(stderr, "target_facts: %s\n", pst_error_get_message(error));
    pst_error_free(error);
    return 1;
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void print_thread(const struct pst_target *target, const struct target_thread *thread)
{
    const struct target_syscall *syscall = &thread->syscall;
    const char *name = syscall_get_name(target->machine, syscall->number);
    printf("{\"tid\": %d, \"running\": %s, ", thread->tid, json_bool(thread->running));
    printf("\"known\": %s, \"in_syscall\": %s, ", json_bool(syscall->known), json_bool(syscall->in_syscall));
    printf("\"restarted\": %s, \"lacks_first_argument\": %s, ", json_bool(syscall->restarted),
           json_bool(syscall->lacks_first_argument));
    printf("\"number\": %d, \"name\": \"%s\", \"arguments\": [", syscall->number, name ? name : "");
    for (size_t i = 0; i < 6; i++)
        printf("%s%" PRIu64, i ? ", " : "", syscall->arguments[i]);
    printf("], \"stack_pointer\": %" PRIu64 ", \"instruction\": %" PRIu64 "}\n", syscall->stack_pointer,
           syscall->instruction);
}

static pst_error *print_threads(struct pst_target *target)
{
    bool pauses = target->operations->pause && !target->no_pause;
    if (pauses)
        TRY(target->operations->pause(target));
    syscall_read(target);
    if (pauses)
        target->operations->resume(target);
    for (size_t i = 0; i < target->thread_count; i++)
        print_thread(target, &target->threads[i]);
    return NULL;
}

/* As JSON; what is not ASCII goes as it is. */
static void print_string(const struct text *text)
{
    putchar('"');
    for (size_t i = 0; i < text->size; i++) {
        unsigned char c = (unsigned char)text->data[i];
        if (c < ' ' || c == '"' || c == '\\' || c == 0x7f)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static pst_error *print_holders(struct descriptors *descriptors, const struct descriptor *descriptor,
                                enum lock_kind kind, const char *name)
{
    struct descriptor_processes holders;
    struct text text = { 0 };
    TRY(descriptor_find_holders(descriptors, descriptor, kind, &holders));
    descriptor_write_holders(&holders, &text);
    printf(", \"%s\": ", name);
    print_string(&text);
    text_free(&text);
    return NULL;
}

static pst_error *print_descriptor(struct descriptors *descriptors, int fd)
{
    struct descriptor descriptor;
    struct text text = { 0 };
    TRY(descriptor_describe(descriptors, fd, true, &descriptor));
    descriptor_write(&descriptor, &text);
    printf("{\"fd\": %d, \"kind\": %d, \"text\": ", fd, descriptor.kind);
    print_string(&text);
    text_free(&text);
    pst_error *error = print_holders(descriptors, &descriptor, LOCK_FLOCK, "flock");
    if (!error)
        error = print_holders(descriptors, &descriptor, LOCK_POSIX, "posix");
    printf("}\n");
    descriptor_free(&descriptor);
    return error;
}

static pst_error *print_descriptors(struct pst_target *target, char **fds)
{
    struct descriptors *descriptors;
    TRY(descriptors_open(target, &descriptors));
    pst_error *error = NULL;
    for (; *fds && !error; fds++)
        error = print_descriptor(descriptors, (int)strtol(*fds, NULL, 10));
    descriptors_close(descriptors);
    return error;
}

int main(int argc, char **argv)
{
    pst_target_options options = { .size = sizeof options };
    int at = 1;
    if (at < argc && strcmp(argv[at], "--no-pause") == 0) {
        options.no_pause = true;
        at++;
    }
    if (at + 1 < argc && strcmp(argv[at], "--sysroot") == 0) {
        options.sysroot = argv[at + 1];
        at += 2;
    }
    if (at >= argc)
        return 64;
    struct pst_target *target;
    pid_t pid = (pid_t)strtol(argv[at], NULL, 10);
    pst_error *error = pid ? pst_target_open_process(pid, &options, &target)
                           : pst_target_open_core(argv[at], &options, &target);
    if (error)
        return fail(error);
    error = at + 1 < argc ? print_descriptors(target, argv + at + 1) : print_threads(target);
    pst_target_close(target);
    return error ? fail(error) : 0;
}
