/*
 * The tables layouts/X.Y.opcodes, which stand in the library as they are (the build defines LAYOUTS_DIR and makes this
 * file depend on them), and their reading, a line at a time:
 *
 *     version X.Y
 *     magic NUMBER
 *     have_argument NUMBER
 *     flag BIT NAME
 *     text OPERAND INDEX TEXT…
 *     opcode NUMBER NAME - CACHES OPERAND FLOW EFFECT [JUMP_EFFECT]
 *     opcode NUMBER NAME BASE                     which stands for another
 */
#include "python/opcodes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLAG_COUNT = 32,
    MAX_TEXTS = 64,        /* of one operand */
    MAX_TABLE_SIZE = 1 << 20,
};

/* ---- the tables' text -------------------------------------------------------------------------------------- */

#define MICROS(major, minor, first, last)

#define VERSION(major, minor)                                                                                  \
    __asm__(".pushsection .rodata\n"                                                                           \
            ".global opcodes_text_" #major "_" #minor "\n"                                                     \
            ".hidden opcodes_text_" #major "_" #minor "\n"                                                     \
            "opcodes_text_" #major "_" #minor ":\n"                                                            \
            ".incbin \"" LAYOUTS_DIR "/" #major "." #minor ".opcodes\"\n"                                      \
            ".global opcodes_end_" #major "_" #minor "\n"                                                      \
            ".hidden opcodes_end_" #major "_" #minor "\n"                                                      \
            "opcodes_end_" #major "_" #minor ":\n"                                                             \
            ".byte 0\n"                                                                                        \
            ".popsection\n");                                                                                  \
    extern const char opcodes_text_##major##_##minor[] __attribute__((visibility("hidden")));                  \
    extern const char opcodes_end_##major##_##minor[] __attribute__((visibility("hidden")));
#include "../../layouts/versions.def"
#undef VERSION

struct embedded_opcodes {
    int major, minor;
    const char *text, *end;   /* not NUL-terminated */
};

static const struct embedded_opcodes embedded[] = {
#define VERSION(major, minor) {major, minor, opcodes_text_##major##_##minor, opcodes_end_##major##_##minor},
#include "../../layouts/versions.def"
#undef VERSION
};

enum { TABLE_COUNT = sizeof embedded / sizeof *embedded };

/* ---- reading one -------------------------------------------------------------------------------------------- */

static const char *const operand_names[OPERAND_COUNT] = {
    "none", "number",
#define OPERAND(identifier, name) name,
#include "python/operands.def"
#undef OPERAND
};

static const char *const flow_names[FLOW_COUNT] = {
#define FLOW(identifier, name) name,
#include "python/flows.def"
#undef FLOW
};

static const char *const term_names[EFFECT_COUNT] = {
    "",
#define EFFECT(identifier, name, formula) name,
#include "python/effects.def"
#undef EFFECT
};

struct table {
    struct opcodes opcodes;
    const char *flags[FLAG_COUNT];
    const char *texts[OPERAND_COUNT][MAX_TEXTS];
    const char *bases[256];   /* by number, while it is being read */
    size_t sizes[256];        /* of the names: few have the same */
    char text[];              /* of the table; its words become strings */
};

