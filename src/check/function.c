/* function - formulas that a user gave are judged at several points: at one of them they may be right by luck.
 *
 * At the others everything is drawn that may be: inputs, batches of one, learned tensors, which often start as zeros or
 * ones; and cotangents at the outputs of the user's modules themselves, so that no other term drowns what they say. */
#include "check/checker.h"
#include "check/point.h"
#include <string.h>

enum { POINTS = 3 };

/* Numbers are right or wrong where they are; formulas everywhere. */
static bool is_function(const struct nb_checker *k)
{
    return !k->c->gradients_given && !k->c->jacobian && nb_net_given(&k->p->plan.net);
}

/* ---- another point ----------------------------------------------------------------------------------------------- */

/* The same sizes, but a batch of one hides too much; sizes that were asked for stay. */
static int keep_sizes(const struct nb_checker *k, struct nb_run *run, struct nb_error *e)
{
    const struct nb_net *net = &k->p->plan.net;
    run->dims.n = 0;
    run->dims.name = nb_small(k->arena, net->symbols.n + 1, sizeof *run->dims.name, e);
    run->dims.size = nb_small(k->arena, net->symbols.n + 1, sizeof *run->dims.size, e);
    if (!run->dims.name || !run->dims.size)
        return -1;
    for (size_t i = 0; i < net->symbols.n; i++) {
        if (net->size[i] == 1 && !k->c->run.dims.n)
            continue;
        run->dims.name[run->dims.n] = net->symbols.v[i];
        run->dims.size[run->dims.n++] = net->size[i];
    }
    return 0;
}

/* Integers stay: they are classes and places. */
static int keep_integers(const struct nb_checker *k, struct nb_run *run, struct nb_error *e)
{
    const struct nb_net *net = &k->p->plan.net;
    run->inputs = (struct nb_tensors){0};
    for (size_t i = 0; i < k->c->run.inputs.n; i++) {
        const struct nb_named *x = &k->c->run.inputs.v[i];
        int in = nb_net_input(net, x->name);
        if (in >= 0 && net->values.v[net->inputs.v[in].value].integer &&
            nb_tensors_add(k->arena, &run->inputs, x->name, x->t, e))
            return -1;
    }
    return 0;
}

static int open_again(const struct nb_checker *k, struct nb_run *run, struct nb_error *e)
{
    *run = k->c->run;
    run->loss = NULL;
    run->cotangents = (struct nb_tensors){0};
    run->cotangents_given = false;
    run->wrt = (struct nb_strings_list){(size_t)k->p->plan.wants.nwrt, k->p->wrt_name};
    run->wrt_given = true;
    return keep_sizes(k, run, e) || keep_integers(k, run, e) ? -1 : 0;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

/* Wrong at one point is wrong; right at one and untold at another is right. */
static void merge(struct nb_verdicts *v, const struct nb_verdicts *other)
{
    bool worse = other->verdict == NB_WRONG && v->verdict != NB_WRONG;
    for (size_t i = 0; i < v->n && i < other->n; i++)
        if (other->v[i].verdict == NB_WRONG || (v->v[i].verdict == NB_CANNOT_TELL && other->v[i].verdict == NB_RIGHT))
            v->v[i] = other->v[i];
    v->self_ok &= other->self_ok;
    v->facts.points++;
    if (other->has_shadow && other->shadow > v->shadow)
        v->shadow = other->shadow;
    if (worse) {
        v->point = other->point;
        v->cotangents = other->cotangents;
    }
    v->verdict = v->n ? NB_RIGHT : NB_CANNOT_TELL;
    for (size_t i = 0; i < v->n; i++)
        v->verdict = v->v[i].verdict > v->verdict ? v->v[i].verdict : v->verdict;
}

/* Another point may not be drawable, or not be one the modules take: then it says nothing. */
static int check_again(struct nb_checker *first, int which, struct nb_error *e)
{
    struct nb_verdicts v = {0};
    struct nb_checker k = {.c = first->c,
                           .arena = first->arena,
                           .v = &v,
                           .chunks = first->chunks,
                           .rho = first->rho,
                           .r_max = first->r_max,
                           .which = which};
    if (open_again(first, &k.run, e) ||
        !(k.g = nb_point_learned(first->g, &first->p->plan.net, first->run.seed, which, first->arena, e)))
        return -1;
    int bad = nb_check_at(&k, which, e);
    nb_checker_release(&k);
    nb_graph_unref(k.g);
    first->chunks = k.chunks;
    if (!bad)
        merge(first->v, &v);
    else if (e->code == NB_E_cancelled || e->code == NB_E_limit || e->code == NB_E_out_of_memory)
        return -1;
    else
        *e = (struct nb_error){0};
    return 0;
}

/* What could be seen at none of the points says nothing about the function. */
static void name_degenerate(struct nb_verdicts *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->v[i].verdict == NB_CANNOT_TELL &&
            (v->v[i].reason == NB_WHY_silent || v->v[i].reason == NB_WHY_zero_cotangent))
            v->v[i].reason = NB_WHY_degenerate_point;
}

int nb_check_function(struct nb_checker *first, struct nb_error *e)
{
    if (!is_function(first))
        return 0;
    for (int i = 1; i < POINTS && first->v->verdict != NB_WRONG; i++)
        if (check_again(first, i, e))
            return -1;
    name_degenerate(first->v);
    return 0;
}
