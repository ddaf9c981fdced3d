#include "python/string.h"

#include "python/object.h"

#include <string.h>

enum { UTF8_MAX = 4, MAX_CODE_POINT = 0x10ffff };

/* ---- where the characters are ----------------------------------------------------------------------- */

/* The characters of a string object, before they are decoded. */
struct characters {
    pst_addr address;
    uint64_t count;
    unsigned unit;      /* bytes of one: 1, 2, 4 */
    bool is_bytes;      /* UTF-8 or anything else, not Latin-1 */
    bool is_utf16;      /* 2.7 with two-byte Py_UNICODE: pairs of surrogates are one character */
    bool is_ascii;      /* 3.3+: all of it, it says */
    bool is_cut;        /* there are more of them */
};

static pst_error *corrupt_string(pst_addr object, const char *what, uint64_t value)
{
    return error_new(PST_ERROR_CORRUPT, "the str at 0x%llx has %s %llu", (unsigned long long)object, what,
                     (unsigned long long)value);
}

static pst_error *check_size(pst_addr object, uint64_t count, unsigned unit)
{
    if (count <= STRING_MAX_SIZE / unit)
        return NULL;
    return corrupt_string(object, "the impossible length", count);
}

/* A lie about the length mostly leads to where nothing can be read. */
static pst_error *check_end(const struct python *python, const struct characters *characters)
{
    uint8_t last;
    size_t size = characters->count * characters->unit;
    return size > STRING_MAX_UNCHECKED ? memory_read(python->memory, characters->address + size - 1, &last, 1) : NULL;
}

/* To 3.11: a str made by an old C API, whose characters are still only in wstr. */
static pst_error *find_wstr(const struct python *python, pst_addr object, struct characters *characters)
{
    characters->unit = 4;
    TRY(field_unsigned(python, object, F(PyCompactUnicodeObject_wstr_length), &characters->count));
    return field_address(python, object, F(PyASCIIObject_wstr), &characters->address);
}

/* 3.3+: PEP 393. */
static pst_error *find_unicode(const struct python *python, pst_addr object, struct characters *characters)
{
    uint64_t kind, compact, ascii;
    TRY(field_unsigned(python, object, F(PyASCIIObject_length), &characters->count));
    TRY(field_unsigned(python, object, F(PyASCIIObject_state_kind), &kind));
    TRY(field_unsigned(python, object, F(PyASCIIObject_state_compact), &compact));
    TRY(field_unsigned(python, object, F(PyASCIIObject_state_ascii), &ascii));
    if (kind == 0 && has(python, F(PyASCIIObject_wstr)))
        return find_wstr(python, object, characters);
    if (kind != 1 && kind != 2 && kind != 4)
        return corrupt_string(object, "the impossible kind", kind);
    characters->unit = (unsigned)kind;
    characters->is_ascii = ascii;
    if (!compact)
        return field_address(python, object, F(PyUnicodeObject_data), &characters->address);
    characters->address =
        object + size_of(python, ascii ? F(sizeof_PyASCIIObject) : F(sizeof_PyCompactUnicodeObject));
    return NULL;
}

static pst_error *find_unicode_2(const struct python *python, pst_addr object, struct characters *characters)
{
    characters->unit = python->unicode_unit;
    characters->is_utf16 = python->unicode_unit == 2;
    TRY(field_unsigned(python, object, F(PyUnicodeObject_length), &characters->count));
    return field_address(python, object, F(PyUnicodeObject_str), &characters->address);
}

static pst_error *find_bytes(const struct python *python, pst_addr object, struct characters *characters)
{
    enum field value = python_is_2(python) ? F(PyStringObject_ob_sval) : F(PyBytesObject_ob_sval);
    characters->unit = 1;
    characters->is_bytes = true;
    TRY(field_unsigned(python, object, F(PyVarObject_ob_size), &characters->count));
    return field_place(python, object, value, &characters->address);
}

