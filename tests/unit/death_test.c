/* Why a core was written, of whose process, when and by what: from notes made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "report/calendar.h"
#include "report/report.h"
#include "target/signal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

enum { PID = 4711, TID = 4715, RSP = 19, RIP = 16, ARM_SP = 31, ARM_PC = 32 };

static const pst_addr stack_address = 0x7f1000000000, file_address = 0x7f2000000000;
static const char page_data[PAGE] = "a page";

static void put(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

/* ---- notes ------------------------------------------------------------------------------------------ */

struct death {
    uint16_t machine;     /* 0: x86-64 */
    int signal, code;
    uint64_t fields[2];   /* of siginfo_t, from si_addr or si_pid on */
    pst_addr stack_pointer, instruction;
    int siginfo_signal;   /* 0: the same */
};

static void add_prstatus(struct core_file *core, const struct death *death, int tid)
{
    uint8_t bytes[392] = {0};
    bool is_arm = death->machine == EM_AARCH64;
    put(bytes + 12, 2, (uint64_t)death->signal);
    put(bytes + 32, 4, (uint64_t)tid);
    put(bytes + 112 + 8 * (is_arm ? ARM_SP : RSP), 8, death->stack_pointer);
    put(bytes + 112 + 8 * (is_arm ? ARM_PC : RIP), 8, death->instruction);
    core_file_note(core, "CORE", NT_PRSTATUS, bytes, is_arm ? 392 : 336);
}

static void add_prpsinfo(struct core_file *core)
{
    uint8_t bytes[136] = {0};
    put(bytes + 16, 4, 1000);
    put(bytes + 20, 4, 4294967294); /* nogroup, where it has no number */
    put(bytes + 24, 4, PID);
    put(bytes + 28, 4, 17);
    memcpy(bytes + 40, "python3", 7);
    memcpy(bytes + 56, "python3 server.py", 17);
    core_file_note(core, "CORE", NT_PRPSINFO, bytes, sizeof bytes);
}

static void add_siginfo(struct core_file *core, const struct death *death)
{
    uint8_t bytes[128] = {0};
    put(bytes, 4, (uint64_t)(death->siginfo_signal ? death->siginfo_signal : death->signal));
    put(bytes + 8, 4, (uint64_t)death->code);
    put(bytes + 16, 8, death->fields[0]);
    put(bytes + 24, 8, death->fields[1]);
    core_file_note(core, "CORE", NT_SIGINFO, bytes, sizeof bytes);
}

/* As the kernel has it, of two threads, the second one died. */
static struct core_file begin(const struct death *death)
{
    struct core_file core = core_file_begin(death->machine ? death->machine : EM_X86_64);
    add_prstatus(&core, death, TID);
    add_prpsinfo(&core);
    add_siginfo(&core, death);
    add_prstatus(&core, death, PID);
    core_file_map(&core, file_address, 2 * PAGE, 0, "/usr/lib/libfoo.so");
    core_file_load(&core, stack_address, 0, NULL, 0, PAGE);
    core_file_load(&core, stack_address + PAGE, PF_R | PF_W, page_data, PAGE, 32 * PAGE);
    core_file_load(&core, file_address, PF_R, page_data, PAGE, PAGE);
    core_file_load(&core, file_address + PAGE, PF_R | PF_X, page_data, 0, PAGE);
    core_file_load(&core, 0x7f3000000000, PF_R | PF_W, page_data, PAGE, PAGE);
    return core;
}

static pst_signal signal_of(const struct pst_target *target)
{
    pst_signal signal = {0};
    assert_true(pst_target_get_signal(target, &signal));
    return signal;
}

/* NULL is equal to NULL alone. */
static void assert_words(const char *actual, const char *expected)
{
    if (!actual || !expected)
        assert_ptr_equal(actual, expected);
    else
        assert_string_equal(actual, expected);
}

/* ---- the tables ------------------------------------------------------------------------------------- */

