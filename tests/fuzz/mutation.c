#include "mutation.h"

#include "base/bytes.h"
#include "target/notes.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, WORD = 8, MAX_LIES = 4, MAX_NOTES = 256 };

/* ---- numbers ---------------------------------------------------------------------------------------------- */

/* splitmix64 */
uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    return limit ? random_next(random) % limit : 0;
}

void places_add(struct places *places, uint64_t offset)
{
    if (places->count == places->capacity) {
        size_t capacity = places->capacity ? 2 * places->capacity : 256;
        uint64_t *items = realloc(places->items, capacity * sizeof *items);
        if (!items)
            return;
        places->items = items;
        places->capacity = capacity;
    }
    places->items[places->count++] = offset;
}

/* ---- one mutant ------------------------------------------------------------------------------------------- */

/* What is being made. */
struct forger {
    struct mutant *mutant;
    const struct seed *seed;
    struct random random;
};

static void tell(struct forger *forger, const char *what, uint64_t offset)
{
    size_t used = strlen(forger->mutant->lies);
    snprintf(forger->mutant->lies + used, sizeof forger->mutant->lies - used, "%s%s at 0x%llx", used ? ", " : "", what,
             (unsigned long long)offset);
}

static uint64_t below(struct forger *forger, uint64_t limit)
{
    return random_below(&forger->random, limit);
}

/* What lies beyond the end is left out. */
static void write_bytes(struct forger *forger, uint64_t offset, const void *bytes, uint64_t size)
{
    struct mutant *mutant = forger->mutant;
    if (offset >= mutant->size || !size)
        return;
    if (size > mutant->size - offset)
        size = mutant->size - offset;
    for (uint64_t page = offset / PAGE; page <= (offset + size - 1) / PAGE; page++)
        places_add(&mutant->changed, page * PAGE);
    memmove(mutant->bytes + offset, bytes, size);
}

static void write_number(struct forger *forger, uint64_t offset, uint64_t value, size_t size)
{
    uint8_t bytes[WORD];
    notes_put(bytes, value, size);
    write_bytes(forger, offset, bytes, size);
}

static uint64_t read_number(const struct forger *forger, uint64_t offset, size_t size)
{
    const struct mutant *mutant = forger->mutant;
    return offset < mutant->size && mutant->size - offset >= size ? bytes_unsigned(mutant->bytes + offset, size) : 0;
}

/* At the end of the file; where that is. */
static uint64_t append(struct forger *forger, const void *bytes, size_t size)
{
    struct mutant *mutant = forger->mutant;
    uint64_t offset = (mutant->size + PAGE - 1) / PAGE * PAGE;
    if (offset + size > forger->seed->size + MUTANT_ROOM || ftruncate(mutant->fd, (off_t)(offset + size)) < 0)
        return 0;
    mutant->size = offset + size;
    memcpy(mutant->bytes + offset, bytes, size);
    return offset;
}

static uint64_t pick(struct forger *forger, const struct places *places)
{
    return places->count ? places->items[below(forger, places->count)] : below(forger, forger->seed->size) & ~7ULL;
}

/* Where a lie may matter. */
static uint64_t choose_place(struct forger *forger)
{
    const struct seed *seed = forger->seed;
    unsigned kind = (unsigned)below(forger, 100);
    if (seed->is_compressed)
        return kind < 30 ? below(forger, seed->size < 64 ? seed->size : 64) : below(forger, seed->size);
    if (kind < 7)
        return seed->headers + below(forger, seed->header_count * sizeof(Elf64_Phdr));
    if (kind < 14)
        return seed->notes + (below(forger, seed->notes_size) & ~3ULL);
    if (kind < 50)
        return pick(forger, &seed->objects);
    if (kind < 75)
        return pick(forger, &seed->pointers);
    if (kind < 96)
        return pick(forger, &seed->read);
    return below(forger, seed->size);
}

