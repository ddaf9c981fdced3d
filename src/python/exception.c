#include "python/exception.h"

#include "python/object.h"
#include "python/str.h"
#include "python/string.h"
#include "target/signal.h"

#include <string.h>

enum {
    MAX_DEPTH = 100,           /* of exceptions that are the argument of another */
    MAX_TEXT_2 = 400,          /* bytes of a reason or encoding that 2.7 shows: "%.400s" */
};

/* An exception whose message is being made, and the one of whose message it is a part. */
struct message {
    struct repr *repr;
    pst_addr exception;
    const struct message *outer;
    size_t depth;
    bool *is_str;              /* false: an unknown __str__ would have a part in it */
};

static pst_error *add_message(struct repr *repr, pst_addr exception, const struct message *outer, bool *is_str);

pst_error *exception_check(const struct python *python, pst_addr object, bool *is_exception)
{
    pst_addr type;
    uint64_t flags;
    TRY(object_get_type(python, object, &type));
    TRY(type_get_flags(python, type, &flags));
    *is_exception = flags & TPFLAGS_BASE_EXC_SUBCLASS;
    return NULL;
}

/* ---- str() of a part ----------------------------------------------------------------------------------- */

static pst_error *add_str_of_object(const struct message *message, pst_addr object)
{
    struct type *type;
    TRY(type_of(message->repr->types, object, &type));
    if (type->flags & TPFLAGS_BASE_EXC_SUBCLASS)
        return add_message(message->repr, object, message, message->is_str);
    return str_add(message->repr, object, message->is_str);
}

/* What does not hold the whole message up if it can't be read: as repr_add_object(). */
static pst_error *add_str_of(const struct message *message, pst_addr object)
{
    struct repr *repr = message->repr;
    if (!object) {
        text_add_string(repr->text, "None");
        return NULL;
    }
    size_t start = repr->text->size;
    return repr_end_part(repr, object, start, add_str_of_object(message, object));
}

static pst_error *add_str_of_field(const struct message *message, enum field field)
{
    pst_addr object;
    TRY(field_address(message->repr->python, message->exception, field, &object));
    return add_str_of(message, object);
}

/* In 2.7 some texts went through a C string: they end at a NUL. */
static void end_as_c(struct text *text, size_t start, size_t most)
{
    size_t size = text->size - start;
    if (size)
        text->size = start + strnlen(text->data + start, size < most ? size : most);
}

static pst_error *add_limited_field(const struct message *message, enum field field)
{
    size_t start = message->repr->text->size;
    TRY(add_str_of_field(message, field));
    if (python_is_2(message->repr->python))
        end_as_c(message->repr->text, start, MAX_TEXT_2);
    return NULL;
}

/* ---- BaseException, KeyError --------------------------------------------------------------------------- */

/* args, a tuple: how many there are, and the first. */
static pst_error *read_args(const struct message *message, pst_addr *args, uint64_t *count, pst_addr *first)
{
    const struct python *python = message->repr->python;
    pst_addr items;
    *count = 0;
    *first = 0;
    TRY(field_address(python, message->exception, F(PyBaseExceptionObject_args), args));
    if (!*args)
        return NULL;
    TRY(tuple_find_items(python, *args, &items, count));
    return *count ? pointer_at(python, items, 0, first) : NULL;
}

/* BaseException_str() */
static pst_error *add_base(const struct message *message)
{
    pst_addr args, first;
    uint64_t count;
    TRY(read_args(message, &args, &count, &first));
    if (count == 0)
        return NULL;
    return count == 1 ? add_str_of(message, first) : repr_add_object(message->repr, args);
}

/* KeyError_str() */
static pst_error *add_key_error(const struct message *message)
{
    pst_addr args, first;
    uint64_t count;
    TRY(read_args(message, &args, &count, &first));
    return count == 1 ? repr_add_object(message->repr, first) : add_base(message);
}

/* ---- OSError, ssl.SSLError, ImportError, ExceptionGroup ------------------------------------------------ */

/* The fields of OSError; in 2.7 of EnvironmentError, which has no second name. */
struct os_error {
    pst_addr number, text, filename, filename2;
};

