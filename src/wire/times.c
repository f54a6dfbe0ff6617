/* times.c - times in text. */
#include "wire/times.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *nb_time_text(int64_t seconds, char buf[NB_TIME])
{
    struct tm t = {0};
    time_t at = (time_t)seconds;
    gmtime_r(&at, &t);
    strftime(buf, NB_TIME, "%Y-%m-%dT%H:%M:%SZ", &t);
    return buf;
}

/* "Z", "+01:00": seconds east of Greenwich. */
static int read_offset(const char *p, int *offset)
{
    int hours, minutes, n = 0;
    if (!strcmp(p, "Z") || !strcmp(p, "z"))
        return *offset = 0, 0;
    if ((*p != '+' && *p != '-') || sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 5 || p[6] ||
        hours > 23 || minutes > 59)
        return -1;
    *offset = (*p == '-' ? -60 : 60) * (60 * hours + minutes);
    return 0;
}

/* Has it digits where the pattern has 0, and the same elsewhere? */
static int fits(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++)
        if (*pattern == '0' ? *text < '0' || *text > '9' : *text != *pattern)
            return 0;
    return 1;
}

int nb_time_read(const char *text, int64_t *seconds)
{
    struct tm t = {0};
    int offset;
    if (!fits(text, "0000-00-00T00:00:00"))
        return -1;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec);
    const char *rest = text + 19;
    if (*rest == '.' && strspn(rest + 1, "0123456789"))
        rest += 1 + strspn(rest + 1, "0123456789");
    t.tm_year -= 1900;
    t.tm_mon--;
    struct tm kept = t;
    time_t at = timegm(&t); /* makes 2 March of 30 February */
    if (read_offset(rest, &offset) || kept.tm_mon != t.tm_mon || kept.tm_mday != t.tm_mday ||
        kept.tm_hour != t.tm_hour || kept.tm_min != t.tm_min || kept.tm_sec != t.tm_sec)
        return -1;
    *seconds = (int64_t)at - offset;
    return 0;
}
