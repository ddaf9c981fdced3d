/*
 * Where the numbers of a core's notes are: struct elf_prstatus and elf_prpsinfo of 64-bit kernels
 * (include/linux/elfcore.h, uapi/linux/elfcore.h), alike on x86-64 and aarch64 but for the registers. They are not
 * those of this machine's headers: a core of either architecture is read on both.
 */
#ifndef PYSTANDER_TARGET_NOTE_STRUCTS_H
#define PYSTANDER_TARGET_NOTE_STRUCTS_H

/* struct elf_prstatus; the registers are followed by a number of eight bytes (pr_fpvalid, and what fills it up) */
enum { PR_CURSIG_OFF = 12, PR_PID_OFF = 32, PR_PPID_OFF = 36, PR_REG_OFF = 112, PR_AFTER_REG_SIZE = 8 };

/* struct elf_prpsinfo */
enum {
    PS_SNAME_OFF = 1,
    PS_FLAG_OFF = 8, /* of eight bytes */
    PS_UID_OFF = 16,
    PS_GID_OFF = 20,
    PS_PID_OFF = 24,
    PS_PPID_OFF = 28,
    PS_FNAME_OFF = 40,
    PS_FNAME_SIZE = 16,
    PS_ARGS_OFF = 56,
    PS_ARGS_SIZE = 80,
    PRPSINFO_SIZE = 136,
};

/* pr_flag: include/linux/sched.h */
enum { PF_FORKNOEXEC = 0x40 };

/* struct user_regs_struct of x86-64, in words */
enum {
    X86_R10 = 7,
    X86_R9 = 8,
    X86_R8 = 9,
    X86_RAX = 10,
    X86_RDX = 12,
    X86_RSI = 13,
    X86_RDI = 14,
    X86_ORIG_RAX = 15,
    X86_RIP = 16,
    X86_RSP = 19,
    X86_FS_BASE = 21,
    X86_REGISTER_COUNT = 27,
};
/* struct user_pt_regs of aarch64, likewise; x0 is the first */
enum { ARM_X8 = 8, ARM_SP = 31, ARM_PC = 32, ARM_REGISTER_COUNT = 34 };

#endif