static pst_error *read_os_error(const struct message *message, struct os_error *fields)
{
    const struct python *python = message->repr->python;
    pst_addr at = message->exception;
    *fields = (struct os_error){0};
    if (python_is_2(python)) {
        TRY(field_address(python, at, F(PyEnvironmentErrorObject_myerrno), &fields->number));
        TRY(field_address(python, at, F(PyEnvironmentErrorObject_strerror), &fields->text));
        return field_address(python, at, F(PyEnvironmentErrorObject_filename), &fields->filename);
    }
    TRY(field_address(python, at, F(PyOSErrorObject_myerrno), &fields->number));
    TRY(field_address(python, at, F(PyOSErrorObject_strerror), &fields->text));
    TRY(field_address(python, at, F(PyOSErrorObject_filename), &fields->filename));
    return field_address(python, at, F(PyOSErrorObject_filename2), &fields->filename2);
}

/* OSError_str(), EnvironmentError_str() */
static pst_error *add_os_error(const struct message *message)
{
    struct repr *repr = message->repr;
    struct os_error fields;
    TRY(read_os_error(message, &fields));
    if (!fields.filename && (!fields.number || !fields.text))
        return add_base(message);
    text_add_string(repr->text, "[Errno ");
    TRY(add_str_of(message, fields.number));
    text_add_string(repr->text, "] ");
    TRY(add_str_of(message, fields.text));
    if (!fields.filename)
        return NULL;
    text_add_string(repr->text, ": ");
    TRY(repr_add_object(repr, fields.filename));
    if (!fields.filename2)
        return NULL;
    text_add_string(repr->text, " -> ");
    return repr_add_object(repr, fields.filename2);
}

/* Modules/_ssl.c, SSLError_str() */
static pst_error *add_ssl_error(const struct message *message)
{
    const struct python *python = message->repr->python;
    struct os_error fields;
    pst_addr args, type;
    uint64_t flags = 0;
    TRY(read_os_error(message, &fields));
    if (fields.text) {
        TRY(object_get_type(python, fields.text, &type));
        TRY(type_get_flags(python, type, &flags));
    }
    if (fields.text && (python_is_2(python) || flags & TPFLAGS_UNICODE_SUBCLASS))
        return add_str_of(message, fields.text);
    TRY(field_address(python, message->exception, F(PyBaseExceptionObject_args), &args));
    return add_str_of(message, args);
}

/* ImportError_str() */
static pst_error *add_import_error(const struct message *message)
{
    const struct python *python = message->repr->python;
    enum value_kind kind = VALUE_OTHER;
    pst_addr text;
    TRY(field_address(python, message->exception, F(PyImportErrorObject_msg), &text));
    if (text)
        TRY(value_get_kind(python, text, &kind));
    return kind == VALUE_STR ? repr_add_name(message->repr, text) : add_base(message);
}

/* BaseExceptionGroup_str() */
static pst_error *add_group(const struct message *message)
{
    const struct python *python = message->repr->python;
    pst_addr exceptions, items;
    uint64_t count;
    TRY(add_str_of_field(message, F(PyBaseExceptionGroupObject_msg)));
    TRY(field_address(python, message->exception, F(PyBaseExceptionGroupObject_excs), &exceptions));
    TRY(tuple_find_items(python, exceptions, &items, &count));
    text_printf(message->repr->text, " (%llu sub-exception%s)", (unsigned long long)count, count > 1 ? "s" : "");
    return NULL;
}

/* ---- SyntaxError --------------------------------------------------------------------------------------- */

/* What stands behind the last slash of the filename, if that is a str. 2.7: if it is bytes. */
static pst_error *read_basename(const struct message *message, bool *has_name, pst_text *name)
{
    const struct python *python = message->repr->python;
    bool is_2 = python_is_2(python);
    pst_addr object, type;
    uint64_t flags;
    *has_name = false;
    TRY(field_address(python, message->exception, F(PySyntaxErrorObject_filename), &object));
    if (!object)
        return NULL;
    TRY(object_get_type(python, object, &type));
    TRY(type_get_flags(python, type, &flags));
    *has_name = flags & (is_2 ? TPFLAGS_BYTES_SUBCLASS : TPFLAGS_UNICODE_SUBCLASS);
    if (!*has_name)
        return NULL;
    TRY(string_read(python, message->repr->arena, object, name));
    if (is_2)
        name->size = strnlen(name->data, name->size);
    const char *slash = name->size ? memrchr(name->data, '/', name->size) : NULL;
    if (slash)
        *name = (pst_text){slash + 1, name->size - (size_t)(slash + 1 - name->data)};
    return NULL;
}