static void test_names_are_libcs(void **state)
{
    (void)state;
    enum signal_effect effect;
    for (int number = 1; number < 32; number++) {
        char expected[32];
        snprintf(expected, sizeof expected, "SIG%s", sigabbrev_np(number));
        /* It has two names. */
        assert_string_equal(signal_name(number, &effect), strcmp(expected, "SIGPOLL") ? expected : "SIGIO");
        assert_int_not_equal(effect, SIGNAL_UNKNOWN);
    }
    assert_null(signal_name(0, &effect));
    assert_null(signal_name(34, &effect));
    assert_int_equal(effect, SIGNAL_UNKNOWN);
    assert_null(signal_name(-11, &effect));
}

static void test_codes_are_libcs(void **state)
{
#define CODE_OF(number, code) { number, code, #code }
    static const struct {
        int number, code;
        const char *name;
    } codes[] = {
        CODE_OF(SIGILL, ILL_ILLOPC), CODE_OF(SIGILL, ILL_ILLOPN), CODE_OF(SIGILL, ILL_ILLADR),
        CODE_OF(SIGILL, ILL_ILLTRP), CODE_OF(SIGILL, ILL_PRVOPC), CODE_OF(SIGILL, ILL_PRVREG),
        CODE_OF(SIGILL, ILL_COPROC), CODE_OF(SIGILL, ILL_BADSTK), CODE_OF(SIGFPE, FPE_INTDIV),
        CODE_OF(SIGFPE, FPE_INTOVF), CODE_OF(SIGFPE, FPE_FLTDIV), CODE_OF(SIGFPE, FPE_FLTOVF),
        CODE_OF(SIGFPE, FPE_FLTUND), CODE_OF(SIGFPE, FPE_FLTRES), CODE_OF(SIGFPE, FPE_FLTINV),
        CODE_OF(SIGFPE, FPE_FLTSUB), CODE_OF(SIGFPE, FPE_FLTUNK), CODE_OF(SIGFPE, FPE_CONDTRAP),
        CODE_OF(SIGSEGV, SEGV_MAPERR), CODE_OF(SIGSEGV, SEGV_ACCERR), CODE_OF(SIGSEGV, SEGV_BNDERR),
        CODE_OF(SIGSEGV, SEGV_PKUERR), CODE_OF(SIGSEGV, SEGV_ACCADI), CODE_OF(SIGSEGV, SEGV_ADIDERR),
        CODE_OF(SIGSEGV, SEGV_ADIPERR), CODE_OF(SIGSEGV, SEGV_MTEAERR), CODE_OF(SIGSEGV, SEGV_MTESERR),
        CODE_OF(SIGBUS, BUS_ADRALN), CODE_OF(SIGBUS, BUS_ADRERR), CODE_OF(SIGBUS, BUS_OBJERR),
        CODE_OF(SIGBUS, BUS_MCEERR_AR), CODE_OF(SIGBUS, BUS_MCEERR_AO), CODE_OF(SIGTRAP, TRAP_BRKPT),
        CODE_OF(SIGTRAP, TRAP_TRACE), CODE_OF(SIGTRAP, TRAP_BRANCH), CODE_OF(SIGTRAP, TRAP_HWBKPT),
        CODE_OF(SIGTRAP, TRAP_UNK), CODE_OF(SIGABRT, SI_USER), CODE_OF(SIGABRT, SI_KERNEL),
        CODE_OF(SIGSEGV, SI_KERNEL), CODE_OF(SIGABRT, SI_QUEUE), CODE_OF(SIGABRT, SI_TIMER),
        CODE_OF(SIGABRT, SI_MESGQ), CODE_OF(SIGABRT, SI_ASYNCIO), CODE_OF(SIGABRT, SI_SIGIO),
        CODE_OF(SIGABRT, SI_TKILL), CODE_OF(SIGABRT, SI_DETHREAD), CODE_OF(SIGABRT, SI_ASYNCNL),
    };
    (void)state;
    const char *words;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_words(signal_code_name(EM_X86_64, codes[i].number, codes[i].code, &words), codes[i].name);
        assert_non_null(words);
    }
    assert_null(signal_code_name(EM_X86_64, SIGSEGV, 77, &words));
    assert_null(words);
    assert_null(signal_code_name(EM_X86_64, SIGABRT, SEGV_MAPERR, &words));
    /* One number, another meaning. */
    assert_non_null(signal_code_name(EM_X86_64, SIGSEGV, SI_KERNEL, &words));
    assert_string_equal(words, "general protection: the address is not known");
    assert_non_null(signal_code_name(EM_AARCH64, SIGSEGV, SI_KERNEL, &words));
    assert_string_equal(words, "sent by the kernel");
}

