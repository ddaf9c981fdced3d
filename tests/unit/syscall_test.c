/* The system call that a thread is in, out of registers of both machines and out of the kernel's text. */
#include "fake.h"

#include "target/note_structs.h"
#include "target/notes.h"
#include "target/syscall.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    REGISTERS_SIZE = ARM_REGISTER_COUNT * 8,
    CODE = 0x401000,
    STACK = 0x7000,
    CODE_SIZE = 64, /* before the instruction that follows */
    ERESTARTSYS = 512,
    ERESTARTNOHAND = 514,
    ERESTART_RESTARTBLOCK = 516,
};

/* Where no number but an address would be. */
#define DATA UINT64_C(0x7f0000010000)
#define TIMESPEC (DATA + 0x100)

static const uint8_t svc[] = { 0x01, 0x00, 0x00, 0xd4 };

/* A thread, and the memory that it is asked about. */
struct setup {
    struct fake fake;
    struct pst_target *target;
    uint8_t registers[REGISTERS_SIZE];
};

static void begin(struct setup *setup, uint16_t machine)
{
    *setup = (struct setup){ 0 };
    memset(fake_map(&setup->fake, CODE - CODE_SIZE, CODE_SIZE + 16), 0x90, CODE_SIZE + 16);
    fake_map(&setup->fake, DATA, 0x1000);
    fake_put_unsigned(&setup->fake, TIMESPEC, 8, 1000);
    fake_put_unsigned(&setup->fake, TIMESPEC + 8, 8, 999999999);
    setup->target = fake_target(&setup->fake);
    setup->target->machine = machine;
    setup->target->threads = calloc(1, sizeof *setup->target->threads);
    setup->target->thread_count = 1;
}

static void end(struct setup *setup)
{
    pst_target_close(setup->target);
    fake_free(&setup->fake);
}

static void set(struct setup *setup, size_t index, uint64_t value)
{
    notes_put(setup->registers + index * 8, value, 8);
}

static const struct target_syscall *ask(struct setup *setup)
{
    struct pst_target *target = setup->target;
    size_t count = target->machine == EM_AARCH64 ? ARM_REGISTER_COUNT : X86_REGISTER_COUNT;
    syscall_take_registers(target->machine, setup->registers, count * 8, &target->threads->syscall);
    syscall_read(target);
    return &target->threads->syscall;
}

static const struct target_syscall *ask_x86(struct setup *setup, int64_t number, int64_t result)
{
    static const uint8_t places[] = { X86_RDI, X86_RSI, X86_RDX, X86_R10, X86_R8, X86_R9 };
    const uint64_t *arguments = setup->target->threads->syscall.arguments; /* those of before */
    for (size_t i = 0; i < 6; i++)
        set(setup, places[i], arguments[i]);
    set(setup, X86_ORIG_RAX, (uint64_t)number);
    set(setup, X86_RAX, (uint64_t)result);
    set(setup, X86_RIP, CODE);
    set(setup, X86_RSP, STACK);
    return ask(setup);
}

static void give(struct setup *setup, uint64_t first, uint64_t second, uint64_t third, uint64_t fourth)
{
    uint64_t *arguments = setup->target->threads->syscall.arguments;
    arguments[0] = first;
    arguments[1] = second;
    arguments[2] = third;
    arguments[3] = fourth;
    arguments[4] = 5;
    arguments[5] = 6;
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(syscall_get_name(EM_X86_64, 202), "futex");
    assert_string_equal(syscall_get_name(EM_AARCH64, 98), "futex");
    assert_int_equal(syscall_identify(EM_X86_64, 0), SYSCALL_read);
    assert_int_equal(syscall_identify(EM_AARCH64, 0), SYSCALL_OTHER);
    assert_int_equal(syscall_identify(EM_AARCH64, -1), SYSCALL_OTHER); /* what it lacks has this in the table */
    assert_int_equal(syscall_identify(EM_X86_64, -1), SYSCALL_OTHER);
    assert_int_equal(syscall_identify(EM_X86_64, INT32_MAX), SYSCALL_OTHER);
    assert_null(syscall_get_name(EM_X86_64, 39));
}

/* ---- x86-64 ----------------------------------------------------------------------------------------------- */