static pst_error *find_characters_of_any_size(const struct python *python, pst_addr object,
                                              struct characters *characters, bool *is_string)
{
    pst_addr type;
    uint64_t flags;
    *characters = (struct characters){0};
    TRY(object_get_type(python, object, &type));
    TRY(type_get_flags(python, type, &flags));
    *is_string = flags & (TPFLAGS_UNICODE_SUBCLASS | TPFLAGS_BYTES_SUBCLASS);
    if (flags & TPFLAGS_BYTES_SUBCLASS)
        TRY(find_bytes(python, object, characters));
    else if (flags & TPFLAGS_UNICODE_SUBCLASS && python_is_2(python))
        TRY(find_unicode_2(python, object, characters));
    else if (flags & TPFLAGS_UNICODE_SUBCLASS)
        TRY(find_unicode(python, object, characters));
    return NULL;
}

static pst_error *find_characters(const struct python *python, pst_addr object, struct characters *characters,
                                  bool *is_string)
{
    TRY(find_characters_of_any_size(python, object, characters, is_string));
    return *is_string ? check_size(object, characters->count, characters->unit) : NULL;
}

/* The same of at most the first `most`; *count: how many there are. */
static pst_error *find_start(const struct python *python, pst_addr object, uint64_t most,
                             struct characters *characters, uint64_t *count, bool *is_string)
{
    TRY(find_characters_of_any_size(python, object, characters, is_string));
    *count = characters->count;
    characters->is_cut = characters->count > most;
    if (characters->is_cut)
        characters->count = most;
    return *is_string ? check_size(object, characters->count, characters->unit) : NULL;
}

/* ---- decoding --------------------------------------------------------------------------------------- */

static size_t put_code_point(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Bytes of the well-formed UTF-8 sequence at `at` (RFC 3629), 0 if there is none. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    size_t size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (size == 1)
        return 1;
    if (first < 0xc2 || first > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool surrogate = first == 0xed && at[1] > 0x9f;
    bool too_high = first == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || too_high ? 0 : size;
}

/* UTF-8 with surrogateescape: a byte that does not belong becomes U+DC80 … U+DCFF. */
static size_t decode_bytes(const uint8_t *bytes, size_t size, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        size_t sequence = utf8_sequence(bytes + i, size - i);
        if (sequence) {
            memcpy(out + used, bytes + i, sequence);
            used += sequence;
            i += sequence;
        } else {
            used += put_code_point(out + used, 0xdc00u + bytes[i++]);
        }
    }
    return used;
}

static pst_error *decode_units(pst_addr object, const struct characters *characters, const uint8_t *bytes, char *out,
                               size_t *used)
{
    unsigned unit = characters->unit;
    *used = 0;
    for (uint64_t i = 0; i < characters->count; i++) {
        uint64_t c = bytes_unsigned(bytes + i * unit, unit);
        if (c > MAX_CODE_POINT)
            return corrupt_string(object, "the impossible character", c);
        if (characters->is_utf16 && c >> 10 == 0xd800 >> 10 && i + 1 < characters->count) {
            uint64_t low = bytes_unsigned(bytes + (i + 1) * unit, unit);
            if (low >> 10 == 0xdc00 >> 10) {
                c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
                i++;
            }
        }
        *used += put_code_point(out + *used, (uint32_t)c);
    }
    return NULL;
}

static bool is_ascii(const uint8_t *bytes, size_t size)
{
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++)
        all |= bytes[i];
    return all < 0x80;
}

/* Every string and bytes object ends with a NUL that does not count, so that a wrong length stands out (unless the end
 * is not read). `bytes` has room for it. */
static pst_error *read_characters(const struct python *python, pst_addr object, const struct characters *characters,
                                  uint8_t *bytes)
{
    size_t size = characters->count * characters->unit;
    if (characters->is_cut)
        return memory_read(python->memory, characters->address, bytes, size);
    TRY(memory_read(python->memory, characters->address, bytes, size + characters->unit));
    if (bytes_unsigned(bytes + size, characters->unit) != 0)
        return corrupt_string(object, "no end after its length of", characters->count);
    return NULL;
}

/* state.ascii with characters that are none is a lie. That a str has a wider kind than it needs is not: some extension
 * modules make such ones. */
static pst_error *check_ascii(pst_addr object, const struct characters *characters, const uint8_t *bytes)
{
    if (!characters->is_ascii || (characters->unit == 1 && is_ascii(bytes, characters->count)))
        return NULL;
    return corrupt_string(object, "characters that contradict state.ascii", characters->is_ascii);
}