/* ---- what a core says ------------------------------------------------------------------------------- */

static void test_codes(void **state)
{
    static const struct {
        struct death death;
        const char *code_name, *description, *place;
        bool has_address, has_sender, has_syscall;
    } cases[] = {
        {{.signal = SIGSEGV, .code = SEGV_MAPERR, .fields = {16}}, "SEGV_MAPERR", "address not mapped",
         "16 bytes past a null pointer", true, false, false},
        {{.signal = SIGSEGV, .code = SEGV_PKUERR, .fields = {0x7f3000000010}}, "SEGV_PKUERR",
         "access denied by a memory protection key", "in anonymous memory, mapped for reading and writing", true, false,
         false},
        {{.signal = SIGSEGV, .code = 8}, "SEGV_MTEAERR",
         "memory tag mismatch, noticed later: the address is not known", NULL, false, false, false},
        {{.signal = SIGSEGV, .code = SI_KERNEL, .fields = {99}}, "SI_KERNEL",
         "general protection: the address is not known", NULL, false, false, false},
        {{.signal = SIGSEGV, .code = 77, .fields = {0x7f3000000010}}, NULL, NULL,
         "in anonymous memory, mapped for reading and writing", true, false,
         false},
        {{.signal = SIGBUS, .code = BUS_ADRERR, .fields = {0x7f2000001010}}, "BUS_ADRERR",
         "no memory behind the address: a mapped file became shorter, or could not be read",
         "in /usr/lib/libfoo.so, 4112 bytes from its beginning", true, false, false},
        {{.signal = SIGFPE, .code = FPE_INTDIV, .fields = {0x7f2000001010}}, "FPE_INTDIV", "integer divide by zero",
         "in /usr/lib/libfoo.so+0x1010", true, false, false},
        {{.signal = SIGILL, .code = ILL_ILLOPN, .fields = {0x10}}, "ILL_ILLOPN", "illegal instruction", NULL, true,
         false, false},
        {{.signal = SIGTRAP, .code = SI_KERNEL}, "SI_KERNEL", "breakpoint instruction", NULL, false, false, false},
        {{.signal = SIGTRAP, .code = TRAP_TRACE, .fields = {0x7f2000001010}}, "TRAP_TRACE", "single step",
         "in /usr/lib/libfoo.so+0x1010", true, false, false},
        {{.signal = SIGABRT, .code = SI_TKILL, .fields = {0x3e800001267}}, "SI_TKILL", "sent by tgkill()", NULL, false,
         true, false},
        {{.signal = SIGQUIT, .code = SI_USER, .fields = {0x3e800000063}}, "SI_USER", "sent by kill()", NULL, false,
         true, false},
        {{.signal = SIGQUIT, .code = SI_KERNEL}, "SI_KERNEL", "the terminal's quit key", NULL, false, false, false},
        {{.signal = SIGXCPU, .code = SI_KERNEL}, "SI_KERNEL", "limit of processor time reached", NULL, false, false,
         false},
        {{.signal = SIGXFSZ, .code = SI_KERNEL}, "SI_KERNEL", "limit of file size reached", NULL, false, false, false},
        {{.signal = SIGABRT, .code = SI_TIMER, .fields = {7}}, "SI_TIMER", "a POSIX timer expired", NULL, false, false,
         false},
        {{.signal = SIGSYS, .code = SYS_SECCOMP, .fields = {0x7f2000001010, 0xc000003e0000003b}}, "SYS_SECCOMP",
         "system call forbidden by seccomp", NULL, false, false, true},
        {{.signal = SIGTERM, .code = SI_USER, .fields = {0x3e800000063}}, "SI_USER", "sent by kill()", NULL, false,
         true, false},
        {{.signal = 40, .code = SI_QUEUE, .fields = {0x3e800000063}}, "SI_QUEUE", "sent by sigqueue()", NULL, false,
         true, false},
        {{.signal = -3, .code = -9999}, NULL, NULL, NULL, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct core_file core = begin(&cases[i].death);
        struct pst_target *target = open_core(&core);
        pst_signal signal = signal_of(target);
        assert_int_equal(signal.number, cases[i].death.signal);
        assert_true(signal.has_code);
        assert_int_equal(signal.code, cases[i].death.code);
        assert_words(signal.code_name, cases[i].code_name);
        assert_words(signal.description, cases[i].description);
        assert_words(signal.place, cases[i].place);
        assert_int_equal(signal.has_address, cases[i].has_address);
        assert_int_equal(signal.address, cases[i].has_address ? cases[i].death.fields[0] : 0);
        assert_int_equal(signal.has_sender, cases[i].has_sender);
        assert_int_equal(signal.sender_uid, cases[i].has_sender ? 1000 : 0);
        assert_int_equal(signal.sender_pid, cases[i].has_sender ? (pid_t)cases[i].death.fields[0] : 0);
        assert_int_equal(signal.has_syscall, cases[i].has_syscall);
        assert_int_equal(signal.syscall, cases[i].has_syscall ? 59 : 0);
        assert_int_equal(signal.syscall_arch, cases[i].has_syscall ? 0xc000003e : 0);
        assert_int_equal(signal.tid, TID);
        pst_target_close(target);
    }
}

/* An NT_SIGINFO of another signal, too short a one, none. */
static void test_no_code(void **state)
{
    static const struct death death = {.signal = SIGSEGV, .code = SEGV_MAPERR, .siginfo_signal = SIGCHLD};
    static const uint8_t short_note[31] = {SIGSEGV, [8] = SEGV_MAPERR};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct core_file core = core_file_begin(EM_X86_64);
        add_prstatus(&core, &death, TID);
        add_prpsinfo(&core);
        if (i == 0)
            add_siginfo(&core, &death);
        if (i == 1)
            core_file_note(&core, "CORE", NT_SIGINFO, short_note, sizeof short_note);
        core_file_map(&core, file_address, PAGE, 0, "/usr/lib/libfoo.so");
        struct pst_target *target = open_core(&core);
        pst_signal signal = signal_of(target);
        assert_int_equal(signal.number, SIGSEGV);
        assert_false(signal.has_code);
        assert_false(signal.has_address);
        assert_null(signal.description);
        assert_null(signal.place);
        assert_int_equal(signal.tid, TID);
        pst_target_close(target);
    }
}

