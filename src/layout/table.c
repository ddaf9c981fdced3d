/*
 * The text form of layouts:
 *
 *     # a comment
 *     version 3.13
 *     column release        what it was made from
 *     column free-threaded  …
 *     PyCodeObject.co_flags           4      48      64
 *     PyASCIIObject.state.kind        4  32.2+3  48.2+3
 *     sizeof(PyObject)                -      16      32
 *
 *     when micro 0-3
 *     …
 *     when aarch64
 *     …
 *
 * A line names a field, its size in bytes (-: an array or struct) and its place in each column: OFFSET, or
 * OFFSET.BIT+WIDTH of a bit-field, then :SIZE where the size differs from the line's, or - where this build
 * has no such field. A field without a line is in none of the builds.
 *
 * Below a “when” line stand the fields that are elsewhere in some micro versions, or on another machine than
 * x86-64 (whose pthread_mutex_t is smaller than aarch64's); the last line that holds counts.
 */
#include "layout/embed.h"
#include "layout/layout.h"

#include "base/text.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------------ */

struct name {
    const char *text;
    size_t size;
};

static const struct name field_names[FIELD_COUNT] = {
#define FIELD(identifier, type, member) {type "." member, sizeof(type "." member) - 1},
#define SIZE(identifier, type) {"sizeof(" type ")", sizeof("sizeof(" type ")") - 1},
#include "../../layouts/fields.def"
#undef FIELD
#undef SIZE
};

static const char *const flavour_names[FLAVOUR_COUNT] = {
    [FLAVOUR_RELEASE] = "release",
    [FLAVOUR_DEBUG] = "debug",
    [FLAVOUR_TRACE_REFS] = "trace-refs",
    [FLAVOUR_FREE_THREADED] = "free-threaded",
    [FLAVOUR_FREE_THREADED_DEBUG] = "free-threaded-debug",
};

static const char *const source_names[] = {
    [LAYOUT_TABLE] = "table",
    [LAYOUT_DEBUG_OFFSETS] = "debug-offsets",
    [LAYOUT_TYPE_MEMBERS] = "type-members",
    [LAYOUT_DWARF] = "dwarf",
    [LAYOUT_FILE] = "file",
};

const char *field_get_name(enum field field)
{
    return field < FIELD_COUNT ? field_names[field].text : "?";
}

const char *flavour_get_name(enum flavour flavour)
{
    return flavour < FLAVOUR_COUNT ? flavour_names[flavour] : "?";
}

const char *layout_source_get_name(enum layout_source source)
{
    return source < sizeof source_names / sizeof *source_names ? source_names[source] : "?";
}

/* ---- the parser ------------------------------------------------------------------------------------- */

enum { TABLE_MAX_SIZE = 1 << 20, TABLE_MAX_VERSION = 255, TABLE_MAX_WORD = 80 };

struct parser {
    const char *at, *end;       /* what is left of the text */
    const char *name;
    unsigned line;
    enum flavour flavour;       /* wanted; FLAVOUR_COUNT: any */
    int micro;                  /* -1: not known */
    uint16_t machine;
    unsigned section;           /* 0: above the first “when” */
    bool applies;               /* the section's condition holds */
    unsigned column_count;
    unsigned column;            /* the wanted one, counted from 1; 0: not met yet */
    enum field next;            /* the field that the next line most likely names */
    bool has_version, has_fields;
    bool built_in;              /* a test has parsed all of it: read the wanted column and pass over the rest */
    struct layout *layout;
};

/* While a text is parsed, a place's source is the section that its line stood in. */
enum { TABLE_MAX_SECTIONS = 50, SECTION_NONE = 0xff };

static const struct place absent = {.offset = -1, .source = LAYOUT_TABLE};

static pst_error *fail(const struct parser *parser, const char *what, struct name word)
{
    int size = word.size > TABLE_MAX_WORD ? TABLE_MAX_WORD : (int)word.size;
    return error_new(PST_ERROR_CORRUPT, "%s:%u: %s%s%.*s", parser->name, parser->line, what, size ? ": " : "", size,
                     size ? word.text : "");
}

/* The next word of the line; of size 0 at its end. */
static struct name next_word(struct parser *parser)
{
    const char *at = parser->at, *end = parser->end;
    while (at < end && *at == ' ')
        at++;
    const char *start = at;
    while (at < end && *at != ' ' && *at != '\n')
        at++;
    parser->at = at;
    return (struct name){start, (size_t)(at - start)};
}

