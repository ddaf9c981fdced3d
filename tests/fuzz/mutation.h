/* Cores with lies in them, out of sound ones: the same number makes the same lies of the same core. */
#ifndef FUZZ_MUTATION_H
#define FUZZ_MUTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offsets in a file, of which mutations choose. */
struct places {
    uint64_t *items;
    size_t count, capacity;
};

void places_add(struct places *places, uint64_t offset);

/* A sound core, or a compressed one. */
struct seed {
    const char *name;
    uint8_t *bytes;
    size_t size;
    bool is_compressed;
    /* Where its program headers and notes are. */
    uint64_t headers, header_count, notes, notes_size;
    struct places objects;    /* words of interpreters, threads, frames, code objects and what they lead to */
    struct places pointers;   /* of the words that are read, those that lead into the core */
    struct places read;       /* words on pages that are read */
    uint64_t *addresses;      /* that pointers can be made of */
    size_t address_count;
    uint64_t (*address_of)(const struct seed *seed, uint64_t offset); /* 0: it is not memory */
    void *loads;
    size_t load_count;
};

/* A file, mapped: what is written here is what the code under test reads. */
struct mutant {
    int fd;
    uint8_t *bytes;
    size_t size;
    struct places changed;    /* pages, to be put back */
    char lies[512];           /* what was done, in words */
};

enum { MUTANT_ROOM = 2 << 20 /* behind the end of the seed */ };

bool mutant_open(struct mutant *mutant, const struct seed *seed);
/* `number` says which. */
void mutant_forge(struct mutant *mutant, const struct seed *seed, uint64_t run, uint64_t number);
void mutant_restore(struct mutant *mutant, const struct seed *seed);
void mutant_close(struct mutant *mutant, const struct seed *seed);

/* Numbers for other choices. */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t limit);

#endif
