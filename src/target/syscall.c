#include "target/syscall.h"

#include "base/bytes.h"
#include "target/note_structs.h"
#include "target/notes.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

enum {
    NONE = -1,
    /* What a system call ends with to be begun anew: include/linux/errno.h, which no program ever sees. */
    ERESTARTSYS = 512,
    ERESTARTNOINTR = 513,
    ERESTARTNOHAND = 514,
    ERESTART_RESTARTBLOCK = 516,
    INSTRUCTION_SIZE = 4,     /* of aarch64 */
    SEARCHED_CODE_SIZE = 32,  /* before a system call, for its number */
    MAX_POLLED = 1 << 20,     /* the kernel's own limit of open files */
    MAX_CLOCK = 16,
};

/* ---- names ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int x86_64, aarch64;
} calls[] = {
    [SYSCALL_OTHER] = { NULL, NONE, NONE },
#define SYSCALL(name, x86_64, aarch64) [SYSCALL_##name] = { #name, x86_64, aarch64 },
#include "target/syscalls.def"
};

static int number_of(uint16_t machine, enum syscall_id id)
{
    return machine == EM_AARCH64 ? calls[id].aarch64 : calls[id].x86_64;
}

enum syscall_id syscall_identify(uint16_t machine, int number)
{
    for (size_t i = SYSCALL_OTHER + 1; number >= 0 && i < sizeof calls / sizeof *calls; i++)
        if (number_of(machine, (enum syscall_id)i) == number)
            return (enum syscall_id)i;
    return SYSCALL_OTHER;
}

const char *syscall_get_name(uint16_t machine, int number)
{
    return calls[syscall_identify(machine, number)].name;
}

/* ---- registers and text ----------------------------------------------------------------------------------- */

static const uint8_t x86_arguments[] = { X86_RDI, X86_RSI, X86_RDX, X86_R10, X86_R8, X86_R9 };

static uint64_t word(const uint8_t *registers, size_t index)
{
    return bytes_word(registers + index * 8);
}

void syscall_take_registers(uint16_t machine, const uint8_t *registers, size_t size, struct target_syscall *syscall)
{
    bool is_arm = machine == EM_AARCH64;
    *syscall = (struct target_syscall){ .source = SYSCALL_UNREAD };
    if (size < (is_arm ? ARM_REGISTER_COUNT : X86_REGISTER_COUNT) * 8)
        return;
    syscall->stack_pointer = word(registers, is_arm ? ARM_SP : X86_RSP);
    syscall->instruction = word(registers, is_arm ? ARM_PC : X86_RIP);
    if (!syscall->stack_pointer && !syscall->instruction)
        return;
    syscall->source = SYSCALL_REGISTERS;
    syscall->number = (int)word(registers, is_arm ? ARM_X8 : X86_ORIG_RAX);
    syscall->result = (int64_t)word(registers, is_arm ? 0 : X86_RAX);
    for (size_t i = 0; i < 6; i++)
        syscall->arguments[i] = word(registers, is_arm ? i : x86_arguments[i]);
}

static bool take_number(const char **at, uint64_t *number)
{
    char *end;
    if (**at != ' ')
        return false;
    *number = strtoull(*at + 1, &end, 16);
    bool taken = end != *at + 1;
    *at = end;
    return taken;
}

/* "running", "-1 SP PC" or "NUMBER ARGUMENT… SP PC". */
bool syscall_take_line(const char *text, struct target_syscall *syscall)
{
    static const char running[] = "running";
    *syscall = (struct target_syscall){ .source = SYSCALL_KERNEL, .number = NONE };
    if (strncmp(text, running, sizeof running - 1) == 0)
        return true;
    char *end;
    long number = strtol(text, &end, 10);
    const char *at = end;
    bool whole = end != text;
    if (number >= 0)
        for (size_t i = 0; i < 6; i++)
            whole = whole && take_number(&at, &syscall->arguments[i]);
    whole = whole && take_number(&at, &syscall->stack_pointer) && take_number(&at, &syscall->instruction);
    if (whole)
        syscall->number = number >= 0 && number <= INT32_MAX ? (int)number : NONE;
    else
        *syscall = (struct target_syscall){ .source = SYSCALL_UNREAD };
    return whole;
}

static void put(uint8_t *registers, size_t index, uint64_t value)
{
    notes_put(registers + index * 8, value, 8);
}

void syscall_put_registers(uint16_t machine, const struct target_syscall *syscall, uint8_t *registers)
{
    bool is_arm = machine == EM_AARCH64;
    if (syscall->source != SYSCALL_KERNEL || !syscall->instruction)
        return;
    put(registers, is_arm ? ARM_SP : X86_RSP, syscall->stack_pointer);
    put(registers, is_arm ? ARM_PC : X86_RIP, syscall->instruction);
    if (!is_arm)
        put(registers, X86_ORIG_RAX, (uint64_t)(int64_t)syscall->number);
    if (syscall->number < 0)
        return;
    for (size_t i = 0; i < 6; i++)
        put(registers, is_arm ? i : x86_arguments[i], syscall->arguments[i]);
    if (is_arm) { /* as if it had been stopped */
        put(registers, ARM_X8, (uint64_t)syscall->number);
        put(registers, ARM_PC, syscall->instruction - INSTRUCTION_SIZE);
    } else { /* which the kernel puts there until the call ends */
        put(registers, X86_RAX, (uint64_t)-ENOSYS);
    }
}

