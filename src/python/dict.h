/*
 * Dicts, in the order of their entries. Objects/dictobject.c, Objects/dict-common.h, 3.11+: pycore_dict.h.
 *
 * Keys are compared by their text, entry by entry: the hash of a str depends on a secret of the process.
 */
#ifndef PYSTANDER_PYTHON_DICT_H
#define PYSTANDER_PYTHON_DICT_H

#include "python/field.h"

enum {
    DICT_MAX_ENTRIES = 1 << 20,   /* more than any dict that is asked for has (sys.modules, threading._active) */
    DICT_MAX_BROKEN_KEYS = 64,    /* that a search passes over */
    DICT_MAX_SCAN = 1 << 16,      /* entries that a search for an item by its hash looks at */
};

struct dict_reader {
    const struct python *python;
    pst_addr keys;          /* the PyDictKeysObject, 0 in 2.7 */
    pst_addr entries;       /* array of entries */
    pst_addr values;        /* split: array of values beside the keys, else 0 */
    pst_addr order;         /* 3.11+, split: bytes, indices of the values in the order in which they were set; else 0 */
    int order_step;         /* from one to the next */
    uint64_t order_count;
    uint64_t count, index;  /* entries, those that are unused included */
    enum field entry_size, key, value;
};

MUST_USE pst_error *dict_start(const struct python *python, pst_addr dict, struct dict_reader *reader);

/* The next entry that is in use; *key is 0 at the end. */
MUST_USE pst_error *dict_next(struct dict_reader *reader, pst_addr *key, pst_addr *value);

/* As dict_start(), of a dict (3.15+: or frozendict) of any size, whose items are asked for in the order in which Python
 * gives them. *used is how many items it has. */
MUST_USE pst_error *dict_start_items(const struct python *python, pst_addr dict, struct dict_reader *reader,
                                     uint64_t *used);
/* The same of an array of values whose keys are those of a type. */
MUST_USE pst_error *dict_start_values(const struct python *python, pst_addr keys, pst_addr values,
                                      struct dict_reader *reader, uint64_t *used);
/* The next item; an error if there is none. */
MUST_USE pst_error *dict_next_item(struct dict_reader *reader, pst_addr *key, pst_addr *value);

/* The value of a key that is this very object and has this hash, in a dict of any size; *value is 0: there is none. */
MUST_USE pst_error *dict_find(const struct python *python, pst_addr dict, pst_addr key, uint64_t hash,
                              pst_addr *value);

/* The value of a str key; *value is 0 if there is none. `memo` may be NULL. */
MUST_USE pst_error *dict_get(const struct python *python, pst_addr dict, const char *name,
                             struct attribute_memo *memo, pst_addr *value);

/* The same in an array of values whose keys are those of a type (ht_cached_keys). */
MUST_USE pst_error *dict_get_from_values(const struct python *python, pst_addr keys, pst_addr values,
                                         const char *name, struct attribute_memo *memo, pst_addr *value);

#endif
