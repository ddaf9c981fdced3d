/* Loggers, handlers, records. Lib/logging/__init__.py. */
#include "python/repr.h"

#include "python/dict.h"
#include "python/object.h"

enum { MAX_PARENTS = 1 << 10 };

/* ---- levels ---------------------------------------------------------------------------------------------- */

static pst_error *find_level_name(struct repr *repr, const struct instance *object, uint64_t level, pst_addr *name)
{
    pst_addr names;
    struct dict_reader reader;
    uint64_t used;
    *name = 0;
    TRY(repr_get_global(repr, object, "_levelToName", &names));
    if (!names)
        return NULL;
    TRY(dict_start_items(repr->python, names, &reader, &used));
    for (uint64_t i = 0; i < used && !*name; i++) {
        pst_addr key, value;
        uint64_t number;
        TRY(dict_next_item(&reader, &key, &value));
        TRY(object_get_int(repr->python, key, &number));
        if (number == level)
            *name = value;
    }
    return NULL;
}

/* getLevelName(): "(WARNING)>", "(Level 5)>" */
static pst_error *add_level(struct repr *repr, const struct instance *object, uint64_t level)
{
    pst_addr name;
    TRY(find_level_name(repr, object, level, &name));
    text_add_char(repr->text, '(');
    if (name) {
        TRY(repr_add_str_of(repr, name));
    } else {
        text_add_string(repr->text, "Level ");
        text_add_signed(repr->text, (int64_t)level);
    }
    text_add_string(repr->text, ")>");
    return NULL;
}

/* *there is false: it has none. */
static pst_error *get_level(struct repr *repr, const struct instance *object, uint64_t *level, bool *there)
{
    pst_addr value;
    *level = 0;
    TRY(repr_get_attribute(repr, object, "level", &value));
    *there = value;
    return value ? object_get_int(repr->python, value, level) : NULL;
}

/* Logger.getEffectiveLevel(): the first that is not 0, of the logger or those above it. *there is false: its class has
 * another method in the place of that. */
static pst_error *get_effective_level(struct repr *repr, const struct instance *object, uint64_t *level, bool *there)
{
    struct instance logger = *object;
    TRY(repr_has_method_of(repr, object->type, "getEffectiveLevel", "logging", there));
    for (size_t i = 0; *there && i < MAX_PARENTS; i++) {
        enum value_kind kind = VALUE_NONE;
        pst_addr parent;
        TRY(get_level(repr, &logger, level, there));
        if (*level || !*there)
            return NULL;
        TRY(repr_get_attribute(repr, &logger, "parent", &parent));
        if (parent)
            TRY(value_get_kind(repr->python, parent, &kind));
        if (kind == VALUE_NONE)
            return NULL;
        logger.address = parent;
        TRY(type_of(repr->types, parent, &logger.type));
    }
    *there = false;
    return NULL;
}

static void begin(struct repr *repr, const struct instance *object)
{
    text_add_char(repr->text, '<');
    repr_add_text(repr, object->type->name);
    text_add_char(repr->text, ' ');
}

/* "<Class name (LEVEL)>" */
static pst_error *add_named(struct repr *repr, const struct instance *object, pst_addr name, uint64_t level)
{
    begin(repr, object);
    TRY(repr_add_str_of(repr, name));
    text_add_char(repr->text, ' ');
    return add_level(repr, object, level);
}

/* ---- loggers --------------------------------------------------------------------------------------------- */

/* "<Logger name (LEVEL)>", of a logger or, in the name of another class, of the one inside of it. */
static pst_error *add_logger(struct repr *repr, const struct instance *object, const struct instance *logger)
{
    pst_addr name;
    uint64_t level;
    bool there;
    TRY(repr_get_attribute(repr, logger, "name", &name));
    TRY(get_effective_level(repr, logger, &level, &there));
    return name && there ? add_named(repr, object, name, level) : repr_add_attributes(repr, object);
}

/* Logger.__repr__() */
pst_error *repr_add_logger(struct repr *repr, const struct instance *object)
{
    return add_logger(repr, object, object);
}