static uint64_t choose_value(struct forger *forger, uint64_t old)
{
    static const uint64_t special[] = {
        0, 1, 2, 7, 8, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 20, 1 << 24, 1 << 26, 1 << 28,
        (1 << 26) - 1, 1ULL << 32, 1ULL << 40, 1ULL << 47, 1ULL << 62, (1ULL << 63) - 1, 1ULL << 63, -1ULL, -8ULL,
        -1024ULL, -4096ULL, (1ULL << 63) + 4096, 0x10000, 0xffff0000, 0x3fffffff,
    };
    const struct seed *seed = forger->seed;
    switch (below(forger, 8)) {
    case 0: return old + 1;
    case 1: return old - 1;
    case 2: return old + below(forger, 512) - 256;
    case 3: return old ^ 1ULL << below(forger, 64);
    case 4: return seed->size + below(forger, 65) - 32;
    case 5: return seed->address_count ? seed->addresses[below(forger, seed->address_count)] : old * 2;
    default: return special[below(forger, sizeof special / sizeof *special)];
    }
}

/* ---- lies about bytes ------------------------------------------------------------------------------------- */

static void flip_bits(struct forger *forger)
{
    uint64_t place = choose_place(forger) + below(forger, WORD);
    uint8_t byte = (uint8_t)(read_number(forger, place, 1) ^ 1U << below(forger, 8));
    write_bytes(forger, place, &byte, 1);
    tell(forger, "a bit", place);
}

static void forge_byte(struct forger *forger)
{
    uint64_t place = choose_place(forger) + below(forger, WORD);
    write_number(forger, place, below(forger, 256), 1);
    tell(forger, "a byte", place);
}

static void forge_number(struct forger *forger)
{
    static const size_t sizes[] = {8, 8, 8, 4, 4, 2};
    size_t size = sizes[below(forger, sizeof sizes / sizeof *sizes)];
    uint64_t place = choose_place(forger) + (size == WORD ? 0 : below(forger, WORD / size) * size);
    write_number(forger, place, choose_value(forger, read_number(forger, place, size)), size);
    tell(forger, "a number", place);
}

/* To itself, to its neighbours, to where others lead: circles, among others. */
static void forge_pointer(struct forger *forger)
{
    const struct seed *seed = forger->seed;
    uint64_t place = pick(forger, below(forger, 2) ? &seed->pointers : &seed->objects), value;
    unsigned kind = (unsigned)below(forger, 4);
    if (kind == 0)
        value = (seed->address_of ? seed->address_of(seed, place) : 0) - WORD * below(forger, 16);
    else if (kind == 1)
        value = read_number(forger, pick(forger, &seed->pointers), WORD);
    else if (kind == 2)
        value = (seed->address_of ? seed->address_of(seed, pick(forger, &seed->objects)) : 0);
    else
        value = read_number(forger, place, WORD) + WORD * (below(forger, 64) - 32);
    write_number(forger, place, value, WORD);
    tell(forger, "a pointer", place);
}

static void copy_bytes(struct forger *forger)
{
    uint64_t from = choose_place(forger), to = choose_place(forger), size = 8ULL << below(forger, 8);
    if (from < forger->mutant->size && forger->mutant->size - from > size)
        write_bytes(forger, to, forger->mutant->bytes + from, size);
    tell(forger, "a copy", to);
}

static void fill_bytes(struct forger *forger)
{
    uint8_t bytes[1024];
    uint64_t place = choose_place(forger), size = 8ULL << below(forger, 8);
    memset(bytes, below(forger, 2) ? 0xff : (int)below(forger, 256), sizeof bytes);
    write_bytes(forger, place, bytes, size);
    tell(forger, "a filling", place);
}

static void truncate_file(struct forger *forger)
{
    struct mutant *mutant = forger->mutant;
    uint64_t size = below(forger, 3) ? choose_place(forger) : below(forger, mutant->size);
    if (below(forger, 4) == 0)
        size = mutant->size - 1 - below(forger, 64);
    if (size >= mutant->size || ftruncate(mutant->fd, (off_t)size) < 0)
        return;
    mutant->size = size;
    tell(forger, "an end", size);
}

/* ---- lies about headers ----------------------------------------------------------------------------------- */