static void test_places(void **state)
{
    const pst_addr bottom = stack_address + PAGE;
    const struct {
        struct death death;
        const char *place;
    } cases[] = {
        {{.code = SEGV_MAPERR, .instruction = file_address}, "a null pointer"},
        {{.code = SEGV_MAPERR, .instruction = 1, .fields = {1}}, "1 byte past a null pointer, to be executed"},
        {{.code = SEGV_MAPERR, .fields = {-(uint64_t)8}}, "8 bytes before a null pointer"},
        {{.code = SEGV_MAPERR, .fields = {4096}}, NULL},
        {{.code = SEGV_MAPERR, .fields = {4096}, .instruction = 4096}, "to be executed"},
        {{.code = SEGV_ACCERR, .fields = {file_address + 8}}, "in /usr/lib/libfoo.so, mapped read-only"},
        {{.code = SEGV_ACCERR, .fields = {file_address + 8}, .instruction = file_address + 8},
         "in /usr/lib/libfoo.so, mapped read-only, to be executed"},
        {{.code = SEGV_ACCERR, .fields = {file_address + PAGE}, .instruction = file_address + PAGE},
         "in /usr/lib/libfoo.so, mapped for reading and execution"},
        /* In the guard page; in it, but the stack has room; and in the last byte of one that can be used. */
        {{.code = SEGV_ACCERR, .fields = {bottom - 8}, .stack_pointer = bottom},
         "8 bytes below the stack of thread 4715: a stack overflow"},
        {{.code = SEGV_ACCERR, .fields = {bottom - 1}, .stack_pointer = bottom - 2000},
         "1 byte below the stack of thread 4715: a stack overflow"},
        {{.code = SEGV_ACCERR, .fields = {bottom - 8}, .stack_pointer = bottom + 20 * PAGE},
         "in anonymous memory, mapped without access"},
        {{.code = SEGV_ACCERR, .fields = {bottom + 8}, .stack_pointer = bottom},
         "in the stack of thread 4715, mapped for reading and writing"},
        /* The main thread's has no guard page; far below it. */
        {{.code = SEGV_MAPERR, .fields = {stack_address - 8}, .stack_pointer = bottom},
         "4104 bytes below the stack of thread 4715: a stack overflow"},
        {{.code = SEGV_MAPERR, .fields = {stack_address - (2 << 20)}, .stack_pointer = bottom}, NULL},
        /* glibc 2.42 and later. */
        {{.code = SEGV_MAPERR, .fields = {bottom + PAGE}, .stack_pointer = bottom + 2 * PAGE},
         "in a guard page, next to the stack pointer of thread 4715: a stack overflow"},
        {{.code = SEGV_MAPERR, .fields = {UINT64_MAX}, .stack_pointer = UINT64_MAX}, "1 byte before a null pointer"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int is_arm = 0; is_arm < 2; is_arm++) {
            struct death death = cases[i].death;
            death.signal = SIGSEGV;
            death.machine = is_arm ? EM_AARCH64 : EM_X86_64;
            struct core_file core = begin(&death);
            struct pst_target *target = open_core(&core);
            assert_words(signal_of(target).place, cases[i].place);
            pst_target_close(target);
        }
    }
}