static void test_x86(void **state)
{
    (void)state;
    static const struct {
        int64_t number, result;
        bool in_syscall;
    } cases[] = {
        { 0, -ERESTARTSYS, true },     /* read */
        { 0, -ENOSYS, true },          /* it is within */
        { 0, 3, false },               /* it has just come back from it */
        { 0, -EBADF, false },
        { 1, 9, true },                /* write, with 10 to be written */
        { 1, 10, false },
        { 44, 9, true },               /* sendto */
        { 20, 9, false },              /* writev: it may be all */
        { 270, -ERESTARTNOHAND, true },
        { 232, -EINTR, true },         /* epoll_wait */
        { 186, -ERESTARTSYS, true },   /* one that has no name here */
        { -1, -ERESTARTSYS, false },   /* whatever rax holds when no system call was made */
        { INT64_MIN, 0, false },
    };
    struct setup setup;
    begin(&setup, EM_X86_64);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        give(&setup, 7, 8, 10, 4);
        const struct target_syscall *syscall = ask_x86(&setup, cases[i].number, cases[i].result);
        assert_true(syscall->known);
        assert_int_equal(syscall->in_syscall, cases[i].in_syscall);
        assert_false(syscall->restarted || syscall->lacks_first_argument);
        assert_int_equal(syscall->number, (int)cases[i].number);
        assert_int_equal(syscall->arguments[0], 7);
        assert_int_equal(syscall->arguments[3], 4);
        assert_int_equal(syscall->arguments[5], 6);
        assert_int_equal(syscall->stack_pointer, STACK);
        assert_int_equal(syscall->instruction, CODE);
    }
    setup.target->threads->state = 'S';
    assert_true(ask_x86(&setup, 20, 9)->in_syscall); /* it slept: writev wrote a part */
    assert_false(ask_x86(&setup, 0, 9)->in_syscall);
    end(&setup);
}

static void test_without_registers(void **state)
{
    (void)state;
    struct setup setup;
    begin(&setup, EM_X86_64);
    const struct target_syscall *syscall = ask(&setup); /* all zero, as of a thread that was not stopped */
    assert_false(syscall->known || syscall->in_syscall);
    setup.target->machine = EM_AARCH64;
    syscall = ask(&setup);
    assert_false(syscall->known || syscall->in_syscall);
    set(&setup, X86_RSP, STACK);
    setup.target->machine = EM_X86_64;
    syscall_take_registers(EM_X86_64, setup.registers, X86_REGISTER_COUNT * 8 - 1, &setup.target->threads->syscall);
    syscall_read(setup.target);
    assert_false(setup.target->threads->syscall.known);
    end(&setup);
}

/* ---- restart_syscall --------------------------------------------------------------------------------------- */

static void test_restarted_by_code(void **state)
{
    (void)state;
    static const uint8_t futex[] = { 0xb8, 0xca, 0, 0, 0, 0x0f, 0x05 };
    static const uint8_t nanosleep[] = { 0xb8, 0xe6, 0, 0, 0, 0x89, 0xfe, 0x0f, 0x05 };
    static const uint8_t unknown[] = { 0xb8, 0xcb, 0, 0, 0, 0x0f, 0x05 };
    struct setup setup;
    begin(&setup, EM_X86_64);
    fake_put(&setup.fake, CODE - sizeof unknown, unknown, sizeof unknown);
    assert_int_equal(ask_x86(&setup, 219, -ERESTART_RESTARTBLOCK)->number, 219);
    assert_true(setup.target->threads->syscall.in_syscall && setup.target->threads->syscall.restarted);
    fake_put(&setup.fake, CODE - sizeof futex, futex, sizeof futex);
    memory_begin(setup.target->memory);
    memory_refresh(setup.target->memory);
    assert_int_equal(ask_x86(&setup, 219, -ERESTART_RESTARTBLOCK)->number, 202);
    assert_true(setup.target->threads->syscall.restarted);
    syscall_read(setup.target); /* again, of the same */
    assert_int_equal(setup.target->threads->syscall.number, 202);
    assert_true(setup.target->threads->syscall.restarted);
    fake_put(&setup.fake, CODE - sizeof nanosleep, nanosleep, sizeof nanosleep);
    memory_refresh(setup.target->memory);
    assert_int_equal(ask_x86(&setup, 219, -ERESTART_RESTARTBLOCK)->number, 230);
    assert_int_equal(ask_x86(&setup, 202, -ERESTART_RESTARTBLOCK)->number, 202);
    assert_false(setup.target->threads->syscall.restarted);
    end(&setup);
}

