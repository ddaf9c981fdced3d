#include "python/marshal.h"

#include "base/hash.h"
#include "python/value.h"

#include <limits.h>
#include <stdlib.h>

enum {
    FLAG_REF = 0x80,          /* what follows can be referred to (3.4+) */
    SHORT_SIZE = 256,         /* below it a size takes one byte */
    DIGIT_BITS = 15,          /* of an int in marshal */
    FIRST_SLOTS = 1 << 10,
};

/* What a str is there for: Python interns names. */
enum role { ROLE_VALUE, ROLE_NAME };

static pst_error *add_object(struct marshal *marshal, pst_addr object, enum role role);

/* ---- bytes --------------------------------------------------------------------------------------------- */

static void put(struct text *bytes, int byte)
{
    text_add_char(bytes, (char)byte);
}

static void put_short(struct text *bytes, unsigned value)
{
    put(bytes, (int)(value & 0xff));
    put(bytes, (int)(value >> 8 & 0xff));
}

void marshal_put_int(struct text *bytes, int64_t value)
{
    put_short(bytes, (unsigned)((uint64_t)value & 0xffff));
    put_short(bytes, (unsigned)((uint64_t)value >> 16 & 0xffff));
}

static void put_sized(struct text *bytes, const void *data, size_t size)
{
    marshal_put_int(bytes, (int64_t)size);
    text_add(bytes, data, size);
}

void marshal_put_bytes(struct text *bytes, const void *data, size_t size)
{
    put(bytes, 's');
    put_sized(bytes, data, size);
}

void marshal_put_tuple(struct text *bytes, size_t count)
{
    put(bytes, '(');
    marshal_put_int(bytes, (int64_t)count);
}

void marshal_put_text(const struct python *python, struct text *bytes, pst_text text)
{
    put(bytes, python_is_2(python) ? 's' : 'u');
    put_sized(bytes, text.data, text.size);
}

void marshal_put_name(const struct python *python, struct text *bytes, const char *name)
{
    size_t size = strlen(name);
    if (python_is_2(python)) {
        marshal_put_bytes(bytes, name, size);
    } else {
        put(bytes, 'A');
        put_sized(bytes, name, size);
    }
}

/* ---- references ---------------------------------------------------------------------------------------- */

static struct marshal_slot *find_slot(const struct marshal *marshal, pst_addr address)
{
    size_t at = (size_t)((address * marshal->multiplier) >> 32) & (marshal->slot_count - 1);
    while (marshal->slots[at].address && marshal->slots[at].address != address)
        at = (at + 1) & (marshal->slot_count - 1);
    return &marshal->slots[at];
}

static pst_error *grow_slots(struct marshal *marshal)
{
    struct marshal_slot *old = marshal->slots;
    size_t old_count = marshal->slot_count;
    size_t count = old_count ? old_count * 2 : FIRST_SLOTS;
    struct marshal_slot *slots = calloc(count, sizeof *slots);
    if (!slots)
        return error_no_memory();
    struct marshal before = *marshal;
    marshal->slots = slots;
    marshal->slot_count = count;
    /* In the order of their coming, as forget_since() needs it. */
    for (size_t i = 0; i < marshal->written_count; i++)
        *find_slot(marshal, marshal->written[i]) = *find_slot(&before, marshal->written[i]);
    free(old);
    return NULL;
}

static pst_error *append(pst_addr **items, size_t *count, size_t *capacity, pst_addr item)
{
    if (*count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 256;
        pst_addr *grown = realloc(*items, more * sizeof *grown);
        if (!grown)
            return error_no_memory();
        *items = grown;
        *capacity = more;
    }
    (*items)[(*count)++] = item;
    return NULL;
}

/* Writes a reference to an object that was written already; *found: it was. */
static pst_error *add_reference(struct marshal *marshal, pst_addr object, bool *found)
{
    const struct marshal_slot *slot = marshal->slot_count ? find_slot(marshal, object) : NULL;
    *found = slot && slot->address;
    if (!*found)
        return NULL;
    if (!slot->is_complete)
        return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is in itself", (unsigned long long)object);
    put(marshal->bytes, python_is_2(marshal->python) ? 'R' : 'r');
    marshal_put_int(marshal->bytes, slot->index);
    return NULL;
}

/* From here on there is an object that can be referred to, once it is complete. */
static pst_error *remember(struct marshal *marshal, pst_addr object, bool is_complete)
{
    if (marshal->written_count >= marshal->slot_count / 2)
        TRY(grow_slots(marshal));
    if (marshal->written_count >= INT32_MAX)
        return error_new(PST_ERROR_LIMIT, "there are more than %d objects", INT32_MAX);
    uint32_t index = (uint32_t)marshal->written_count;
    TRY(append(&marshal->written, &marshal->written_count, &marshal->written_capacity, object));
    *find_slot(marshal, object) = (struct marshal_slot){object, index, is_complete};
    return NULL;
}

