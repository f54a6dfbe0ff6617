/* registry.c - all modules in one row, and by name. */
#include "nabla/module.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Written by make (src/modules/table.sh). */
extern const struct nb_module *const nb_module_files_f[];
extern const struct nb_module *const nb_module_files_d[];
extern const struct nb_module *const nb_module_files_z[];

enum { MOST = 2048 };
static const struct nb_module *modules[3][MOST];
static int count;
static int by_name[MOST]; /* indexes, sorted by type */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int flatten(const struct nb_module *const *files, const struct nb_module **to)
{
    int n = 0;
    for (; *files; files++)
        for (const struct nb_module *m = *files; m->type; m++) {
            if (n == MOST) {
                fprintf(stderr, "more than %d modules: enlarge MOST in registry.c\n", MOST);
                abort();
            }
            to[n++] = m;
        }
    return n;
}

static int compare(const void *a, const void *b)
{
    return strcmp(modules[NB_F64][*(const int *)a]->type, modules[NB_F64][*(const int *)b]->type);
}

static void start(void)
{
    flatten(nb_module_files_f, modules[NB_F32]);
    flatten(nb_module_files_z, modules[NB_C128]);
    count = flatten(nb_module_files_d, modules[NB_F64]);
    for (int i = 0; i < count; i++)
        by_name[i] = i;
    qsort(by_name, (size_t)count, sizeof *by_name, compare);
}

int nb_module_count(void)
{
    pthread_once(&once, start);
    return count;
}

const struct nb_module *nb_module_at(enum nb_dtype build, int index)
{
    pthread_once(&once, start);
    return modules[build][index];
}

int nb_module_find(const char *type)
{
    int low = 0, high = nb_module_count();
    while (low < high) {
        int mid = (low + high) / 2, c = strcmp(type, modules[NB_F64][by_name[mid]]->type);
        if (c == 0)
            return by_name[mid];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return -1;
}

const struct nb_port *nb_port_at(const struct nb_module *m, int i)
{
    const struct nb_port *p = m->inputs;
    while (p && p->name && i > 0 && !(p->flags & NB_VARIADIC)) {
        p++;
        i--;
    }
    return p && p->name ? p : NULL;
}
