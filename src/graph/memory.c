/* memory - places for numbers that live for a while: the first gap that is large enough. */
#include "graph/plan.h"
#include <string.h>

/* Spans that live now, by offset. */
struct live {
    struct nb_span **v;
    int n;
};

static void drop_dead(struct live *l, int now)
{
    int kept = 0;
    for (int i = 0; i < l->n; i++)
        if (l->v[i]->to >= now)
            l->v[kept++] = l->v[i];
    l->n = kept;
}

static void place(struct live *l, struct nb_span *s)
{
    size_t at = 0;
    int i = 0;
    while (i < l->n && l->v[i]->offset < at + s->size) {
        at = l->v[i]->offset + l->v[i]->size;
        i++;
    }
    s->offset = at;
    memmove(l->v + i + 1, l->v + i, (size_t)(l->n - i) * sizeof *l->v);
    l->v[i] = s;
    l->n++;
}

int nb_memory_assign(struct nb_span *spans, int n, struct nb_arena *a, size_t *total, struct nb_error *e)
{
    struct live l = {nb_small(a, (size_t)n + 1, sizeof *l.v, e), 0};
    if (!l.v)
        return -1;
    *total = 0;
    for (int i = 0; i < n; i++) {
        drop_dead(&l, spans[i].from);
        place(&l, &spans[i]);
        if (spans[i].offset + spans[i].size > *total)
            *total = spans[i].offset + spans[i].size;
    }
    return 0;
}
