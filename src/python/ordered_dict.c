#include "python/ordered_dict.h"

#include "python/attribute.h"
#include "python/dict.h"
#include "python/object.h"

/* ---- 2.7: lists [PREV, NEXT, KEY] that lead to each other ------------------------------------------------ */

enum { LINK_NEXT = 1, LINK_KEY = 2, LINK_SIZE = 3 };

static pst_error *read_link(const struct python *python, pst_addr link, uint64_t index, pst_addr *item)
{
    uint64_t count;
    pst_addr items;
    TRY(object_expect(python, link, TPFLAGS_LIST_SUBCLASS, "list"));
    TRY(field_unsigned(python, link, F(PyVarObject_ob_size), &count));
    TRY(field_address(python, link, F(PyListObject_ob_item), &items));
    if (count != LINK_SIZE)
        return error_new(PST_ERROR_CORRUPT, "the link at 0x%llx has %llu items, not %d", (unsigned long long)link,
                         (unsigned long long)count, LINK_SIZE);
    return pointer_at(python, items, index, item);
}

enum { MAX_TUPLES = 2, MAX_TUPLE_SIZE = 64 }; /* in each other; items of one, whose hash is worked out */

static pst_error *get_hash(const struct python *python, pst_addr key, unsigned depth, bool *known, uint64_t *hash);

/* Objects/tupleobject.c, tuplehash() */
static pst_error *get_tuple_hash(const struct python *python, pst_addr tuple, unsigned depth, bool *known,
                                 uint64_t *hash)
{
    uint64_t count, factor = 1000003, sum = 0x345678;
    pst_addr items, item;
    TRY(tuple_find_items(python, tuple, &items, &count));
    *known = depth < MAX_TUPLES && count <= MAX_TUPLE_SIZE;
    for (uint64_t left = count; *known && left-- > 0; factor += 82520 + 2 * left) {
        uint64_t part;
        TRY(pointer_at(python, items, count - left - 1, &item));
        TRY(get_hash(python, item, depth + 1, known, &part));
        if (*known)
            sum = (sum ^ part) * factor;
    }
    *hash = sum + 97531;
    *hash -= *hash == UINT64_MAX;
    return NULL;
}

/* What a str or unicode that was ever a key keeps, and what that of an int, or a tuple of such, follows from. */
static pst_error *get_hash(const struct python *python, pst_addr key, unsigned depth, bool *known, uint64_t *hash)
{
    pst_addr type;
    uint64_t flags;
    TRY(object_get_type(python, key, &type));
    TRY(type_get_flags(python, type, &flags));
    *known = !(flags & TPFLAGS_HEAPTYPE);
    if (flags & TPFLAGS_BYTES_SUBCLASS)
        return field_unsigned(python, key, F(PyStringObject_ob_shash), hash);
    if (flags & TPFLAGS_UNICODE_SUBCLASS)
        return field_unsigned(python, key, F(PyUnicodeObject_hash), hash);
    if (*known && flags & TPFLAGS_TUPLE_SUBCLASS)
        return get_tuple_hash(python, key, depth, known, hash);
    *known = *known && flags & TPFLAGS_INT_SUBCLASS;
    if (!*known)
        return NULL;
    TRY(field_unsigned(python, key, F(PyIntObject_ob_ival), hash));
    *hash -= *hash == UINT64_MAX; /* -1 says that there is none */
    return NULL;
}

/* What the hash of other keys is, is not known here. */
static pst_error *search(const struct python *python, pst_addr dict, pst_addr wanted, pst_addr *value)
{
    struct dict_reader reader;
    uint64_t used;
    *value = 0;
    TRY(dict_start_items(python, dict, &reader, &used));
    for (uint64_t i = 0; i < used && i < DICT_MAX_SCAN; i++) {
        pst_addr key, found;
        TRY(dict_next_item(&reader, &key, &found));
        if (key != wanted)
            continue;
        *value = found;
        return NULL;
    }
    if (used <= DICT_MAX_SCAN)
        return NULL;
    return error_new(PST_ERROR_LIMIT, "the OrderedDict at 0x%llx has %llu items: too many to search for that of a key",
                     (unsigned long long)dict, (unsigned long long)used);
}

static pst_error *find_value_2(const struct python *python, pst_addr dict, pst_addr key, pst_addr *value)
{
    bool known;
    uint64_t hash;
    TRY(get_hash(python, key, 0, &known, &hash));
    return known ? dict_find(python, dict, key, hash, value) : search(python, dict, key, value);
}

/* ---- both ------------------------------------------------------------------------------------------------ */

pst_error *ordered_dict_start(const struct python *python, pst_addr dict, struct ordered_dict_reader *reader,
                              uint64_t *used)
{
    struct dict_reader items;
    *reader = (struct ordered_dict_reader){.python = python, .dict = dict};
    TRY(dict_start_items(python, dict, &items, used));
    if (!python_is_2(python))
        return field_address(python, dict, F(PyODictObject_od_first), &reader->node);
    TRY(attribute_get(python, dict, "_OrderedDict__root", NULL, &reader->root));
    return reader->root ? read_link(python, reader->root, LINK_NEXT, &reader->node) : NULL;
}

static pst_error *read_node(const struct ordered_dict_reader *reader, pst_addr *key, pst_addr *value, pst_addr *next)
{
    const struct python *python = reader->python;
    uint64_t hash;
    TRY(field_address(python, reader->node, F(_odictnode_key), key));
    TRY(field_unsigned(python, reader->node, F(_odictnode_hash), &hash));
    TRY(field_address(python, reader->node, F(_odictnode_next), next));
    return dict_find(python, reader->dict, *key, hash, value);
}

static pst_error *read_node_2(const struct ordered_dict_reader *reader, pst_addr *key, pst_addr *value, pst_addr *next)
{
    const struct python *python = reader->python;
    TRY(read_link(python, reader->node, LINK_KEY, key));
    TRY(read_link(python, reader->node, LINK_NEXT, next));
    return find_value_2(python, reader->dict, *key, value);
}

pst_error *ordered_dict_next(struct ordered_dict_reader *reader, pst_addr *key, pst_addr *value)
{
    pst_addr next;
    if (!reader->node || reader->node == reader->root)
        return error_new(PST_ERROR_CORRUPT, "the OrderedDict at 0x%llx has fewer items than it says",
                         (unsigned long long)reader->dict);
    TRY(python_is_2(reader->python) ? read_node_2(reader, key, value, &next) : read_node(reader, key, value, &next));
    if (!*value)
        return error_new(PST_ERROR_CORRUPT, "the OrderedDict at 0x%llx has no value for the key at 0x%llx",
                         (unsigned long long)reader->dict, (unsigned long long)*key);
    reader->node = next;
    return NULL;
}