/* Cuts the next word off the line; "" if there is none. */
static char *cut_word(char **line)
{
    char *word = *line;
    while (*word == ' ')
        word++;
    char *end = word;
    while (*end && *end != ' ')
        end++;
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static bool parse_number(const char *word, unsigned long limit, unsigned long *number)
{
    char *end;
    *number = strtoul(word, &end, 0);
    return *word >= '0' && *word <= '9' && !*end && *number < limit;
}

/* Which of `names` it is. */
static bool parse_word(const char *word, const char *const *names, unsigned count, unsigned *index)
{
    for (*index = 0; *index < count; ++*index) {
        if (strcmp(names[*index], word) == 0)
            return true;
    }
    return false;
}

static bool parse_operand(const char *word, unsigned *operand)
{
    return parse_word(word, operand_names, OPERAND_COUNT, operand);
}

/* CONSTANT, or CONSTANT, a sign, a factor if it is not 1, and a term: "-1", "1-n", "1-2n". */
static bool parse_effect(const char *word, struct stack_effect *effect)
{
    char *end;
    unsigned term;
    long constant = strtol(word, &end, 10), factor = *end == '-' ? -1 : *end == '+';
    if (end == word || constant < INT8_MIN || constant > INT8_MAX || (*end && !factor))
        return false;
    if (*end && *++end >= '0' && *end <= '9')
        factor *= *end++ - '0';
    if (!parse_word(end, term_names, EFFECT_COUNT, &term))
        return false;
    *effect = (struct stack_effect){(int8_t)constant, (int8_t)factor, (uint8_t)term};
    return true;
}

/* The last words of an opcode's line. */
static bool parse_control(struct opcode *opcode, char *line)
{
    unsigned flow;
    if (!parse_word(cut_word(&line), flow_names, FLOW_COUNT, &flow) || !parse_effect(cut_word(&line), &opcode->effect))
        return false;
    const char *jump = cut_word(&line);
    opcode->flow = (uint8_t)flow;
    opcode->jump_effect = opcode->effect;
    return !*jump || parse_effect(jump, &opcode->jump_effect);
}

static bool parse_flag(struct table *table, char *line)
{
    unsigned long flag, bit = 0;
    if (!parse_number(cut_word(&line), 1UL << FLAG_COUNT, &flag) || flag == 0)
        return false;
    while (!(flag >> bit & 1))
        bit++;
    table->flags[bit] = cut_word(&line);
    table->opcodes.flags = (struct opcode_names){table->flags, FLAG_COUNT};
    return flag == 1UL << bit && *table->flags[bit];
}

static bool parse_text(struct table *table, char *line)
{
    unsigned operand;
    unsigned long index;
    if (!parse_operand(cut_word(&line), &operand) || !parse_number(cut_word(&line), MAX_TEXTS, &index))
        return false;
    table->texts[operand][index] = line;
    struct opcode_names *names = &table->opcodes.operands[operand];
    names->names = table->texts[operand];
    if (index >= names->count)
        names->count = index + 1;
    return true;
}

static bool parse_opcode(struct table *table, char *line)
{
    unsigned operand;
    unsigned long number, cache_count;
    if (!parse_number(cut_word(&line), 256, &number))
        return false;
    struct opcode *opcode = &table->opcodes.opcodes[number];
    opcode->name = cut_word(&line);
    table->sizes[number] = strlen(opcode->name);
    table->bases[number] = cut_word(&line);
    if (!*opcode->name || strcmp(table->bases[number], "-") != 0)
        return *opcode->name != '\0'; /* all else is the base's */
    if (!parse_number(cut_word(&line), 256, &cache_count) || !parse_operand(cut_word(&line), &operand))
        return false;
    opcode->base = (uint8_t)number;
    opcode->cache_count = (uint8_t)cache_count;
    opcode->operand = (uint8_t)operand;
    return parse_control(opcode, line);
}

static bool parse_line(struct table *table, char *line)
{
    unsigned long number;
    const char *word = cut_word(&line);
    if (!*word || *word == '#' || strcmp(word, "version") == 0)
        return true;
    if (strcmp(word, "flag") == 0)
        return parse_flag(table, line);
    if (strcmp(word, "text") == 0)
        return parse_text(table, line);
    if (strcmp(word, "opcode") == 0)
        return parse_opcode(table, line);
    if (strcmp(word, "magic") == 0 && parse_number(cut_word(&line), 1 << 16, &number))
        table->opcodes.magic = (uint16_t)number;
    else if (strcmp(word, "have_argument") == 0 && parse_number(cut_word(&line), 256, &number))
        table->opcodes.have_argument = (int)number;
    else
        return false;
    return true;
}

static int find_opcode(const struct table *table, const char *name)
{
    size_t size = strlen(name);
    for (int i = 0; i < 256; i++) {
        if (table->sizes[i] == size && memcmp(table->opcodes.opcodes[i].name, name, size) == 0)
            return i;
    }
    return -1;
}

/* What stands for another one is like it. */
static bool resolve_bases(struct table *table)
{
    struct opcode *opcodes = table->opcodes.opcodes;
    for (int i = 0; i < 256; i++) {
        const char *name = opcodes[i].name;
        bool is_instrumented = name && strncmp(name, "INSTRUMENTED_", strlen("INSTRUMENTED_")) == 0;
        opcodes[i].is_instrumented = is_instrumented;
        if (!name || strcmp(table->bases[i], "-") == 0)
            continue;
        int base = find_opcode(table, table->bases[i]);
        if (base < 0 || strcmp(table->bases[base], "-") != 0)
            return false;
        opcodes[base].has_family |= !is_instrumented;
        opcodes[i] = opcodes[base];
        opcodes[i].name = name;
        opcodes[i].is_specialised = !is_instrumented;
        opcodes[i].is_instrumented = is_instrumented;
        opcodes[i].has_family = false;
    }
    return true;
}

/* Names become numbers. */
static bool resolve(struct table *table)
{
    struct opcodes *opcodes = &table->opcodes;
    if (!resolve_bases(table))
        return false;
    opcodes->extended_arg = find_opcode(table, "EXTENDED_ARG");
    opcodes->enter_executor = find_opcode(table, "ENTER_EXECUTOR");
    opcodes->instrumented_line = find_opcode(table, "INSTRUMENTED_LINE");
    opcodes->instrumented_instruction = find_opcode(table, "INSTRUMENTED_INSTRUCTION");
    opcodes->resume = find_opcode(table, "RESUME");
    opcodes->cache = find_opcode(table, "CACHE");
    return true;
}

static bool parse_table(struct table *table)
{
    for (char *line = table->text; *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        if (!parse_line(table, line))
            return false;
        line = next;
    }
    return resolve(table);
}

static pst_error *read_table(const struct embedded_opcodes *source, struct table **result)
{
    size_t size = (size_t)(source->end - source->text);
    if (size > MAX_TABLE_SIZE)
        return error_new(PST_ERROR_LIMIT, "%d.%d.opcodes has %zu bytes", source->major, source->minor, size);
    struct table *table = calloc(1, sizeof *table + size + 1);
    if (!table)
        return error_no_memory();
    table->opcodes.major = source->major;
    table->opcodes.minor = source->minor;
    memcpy(table->text, source->text, size);
    if (!parse_table(table)) {
        free(table);
        return error_new(PST_ERROR_CORRUPT, "%d.%d.opcodes can't be understood", source->major, source->minor);
    }
    *result = table;
    return NULL;
}

pst_error *opcodes_get(int major, int minor, const struct opcodes **opcodes)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct table *tables[TABLE_COUNT];
    pst_error *error = NULL;
    *opcodes = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < TABLE_COUNT && !error; i++) {
        if (embedded[i].major != major || embedded[i].minor != minor)
            continue;
        if (!tables[i])
            error = read_table(&embedded[i], &tables[i]);
        if (!error)
            *opcodes = &tables[i]->opcodes;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

int64_t stack_effect_get(const struct stack_effect *effect, int64_t arg)
{
    switch ((enum effect_term)effect->term) {
#define EFFECT(identifier, name, formula)                                                                      \
    case EFFECT_##identifier: return effect->constant + effect->factor * (int64_t)(formula);
#include "python/effects.def"
#undef EFFECT
    case EFFECT_NONE:
    case EFFECT_COUNT: break;
    }
    return effect->constant;
}

const char *opcodes_get_text(const struct opcodes *opcodes, enum operand operand, uint64_t index)
{
    const struct opcode_names *names = &opcodes->operands[operand];
    return index < names->count ? names->names[index] : NULL;
}