/* Many objects may share a string, and each of them has a copy of it here. */
static pst_error *check_room(const struct python *python, const struct arena *arena, pst_addr object)
{
    uint64_t most = target_limit(python->target, STRING_MAX_TOTAL, STRING_MIN_TOTAL, 1);
    if (arena->total <= most)
        return NULL;
    return error_new(PST_ERROR_LIMIT, "the string at 0x%llx is left out: more than %llu bytes are held already",
                     (unsigned long long)object, (unsigned long long)most);
}

pst_error *string_decode(struct arena *arena, pst_bytes bytes, pst_text *text)
{
    enum { MOST_PER_BYTE = 3 };
    char *out = arena_alloc(arena, bytes.size * MOST_PER_BYTE + 1);
    if (!out)
        return error_no_memory();
    *text = (pst_text){out, decode_bytes(bytes.data, bytes.size, out)};
    return NULL;
}

pst_error *string_read_c(const struct python *python, struct arena *arena, pst_addr address, pst_text *text)
{
    char bytes[STRING_MAX_C_SIZE];
    size_t got;
    pst_error *error = memory_read_some(python->memory, address, bytes, sizeof bytes, &got);
    size_t size = strnlen(bytes, got);
    if (size == got)
        return error ? error
                     : error_new(PST_ERROR_CORRUPT, "the text at 0x%llx has no end", (unsigned long long)address);
    pst_error_free(error);
    return string_decode(arena, (pst_bytes){(const uint8_t *)bytes, size}, text);
}

static pst_error *no_string(pst_addr object)
{
    return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no string", (unsigned long long)object);
}

/* The text of the characters that were found. */
static pst_error *read_text(const struct python *python, struct arena *arena, pst_addr object,
                            const struct characters *characters, pst_text *text)
{
    TRY(check_room(python, arena, object));
    TRY(check_end(python, characters));
    size_t size = characters->count * characters->unit;
    uint8_t *bytes = arena_alloc(arena, size + characters->unit);
    if (!bytes)
        return error_no_memory();
    TRY(read_characters(python, object, characters, bytes));
    TRY(check_ascii(object, characters, bytes));
    if (characters->unit == 1 && is_ascii(bytes, size)) {
        *text = (pst_text){(char *)bytes, size};
        return NULL;
    }
    if (characters->is_bytes)
        return string_decode(arena, (pst_bytes){bytes, size}, text);
    char *out = arena_alloc(arena, characters->count * UTF8_MAX + 1);
    if (!out)
        return error_no_memory();
    size_t used;
    TRY(decode_units(object, characters, bytes, out, &used));
    *text = (pst_text){out, used};
    return NULL;
}

pst_error *string_read(const struct python *python, struct arena *arena, pst_addr object, pst_text *text)
{
    struct characters characters;
    bool is_string;
    *text = (pst_text){0};
    TRY(find_characters(python, object, &characters, &is_string));
    return is_string ? read_text(python, arena, object, &characters, text) : no_string(object);
}

pst_error *string_read_start(const struct python *python, struct arena *arena, pst_addr object, uint64_t most,
                             pst_text *text, uint64_t *count)
{
    struct characters characters;
    bool is_string;
    *text = (pst_text){0};
    TRY(find_start(python, object, most, &characters, count, &is_string));
    return is_string ? read_text(python, arena, object, &characters, text) : no_string(object);
}

pst_error *string_read_part(const struct python *python, struct arena *arena, pst_addr object, uint64_t from,
                            uint64_t to, pst_text *text)
{
    struct characters characters;
    bool is_string;
    *text = (pst_text){0};
    TRY(find_characters_of_any_size(python, object, &characters, &is_string));
    if (!is_string)
        return no_string(object);
    to = to < characters.count ? to : characters.count;
    if (from >= to)
        return NULL;
    characters.is_cut |= to < characters.count;
    characters.address += from * characters.unit;
    characters.count = to - from;
    TRY(check_size(object, characters.count, characters.unit));
    return read_text(python, arena, object, &characters, text);
}