static void forge_elf_header(struct forger *forger)
{
    static const struct {
        size_t offset, size;
    } fields[] = {
        {offsetof(Elf64_Ehdr, e_phnum), 2}, {offsetof(Elf64_Ehdr, e_phoff), 8},     {offsetof(Elf64_Ehdr, e_shoff), 8},
        {offsetof(Elf64_Ehdr, e_shnum), 2}, {offsetof(Elf64_Ehdr, e_phentsize), 2}, {offsetof(Elf64_Ehdr, e_type), 2},
        {offsetof(Elf64_Ehdr, e_machine), 2}, {offsetof(Elf64_Ehdr, e_shentsize), 2},
        {offsetof(Elf64_Ehdr, e_shstrndx), 2},
    };
    size_t field = below(forger, sizeof fields / sizeof *fields);
    uint64_t old = read_number(forger, fields[field].offset, fields[field].size);
    write_number(forger, fields[field].offset, choose_value(forger, old), fields[field].size);
    tell(forger, "the ELF header", fields[field].offset);
}

/* PN_XNUM: the number stands in a section header. */
static void forge_header_count(struct forger *forger)
{
    uint8_t section[sizeof(Elf64_Shdr)] = {0};
    notes_put(section + offsetof(Elf64_Shdr, sh_info), choose_value(forger, forger->seed->header_count), 4);
    notes_put(section + offsetof(Elf64_Shdr, sh_size), choose_value(forger, 1), 8);
    uint64_t place = append(forger, section, sizeof section);
    write_number(forger, offsetof(Elf64_Ehdr, e_phnum), PN_XNUM, 2);
    write_number(forger, offsetof(Elf64_Ehdr, e_shoff), place, 8);
    write_number(forger, offsetof(Elf64_Ehdr, e_shnum), below(forger, 3), 2);
    tell(forger, "PN_XNUM", place);
}

static uint64_t choose_header(struct forger *forger)
{
    return forger->seed->headers + below(forger, forger->seed->header_count) * sizeof(Elf64_Phdr);
}

static void forge_program_header(struct forger *forger)
{
    static const size_t words[] = {offsetof(Elf64_Phdr, p_offset), offsetof(Elf64_Phdr, p_vaddr),
                                   offsetof(Elf64_Phdr, p_filesz), offsetof(Elf64_Phdr, p_memsz)};
    uint64_t header = choose_header(forger);
    unsigned kind = (unsigned)below(forger, 8);
    if (kind < 6) {
        uint64_t place = header + words[below(forger, 4)];
        uint64_t old = read_number(forger, kind < 4 ? place : choose_header(forger) + words[below(forger, 4)], WORD);
        write_number(forger, place, choose_value(forger, old), WORD);
    } else {
        size_t field = kind == 6 ? offsetof(Elf64_Phdr, p_type) : offsetof(Elf64_Phdr, p_flags);
        uint64_t old = read_number(forger, header + field, 4);
        write_number(forger, header + field, kind == 6 ? below(forger, 7) : choose_value(forger, old), 4);
    }
    tell(forger, "a program header", header);
}

static void swap_headers(struct forger *forger)
{
    uint8_t first[sizeof(Elf64_Phdr)], second[sizeof(Elf64_Phdr)];
    uint64_t one = choose_header(forger), other = choose_header(forger);
    if (one + sizeof first > forger->mutant->size || other + sizeof second > forger->mutant->size)
        return;
    memcpy(first, forger->mutant->bytes + one, sizeof first);
    memcpy(second, forger->mutant->bytes + other, sizeof second);
    write_bytes(forger, one, second, sizeof second);
    if (below(forger, 3))
        write_bytes(forger, other, first, sizeof first);
    tell(forger, "a header's place", other);
}

