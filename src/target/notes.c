#include "target/notes.h"

#include <elf.h>
#include <string.h>

enum { NOTE_ALIGNMENT = 4, FILE_PAGE_SIZE = 4096 /* in which NT_FILE counts offsets */ };

void notes_put(uint8_t *bytes, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void add_number(struct text *notes, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    notes_put(bytes, value, size);
    text_add(notes, bytes, size);
}

static void align(struct text *notes, size_t start)
{
    text_add_repeat(notes, '\0', -(notes->size - start) & (NOTE_ALIGNMENT - 1));
}

/* Begins a note of `size` bytes, which are to follow, with end_note() behind them. */
static size_t begin_note(struct text *notes, const char *name, uint32_t type, uint32_t size)
{
    size_t start = notes->size;
    add_number(notes, strlen(name) + 1, 4);
    add_number(notes, size, 4);
    add_number(notes, type, 4);
    text_add(notes, name, strlen(name) + 1);
    align(notes, start);
    return start;
}

void notes_add(struct text *notes, const char *name, uint32_t type, const void *bytes, size_t size)
{
    size_t start = begin_note(notes, name, type, (uint32_t)size);
    text_add(notes, bytes, size);
    align(notes, start);
}

static bool is_file(const struct segment *segment)
{
    return segment->path && segment->path[0] == '/';
}

void notes_add_files(struct text *notes, const struct pst_target *target)
{
    static const char deleted[] = " (deleted)";
    struct text names = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        if (!is_file(segment))
            continue;
        count++;
        text_add_string(&names, segment->path);
        if (segment->deleted)
            text_add_string(&names, deleted);
        text_add_char(&names, '\0');
    }
    size_t start = begin_note(notes, "CORE", NT_FILE, (uint32_t)(16 + count * 24 + names.size));
    add_number(notes, count, 8);
    add_number(notes, FILE_PAGE_SIZE, 8);
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct segment *segment = &target->segments[i];
        if (!is_file(segment))
            continue;
        add_number(notes, segment->start, 8);
        add_number(notes, segment->end, 8);
        add_number(notes, segment->file_offset / FILE_PAGE_SIZE, 8);
    }
    text_add(notes, names.data, names.size);
    align(notes, start);
    notes->failed |= names.failed;
    text_free(&names);
}

void notes_add_threads(struct text *notes, const struct pst_target *target)
{
    size_t start = begin_note(notes, NOTE_PYSTANDER, NOTE_PYSTANDER_THREADS,
                              (uint32_t)(target->thread_count * NOTE_THREAD_SIZE));
    for (size_t i = 0; i < target->thread_count; i++) {
        const struct target_thread *thread = &target->threads[i];
        char name[NOTE_THREAD_NAME_SIZE] = {0};
        if (thread->has_name)
            memcpy(name, thread->name, strnlen(thread->name, sizeof name));
        add_number(notes, (uint32_t)thread->tid, 4);
        add_number(notes, (uint32_t)thread->inner_tid, 4);
        add_number(notes, (uint8_t)thread->state, 4);
        text_add(notes, name, sizeof name);
    }
    align(notes, start);
}

void notes_add_symbols(struct text *notes, const struct target_symbol *symbols, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 8 + strlen(symbols[i].name) + 1;
    size_t start = begin_note(notes, NOTE_PYSTANDER, NOTE_PYSTANDER_SYMBOLS, (uint32_t)size);
    for (size_t i = 0; i < count; i++) {
        add_number(notes, symbols[i].address, 8);
        text_add(notes, symbols[i].name, strlen(symbols[i].name) + 1);
    }
    align(notes, start);
}

void notes_add_origin(struct text *notes, const struct pst_target *target, int64_t when_ns, bool live)
{
    uint8_t bytes[NOTE_ORIGIN_SIZE];
    notes_put(bytes, (uint64_t)when_ns, 8);
    notes_put(bytes + 8, live ? NOTE_ORIGIN_LIVE : 0, 8);
    notes_put(bytes + 16, (uint32_t)target->pid, 8);
    notes_add(notes, NOTE_PYSTANDER, NOTE_PYSTANDER_ORIGIN, bytes, sizeof bytes);
}
