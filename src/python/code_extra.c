/*
 * co_extra: what tools attached to code objects by _PyCode_SetExtra() (3.12+: PyUnstable_Code_SetExtra()).
 * Objects/codeobject.c, _PyCodeObjectExtra; who registered an index: PyInterpreterState, but in 3.6 __PyCodeExtraState
 * (Include/pystate.h), one for each interpreter in a list of its own.
 */
#include "image/symbolize.h"
#include "image/symtab.h"
#include "python/code_object.h"
#include "python/hooks.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- 3.6: the list of __PyCodeExtraState ----------------------------------------------------------------- */

static pst_error *find_head_in_file(const struct python *python, pst_addr *head)
{
    static const char *const name[] = {"coextra_head"};
    const struct location *location = &python->location;
    const struct pst_target *target = python->target;
    pst_addr value = 0;
    int fd = -1;
    if (!location->segment || !target->operations || !target->operations->open_file)
        return NULL;
    TRY(target->operations->open_file(python->target, location->segment->path, location->segment, &fd));
    if (fd < 0)
        return NULL;
    pst_error *error = symtab_find(fd, name, &value, 1);
    close(fd);
    *head = value ? value + location->image.bias : 0;
    return error;
}

/* Is there the __PyCodeExtraState of `interpreter`? */
static bool is_state_of(const struct python *python, pst_addr state, pst_addr interpreter)
{
    pst_addr of = 0;
    uint64_t count = 0;
    const struct segment *segment = state % 8 ? NULL : target_find_segment(python->target, state);
    if (!segment || !segment->writable)
        return false;
    pst_error *error = field_address(python, state, F(__PyCodeExtraState_interp), &of);
    if (!error && of == interpreter)
        error = field_unsigned(python, state, F(__PyCodeExtraState_co_extra_user_count), &count);
    bool fits = !error && of == interpreter && count <= CODE_MAX_EXTRAS;
    pst_error_free(error);
    return fits;
}

/* The place in [start, end) that points to the state of the newest interpreter: both lists grow at their heads. */
static void search_data(const struct python *python, pst_addr start, pst_addr end, pst_addr interpreter,
                        pst_addr *head)
{
    enum { PIECE = 1 << 16 };
    uint8_t *piece = malloc(PIECE);
    for (pst_addr at = start; piece && at < end && !*head; at += PIECE) {
        size_t size = end - at < PIECE ? (size_t)(end - at) : PIECE, got = 0;
        pst_error_free(memory_read_some(python->memory, at, piece, size, &got));
        for (size_t i = 0; i + 8 <= got && !*head; i += 8) {
            pst_addr value = bytes_unsigned(piece + i, 8);
            if (value && is_state_of(python, value, interpreter))
                *head = at + i;
        }
    }
    free(piece);
}

/* Of an image that was stripped. */
static pst_error *find_head_in_data(const struct python *python, pst_addr *head)
{
    const struct pst_target *target = python->target;
    const struct image *image = &python->location.image;
    pst_addr interpreter, left = HOOKS_MAX_DATA;
    TRY(interpreter_get_head(python, &interpreter));
    for (size_t i = 0; i < target->segment_count && interpreter && !*head; i++) {
        const struct segment *segment = &target->segments[i];
        pst_addr start = segment->start > image->start ? segment->start : image->start;
        pst_addr end = segment->end < image->end ? segment->end : image->end;
        if (!segment->writable || start >= end)
            continue;
        if (end - start > left)
            end = start + left;
        left -= end - start;
        search_data(python, start, end, interpreter, head);
    }
    return NULL;
}

static pst_error *find_head(const struct python *python, pst_addr *head)
{
    /* The memo belongs to the runtime, which the decoders otherwise only read. */
    struct python *memo = (struct python *)python;
    *head = python->coextra_head;
    if (python->has_searched_coextra)
        return NULL;
    *head = target_find_noted_symbol(python->target, "coextra_head");
    if (!*head)
        TRY(find_head_in_file(python, head));
    if (!*head)
        TRY(find_head_in_data(python, head));
    memo->coextra_head = *head;
    memo->has_searched_coextra = true;
    return NULL;
}

static pst_error *find_state(const struct python *python, pst_addr interpreter, pst_addr *state)
{
    pst_addr head;
    TRY(find_head(python, &head));
    if (!head)
        return error_new(PST_ERROR_UNSUPPORTED, "coextra_head was not found: what is registered for co_extra is not "
                                                "known (3.6.0 and 3.6.1 have none)");
    TRY(pointer_at(python, head, 0, state));
    for (size_t count = 0; *state; count++) {
        pst_addr of;
        TRY(field_address(python, *state, F(__PyCodeExtraState_interp), &of));
        if (of == interpreter)
            return NULL;
        if (count == SNAPSHOT_MAX_INTERPRETERS)
            return error_new(PST_ERROR_CORRUPT, "the list of __PyCodeExtraState does not end");
        TRY(field_address(python, *state, F(__PyCodeExtraState_next), state));
    }
    return NULL;
}

