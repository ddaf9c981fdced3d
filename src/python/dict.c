#include "python/dict.h"

#include "python/object.h"
#include "python/string.h"

enum { DICT_KEYS_GENERAL = 0 };       /* dk_kind, 3.11+: entries with a hash; else entries of two words */
enum { DICT_MAX_LOG2_INDEX_BYTES = 40 };
enum { PREFETCH_BATCH = 256 };

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

/* ---- search ----------------------------------------------------------------------------------------- */

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