static void complete(struct marshal *marshal, pst_addr object)
{
    if (!python_is_2(marshal->python))
        find_slot(marshal, object)->is_complete = true;
}

/* The newest first, so that no slot is left behind a free one. */
static void forget_since(struct marshal *marshal, size_t count)
{
    while (marshal->written_count > count)
        *find_slot(marshal, marshal->written[--marshal->written_count]) = (struct marshal_slot){0};
}

/* The type code of an object that other places may refer to. In 2.7 only interned strings are. */
static pst_error *add_type(struct marshal *marshal, pst_addr object, char type, bool is_complete)
{
    if (python_is_2(marshal->python)) {
        put(marshal->bytes, type);
        return NULL;
    }
    put(marshal->bytes, (unsigned char)type | FLAG_REF);
    return remember(marshal, object, is_complete);
}

/* ---- values -------------------------------------------------------------------------------------------- */

static uint32_t get_digit(const struct value *value, size_t index)
{
    return (uint32_t)bytes_unsigned(value->digits + index * value->digit_size, value->digit_size);
}

/* The magnitude, as far as 64 bits hold it. */
static bool get_small(const struct value *value, uint64_t *magnitude)
{
    *magnitude = 0;
    for (size_t i = value->digit_count; i-- > 0;) {
        if (*magnitude >> (64 - value->digit_bits))
            return false;
        *magnitude = *magnitude << value->digit_bits | get_digit(value, i);
    }
    return true;
}

/* In digits of 15 bits, whatever the target's own have. */
static void add_digits(struct marshal *marshal, const struct value *value)
{
    struct text *bytes = marshal->bytes;
    unsigned parts = value->digit_bits / DIGIT_BITS;
    size_t count = value->digit_count * parts;
    while (count && !(get_digit(value, (count - 1) / parts) >> ((count - 1) % parts * DIGIT_BITS)))
        count--;
    put(bytes, 'l');
    marshal_put_int(bytes, value->is_negative ? -(int64_t)count : (int64_t)count);
    for (size_t i = 0; i < count; i++)
        put_short(bytes, get_digit(value, i / parts) >> (i % parts * DIGIT_BITS) & ((1u << DIGIT_BITS) - 1));
}

static void add_int(struct marshal *marshal, const struct value *value)
{
    uint64_t magnitude;
    bool is_small = value->kind == VALUE_INT && get_small(value, &magnitude);
    if (is_small && magnitude <= (uint64_t)INT32_MAX + value->is_negative) {
        put(marshal->bytes, 'i');
        marshal_put_int(marshal->bytes, value->is_negative ? -(int64_t)magnitude : (int64_t)magnitude);
    } else if (is_small && python_is_2(marshal->python)) {
        uint64_t number = value->is_negative ? 0 - magnitude : magnitude;
        put(marshal->bytes, 'I');
        marshal_put_int(marshal->bytes, (int64_t)(number & UINT32_MAX));
        marshal_put_int(marshal->bytes, (int64_t)(number >> 32));
    } else {
        add_digits(marshal, value);
    }
}

static void add_double(struct marshal *marshal, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    marshal_put_int(marshal->bytes, (int64_t)(bits & UINT32_MAX));
    marshal_put_int(marshal->bytes, (int64_t)(bits >> 32));
}

static bool is_ascii(pst_text text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] & 0x80)
            return false;
    return true;
}

static pst_error *add_str(struct marshal *marshal, const struct value *value, enum role role)
{
    pst_text text = value->text;
    bool is_short = text.size < SHORT_SIZE, is_name = role == ROLE_NAME;
    if (python_is_2(marshal->python)) {
        put(marshal->bytes, 'u');
    } else if (!is_ascii(text)) {
        TRY(add_type(marshal, value->address, is_name ? 't' : 'u', true));
    } else if (is_short) {
        TRY(add_type(marshal, value->address, is_name ? 'Z' : 'z', true));
        put(marshal->bytes, (int)text.size);
        text_add(marshal->bytes, text.data, text.size);
        return NULL;
    } else {
        TRY(add_type(marshal, value->address, is_name ? 'A' : 'a', true));
    }
    put_sized(marshal->bytes, text.data, text.size);
    return NULL;
}

static pst_error *add_bytes(struct marshal *marshal, const struct value *value, enum role role)
{
    bool is_2 = python_is_2(marshal->python);
    TRY(add_type(marshal, value->address, is_2 && role == ROLE_NAME ? 't' : 's', true));
    if (is_2 && role == ROLE_NAME)
        TRY(remember(marshal, value->address, true));
    put_sized(marshal->bytes, value->bytes.data, value->bytes.size);
    return NULL;
}

