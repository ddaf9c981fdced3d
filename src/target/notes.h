/*
 * The notes of a small core: written by what knows its target (a process, a core), read by core_notes.c.
 *
 * Beside the kernel's own there are some of ours, named "PYSTANDER", so that a core made of a live process says of its
 * threads all that the process did, and one made with a program's files at hand all that these told. They are
 * little-endian numbers without padding:
 *
 *     0x50790001 threads: for each thread u32 tid, u32 tid in its own PID namespace, u32 state ('S' …; 0: not
 *                         known), 16 bytes of the kernel's name for it (NUL-padded; all NUL: not known)
 *     0x50790002 origin:  u64 when it was made, in nanoseconds since 1970; u64 flags: 1: of a live process; u64
 *                         process id, as tids are numbered (the kernel's notes may number them as another PID
 *                         namespace)
 *     0x50790003 symbols: for each of those that files told and memory does not: u64 address, its name and a NUL
 */
#ifndef PYSTANDER_TARGET_NOTES_H
#define PYSTANDER_TARGET_NOTES_H

#include "base/text.h"
#include "target/target.h"

#define NOTE_PYSTANDER "PYSTANDER"

enum {
    NOTE_PYSTANDER_THREADS = 0x50790001, /* what no other writer uses: readers know many by number alone */
    NOTE_PYSTANDER_ORIGIN = 0x50790002,
    NOTE_PYSTANDER_SYMBOLS = 0x50790003,
    NOTE_THREAD_SIZE = 28,
    NOTE_THREAD_NAME_OFF = 12,
    NOTE_THREAD_NAME_SIZE = 16,
    NOTE_ORIGIN_SIZE = 24,
    NOTE_ORIGIN_LIVE = 1,
};

/* One note. */
void notes_add(struct text *notes, const char *name, uint32_t type, const void *bytes, size_t size);
/* Little-endian, for the bytes of one. */
void notes_put(uint8_t *bytes, uint64_t value, size_t size);
/* NT_FILE, of the mapped files among the segments. */
void notes_add_files(struct text *notes, const struct pst_target *target);
/* Of ours: */
void notes_add_threads(struct text *notes, const struct pst_target *target);
void notes_add_symbols(struct text *notes, const struct target_symbol *symbols, size_t count);
void notes_add_origin(struct text *notes, const struct pst_target *target, int64_t when_ns, bool live);

#endif
