/* The core's PT_LOADs and the files that NT_FILE names, brought together as one list of segments. */
#include "target/core.h"

#include "target/core_write.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ----------------------------------------------------------------------------------------- */

static int compare_loads(const void *one, const void *other)
{
    const struct core_load *a = one, *b = other;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int compare_mappings(const void *one, const void *other)
{
    const struct core_mapping *a = one, *b = other;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

/* No address is in two mappings: what starts first keeps its place, the other loses its beginning. */
static size_t separate_loads(struct core_load *loads, size_t count)
{
    size_t overlaps = 0;
    pst_addr end = 0;
    for (size_t i = 0; i < count; i++) {
        struct core_load *load = &loads[i];
        if (load->start < end) {
            uint64_t lost = end - load->start;
            overlaps++;
            load->start = end < load->end ? end : load->end;
            load->offset += lost;
            load->size = load->size > lost ? load->size - lost : 0;
        }
        if (load->end > end)
            end = load->end;
    }
    return overlaps;
}

static int compare_offsets(const void *one, const void *other)
{
    const struct core_load *a = *(struct core_load *const *)one, *b = *(struct core_load *const *)other;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* No byte of the file is memory twice: a small file would be endless memory. What a segment has of it ends where the
 * next one's begins. */
static pst_error *separate_contents(struct core_load *loads, size_t count, size_t *overlaps)
{
    struct core_load **sorted = calloc(count + 1, sizeof *sorted);
    uint64_t end = UINT64_MAX;
    if (!sorted)
        return error_no_memory();
    for (size_t i = 0; i < count; i++)
        sorted[i] = &loads[i];
    qsort(sorted, count, sizeof *sorted, compare_offsets);
    for (size_t i = count; i-- > 0;) {
        struct core_load *load = sorted[i];
        if (!load->size)
            continue;
        if (load->size > end - load->offset) {
            load->size = end - load->offset;
            ++*overlaps;
        }
        end = load->offset;
    }
    free(sorted);
    return NULL;
}

static size_t separate_mappings(struct core_mapping *mappings, size_t count)
{
    size_t overlaps = 0;
    pst_addr end = 0;
    for (size_t i = 0; i < count; i++) {
        struct core_mapping *mapping = &mappings[i];
        if (mapping->start < end) {
            overlaps++;
            mapping->file_offset += end - mapping->start;
            mapping->start = end < mapping->end ? end : mapping->end;
        }
        if (mapping->end > end)
            end = mapping->end;
    }
    return overlaps;
}

/* ---- images ---------------------------------------------------------------------------------------- */

static int compare_paths(const struct core *core, const struct core_mapping *a, const struct core_mapping *b)
{
    return strcmp(core->target->segment_names + a->name, core->target->segment_names + b->name);
}

static int compare_by_path(const void *one, const void *other, void *context)
{
    const struct core_mapping *a = *(struct core_mapping *const *)one, *b = *(struct core_mapping *const *)other;
    int order = compare_paths(context, a, b);
    if (order != 0)
        return order;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Does an image begin here? Linkers that pack tightly (lld) map a small image's first page several times in a
 * row, with other rights each. */
static bool begins_image(const struct core_mapping *mapping, const struct core_mapping *before)
{
    if (mapping->file_offset != 0)
        return false;
    return !(before && before->file_offset == 0 && before->end == mapping->start);
}

/* Mappings of one path belong to one image, from a mapping of offset 0 up to the next of those. */
static pst_error *make_images(struct core *core)
{
    size_t count = core->mapping_count;
    struct core_mapping **sorted = calloc(count + 1, sizeof *sorted);
    core->images = calloc(count + 1, sizeof *core->images);
    if (!sorted || !core->images) {
        free(sorted);
        return error_no_memory();
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = &core->mappings[i];
    qsort_r(sorted, count, sizeof *sorted, compare_by_path, core);
    for (size_t i = 0; i < count; i++) {
        struct core_mapping *mapping = sorted[i];
        bool same_path = i > 0 && compare_paths(core, sorted[i - 1], mapping) == 0;
        bool begins = begins_image(mapping, same_path ? sorted[i - 1] : NULL);
        if (begins || !same_path)
            core->images[core->image_count++] = (struct core_image){
                .path = core->target->segment_names + mapping->name,
                .has_base = begins,
                .base = mapping->start,
                .fd = -1,
            };
        mapping->image = core->image_count - 1;
    }
    free(sorted);
    return NULL;
}

/* ---- where an address is --------------------------------------------------------------------------- */

size_t core_find_part_at_or_after(const struct core *core, pst_addr address)
{
    size_t low = 0, high = core->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (core->parts[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const struct core_part *core_find_part(const struct core *core, pst_addr address)
{
    size_t index = core_find_part_at_or_after(core, address);
    return index < core->part_count && core->parts[index].start <= address ? &core->parts[index] : NULL;
}

size_t core_image_of(const struct core *core, const struct segment *segment)
{
    const struct core_part *part = core_find_part(core, segment->start);
    return part ? part->image : CORE_NO_IMAGE;
}

/* ---- segments -------------------------------------------------------------------------------------- */

/* There is a part for each segment, or several. */
struct builder {
    struct core *core;
    size_t capacity;
};

static pst_error *make_room(struct builder *builder)
{
    struct core *core = builder->core;
    struct pst_target *target = core->target;
    if (core->part_count < builder->capacity)
        return NULL;
    size_t capacity = builder->capacity ? 2 * builder->capacity : 64;
    struct segment *segments = realloc(target->segments, capacity * sizeof *segments);
    if (!segments)
        return error_no_memory();
    target->segments = segments;
    struct core_part *parts = realloc(core->parts, capacity * sizeof *parts);
    if (!parts)
        return error_no_memory();
    core->parts = parts;
    builder->capacity = capacity;
    return NULL;
}

/* A small core has a PT_LOAD for each run of pages that it keeps of a mapping. */
static bool continues(const struct core *core, const struct segment *segment, const struct core_part *part,
                      const struct core_load *load)
{
    if (!load || !(load->flags & CORE_LOAD_CONTINUES) || core->part_count == 0)
        return false;
    const struct segment *before = &core->target->segments[core->target->segment_count - 1];
    return before->end == segment->start && before->readable == segment->readable &&
           before->writable == segment->writable && before->executable == segment->executable &&
           core->parts[core->part_count - 1].image == part->image &&
           (!segment->path || (before->path && before->deleted == segment->deleted &&
                               before->file_offset + (segment->start - before->start) == segment->file_offset));
}

/* [start, end) lies inside of `load` and `mapping`, one of which may be NULL. */
static pst_error *add_segment(struct builder *builder, pst_addr start, pst_addr end, const struct core_load *load,
                              const struct core_mapping *mapping)
{
    struct core *core = builder->core;
    TRY(make_room(builder));
    struct segment segment = { .start = start, .end = end };
    struct core_part part = { .start = start, .end = end, .image = CORE_NO_IMAGE };
    if (load) {
        uint64_t skipped = start - load->start;
        part.offset = load->offset + skipped;
        part.size = load->size > skipped ? load->size - skipped : 0;
        if (part.size > end - start)
            part.size = end - start;
        segment.readable = load->flags & PF_R;
        segment.writable = load->flags & PF_W;
        segment.executable = load->flags & PF_X;
    } else {
        /* gcore leaves out what can be had from the file: how it was mapped is not known. */
        segment.readable = true;
    }
    if (mapping) {
        segment.path = core->target->segment_names + mapping->name;
        segment.file_offset = mapping->file_offset + (start - mapping->start);
        segment.deleted = mapping->deleted;
        part.image = mapping->image;
    }
    struct pst_target *target = core->target;
    if (continues(core, &segment, &part, load))
        target->segments[target->segment_count - 1].end = end;
    else
        target->segments[target->segment_count++] = segment;
    part.segment = target->segment_count - 1;
    core->parts[core->part_count++] = part;
    return NULL;
}

/* Goes through both lists at once, cutting wherever something begins or ends. */
static pst_error *merge(struct core *core)
{
    struct builder builder = { .core = core };
    size_t i = 0, j = 0;
    pst_addr at = 0;
    for (;;) {
        const struct core_load *load = i < core->load_count ? &core->loads[i] : NULL;
        const struct core_mapping *mapping = j < core->mapping_count ? &core->mappings[j] : NULL;
        if (load && (load->end <= at || load->start == load->end)) {
            i++;
            continue;
        }
        if (mapping && (mapping->end <= at || mapping->start == mapping->end)) {
            j++;
            continue;
        }
        if (!load && !mapping)
            return NULL;
        pst_addr load_start = load ? load->start : UINT64_MAX, mapping_start = mapping ? mapping->start : UINT64_MAX;
        pst_addr start = load_start < mapping_start ? load_start : mapping_start;
        if (start < at)
            start = at;
        bool in_load = load && load_start <= start, in_mapping = mapping && mapping_start <= start;
        pst_addr end = in_load ? load->end : load_start, other_end = in_mapping ? mapping->end : mapping_start;
        if (other_end < end)
            end = other_end;
        TRY(add_segment(&builder, start, end, in_load ? load : NULL, in_mapping ? mapping : NULL));
        at = end;
    }
}

static void drop_segments(struct core *core)
{
    free(core->target->segments);
    free(core->parts);
    core->target->segments = NULL;
    core->target->segment_count = 0;
    core->parts = NULL;
    core->part_count = 0;
}

/* Without NT_FILE: what was mapped is looked for in the memory that is there. */
static pst_error *find_mappings(struct core *core)
{
    TRY(merge(core));
    TRY(core_find_loaded(core));
    drop_segments(core);
    if (core->mapping_count == 0)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_CORRUPT, "the core does not say which files were mapped (no NT_FILE note), "
                                 "and nothing in it tells: only what is in the core itself can be read"));
    return NULL;
}

pst_error *core_make_segments(struct core *core)
{
    if (core->load_count)
        qsort(core->loads, core->load_count, sizeof *core->loads, compare_loads);
    size_t overlaps = separate_loads(core->loads, core->load_count);
    if (overlaps)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_CORRUPT, "%zu of the core's %zu segments overlap others: of what is there "
                                 "twice, the segment that begins first was taken", overlaps, core->load_count));
    overlaps = 0;
    TRY(separate_contents(core->loads, core->load_count, &overlaps));
    if (overlaps)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_CORRUPT, "%zu of the core's %zu segments claim bytes of the file that are "
                                 "another's, too: they were left out", overlaps, core->load_count));
    if (!core->mappings)
        TRY(find_mappings(core));
    if (core->mapping_count)
        qsort(core->mappings, core->mapping_count, sizeof *core->mappings, compare_mappings);
    overlaps = separate_mappings(core->mappings, core->mapping_count);
    if (overlaps)
        error_list_add(&core->target->errors,
                       error_new(PST_ERROR_CORRUPT, "%zu of the %zu mapped files in NT_FILE overlap others", overlaps,
                                 core->mapping_count));
    TRY(make_images(core));
    return merge(core);
}
