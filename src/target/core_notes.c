/*
 * The notes of a core.
 *
 * Who wrote it shows in the order. The kernel (fs/binfmt_elf.c) begins with the NT_PRSTATUS of the thread
 * that died, then NT_PRPSINFO, NT_SIGINFO, NT_AUXV, NT_FILE, then the other threads. gdb (linux-tdep.c)
 * begins with NT_PRPSINFO, writes an NT_SIGINFO for each thread, the others at the end. In a gcore of a
 * process that was merely stopped pr_cursig is 0 and si_signo 19: nobody died.
 */
#include "target/core.h"

#include "base/bytes.h"
#include "target/note_structs.h"
#include "target/notes.h"
#include "target/syscall.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#ifndef NT_ARM_TLS
#define NT_ARM_TLS 0x401
#endif

/* ---- threads --------------------------------------------------------------------------------------- */

static struct target_thread *add_thread(struct core *core)
{
    struct pst_target *target = core->target;
    if (target->thread_count == core->thread_capacity) {
        size_t capacity = core->thread_capacity ? core->thread_capacity * 2 : 16;
        struct target_thread *threads = realloc(target->threads, capacity * sizeof *threads);
        if (!threads)
            return NULL;
        target->threads = threads;
        core->thread_capacity = capacity;
    }
    struct target_thread *thread = &target->threads[target->thread_count++];
    memset(thread, 0, sizeof *thread);
    return thread;
}

/* Where the thread that died was. */
static void take_registers(struct core *core, const uint8_t *registers, size_t size)
{
    bool is_arm = core->target->machine == EM_AARCH64;
    if (size < (is_arm ? ARM_REGISTER_COUNT : X86_REGISTER_COUNT) * 8)
        return;
    core->has_registers = true;
    core->stack_pointer = bytes_unsigned(registers + (is_arm ? ARM_SP : X86_RSP) * 8, 8);
    core->instruction = bytes_unsigned(registers + (is_arm ? ARM_PC : X86_RIP) * 8, 8);
}

static pst_error *take_prstatus(struct core *core, const uint8_t *bytes, size_t size)
{
    struct pst_target *target = core->target;
    core->tls_thread = 0;
    if (size < PR_REG_OFF)
        return error_new(PST_ERROR_CORRUPT, "NT_PRSTATUS has %zu bytes: a thread is missing", size);
    if (target->thread_count >= TARGET_MAX_THREADS)
        return NULL; /* core_finish_notes() says so */
    struct target_thread *thread = add_thread(core);
    if (!thread)
        return error_no_memory();
    thread->tid = thread->inner_tid = (pid_t)bytes_signed(bytes + PR_PID_OFF, 4);
    if (target->machine == EM_X86_64 && size >= PR_REG_OFF + X86_REGISTER_COUNT * 8) {
        thread->tls = bytes_unsigned(bytes + PR_REG_OFF + X86_FS_BASE * 8, 8);
        thread->has_tls = true;
    }
    syscall_take_registers(target->machine, bytes + PR_REG_OFF, size - PR_REG_OFF, &thread->syscall);
    core->tls_thread = target->thread_count;
    if (!core->has_threads) {
        target->signal.number = (int)bytes_signed(bytes + PR_CURSIG_OFF, 2);
        take_registers(core, bytes + PR_REG_OFF, size - PR_REG_OFF);
    }
    core->has_threads = true;
    return NULL;
}

static void take_arm_tls(struct core *core, const uint8_t *bytes, size_t size)
{
    if (core->target->machine != EM_AARCH64 || core->tls_thread == 0 || size < 8)
        return;
    struct target_thread *thread = &core->target->threads[core->tls_thread - 1];
    thread->tls = bytes_unsigned(bytes, 8); /* tpidr_el0 */
    thread->has_tls = true;
}

/* ---- the process ----------------------------------------------------------------------------------- */

static pst_error *take_prpsinfo(struct core *core, const uint8_t *bytes, size_t size)
{
    if (core->has_process)
        return NULL;
    if (size < PRPSINFO_SIZE)
        return error_new(PST_ERROR_CORRUPT, "NT_PRPSINFO has %zu bytes: process id and command line are not known",
                         size);
    core->has_process = true;
    core->begins_as_kernels = core->target->thread_count == 1;
    if (!core->has_threads)
        core->target->details.writer = PST_WRITER_DEBUGGER;
    core->target->is_forked = bytes_unsigned(bytes + PS_FLAG_OFF, 8) & PF_FORKNOEXEC;
    core->target->pid = (pid_t)bytes_signed(bytes + PS_PID_OFF, 4);
    core->target->details.parent = (pid_t)bytes_signed(bytes + PS_PPID_OFF, 4);
    core->target->details.has_user = true;
    core->target->details.uid = (uid_t)bytes_unsigned(bytes + PS_UID_OFF, 4);
    core->target->details.gid = (gid_t)bytes_unsigned(bytes + PS_GID_OFF, 4);
    memcpy(core->leader_name, bytes + PS_FNAME_OFF, PS_FNAME_SIZE);
    core->short_arguments = strndup((const char *)bytes + PS_ARGS_OFF, PS_ARGS_SIZE);
    return core->short_arguments ? NULL : error_no_memory();
}

