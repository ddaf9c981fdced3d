/*
 * The code objects that frames run, read to the last constant while the target stands still: once it goes on, one that
 * was made for the moment may be gone.
 */
#include "python/code_object.h"
#include "python/walk.h"

static void read_whole(struct walk *walk, const struct opcodes *opcodes, pst_addr address, struct arena *arena)
{
    struct pst_code code = {0};
    struct code_reader reader = {walk->python, opcodes, arena, &code};
    code_read_head(&reader, address);
    code_read_body(&reader);
    if (walk->snapshot->interpreter_count)
        pst_error_free(code_extra_read(&reader, walk->snapshot->interpreters[0].address));
    pst_error_free(instructions_read(&reader));
    error_list_free(&code.errors);
    arena_reset(arena);
}

void codes_read_whole(struct walk *walk)
{
    const struct layout *layout = &walk->python->layout;
    const struct opcodes *opcodes = NULL;
    struct arena arena = {0};
    pst_error_free(opcodes_get(layout->major, layout->minor, &opcodes));
    const struct code_table *codes = &walk->snapshot->codes;
    for (size_t i = 0; opcodes && i < codes->capacity; i++)
        if (codes->slots[i])
            read_whole(walk, opcodes, codes->slots[i]->address, &arena);
    arena_free(&arena);
}
