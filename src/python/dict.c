#include "python/dict.h"

#include "python/c_name.h"
#include "python/object.h"
#include "python/string.h"
#include "python/unused.h"

#include <string.h>

enum { DICT_KEYS_GENERAL = 0 };       /* dk_kind, 3.11+: entries with a hash; else entries of two words */
enum { DICT_MAX_LOG2_INDEX_BYTES = 40 };
enum { PREFETCH_BATCH = 256 };
enum { FROZENDICT_MAX_BASES = 1 << 10 };

/* ---- where the entries are -------------------------------------------------------------------------- */

/* To 3.10 the width of an index follows from the size of the table (Objects/dict-common.h). */
static uint64_t index_bytes(uint64_t table_size)
{
    unsigned width = table_size <= 0xff ? 1 : table_size <= 0xffff ? 2 : table_size <= 0xffffffff ? 4 : 8;
    return table_size * width;
}

/* Fills in what the keys object says: entries, count, and the shape of an entry. */
static pst_error *read_keys(const struct python *python, pst_addr keys, struct dict_reader *reader)
{
    pst_addr indices;
    uint64_t index_size, kind = DICT_KEYS_GENERAL;
    TRY(field_place(python, keys, F(PyDictKeysObject_dk_indices), &indices));
    TRY(field_unsigned(python, keys, F(PyDictKeysObject_dk_nentries), &reader->count));
    if (has(python, F(PyDictKeysObject_dk_log2_index_bytes))) {
        uint64_t log2_size;
        TRY(field_unsigned(python, keys, F(PyDictKeysObject_dk_log2_index_bytes), &log2_size));
        TRY(field_unsigned(python, keys, F(PyDictKeysObject_dk_kind), &kind));
        if (log2_size > DICT_MAX_LOG2_INDEX_BYTES)
            return error_new(PST_ERROR_CORRUPT, "the dict keys at 0x%llx claim 2^%llu bytes of indices",
                             (unsigned long long)keys, (unsigned long long)log2_size);
        index_size = (uint64_t)1 << log2_size;
    } else {
        uint64_t table_size;
        TRY(field_unsigned(python, keys, F(PyDictKeysObject_dk_size), &table_size));
        if (table_size > (uint64_t)1 << DICT_MAX_LOG2_INDEX_BYTES)
            return error_new(PST_ERROR_CORRUPT, "the dict keys at 0x%llx claim a table of %llu",
                             (unsigned long long)keys, (unsigned long long)table_size);
        index_size = index_bytes(table_size);
    }
    bool general = kind == DICT_KEYS_GENERAL;
    reader->keys = keys;
    reader->entries = indices + index_size;
    reader->entry_size = general ? F(sizeof_PyDictKeyEntry) : F(sizeof_PyDictUnicodeEntry);
    reader->key = general ? F(PyDictKeyEntry_me_key) : F(PyDictUnicodeEntry_me_key);
    reader->value = general ? F(PyDictKeyEntry_me_value) : F(PyDictUnicodeEntry_me_value);
    return NULL;
}

/* 2.7: one open-addressing table of entries. */
static pst_error *start_table(const struct python *python, pst_addr dict, struct dict_reader *reader)
{
    uint64_t mask;
    TRY(field_unsigned(python, dict, F(PyDictObject_ma_mask), &mask));
    TRY(field_address(python, dict, F(PyDictObject_ma_table), &reader->entries));
    reader->count = mask + 1;
    reader->entry_size = F(sizeof_PyDictEntry);
    reader->key = F(PyDictEntry_me_key);
    reader->value = F(PyDictEntry_me_value);
    return NULL;
}

static pst_error *start_keys(const struct python *python, pst_addr dict, struct dict_reader *reader)
{
    pst_addr keys, values;
    TRY(field_address(python, dict, F(PyDictObject_ma_keys), &keys));
    TRY(field_address(python, dict, F(PyDictObject_ma_values), &values));
    TRY(read_keys(python, keys, reader));
    /* To 3.10 ma_values is the array itself. */
    reader->values = values;
    if (values && has(python, F(PyDictValues_values)))
        TRY(field_place(python, values, F(PyDictValues_values), &reader->values));
    return NULL;
}

static pst_error *check_count(const struct dict_reader *reader, pst_addr dict)
{
    if (reader->count <= DICT_MAX_ENTRIES)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the dict at 0x%llx claims %llu entries", (unsigned long long)dict,
                     (unsigned long long)reader->count);
}

