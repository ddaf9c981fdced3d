/*
 * The sanitizer tells of each allocation; without it, malloc() and its like are replaced by these, as glibc allows.
 * mmap64(), which mmap() is with 64-bit offsets, and munmap() come here by the linker's --wrap.
 */
#include "measure.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct measure measure;

bool measure_is_sanitized(void)
{
    return SANITIZED;
}

void measure_reset(void)
{
    measure.peak = measure.now;
    measure.largest = 0;
}

struct measure measure_get(void)
{
    return measure;
}

static void add(size_t size)
{
    measure.now += size;
    if (measure.now > measure.peak)
        measure.peak = measure.now;
    if (size > measure.largest)
        measure.largest = size;
}

static void take(size_t size)
{
    measure.now -= size < measure.now ? size : measure.now;
}

/* ---- mmap() ----------------------------------------------------------------------------------------------- */

void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t size);

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *bytes = __real_mmap64(address, size, protection, flags, fd, offset);
    if (bytes != MAP_FAILED)
        add(size);
    return bytes;
}

int __wrap_munmap(void *address, size_t size)
{
    take(size);
    return __real_munmap(address, size);
}

/* ---- the heap --------------------------------------------------------------------------------------------- */

#if SANITIZED

/* <sanitizer/allocator_interface.h>, which gcc does not always bring along. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
int __sanitizer_get_ownership(const volatile void *bytes);
size_t __sanitizer_get_allocated_size(const volatile void *bytes);

static void on_malloc(const volatile void *bytes, size_t size)
{
    if (bytes)
        add(size);
}

static void on_free(const volatile void *bytes)
{
    if (bytes && __sanitizer_get_ownership(bytes))
        take(__sanitizer_get_allocated_size(bytes));
}

void measure_start(void)
{
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

#else

/* The C library is to find them. */
#pragma GCC visibility push(default)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *bytes, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *bytes);

void measure_start(void)
{
}

static void *added(void *bytes)
{
    if (bytes)
        add(malloc_usable_size(bytes));
    return bytes;
}

void *malloc(size_t size)
{
    return added(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return added(__libc_calloc(count, size));
}

void *realloc(void *bytes, size_t size)
{
    size_t before = bytes ? malloc_usable_size(bytes) : 0;
    void *moved = __libc_realloc(bytes, size);
    if (moved || !size)
        take(before);
    return added(moved);
}

void free(void *bytes)
{
    if (bytes)
        take(malloc_usable_size(bytes));
    __libc_free(bytes);
}

void *memalign(size_t alignment, size_t size)
{
    return added(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return added(__libc_memalign(alignment, size));
}

int posix_memalign(void **bytes, size_t alignment, size_t size)
{
    *bytes = added(__libc_memalign(alignment, size));
    return *bytes ? 0 : ENOMEM;
}

#pragma GCC visibility pop

#endif