/* PyLong_AsLongAndOverflow(): -1 for what does not fit. */
static int64_t long_of(const struct value *value)
{
    uint64_t number = 0;
    for (size_t i = value->digit_count; i-- > 0;) {
        if (number >> (63 - value->digit_bits))
            return -1;
        number = number << value->digit_bits | bytes_unsigned(value->digits + i * value->digit_size,
                                                              value->digit_size);
    }
    return value->is_negative ? -(int64_t)number : (int64_t)number;
}

static pst_error *read_line(const struct message *message, bool *has_line, int64_t *line)
{
    const struct python *python = message->repr->python;
    pst_addr object, type;
    uint64_t flags;
    struct value value;
    *has_line = false;
    TRY(field_address(python, message->exception, F(PySyntaxErrorObject_lineno), &object));
    if (!object)
        return NULL;
    if (python_is_2(python)) {
        TRY(object_get_type(python, object, &type));
        TRY(type_get_flags(python, type, &flags));
        *has_line = flags & TPFLAGS_INT_SUBCLASS;
        return *has_line ? field_signed(python, object, F(PyIntObject_ob_ival), line) : NULL;
    }
    TRY(value_get_kind(python, object, &value.kind));
    *has_line = value.kind == VALUE_INT;
    if (!*has_line)
        return NULL;
    TRY(value_read(python, message->repr->arena, object, &value));
    *line = long_of(&value);
    return NULL;
}

/* SyntaxError_str() */
static pst_error *add_syntax_error(const struct message *message)
{
    struct text *text = message->repr->text;
    size_t start = text->size;
    bool has_name, has_line;
    pst_text name;
    int64_t line;
    TRY(read_basename(message, &has_name, &name));
    TRY(read_line(message, &has_line, &line));
    TRY(add_str_of_field(message, F(PySyntaxErrorObject_msg)));
    if (!has_name && !has_line)
        return NULL;
    if (python_is_2(message->repr->python))
        end_as_c(text, start, SIZE_MAX);
    text_add_string(text, " (");
    if (has_name)
        repr_add_text(message->repr, name);
    if (has_name && has_line)
        text_add_string(text, ", ");
    if (has_line)
        text_printf(text, "line %lld", (long long)line);
    text_add_char(text, ')');
    return NULL;
}

/* ---- UnicodeEncodeError, UnicodeDecodeError, UnicodeTranslateError ------------------------------------- */

/* What was to be converted: the bad characters in it. */
struct bad_part {
    pst_addr object;
    int64_t start, end;
    bool is_single;            /* just one, which is there */
    uint64_t character;
};

static pst_error *read_bad_part(const struct message *message, struct bad_part *part)
{
    const struct python *python = message->repr->python;
    *part = (struct bad_part){0};
    TRY(field_address(python, message->exception, F(PyUnicodeErrorObject_object), &part->object));
    TRY(field_signed(python, message->exception, F(PyUnicodeErrorObject_start), &part->start));
    TRY(field_signed(python, message->exception, F(PyUnicodeErrorObject_end), &part->end));
    if (!part->object || part->start < 0 || (uint64_t)part->end != (uint64_t)part->start + 1)
        return NULL;
    return string_read_character(python, part->object, (uint64_t)part->start, &part->character, &part->is_single);
}

/* " character '\xe9' in position 3", " bytes in position 3-5" */
static void add_bad_part(const struct message *message, const struct bad_part *part, bool is_bytes)
{
    struct text *text = message->repr->text;
    const char *unicode = python_is_2(message->repr->python) ? "u" : "";
    unsigned character = (unsigned)part->character;
    long long start = part->start;
    if (!part->is_single)
        text_printf(text, " %ss in position %lld-%lld", is_bytes ? "byte" : "character", start,
                    (long long)((uint64_t)part->end - 1));
    else if (is_bytes)
        text_printf(text, " byte 0x%02x in position %lld", character, start);
    else if (character <= 0xff)
        text_printf(text, " character %s'\\x%02x' in position %lld", unicode, character, start);
    else if (character <= 0xffff)
        text_printf(text, " character %s'\\u%04x' in position %lld", unicode, character, start);
    else
        text_printf(text, " character %s'\\U%08x' in position %lld", unicode, character, start);
}

static pst_error *add_unicode_error(const struct message *message, const char *verb, bool has_encoding, bool is_bytes)
{
    struct text *text = message->repr->text;
    struct bad_part part;
    TRY(read_bad_part(message, &part));
    if (!part.object)
        return NULL; /* it was not initialised */
    if (has_encoding) {
        text_add_char(text, '\'');
        TRY(add_limited_field(message, F(PyUnicodeErrorObject_encoding)));
        text_add_string(text, "' codec ");
    }
    text_add_string(text, verb);
    add_bad_part(message, &part, is_bytes);
    text_add_string(text, ": ");
    return add_limited_field(message, F(PyUnicodeErrorObject_reason));
}