/* ---- whether it was in one -------------------------------------------------------------------------------- */

/* One that has written a part ends with the size of that: the rest is what it waited for. Of those that write several
 * pieces the whole size is not in the registers; that the thread slept must do. */
static bool is_part(uint16_t machine, const struct target_thread *thread)
{
    const struct target_syscall *syscall = &thread->syscall;
    if (syscall->result <= 0)
        return false;
    switch (syscall_identify(machine, syscall->number)) {
    case SYSCALL_write:
    case SYSCALL_pwrite64:
    case SYSCALL_sendto:
        return (uint64_t)syscall->result < syscall->arguments[2];
    case SYSCALL_writev:
    case SYSCALL_sendmsg:
    case SYSCALL_sendmmsg:
    case SYSCALL_sendfile:
    case SYSCALL_splice:
        return thread->state == 'S';
    default:
        return false;
    }
}

static bool was_interrupted(const struct target_syscall *syscall)
{
    switch (-syscall->result) {
    case ERESTARTSYS:
    case ERESTARTNOINTR:
    case ERESTARTNOHAND:
    case ERESTART_RESTARTBLOCK:
    case EINTR:
    case ENOSYS: /* it has no result yet: see syscall_put_registers() */
        return true;
    default:
        return false;
    }
}

static bool read_bytes(const struct pst_target *target, pst_addr address, void *bytes, size_t size)
{
    pst_error *error = memory_read(target->memory, address, bytes, size);
    pst_error_free(error);
    return !error;
}

static bool is_svc(const uint8_t *instruction)
{
    return (bytes_unsigned(instruction, INSTRUCTION_SIZE) & 0xffe0001f) == 0xd4000001;
}

/* The registers alone do not tell a system call from any other code. */
static void find_arm(const struct pst_target *target, struct target_thread *thread)
{
    struct target_syscall *syscall = &thread->syscall;
    uint8_t next[INSTRUCTION_SIZE], last[INSTRUCTION_SIZE];
    syscall->known = read_bytes(target, syscall->instruction, next, sizeof next);
    syscall->in_syscall = syscall->known && is_svc(next);
    if (syscall->in_syscall || !read_bytes(target, syscall->instruction - INSTRUCTION_SIZE, last, sizeof last) ||
        !is_svc(last))
        return;
    syscall->in_syscall = syscall->result == -EINTR || is_part(target->machine, thread);
    syscall->lacks_first_argument = syscall->in_syscall;
}

static void find_whether(const struct pst_target *target, struct target_thread *thread)
{
    struct target_syscall *syscall = &thread->syscall;
    syscall->in_syscall = syscall->lacks_first_argument = false;
    syscall->known = syscall->source != SYSCALL_UNREAD;
    if (syscall->number < 0 || syscall->source == SYSCALL_UNREAD)
        return;
    if (syscall->source == SYSCALL_KERNEL)
        syscall->in_syscall = true;
    else if (target->machine == EM_AARCH64)
        find_arm(target, thread);
    else
        syscall->in_syscall = was_interrupted(syscall) || is_part(target->machine, thread);
}

/* ---- which one was restarted ------------------------------------------------------------------------------- */

/* Those that the kernel goes on with by restart_syscall. */
static const enum syscall_id restartable[] = { SYSCALL_futex, SYSCALL_clock_nanosleep, SYSCALL_nanosleep,
                                               SYSCALL_poll };

static bool is_restartable(uint16_t machine, uint64_t number)
{
    for (size_t i = 0; i < sizeof restartable / sizeof *restartable; i++)
        if (number == (uint64_t)(int64_t)number_of(machine, restartable[i]))
            return true;
    return false;
}

/* What this instruction moves into the register of the number: mov $number, %eax; movz w8 or x8, #number. */
static int number_moved(uint16_t machine, const uint8_t *code)
{
    enum { X86_MOV = 0xb8 };
    uint64_t instruction = bytes_unsigned(code, INSTRUCTION_SIZE), number = 0;
    if (machine == EM_AARCH64 && (instruction & 0x7fe0001f) == 0x52800008)
        number = instruction >> 5 & 0xffff;
    else if (machine != EM_AARCH64 && *code == X86_MOV)
        number = bytes_unsigned(code + 1, 4);
    return is_restartable(machine, number) ? (int)number : NONE;
}

/* The C library does so just before the call. Not so syscall(), nor what makes all calls in which a thread can be
 * cancelled (musl, glibc from 2.41 on). NONE: it is not found. */
