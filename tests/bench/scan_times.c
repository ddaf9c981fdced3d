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

/* The memory that the search reads, in the pieces in which a plain copy is fastest. */
static uint64_t time_copy(struct pst_target *target, uint8_t *buffer, size_t buffer_size, uint64_t *elapsed_ns)
{
    uint64_t size = 0, start = now_ns();
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        if (!segment->writable || !segment->readable)
            continue;
        pst_addr at = segment->start, end;
        while (at < segment->end && (end = segment->end, memory_find_used(target->memory, &at, &end))) {
            for (; at < end; at += buffer_size) {
                size_t wanted = end - at < buffer_size ? end - at : buffer_size;
                struct iovec local = {buffer, wanted}, remote = {(void *)(uintptr_t)at, wanted};
                ssize_t got = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);
                size += got > 0 ? (uint64_t)got : 0;
            }
            at = end;
        }
    }
    *elapsed_ns = now_ns() - start;
    return size;
}

static pst_error *measure(struct pst_target *target, long rounds)
{
    enum { COPY_SIZE = 256 << 10 };
    static uint8_t buffer[COPY_SIZE];
    struct python *python;
    TRY(python_open(target, &python));
    for (; rounds > 0; rounds--) {
        uint64_t size, search_ns, copy_ns;
        TRY(time_search(python, &size, &search_ns));
        uint64_t copied = time_copy(target, buffer, sizeof buffer, &copy_ns);
        if (copied < size)
            return error_new(PST_ERROR_READ, "copied %llu of %llu bytes", (unsigned long long)copied,
                             (unsigned long long)size);
        printf("%llu %llu %llu\n", (unsigned long long)size, (unsigned long long)search_ns,
               (unsigned long long)copy_ns);
    }
    return NULL;
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