static void test_no_room_for_handler(void **state)
{
    const struct death death = {.signal = SIGSEGV, .code = SI_KERNEL, .stack_pointer = stack_address + PAGE + 8};
    (void)state;
    struct core_file core = begin(&death);
    struct pst_target *target = open_core(&core);
    assert_words(signal_of(target).description, "stack overflow: no room for a signal handler");
    assert_false(signal_of(target).has_address);
    pst_target_close(target);
}

static void test_instruction(void **state)
{
    const struct {
        struct death death;
        const char *place;
    } cases[] = {
        {{.signal = SIGSEGV, .code = SEGV_MAPERR, .instruction = file_address + 0x1010}, "/usr/lib/libfoo.so+0x1010"},
        {{.signal = SIGSEGV, .code = SEGV_MAPERR, .instruction = 0x7f3000000000}, NULL},
        {{.signal = SIGSEGV, .code = SEGV_MAPERR, .instruction = 0}, NULL},
        {{.signal = SIGSEGV, .code = SI_TKILL, .instruction = file_address}, NULL},
        {{.signal = SIGABRT, .code = SI_KERNEL, .instruction = file_address}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct core_file core = begin(&cases[i].death);
        struct pst_target *target = open_core(&core);
        pst_signal signal = signal_of(target);
        assert_words(signal.instruction_place, cases[i].place);
        assert_int_equal(signal.has_instruction, cases[i].place != NULL);
        assert_int_equal(signal.instruction, cases[i].place ? cases[i].death.instruction : 0);
        pst_target_close(target);
    }
}

/* ---- the process ------------------------------------------------------------------------------------ */

static void test_process(void **state)
{
    static const struct death death = {.signal = SIGABRT, .code = SI_TKILL};
    const struct timespec times[2] = {{.tv_sec = 1795000000}, {.tv_sec = 1795694403, .tv_nsec = 999999999}};
    (void)state;
    struct core_file core = begin(&death);
    core_file_write(&core, core_path);
    assert_int_equal(utimensat(AT_FDCWD, core_path, times, 0), 0);
    struct pst_target *target = open_with(NULL);
    pst_process_details details;
    pst_target_get_process_details(target, &details);
    assert_int_equal(details.parent, 17);
    assert_true(details.has_user);
    assert_int_equal(details.uid, 1000);
    assert_int_equal(details.gid, 4294967294);
    assert_false(details.has_start);
    assert_true(details.has_written);
    assert_int_equal(details.written, 1795694403);
    assert_int_equal(details.writer, PST_WRITER_KERNEL);
    pst_target_close(target);
}

static void test_writer(void **state)
{
    static const struct death death = {.signal = SIGSEGV, .code = SEGV_MAPERR}, stopped = {.signal = SIGSTOP};
    (void)state;
    for (int i = 0; i < 6; i++) {
        static const pst_writer writers[] = {PST_WRITER_UNKNOWN, PST_WRITER_UNKNOWN, PST_WRITER_KERNEL,
                                             PST_WRITER_DEBUGGER, PST_WRITER_DEBUGGER, PST_WRITER_UNKNOWN};
        struct core_file core = core_file_begin(EM_X86_64);
        if (i == 3)
            add_prpsinfo(&core);
        add_prstatus(&core, i == 5 ? &stopped : &death, TID);
        if (i == 1 || i == 2 || i == 4)
            add_prpsinfo(&core);
        if (i == 2 || i == 3 || i == 4)
            add_siginfo(&core, &death);
        if (i == 4)
            core_file_note(&core, "GDB", 0xff000000, "", 1);
        core_file_map(&core, file_address, PAGE, 0, "/usr/lib/libfoo.so");
        struct pst_target *target = open_core(&core);
        pst_process_details details;
        pst_signal signal;
        pst_target_get_process_details(target, &details);
        assert_int_equal(details.writer, writers[i]);
        assert_int_equal(details.has_user, i >= 1 && i <= 4);
        assert_int_equal(pst_target_get_signal(target, &signal), i != 5);
        pst_target_close(target);
    }
}

/* A number in a core is no thread of this machine. */
static void test_names_of_core_alone(void **state)
{
    static const struct death death = {.signal = SIGABRT, .code = SI_TKILL};
    (void)state;
    struct core_file core = core_file_begin(EM_X86_64);
    add_prstatus(&core, &death, getpid());
    add_prpsinfo(&core);
    add_siginfo(&core, &death);
    add_prstatus(&core, &death, 1);
    core_file_map(&core, file_address, PAGE, 0, "/usr/lib/libfoo.so");
    struct pst_target *target = open_core(&core);
    assert_int_equal(target->thread_count, 2);
    assert_int_equal(target->threads[0].tid, getpid());
    assert_false(target->threads[0].has_name);
    assert_int_equal(target->threads[0].state, 0);
    assert_false(target->threads[1].has_name);
    pst_target_close(target);
}

/* ---- reports ---------------------------------------------------------------------------------------- */

struct printed {
    char data[4096];
    size_t size;
};

static bool keep(void *context, const char *data, size_t size)
{
    struct printed *printed = context;
    if (size >= sizeof printed->data - printed->size)
        return false;
    memcpy(printed->data + printed->size, data, size);
    printed->size += size;
    printed->data[printed->size] = '\0';
    return true;
}

static void print(struct core_file *core, bool verbose, bool json, struct printed *printed)
{
    const struct timespec times[2] = {{.tv_sec = 1795694403}, {.tv_sec = 1795694403}};
    *printed = (struct printed){0};
    core_file_write(core, core_path);
    assert_int_equal(utimensat(AT_FDCWD, core_path, times, 0), 0);
    struct report report = {.target = open_with(NULL), .verbose = verbose};
    struct report_sink sink = {.write = keep, .context = printed};
    if (json)
        report_stack_json(&report, &sink);
    else
        report_stack_text(&report, &sink);
    assert_true(report_finish(&sink));
    pst_target_close(report.target);
}

static void assert_lines(const struct printed *printed, const char *lines)
{
    char expected[1024];
    snprintf(expected, sizeof expected, "Core %s of process 4711: python3 server.py\n%s", core_path, lines);
    assert_string_equal(printed->data, expected);
}

#define WRITTEN "User 1000, written 2026-11-26 12:00:03 UTC\n"

static void test_text(void **state)
{
    static const struct {
        struct death death;
        const char *lines;
    } cases[] = {
        {{.signal = SIGSEGV, .code = SEGV_MAPERR, .fields = {16}, .instruction = 0x7f2000001010},
         "Died of SIGSEGV (address not mapped) at address 0x10 (16 bytes past a null pointer), in thread 4715\n"
         "It executed /usr/lib/libfoo.so+0x1010\n" WRITTEN},
        {{.signal = SIGABRT, .code = SI_TKILL, .fields = {0x3e800001267}},
         "Died of SIGABRT (raised by itself), in thread 4715\n" WRITTEN},
        {{.signal = SIGQUIT, .code = SI_USER, .fields = {99}},
         "Died of SIGQUIT (sent by process 99, user 0), in thread 4715\n" WRITTEN},
        {{.signal = SIGQUIT, .code = SI_USER, .fields = {0xfffffffe00000000}},
         "Died of SIGQUIT (sent from outside of its PID namespace, by user 4294967294), in thread 4715\n" WRITTEN},
        {{.signal = SIGFPE, .code = FPE_INTDIV, .fields = {0x7f2000001010}, .instruction = 0x7f2000001010},
         "Died of SIGFPE (integer divide by zero) at address 0x7f2000001010 (in /usr/lib/libfoo.so+0x1010), in thread "
         "4715\n" WRITTEN},
        {{.signal = SIGSYS, .code = SYS_SECCOMP, .fields = {0, 0xc000003e0000003b}},
         "Died of SIGSYS (system call forbidden by seccomp: number 59), in thread 4715\n" WRITTEN},
        {{.signal = 40, .code = -999}, "Died of signal 40 (code -999), in thread 4715\n" WRITTEN},
        {{.signal = SIGABRT, .siginfo_signal = SIGCHLD}, "Died of SIGABRT, in thread 4715\n" WRITTEN},
    };
    (void)state;
    struct printed printed;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct core_file core = begin(&cases[i].death);
        print(&core, false, false, &printed);
        assert_lines(&printed, cases[i].lines);
    }
    struct core_file core = begin(&cases[0].death);
    print(&core, true, false, &printed);
    assert_lines(&printed, "Died of SIGSEGV (address not mapped; SEGV_MAPERR, code 1) at address 0x10 (16 bytes past a "
                           "null pointer), in thread 4715\nIt executed /usr/lib/libfoo.so+0x1010\n"
                           "User 1000, group 4294967294, parent 17, written 2026-11-26 12:00:03 UTC by the kernel\n");
}

