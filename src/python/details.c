#include "python/waiting.h"

#include <string.h>

pst_error *details_spend(struct details *details, uint64_t size)
{
    uint64_t most = target_limit(details->walk->python->target, DETAILS_MAX_SIZE, DETAILS_MIN_SIZE, 1);
    details->size += size;
    if (details->size <= most)
        return NULL;
    return error_new(PST_ERROR_LIMIT, "the values so far take %llu bytes: the rest was left out",
                     (unsigned long long)most);
}

pst_error *details_copy_text(struct details *details, pst_text *copy)
{
    const struct text *text = &details->text;
    if (text->failed)
        return error_no_memory();
    TRY(details_spend(details, text->size));
    char *bytes = arena_alloc(&details->walk->snapshot->arena, text->size + 1);
    if (!bytes)
        return error_no_memory();
    memcpy(bytes, text->data ? text->data : "", text->size);
    *copy = (pst_text){bytes, text->size};
    return NULL;
}

pst_error *details_read_type_name(struct details *details, const struct type *type, pst_text *name)
{
    details->text.size = 0;
    type_add_name(type, &details->text);
    return details_copy_text(details, name);
}

pst_error *details_read_repr(struct details *details, pst_addr object, struct repr_bounds bounds, pst_text *text)
{
    struct repr repr;
    details->text.size = 0;
    repr_start(&repr, &details->types, &details->scratch, bounds, &details->text);
    repr.descriptors = details->descriptors;
    pst_error *error = repr_add_object(&repr, object);
    arena_reset(&details->scratch);
    if (error)
        text_add_string(&details->text, "…");
    pst_error_free(error ? repr.error : NULL);
    error = error ? error : repr.error;
    pst_error *failure = details_copy_text(details, text);
    pst_error_free(failure ? error : NULL);
    return failure ? failure : error;
}

void details_walk(struct walk *walk)
{
    struct details details = {.walk = walk};
    struct pst_target *target = walk->python->target;
    if (target->kind == PST_TARGET_PROCESS && !walk->is_rehearsal)
        error_list_add(&walk->snapshot->errors, descriptors_open(target, &details.descriptors));
    types_start(&details.types, walk->python, &details.type_names);
    for (size_t i = 0; i < walk->snapshot->thread_count; i++) {
        struct pst_thread *thread = &walk->snapshot->threads[i];
        if (!walk->is_rehearsal && !walk_wants_thread(walk, thread->tid))
            continue;
        if (walk->with_locals)
            details_add_variables(&details, thread);
        details_add_exceptions(&details, thread);
    }
    if (walk->with_waits)
        details_add_waits(&details);
    descriptors_close(details.descriptors);
    types_free(&details.types);
    arena_free(&details.type_names);
    arena_free(&details.scratch);
    text_free(&details.text);
}