pst_error *dict_start(const struct python *python, pst_addr dict, struct dict_reader *reader)
{
    *reader = (struct dict_reader){.python = python};
    TRY(object_expect(python, dict, TPFLAGS_DICT_SUBCLASS, "dict"));
    if (has(python, F(PyDictObject_ma_table)))
        TRY(start_table(python, dict, reader));
    else
        TRY(start_keys(python, dict, reader));
    return check_count(reader, dict);
}

/* ---- the entries ------------------------------------------------------------------------------------ */

static pst_error *read_entry(const struct dict_reader *reader, uint64_t index, pst_addr *key, pst_addr *value)
{
    const struct python *python = reader->python;
    pst_addr entry = reader->entries + index * size_of(python, reader->entry_size);
    TRY(field_address(python, entry, reader->key, key));
    if (!*key)
        return NULL;
    if (reader->values)
        return pointer_at(python, reader->values, index, value);
    return field_address(python, entry, reader->value, value);
}

pst_error *dict_next(struct dict_reader *reader, pst_addr *key, pst_addr *value)
{
    *key = 0;
    while (reader->index < reader->count) {
        TRY(read_entry(reader, reader->index++, key, value));
        if (*key && *value)
            return NULL;
    }
    *key = 0;
    return NULL;
}

/* ---- items, in order ---------------------------------------------------------------------------------- */

/* 3.11+: an object's values, which its dict may share, are in the order of the type's keys; in which they were set
 * stands beside them. 3.11 and 3.12: before them, as many as byte -2 says, from byte -3 on downwards; 3.13+: behind
 * them (Include/internal/pycore_dict.h, Objects/dictobject.c, get_index_from_order()). */
static pst_error *find_order(struct dict_reader *reader)
{
    enum { COUNT_AT = -2, FIRST_AT = -3 };
    const struct python *python = reader->python;
    uint8_t count;
    if (!reader->values || !has(python, F(PyDictValues_values)))
        return NULL;
    if (!has(python, F(PyDictValues_capacity))) {
        TRY(memory_read(python->memory, reader->values + COUNT_AT, &count, 1));
        reader->order = reader->values + FIRST_AT;
        reader->order_step = -1;
        reader->order_count = count;
        return NULL;
    }
    uint64_t capacity, size;
    pst_addr head, first;
    TRY(field_place(python, 0, F(PyDictValues_values), &first));
    head = reader->values - first;
    TRY(field_unsigned(python, head, F(PyDictValues_capacity), &capacity));
    TRY(field_unsigned(python, head, F(PyDictValues_size), &size));
    reader->order = reader->values + capacity * sizeof(pst_addr);
    reader->order_step = 1;
    reader->order_count = size;
    return NULL;
}

/* 3.15+: a frozendict is none, but made as one. */
static pst_error *is_frozen(const struct python *python, pst_addr dict, bool *result)
{
    pst_addr type;
    *result = false;
    if (python_minor_version(python) < 315)
        return NULL;
    TRY(object_get_type(python, dict, &type));
    for (size_t i = 0; type && !*result && i < FROZENDICT_MAX_BASES; i++) {
        char name[16];
        TRY(type_get_name(python, type, name, sizeof name));
        *result = strcmp(name, "frozendict") == 0;
        TRY(field_address(python, type, F(PyTypeObject_tp_base), &type));
    }
    return NULL;
}

static pst_error *expect_items(const struct python *python, pst_addr dict)
{
    bool frozen;
    pst_error *error = object_expect(python, dict, TPFLAGS_DICT_SUBCLASS, "dict");
    if (!error)
        return NULL;
    pst_error *failure = is_frozen(python, dict, &frozen);
    if (failure || !frozen) {
        pst_error_free(failure);
        return error;
    }
    pst_error_free(error);
    return NULL;
}

pst_error *dict_start_items(const struct python *python, pst_addr dict, struct dict_reader *reader, uint64_t *used)
{
    int64_t count;
    *reader = (struct dict_reader){.python = python};
    TRY(expect_items(python, dict));
    TRY(field_signed(python, dict, F(PyDictObject_ma_used), &count));
    if (has(python, F(PyDictObject_ma_table)))
        TRY(start_table(python, dict, reader));
    else
        TRY(start_keys(python, dict, reader));
    if (count < 0 || (uint64_t)count > reader->count)
        return error_new(PST_ERROR_CORRUPT, "the dict at 0x%llx has %lld items in %llu entries",
                         (unsigned long long)dict, (long long)count, (unsigned long long)reader->count);
    *used = (uint64_t)count;
    return find_order(reader);
}

