/*
 * What a core says of a process in its notes, of one that lives. They are in the order in which gdb writes them:
 * NT_PRPSINFO first, and no signal that anybody died of.
 */
#include "target/process.h"

#include "base/bytes.h"
#include "target/note_structs.h"
#include "target/notes.h"
#include "target/syscall.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_STATUS_SIZE = 1 << 20, PRSTATUS_SIZE = PR_REG_OFF + PROCESS_REGISTERS_SIZE + PR_AFTER_REG_SIZE };

static void add_prpsinfo(struct text *notes, const struct pst_target *target, const struct proc_stat *stat,
                         const char *status)
{
    uint8_t bytes[PRPSINFO_SIZE] = {0};
    uint64_t ids[4];
    bytes[PS_SNAME_OFF] = (uint8_t)stat->state;
    notes_put(bytes + PS_FLAG_OFF, stat->forked ? PF_FORKNOEXEC : 0, 8);
    if (proc_status_numbers(status, "Uid:", 10, ids, 4) > 0)
        notes_put(bytes + PS_UID_OFF, ids[0], 4);
    if (proc_status_numbers(status, "Gid:", 10, ids, 4) > 0)
        notes_put(bytes + PS_GID_OFF, ids[0], 4);
    notes_put(bytes + PS_PID_OFF, (uint32_t)target->pid, 4);
    notes_put(bytes + PS_PPID_OFF, (uint32_t)stat->parent, 4);
    memcpy(bytes + PS_FNAME_OFF, stat->name, strnlen(stat->name, PS_FNAME_SIZE - 1));
    for (size_t i = 0; i + 1 < target->arguments_size && i + 1 < PS_ARGS_SIZE; i++)
        bytes[PS_ARGS_OFF + i] = target->arguments[i] ? (uint8_t)target->arguments[i] : ' ';
    notes_add(notes, "CORE", NT_PRPSINFO, bytes, sizeof bytes);
}

static void add_thread(struct text *notes, const struct pst_target *target, size_t index, pid_t parent)
{
    const struct target_thread *thread = &target->threads[index];
    const struct process *process = target->process;
    uint8_t bytes[PRSTATUS_SIZE] = {0};
    notes_put(bytes + PR_PID_OFF, (uint32_t)thread->tid, 4);
    notes_put(bytes + PR_PPID_OFF, (uint32_t)parent, 4);
    if (index < process->registers_count)
        memcpy(bytes + PR_REG_OFF, process->registers[index].general, PROCESS_REGISTERS_SIZE);
    syscall_put_registers(target->machine, &thread->syscall, bytes + PR_REG_OFF);
    notes_add(notes, "CORE", NT_PRSTATUS, bytes, sizeof bytes);
    if (index < process->registers_count)
        notes_add(notes, "CORE", NT_PRFPREG, process->registers[index].floats, PROCESS_FLOAT_REGISTERS_SIZE);
    if (target->machine == EM_AARCH64 && thread->has_tls) {
        uint8_t tls[8];
        notes_put(tls, thread->tls, sizeof tls);
        notes_add(notes, "LINUX", NT_ARM_TLS, tls, sizeof tls);
    }
}

size_t process_read_auxv(const struct pst_target *target, uint8_t *bytes, size_t size)
{
    char *auxv;
    size_t got, used = 0;
    if (proc_read_file(target->process->memory_directory, "auxv", size, &auxv, &got) != 0)
        return 0;
    for (size_t at = 0; at + 16 <= got && !used; at += 16)
        if (bytes_unsigned((const uint8_t *)auxv + at, 8) == AT_NULL)
            used = at + 16;
    memcpy(bytes, auxv, used);
    free(auxv);
    return used;
}

static void add_auxv(struct text *notes, const struct pst_target *target)
{
    uint8_t auxv[TARGET_MAX_AUXV_SIZE];
    size_t size = process_read_auxv(target, auxv, sizeof auxv);
    if (size)
        notes_add(notes, "CORE", NT_AUXV, auxv, size);
}

pst_error *process_write_notes(struct pst_target *target, struct text *notes)
{
    const struct process *process = target->process;
    struct proc_stat stat;
    char *status;
    size_t size;
    int errnum = proc_read_stat(process->directory, "stat", &stat);
    if (!errnum)
        errnum = proc_read_file(process->directory, "status", MAX_STATUS_SIZE, &status, &size);
    if (errnum)
        return error_system(PST_ERROR_SYSTEM, errnum, "cannot read /proc/%d", target->pid);
    add_prpsinfo(notes, target, &stat, status);
    free(status);
    for (size_t i = 0; i < target->thread_count; i++)
        add_thread(notes, target, i, stat.parent);
    add_auxv(notes, target);
    notes_add_files(notes, target);
    notes_add_threads(notes, target);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    notes_add_origin(notes, target, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, true);
    return NULL;
}
