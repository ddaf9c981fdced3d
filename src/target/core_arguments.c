/* Executable and command line. */
#include "target/core.h"

#include "target/stack_arguments.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

bool core_find_auxv(const struct core *core, uint64_t type, uint64_t *value)
{
    return auxv_find(core->auxv, core->auxv_size, type, value);
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
            core->main_image = core_image_of(core, segment);
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
    struct pst_target *target = core->target;
    TRY(stack_arguments_read(target, core->auxv, core->auxv_size, &target->arguments, &target->arguments_size));
    if (!target->arguments)
        take_short_arguments(core);
    return NULL;
}
