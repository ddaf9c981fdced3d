/* The notes of a core's file, a piece at a time: what it claims to have of them is not held in memory. */
#include "target/core.h"

#include "base/bytes.h"
#include "base/transfer.h"

#include <gelf.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_PIECE_SIZE = 1 << 20 };

pst_error *core_take_notes(struct core *core, const uint8_t *notes, size_t notes_size)
{
    Elf_Data data = { .d_buf = (void *)notes, .d_size = notes_size, .d_type = ELF_T_NHDR, .d_version = EV_CURRENT };
    GElf_Nhdr note;
    size_t name, bytes;
    for (size_t at = 0, next; (next = gelf_getnote(&data, at, &note, &name, &bytes)) > at; at = next) {
        if (name > notes_size || note.n_namesz > notes_size - name || bytes > notes_size ||
            note.n_descsz > notes_size - bytes || core->bad_note_count > CORE_MAX_BAD_NOTES)
            break;
        pst_error *error = core_take_note(core, (const char *)notes + name, note.n_namesz, note.n_type, notes + bytes,
                                          note.n_descsz);
        if (error && pst_error_get_code(error) == PST_ERROR_MEMORY)
            return error;
        if (error && ++core->bad_note_count > CORE_MAX_BAD_NOTES)
            error = error_in(error, "the last of %d notes that are wrong: those behind it were left out",
                             CORE_MAX_BAD_NOTES + 1);
        error_list_add(&core->target->errors, error);
    }
    return NULL;
}

/* A part of the file, in a buffer that grows with the largest note. */
struct piece {
    const struct core *core;
    uint64_t at, end;        /* what is still to be read */
    uint8_t *bytes;
    size_t size, capacity;
};

static pst_error *read_piece(struct piece *piece)
{
    uint64_t left = piece->end - piece->at;
    size_t wanted = left < piece->capacity ? (size_t)left : piece->capacity;
    int errnum;
    piece->size = transfer_read_at(piece->core->fd, piece->at, piece->bytes, wanted, &errnum);
    if (errnum)
        return error_system(PST_ERROR_READ, errnum, "the core's notes can't be read");
    if (piece->size < wanted)
        piece->end = piece->at + piece->size; /* it has become shorter */
    return NULL;
}

/* Of a note with its padding. */
static uint64_t size_of_note(const uint8_t *header)
{
    uint64_t name_size = bytes_unsigned(header + offsetof(Elf64_Nhdr, n_namesz), 4);
    uint64_t size = bytes_unsigned(header + offsetof(Elf64_Nhdr, n_descsz), 4);
    return sizeof(Elf64_Nhdr) + ((name_size + 3) & ~(uint64_t)3) + ((size + 3) & ~(uint64_t)3);
}

/* How many bytes of the piece are notes that are whole. The last of all may lack its padding. */
static size_t count_whole(const struct piece *piece)
{
    size_t at = 0;
    if (piece->at + piece->size == piece->end)
        return piece->size;
    while (piece->size - at >= sizeof(Elf64_Nhdr)) {
        uint64_t size = size_of_note(piece->bytes + at);
        if (size > piece->size - at)
            break;
        at += (size_t)size;
    }
    return at;
}

/* The piece begins with a note that does not fit into it. */
static pst_error *make_room(struct piece *piece, struct error_list *errors)
{
    uint64_t size = size_of_note(piece->bytes);
    if (size > piece->end - piece->at) {
        piece->at = piece->end; /* it is cut off */
        return NULL;
    }
    if (size > CORE_MAX_NOTE_SIZE) {
        error_list_add(errors, error_new(PST_ERROR_LIMIT, "a note of %llu bytes was left out: none has more than %d",
                                         (unsigned long long)size, CORE_MAX_NOTE_SIZE));
        piece->at += size;
        return NULL;
    }
    uint8_t *bytes = realloc(piece->bytes, (size_t)size);
    if (!bytes)
        return error_no_memory();
    piece->bytes = bytes;
    piece->capacity = (size_t)size;
    return NULL;
}

static pst_error *take_pieces(struct core *core, struct piece *piece)
{
    while (piece->at < piece->end && core->bad_note_count <= CORE_MAX_BAD_NOTES) {
        TRY(read_piece(piece));
        size_t whole = count_whole(piece);
        if (whole == 0 && piece->size < sizeof(Elf64_Nhdr))
            return NULL;
        TRY(whole ? core_take_notes(core, piece->bytes, whole) : make_room(piece, &core->target->errors));
        piece->at += whole;
    }
    return NULL;
}

pst_error *core_read_notes(struct core *core, uint64_t offset, uint64_t size)
{
    struct error_list *errors = &core->target->errors;
    if (offset >= core->file_size)
        return NULL; /* that the core is truncated is said elsewhere */
    if (size > core->file_size - offset)
        size = core->file_size - offset;
    if (size > CORE_MAX_NOTES_SIZE - core->notes_size) {
        error_list_add(errors, error_new(PST_ERROR_LIMIT, "the core has more than %d bytes of notes: the rest was left "
                                         "out", CORE_MAX_NOTES_SIZE));
        size = CORE_MAX_NOTES_SIZE - core->notes_size;
    }
    core->notes_size += size;
    core->notes[core->notes_count++] = (struct core_notes){offset, size};
    struct piece piece = {
        .core = core, .at = offset, .end = offset + size,
        .capacity = size < FIRST_PIECE_SIZE ? size : FIRST_PIECE_SIZE,
    };
    piece.bytes = malloc(piece.capacity + 1);
    pst_error *error = piece.bytes ? take_pieces(core, &piece) : error_no_memory();
    free(piece.bytes);
    if (error && pst_error_get_code(error) == PST_ERROR_MEMORY)
        return error;
    error_list_add(errors, error);
    return NULL;
}
