/* What the commands do with a core, in this process: all of it must end well, whatever the core says. */
#ifndef FUZZ_USE_CORE_H
#define FUZZ_USE_CORE_H

#include "mutation.h"

enum use {
    USE_STACK = 1,          /* stack and info, as text and as JSON */
    USE_CODE = 2,           /* the running code objects, with all that is known of them */
    USE_CODE_LIST = 4,      /* every code object, by name */
    USE_SNAPSHOT = 8,       /* a small core, and what the commands make of that */
    USE_SNAPSHOT_ALL = 16,  /* the same with every code object */
    USE_EXPORT = 32,
    USE_HEAD = 64,          /* as `handle` reads what the kernel feeds it */
};

/* Outlives a crash: in memory that the parent shares. */
struct usage {
    char command[16];       /* what is being done */
    double seconds;         /* processor time of the slowest command, opening the core included */
    char slowest[16];
    unsigned opened, taken; /* cores that were opened; of them, those that a snapshot could be taken of */
};

void use_core(const char *path, unsigned uses, struct usage *usage);
void use_head(int fd, struct usage *usage);
/* Finds out what is worth a lie: what is read, and where objects are. false: the core is not sound. */
bool use_find_places(const char *path, struct seed *seed);

#endif