static pst_error *add_items(struct marshal *marshal, const struct value *value, enum role role)
{
    for (size_t i = 0; i < value->item_count; i++)
        TRY(error_in(add_object(marshal, value->items[i], role), "item %zu", i));
    complete(marshal, value->address);
    return NULL;
}

static pst_error *add_container(struct marshal *marshal, const struct value *value, enum role role)
{
    bool is_2 = python_is_2(marshal->python), is_small = value->item_count < SHORT_SIZE && !is_2;
    switch (value->kind) {
    case VALUE_TUPLE: TRY(add_type(marshal, value->address, is_small ? ')' : '(', false)); break;
    case VALUE_FROZENSET: TRY(add_type(marshal, value->address, '>', false)); break;
    default: TRY(add_type(marshal, value->address, ':', false)); return add_items(marshal, value, role);
    }
    if (value->kind == VALUE_TUPLE && is_small)
        put(marshal->bytes, (int)value->item_count);
    else
        marshal_put_int(marshal->bytes, (int64_t)value->item_count);
    return add_items(marshal, value, role);
}

/* ---- code objects -------------------------------------------------------------------------------------- */

/* What is not sound in every part is no code object to give to an interpreter. Takes over the first of the errors. */
static pst_error *take_first_error(struct pst_code *code)
{
    pst_error *error = NULL;
    if (code->errors.first) {
        const pst_error *first = code->errors.first;
        const char *where = pst_error_get_where(first);
        error = error_new(pst_error_get_code(first), "%s%s%s", where, *where ? ": " : "",
                          pst_error_get_message(first));
    }
    error_list_free(&code->errors);
    return error;
}

static void add_numbers(struct marshal *marshal, const pst_code_numbers *numbers)
{
    struct text *bytes = marshal->bytes;
    int version = python_minor_version(marshal->python);
    marshal_put_int(bytes, numbers->argcount);
    if (version >= 308)
        marshal_put_int(bytes, numbers->posonlyargcount);
    if (version >= 300)
        marshal_put_int(bytes, numbers->kwonlyargcount);
    if (version < 311)
        marshal_put_int(bytes, numbers->nlocals);
    marshal_put_int(bytes, numbers->stacksize);
    marshal_put_int(bytes, numbers->flags);
}

/* Decodes it all, which finds out what is wrong with it, and writes what comes first. */
static pst_error *add_code_head(struct marshal *marshal, pst_addr address, int64_t *firstlineno)
{
    struct pst_code code = {0};
    struct code_reader reader = {marshal->python, marshal->opcodes, &marshal->scratch, &code};
    bool is_valid;
    arena_reset(&marshal->scratch);
    TRY(code_validate(marshal->python, address, &is_valid));
    if (!is_valid)
        return error_new(PST_ERROR_CORRUPT, "there is no living code object");
    code_read_head(&reader, address);
    code_read_body(&reader);
    TRY(take_first_error(&code));
    *firstlineno = code.numbers.firstlineno;
    add_numbers(marshal, &code.numbers);
    marshal_put_bytes(marshal->bytes, code.bytecode.data, code.bytecode.size);
    return NULL;
}

static pst_error *add_member(struct marshal *marshal, pst_addr code, enum field field, enum role role)
{
    pst_addr object;
    TRY(field_address(marshal->python, code, field, &object));
    return error_in(add_object(marshal, object, role), "%s", field_get_name(field));
}

static pst_error *add_names(struct marshal *marshal, pst_addr code)
{
    TRY(add_member(marshal, code, F(PyCodeObject_co_names), ROLE_NAME));
    if (has(marshal->python, F(PyCodeObject_co_localsplusnames))) {
        TRY(add_member(marshal, code, F(PyCodeObject_co_localsplusnames), ROLE_NAME));
        return add_member(marshal, code, F(PyCodeObject_co_localspluskinds), ROLE_VALUE);
    }
    TRY(add_member(marshal, code, F(PyCodeObject_co_varnames), ROLE_NAME));
    TRY(add_member(marshal, code, F(PyCodeObject_co_freevars), ROLE_NAME));
    return add_member(marshal, code, F(PyCodeObject_co_cellvars), ROLE_NAME);
}

