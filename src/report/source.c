#include "report/source.h"

#include <stdlib.h>
#include <string.h>

/* More files than this are not named; their lines are left out all the same. */
#define CHANGED_MAX 1000

static bool same_file(pst_text a, pst_text b)
{
    return a.size == b.size && (a.data == b.data || !memcmp(a.data, b.data, a.size));
}

static void remember_changed(struct source *source, pst_text file)
{
    for (size_t i = 0; i < source->changed_count; i++)
        if (same_file(source->changed[i], file))
            return;
    if (source->changed_count == CHANGED_MAX)
        return;
    if (source->changed_count == source->changed_capacity) {
        size_t capacity = source->changed_capacity ? source->changed_capacity * 2 : 8;
        pst_text *changed = realloc(source->changed, capacity * sizeof *changed);
        if (!changed)
            return;
        source->changed = changed;
        source->changed_capacity = capacity;
    }
    source->changed[source->changed_count++] = file;
}

pst_text source_get_line(struct source *source, pst_text file, int line)
{
    pst_text none = {NULL, 0};
    if (!source->target || !file.data || line < 1)
        return none;
    struct source_slot *slot = &source->slots[(file.size * 31 + (unsigned)line) % SOURCE_SLOTS];
    if (slot->line == line && same_file(slot->file, file))
        return slot->text;
    *slot = (struct source_slot){.file = file, .line = line};
    switch (pst_target_get_source_line(source->target, file, line, &slot->text)) {
    case PST_SOURCE_FOUND: return slot->text;
    case PST_SOURCE_NEWER: remember_changed(source, file); break;
    case PST_SOURCE_ABSENT: break;
    }
    return slot->text = none;
}

void source_free(struct source *source)
{
    free(source->changed);
}