static void test_text_of_debugger(void **state)
{
    static const struct death alive = {.signal = 0, .siginfo_signal = SIGSTOP};
    static const struct death hit = {.signal = SIGSEGV, .code = SEGV_MAPERR, .fields = {0}};
    (void)state;
    struct printed printed;
    for (int i = 0; i < 2; i++) {
        struct core_file core = core_file_begin(EM_X86_64);
        add_prpsinfo(&core);
        add_prstatus(&core, i ? &hit : &alive, TID);
        add_siginfo(&core, i ? &hit : &alive);
        core_file_map(&core, file_address, PAGE, 0, "/usr/lib/libfoo.so");
        print(&core, false, false, &printed);
        assert_lines(&printed,
                     i ? "Stopped by SIGSEGV (address not mapped) at address 0x0 (a null pointer, to be executed), in "
                         "thread 4715\nUser 1000, written 2026-11-26 12:00:03 UTC by a debugger\n"
                       : "User 1000, written 2026-11-26 12:00:03 UTC by a debugger (gcore): the process was alive\n");
    }
}

static void test_json(void **state)
{
    static const struct death death = {.signal = SIGSEGV, .code = SEGV_ACCERR, .fields = {0x7f2000000008},
                                       .instruction = 0x7f2000001010};
    static const struct death sent = {.signal = SIGABRT, .code = SI_USER, .fields = {99}};
    (void)state;
    struct printed printed;
    struct core_file core = begin(&death);
    print(&core, false, true, &printed);
    assert_non_null(strstr(printed.data,
                           "\"signal\": {\"number\": 11, \"name\": \"SIGSEGV\", \"code\": 2, "
                           "\"address\": \"0x7f2000000008\", "
                           "\"code_name\": \"SEGV_ACCERR\", \"description\": \"invalid permissions\", "
                           "\"place\": \"in /usr/lib/libfoo.so, mapped read-only\", "
                           "\"instruction\": \"0x7f2000001010\", "
                           "\"instruction_place\": \"/usr/lib/libfoo.so+0x1010\", \"sender_pid\": null, "
                           "\"sender_uid\": null, \"syscall\": null, \"syscall_arch\": null, \"tid\": 4715}, "
                           "\"uid\": 1000, \"gid\": 4294967294, \"ppid\": 17, \"started\": null, "
                           "\"written\": \"2026-11-26T12:00:03Z\", \"writer\": \"kernel\"}"));
    core = begin(&sent);
    print(&core, false, true, &printed);
    assert_non_null(strstr(printed.data, "\"place\": null, \"instruction\": null, \"instruction_place\": null, "
                                         "\"sender_pid\": 99, \"sender_uid\": 0, "));
}

