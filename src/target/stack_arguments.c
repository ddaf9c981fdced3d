/*
 * The command line as the kernel put it on the main stack (fs/binfmt_elf.c, create_elf_tables()), upwards: argc, argv,
 * NULL, envp, NULL, the auxiliary vector, …, AT_RANDOM's bytes, …, the strings.
 */
#include "target/stack_arguments.h"

#include "base/bytes.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD = 8,
    AUXV_REACH = 8192,               /* from the auxiliary vector to AT_RANDOM's bytes; it's a few */
    MAX_ARGUMENTS_SIZE = 2 << 20,    /* the kernel's own limit with the usual 8 MB of stack */
    MAX_ENVIRONMENT = 1 << 18,       /* pointers on the way from the auxiliary vector down to argc */
};

bool auxv_find(const uint8_t *auxv, size_t size, uint64_t type, uint64_t *value)
{
    for (size_t at = 0; at + 2 * WORD <= size; at += 2 * WORD) {
        uint64_t found = bytes_unsigned(auxv + at, WORD);
        if (found == type && type != AT_NULL) {
            *value = bytes_unsigned(auxv + at + WORD, WORD);
            return true;
        }
        if (found == AT_NULL)
            break;
    }
    return false;
}

/* A stack, and what stands on it. */
struct stack {
    const struct pst_target *target;
    const uint8_t *auxv;
    size_t auxv_size;
};

static size_t read_some(const struct stack *stack, pst_addr address, void *bytes, size_t size)
{
    size_t got;
    pst_error_free(memory_read_some(stack->target->memory, address, bytes, size, &got));
    return got;
}

/* The address of the auxiliary vector on the stack, 0: not found. */
static pst_addr find_stack_auxv(const struct stack *stack)
{
    uint8_t reach[AUXV_REACH];
    uint64_t random;
    if (!auxv_find(stack->auxv, stack->auxv_size, AT_RANDOM, &random) || random < AUXV_REACH)
        return 0;
    const struct segment *segment = target_find_segment(stack->target, random);
    if (!segment)
        return 0;
    pst_addr start = (random - AUXV_REACH) & ~(uint64_t)(WORD - 1);
    if (start < segment->start)
        start = segment->start;
    size_t got = read_some(stack, start, reach, random - start < AUXV_REACH ? random - start : AUXV_REACH);
    /* From the end: what lies below is the program's to write. */
    for (size_t at = got / WORD * WORD; at >= WORD; at -= WORD) {
        size_t from = at - WORD;
        if (got - from >= stack->auxv_size && memcmp(reach + from, stack->auxv, stack->auxv_size) == 0)
            return start + from;
    }
    return 0;
}

/* Reads words from high addresses to low, a page at a time. */
struct word_reader {
    const struct stack *stack;
    pst_addr start;      /* of what `bytes` holds */
    uint8_t bytes[4096];
    size_t size;
};

static bool read_word_at(struct word_reader *reader, pst_addr address, uint64_t *word)
{
    if (address < reader->start || address - reader->start > reader->size - WORD || reader->size < WORD) {
        if (address < sizeof reader->bytes)
            return false;
        reader->start = address + WORD - sizeof reader->bytes;
        const struct segment *segment = target_find_segment(reader->stack->target, address);
        if (segment && reader->start < segment->start)
            reader->start = segment->start;
        reader->size = read_some(reader->stack, reader->start, reader->bytes, address + WORD - reader->start);
        if (reader->size < address + WORD - reader->start) {
            reader->size = 0;
            return false;
        }
    }
    *word = bytes_unsigned(reader->bytes + (address - reader->start), WORD);
    return true;
}

/* Walks down from the auxiliary vector to argc: the one number that counts the pointers above it, up to the
 * next NULL. (unsetenv() leaves several NULLs in envp.) */
static bool find_argv(const struct stack *stack, pst_addr auxv, pst_addr *argv, size_t *argc)
{
    struct word_reader reader = {.stack = stack};
    uint64_t word, run = 0;
    pst_addr at = auxv;
    for (size_t i = 0; i < MAX_ENVIRONMENT; i++) {
        at -= WORD;
        if (!read_word_at(&reader, at, &word))
            return false;
        if (run > 0 && word == run) {
            *argv = at + WORD;
            *argc = run;
            return true;
        }
        run = word == 0 ? 0 : run + 1;
    }
    return false;
}

/* The NUL that ends the last of `count` strings, the first of which begins at `address`; piece by piece, so that
 * nothing of what lies behind it (the environment) is read. */
static bool find_end(const struct stack *stack, pst_addr address, pst_addr limit, size_t count, pst_addr *end)
{
    char piece[256];
    while (address < limit) {
        size_t got = read_some(stack, address, piece, limit - address < sizeof piece ? limit - address : sizeof piece);
        for (size_t i = 0; i < got; i++) {
            if (piece[i] == '\0' && --count == 0) {
                *end = address + i;
                return true;
            }
        }
        if (got == 0)
            return false;
        address += got;
    }
    return false;
}

/* The strings lie one behind the other, as /proc/PID/cmdline shows them. Where the last one is, argv says, unless the
 * program changed it (Python 2 does, with -c): then they are counted. */
static pst_error *read_strings(const struct stack *stack, pst_addr argv, size_t argc, char **arguments, size_t *size)
{
    uint8_t words[2][WORD];
    if (read_some(stack, argv, words[0], WORD) < WORD ||
        read_some(stack, argv + (argc - 1) * WORD, words[1], WORD) < WORD)
        return NULL;
    pst_addr first = bytes_unsigned(words[0], WORD), last = bytes_unsigned(words[1], WORD), end;
    if (first < argv || first > UINT64_MAX - MAX_ARGUMENTS_SIZE)
        return NULL;
    bool is_changed = last < first || last - first >= MAX_ARGUMENTS_SIZE;
    if (!find_end(stack, is_changed ? first : last, first + MAX_ARGUMENTS_SIZE, is_changed ? argc : 1, &end))
        return NULL;
    char *strings = malloc(end + 1 - first);
    if (!strings)
        return error_no_memory();
    if (read_some(stack, first, strings, end + 1 - first) < end + 1 - first) {
        free(strings);
        return NULL;
    }
    *arguments = strings;
    *size = end + 1 - first;
    return NULL;
}

pst_error *stack_arguments_read(const struct pst_target *target, const uint8_t *auxv, size_t auxv_size,
                                char **arguments, size_t *size)
{
    const struct stack stack = {target, auxv, auxv_size};
    pst_addr argv, at = auxv_size ? find_stack_auxv(&stack) : 0;
    size_t argc;
    *arguments = NULL;
    if (!at || !find_argv(&stack, at, &argv, &argc))
        return NULL;
    return read_strings(&stack, argv, argc, arguments, size);
}
