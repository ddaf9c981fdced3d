/* datetime and zoneinfo. Modules/_datetimemodule.c (2.7: datetimemodule.c), Include/datetime.h, Modules/_zoneinfo.c. */
#include "python/repr.h"

#include "python/object.h"
#include "python/str.h"
#include "python/string.h"

enum { DATE_SIZE = 4, TIME_SIZE = 6 };    /* bytes of the data: year, month, day; hour, minute, second, microseconds */

struct date {
    unsigned year, month, day;
};

struct time {
    unsigned hour, minute, second, microsecond;
};

static struct date get_date(const uint8_t data[DATE_SIZE])
{
    return (struct date){(unsigned)data[0] << 8 | data[1], data[2], data[3]};
}

static struct time get_time(const uint8_t data[TIME_SIZE])
{
    return (struct time){data[0], data[1], data[2], (unsigned)data[3] << 16 | (unsigned)data[4] << 8 | data[5]};
}

static pst_error *read_data(const struct repr *repr, pst_addr object, enum field field, uint8_t *data, size_t size)
{
    pst_addr place;
    TRY(field_place(repr->python, object, field, &place));
    return memory_read(repr->python->memory, place, data, size);
}

static void add_date(struct repr *repr, struct date date)
{
    text_printf(repr->text, "%u, %u, %u", date.year, date.month, date.day);
}

static void add_time(struct repr *repr, struct time time)
{
    text_printf(repr->text, "%u, %u", time.hour, time.minute);
    if (time.second || time.microsecond)
        text_printf(repr->text, ", %u", time.second);
    if (time.microsecond)
        text_printf(repr->text, ", %u", time.microsecond);
}

/* append_keyword_fold(): 2.7 has none. */
static pst_error *add_fold(struct repr *repr, pst_addr object, enum field field)
{
    uint64_t fold = 0;
    if (has(repr->python, field))
        TRY(field_unsigned(repr->python, object, field, &fold));
    if (fold)
        text_printf(repr->text, ", fold=%u", (unsigned)fold);
    return NULL;
}

/* append_keyword_tzinfo() */
static pst_error *add_tzinfo(struct repr *repr, pst_addr object, enum field has_field, enum field field)
{
    uint64_t has_tzinfo;
    TRY(field_unsigned(repr->python, object, has_field, &has_tzinfo));
    if (!has_tzinfo)
        return NULL;
    text_add_string(repr->text, ", tzinfo=");
    return repr_add_field(repr, object, field);
}

/* ---- date, time, datetime -------------------------------------------------------------------------------- */

