/*
 * The system call that a thread is in.
 *
 * A thread that is stopped, or killed, leaves the system call in which it waited before the kernel shows its registers:
 * with a number of its own as the result, for the kernel to begin the call anew afterwards (ERESTARTSYS and the like),
 * or with EINTR, if the call is one that never goes on (epoll_wait, io_getevents, …). On x86-64 orig_rax still has the
 * number, and all arguments are where they were. On aarch64 the kernel has already gone back to the instruction that
 * makes the call and restored x0; but with EINTR, the result has taken the place of the first argument.
 *
 * What waited with a timeout that can't just begin anew (poll, nanosleep, a futex) goes on by the system call
 * restart_syscall: of a thread that is stopped a second time, only this number is there, and the arguments.
 */
#ifndef PYSTANDER_TARGET_SYSCALL_H
#define PYSTANDER_TARGET_SYSCALL_H

#include "target/target.h"

/* SYSCALL_read, SYSCALL_futex …: whatever the machine numbers them. */
enum syscall_id {
    SYSCALL_OTHER,
#define SYSCALL(name, x86_64, aarch64) SYSCALL_##name,
#include "target/syscalls.def"
};

enum syscall_id syscall_identify(uint16_t machine, int number);
/* "futex"; NULL: it is not in the table. */
const char *syscall_get_name(uint16_t machine, int number);

/*
 * Fills in thread->syscall of all threads. Of a process: between pause and resume; it is one system call for each
 * thread that is stopped, and none if read_registers() was asked before. Only what has to be made out from memory reads
 * any: on aarch64, and of what is restarted.
 */
void syscall_read(struct pst_target *target);

/* ---- for those that read it ------------------------------------------------------------------------------ */

/* From the general registers of NT_PRSTATUS. Too few of them, or none (all zero): it stays unread. */
void syscall_take_registers(uint16_t machine, const uint8_t *registers, size_t size, struct target_syscall *syscall);
/* From /proc/…/syscall. false: it is no such text. */
bool syscall_take_line(const char *text, struct target_syscall *syscall);
/* The reverse of the former, of what the latter gave: as they are within the call. Other registers are left alone. */
void syscall_put_registers(uint16_t machine, const struct target_syscall *syscall, uint8_t *registers);

#endif