/* ---- who registered an index ----------------------------------------------------------------------------- */

static pst_error *read_users(const struct python *python, pst_addr object, enum field count, enum field freefuncs,
                             struct code_extra_users *users)
{
    TRY(field_unsigned(python, object, count, &users->count));
    TRY(field_place(python, object, freefuncs, &users->freefuncs));
    if (users->count <= CODE_MAX_EXTRAS)
        return NULL;
    uint64_t claimed = users->count;
    users->count = 0;
    return error_new(PST_ERROR_CORRUPT, "co_extra_user_count of the interpreter at 0x%llx is %llu, of at most %d",
                     (unsigned long long)object, (unsigned long long)claimed, CODE_MAX_EXTRAS);
}

pst_error *code_extra_find_users(const struct python *python, pst_addr interpreter, struct code_extra_users *users)
{
    pst_addr state;
    *users = (struct code_extra_users){0};
    if (has(python, F(PyInterpreterState_co_extra_user_count)))
        return read_users(python, interpreter, F(PyInterpreterState_co_extra_user_count),
                          F(PyInterpreterState_co_extra_freefuncs), users);
    if (!has(python, F(__PyCodeExtraState_interp)))
        return NULL;
    TRY(find_state(python, interpreter, &state));
    return state ? read_users(python, state, F(__PyCodeExtraState_co_extra_user_count),
                              F(__PyCodeExtraState_co_extra_freefuncs), users)
                 : NULL;
}

/* ---- of a code object ------------------------------------------------------------------------------------ */

/* The array of the values, and how many there are. */
static pst_error *find_values(const struct code_reader *reader, pst_addr *values, uint64_t *count)
{
    const struct python *python = reader->python;
    const enum field array = F(_PyCodeObjectExtra_ce_extras);
    pst_addr extra;
    *count = 0;
    TRY(field_address(python, reader->code->address, F(PyCodeObject_co_extra), &extra));
    if (!extra)
        return NULL;
    TRY(field_unsigned(python, extra, F(_PyCodeObjectExtra_ce_size), count));
    if (*count > CODE_MAX_EXTRAS) {
        uint64_t claimed = *count;
        *count = 0;
        return error_new(PST_ERROR_CORRUPT, "ce_size of the _PyCodeObjectExtra at 0x%llx is %llu, of at most %d",
                         (unsigned long long)extra, (unsigned long long)claimed, CODE_MAX_EXTRAS);
    }
    /* 3.6 has a pointer to the array; later it is part of the struct (and a layout states no size of an array). */
    if (python->layout.places[array].size)
        return field_address(python, extra, array, values);
    return field_place(python, extra, array, values);
}

/* The values that are not NULL. */
static pst_error *list_values(struct code_reader *reader, pst_addr values, uint64_t count, pst_code_extra *extras)
{
    for (uint64_t i = 0; i < count; i++) {
        pst_addr value;
        TRY(pointer_at(reader->python, values, i, &value));
        if (value)
            extras[reader->code->extra_count++] = (pst_code_extra){.index = (size_t)i, .value = value};
    }
    return NULL;
}

/* Of several interpreters it is not known whose code object it is. */
static pst_error *check_index(const struct python *python, pst_addr interpreter, size_t index, uint64_t user_count)
{
    pst_addr head, next;
    if (!interpreter)
        return NULL;
    TRY(interpreter_get_head(python, &head));
    TRY(field_address(python, interpreter, F(PyInterpreterState_next), &next));
    if (head != interpreter || next)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "there is a value for index %zu, but only %llu were given out", index,
                     (unsigned long long)user_count);
}

static pst_error *find_freefuncs(struct code_reader *reader, pst_addr interpreter, pst_code_extra *extras)
{
    const struct python *python = reader->python;
    struct code_extra_users users;
    TRY(code_extra_find_users(python, interpreter, &users));
    for (size_t i = 0; i < reader->code->extra_count; i++) {
        if (extras[i].index >= users.count) {
            TRY(check_index(python, interpreter, extras[i].index, users.count));
            continue;
        }
        TRY(pointer_at(python, users.freefuncs, extras[i].index, &extras[i].freefunc));
        if (extras[i].freefunc)
            extras[i].symbol = symbolize(python->target, extras[i].freefunc);
    }
    return NULL;
}

pst_error *code_extra_read(struct code_reader *reader, pst_addr interpreter)
{
    struct pst_code *code = reader->code;
    pst_addr values = 0;
    uint64_t count;
    code->extras = NULL;
    code->extra_count = 0;
    if (!has(reader->python, F(PyCodeObject_co_extra)) || !has(reader->python, F(_PyCodeObjectExtra_ce_size)))
        return NULL;
    TRY(find_values(reader, &values, &count));
    if (!count)
        return NULL;
    pst_code_extra *extras = arena_alloc(reader->arena, count * sizeof *extras);
    if (!extras)
        return error_no_memory();
    code->extras = extras;
    pst_error *error = list_values(reader, values, count, extras);
    if (error || !code->extra_count)
        return error;
    return find_freefuncs(reader, interpreter, extras);
}