pst_error *string_read_units(const struct python *python, struct arena *arena, pst_addr address, unsigned unit,
                             uint64_t count, pst_text *text)
{
    const struct characters characters = {.address = address, .count = count, .unit = unit, .is_utf16 = unit == 2,
                                          .is_cut = true};
    *text = (pst_text){0};
    TRY(check_size(address, count, unit));
    return count ? read_text(python, arena, address, &characters, text) : NULL;
}

pst_error *string_equals(const struct python *python, pst_addr object, const char *name, bool *equal)
{
    struct characters characters;
    bool is_string;
    size_t size = strlen(name);
    uint8_t bytes[64];
    *equal = false;
    TRY(find_characters(python, object, &characters, &is_string));
    /* The unit may be wider than the name needs: 2.7's unicode, wstr. */
    if (!is_string || characters.count != size || size * characters.unit > sizeof bytes)
        return NULL;
    TRY(memory_read(python->memory, characters.address, bytes, size * characters.unit));
    for (size_t i = 0; i < size; i++)
        if (bytes_unsigned(bytes + i * characters.unit, characters.unit) != (uint8_t)name[i])
            return NULL;
    *equal = true;
    return NULL;
}

pst_error *string_read_character(const struct python *python, pst_addr object, uint64_t index, uint64_t *character,
                                 bool *exists)
{
    struct characters characters;
    bool is_string;
    uint8_t bytes[4] = {0};
    TRY(find_characters_of_any_size(python, object, &characters, &is_string));
    if (!is_string)
        return no_string(object);
    *exists = index < characters.count;
    if (*exists)
        TRY(memory_read(python->memory, characters.address + index * characters.unit, bytes, characters.unit));
    *character = bytes_unsigned(bytes, sizeof bytes);
    return NULL;
}

/* ---- bytes ------------------------------------------------------------------------------------------ */

static pst_error *find_plain_bytes(const struct python *python, pst_addr object, struct characters *characters)
{
    bool is_string;
    TRY(find_characters(python, object, characters, &is_string));
    if (is_string && characters->is_bytes)
        return NULL;
    return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no bytes object", (unsigned long long)object);
}

pst_error *bytes_read(const struct python *python, struct arena *arena, pst_addr object, const uint8_t **bytes,
                      size_t *size)
{
    struct characters characters;
    TRY(find_plain_bytes(python, object, &characters));
    TRY(check_room(python, arena, object));
    TRY(check_end(python, &characters));
    uint8_t *copy = arena_alloc(arena, characters.count + 1);
    if (!copy)
        return error_no_memory();
    TRY(read_characters(python, object, &characters, copy));
    *bytes = copy;
    *size = characters.count;
    return NULL;
}

pst_error *bytes_read_start(const struct python *python, struct arena *arena, pst_addr object, uint64_t most,
                            pst_bytes *bytes, uint64_t *count)
{
    struct characters characters;
    bool is_string;
    TRY(find_start(python, object, most, &characters, count, &is_string));
    if (!is_string || !characters.is_bytes)
        return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no bytes object", (unsigned long long)object);
    TRY(check_room(python, arena, object));
    TRY(check_end(python, &characters));
    uint8_t *copy = arena_alloc(arena, characters.count + 1);
    if (!copy)
        return error_no_memory();
    TRY(read_characters(python, object, &characters, copy));
    *bytes = (pst_bytes){copy, characters.count};
    return NULL;
}

pst_error *bytes_read_at(const struct python *python, struct arena *arena, pst_addr address, uint64_t size,
                         pst_bytes *bytes)
{
    const struct characters characters = {.address = address, .count = size, .unit = 1};
    TRY(check_size(address, size, 1));
    TRY(check_room(python, arena, address));
    TRY(check_end(python, &characters));
    uint8_t *copy = arena_alloc(arena, size + 1);
    if (!copy)
        return error_no_memory();
    *bytes = (pst_bytes){copy, size};
    return size ? memory_read(python->memory, address, copy, size) : NULL;
}

pst_error *bytes_get_size(const struct python *python, pst_addr object, uint64_t *size)
{
    struct characters characters;
    TRY(find_plain_bytes(python, object, &characters));
    *size = characters.count;
    return NULL;
}
