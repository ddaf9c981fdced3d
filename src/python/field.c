#include "python/field.h"

static pst_error *no_such_field(const struct python *python, enum field field)
{
    return error_new(PST_ERROR_UNSUPPORTED, "the layout %s has no %s", python->layout.name, field_get_name(field));
}

static pst_error *explain(pst_error *error, const struct python *python, enum field field)
{
    const struct place *place = &python->layout.places[field];
    return error_of_field(error, field_get_name(field), layout_source_get_name(place->source));
}

pst_error *field_place(const struct python *python, pst_addr object, enum field field, pst_addr *result)
{
    const struct place *place = &python->layout.places[field];
    if (place->offset < 0)
        return no_such_field(python, field);
    *result = object + (uint32_t)place->offset;
    return NULL;
}

static pst_error *read_bytes(const struct python *python, pst_addr object, enum field field, uint8_t bytes[8])
{
    const struct place *place = &python->layout.places[field];
    if (place->offset < 0 || place->size == 0 || place->size > 8)
        return no_such_field(python, field);
    pst_error *error = memory_read(python->memory, object + (uint32_t)place->offset, bytes, place->size);
    return error ? explain(error, python, field) : NULL;
}

static pst_error *read_unsigned(const struct python *python, pst_addr object, enum field field, uint64_t *value)
{
    const struct place *place = &python->layout.places[field];
    uint8_t bytes[8];
    TRY(read_bytes(python, object, field, bytes));
    *value = bytes_unsigned(bytes, place->size);
    if (place->width && place->width < 64)
        *value = *value >> place->bit & (((uint64_t)1 << place->width) - 1);
    return NULL;
}

pst_error *field_unsigned(const struct python *python, pst_addr object, enum field field, uint64_t *value)
{
    const struct place *place = &python->layout.places[field];
    bool is_word = place->size == 8 && place->offset >= 0 && !place->width;
    if (is_word && memory_peek_word(python->memory, object + (uint32_t)place->offset, value))
        return NULL;
    return read_unsigned(python, object, field, value);
}

pst_error *field_signed(const struct python *python, pst_addr object, enum field field, int64_t *value)
{
    uint8_t bytes[8];
    TRY(read_bytes(python, object, field, bytes));
    *value = bytes_signed(bytes, python->layout.places[field].size);
    return NULL;
}

pst_error *field_int(const struct python *python, pst_addr object, enum field field, int *value)
{
    int64_t wide;
    TRY(field_signed(python, object, field, &wide));
    *value = (int)wide;
    return NULL;
}

pst_error *field_address(const struct python *python, pst_addr object, enum field field, pst_addr *value)
{
    return field_unsigned(python, object, field, value);
}

pst_error *pointer_at(const struct python *python, pst_addr array, uint64_t index, pst_addr *value)
{
    uint8_t bytes[8];
    if (memory_peek_word(python->memory, array + index * 8, value))
        return NULL;
    TRY(memory_read(python->memory, array + index * 8, bytes, sizeof bytes));
    *value = bytes_word(bytes);
    return NULL;
}
