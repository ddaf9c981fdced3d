/*
 * scan_times PID ROUNDS: how fast code objects are searched for, beside a bare copy of the same memory.
 * One line a round: bytes, nanoseconds of the search, nanoseconds of process_vm_readv() alone.
 */
#include "python/object_scan.h"
#include "python/python.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>

static int fail(pst_error *error)
{
    fprintf(stderr, "scan_times: %s\n", pst_error_get_message(error));
    pst_error_free(error);
    return 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static pst_error *time_search(const struct python *python, uint64_t *size, uint64_t *elapsed_ns)
{
    struct object_scan scan;
    struct error_list errors = {0};
    pst_addr object;
    size_t type;
    uint64_t start = now_ns();
    pst_error *error = object_scan_start(&scan, python, &python->location.code_type, 1, &errors);
    while (!error && object_scan_next(&scan, &object, &type))
        ;
    *elapsed_ns = now_ns() - start;
    *size = scan.scanned_size;
    object_scan_free(&scan);
    error_list_free(&errors);
    return error;
}

/* A stretch of the memory that the search reads. */
struct stretch {
    pst_addr start, end;
};

/* All of them; the caller's to free. */
static struct stretch *list_stretches(struct pst_target *target, size_t *count)
{
    struct stretch *stretches = NULL;
    *count = 0;
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        pst_addr at = segment->start, end;
        while (segment->writable && segment->readable && at < segment->end &&
               (end = segment->end, memory_find_used(target->memory, &at, &end))) {
            stretches = realloc(stretches, (*count + 1) * sizeof *stretches);
            if (!stretches)
                abort();
            stretches[(*count)++] = (struct stretch){at, end};
            at = end;
        }
    }
    return stretches;
}

/* Nothing but the copying, in the pieces in which it is fastest. */
static uint64_t time_copy(pid_t pid, const struct stretch *stretches, size_t count, uint64_t *elapsed_ns)
{
    enum { COPY_SIZE = 256 << 10 };
    static uint8_t buffer[COPY_SIZE];
    uint64_t size = 0, start = now_ns();
    for (size_t i = 0; i < count; i++) {
        for (pst_addr at = stretches[i].start; at < stretches[i].end; at += COPY_SIZE) {
            size_t wanted = stretches[i].end - at < COPY_SIZE ? stretches[i].end - at : COPY_SIZE;
            struct iovec local = {buffer, wanted}, remote = {(void *)(uintptr_t)at, wanted};
            ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
            size += got > 0 ? (uint64_t)got : 0;
        }
    }
    *elapsed_ns = now_ns() - start;
    return size;
}

static pst_error *measure(struct pst_target *target, long rounds)
{
    struct python *python;
    size_t count;
    TRY(python_open(target, &python));
    struct stretch *stretches = list_stretches(target, &count);
    pst_error *error = NULL;
    for (; rounds > 0 && !error; rounds--) {
        uint64_t size, search_ns, copy_ns;
        error = time_search(python, &size, &search_ns);
        uint64_t copied = time_copy(target->pid, stretches, count, &copy_ns);
        if (!error && copied < size)
            error = error_new(PST_ERROR_READ, "copied %llu of %llu bytes", (unsigned long long)copied,
                              (unsigned long long)size);
        if (!error)
            printf("%llu %llu %llu\n", (unsigned long long)size, (unsigned long long)search_ns,
                   (unsigned long long)copy_ns);
    }
    free(stretches);
    return error;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 64;
    pst_target *target;
    pst_error *error = pst_target_open_process(atoi(argv[1]), NULL, &target);
    if (error)
        return fail(error);
    error = measure(target, strtol(argv[2], NULL, 10));
    pst_target_close(target);
    return error ? fail(error) : 0;
}