static bool word_is(struct name word, const char *text)
{
    return word.size == strlen(text) && !memcmp(word.text, text, word.size);
}

/* Passes over free text, up to the end of the line. */
static void skip_text(struct parser *parser)
{
    const char *newline = memchr(parser->at, '\n', (size_t)(parser->end - parser->at));
    parser->at = newline ? newline : parser->end;
}

/* A decimal number, at most `limit`, off the front of `word`. */
static bool take_number(struct name *word, unsigned limit, unsigned *number)
{
    unsigned value = 0;
    size_t i = 0;
    for (; i < word->size && word->text[i] >= '0' && word->text[i] <= '9'; i++) {
        value = value * 10 + (unsigned)(word->text[i] - '0');
        if (value > limit)
            return false;
    }
    word->text += i;
    word->size -= i;
    *number = value;
    return i > 0;
}

static bool take_char(struct name *word, char c)
{
    if (!word->size || *word->text != c)
        return false;
    word->text++;
    word->size--;
    return true;
}

/* "-", 1, 2, 4 or 8 */
static bool take_size(struct name *word, unsigned *size)
{
    if (take_char(word, '-')) {
        *size = 0;
        return true;
    }
    return take_number(word, 8, size) && (*size == 1 || *size == 2 || *size == 4 || *size == 8);
}

static bool parse_cell(struct name word, unsigned size, struct place *place)
{
    unsigned offset, bit = 0, width = 0;
    if (word.size == 1 && *word.text == '-') {
        *place = absent;
        return true;
    }
    if (!take_number(&word, LAYOUT_MAX_OFFSET, &offset))
        return false;
    if (take_char(&word, '.') &&
        (!take_number(&word, 63, &bit) || !take_char(&word, '+') || !take_number(&word, 64, &width) || !width))
        return false;
    if (take_char(&word, ':') && !take_size(&word, &size))
        return false;
    if (word.size || (width && bit + width > 8 * size))
        return false;
    *place = (struct place){.offset = (int32_t)offset, .size = (uint8_t)size, .bit = (uint8_t)bit,
                            .width = (uint8_t)width, .source = LAYOUT_TABLE};
    return true;
}

/* Lines come in the order of fields.def, so the search starts where the last one ended. */
static enum field find_field(enum field from, struct name word)
{
    for (unsigned i = 0, field = from; i < FIELD_COUNT; i++, field++) {
        if (field >= FIELD_COUNT)
            field = 0;
        if (field_names[field].size == word.size && !memcmp(field_names[field].text, word.text, word.size))
            return field;
    }
    return FIELD_COUNT;
}

static pst_error *parse_field(struct parser *parser, struct name word)
{
    if (!parser->has_fields) {
        parser->has_fields = true;
        if (!parser->has_version)
            return fail(parser, "no \"version X.Y\" line stands above the fields", (struct name){0});
        if (!parser->column)
            return fail(parser, "no such column", (struct name){flavour_get_name(parser->flavour),
                                                                strlen(flavour_get_name(parser->flavour))});
    }
    if (parser->built_in && !parser->applies) {
        skip_text(parser);
        return NULL;
    }
    enum field field = find_field(parser->next, word);
    if (field == FIELD_COUNT)
        return fail(parser, "unknown field", word);
    struct place *place = &parser->layout->places[field], ignored;
    if (place->source == parser->section)
        return fail(parser, "a second line for the same field", word);
    if (!parser->applies)
        place = &ignored;
    parser->next = field + 1;

    struct name cell = next_word(parser);
    unsigned size;
    if (!take_size(&cell, &size) || cell.size)
        return fail(parser, "a size is 1, 2, 4, 8 or -", word);
    for (unsigned column = 1; column <= parser->column_count; column++) {
        struct place other;
        cell = next_word(parser);
        if (!cell.size)
            return fail(parser, "fewer places than columns", word);
        if (parser->built_in && column != parser->column)
            continue;
        if (!parse_cell(cell, size, column == parser->column ? place : &other))
            return fail(parser, "not a place", cell);
        if (parser->built_in)
            break;
    }
    place->source = (uint8_t)parser->section;
    if (parser->built_in)
        skip_text(parser);
    return NULL;
}