pst_error *repr_add_date(struct repr *repr, const struct instance *object)
{
    uint8_t data[DATE_SIZE];
    TRY(read_data(repr, object->address, F(PyDateTime_Date_data), data, sizeof data));
    TRY(repr_add_tp_name(repr, object));
    text_add_char(repr->text, '(');
    add_date(repr, get_date(data));
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_time(struct repr *repr, const struct instance *object)
{
    uint8_t data[TIME_SIZE];
    TRY(read_data(repr, object->address, F(PyDateTime_Time_data), data, sizeof data));
    TRY(repr_add_tp_name(repr, object));
    text_add_char(repr->text, '(');
    add_time(repr, get_time(data));
    TRY(add_tzinfo(repr, object->address, F(PyDateTime_Time_hastzinfo), F(PyDateTime_Time_tzinfo)));
    TRY(add_fold(repr, object->address, F(PyDateTime_Time_fold)));
    text_add_char(repr->text, ')');
    return NULL;
}

pst_error *repr_add_datetime(struct repr *repr, const struct instance *object)
{
    uint8_t data[DATE_SIZE + TIME_SIZE];
    TRY(read_data(repr, object->address, F(PyDateTime_DateTime_data), data, sizeof data));
    TRY(repr_add_tp_name(repr, object));
    text_add_char(repr->text, '(');
    add_date(repr, get_date(data));
    text_add_string(repr->text, ", ");
    add_time(repr, get_time(data + DATE_SIZE));
    TRY(add_fold(repr, object->address, F(PyDateTime_DateTime_fold)));
    TRY(add_tzinfo(repr, object->address, F(PyDateTime_DateTime_hastzinfo), F(PyDateTime_DateTime_tzinfo)));
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- timedelta ------------------------------------------------------------------------------------------- */

static void add_positions(struct repr *repr, int days, int seconds, int microseconds)
{
    text_printf(repr->text, "%d", days);
    if (seconds || microseconds)
        text_printf(repr->text, ", %d", seconds);
    if (microseconds)
        text_printf(repr->text, ", %d", microseconds);
}

static void add_keywords(struct repr *repr, int days, int seconds, int microseconds)
{
    if (!days && !seconds && !microseconds)
        text_add_char(repr->text, '0');
    if (days)
        text_printf(repr->text, "days=%d", days);
    if (seconds)
        text_printf(repr->text, "%sseconds=%d", days ? ", " : "", seconds);
    if (microseconds)
        text_printf(repr->text, "%smicroseconds=%d", days || seconds ? ", " : "", microseconds);
}

static pst_error *read_delta(const struct repr *repr, pst_addr delta, int *days, int *seconds, int *microseconds)
{
    TRY(field_int(repr->python, delta, F(PyDateTime_Delta_days), days));
    TRY(field_int(repr->python, delta, F(PyDateTime_Delta_seconds), seconds));
    return field_int(repr->python, delta, F(PyDateTime_Delta_microseconds), microseconds);
}

/* delta_repr(): with keywords since 3.7. */
pst_error *repr_add_timedelta(struct repr *repr, const struct instance *object)
{
    int days, seconds, microseconds;
    TRY(read_delta(repr, object->address, &days, &seconds, &microseconds));
    TRY(repr_add_tp_name(repr, object));
    text_add_char(repr->text, '(');
    (python_minor_version(repr->python) >= 307 ? add_keywords : add_positions)(repr, days, seconds, microseconds);
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- time zones ------------------------------------------------------------------------------------------ */

/* new_timezone(): there is no other than UTC of offset 0 and without a name. */
static pst_error *is_utc(const struct repr *repr, pst_addr offset, pst_addr name, bool *yes)
{
    int days, seconds, microseconds;
    TRY(read_delta(repr, offset, &days, &seconds, &microseconds));
    *yes = !name && !days && !seconds && !microseconds;
    return NULL;
}

pst_error *repr_add_timezone(struct repr *repr, const struct instance *object)
{
    pst_addr offset, name;
    bool utc;
    TRY(field_address(repr->python, object->address, F(PyDateTime_TimeZone_offset), &offset));
    TRY(field_address(repr->python, object->address, F(PyDateTime_TimeZone_name), &name));
    TRY(is_utc(repr, offset, name, &utc));
    TRY(repr_add_tp_name(repr, object));
    if (utc) {
        text_add_string(repr->text, ".utc");
        return NULL;
    }
    text_add_char(repr->text, '(');
    TRY(repr_add_object(repr, offset));
    if (name) {
        text_add_string(repr->text, ", ");
        TRY(repr_add_object(repr, name));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* zoneinfo_repr(): "%T", the class with its module, since 3.14. */
pst_error *repr_add_zoneinfo(struct repr *repr, const struct instance *object)
{
    pst_addr key;
    enum value_kind kind;
    TRY(field_address(repr->python, object->address, F(PyZoneInfo_ZoneInfo_key), &key));
    TRY(value_get_kind(repr->python, key, &kind));
    if (python_minor_version(repr->python) >= 314)
        repr_add_full_name(repr, object->type);
    else
        TRY(repr_add_tp_name(repr, object));
    if (kind != VALUE_NONE) {
        text_add_string(repr->text, "(key=");
        TRY(repr_add_object(repr, key));
    } else {
        pst_addr file;
        TRY(field_address(repr->python, object->address, F(PyZoneInfo_ZoneInfo_file_repr), &file));
        text_add_string(repr->text, ".from_file(");
        TRY(repr_add_name(repr, file));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* iso_calendar_date_repr(): a tuple, but in name. */
pst_error *repr_add_isocalendardate(struct repr *repr, const struct instance *object)
{
    static const char *const names[] = {"(year=", ", week=", ", weekday="};
    pst_addr items;
    int64_t count;
    TRY(field_place(repr->python, object->address, F(PyTupleObject_ob_item), &items));
    TRY(field_signed(repr->python, object->address, F(PyVarObject_ob_size), &count));
    if (count != 3)
        return error_new(PST_ERROR_CORRUPT, "a date of %lld parts", (long long)count);
    TRY(repr_add_tp_name(repr, object));
    for (size_t i = 0; i < 3; i++) {
        pst_addr item;
        TRY(pointer_at(repr->python, items, i, &item));
        text_add_string(repr->text, names[i]);
        TRY(repr_add_object(repr, item));
    }
    text_add_char(repr->text, ')');
    return NULL;
}

/* ---- str() ------------------------------------------------------------------------------------------------- */

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, MILLION = 1000000 };

static void add_iso_date(struct repr *repr, struct date date)
{
    text_printf(repr->text, "%04u-%02u-%02u", date.year, date.month, date.day);
}

static void add_iso_time(struct repr *repr, struct time time)
{
    text_printf(repr->text, "%02u:%02u:%02u", time.hour, time.minute, time.second);
    if (time.microsecond)
        text_printf(repr->text, ".%06u", time.microsecond);
}

/* format_utcoffset(): "+01:00", with seconds if there are any. */
static pst_error *add_offset(struct repr *repr, pst_addr delta)
{
    int days, seconds, microseconds;
    TRY(read_delta(repr, delta, &days, &seconds, &microseconds));
    if (days < -1 || days > 0)
        return error_new(PST_ERROR_CORRUPT, "a time zone that is %d days off", days);
    int64_t offset = ((int64_t)days * DAY + seconds) * MILLION + microseconds;
    text_add_char(repr->text, offset < 0 ? '-' : '+');
    offset = offset < 0 ? -offset : offset;
    int64_t second = offset / MILLION;
    text_printf(repr->text, "%02lld:%02lld", (long long)(second / HOUR), (long long)(second / MINUTE % MINUTE));
    if (second % MINUTE || offset % MILLION)
        text_printf(repr->text, ":%02lld", (long long)(second % MINUTE));
    if (offset % MILLION)
        text_printf(repr->text, ".%06lld", (long long)(offset % MILLION));
    return NULL;
}

/* The offset of a time zone that is one of C's; *there is false: Python code would have to be asked. */
static pst_error *find_offset(struct repr *repr, pst_addr object, enum field has_field, enum field field,
                              pst_addr *offset, bool *there)
{
    uint64_t has_tzinfo;
    pst_addr tzinfo, type;
    pst_text name;
    *there = true;
    *offset = 0;
    TRY(field_unsigned(repr->python, object, has_field, &has_tzinfo));
    if (!has_tzinfo)
        return NULL;
    TRY(field_address(repr->python, object, field, &tzinfo));
    TRY(object_get_type(repr->python, tzinfo, &type));
    TRY(type_read_tp_name(repr->types, type, &name));
    *there = text_is(name, "datetime.timezone");
    return *there ? field_address(repr->python, tzinfo, F(PyDateTime_TimeZone_offset), offset) : NULL;
}

pst_error *str_add_date(struct repr *repr, const struct instance *object)
{
    uint8_t data[DATE_SIZE];
    TRY(read_data(repr, object->address, F(PyDateTime_Date_data), data, sizeof data));
    add_iso_date(repr, get_date(data));
    return NULL;
}

pst_error *str_add_time(struct repr *repr, const struct instance *object, bool *there)
{
    uint8_t data[TIME_SIZE];
    pst_addr offset;
    TRY(read_data(repr, object->address, F(PyDateTime_Time_data), data, sizeof data));
    TRY(find_offset(repr, object->address, F(PyDateTime_Time_hastzinfo), F(PyDateTime_Time_tzinfo), &offset, there));
    if (!*there)
        return NULL;
    add_iso_time(repr, get_time(data));
    return offset ? add_offset(repr, offset) : NULL;
}

pst_error *str_add_datetime(struct repr *repr, const struct instance *object, bool *there)
{
    uint8_t data[DATE_SIZE + TIME_SIZE];
    pst_addr offset;
    TRY(read_data(repr, object->address, F(PyDateTime_DateTime_data), data, sizeof data));
    TRY(find_offset(repr, object->address, F(PyDateTime_DateTime_hastzinfo), F(PyDateTime_DateTime_tzinfo), &offset,
                    there));
    if (!*there)
        return NULL;
    add_iso_date(repr, get_date(data));
    text_add_char(repr->text, ' ');
    add_iso_time(repr, get_time(data + DATE_SIZE));
    return offset ? add_offset(repr, offset) : NULL;
}

/* delta_str(): "-1 day, 23:59:59.000001" */
pst_error *str_add_timedelta(struct repr *repr, const struct instance *object)
{
    int days, seconds, microseconds;
    TRY(read_delta(repr, object->address, &days, &seconds, &microseconds));
    if (days)
        text_printf(repr->text, "%d day%s, ", days, days == 1 || days == -1 ? "" : "s");
    text_printf(repr->text, "%d:%02d:%02d", seconds / HOUR, seconds / MINUTE % MINUTE, seconds % MINUTE);
    if (microseconds)
        text_printf(repr->text, ".%06d", microseconds);
    return NULL;
}

/* timezone_str() */
pst_error *str_add_timezone(struct repr *repr, const struct instance *object)
{
    pst_addr offset, name;
    bool utc;
    TRY(field_address(repr->python, object->address, F(PyDateTime_TimeZone_offset), &offset));
    TRY(field_address(repr->python, object->address, F(PyDateTime_TimeZone_name), &name));
    if (name)
        return repr_add_name(repr, name);
    TRY(is_utc(repr, offset, name, &utc));
    text_add_string(repr->text, "UTC");
    return utc ? NULL : add_offset(repr, offset);
}
