/* times.h - seconds since 1970 as RFC 3339 writes them, and back. */
#ifndef NABLA_TIMES_H
#define NABLA_TIMES_H
#include <stdint.h>

enum { NB_TIME = 25 };

/* "2026-11-23T10:15:42Z"; returns buf. */
const char *nb_time_text(int64_t seconds, char buf[NB_TIME]);
/* The same, or with an offset like +01:00; a fraction of a second is cut off. -1: it is no time. */
int nb_time_read(const char *text, int64_t *seconds);

#endif
