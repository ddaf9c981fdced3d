#include "target/signal.h"

#include <elf.h>
#include <signal.h>
#include <stddef.h>

static const struct {
    int number;
    const char *name;
    enum signal_effect effect;
} signals[] = {
#define SIGNAL(number, name, effect) { number, name, SIGNAL_##effect },
#include "target/signals.def"
};

static const struct {
    int number, code;
    uint16_t machine;  /* EM_NONE: any */
    const char *name, *words;
} codes[] = {
#define CODE(number, code, name, words) { number, code, EM_NONE, name, words },
#define CODE_X86(number, code, name, words) { number, code, EM_X86_64, name, words },
#include "target/signals.def"
};

const char *signal_name(int number, enum signal_effect *effect)
{
    *effect = SIGNAL_UNKNOWN;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (signals[i].number != number)
            continue;
        *effect = signals[i].effect;
        return signals[i].name;
    }
    return NULL;
}

const char *signal_code_name(uint16_t machine, int number, int code, const char **words)
{
    *words = NULL;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].code != code || (codes[i].number && codes[i].number != number) ||
            (codes[i].machine != EM_NONE && codes[i].machine != machine))
            continue;
        *words = codes[i].words;
        return codes[i].name;
    }
    return NULL;
}

/* As siginfo_layout() in kernel/signal.c has it; a code that is newer than this table is one of the signal's own. */
bool signal_has_address(int number, int code)
{
    enum { TAG_CHECK_ASYNC = 8 };
    if (code <= 0 || code >= SIGNAL_CODE_KERNEL || (number == SIGSEGV && code == TAG_CHECK_ASYNC))
        return false;
    return number == SIGILL || number == SIGTRAP || number == SIGBUS || number == SIGFPE || number == SIGSEGV;
}

bool signal_has_sender(int code)
{
    return code == SIGNAL_CODE_USER || code == SIGNAL_CODE_TKILL || code == SIGNAL_CODE_QUEUE ||
           code == SIGNAL_CODE_MESGQ;
}
