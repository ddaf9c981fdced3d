/*
 * Hashing of a target's addresses. The target chooses them, and with a multiplier that it knew it could choose such
 * that all of them fall into one place of a table; so the multiplier is of this process alone.
 */
#ifndef PYSTANDER_BASE_HASH_H
#define PYSTANDER_BASE_HASH_H

#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

/* A secret odd number. */
static inline uint64_t hash_multiplier(void)
{
    uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
    const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM); /* 16 bytes of the kernel's */
    if (random)
        memcpy(&multiplier, random, sizeof multiplier);
    return multiplier | 1;
}

#endif