static pst_error *add_code_body(struct marshal *marshal, pst_addr code)
{
    const struct python *python = marshal->python;
    int64_t firstlineno = 0;
    TRY(append(&marshal->codes, &marshal->code_count, &marshal->code_capacity, code));
    TRY(add_code_head(marshal, code, &firstlineno));
    TRY(add_member(marshal, code, F(PyCodeObject_co_consts), ROLE_VALUE));
    TRY(add_names(marshal, code));
    TRY(add_member(marshal, code, F(PyCodeObject_co_filename), ROLE_NAME));
    TRY(add_member(marshal, code, F(PyCodeObject_co_name), ROLE_NAME));
    if (has(python, F(PyCodeObject_co_qualname)))
        TRY(add_member(marshal, code, F(PyCodeObject_co_qualname), ROLE_NAME));
    marshal_put_int(marshal->bytes, firstlineno);
    TRY(add_member(marshal, code, has(python, F(PyCodeObject_co_linetable)) ? F(PyCodeObject_co_linetable)
                                                                           : F(PyCodeObject_co_lnotab),
                   ROLE_VALUE));
    if (has(python, F(PyCodeObject_co_exceptiontable)))
        TRY(add_member(marshal, code, F(PyCodeObject_co_exceptiontable), ROLE_VALUE));
    complete(marshal, code);
    return NULL;
}

static pst_error *add_code(struct marshal *marshal, pst_addr code)
{
    TRY(add_type(marshal, code, 'c', false));
    return error_in(add_code_body(marshal, code), "code object 0x%llx", (unsigned long long)code);
}

/* ---- any object ---------------------------------------------------------------------------------------- */

static pst_error *add_value(struct marshal *marshal, const struct value *value, enum role role)
{
    switch (value->kind) {
    case VALUE_NONE: put(marshal->bytes, 'N'); return NULL;
    case VALUE_ELLIPSIS: put(marshal->bytes, '.'); return NULL;
    case VALUE_BOOL: put(marshal->bytes, value->boolean ? 'T' : 'F'); return NULL;
    case VALUE_INT:
    case VALUE_LONG: add_int(marshal, value); return NULL;
    case VALUE_FLOAT:
        put(marshal->bytes, 'g');
        add_double(marshal, value->real);
        return NULL;
    case VALUE_COMPLEX:
        put(marshal->bytes, 'y');
        add_double(marshal, value->real);
        add_double(marshal, value->imaginary);
        return NULL;
    case VALUE_STR: return add_str(marshal, value, role);
    case VALUE_BYTES: return add_bytes(marshal, value, role);
    case VALUE_SLICE:
        if (python_minor_version(marshal->python) < 314)
            break;
        return add_container(marshal, value, role);
    case VALUE_TUPLE:
    case VALUE_FROZENSET: return add_container(marshal, value, role);
    case VALUE_CODE: return add_code(marshal, value->address);
    case VALUE_OTHER: break;
    }
    return error_new(PST_ERROR_UNSUPPORTED, "the object at 0x%llx is of a type that marshal can't write",
                     (unsigned long long)value->address);
}

static pst_error *add_new_object(struct marshal *marshal, pst_addr object, enum role role)
{
    struct value value;
    if (marshal->bytes->size > MARSHAL_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "the file would have more than %d bytes", MARSHAL_MAX_SIZE);
    if (marshal->depth > MARSHAL_MAX_DEPTH)
        return error_new(PST_ERROR_LIMIT, "there are more than %d objects in each other", MARSHAL_MAX_DEPTH);
    TRY(value_read(marshal->python, &marshal->values, object, &value));
    return add_value(marshal, &value, role);
}

static pst_error *add_object(struct marshal *marshal, pst_addr object, enum role role)
{
    bool found;
    TRY(add_reference(marshal, object, &found));
    if (found)
        return NULL;
    marshal->depth++;
    pst_error *error = add_new_object(marshal, object, role);
    marshal->depth--;
    return error;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

void marshal_start(struct marshal *marshal, const struct python *python, const struct opcodes *opcodes,
                   struct text *bytes)
{
    *marshal = (struct marshal){
        .python = python,
        .opcodes = opcodes,
        .bytes = bytes,
        .multiplier = hash_multiplier(),
    };
}

void marshal_free(struct marshal *marshal)
{
    arena_free(&marshal->values);
    arena_free(&marshal->scratch);
    free(marshal->slots);
    free(marshal->written);
    free(marshal->codes);
}

pst_error *marshal_add_code(struct marshal *marshal, pst_addr address)
{
    size_t size = marshal->bytes->size, written_count = marshal->written_count, code_count = marshal->code_count;
    pst_error *error = code_expect(marshal->python, address);
    if (!error)
        error = add_object(marshal, address, ROLE_VALUE);
    if (!error && marshal->bytes->failed)
        error = error_no_memory();
    if (error) {
        marshal->bytes->size = size;
        marshal->code_count = code_count;
        forget_since(marshal, written_count);
    }
    arena_reset(&marshal->values);
    return error;
}

pst_error *marshal_add_filename_of(struct marshal *marshal, pst_addr code)
{
    return add_member(marshal, code, F(PyCodeObject_co_filename), ROLE_NAME);
}

pst_error *marshal_add_name_of(struct marshal *marshal, pst_addr code)
{
    return add_member(marshal, code, F(PyCodeObject_co_name), ROLE_NAME);
}
