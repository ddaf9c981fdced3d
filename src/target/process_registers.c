/*
 * The registers of threads that are stopped. What one call of the kernel's gives is shared: on x86-64 the general
 * registers have the thread pointer, and on all machines what tells the system call.
 */
#include "target/process.h"

#include "base/bytes.h"
#include "target/note_structs.h"
#include "target/syscall.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* What can't be had stays zero. Returns 0 or an errno. */
static int read_set(pid_t tid, unsigned set, uint8_t *registers, size_t size)
{
    struct iovec vector = {registers, size};
    int errnum = ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)set, &vector) != 0 ? errno : 0;
    if (!errnum && vector.iov_len != size)
        errnum = ENOTSUP; /* it runs 32-bit code */
    if (errnum)
        memset(registers, 0, size);
    return errnum;
}

/* NULL: it was not stopped. */
static const struct tracee *find_stopped(const struct pst_target *target, const struct target_thread *thread)
{
    const struct process *process = target->process;
    size_t index = (size_t)(thread - target->threads);
    if (index >= process->tracee_count || process->tracees[index].state != TRACEE_STOPPED)
        return NULL;
    return &process->tracees[index];
}

/* Returns 0 or an errno. */
static int read_general(const struct pst_target *target, struct target_thread *thread, uint8_t *registers)
{
    int errnum = read_set(thread->tid, NT_PRSTATUS, registers, PROCESS_REGISTERS_SIZE);
    if (errnum)
        return errnum;
    syscall_take_registers(target->machine, registers, PROCESS_REGISTERS_SIZE, &thread->syscall);
#if defined(__x86_64__)
    thread->tls = bytes_word(registers + X86_FS_BASE * 8);
    thread->has_tls = true;
#endif
    return 0;
}

static int read_thread_pointer(const struct pst_target *target, struct target_thread *thread)
{
#if defined(__x86_64__)
    uint8_t registers[PROCESS_REGISTERS_SIZE];
    return read_general(target, thread, registers);
#else
    uint8_t pointer[8];
    (void)target;
    int errnum = read_set(thread->tid, NT_ARM_TLS, pointer, sizeof pointer);
    thread->tls = bytes_word(pointer);
    thread->has_tls = !errnum;
    return errnum;
#endif
}

/* Of a thread that was not stopped there is none: absent. */
pst_error *process_read_tls(struct pst_target *target, struct target_thread *thread)
{
    if (thread->has_tls || !find_stopped(target, thread))
        return NULL;
    int errnum = read_thread_pointer(target, thread);
    if (errnum == ENOTSUP)
        return error_new(PST_ERROR_UNSUPPORTED, "thread %d runs 32-bit code", thread->tid);
    if (errnum)
        return error_system(PST_ERROR_SYSTEM, errnum, "cannot read the registers of thread %d", thread->tid);
    return NULL;
}

/* The third number of /proc/…/schedstat, which not every kernel has. */
static uint64_t read_turns(const struct process *process, pid_t tid)
{
    char path[PROCESS_NAME_SIZE], text[128];
    size_t size;
    unsigned long long turns = 0;
    snprintf(path, sizeof path, "task/%d/schedstat", tid);
    if (proc_read_text(process->directory, path, text, sizeof text, &size) != 0 ||
        sscanf(text, "%*u %*u %llu", &turns) != 1)
        return 0;
    return turns;
}

/* A thread that runs, or sleeps and was not to be stopped. A kernel may lack that file. */
static void read_from_proc(const struct process *process, struct target_thread *thread)
{
    char path[PROCESS_NAME_SIZE], text[256];
    size_t size;
    snprintf(path, sizeof path, "task/%d/syscall", thread->tid);
    if (proc_read_text(process->directory, path, text, sizeof text, &size) != 0 ||
        !syscall_take_line(text, &thread->syscall))
        thread->syscall = (struct target_syscall){ .source = SYSCALL_UNREAD };
    thread->syscall.turns = read_turns(process, thread->tid);
}

void process_read_syscalls(struct pst_target *target)
{
    uint8_t registers[PROCESS_REGISTERS_SIZE];
    for (size_t i = 0; i < target->thread_count; i++) {
        struct target_thread *thread = &target->threads[i];
        if (!find_stopped(target, thread))
            read_from_proc(target->process, thread);
        else if (thread->syscall.source == SYSCALL_UNREAD)
            read_general(target, thread, registers);
    }
}

/* Of threads that are not stopped they stay zero. */
void process_read_registers(struct pst_target *target)
{
    struct process *process = target->process;
    free(process->registers);
    process->registers = calloc(process->tracee_count + 1, sizeof *process->registers);
    process->registers_count = process->registers ? process->tracee_count : 0;
    for (size_t i = 0; i < process->registers_count && i < target->thread_count; i++) {
        struct target_thread *thread = &target->threads[i];
        struct registers *registers = &process->registers[i];
        if (!find_stopped(target, thread))
            continue;
        read_general(target, thread, registers->general);
        read_set(thread->tid, NT_PRFPREG, registers->floats, sizeof registers->floats);
        pst_error_free(process_read_tls(target, thread));
    }
}