/* LoggerAdapter.__repr__() */
pst_error *repr_add_logger_adapter(struct repr *repr, const struct instance *object)
{
    struct instance logger = {0};
    TRY(repr_get_attribute(repr, object, "logger", &logger.address));
    if (!logger.address)
        return repr_add_attributes(repr, object);
    TRY(type_of(repr->types, logger.address, &logger.type));
    return add_logger(repr, object, &logger);
}

/* ---- handlers -------------------------------------------------------------------------------------------- */

/* Handler.__repr__() */
pst_error *repr_add_handler(struct repr *repr, const struct instance *object)
{
    uint64_t level;
    bool there;
    TRY(get_level(repr, object, &level, &there));
    if (!there)
        return repr_add_attributes(repr, object);
    begin(repr, object);
    return add_level(repr, object, level);
}

/* FileHandler.__repr__() */
pst_error *repr_add_file_handler(struct repr *repr, const struct instance *object)
{
    pst_addr name;
    uint64_t level;
    bool there;
    TRY(repr_get_attribute(repr, object, "baseFilename", &name));
    TRY(get_level(repr, object, &level, &there));
    return name && there ? add_named(repr, object, name, level) : repr_add_attributes(repr, object);
}

/* StreamHandler.__repr__(): with the name of its stream, if that has one. */
pst_error *repr_add_stream_handler(struct repr *repr, const struct instance *object)
{
    struct instance stream = {0};
    struct repr_stream_name name = {0};
    uint64_t level;
    bool there;
    TRY(repr_get_attribute(repr, object, "stream", &stream.address));
    TRY(get_level(repr, object, &level, &there));
    if (stream.address)
        TRY(repr_find_stream_name(repr, &stream, &name));
    if (!stream.address || !there || name.is_unknown)
        return repr_add_attributes(repr, object);
    begin(repr, object);
    size_t start = repr->text->size;
    if (name.is_descriptor)
        text_add_signed(repr->text, name.descriptor);
    else if (name.object)
        TRY(repr_add_str_of(repr, name.object));
    if (repr->text->size > start)
        text_add_char(repr->text, ' ');
    return add_level(repr, object, level);
}

/* ---- records, and others --------------------------------------------------------------------------------- */

/* LogRecord.__repr__(), whose message may be any object: of others than a str nobody knows what str() makes. */
pst_error *repr_add_log_record(struct repr *repr, const struct instance *object)
{
    static const char *const names[] = {"name", "levelno", "pathname", "lineno", "msg"};
    enum { COUNT = sizeof names / sizeof *names };
    pst_addr values[COUNT];
    enum value_kind kind;
    for (size_t i = 0; i < COUNT; i++) {
        TRY(repr_get_attribute(repr, object, names[i], &values[i]));
        if (!values[i])
            return repr_add_attributes(repr, object);
    }
    TRY(value_get_kind(repr->python, values[COUNT - 1], &kind));
    if (kind != VALUE_STR)
        return repr_add_attributes(repr, object);
    text_add_string(repr->text, "<LogRecord: ");
    for (size_t i = 0; i < COUNT; i++) {
        text_add_string(repr->text, i == COUNT - 1 ? ", \"" : i ? ", " : "");
        TRY(repr_add_str_of(repr, values[i]));
    }
    text_add_string(repr->text, "\">");
    return NULL;
}

static pst_error *add_text_of(struct repr *repr, const struct instance *object, const char *name)
{
    pst_addr value;
    TRY(repr_get_attribute(repr, object, name, &value));
    if (!value)
        return repr_add_attributes(repr, object);
    begin(repr, object);
    text_add_char(repr->text, '(');
    TRY(repr_add_str_of(repr, value));
    text_add_string(repr->text, ")>");
    return NULL;
}

/* Formatter.__repr__(), Filter.__repr__(), 3.15+ */
pst_error *repr_add_log_formatter(struct repr *repr, const struct instance *object)
{
    return add_text_of(repr, object, "_fmt");
}

pst_error *repr_add_log_filter(struct repr *repr, const struct instance *object)
{
    return add_text_of(repr, object, "name");
}
