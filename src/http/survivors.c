/* survivors.c - the self-test of an assignment, told. */
#include "http/survivors.h"
#include <stdio.h>
#include <string.h>

static void put_planted(struct nb_writer *w, const struct nb_planted *p)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "code", p->code);
    if (p->tensor)
        nb_w_string_at(w, "tensor", p->tensor);
    if (p->node)
        nb_w_string_at(w, "node", p->node);
    nb_w_string_at(w, "what", p->what);
    nb_w_bool_at(w, "caught", p->caught);
    if (p->named_as)
        nb_w_string_at(w, "named", p->named_as);
    nb_w_close(w, '}');
}

void nb_w_selftest(struct nb_writer *w, const struct nb_selftest *t)
{
    nb_w_open(w, '{');
    nb_w_whole_at(w, "points", (int64_t)t->points);
    nb_w_whole_at(w, "planted", (int64_t)t->n);
    nb_w_whole_at(w, "survivors", (int64_t)t->survivors);
    nb_w_whole_at(w, "misnamed", (int64_t)t->misnamed);
    nb_w_key(w, "mistakes");
    nb_w_open(w, '[');
    for (size_t i = 0; i < t->n; i++)
        put_planted(w, &t->v[i]);
    nb_w_close(w, ']');
    nb_w_close(w, '}');
}

int nb_fail_survivors(const struct nb_selftest *t, struct nb_error *e)
{
    char list[500] = "";
    size_t n = 0;
    for (size_t i = 0; i < t->n && n < sizeof list - 120; i++) {
        const struct nb_planted *p = &t->v[i];
        if (!p->caught)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%.40s at %.60s", n ? ", " : "", p->code,
                                  p->node     ? p->node
                                  : p->tensor ? p->tensor
                                              : "the output");
    }
    return nb_fail(e, NB_E_survivors, "%zu of %zu planted mistakes would pass: %s; accept_survivors stores it even so",
                   t->survivors, t->n, list);
}
