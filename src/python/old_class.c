#include "python/old_class.h"

#include "python/c_name.h"
#include "python/dict.h"
#include "python/object.h"

#include <string.h>

enum {
    MAX_NAME = 16,
    MAX_CLASSES = 1 << 10,  /* that are looked at for one name */
    MAX_DEPTH = 64,         /* of bases */
};

/* Whether it is just this type, which is not on the heap. */
static pst_error *is_type(const struct python *python, pst_addr type, const char *wanted, bool *result)
{
    char name[MAX_NAME];
    uint64_t flags;
    *result = false;
    if (!python_is_2(python))
        return NULL;
    TRY(type_get_flags(python, type, &flags));
    if (flags & (TPFLAGS_HEAPTYPE | TPFLAGS_TYPE_SUBCLASS))
        return NULL;
    TRY(type_get_name(python, type, name, sizeof name));
    *result = strcmp(name, wanted) == 0;
    return NULL;
}

pst_error *object_is_old_class(const struct python *python, pst_addr object, bool *result)
{
    pst_addr type;
    *result = false;
    if (!python_is_2(python))
        return NULL;
    TRY(object_get_type(python, object, &type));
    return is_type(python, type, "classobj", result);
}

pst_error *type_is_of_old_instances(const struct python *python, pst_addr type, bool *result)
{
    return is_type(python, type, "instance", result);
}

struct search {
    const struct python *python;
    const char *name;
    size_t class_count;     /* so far */
    pst_addr owner, value;
};

/* Objects/classobject.c, class_lookup(): depth first. */
static pst_error *look_up(struct search *search, pst_addr class, size_t depth)
{
    const struct python *python = search->python;
    pst_addr dict, bases;
    uint64_t count;
    if (++search->class_count > MAX_CLASSES || depth > MAX_DEPTH)
        return error_new(PST_ERROR_CORRUPT, "the class at 0x%llx is one base too many", (unsigned long long)class);
    TRY(field_address(python, class, F(PyClassObject_cl_dict), &dict));
    TRY(dict_get(python, dict, search->name, NULL, &search->value));
    search->owner = class;
    if (search->value)
        return NULL;
    TRY(field_address(python, class, F(PyClassObject_cl_bases), &bases));
    TRY(object_expect(python, bases, TPFLAGS_TUPLE_SUBCLASS, "tuple"));
    TRY(field_unsigned(python, bases, F(PyVarObject_ob_size), &count));
    TRY(field_place(python, bases, F(PyTupleObject_ob_item), &bases));
    for (uint64_t i = 0; i < count && !search->value; i++) {
        pst_addr base;
        TRY(pointer_at(python, bases, i, &base));
        TRY(look_up(search, base, depth + 1));
    }
    return NULL;
}

pst_error *old_class_find(const struct python *python, pst_addr class, const char *name, pst_addr *owner,
                          pst_addr *value)
{
    struct search search = {.python = python, .name = name};
    TRY(look_up(&search, class, 0));
    *owner = search.owner;
    *value = search.value;
    return NULL;
}