static pst_error *parse_version(struct parser *parser)
{
    struct name word = next_word(parser);
    unsigned major, minor;
    if (parser->has_version || parser->has_fields)
        return fail(parser, "a second version, or one below the fields", word);
    struct name rest = word;
    if (!take_number(&rest, TABLE_MAX_VERSION, &major) || !take_char(&rest, '.') ||
        !take_number(&rest, TABLE_MAX_VERSION, &minor) || rest.size)
        return fail(parser, "not a version", word);
    parser->layout->major = (int)major;
    parser->layout->minor = (int)minor;
    parser->has_version = true;
    return NULL;
}

static pst_error *parse_column(struct parser *parser)
{
    struct name word = next_word(parser);
    unsigned flavour = 0;
    while (flavour < FLAVOUR_COUNT && !word_is(word, flavour_names[flavour]))
        flavour++;
    if (parser->has_fields || flavour == FLAVOUR_COUNT)
        return fail(parser, parser->has_fields ? "a column below the fields" : "not a flavour", word);
    if (++parser->column_count > FLAVOUR_COUNT)
        return fail(parser, "more columns than flavours", word);
    if (parser->flavour == flavour || parser->flavour == FLAVOUR_COUNT) {
        if (parser->column)
            return fail(parser, parser->flavour == FLAVOUR_COUNT ? "just one column is expected"
                                                                 : "a second column of the kind", word);
        parser->column = parser->column_count;
        parser->layout->flavour = flavour;
    }
    skip_text(parser); /* what it was made from */
    return NULL;
}

/* "micro A-B" or "aarch64", or both */
static pst_error *parse_when(struct parser *parser)
{
    struct name word = next_word(parser);
    unsigned first, last;
    if (!parser->has_fields || parser->section == TABLE_MAX_SECTIONS)
        return fail(parser, parser->has_fields ? "more than TABLE_MAX_SECTIONS" : "a section above the fields", word);
    parser->section++;
    parser->next = 0;
    parser->applies = true;
    if (word_is(word, "micro")) {
        word = next_word(parser);
        struct name range = word;
        if (!take_number(&range, TABLE_MAX_VERSION, &first) || !take_char(&range, '-') ||
            !take_number(&range, TABLE_MAX_VERSION, &last) || range.size)
            return fail(parser, "not a range of micro versions", word);
        parser->applies = parser->micro >= (int)first && parser->micro <= (int)last;
        word = next_word(parser);
        if (!word.size)
            return NULL;
    }
    if (!word_is(word, "aarch64"))
        return fail(parser, "not a condition", word);
    parser->applies &= parser->machine == EM_AARCH64;
    return NULL;
}

static pst_error *parse_line(struct parser *parser)
{
    struct name word = next_word(parser);
    if (!word.size)
        return NULL;
    if (*word.text == '#') {
        skip_text(parser);
        return NULL;
    }
    if (word_is(word, "version"))
        TRY(parse_version(parser));
    else if (word_is(word, "column"))
        TRY(parse_column(parser));
    else if (word_is(word, "when"))
        TRY(parse_when(parser));
    else
        TRY(parse_field(parser, word));
    word = next_word(parser);
    return word.size ? fail(parser, "too much on the line", word) : NULL;
}

static void set_name(struct layout *layout)
{
    if (layout->flavour == FLAVOUR_RELEASE)
        snprintf(layout->name, sizeof layout->name, "%d.%d", layout->major, layout->minor);
    else
        snprintf(layout->name, sizeof layout->name, "%d.%d %s", layout->major, layout->minor,
                 flavour_get_name(layout->flavour));
}

static pst_error *parse(struct parser parser)
{
    struct layout *layout = parser.layout;
    memset(layout, 0, sizeof *layout);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        layout->places[i] = (struct place){.offset = -1, .source = SECTION_NONE};
    parser.applies = true;
    while (parser.at < parser.end) {
        parser.line++;
        TRY(parse_line(&parser));
        parser.at++; /* the line's end */
    }
    if (!parser.has_fields)
        return fail(&parser, "there are no fields in it", (struct name){0});
    for (size_t i = 0; i < FIELD_COUNT; i++)
        layout->places[i].source = LAYOUT_TABLE;
    set_name(layout);
    return NULL;
}

