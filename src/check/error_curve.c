/* error_curve - the V: large steps bend away from the slope, small ones drown in rounding. */
#include "check/checker.h"
#include <math.h>
#include <string.h>

/* The leaf that looks worst, by verdict and then by its largest error. */
static struct nb_leaf *worst_leaf(struct nb_checker *k)
{
    struct nb_leaf *worst = NULL;
    for (int i = 0; i < k->nleaf; i++) {
        const struct nb_checked *c = k->leaf[i].out, *w = worst ? worst->out : NULL;
        if (!c->judged || c->worst < 0 || !isfinite(c->value[c->worst]))
            continue;
        if (!w || c->verdict > w->verdict || (c->verdict == w->verdict && c->largest_error > w->largest_error))
            worst = &k->leaf[i];
    }
    return worst;
}

/* The outputs with entry i of the leaf at x. */
static int outputs_at(struct nb_oracle *o, double *entry, double x, double **to, struct nb_error *e)
{
    double keep = *entry;
    *entry = x;
    int bad = nb_session_forward(&o->d, e);
    *entry = keep;
    for (int k = 0; k < o->nout && !bad; k++) {
        size_t n = (size_t)nb_count(&o->d.plan->net.values.v[o->out[k]].shape);
        memcpy(to[k], o->d.data[o->out[k]], n * sizeof(double));
    }
    return bad ? -1 : 0;
}

/* NaN where there is none: a forward may refuse a point so far away. */
static double quotient(struct nb_oracle *o, double *entry, double h)
{
    struct nb_error refused = {0};
    volatile double up = *entry + h, down = *entry - h; /* what is really stepped */
    double sum = 0;
    if (outputs_at(o, entry, up, o->plus, &refused) || outputs_at(o, entry, down, o->minus, &refused))
        return NAN;
    for (int k = 0; k < o->nout; k++)
        for (int64_t j = 0; j < nb_count(&o->d.plan->net.values.v[o->out[k]].shape); j++)
            sum += o->g[k][j] * ((o->plus[k][j] - o->minus[k][j]) / (up - down));
    return sum;
}

static void measure(struct nb_oracle *o, double *entry, double value, double scale, struct nb_error_curve *c)
{
    double x = fabs(*entry), h = exp2(floor(log2(x > 1 ? x : 1)));
    c->n = 0;
    for (int k = 0; k < NB_CURVE_POINTS; k++, h /= 2) {
        double d = fabs(quotient(o, entry, h) - value);
        if (!isfinite(d))
            continue;
        c->h[c->n] = h;
        c->error[c->n++] = d / scale;
    }
}

/* The step on which the difference oracle settles here, and its bar. */
static int settle(struct nb_checker *k, const struct nb_leaf *l, size_t i, struct nb_error_curve *c, struct nb_error *e)
{
    struct nb_estimate d;
    if (l->d)
        d = l->d[i];
    else if (nb_differences(k->oracle, l->value, i, l->slope, l->reach, &d, e))
        return -1;
    c->used = d.found ? d.h : 0;
    c->bar = d.found ? d.bar : 0;
    return 0;
}

int nb_error_curve(struct nb_checker *k, struct nb_error *e)
{
    const struct nb_leaf *l = worst_leaf(k);
    if (!l)
        return 0;
    struct nb_checked *c = l->out;
    if (settle(k, l, (size_t)c->worst, &c->curve, e))
        return -1;
    double value = c->value[c->worst], *x = k->oracle->d.data[l->value];
    measure(k->oracle, &x[c->worst], value, fabs(value) > nb_bar_of(c, c->worst) ? fabs(value) : 1, &c->curve);
    return 0;
}
