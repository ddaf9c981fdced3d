#include "report/calendar.h"

enum { SECONDS_OF_DAY = 86400 };

struct date {
    int year;
    unsigned month, day;   /* from 1 on */
};

/* Counts years from 1 March, so that a leap day ends one; an era are the 400 years after which all days repeat. */
static struct date date_of(int64_t days_since_1970)
{
    enum { DAYS_OF_ERA = 146097, DAYS_TO_1970 = 719468 /* from 1 March of the year 0 */ };
    int64_t days = days_since_1970 + DAYS_TO_1970, era = days / DAYS_OF_ERA;
    unsigned day = (unsigned)(days % DAYS_OF_ERA);
    unsigned year = (day - day / 1460 + day / 36524 - day / (DAYS_OF_ERA - 1)) / 365;
    unsigned day_of_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day_of_year + 2) / 153;
    return (struct date){
        .year = (int)(era * 400 + year + (month >= 10)),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
    };
}

bool calendar_has(int64_t seconds)
{
    const int64_t first = -62135596800, last = 253402300799; /* of the years 1 and 9999 */
    return seconds >= first && seconds <= last;
}

void calendar_add(struct text *text, int64_t seconds, const char *between, const char *after)
{
    int64_t days = seconds / SECONDS_OF_DAY;
    if (days * SECONDS_OF_DAY > seconds)
        days--;
    unsigned second = (unsigned)(seconds - days * SECONDS_OF_DAY);
    struct date date = date_of(days);
    text_printf(text, "%04d-%02u-%02u%s%02u:%02u:%02u%s", date.year, date.month, date.day, between, second / 3600,
                second / 60 % 60, second % 60, after);
}
