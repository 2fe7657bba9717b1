/* time.c - the date by a format, as strftime writes it in the C locale. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <stdio.h>

struct date {
    int64_t year;
    int month, day;    /* 1..12, 1..31 */
    int weekday, yday; /* 0 = Sunday, 0 = 1 January */
    int hour, minute, second;
};

/* Days since 1970-01-01 to a date, by eras of 400 years that begin on 1 March. */
static struct date date_of(int64_t now)
{
    const int64_t limit = (int64_t)1 << 50; /* 35 million years */
    now = now > limit ? limit : now < -limit ? -limit : now;
    const int64_t days = now / 86400 - (now % 86400 < 0), z = days + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
                  doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int mp = (int)((5 * doy + 2) / 153), rest = (int)(now - days * 86400);
    struct date d = { .day = (int)(doy - (153 * mp + 2) / 5) + 1,
                      .month = mp < 10 ? mp + 3 : mp - 9,
                      .weekday = (int)(((days + 4) % 7 + 7) % 7),
                      .hour = rest / 3600,
                      .minute = rest / 60 % 60,
                      .second = rest % 60 };
    d.year = yoe + era * 400 + (d.month <= 2);
    const bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
    d.yday = d.month > 2 ? (int)doy + 59 + leap : (int)doy - 306;
    return d;
}

static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "January", "February", "March",     "April",   "May",      "June",
                                      "July",    "August",   "September", "October", "November", "December" };

static void put_format(struct render *r, const struct date *d, struct text s);

/* Numbers with their width and what they are padded with; '-' before the letter takes the padding away. */
static bool put_date_number(struct render *r, const struct date *d, char letter, bool bare)
{
    const int hour12 = d->hour % 12 ? d->hour % 12 : 12;
    const struct {
        char letter, pad;
        int width;
        int64_t value;
    } rows[] = {
        { 'd', '0', 2, d->day },    { 'e', ' ', 2, d->day },     { 'm', '0', 2, d->month },
        { 'Y', '0', 4, d->year },   { 'y', '0', 2, d->year % 100 }, { 'C', '0', 2, d->year / 100 },
        { 'H', '0', 2, d->hour },   { 'k', ' ', 2, d->hour },    { 'I', '0', 2, hour12 },
        { 'l', ' ', 2, hour12 },    { 'M', '0', 2, d->minute },  { 'S', '0', 2, d->second },
        { 'j', '0', 3, d->yday + 1 }, { 'f', '0', 6, 0 },        { 'w', '0', 1, d->weekday },
        { 'u', '0', 1, d->weekday ? d->weekday : 7 },            { 'U', '0', 2, (d->yday + 7 - d->weekday) / 7 },
        { 'W', '0', 2, (d->yday + 7 - (d->weekday + 6) % 7) / 7 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].letter == letter) {
            char digits[24];
            const int n = snprintf(digits, sizeof digits, "%lld", (long long)rows[i].value);
            put_padded(r, (struct text){ digits, (size_t)n }, bare ? 0 : rows[i].width, '>', (uint32_t)rows[i].pad);
            return true;
        }
    return false;
}

static bool put_date_text(struct render *r, const struct date *d, char letter)
{
    const char *const half = d->hour < 12 ? "AM" : "PM";
    const struct {
        char letter;
        const char *text, *format; /* one of them */
        size_t n;                  /* of text; 0: all */
    } rows[] = {
        { 'a', days[d->weekday], NULL, 3 },    { 'A', days[d->weekday], NULL, 0 },
        { 'b', months[d->month - 1], NULL, 3 }, { 'h', months[d->month - 1], NULL, 3 },
        { 'B', months[d->month - 1], NULL, 0 }, { 'p', half, NULL, 0 },
        { 'n', "\n", NULL, 0 },                { 't', "\t", NULL, 0 },
        { '%', "%", NULL, 0 },                 { 'z', "", NULL, 0 },
        { 'Z', "", NULL, 0 },                  { 'D', NULL, "%m/%d/%y", 0 },
        { 'x', NULL, "%m/%d/%y", 0 },          { 'F', NULL, "%Y-%m-%d", 0 },
        { 'T', NULL, "%H:%M:%S", 0 },          { 'X', NULL, "%H:%M:%S", 0 },
        { 'R', NULL, "%H:%M", 0 },             { 'r', NULL, "%I:%M:%S %p", 0 },
        { 'c', NULL, "%a %b %e %H:%M:%S %Y", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].letter == letter) {
            if (rows[i].format)
                put_format(r, d, text_of(rows[i].format));
            else
                put_bytes(r, rows[i].text, rows[i].n ? rows[i].n : strlen(rows[i].text));
            return true;
        }
    return false;
}

static void put_format(struct render *r, const struct date *d, struct text s)
{
    for (size_t i = 0; i < s.n && render_charge(r, 1); i++) {
        const size_t bare = i + 2 < s.n && (s.p[i + 1] == '-' || s.p[i + 1] == '#');
        const size_t at = i + 1 + bare;
        if (s.p[i] == '%' && at < s.n && (put_date_number(r, d, s.p[at], bare) || put_date_text(r, d, s.p[at])))
            i = at;
        else
            put_char(r, s.p[i]);
    }
}

struct value format_time(struct render *r, struct text format, int64_t now)
{
    const struct date d = date_of(now);
    const size_t mark = r->n_out;
    put_format(r, &d, format);
    return put_taken(r, mark);
}