/* Where the code does not have the number. */
static void test_restarted_by_arguments(void **state)
{
    (void)state;
    static const struct {
        uint64_t arguments[4];
        int number;
    } cases[] = {
        { { DATA, 0x189, 0, TIMESPEC }, 202 },
        { { DATA, 0x80, 0, TIMESPEC }, 202 },
        { { DATA, 0x81, 0, TIMESPEC }, 219 },      /* FUTEX_WAKE */
        { { DATA + 2, 0x189, 0, TIMESPEC }, 219 },
        { { DATA, 0x189, 0, 0 }, 219 },
        { { 1, 0, TIMESPEC, 0 }, 230 },            /* clock_nanosleep */
        { { (uint32_t)-6, 0, TIMESPEC, 0 }, 230 }, /* of a thread's own time */
        { { 1, 1, TIMESPEC, 0 }, 219 },            /* until a time: it is begun anew, not gone on with */
        { { TIMESPEC, 0, 0, 0 }, 35 },             /* nanosleep */
        { { TIMESPEC + 8, 0, 0, 0 }, 35 },         /* 999,999,999 seconds and none */
        { { TIMESPEC - 8, 0, 0, 0 }, 35 },
        { { DATA + 0x200, 2, 5000, 0 }, 7 },       /* poll */
        { { DATA + 0x200, 3, 5000, 0 }, 219 },     /* the third is none */
        { { 0, 0, 5000, 0 }, 7 },
        { { 0, 0, 0, 0 }, 219 },                   /* which never waits */
        { { 0x99990000, 2, 5000, 0 }, 219 },
    };
    struct setup setup;
    begin(&setup, EM_X86_64);
    for (pst_addr at = DATA + 0x200; at < DATA + 0x210; at += 8) {
        fake_put_unsigned(&setup.fake, at, 4, 5);
        fake_put_unsigned(&setup.fake, at + 4, 2, 1);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint64_t *arguments = cases[i].arguments;
        give(&setup, arguments[0], arguments[1], arguments[2], arguments[3]);
        assert_int_equal(ask_x86(&setup, 219, -ERESTART_RESTARTBLOCK)->number, cases[i].number);
    }
    end(&setup);
}

/* ---- aarch64 ---------------------------------------------------------------------------------------------- */

static const struct target_syscall *ask_arm(struct setup *setup, uint64_t number, uint64_t first, pst_addr instruction)
{
    set(setup, 0, first);
    for (size_t i = 1; i < 6; i++)
        set(setup, i, 10 * i);
    set(setup, ARM_X8, number);
    set(setup, ARM_SP, STACK);
    set(setup, ARM_PC, instruction);
    return ask(setup);
}

static void test_arm(void **state)
{
    (void)state;
    struct setup setup;
    begin(&setup, EM_AARCH64);
    fake_put(&setup.fake, CODE - 4, svc, sizeof svc);
    const struct target_syscall *syscall = ask_arm(&setup, 63, 7, CODE - 4); /* it is to begin anew */
    assert_true(syscall->known && syscall->in_syscall && !syscall->lacks_first_argument);
    assert_int_equal(syscall_identify(EM_AARCH64, syscall->number), SYSCALL_read);
    assert_int_equal(syscall->arguments[0], 7);
    assert_int_equal(syscall->arguments[5], 50);
    syscall = ask_arm(&setup, 22, (uint64_t)-EINTR, CODE); /* epoll_pwait */
    assert_true(syscall->in_syscall && syscall->lacks_first_argument);
    assert_true(ask_arm(&setup, 64, 19, CODE)->in_syscall);  /* write: 19 of 20 */
    assert_false(ask_arm(&setup, 64, 20, CODE)->in_syscall);
    assert_false(ask_arm(&setup, 63, 0, CODE)->in_syscall);  /* it is behind it */
    assert_false(ask_arm(&setup, 63, 7, CODE - 8)->in_syscall);
    assert_true(setup.target->threads->syscall.known);
    assert_false(ask_arm(&setup, (uint64_t)-1, 7, CODE - 4)->in_syscall);
    syscall = ask_arm(&setup, 63, 7, 0x900000); /* code that nobody has */
    assert_false(syscall->known || syscall->in_syscall);
    syscall = ask_arm(&setup, 63, 7, CODE - CODE_SIZE); /* nothing before it */
    assert_true(syscall->known && !syscall->in_syscall);
    end(&setup);
}