/* To 3.10 values have no count of their own, and no dict is without one. */
pst_error *dict_start_values(const struct python *python, pst_addr keys, pst_addr values, struct dict_reader *reader,
                             uint64_t *used)
{
    *reader = (struct dict_reader){.python = python};
    TRY(read_keys(python, keys, reader));
    reader->values = values;
    TRY(find_order(reader));
    *used = reader->order_count;
    return NULL;
}

/* The index of the next entry; *there is false: there is none. */
static pst_error *next_index(struct dict_reader *reader, uint64_t *index, bool *there)
{
    uint8_t byte;
    *there = reader->index < (reader->order ? reader->order_count : reader->count);
    *index = reader->index;
    if (!*there)
        return NULL;
    if (reader->order) {
        pst_addr at = reader->order + (uint64_t)((int64_t)reader->index * reader->order_step);
        TRY(memory_read(reader->python->memory, at, &byte, 1));
        *index = byte;
    }
    reader->index++;
    if (*index < reader->count)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the dict keys at 0x%llx have no entry %llu", (unsigned long long)reader->keys,
                     (unsigned long long)*index);
}

static void skip_unused(struct dict_reader *reader, uint64_t end)
{
    const struct unused unused = {reader->entries, size_of(reader->python, reader->entry_size), reader->value,
                                  reader->key, 0};
    if (unused.size)
        reader->index = unused_skip(reader->python, &unused, reader->index, end < reader->count ? end : reader->count);
}

pst_error *dict_next_item(struct dict_reader *reader, pst_addr *key, pst_addr *value)
{
    for (uint64_t end = reader->index + UNUSED_MAX; reader->index < end;) {
        uint64_t index;
        bool there;
        TRY(next_index(reader, &index, &there));
        if (!there)
            return error_new(PST_ERROR_CORRUPT, "the dict with its entries at 0x%llx has fewer items than it says",
                             (unsigned long long)reader->entries);
        TRY(read_entry(reader, index, key, value));
        if (*key && *value)
            return NULL;
        if (!reader->values)
            skip_unused(reader, end);
    }
    return error_new(PST_ERROR_LIMIT, "a dict with %d unused entries on end", UNUSED_MAX);
}

/* ---- search by hash -------------------------------------------------------------------------------- */

/* The table of indices of entries; in 2.7 that of the entries themselves. */
struct hash_table {
    const struct dict_reader *reader;
    pst_addr indices;       /* 0: 2.7 */
    unsigned index_size;
    uint64_t mask;
};

static pst_error *read_hash_table(const struct dict_reader *reader, struct hash_table *table)
{
    const struct python *python = reader->python;
    uint64_t size;
    *table = (struct hash_table){.reader = reader, .mask = reader->count - 1};
    if (!reader->keys)
        return NULL;
    TRY(field_place(python, reader->keys, F(PyDictKeysObject_dk_indices), &table->indices));
    if (has(python, F(PyDictKeysObject_dk_log2_size))) {
        TRY(field_unsigned(python, reader->keys, F(PyDictKeysObject_dk_log2_size), &size));
        size = size < DICT_MAX_LOG2_INDEX_BYTES ? (uint64_t)1 << size : 0;
    } else {
        TRY(field_unsigned(python, reader->keys, F(PyDictKeysObject_dk_size), &size));
    }
    uint64_t index_size = size ? (reader->entries - table->indices) / size : 0;
    if ((size & (size - 1)) || !index_size || index_size > 8 || (index_size & (index_size - 1)))
        return error_new(PST_ERROR_CORRUPT, "the dict keys at 0x%llx have %llu bytes of %llu indices",
                         (unsigned long long)reader->keys, (unsigned long long)(reader->entries - table->indices),
                         (unsigned long long)size);
    table->index_size = (unsigned)index_size;
    table->mask = size - 1;
    return NULL;
}

/* Below 0: there is none, DKIX_EMPTY or DKIX_DUMMY. */
static pst_error *read_index(const struct hash_table *table, uint64_t slot, int64_t *index)
{
    uint8_t bytes[8];
    *index = (int64_t)slot;
    if (!table->indices)
        return NULL;
    TRY(memory_read(table->reader->python->memory, table->indices + slot * table->index_size, bytes,
                    table->index_size));
    *index = bytes_signed(bytes, table->index_size);
    if (*index < 0 || (uint64_t)*index < table->reader->count)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the dict keys at 0x%llx have no entry %lld",
                     (unsigned long long)table->reader->keys, (long long)*index);
}

