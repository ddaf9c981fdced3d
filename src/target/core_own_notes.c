/* The notes that pystander puts into a small core (target/notes.h), and those that one made of a core has. */
#include "target/core.h"

#include "base/bytes.h"
#include "base/transfer.h"
#include "target/notes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* They come in the order of the NT_PRSTATUSes, behind these: of what is not so nothing is believed. */
static void take_threads(struct core *core, const uint8_t *bytes, size_t size)
{
    struct pst_target *target = core->target;
    for (size_t i = 0; i < size / NOTE_THREAD_SIZE && i < target->thread_count; i++) {
        const uint8_t *entry = bytes + i * NOTE_THREAD_SIZE;
        struct target_thread *thread = &target->threads[i];
        pid_t tid = (pid_t)bytes_signed(entry, 4), inner_tid = (pid_t)bytes_signed(entry + 4, 4);
        if (thread->tid != tid && thread->tid != inner_tid)
            return;
        thread->tid = tid;
        thread->inner_tid = inner_tid;
        thread->state = entry[8] >= 'A' && entry[8] <= 'z' ? (char)entry[8] : 0;
        memcpy(thread->name, entry + NOTE_THREAD_NAME_OFF, NOTE_THREAD_NAME_SIZE);
        thread->name[NOTE_THREAD_NAME_SIZE] = '\0';
        thread->has_name = thread->name[0] != '\0';
    }
}

/* Up to the first that has no name or no end. */
static void take_symbols(struct core *core, const uint8_t *bytes, size_t size)
{
    struct pst_target *target = core->target;
    size_t count = 0;
    if (target->symbols_noted || !size)
        return;
    for (size_t i = 8; i < size; i++)
        count += bytes[i] == '\0';
    count = count < TARGET_MAX_NOTED_SYMBOLS ? count : TARGET_MAX_NOTED_SYMBOLS;
    target->symbols_noted = calloc(count + 1, sizeof *target->symbols_noted);
    target->symbol_names = malloc(size);
    if (!target->symbols_noted || !target->symbol_names)
        return;
    memcpy(target->symbol_names, bytes, size);
    for (size_t at = 0; size - at > 8 && target->symbol_noted_count < count;) {
        const char *name = target->symbol_names + at + 8;
        const char *end = memchr(name, '\0', size - at - 8);
        if (!end || end == name)
            return;
        target->symbols_noted[target->symbol_noted_count++] =
            (struct target_symbol){bytes_unsigned(bytes + at, 8), name};
        at = (size_t)(end + 1 - target->symbol_names);
    }
}

/* When it was made of a process, or when the core that it was made of was written. */
static void take_origin(struct core *core, const uint8_t *bytes)
{
    pst_process_details *details = &core->target->details;
    core->has_own_origin = true;
    details->has_written = true;
    details->written = bytes_signed(bytes, 8) / 1000000000;
    if (bytes_signed(bytes + 16, 4) > 0)
        core->target->pid = (pid_t)bytes_signed(bytes + 16, 4);
    if (bytes_unsigned(bytes + 8, 8) & NOTE_ORIGIN_LIVE)
        details->writer = PST_WRITER_PYSTANDER;
}

void core_take_own_note(struct core *core, uint32_t type, const uint8_t *bytes, size_t size)
{
    if (type == NOTE_PYSTANDER_THREADS)
        take_threads(core, bytes, size);
    if (type == NOTE_PYSTANDER_SYMBOLS)
        take_symbols(core, bytes, size);
    if (type == NOTE_PYSTANDER_ORIGIN && size >= NOTE_ORIGIN_SIZE)
        take_origin(core, bytes);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* Appends a part of the core's file. */
static pst_error *copy_notes(const struct core *core, const struct core_notes *part, struct text *notes)
{
    uint64_t room_left = notes->size < CORE_MAX_HELD_NOTES ? CORE_MAX_HELD_NOTES - notes->size : 0;
    /* A truncated note would displace what follows it. */
    size_t size = (part->size < room_left ? part->size : room_left) & ~(uint64_t)3;
    if (part->size > room_left)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_LIMIT, "more than %d bytes of notes: the rest was left out of the small "
                                 "core", CORE_MAX_HELD_NOTES));
    char *room = size ? text_reserve(notes, size) : NULL;
    if (size && !room)
        return error_no_memory();
    int errnum;
    if (size && transfer_read_at(core->fd, part->offset, room, size, &errnum) < size)
        return error_system(PST_ERROR_READ, errnum, "the core's notes can't be read again");
    if (size)
        text_commit(notes, room + size);
    return NULL;
}

size_t core_read_auxv(const struct pst_target *target, uint8_t *bytes, size_t size)
{
    const struct core *core = target->core;
    if (core->auxv_size > size)
        return 0;
    memcpy(bytes, core->auxv, core->auxv_size);
    return core->auxv_size;
}

pst_error *core_write_notes(struct pst_target *target, struct text *notes)
{
    const struct core *core = target->core;
    for (size_t i = 0; i < core->notes_count; i++)
        TRY(copy_notes(core, &core->notes[i], notes));
    int64_t when_ns;
    if (!core->has_own_origin && target->details.has_written &&
        !__builtin_mul_overflow(target->details.written, 1000000000, &when_ns))
        notes_add_origin(notes, target, when_ns, false);
    return NULL;
}