static void test_arm_restarted(void **state)
{
    (void)state;
    struct setup setup;
    begin(&setup, EM_AARCH64);
    fake_put(&setup.fake, CODE, svc, sizeof svc);
    fake_put_unsigned(&setup.fake, CODE - 8, 4, 0x52800008 | 98 << 5); /* mov w8, #98 */
    assert_int_equal(ask_arm(&setup, 128, DATA, CODE)->number, 98);
    assert_true(setup.target->threads->syscall.restarted);
    fake_put_unsigned(&setup.fake, CODE - 4, 4, 0xd2800008 | 115 << 5); /* mov x8, #115 */
    memory_begin(setup.target->memory);
    memory_refresh(setup.target->memory);
    assert_int_equal(ask_arm(&setup, 128, DATA, CODE)->number, 115);
    end(&setup);
}

/* ---- the kernel's text -------------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "\n", "7", "7 0x1", "0 0x1 0x2 0x3 0x4 0x5 0x6 0x7\n", "-1 0x1\n",
                                       "read 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n" };
    struct target_syscall syscall;
    assert_true(syscall_take_line("202 0x7f01 0x189 0x0 0x0 0xffffffff 0x6 0x7ffc0 0x7f4d8ce362ad\n", &syscall));
    assert_int_equal(syscall.source, SYSCALL_KERNEL);
    assert_int_equal(syscall.number, 202);
    assert_int_equal(syscall.arguments[0], 0x7f01);
    assert_int_equal(syscall.arguments[1], 0x189);
    assert_int_equal(syscall.arguments[4], 0xffffffff);
    assert_int_equal(syscall.stack_pointer, 0x7ffc0);
    assert_int_equal(syscall.instruction, 0x7f4d8ce362ad);
    assert_true(syscall_take_line("-1 0x7ffc0 0x7f4d8ce362ad\n", &syscall));
    assert_int_equal(syscall.number, -1);
    assert_int_equal(syscall.stack_pointer, 0x7ffc0);
    assert_true(syscall_take_line("running\n", &syscall));
    assert_int_equal(syscall.number, -1);
    assert_int_equal(syscall.source, SYSCALL_KERNEL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(syscall_take_line(bad[i], &syscall));
        assert_int_equal(syscall.source, SYSCALL_UNREAD);
    }
}

/* What a small core has of a thread that was not stopped is what the kernel said of it. */
static void test_put(void **state)
{
    (void)state;
    static const uint16_t machines[] = { EM_X86_64, EM_AARCH64 };
    for (size_t i = 0; i < 2; i++) {
        struct setup setup;
        struct target_syscall given;
        begin(&setup, machines[i]);
        fake_put(&setup.fake, CODE - 4, svc, sizeof svc);
        assert_true(syscall_take_line("56 0x1 0x2 0x3 0x4 0x5 0x6 0x7000 0x401000\n", &given));
        syscall_put_registers(machines[i], &given, setup.registers);
        const struct target_syscall *syscall = ask(&setup);
        assert_true(syscall->in_syscall && !syscall->lacks_first_argument);
        assert_int_equal(syscall->number, 56);
        assert_memory_equal(syscall->arguments, given.arguments, sizeof given.arguments);
        assert_int_equal(syscall->stack_pointer, 0x7000);

        memset(setup.registers, 0, sizeof setup.registers);
        assert_true(syscall_take_line("-1 0x7000 0x400ff0\n", &given));
        syscall_put_registers(machines[i], &given, setup.registers);
        syscall = ask(&setup);
        assert_true(syscall->known && !syscall->in_syscall);

        memset(setup.registers, 0, sizeof setup.registers);
        assert_true(syscall_take_line("running\n", &given));
        syscall_put_registers(machines[i], &given, setup.registers);
        assert_false(ask(&setup)->known);
        end(&setup);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_x86),
        cmocka_unit_test(test_without_registers),
        cmocka_unit_test(test_restarted_by_code),
        cmocka_unit_test(test_restarted_by_arguments),
        cmocka_unit_test(test_arm),
        cmocka_unit_test(test_arm_restarted),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