pst_error *layout_parse(const char *text, size_t size, const char *name, enum flavour flavour, struct layout *layout)
{
    if (size > TABLE_MAX_SIZE)
        return error_new(PST_ERROR_LIMIT, "%s: larger than TABLE_MAX_SIZE, %d bytes", name, TABLE_MAX_SIZE);
    return parse((struct parser){.at = text, .end = text + size, .name = name, .flavour = flavour,
                                 .micro = -1, .machine = EM_X86_64, .layout = layout});
}

/* ---- built-in tables and files ---------------------------------------------------------------------- */

size_t layout_table_count(void)
{
    return embedded_table_count;
}

const char *layout_table_get(size_t index, int *major, int *minor, size_t *size)
{
    if (index >= embedded_table_count)
        return NULL;
    const struct embedded_table *table = &embedded_tables[index];
    *major = table->major;
    *minor = table->minor;
    *size = (size_t)(table->end - table->text);
    return table->text;
}

pst_text layout_table_line(const char *text, size_t size, const char *keyword, size_t index)
{
    struct parser parser = {.at = text, .end = text + size};
    for (; parser.at < parser.end; parser.at++) {
        struct name word = next_word(&parser);
        while (parser.at < parser.end && *parser.at == ' ')
            parser.at++;
        const char *rest = parser.at;
        skip_text(&parser);
        if (word_is(word, keyword) && index-- == 0)
            return (pst_text){rest, (size_t)(parser.at - rest)};
    }
    return (pst_text){0};
}

/* Whether the text has a column of this flavour. */
static bool has_column(const struct embedded_table *table, enum flavour flavour)
{
    for (size_t i = 0; i < FLAVOUR_COUNT; i++) {
        pst_text line = layout_table_line(table->text, (size_t)(table->end - table->text), "column", i);
        if (!line.data)
            return false;
        struct parser parser = {.at = line.data, .end = line.data + line.size};
        if (word_is(next_word(&parser), flavour_names[flavour]))
            return true;
    }
    return false;
}

pst_error *layout_load_build(const struct layout_build *build, struct layout *layout, bool *found)
{
    *found = false;
    for (size_t i = 0; i < embedded_table_count; i++) {
        const struct embedded_table *table = &embedded_tables[i];
        char name[32];
        if (table->major != build->major || table->minor != build->minor)
            continue;
        if (build->flavour >= FLAVOUR_COUNT || !has_column(table, build->flavour))
            return NULL;
        snprintf(name, sizeof name, "%d.%d.layout", build->major, build->minor);
        *found = true;
        return parse((struct parser){.at = table->text, .end = table->end, .name = name, .flavour = build->flavour,
                                     .micro = build->micro, .machine = build->machine, .layout = layout,
                                     .built_in = true});
    }
    return NULL;
}

pst_error *layout_load(int major, int minor, enum flavour flavour, struct layout *layout, bool *found)
{
    struct layout_build build = {.major = major, .minor = minor, .micro = -1, .flavour = flavour,
                                 .machine = EM_X86_64};
    return layout_load_build(&build, layout, found);
}

static pst_error *read_file(const char *path, struct text *text)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_system(PST_ERROR_OPEN, errno, "cannot open the layout file %s", path);
    char bytes[4096];
    size_t got;
    errno = 0;
    while (text->size <= TABLE_MAX_SIZE && (got = fread(bytes, 1, sizeof bytes, file)) > 0)
        text_add(text, bytes, got);
    pst_error *error = NULL;
    if (ferror(file))
        error = error_system(PST_ERROR_OPEN, errno, "cannot read the layout file %s", path);
    else if (text->failed)
        error = error_no_memory();
    fclose(file);
    return error;
}

pst_error *layout_load_file(const char *path, struct layout *layout)
{
    struct text text = {0};
    pst_error *error = read_file(path, &text);
    if (!error)
        error = layout_parse(text.data ? text.data : "", text.size, path, FLAVOUR_COUNT, layout);
    text_free(&text);
    if (error)
        return error;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        layout->places[i].source = LAYOUT_FILE;
    const char *slash = strrchr(path, '/');
    snprintf(layout->name, sizeof layout->name, "%s", slash ? slash + 1 : path);
    return NULL;
}