static pst_error *add_encode_error(const struct message *message)
{
    return add_unicode_error(message, "can't encode", true, false);
}

static pst_error *add_decode_error(const struct message *message)
{
    return add_unicode_error(message, "can't decode", true, true);
}

static pst_error *add_translate_error(const struct message *message)
{
    return add_unicode_error(message, "can't translate", false, false);
}

/* ---- the standard library's, whose __str__ is written in Python ---------------------------------------- */

/* One that nobody knows, in Python or C: it is not run. */
static pst_error *add_unknown(const struct message *message)
{
    *message->is_str = false;
    return add_base(message);
}

/* *there is false: it does not have all of these attributes. */
static pst_error *get_attributes(const struct message *message, const char *const names[2], pst_addr values[2],
                                 bool *there)
{
    struct instance instance = {.address = message->exception};
    TRY(type_of(message->repr->types, instance.address, &instance.type));
    *there = true;
    for (size_t i = 0; i < 2 && names[i] && *there; i++) {
        TRY(repr_get_attribute(message->repr, &instance, names[i], &values[i]));
        *there = values[i];
    }
    return NULL;
}

/* Text, the str() of attributes, text. */
static pst_error *add_sentence(const struct message *message, const char *const names[2], const char *const texts[3])
{
    pst_addr values[2];
    bool there;
    TRY(get_attributes(message, names, values, &there));
    if (!there)
        return add_unknown(message);
    text_add_string(message->repr->text, texts[0]);
    for (size_t i = 0; i < 2 && names[i]; i++) {
        TRY(add_str_of(message, values[i]));
        text_add_string(message->repr->text, texts[i + 1]);
    }
    return NULL;
}

/* signal.Signals(number): 3.11 brought SIGSTKFLT. */
static void add_signal(const struct message *message, int number)
{
    enum { STACK_FAULT = 16, FIRST_REALTIME = 34, LAST_REALTIME = 64 };
    enum signal_effect effect;
    const char *name = number == FIRST_REALTIME  ? "SIGRTMIN"
                       : number == LAST_REALTIME ? "SIGRTMAX"
                                                 : signal_name(number, &effect);
    if (number == STACK_FAULT && python_minor_version(message->repr->python) < 311)
        name = NULL;
    if (name)
        text_printf(message->repr->text, "' died with <Signals.%s: %d>.", name, number);
    else
        text_printf(message->repr->text, "' died with unknown signal %d.", number);
}

static pst_error *add_exit_status(const struct message *message, pst_addr command, int status)
{
    struct repr *repr = message->repr;
    bool is_quoted = python_minor_version(repr->python) < 315;
    text_add_string(repr->text, is_quoted ? "Command '" : "Command ");
    TRY(is_quoted ? add_str_of(message, command) : repr_add_object(repr, command));
    text_printf(repr->text, "%s returned non-zero exit status %d%s", is_quoted ? "'" : "", status,
                python_is_2(repr->python) ? "" : ".");
    return NULL;
}

/* subprocess.CalledProcessError */
static pst_error *add_called_process_error(const struct message *message)
{
    static const char *const names[] = {"cmd", "returncode"};
    struct repr *repr = message->repr;
    pst_addr values[2];
    struct value code = {0};
    bool there;
    TRY(get_attributes(message, names, values, &there));
    if (there)
        TRY(value_read(repr->python, repr->arena, values[1], &code));
    int64_t number = code.kind == VALUE_INT && code.digit_count <= 2 ? long_of(&code) : INT64_MIN;
    if (!there || number > INT32_MAX || number < -INT32_MAX)
        return add_unknown(message);
    if (number >= 0 || python_is_2(repr->python))
        return add_exit_status(message, values[0], (int)number);
    text_add_string(repr->text, "Command '");
    TRY(add_str_of(message, values[0]));
    add_signal(message, (int)-number);
    return NULL;
}

/* subprocess.TimeoutExpired */
static pst_error *add_timeout_expired(const struct message *message)
{
    static const char *const names[] = {"cmd", "timeout"};
    static const char *const texts[] = {"Command '", "' timed out after ", " seconds"};
    return add_sentence(message, names, texts);
}

