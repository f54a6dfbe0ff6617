/* planted.h - for tests: a dozen mistakes planted in the gradients of every case of a module, and what the checker
 * makes of them. Inline: no test uses all of it. */
#ifndef TEST_PLANTED_H
#define TEST_PLANTED_H
#include "case_graphs.h"

/* ---- mistakes -------------------------------------------------------------------------------------------------- */

/* A right gradient, and what a mistake needs to know. */
struct truth {
    size_t n;
    const double *g; /* the gradient */
    const double *x; /* the values of the tensor itself, or NULL */
    struct nb_shape shape;
    const double *ones,
        *fewer; /* the gradient for cotangents of ones; without the last sample's; NULL: there is none */
};

static void scale(const struct truth *t, double factor, double *to)
{
    for (size_t i = 0; i < t->n; i++)
        to[i] = t->g[i] * factor;
}

static void plant_sign(const struct truth *t, double *to)
{
    scale(t, -1, to);
}

static void plant_factor_2(const struct truth *t, double *to)
{
    scale(t, 2, to);
}

static void plant_factor_n(const struct truth *t, double *to)
{
    scale(t, t->shape.rank ? (double)t->shape.dim[0] : 1, to);
}

/* A hyper-parameter that is not in the formula. */
static void plant_forgotten_constant(const struct truth *t, double *to)
{
    scale(t, 0.99, to);
}

static void plant_nothing(const struct truth *t, double *to)
{
    scale(t, 0, to);
}

/* The last two dimensions, the numbers put back into the old shape. */
static void plant_transposed(const struct truth *t, double *to)
{
    int r = t->shape.rank;
    size_t rows = r > 1 ? (size_t)t->shape.dim[r - 2] : 1, cols = r > 1 ? (size_t)t->shape.dim[r - 1] : t->n;
    for (size_t i = 0; i < t->n; i++) {
        size_t k = i % (rows * cols);
        to[i] = t->g[i - k + k % rows * cols + k / rows];
    }
}

static void plant_missing_sum(const struct truth *t, double *to)
{
    memcpy(to, t->fewer ? t->fewer : t->g, t->n * sizeof *to);
}

static void plant_ignored_cotangent(const struct truth *t, double *to)
{
    memcpy(to, t->ones ? t->ones : t->g, t->n * sizeof *to);
}

/* Zero where the tensor is negative. */
static void plant_wrong_mask(const struct truth *t, double *to)
{
    for (size_t i = 0; i < t->n; i++)
        to[i] = t->x && t->x[i] < 0 ? 0 : t->g[i];
}

static void plant_off_by_one(const struct truth *t, double *to)
{
    for (size_t i = 0; i < t->n; i++)
        to[i] = t->g[(i + 1) % t->n];
}

static double greatest(const struct truth *t)
{
    double most = 0;
    for (size_t i = 0; i < t->n; i++)
        most = fmax(most, fabs(t->g[i]));
    return most;
}

static void plant_last_entry(const struct truth *t, double *to)
{
    scale(t, 1, to);
    to[t->n - 1] += 1e-6 * greatest(t);
}

static void plant_one_entry(const struct truth *t, double *to)
{
    scale(t, 1, to);
    size_t most = 0;
    for (size_t i = 0; i < t->n; i++)
        most = fabs(to[i]) > fabs(to[most]) ? i : most;
    to[most] *= 1 + 1e-8;
}

static void plant_not_a_number(const struct truth *t, double *to)
{
    scale(t, 1, to);
    to[t->n / 2] = NAN;
}

static const struct mistake {
    const char *name;
    void (*plant)(const struct truth *t, double *to);
} mistakes[] = {{"sign", plant_sign},
                {"factor 2", plant_factor_2},
                {"factor N", plant_factor_n},
                {"a constant forgotten", plant_forgotten_constant},
                {"nothing", plant_nothing},
                {"transposed", plant_transposed},
                {"missing sum", plant_missing_sum},
                {"ignored cotangent", plant_ignored_cotangent},
                {"wrong mask", plant_wrong_mask},
                {"off by one", plant_off_by_one},
                {"last entry", plant_last_entry},
                {"one entry", plant_one_entry},
                {"not a number", plant_not_a_number}};
enum { MISTAKES = sizeof mistakes / sizeof *mistakes };

/* ---- a case ---------------------------------------------------------------------------------------------------- */

struct score {
    int planted[MISTAKES];
    int accepted; /* mistakes that were not called wrong */
    int rejected; /* right gradients that were not called right */
    int unjudged; /* tensors and checks of which entries were passed over */
    int accused;  /* checks in which the checker accused itself */
    char first[700];
};
static struct score score;

static int faults(void)
{
    return score.accepted + score.rejected + score.unjudged + score.accused;
}

static void fault(int *counter, const struct subject *s, const char *tensor, const char *what)
{
    ++*counter;
    if (!*score.first)
        snprintf(score.first, sizeof score.first, "%s, %s: %s", s->what, tensor, what);
}