/* Many PT_NOTEs of the same notes. */
static void repeat_notes(struct forger *forger)
{
    const struct seed *seed = forger->seed;
    uint64_t count = 1 + below(forger, 24);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t header = choose_header(forger);
        write_number(forger, header, PT_NOTE, 4);
        write_number(forger, header + offsetof(Elf64_Phdr, p_offset), seed->notes, WORD);
        write_number(forger, header + offsetof(Elf64_Phdr, p_filesz),
                     below(forger, 2) ? seed->notes_size : choose_value(forger, seed->notes_size), WORD);
    }
    tell(forger, "PT_NOTEs", seed->headers);
}

/* ---- lies about notes ------------------------------------------------------------------------------------- */

struct note {
    uint64_t offset, size;   /* all of it */
};

static size_t list_notes(const struct seed *seed, struct note *notes)
{
    size_t count = 0;
    for (uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= seed->notes_size && count < MAX_NOTES;) {
        const uint8_t *head = seed->bytes + seed->notes + at;
        uint64_t name_size = (bytes_unsigned(head, 4) + 3) & ~3ULL;
        uint64_t size = sizeof(Elf64_Nhdr) + name_size + ((bytes_unsigned(head + 4, 4) + 3) & ~3ULL);
        if (size > seed->notes_size - at)
            break;
        notes[count++] = (struct note){seed->notes + at, size};
        at += size;
    }
    return count;
}

static void forge_note(struct forger *forger)
{
    struct note notes[MAX_NOTES];
    size_t count = list_notes(forger->seed, notes);
    if (!count)
        return;
    const struct note *note = &notes[below(forger, count)];
    uint64_t place = note->offset + 4 * below(forger, 3);     /* n_namesz, n_descsz, n_type */
    size_t size = 4;
    if (below(forger, 2)) {     /* its first words: a count, a signal */
        size = WORD;
        place = note->offset + sizeof(Elf64_Nhdr) + WORD * (1 + below(forger, 8));
    } else if (below(forger, 2)) {
        place = note->offset + (below(forger, note->size) & ~7ULL);
    }
    write_number(forger, place, choose_value(forger, read_number(forger, place, size)), size);
    tell(forger, "a note", place);
}