/* Objects/dictobject.c, lookdict(). */
static pst_error *probe(const struct hash_table *table, pst_addr wanted, uint64_t hash, pst_addr *value)
{
    enum { DKIX_EMPTY = -1, PERTURB_SHIFT = 5 };
    bool is_2 = !table->indices;
    uint64_t slot = hash & table->mask, perturb = hash;
    for (int scanned = 0; scanned < DICT_MAX_SCAN; scanned++) {
        int64_t index;
        pst_addr key = 0, found = 0;
        TRY(read_index(table, slot, &index));
        if (index >= 0)
            TRY(read_entry(table->reader, (uint64_t)index, &key, &found));
        if (key == wanted)
            *value = found;
        if (key == wanted || index == DKIX_EMPTY || (is_2 && !key))
            return NULL;
        perturb >>= is_2 && !scanned ? 0 : PERTURB_SHIFT;
        slot = (slot * 5 + perturb + 1) & table->mask;
    }
    return NULL;
}

pst_error *dict_find(const struct python *python, pst_addr dict, pst_addr key, uint64_t hash, pst_addr *value)
{
    struct dict_reader reader;
    struct hash_table table;
    uint64_t used;
    *value = 0;
    TRY(dict_start_items(python, dict, &reader, &used));
    TRY(read_hash_table(&reader, &table));
    return key ? probe(&table, key, hash, value) : NULL;
}

/* ---- search by name -------------------------------------------------------------------------------- */

/* Every key is an object of its own, anywhere in memory: brings those from `index` on in at one go. */
static pst_error *prefetch_keys(const struct dict_reader *reader, uint64_t index)
{
    pst_addr keys[PREFETCH_BATCH];
    size_t count = 0;
    for (; index < reader->count && count < PREFETCH_BATCH; index++) {
        pst_addr key = 0, value;
        TRY(read_entry(reader, index, &key, &value));
        if (key)
            keys[count++] = key;
    }
    memory_prefetch(reader->python->memory, keys, count);
    return NULL;
}

/* Whether the entry has this name; *value is 0 if it is free. */
static pst_error *try_entry(const struct dict_reader *reader, uint64_t index, const char *name, pst_addr *key,
                            pst_addr *value, bool *equal)
{
    *value = 0;
    *equal = false;
    TRY(read_entry(reader, index, key, value));
    return *key && *value ? string_equals(reader->python, *key, name, equal) : NULL;
}

/* A key that can't be read hides no other. */
static pst_error *search(const struct dict_reader *reader, const char *name, struct attribute_memo *memo,
                         pst_addr *value)
{
    pst_error *first_error = NULL;
    size_t broken = 0;
    for (uint64_t i = 0; i < reader->count && broken < DICT_MAX_BROKEN_KEYS; i++) {
        pst_addr key = 0, found = 0;
        bool equal;
        if (i % PREFETCH_BATCH == 0)
            pst_error_free(prefetch_keys(reader, i));
        pst_error *error = try_entry(reader, i, name, &key, &found, &equal);
        broken += error != NULL;
        if (first_error)
            pst_error_free(error);
        else
            first_error = error;
        if (!equal)
            continue;
        if (memo)
            *memo = (struct attribute_memo){reader->keys, key, (size_t)i};
        *value = found;
        pst_error_free(first_error);
        return NULL;
    }
    return first_error;
}

/* An equal key in the same shared keys, at the same index as before: names are interned. */
static pst_error *look_at_memo(const struct dict_reader *reader, const struct attribute_memo *memo, pst_addr *value)
{
    if (!memo || !memo->keys || memo->keys != reader->keys || memo->index >= reader->count)
        return NULL;
    pst_addr key = 0, found = 0;
    TRY(read_entry(reader, memo->index, &key, &found));
    if (key == memo->key)
        *value = found;
    return NULL;
}

pst_error *dict_get(const struct python *python, pst_addr dict, const char *name, struct attribute_memo *memo,
                    pst_addr *value)
{
    struct dict_reader reader;
    *value = 0;
    TRY(dict_start(python, dict, &reader));
    TRY(look_at_memo(&reader, memo, value));
    return *value ? NULL : search(&reader, name, memo, value);
}

pst_error *dict_get_from_values(const struct python *python, pst_addr keys, pst_addr values, const char *name,
                                struct attribute_memo *memo, pst_addr *value)
{
    struct dict_reader reader = {.python = python};
    *value = 0;
    TRY(read_keys(python, keys, &reader));
    TRY(check_count(&reader, keys));
    reader.values = values;
    TRY(look_at_memo(&reader, memo, value));
    return *value ? NULL : search(&reader, name, memo, value);
}