/* urllib.error.URLError */
static pst_error *add_url_error(const struct message *message)
{
    static const char *const names[] = {"reason", NULL};
    static const char *const texts[] = {"<urlopen error ", ">", NULL};
    return add_sentence(message, names, texts);
}

/* urllib.error.HTTPError */
static pst_error *add_http_error(const struct message *message)
{
    static const char *const names[] = {"code", "msg"};
    static const char *const texts[] = {"HTTP Error ", ": ", ""};
    return add_sentence(message, names, texts);
}

/* configparser.Error */
static pst_error *add_config_error(const struct message *message)
{
    static const char *const names[] = {"message", NULL}, *const names_2[] = {"_Error__message", NULL};
    static const char *const texts[] = {"", "", NULL};
    return add_sentence(message, python_is_2(message->repr->python) ? names_2 : names, texts);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

/* By the class whose __str__ it is; 2.7's names begin with "exceptions.". */
struct kind {
    const char *definer;
    pst_error *(*add)(const struct message *message);
};

static const struct kind kinds[] = {
    {"BaseExceptionGroup", add_group},
    {"EnvironmentError", add_os_error},
    {"ImportError", add_import_error},
    {"KeyError", add_key_error},
    {"OSError", add_os_error},
    {"SSLError", add_ssl_error}, /* 2.7 */
    {"SyntaxError", add_syntax_error},
    {"UnicodeDecodeError", add_decode_error},
    {"UnicodeEncodeError", add_encode_error},
    {"UnicodeTranslateError", add_translate_error},
    {"ssl.SSLError", add_ssl_error},
};

static const struct kind kinds_in_python[] = {
    {"ConfigParser.__repr__", add_config_error}, /* 2.7; that is its __str__, too */
    {"configparser.Error.__repr__", add_config_error},
    {"subprocess.CalledProcessError", add_called_process_error},
    {"subprocess.TimeoutExpired", add_timeout_expired},
    {"urllib.error.HTTPError", add_http_error},
    {"urllib.error.URLError", add_url_error},
    {"urllib2.HTTPError", add_http_error},
    {"urllib2.URLError", add_url_error},
};

static pst_text without_module_2(pst_text name)
{
    static const char module[] = "exceptions.";
    size_t size = sizeof module - 1;
    return name.size > size && memcmp(name.data, module, size) == 0 ? (pst_text){name.data + size, name.size - size}
                                                                    : name;
}

static pst_error *add_kind(const struct message *message)
{
    struct type *type;
    struct type_definer definer;
    TRY(type_of(message->repr->types, message->exception, &type));
    if (!(type->flags & TPFLAGS_BASE_EXC_SUBCLASS))
        return error_new(PST_ERROR_CORRUPT, "the object at 0x%llx is no exception",
                         (unsigned long long)message->exception);
    type_find_str(message->repr->types, type, &definer);
    pst_text name = without_module_2(definer.name);
    bool is_in_c = definer.origin == REPR_IN_C;
    const struct kind *candidates = is_in_c ? kinds : kinds_in_python;
    size_t count = is_in_c ? sizeof kinds / sizeof *kinds : sizeof kinds_in_python / sizeof *kinds_in_python;
    for (size_t i = 0; i < count && definer.origin != REPR_UNKNOWN; i++)
        if (text_is(name, candidates[i].definer))
            return candidates[i].add(message);
    return is_in_c && text_is(name, "BaseException") ? add_base(message) : add_unknown(message);
}

/* What two exceptions share would be shown twice, and what these share four times: as in a repr, limits end it. */
static pst_error *add_message(struct repr *repr, pst_addr exception, const struct message *outer, bool *is_str)
{
    struct message message = {repr, exception, outer, outer ? outer->depth + 1 : 0, is_str};
    bool is_cycle = false;
    TRY(repr_check_limits(repr));
    for (; outer && !is_cycle; outer = outer->outer)
        is_cycle = outer->exception == exception;
    if (is_cycle || message.depth > MAX_DEPTH || (message.depth && repr_get_left(repr) == 0)) {
        text_add_string(repr->text, is_cycle ? "..." : "…");
        return NULL;
    }
    return add_kind(&message);
}

pst_error *exception_read_message(struct repr *repr, pst_addr exception, bool *is_str)
{
    *is_str = true;
    return add_message(repr, exception, NULL, is_str);
}

pst_error *exception_read_str(struct repr *repr, pst_addr object, bool *is_str)
{
    const struct message message = {.repr = repr, .is_str = is_str};
    *is_str = true;
    return add_str_of(&message, object);
}
