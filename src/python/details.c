#include "python/waiting.h"

#include <stdlib.h>
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

pst_variable *details_find_memo(const struct details *details, pst_addr address)
{
    return &details->memo[address * details->types.multiplier >> 32 & (DETAILS_MEMO_SIZE - 1)];
}

/* ---- budgets --------------------------------------------------------------------------------------------- */

/* Leaves at most so many of the reads that may be done to what comes next: no value may take those of all others. What
 * it keeps is to be given back. */
static uint64_t keep_work(struct details *details, uint64_t most)
{
    struct memory *memory = details->walk->python->memory;
    uint64_t left = memory_get_work_left(memory), lent = left < most ? left : most;
    memory_set_work(memory, lent);
    return left - lent;
}

static void give_back(struct details *details, uint64_t kept)
{
    struct memory *memory = details->walk->python->memory;
    memory_set_work(memory, memory_get_work_left(memory) + kept);
}

/* So that a hundred huge values leave something to the next; whoever wants the whole of values gets it. */
static uint64_t get_value_work(const struct details *details, struct repr_bounds bounds)
{
    enum { PART = 8, PART_OF_UNBOUNDED = 2 };
    uint64_t left = memory_get_work_left(details->walk->python->memory);
    uint64_t part = left / (bounds.items == SIZE_MAX ? PART_OF_UNBOUNDED : PART);
    return part < DETAILS_MIN_VALUE_WORK ? DETAILS_MIN_VALUE_WORK : part;
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

pst_error *details_read_type_name(struct details *details, const struct type *type, pst_text *name)
{
    const struct repr_bounds bounds = {.chars = 1000};
    struct repr repr;
    details->text.size = 0;
    repr_start(&repr, &details->types, &details->scratch, bounds, &details->text);
    repr_add_type_name(&repr, type);
    return details_copy_text(details, name);
}

pst_error *details_read_repr(struct details *details, pst_addr object, struct repr_bounds bounds, pst_text *text)
{
    struct repr repr;
    details->text.size = 0;
    uint64_t kept = keep_work(details, get_value_work(details, bounds));
    repr_start(&repr, &details->types, &details->scratch, bounds, &details->text);
    pst_error *error = repr_add_object(&repr, object);
    give_back(details, kept);
    arena_reset(&details->scratch);
    if (error)
        text_add_string(&details->text, "…");
    pst_error_free(error ? repr.error : NULL);
    error = error ? error : repr.error;
    pst_error *failure = details_copy_text(details, text);
    pst_error_free(failure ? error : NULL);
    return failure ? failure : error;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

/* A thread may use all that is left, or a part of it, but for what the `others` behind it are sure to have. */
static uint64_t get_thread_work(const struct details *details, unsigned part, size_t others)
{
    uint64_t left = memory_get_work_left(details->walk->python->memory) / part, sure = left / 2 / (others + 1);
    return left - others * (sure < DETAILS_THREAD_WORK ? sure : DETAILS_THREAD_WORK);
}

static void walk_threads(struct details *details, unsigned part,
                         void (*add)(struct details *details, struct pst_thread *thread))
{
    struct pst_snapshot *snapshot = details->walk->snapshot;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (!details->walk->is_rehearsal && !walk_wants_thread(details->walk, snapshot->threads[i].tid))
            continue;
        uint64_t kept = keep_work(details, get_thread_work(details, part, snapshot->thread_count - i - 1));
        add(details, &snapshot->threads[i]);
        give_back(details, kept);
    }
}

static void walk_variables(struct details *details)
{
    details->memo = calloc(DETAILS_MEMO_SIZE, sizeof *details->memo);
    if (details->memo)
        walk_threads(details, 1, details_add_variables);
    else
        error_list_add(&details->walk->snapshot->errors, error_no_memory());
    for (size_t i = 0; details->memo && i < DETAILS_MEMO_SIZE; i++)
        pst_error_free((pst_error *)details->memo[i].error);
    free(details->memo);
}

/* They are read anew in each pass, which may have as much as half of the time that is left: so all passes end. */
static pst_error *open_descriptors(const struct walk *walk, struct descriptors **descriptors)
{
    TRY(descriptors_open(walk->python->target, descriptors));
    (*descriptors)->left_ns = (DESCRIPTORS_MAX_NS - walk->sought_ns) / 2;
    return NULL;
}

/* Variables are many, and the program's own affair: they come last, with what is left. */
void details_walk(struct walk *walk)
{
    struct details details = {.walk = walk};
    struct pst_target *target = walk->python->target;
    if (target->kind == PST_TARGET_PROCESS && !walk->is_rehearsal)
        error_list_add(&walk->snapshot->errors, open_descriptors(walk, &details.descriptors));
    uint64_t patience = details.descriptors ? details.descriptors->left_ns : 0;
    types_start(&details.types, walk->python, &details.type_names);
    walk_threads(&details, 2, details_add_exceptions);
    if (walk->with_waits)
        details_add_waits(&details);
    if (walk->with_locals)
        walk_variables(&details);
    if (details.descriptors)
        walk->sought_ns += patience - details.descriptors->left_ns;
    descriptors_close(details.descriptors);
    types_free(&details.types);
    arena_free(&details.type_names);
    arena_free(&details.scratch);
    text_free(&details.text);
}