static void take_auxv(struct core *core, const uint8_t *bytes, size_t size)
{
    if (core->auxv_size || size > sizeof core->auxv)
        return;
    memcpy(core->auxv, bytes, size);
    /* Up to and with AT_NULL: what some writers have behind it is not on the stack. */
    for (size_t at = 0; at + 16 <= size && core->auxv_size == 0; at += 16)
        if (bytes_unsigned(bytes + at, 8) == AT_NULL)
            core->auxv_size = at + 16;
}

/* ---- mapped files ---------------------------------------------------------------------------------- */

/* Takes " (deleted)" off the path. */
static bool take_deleted(char *path)
{
    static const char suffix[] = " (deleted)";
    size_t size = strlen(path), suffix_size = sizeof suffix - 1;
    if (size <= suffix_size || memcmp(path + size - suffix_size, suffix, suffix_size) != 0)
        return false;
    path[size - suffix_size] = '\0';
    return true;
}

/* NT_FILE: count, page size, count times (start, end, offset in pages), count names, each with a NUL. */
static pst_error *take_files(struct core *core, const uint8_t *bytes, size_t size)
{
    if (core->mappings)
        return NULL;
    if (size < 16)
        return error_new(PST_ERROR_CORRUPT, "NT_FILE has %zu bytes: which files were mapped is not known", size);
    uint64_t count = bytes_unsigned(bytes, 8), page_size = bytes_unsigned(bytes + 8, 8);
    if (count > (size - 16) / 24 || count > TARGET_MAX_SEGMENTS || page_size == 0)
        return error_new(PST_ERROR_CORRUPT, "NT_FILE claims %llu files in %zu bytes: which files were mapped is "
                         "not known", (unsigned long long)count, size);
    size_t names_size = size - 16 - count * 24;
    core->mappings = calloc(count + 1, sizeof *core->mappings);
    char *names = core->target->segment_names = malloc(names_size + 1);
    if (!core->mappings || !names)
        return error_no_memory();
    memcpy(names, bytes + 16 + count * 24, names_size);
    names[names_size] = '\0';

    size_t name = 0;
    for (size_t i = 0; i < count && name < names_size; i++) {
        const uint8_t *entry = bytes + 16 + i * 24;
        struct core_mapping mapping = {
            .start = bytes_unsigned(entry, 8),
            .end = bytes_unsigned(entry + 8, 8),
            .name = name,
            .image = CORE_NO_IMAGE,
        };
        name += strlen(names + name) + 1;
        mapping.deleted = take_deleted(names + mapping.name);
        if (mapping.start < mapping.end &&
            !__builtin_mul_overflow(bytes_unsigned(entry + 16, 8), page_size, &mapping.file_offset))
            core->mappings[core->mapping_count++] = mapping;
    }
    if (core->mapping_count < count)
        return error_new(PST_ERROR_CORRUPT, "NT_FILE makes no sense of %llu of its %llu files",
                         (unsigned long long)(count - core->mapping_count), (unsigned long long)count);
    return NULL;
}

/* ---- all ------------------------------------------------------------------------------------------- */

static bool is_named(const char *name, size_t size, const char *expected)
{
    /* The NUL counts, but not every writer wrote it. */
    size_t length = strlen(expected);
    return size >= length && size <= length + 1 && memcmp(name, expected, length) == 0;
}

pst_error *core_take_note(struct core *core, const char *name, size_t name_size, uint32_t type,
                          const uint8_t *bytes, size_t size)
{
    if (is_named(name, name_size, "GDB"))
        core->target->details.writer = PST_WRITER_DEBUGGER;
    if (is_named(name, name_size, NOTE_PYSTANDER))
        core_take_own_note(core, type, bytes, size);
    if (is_named(name, name_size, "LINUX") && type == NT_ARM_TLS)
        take_arm_tls(core, bytes, size);
    if (!is_named(name, name_size, "CORE"))
        return NULL;
    switch (type) {
    case NT_PRSTATUS:
        return take_prstatus(core, bytes, size);
    case NT_PRPSINFO:
        return take_prpsinfo(core, bytes, size);
    case NT_SIGINFO:
        core_take_siginfo(core, bytes, size);
        return NULL;
    case NT_AUXV:
        take_auxv(core, bytes, size);
        return NULL;
    case NT_FILE:
        return take_files(core, bytes, size);
    default:
        return NULL;
    }
}

void core_finish_notes(struct core *core)
{
    struct pst_target *target = core->target;
    if (target->details.writer == PST_WRITER_UNKNOWN && core->begins_as_kernels && core->has_siginfo)
        target->details.writer = PST_WRITER_KERNEL;
    core_finish_signal(core);
    /* The kernel gives the name of the thread group's leader; gdb the executable's. */
    struct target_thread *leader = core->has_process ? target_find_thread(target, target->pid) : NULL;
    if (leader && !leader->has_name && target->details.writer != PST_WRITER_DEBUGGER) {
        memcpy(leader->name, core->leader_name, sizeof leader->name);
        leader->has_name = true;
    }
    struct error_list *errors = &target->errors;
    if (!core->has_threads)
        error_list_add(errors, error_new(PST_ERROR_CORRUPT, "the core has no thread (no NT_PRSTATUS note): what is "
                                         "said of threads comes from memory alone"));
    if (target->thread_count >= TARGET_MAX_THREADS)
        error_list_add(errors, error_new(PST_ERROR_LIMIT, "the core has more than %d threads: the rest was left out",
                                         TARGET_MAX_THREADS));
}
