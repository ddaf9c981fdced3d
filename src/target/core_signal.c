/* Why the process died: NT_SIGINFO, and what the core's mappings say of the address in it. */
#include "target/core.h"

#include "base/bytes.h"
#include "base/text.h"
#include "target/signal.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* siginfo_t of 64-bit machines (include/uapi/asm-generic/siginfo.h): three numbers, then what si_code chooses. */
enum {
    SI_CODE_OFF = 8,
    SI_ADDR_OFF = 16,
    SI_PID_OFF = 16, SI_UID_OFF = 20,
    SI_SYSCALL_OFF = 24, SI_ARCH_OFF = 28,
    SI_USED_SIZE = 32,
};

enum {
    NULL_REACH = 4096,     /* so near to 0 is no object but a member of one that is not there */
    STACK_REACH = 1 << 16, /* a stack that has no more than this left is used up */
    STACK_GAP = 1 << 20,   /* what the kernel leaves free below the main thread's (stack_guard_gap) */
};

static bool is_seccomp(const pst_signal *signal)
{
    return signal->number == SIGSYS && signal->code > 0 && signal->code < SIGNAL_CODE_KERNEL;
}

/* gdb's core has one for each thread: the first is that of the thread that comes first. */
void core_take_siginfo(struct core *core, const uint8_t *bytes, size_t size)
{
    pst_signal *signal = &core->target->signal;
    if (core->has_siginfo || size < SI_USED_SIZE)
        return;
    core->has_siginfo = true;
    /* In gdb's core it may speak of something older than what the process was stopped by. */
    if (bytes_signed(bytes, 4) != signal->number)
        return;
    signal->has_code = true;
    signal->code = (int)bytes_signed(bytes + SI_CODE_OFF, 4);
    if (signal_has_address(signal->number, signal->code)) {
        signal->has_address = true;
        signal->address = bytes_unsigned(bytes + SI_ADDR_OFF, 8);
    } else if (signal_has_sender(signal->code)) {
        signal->has_sender = true;
        signal->sender_pid = (pid_t)bytes_signed(bytes + SI_PID_OFF, 4);
        signal->sender_uid = (uid_t)bytes_unsigned(bytes + SI_UID_OFF, 4);
    } else if (is_seccomp(signal)) {
        signal->has_syscall = true;
        signal->syscall = (int)bytes_signed(bytes + SI_SYSCALL_OFF, 4);
        signal->syscall_arch = (uint32_t)bytes_unsigned(bytes + SI_ARCH_OFF, 4);
    }
}

/* A debugger's core of a process that was merely stopped names a stop, or nothing; a SIGTRAP is its own breakpoint. */
static bool is_death(const struct core *core, enum signal_effect effect)
{
    int number = core->target->signal.number;
    if (core->target->details.writer == PST_WRITER_DEBUGGER)
        return effect == SIGNAL_CORE && number != SIGTRAP;
    return number != 0 && effect != SIGNAL_NONE;
}

void core_finish_signal(struct core *core)
{
    struct pst_target *target = core->target;
    pst_signal *signal = &target->signal;
    enum signal_effect effect;
    signal->name = signal_name(signal->number, &effect);
    target->has_signal = is_death(core, effect);
    if (signal->has_code)
        signal->code_name = signal_code_name(target->machine, signal->number, signal->code, &signal->description);
    if (target->thread_count)
        signal->tid = target->threads[0].tid;
}

/* ---- what is at an address ------------------------------------------------------------------------- */

static const struct core_load *find_load(const struct core *core, pst_addr address)
{
    for (size_t i = 0; i < core->load_count; i++)
        if (address >= core->loads[i].start && address < core->loads[i].end)
            return &core->loads[i];
    return NULL;
}

static const char *describe_rights(uint32_t flags)
{
    /* By PF_X, PF_W and PF_R. */
    static const char *const rights[] = {
        "without access", "execute-only", "write-only", "for writing and execution", "read-only",
        "for reading and execution", "for reading and writing", "for reading, writing and execution",
    };
    return rights[flags & (PF_R | PF_W | PF_X)];
}

static void add_file(struct text *text, const struct core *core, const struct segment *segment, pst_addr address)
{
    size_t index = core_image_of(core, segment);
    const struct core_image *image = index == CORE_NO_IMAGE ? NULL : &core->images[index];
    text_add_string(text, segment->path);
    if (!image || !image->has_base || address < image->base)
        return;
    text_add_char(text, '+');
    text_add_hex(text, address - image->base);
}

static bool is_near(pst_addr one, pst_addr other, uint64_t reach)
{
    return (one > other ? one - other : other - one) <= reach;
}

/* The lowest address of the stack of the thread that died, if next to nothing is left of it. */
static bool find_used_up_stack(const struct core *core, pst_addr *start)
{
    for (size_t i = 0; i < core->load_count; i++) {
        const struct core_load *load = &core->loads[i];
        if (!(load->flags & PF_W) || load->end <= core->stack_pointer)
            continue;
        /* A large frame is taken before it is used: the stack pointer may be below already. */
        *start = load->start;
        return load->start > core->stack_pointer ? load->start - core->stack_pointer <= STACK_GAP
                                                 : core->stack_pointer - load->start < STACK_REACH;
    }
    return false;
}

