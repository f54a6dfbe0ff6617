/* limits.c - the limits, their defaults, and what is said when one is passed. */
#include "nabla/limits.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct nb_limits nb_limits = {
#define LIMIT(name, def, min, max, help) .name = def,
#include "nabla/limits.def"
#undef LIMIT
};

static struct row {
    const char *name;
    char option[40];
} rows[] = {
#define LIMIT(name, def, min, max, help) {#name, "--limit-" #name},
#include "nabla/limits.def"
#undef LIMIT
};
enum { NROWS = sizeof rows / sizeof *rows };
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void write_options(void)
{
    for (int i = 0; i < NROWS; i++)
        for (char *p = rows[i].option; *p; p++)
            if (*p == '_')
                *p = '-';
}

int nb_fail_limit(struct nb_error *e, const char *name, int64_t limit, int64_t came)
{
    if (e->code)
        return -1;
    pthread_once(&once, write_options);
    nb_fail(e, NB_E_limit, "%s: %lld, the limit is %lld", name, (long long)came, (long long)limit);
    for (int i = 0; i < NROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            e->option = rows[i].option;
    return -1;
}
