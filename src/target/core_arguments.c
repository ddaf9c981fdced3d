/*
 * Executable and command line. NT_PRPSINFO has the first 79 bytes with blanks for NULs, or less (gcore), so
 * the command line is taken from where the kernel put it (fs/binfmt_elf.c, create_elf_tables): the main
 * stack, upwards: argc, argv, NULL, envp, NULL, the auxiliary vector, …, AT_RANDOM's bytes, …, the strings.
 */
#include "target/core.h"

#include "base/bytes.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 8, AUXV_REACH = 8192 /* from the auxiliary vector to AT_RANDOM's bytes; it's a few */ };

bool core_find_auxv(const struct core *core, uint64_t type, uint64_t *value)
{
    for (size_t at = 0; at + 2 * WORD <= core->auxv_size; at += 2 * WORD) {
        uint64_t found = bytes_unsigned(core->auxv + at, WORD);
        if (found == type && type != AT_NULL) {
            *value = bytes_unsigned(core->auxv + at + WORD, WORD);
            return true;
        }
        if (found == AT_NULL)
            break;
    }
    return false;
}

/* ---- the executable -------------------------------------------------------------------------------- */

/* A string of the core's, malloc()ed; NULL if it is not there. */
static char *read_string(const struct core *core, pst_addr address)
{
    char text[4096];
    size_t got = core_read(core, address, text, sizeof text);
    return memchr(text, '\0', got) ? strdup(text) : NULL;
}

pst_error *core_find_executable(struct core *core)
{
    struct pst_target *target = core->target;
    uint64_t address;
    core->main_image = CORE_NO_IMAGE;
    if (core_find_auxv(core, AT_PHDR, &address) || core_find_auxv(core, AT_ENTRY, &address)) {
        const struct segment *segment = target_find_segment(target, address);
        if (segment && segment->path) {
            core->main_image = core->parts[segment - target->segments].image;
            if (segment->path[0] == '/') { /* no made-up name */
                target->executable = strdup(segment->path);
                return target->executable ? NULL : error_no_memory();
            }
        }
    }
    if (core_find_auxv(core, AT_EXECFN, &address)) {
        target->executable = read_string(core, address);
        if (target->executable && target->executable[0] == '/')
            return NULL;
        free(target->executable); /* relative to a folder that nobody knows any more */
        target->executable = NULL;
    }
    if (target->wanted_executable) {
        target->executable = strdup(target->wanted_executable);
        return target->executable ? NULL : error_no_memory();
    }
    return NULL;
}

/* ---- the command line ------------------------------------------------------------------------------ */

/* The address of the auxiliary vector on the stack, 0: not found. */
static pst_addr find_stack_auxv(const struct core *core)
{
    uint8_t reach[AUXV_REACH];
    uint64_t random;
    if (!core_find_auxv(core, AT_RANDOM, &random) || random < AUXV_REACH)
        return 0;
    const struct segment *stack = target_find_segment(core->target, random);
    if (!stack)
        return 0;
    pst_addr start = (random - AUXV_REACH) & ~(uint64_t)(WORD - 1);
    if (start < stack->start)
        start = stack->start;
    size_t got = core_read(core, start, reach, random - start < AUXV_REACH ? random - start : AUXV_REACH);
    /* From the end: what lies below is the program's to write. */
    for (size_t at = got / WORD * WORD; at >= WORD; at -= WORD) {
        size_t from = at - WORD;
        if (got - from >= core->auxv_size && memcmp(reach + from, core->auxv, core->auxv_size) == 0)
            return start + from;
    }
    return 0;
}

/* Reads words from high addresses to low, a page at a time. */
struct word_reader {
    const struct core *core;
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
        const struct segment *segment = target_find_segment(reader->core->target, address);
        if (segment && reader->start < segment->start)
            reader->start = segment->start;
        reader->size = core_read(reader->core, reader->start, reader->bytes, address + WORD - reader->start);
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
static bool find_argv(const struct core *core, pst_addr auxv, pst_addr *argv, size_t *argc)
{
    struct word_reader reader = { .core = core };
    uint64_t word, run = 0;
    pst_addr at = auxv;
    for (size_t i = 0; i < CORE_MAX_ENVIRONMENT; i++) {
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

/* The strings lie one behind the other, as /proc/PID/cmdline shows them. */
static pst_error *read_strings(struct core *core, pst_addr argv, size_t argc, bool *found)
{
    uint8_t words[2][WORD];
    if (core_read(core, argv, words[0], WORD) < WORD ||
        core_read(core, argv + (argc - 1) * WORD, words[1], WORD) < WORD)
        return NULL;
    pst_addr first = bytes_unsigned(words[0], WORD), last = bytes_unsigned(words[1], WORD);
    const struct segment *stack = target_find_segment(core->target, argv);
    if (!stack || first < stack->start || last < first || last >= stack->end)
        return NULL;
    size_t room = stack->end - first < CORE_MAX_ARGUMENTS_SIZE ? stack->end - first : CORE_MAX_ARGUMENTS_SIZE;
    if (last - first >= room)
        return NULL;
    char *strings = malloc(room);
    if (!strings)
        return error_no_memory();
    size_t got = core_read(core, first, strings, room);
    char *end = got > last - first ? memchr(strings + (last - first), '\0', got - (last - first)) : NULL;
    if (!end) {
        free(strings);
        return NULL;
    }
    core->target->arguments_size = (size_t)(end - strings) + 1;
    char *shrunk = realloc(strings, core->target->arguments_size);
    core->target->arguments = shrunk ? shrunk : strings;
    *found = true;
    return NULL;
}

/* Where one argument ends and the next begins is a guess here: better than to say nothing of a core whose
 * stack was cut off. gdb escapes what it thinks a shell would not take. */
static void take_short_arguments(struct core *core)
{
    char *text = core->short_arguments;
    size_t size = text ? strlen(text) : 0;
    while (size > 0 && text[size - 1] == ' ')
        text[--size] = '\0';
    if (size == 0)
        return;
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ')
            text[i] = '\0';
    core->target->arguments = text;
    core->target->arguments_size = size + 1;
    core->short_arguments = NULL;
}

pst_error *core_read_arguments(struct core *core)
{
    pst_addr argv;
    size_t argc;
    bool found = false;
    pst_addr auxv = core->auxv_size ? find_stack_auxv(core) : 0;
    if (auxv && find_argv(core, auxv, &argv, &argc))
        TRY(read_strings(core, argv, argc, &found));
    if (!found)
        take_short_arguments(core);
    return NULL;
}