/* One of ours. */
static void add_own_note(struct forger *forger, struct text *notes)
{
    static const uint32_t types[] = {NOTE_PYSTANDER_THREADS, NOTE_PYSTANDER_ORIGIN, NOTE_PYSTANDER_SYMBOLS};
    static const char *const names[] = {"_PyRuntime", "interp_head", "coextra_head", "PyCode_Type", "PyType_Type",
                                        "_PyEval_EvalFrameDefault", "Py_Version", ""};
    uint8_t bytes[1024];
    size_t size = below(forger, sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = below(forger, 3) ? 0 : (uint8_t)random_next(&forger->random);
    uint32_t type = types[below(forger, 3)];
    if (type == NOTE_PYSTANDER_SYMBOLS && below(forger, 4)) {
        size = 0;
        for (size_t i = 0; i < 12; i++) {
            const char *name = names[below(forger, sizeof names / sizeof *names)];
            notes_put(bytes + size, choose_value(forger, 0), WORD);
            strcpy((char *)bytes + size + WORD, name);
            size += WORD + strlen(name) + 1;
        }
    }
    notes_add(notes, NOTE_PYSTANDER, type, bytes, size);
}

/* The notes anew: some doubled, some missing, in another order, with more of ours. */
static void rebuild_notes(struct forger *forger)
{
    struct note notes[MAX_NOTES];
    struct text built = {0};
    size_t count = list_notes(forger->seed, notes);
    for (size_t i = 0; i < count; i++) {
        unsigned kind = (unsigned)below(forger, 16);
        size_t which = kind == 0 ? below(forger, count) : i;
        for (size_t copies = kind == 1 ? 0 : kind == 2 ? 2 + below(forger, 6) : 1; copies; copies--)
            text_add(&built, (const char *)forger->seed->bytes + notes[which].offset, notes[which].size);
        if (kind == 3)
            add_own_note(forger, &built);
    }
    if (below(forger, 2))
        add_own_note(forger, &built);
    uint64_t place = built.failed || !built.size ? 0 : append(forger, built.data, built.size);
    for (uint64_t i = 0; place && i < forger->seed->header_count; i++) {
        uint64_t header = forger->seed->headers + i * sizeof(Elf64_Phdr);
        if (read_number(forger, header, 4) != PT_NOTE)
            continue;
        write_number(forger, header + offsetof(Elf64_Phdr, p_offset), place, WORD);
        write_number(forger, header + offsetof(Elf64_Phdr, p_filesz), built.size, WORD);
        break;
    }
    text_free(&built);
    tell(forger, "other notes", place);
}

/* ---- all -------------------------------------------------------------------------------------------------- */

static void lie(struct forger *forger)
{
    /* The more often named, the more often done. */
    static void (*const of_cores[])(struct forger *) = {
        flip_bits, flip_bits, forge_byte, forge_number, forge_number, forge_number, forge_number, forge_pointer,
        forge_pointer, forge_pointer, forge_pointer, copy_bytes, fill_bytes, truncate_file, forge_elf_header,
        forge_header_count,
        forge_program_header, forge_program_header, swap_headers, repeat_notes, forge_note, forge_note, rebuild_notes,
    };
    static void (*const of_bytes[])(struct forger *) = {
        flip_bits, flip_bits, forge_byte, forge_number, copy_bytes, fill_bytes, truncate_file,
    };
    if (forger->seed->is_compressed)
        of_bytes[below(forger, sizeof of_bytes / sizeof *of_bytes)](forger);
    else
        of_cores[below(forger, sizeof of_cores / sizeof *of_cores)](forger);
}

static uint64_t hash(const char *text)
{
    uint64_t value = 0xcbf29ce484222325;
    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * 0x100000001b3;
    return value;
}

void mutant_forge(struct mutant *mutant, const struct seed *seed, uint64_t run, uint64_t number)
{
    struct forger forger = {mutant, seed, {hash(seed->name) ^ run << 40 ^ number}};
    mutant->lies[0] = '\0';
    random_next(&forger.random);
    for (uint64_t count = 1 + below(&forger, MAX_LIES) * below(&forger, 2); count; count--)
        lie(&forger);
}

/* From there on, in a file that has nothing there. */
static void fill(struct mutant *mutant, const struct seed *seed, size_t from)
{
    static const uint8_t zeros[PAGE];
    for (size_t at = from, size; at < seed->size; at += size) {
        size = seed->size - at < PAGE ? seed->size - at : PAGE;
        if (memcmp(seed->bytes + at, zeros, size) != 0) /* else a hole it is, as in a sparse core */
            memcpy(mutant->bytes + at, seed->bytes + at, size);
    }
}

bool mutant_open(struct mutant *mutant, const struct seed *seed)
{
    *mutant = (struct mutant){.fd = memfd_create("core", MFD_CLOEXEC), .size = seed->size};
    if (mutant->fd < 0 || ftruncate(mutant->fd, (off_t)seed->size) < 0)
        return false;
    mutant->bytes = mmap(NULL, seed->size + MUTANT_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, mutant->fd, 0);
    if (mutant->bytes == MAP_FAILED)
        return false;
    fill(mutant, seed, 0);
    return true;
}

void mutant_restore(struct mutant *mutant, const struct seed *seed)
{
    size_t from = mutant->size < seed->size ? mutant->size / PAGE * PAGE : seed->size;
    if (ftruncate(mutant->fd, (off_t)(mutant->size < seed->size ? mutant->size : seed->size)) < 0 ||
        ftruncate(mutant->fd, (off_t)seed->size) < 0)
        abort();
    mutant->size = seed->size;
    for (size_t i = 0; i < mutant->changed.count; i++) {
        uint64_t page = mutant->changed.items[i];
        if (page < seed->size)
            memcpy(mutant->bytes + page, seed->bytes + page, seed->size - page < PAGE ? seed->size - page : PAGE);
    }
    fill(mutant, seed, from);
    mutant->changed.count = 0;
}

void mutant_close(struct mutant *mutant, const struct seed *seed)
{
    munmap(mutant->bytes, seed->size + MUTANT_ROOM);
    close(mutant->fd);
    free(mutant->changed.items);
}
