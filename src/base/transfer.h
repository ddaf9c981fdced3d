/* Reading and writing of files that goes on until all is done: a signal makes a system call do a part, or nothing. */
#ifndef PYSTANDER_BASE_TRANSFER_H
#define PYSTANDER_BASE_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

/* All of these return how many bytes were transferred, from the first on. If not all: *errnum says why, 0 of a file
 * that ends there. The offset of the descriptor itself moves by transfer_write() alone. */
size_t transfer_read_at(int fd, uint64_t offset, void *bytes, size_t size, int *errnum);
size_t transfer_write_at(int fd, uint64_t offset, const void *bytes, size_t size, int *errnum);
size_t transfer_write(int fd, const void *bytes, size_t size, int *errnum);

#endif