static int find_in_code(const struct pst_target *target, const struct target_syscall *syscall)
{
    enum { X86_MOV_SIZE = 5 };
    uint8_t code[SEARCHED_CODE_SIZE];
    bool is_arm = target->machine == EM_AARCH64;
    size_t step = is_arm ? INSTRUCTION_SIZE : 1, size = is_arm ? INSTRUCTION_SIZE : X86_MOV_SIZE;
    if (!read_bytes(target, syscall->instruction - sizeof code, code, sizeof code))
        return NONE;
    int number = NONE;
    for (size_t at = 0; at + size <= sizeof code; at += step) {
        int moved = number_moved(target->machine, code + at);
        if (moved != NONE)
            number = moved; /* the last one counts */
    }
    return number;
}

static bool is_timespec(const struct pst_target *target, pst_addr address)
{
    uint8_t bytes[16];
    return address && read_bytes(target, address, bytes, sizeof bytes) && (int64_t)bytes_word(bytes) >= 0 &&
           bytes_word(bytes + 8) < 1000000000;
}

static bool is_mapped(const struct pst_target *target, pst_addr address)
{
    return target_find_segment(target, address) != NULL;
}

/* The first few of what poll() is given: which descriptor, and for which events. */
static bool are_polled(const struct pst_target *target, pst_addr address, uint64_t count)
{
    enum { MOST = 8, POLLFD_SIZE = 8, EVENTS_OFF = 4, MAX_EVENTS = 0x3fff };
    uint8_t bytes[MOST * POLLFD_SIZE];
    size_t looked_at = count < MOST ? (size_t)count : MOST;
    if (count > MAX_POLLED || (looked_at && !read_bytes(target, address, bytes, looked_at * POLLFD_SIZE)))
        return false;
    for (size_t i = 0; i < looked_at; i++) {
        int64_t fd = bytes_signed(bytes + i * POLLFD_SIZE, 4);
        uint64_t events = bytes_unsigned(bytes + i * POLLFD_SIZE + EVENTS_OFF, 2);
        if (fd < -1 || fd > MAX_POLLED || events == 0 || events > MAX_EVENTS)
            return false;
    }
    return true;
}

/* Whether the arguments can be those of it. */
static bool fits(const struct pst_target *target, enum syscall_id id, const uint64_t *arguments)
{
    enum { FUTEX_WAIT = 0, FUTEX_WAIT_BITSET = 9, FUTEX_FLAGS = 0x180 /* private, of CLOCK_REALTIME */ };
    int64_t clock = (int32_t)arguments[0]; /* negative: of a process or thread, or a device */
    uint64_t operation = arguments[1] & ~(uint64_t)FUTEX_FLAGS;
    bool third_is_int = arguments[2] >> 32 == 0 || arguments[2] >> 32 == UINT32_MAX;
    switch (id) {
    case SYSCALL_futex:
        return (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET) && arguments[0] % 4 == 0 && third_is_int &&
               is_mapped(target, arguments[0]) && is_timespec(target, arguments[3]);
    case SYSCALL_clock_nanosleep:
        return clock < MAX_CLOCK && !is_mapped(target, arguments[0]) && arguments[1] == 0 &&
               is_timespec(target, arguments[2]);
    case SYSCALL_nanosleep:
        return (!arguments[1] || is_mapped(target, arguments[1])) && is_timespec(target, arguments[0]);
    case SYSCALL_poll:
        return target->machine != EM_AARCH64 && third_is_int && arguments[2] != 0 &&
               are_polled(target, arguments[0], arguments[1]);
    default:
        return false;
    }
}

/* The only one that the arguments fit. */
static int find_by_arguments(const struct pst_target *target, const struct target_syscall *syscall)
{
    int found = NONE;
    for (size_t i = 0; i < sizeof restartable / sizeof *restartable; i++) {
        if (!fits(target, restartable[i], syscall->arguments))
            continue;
        if (found != NONE)
            return NONE;
        found = number_of(target->machine, restartable[i]);
    }
    return found;
}

static void find_restarted(const struct pst_target *target, struct target_syscall *syscall)
{
    int number = find_in_code(target, syscall);
    if (number == NONE)
        number = find_by_arguments(target, syscall);
    syscall->restarted = true;
    if (number != NONE)
        syscall->number = number;
}

/* ---- all --------------------------------------------------------------------------------------------------- */

void syscall_read(struct pst_target *target)
{
    if (target->operations && target->operations->read_syscalls)
        target->operations->read_syscalls(target);
    int restart = number_of(target->machine, SYSCALL_restart_syscall);
    for (size_t i = 0; i < target->thread_count; i++) {
        struct target_syscall *syscall = &target->threads[i].syscall;
        if (syscall->restarted)
            syscall->number = restart; /* as it came: what is asked again reads again, for who keeps what was read */
        syscall->restarted = false;
        find_whether(target, &target->threads[i]);
        if (syscall->in_syscall && syscall->number == restart)
            find_restarted(target, syscall);
    }
}
