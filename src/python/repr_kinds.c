#include "python/repr.h"

#include "python/string.h"

#include <string.h>

static const struct repr_kind kinds[] = {
#define REPR_ORIGIN_C REPR_IN_C
#define REPR_ORIGIN_PYTHON REPR_IN_PYTHON
#define KIND(origin, definer, function, cycle) {definer, REPR_ORIGIN_##origin, repr_add_##function, cycle},
#define ALIAS(origin, definer, function, cycle) KIND(origin, definer, function, cycle)
#include "python/repr_kinds.def"
#undef KIND
#undef ALIAS
};

/* Those of whose __repr__ each class has its own. */
static const struct repr_kind namedtuple = {"", REPR_IN_PYTHON, repr_add_namedtuple, ""};
static const struct repr_kind struct_sequence = {"", REPR_IN_C, repr_add_struct_sequence, ""};
/* Of some types whose __repr__ is object's. */
static const struct repr_kind plain = {"", REPR_IN_C, repr_add_plain, ""};
/* Of whatever no decoder knows. */
static const struct repr_kind any = {"", REPR_UNKNOWN, repr_add_attributes, NULL};

/* ---- by the class that __repr__ comes from --------------------------------------------------------------- */

/* As strcmp(). */
static int compare_text(const char *string, pst_text text)
{
    size_t size = strlen(string), common = size < text.size ? size : text.size;
    int order = common ? memcmp(string, text.data, common) : 0;
    return order ? order : size < text.size ? -1 : size > text.size;
}

static const struct repr_kind *find(enum repr_origin origin, pst_text definer)
{
    size_t low = 0, high = sizeof kinds / sizeof *kinds;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_text(kinds[middle].definer, definer);
        if (order == 0)
            order = (int)kinds[middle].origin - (int)origin;
        if (order == 0)
            return &kinds[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct repr_kind *repr_kind_named(enum repr_origin origin, pst_text definer)
{
    const struct repr_kind *found = find(origin, definer);
    return found ? found : &any;
}

/* ---- plain types ----------------------------------------------------------------------------------------- */

static const char *const plain_names[] = {
#define PLAIN(name) name,
#include "python/repr_plain.def"
#undef PLAIN
};

static bool is_plain(const struct type *type)
{
    struct text name = {0};
    size_t low = 0, high = sizeof plain_names / sizeof *plain_names;
    int order = -1;
    type_add_name(type, &name);
    while (low < high && order) {
        size_t middle = low + (high - low) / 2;
        order = compare_text(plain_names[middle], (pst_text){name.data, name.size});
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    text_free(&name);
    return order == 0;
}

/* ---- what a __repr__ calls ------------------------------------------------------------------------------- */

struct calls {
    const char *definer;
    enum repr_origin origin;
    int first_version, last_version;
    const char *names;       /* separated by spaces */
};

static const struct calls calls[] = {
#define CALLS(origin, definer, first, last, names) {definer, REPR_ORIGIN_##origin, first, last, names},
#include "python/repr_calls.def"
#undef CALLS
};

/* The first class in the order of resolution that has something by this name; 0: none. */
static pst_error *find_owner(struct types *types, const struct type *type, const char *name, pst_addr *owner)
{
    const pst_addr *bases;
    size_t count;
    pst_addr value = 0;
    TRY(type_read_mro(types, type, &bases, &count));
    for (size_t i = 0; i < count && !value; i++) {
        TRY(type_get_own(types->python, bases[i], name, &value));
        *owner = bases[i];
    }
    *owner = value ? *owner : 0;
    return NULL;
}

static pst_error *compare_owners(struct types *types, const struct type *type, const char *names, bool *differ)
{
    enum { MAX_NAME = 32 };
    struct type *definer;
    TRY(type_get(types, type->definer_type, &definer));
    while (*names && !*differ) {
        char name[MAX_NAME];
        size_t size = strcspn(names, " ");
        pst_addr owner = 0, usual_owner = 0;
        memcpy(name, names, size);
        name[size] = '\0';
        names += size + (names[size] == ' ');
        TRY(find_owner(types, type, name, &owner));
        TRY(find_owner(types, definer, name, &usual_owner));
        *differ = owner != usual_owner;
    }
    return NULL;
}

/* What can't be read may be anything. */
static bool calls_others(struct types *types, const struct type *type)
{
    int version = python_minor_version(types->python);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct calls *one = &calls[i];
        bool fits = one->origin == type->origin && one->first_version <= version && version <= one->last_version;
        if (!fits || type->address == type->definer_type || compare_text(one->definer, type->definer) != 0)
            continue;
        bool differ = false;
        pst_error *error = compare_owners(types, type, one->names, &differ);
        differ |= error != NULL;
        pst_error_free(error);
        return differ;
    }
    return false;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static const struct repr_kind *choose(struct types *types, const struct type *type)
{
    const struct repr_kind *found = find(type->origin, type->definer);
    if (found && found->add == repr_add_attributes)
        return is_plain(type) ? &plain : found;
    if (found && found->add == repr_add_ordered_dict && type->origin == REPR_IN_PYTHON && !python_is_2(types->python))
        return &any; /* 3.x, without _collections */
    if (found)
        return calls_others(types, type) ? &any : found;
    if (repr_is_namedtuple(types, type))
        return &namedtuple;
    return repr_is_struct_sequence(types, type) ? &struct_sequence : &any;
}

const struct repr_kind *repr_kind_of(struct types *types, struct type *type)
{
    if (!type->kind) {
        type_find_repr(types, type);
        type->kind = choose(types, type);
    }
    return type->kind;
}

/* ---- what there is beside attributes ---------------------------------------------------------------------- */

/* Of these the value lies in the object itself. */
static pst_error *(*const with_contents[])(struct repr *repr, const struct instance *object) = {
    repr_add_array_object, repr_add_bytearray, repr_add_bytes_object, repr_add_complex_object, repr_add_counter,
    repr_add_date, repr_add_datetime, repr_add_decimal, repr_add_defaultdict, repr_add_deque, repr_add_dict,
    repr_add_float_object, repr_add_frozendict, repr_add_int_object, repr_add_list, repr_add_long_object,
    repr_add_namedtuple, repr_add_ndarray, repr_add_ordered_dict, repr_add_partial, repr_add_set, repr_add_str_object,
    repr_add_time, repr_add_timedelta, repr_add_tuple, repr_add_unicode_object,
};

static bool has_contents(const struct repr_kind *kind)
{
    for (size_t i = 0; i < sizeof with_contents / sizeof *with_contents; i++)
        if (kind->add == with_contents[i])
            return true;
    return false;
}

static pst_error *find_contents(struct types *types, struct type *type)
{
    const pst_addr *bases;
    size_t count;
    TRY(type_read_mro(types, type, &bases, &count));
    for (size_t i = 0; i < count && !type->contents; i++) {
        struct type *base;
        TRY(type_get(types, bases[i], &base));
        if (base == type || !has_contents(repr_kind_of(types, base)))
            continue;
        type->contents = arena_alloc(types->arena, sizeof *type);
        if (!type->contents)
            return error_no_memory();
        *type->contents = *type;
        type->contents->has_searched_contents = true;
        type->contents->origin = base->origin;
        type->contents->definer = base->definer;
        type->contents->definer_type = base->definer_type;
        type->contents->kind = base->kind;
    }
    return NULL;
}

pst_error *repr_get_contents(struct types *types, struct type *type, struct type **contents)
{
    if (!type->has_searched_contents)
        TRY(find_contents(types, type));
    type->has_searched_contents = true;
    *contents = type->contents;
    return NULL;
}