/* false: it is none, or it can't be told. */
static bool add_stack_overflow(struct text *text, const struct core *core)
{
    const pst_signal *signal = &core->target->signal;
    const struct core_load *load = find_load(core, signal->address);
    pst_addr start;
    if (!core->has_registers || signal->number != SIGSEGV)
        return false;
    /* Guard pages without a mapping of their own (glibc 2.42 and later). */
    if (load && load->flags & PF_W && signal->code == SEGV_MAPERR &&
        is_near(signal->address, core->stack_pointer, STACK_REACH)) {
        text_printf(text, "in a guard page, next to the stack pointer of thread %d: a stack overflow", signal->tid);
        return true;
    }
    if ((load && load->flags & (PF_R | PF_W | PF_X)) || !find_used_up_stack(core, &start) ||
        signal->address >= start || start - signal->address > STACK_GAP)
        return false;
    uint64_t below = start - signal->address;
    text_printf(text, "%llu byte%s below the stack of thread %d: a stack overflow", (unsigned long long)below,
                below == 1 ? "" : "s", signal->tid);
    return true;
}

static bool add_null_pointer(struct text *text, pst_addr address)
{
    if (address == 0)
        text_add_string(text, "a null pointer");
    else if (address < NULL_REACH)
        text_printf(text, "%llu byte%s past a null pointer", (unsigned long long)address, address == 1 ? "" : "s");
    else if (-address < NULL_REACH)
        text_printf(text, "%llu byte%s before a null pointer", (unsigned long long)-address, -address == 1 ? "" : "s");
    else
        return false;
    return true;
}

/* Of memory that was to be read, written or executed. */
static void add_mapping(struct text *text, const struct core *core, pst_addr address)
{
    const struct segment *segment = target_find_segment(core->target, address);
    const struct core_load *load = find_load(core, address);
    if (!segment)
        return; /* the code says so; a debugger leaves mappings out */
    if (segment->path)
        text_printf(text, "in %s", segment->path);
    else if (core->has_registers && load && core->stack_pointer >= load->start && core->stack_pointer < load->end)
        text_printf(text, "in the stack of thread %d", core->target->signal.tid);
    else
        text_add_string(text, "in anonymous memory");
    if (core->target->signal.number == SIGBUS && segment->path)
        text_printf(text, ", %llu bytes from its beginning",
                    (unsigned long long)(segment->file_offset + (address - segment->start)));
    else if (load)
        text_printf(text, ", mapped %s", describe_rights(load->flags));
}

static void add_place(struct text *text, const struct core *core)
{
    const pst_signal *signal = &core->target->signal;
    if (signal->number != SIGSEGV && signal->number != SIGBUS) { /* it is that of the instruction */
        const struct segment *segment = target_find_segment(core->target, signal->address);
        if (segment && segment->path) {
            text_add_string(text, "in ");
            add_file(text, core, segment, signal->address);
        }
        return;
    }
    if (add_stack_overflow(text, core))
        return;
    if (!add_null_pointer(text, signal->address))
        add_mapping(text, core, signal->address);
    const struct core_load *load = find_load(core, signal->address);
    if (core->has_registers && core->instruction == signal->address && !(load && load->flags & PF_X))
        text_add_string(text, text->size ? ", to be executed" : "to be executed");
}

/* *string stays NULL if the text is empty. */
static pst_error *take_text(struct text *text, const char **string)
{
    bool is_empty = text->size == 0 && !text->failed;
    text_add_char(text, '\0');
    if (text->failed || is_empty) {
        bool failed = text->failed;
        text_free(text);
        return failed ? error_no_memory() : NULL;
    }
    *string = text->data;
    return NULL;
}

pst_error *core_find_places(struct core *core)
{
    struct pst_target *target = core->target;
    pst_signal *signal = &target->signal;
    struct text text = {0};
    if (!target->has_signal || !signal->has_code)
        return NULL;
    pst_addr start;
    /* So it is told when a signal's handler has no room: faulthandler's, in a thread that ran out of stack. */
    if (signal->number == SIGSEGV && signal->code == SIGNAL_CODE_KERNEL && core->has_registers &&
        find_used_up_stack(core, &start))
        signal->description = "stack overflow: no room for a signal handler";
    if (signal->has_address) {
        add_place(&text, core);
        TRY(take_text(&text, &signal->place));
    }
    /* The kernel raised it for what the thread executed. */
    bool is_own = signal->code > 0 && (signal->number == SIGSEGV || signal->number == SIGBUS ||
                                       signal->number == SIGILL || signal->number == SIGFPE);
    const struct segment *segment = core->has_registers ? target_find_segment(target, core->instruction) : NULL;
    if (!is_own || !segment || !segment->path)
        return NULL;
    signal->has_instruction = true;
    signal->instruction = core->instruction;
    text = (struct text){0};
    add_file(&text, core, segment, core->instruction);
    return take_text(&text, &signal->instruction_place);
}
