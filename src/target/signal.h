/* What signals and their codes are called. */
#ifndef PYSTANDER_TARGET_SIGNAL_H
#define PYSTANDER_TARGET_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

/* si_code, where it is no signal's own. */
enum {
    SIGNAL_CODE_USER = 0,
    SIGNAL_CODE_KERNEL = 0x80,
    SIGNAL_CODE_QUEUE = -1,
    SIGNAL_CODE_MESGQ = -3,
    SIGNAL_CODE_TKILL = -6,
};

enum signal_effect {
    SIGNAL_UNKNOWN,  /* no such signal; one of the realtime signals, which end a process too */
    SIGNAL_CORE,
    SIGNAL_ENDS,
    SIGNAL_NONE,
};

/* Its name, or NULL; what it does to a process that does nothing about it. */
const char *signal_name(int number, enum signal_effect *effect);

/* The name of a code, and what it means; NULL: not known. */
const char *signal_code_name(uint16_t machine, int number, int code, const char **words);

/* Does the kernel say an address with this code? */
bool signal_has_address(int number, int code);
/* Does it say who sent the signal? */
bool signal_has_sender(int code);

#endif
