/* edges - asked for twice: how many there are, and which. */
#include "check/edges.h"

int nb_edges_collect(const struct nb_module *m, const struct nb_call *c, struct nb_arena *a, struct nb_branches *b,
                     struct nb_error *e)
{
    *b = (struct nb_branches){0};
    if (!m->branches)
        return 0;
    m->branches(c, b);
    if (!b->count)
        return 0;
    *b = (struct nb_branches){.room = b->count};
    if (!(b->edge = nb_alloc(a, (size_t)b->room, sizeof *b->edge, e)))
        return -1;
    m->branches(c, b);
    return 0;
}

bool nb_edges_hold(const struct nb_branches *b, int port, int64_t index)
{
    for (int64_t i = 0; i < b->count; i++)
        if (b->edge[i].index == index && b->edge[i].port == port)
            return true;
    return false;
}