static struct nb_verdicts judge(const struct subject *s, const struct nb_check *c)
{
    struct nb_verdicts v;
    ck_assert_msg(!nb_check_run(s->g, c, &arena, &v, &error), "%s: %s at %s: %s", s->what, nb_code_name(error.code),
                  error.pointer, error.detail);
    for (size_t i = 0; i < v.n; i++) {
        const struct nb_checked *t = &v.v[i];
        if (t->right + t->wrong + t->cannot_tell + t->silent != nb_count(&t->shape))
            fault(&score.unjudged, s, t->name, "not every entry was judged");
    }
    if (v.facts.judged != v.facts.asked)
        fault(&score.unjudged, s, "all", "fewer entries were judged than asked for");
    if (!v.self_ok)
        fault(&score.accused, s, "all", v.facts.fault ? v.facts.fault : "the oracles disagree");
    return v;
}

/* The drawn point as one that is given. */
static struct nb_check fixed(const struct subject *s, const struct nb_verdicts *v)
{
    struct nb_check c = s->check;
    c.run.inputs = v->point;
    c.run.cotangents = v->cotangents;
    c.run.cotangents_given = true;
    return c;
}

/* Cotangents of ones, or with zeros for the last sample: copies. */
static struct nb_tensors other_cotangents(const struct nb_tensors *from, bool ones)
{
    struct nb_tensors to = {0};
    for (size_t i = 0; i < from->n; i++) {
        struct nb_tensor t = from->v[i].t;
        size_t n = (size_t)nb_count(&t.shape), rows = t.shape.rank ? (size_t)t.shape.dim[0] : 1;
        double *g = nb_alloc(&arena, n, sizeof *g, &error);
        for (size_t k = 0; k < n; k++)
            g[k] = ones ? 1 : k < n - n / rows ? ((const double *)t.data)[k] : 0;
        t.data = g;
        ck_assert(!nb_tensors_add(&arena, &to, from->v[i].name, t, &error));
    }
    return to;
}

static struct nb_tensors gradients_for(const struct subject *s, const struct nb_check *c, bool ones)
{
    struct nb_run run = c->run;
    struct nb_result r;
    run.cotangents = other_cotangents(&c->run.cotangents, ones);
    ck_assert_msg(!nb_graph_backward(s->g, &run, &arena, &r, &error), "%s: %s", s->what, error.detail);
    return r.gradients;
}

/* One mistake in one tensor, judged; a mistake that changes nothing is none. */
static void try_mistake(const struct subject *s, const struct nb_check *at, const char *name, const struct truth *t,
                        int k)
{
    struct nb_check c = *at;
    struct nb_tensor wrong = {NB_F64, t->shape, nb_alloc(&arena, t->n, sizeof(double), &error)};
    double *to = wrong.data, most = greatest(t), change = 0;
    mistakes[k].plant(t, to);
    for (size_t i = 0; i < t->n; i++)
        change = fmax(change, isnan(to[i]) ? INFINITY : fabs(to[i] - t->g[i]) / fmax(fabs(t->g[i]), 1e-3 * most));
    if (!(change > 1e-9))
        return;
    score.planted[k]++;
    c.run.wrt = (struct nb_strings_list){1, &name};
    c.gradients_given = true;
    ck_assert(!nb_tensors_add(&arena, &c.gradients, name, wrong, &error));
    if (judge(s, &c).verdict != NB_WRONG)
        fault(&score.accepted, s, name, mistakes[k].name);
}

static int cases; /* of the module, so far: in the first all mistakes are planted, in the others every third */

static void plant_in(const struct subject *s, const struct nb_check *at, const struct nb_checked *right,
                     const struct nb_tensors *ones, const struct nb_tensors *fewer)
{
    const struct nb_tensor *x = nb_tensors_find(&at->run.inputs, right->name);
    struct truth t = {(size_t)nb_count(&right->shape),
                      right->candidate,
                      x ? x->data : NULL,
                      right->shape,
                      nb_tensors_find(ones, right->name)->data,
                      nb_tensors_find(fewer, right->name)->data};
    x = x ? x : nb_tensors_find(nb_graph_parameters(s->g), right->name);
    t.x = x && x->dtype == NB_F64 ? x->data : NULL;
    for (int k = 0; k < MISTAKES && greatest(&t) > 0; k++)
        if (cases == 0 || (k + cases) % 3 == 0)
            try_mistake(s, at, right->name, &t, k);
}

/* What is 0 but for rounding cannot be told from 0, where the rest of the tensor can. */
static bool right_but_for_zeros(const struct nb_checked *c)
{
    double most = 0;
    for (int64_t i = 0; i < nb_count(&c->shape); i++)
        most = fmax(most, fabs(c->candidate[i]));
    bool right = !c->wrong && c->judged;
    for (int64_t i = 0; i < nb_count(&c->shape) && right; i++)
        right = c->verdicts[i] == NB_RIGHT || fabs(c->candidate[i]) < 1e-14 * most;
    return right;
}

static void examine(struct subject *s)
{
    struct nb_verdicts v = judge(s, &s->check);
    struct nb_check at = fixed(s, &v);
    struct nb_tensors ones = gradients_for(s, &at, true), fewer = gradients_for(s, &at, false);
    for (size_t i = 0; i < v.n; i++) {
        if (v.v[i].verdict != NB_RIGHT && !right_but_for_zeros(&v.v[i]))
            fault(&score.rejected, s, v.v[i].name, "right, but not called so");
        plant_in(s, &at, &v.v[i], &ones, &fewer);
    }
    cases++;
}

#endif