static void test_calendar(void **state)
{
    static const int64_t edges[] = {0, -1, 951782399, 951782400, 951868800, 4107542399, 4107542400, -62135596800,
                                    253402300799, -2203891200, 1795694403};
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        int64_t seconds = i < sizeof edges / sizeof *edges ? edges[i] : -62135596800 + (int64_t)i * 15776876;
        if (i >= sizeof edges / sizeof *edges && seconds > 253402300799)
            break;
        struct text text = {0};
        struct tm parts;
        char expected[64];
        time_t moment = seconds;
        assert_non_null(gmtime_r(&moment, &parts));
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
        assert_true(calendar_has(seconds));
        calendar_add(&text, seconds, "T", "Z");
        text_add_char(&text, '\0');
        assert_string_equal(text.data, expected);
        text_free(&text);
    }
    assert_false(calendar_has(-62135596801));
    assert_false(calendar_has(253402300800));
    assert_false(calendar_has(INT64_MAX));
    assert_false(calendar_has(INT64_MIN));
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_libcs),
        cmocka_unit_test(test_codes_are_libcs),
        TEST(test_codes),
        TEST(test_no_code),
        TEST(test_places),
        TEST(test_no_room_for_handler),
        TEST(test_instruction),
        TEST(test_process),
        TEST(test_writer),
        TEST(test_names_of_core_alone),
        TEST(test_text),
        TEST(test_text_of_debugger),
        TEST(test_json),
        cmocka_unit_test(test_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
