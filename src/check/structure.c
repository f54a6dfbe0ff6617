/* structure - a whole graph node by node, then seen from outside: random directions and single coordinates. */
#include "check/checker.h"
#include "check/sweep.h"
#include "nabla/team.h"
#include <float.h>
#include <math.h>

enum { DIRECTIONS = 8, SPOTS = 4, SAMPLED_DIRECTIONS = 32, SAMPLED_SPOTS = 64, ROUNDING = 16, STIRS = 4 };
static const double UNSEEN = 0x1p-500; /* the squares of smaller numbers are lost */
static const double BUDGET = 2e11;     /* floating-point operations for the colours of one operand */

/* ---- directions ------------------------------------------------------------------------------------------------ */

struct direction {
    double sum, terms; /* of the outputs' answers times the cotangent */
    double claim, claim_terms, bar;
};
struct wiring {
    struct nb_checker *k;
    int per_leaf;
    const double **numbers; /* per leaf: what is claimed, or NULL */
    bool certified;         /* and the bars are those of the leaf's estimates; or there are none */
    struct direction *d;    /* per leaf and direction */
    double **signs;         /* per slot */
    struct nb_error *error;
};

static void draw_signs(const struct nb_checker *k, int leaf, int direction, double *v)
{
    nb_draw_signs(nb_stream_of(k->run.seed, "directions"), (uint64_t)leaf << 48 | (uint64_t)direction << 40,
                  k->leaf[leaf].n, v);
}

static void answer(const struct nb_oracle *o, struct direction *d)
{
    for (int k = 0; k < o->nout; k++) {
        const double _Complex *y = o->z.data[o->out[k]];
        for (int64_t j = 0; j < nb_count(&o->z.plan->net.values.v[o->out[k]].shape); j++) {
            double term = o->g[k][j] * (cimag(y[j]) / 0x1p-664);
            d->sum += term;
            d->terms += fabs(term);
        }
    }
}

/* The imaginary parts of all entries of a leaf, then none again. */
static void lean(struct nb_oracle *o, const struct nb_leaf *l, const double *signs, double h)
{
    double _Complex *x = o->z.data[l->value];
    for (size_t i = 0; i < l->n; i++)
        x[i] = CMPLX(creal(x[i]), h * signs[i]);
}

/* What numbers say about a direction. */
static void claim(const struct wiring *w, int leaf, const double *signs, struct direction *d)
{
    const struct nb_leaf *l = &w->k->leaf[leaf];
    const double *numbers = w->numbers[leaf];
    double var = 0;
    for (size_t i = 0; i < l->n; i++) {
        d->claim += numbers[i] * signs[i];
        d->claim_terms += fabs(numbers[i]);
    }
    for (size_t i = 0; i < l->n && w->certified; i++)
        var += l->z[i].bar * l->z[i].bar;
    d->bar = ROUNDING * DBL_EPSILON * (d->claim_terms + d->terms) + 4 * sqrt(var);
}

static void one_direction(void *context, int slot, int part)
{
    struct wiring *w = context;
    int leaf = part / w->per_leaf, direction = part % w->per_leaf;
    struct nb_oracle *o = &w->k->oracle[slot];
    struct nb_error *e = &w->error[slot];
    if (e->code || w->k->leaf[leaf].out->reason)
        return;
    draw_signs(w->k, leaf, direction, w->signs[slot]);
    lean(o, &w->k->leaf[leaf], w->signs[slot], 0x1p-664);
    o->complexes++;
    if (!nb_session_forward(&o->z, e))
        answer(o, &w->d[part]);
    lean(o, &w->k->leaf[leaf], w->signs[slot], 0);
    if (w->numbers[leaf])
        claim(w, leaf, w->signs[slot], &w->d[part]);
}

static int new_signs(struct wiring *w, struct nb_error *e)
{
    size_t most = 0;
    for (int i = 0; i < w->k->nleaf; i++)
        most = w->k->leaf[i].n > most ? w->k->leaf[i].n : most;
    if (!(w->signs = nb_small(w->k->arena, (size_t)w->k->slots, sizeof *w->signs, e)))
        return -1;
    for (int i = 0; i < w->k->slots; i++)
        if (!(w->signs[i] = nb_alloc(w->k->arena, most, sizeof **w->signs, e)))
            return -1;
    return 0;
}

/* By the team, if there is an oracle for each of it; the first error of a slot. */
static int run_parts(const struct nb_checker *k, void (*part)(void *context, int slot, int i), void *context, int n,
                     const struct nb_error *error, struct nb_error *e)
{
    if (k->slots > 1)
        nb_team_run(part, context, n);
    for (int i = 0; i < n && k->slots == 1; i++)
        part(context, 0, i);
    for (int i = 0; i < k->slots; i++)
        if (error[i].code) {
            *e = error[i];
            return -1;
        }
    return 0;
}

static int new_wiring(struct wiring *w, struct nb_checker *k, int per_leaf, struct nb_error *e)
{
    *w = (struct wiring){.k = k, .per_leaf = per_leaf};
    w->numbers = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *w->numbers, e);
    w->d = nb_zalloc(k->arena, (size_t)(k->nleaf * per_leaf) + 1, sizeof *w->d, e);
    w->error = nb_zalloc(k->arena, (size_t)k->slots, sizeof *w->error, e);
    return !w->numbers || !w->d || !w->error || new_signs(w, e) ? -1 : 0;
}

static int run_directions(struct wiring *w, struct nb_error *e)
{
    struct nb_checker *k = w->k;
    if (run_parts(k, one_direction, w, k->nleaf * w->per_leaf, w->error, e))
        return -1;
    k->v->facts.directions = w->per_leaf;
    return nb_chunk_done(&k->chunks, NULL, 0, 0, 0, e);
}

static bool contradicts(const struct direction *d)
{
    return isfinite(d->sum) && isfinite(d->claim) && isfinite(d->bar) && fabs(d->sum - d->claim) > d->bar;
}

/* What rounding may do where terms cancel that are as large as any gradient of the graph, or as slopes close by. */
static double beside_all(struct nb_checker *k, int leaf)
{
    double most = nb_companion_slope(k->oracle, k->leaf[leaf].value) * nb_oracle_weight(k->oracle);
    for (int i = 0; i < k->nleaf; i++)
        most = fmax(most, k->leaf[i].largest);
    return ROUNDING * DBL_EPSILON * most;
}

/* Before anyone is blamed: how the answer scatters when every number on the way moves by a unit in the last place. And
 * errors of single entries need not be independent, nor small because the gradients are. */
static int widen(struct wiring *w, int leaf, int direction, struct direction *d, struct nb_error *e)
{
    struct nb_oracle *o = w->k->oracle;
    double scatter = 0;
    draw_signs(w->k, leaf, direction, w->signs[0]);
    lean(o, &w->k->leaf[leaf], w->signs[0], 0x1p-664);
    for (uint64_t r = 1; r <= STIRS; r++) {
        struct direction now = {0};
        o->z.stir = r;
        o->complexes++;
        int bad = nb_session_forward(&o->z, e);
        o->z.stir = 0;
        if (bad)
            return -1;
        answer(o, &now);
        scatter = fmax(scatter, fabs(now.sum - d->sum));
    }
    lean(o, &w->k->leaf[leaf], w->signs[0], 0);
    for (size_t i = 0; i < w->k->leaf[leaf].n && w->certified; i++)
        d->bar += w->k->leaf[leaf].z[i].bar;
    d->bar += 16 * scatter + beside_all(w->k, leaf) * sqrt((double)w->k->leaf[leaf].n);
    return 0;
}

/* ---- structure ------------------------------------------------------------------------------------------------- */

static int take_leaf(struct nb_checker *k, const struct nb_sweep *w, struct nb_leaf *l, struct nb_error *e)
{
    const double *n = w->n[0][l->value], *var = w->var[l->value], *terms = w->terms[l->value];
    const double *x = k->oracle->d.data[l->value];
    if (!(l->z = nb_zalloc(k->arena, l->n, sizeof *l->z, e)))
        return -1;
    for (size_t i = 0; i < l->n; i++) {
        l->z[i] = (struct nb_estimate){.found = true, .refused = w->set_valued[l->value]};
        l->reach += fabs(x[i]);
        if (!n)
            continue;
        l->z[i].value = n[i];
        l->z[i].bar = sqrt(var[i]) + UNSEEN;
        l->z[i].terms = sqrt(terms[i]);
        l->z[i].moved = terms[i] > 0;
        l->largest = fmax(l->largest, fabs(n[i]));
    }
    l->slope = l->largest;
    return 0;
}

static int accuse(struct nb_checker *k, const char *where, const char *what, struct nb_error *e)
{
    k->v->self_ok = false;
    if (!k->v->facts.fault)
        k->v->facts.fault = nb_sprintf(k->arena, e, "%s: %s", where, what);
    return k->v->facts.fault ? 0 : -1;
}

static int accuse_gap(struct nb_checker *k, const char *where, const char *what, double whole, double nodes, double bar,
                      struct nb_error *e)
{
    const char *text = nb_sprintf(k->arena, e, "%s through the whole graph gives %.17g, its nodes %.17g (bar %.2g)",
                                  what, whole, nodes, bar);
    return text ? accuse(k, where, text, e) : -1;
}

static int certified_numbers(struct wiring *w, struct nb_error *e)
{
    w->certified = true;
    for (int l = 0; l < w->k->nleaf; l++) {
        const struct nb_leaf *leaf = &w->k->leaf[l];
        double *n = leaf->z ? nb_alloc(w->k->arena, leaf->n, sizeof *n, e) : NULL;
        if (leaf->z && !n)
            return -1;
        for (size_t i = 0; i < leaf->n && n; i++)
            n[i] = leaf->z[i].value;
        w->numbers[l] = n;
    }
    return 0;
}

static int check_wiring(struct nb_checker *k, struct nb_error *e)
{
    struct wiring w;
    if (new_wiring(&w, k, DIRECTIONS, e) || certified_numbers(&w, e) || run_directions(&w, e))
        return -1;
    for (int i = 0; i < k->nleaf * DIRECTIONS; i++) {
        const struct nb_leaf *leaf = &k->leaf[i / DIRECTIONS];
        struct direction *d = &w.d[i];
        if (!leaf->z || leaf->out->reason)
            continue;
        if (contradicts(d) && widen(&w, i / DIRECTIONS, i % DIRECTIONS, d, e))
            return -1;
        if (contradicts(d) && accuse_gap(k, leaf->out->name, "a direction", d->sum, d->claim, d->bar, e))
            return -1;
    }
    return 0;
}

static size_t spot(const struct nb_checker *k, int leaf, int i)
{
    return nb_word(nb_stream_of(k->run.seed, "spots"), (uint64_t)leaf << 32 | (uint64_t)i) % k->leaf[leaf].n;
}

struct spots {
    struct nb_checker *k;
    struct nb_estimate *z, *d; /* per spot, the first of all leaves first */
    struct nb_error *error;    /* per slot */
};

static bool looked_at(const struct nb_checker *k, int leaf, int i)
{
    const struct nb_leaf *l = &k->leaf[leaf];
    return l->n && !l->out->reason && !l->z[spot(k, leaf, i)].refused;
}

/* The complex step through the whole graph, and for the first spot of a leaf the ladder as well. */
static void one_spot(void *context, int slot, int part)
{
    struct spots *s = context;
    struct nb_error *e = &s->error[slot];
    int leaf = part % s->k->nleaf, i = part / s->k->nleaf;
    const struct nb_leaf *l = &s->k->leaf[leaf];
    if (e->code || !looked_at(s->k, leaf, i))
        return;
    size_t at = spot(s->k, leaf, i);
    if (!nb_complex_step(&s->k->oracle[slot], l->value, at, &s->z[part], e) && i == 0)
        nb_differences(&s->k->oracle[slot], l->value, at, l->slope, l->reach, &s->d[part], e);
}

static int judge_spot(struct nb_checker *k, int leaf, int i, const struct nb_estimate *z, const struct nb_estimate *d,
                      struct nb_error *e)
{
    const struct nb_leaf *l = &k->leaf[leaf];
    size_t at = spot(k, leaf, i);
    double gap = fabs(z->value - l->z[at].value), m = fmax(fabs(z->value), fabs(l->z[at].value)), noise;
    if (gap > z->bar + l->z[at].bar + 1e-9 * m) {
        if (nb_complex_noise(k->oracle, l->value, at, &noise, e))
            return -1;
        double bar = z->bar + l->z[at].bar + 8 * noise + beside_all(k, leaf);
        if (gap > bar + 1e-9 * m && accuse_gap(k, l->out->name, "a coordinate", z->value, l->z[at].value, bar, e))
            return -1;
    }
    k->v->facts.compared += d->found;
    k->v->facts.agree += d->found && fabs(z->value - d->value) <= z->bar + d->bar + 1e-9 * m;
    return 0;
}

static int check_spots(struct nb_checker *k, struct nb_error *e)
{
    struct spots s = {.k = k};
    int n = k->nleaf * SPOTS;
    k->v->facts.spots = SPOTS;
    s.z = nb_zalloc(k->arena, (size_t)n + 1, sizeof *s.z, e);
    s.d = nb_zalloc(k->arena, (size_t)n + 1, sizeof *s.d, e);
    s.error = nb_zalloc(k->arena, (size_t)k->slots, sizeof *s.error, e);
    if (!s.z || !s.d || !s.error || run_parts(k, one_spot, &s, n, s.error, e))
        return -1;
    for (int i = 0; i < n; i++)
        if (looked_at(k, i % k->nleaf, i / k->nleaf) && judge_spot(k, i % k->nleaf, i / k->nleaf, &s.z[i], &s.d[i], e))
            return -1;
    return 0;
}

static int sweep(struct nb_checker *k, struct nb_sweep *w, struct nb_error *e)
{
    struct nb_session *at = nb_small(k->arena, 1, sizeof *at, e);
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    if (!at || nb_session_new(&k->plain->plan, NB_F64, &fed, k->arena, at, &drew, e) || nb_session_forward(at, e))
        return -1;
    void *const *const *g = (void *const *const *)&k->cotangent;
    *w = (struct nb_sweep){.at = at,
                           .sets = 1,
                           .g = g,
                           .coverage = k->c->coverage,
                           .backward = true,
                           .budget = BUDGET,
                           .seed = k->run.seed,
                           .arena = k->arena,
                           .chunks = &k->chunks,
                           .facts = &k->v->facts};
    return nb_sweep_run(w, e);
}

int nb_structure(struct nb_checker *k, struct nb_error *e)
{
    struct nb_sweep w;
    k->v->facts.method = "structure";
    if (sweep(k, &w, e))
        return -1;
    k->v->self_ok &= w.ok;
    k->v->facts.fault = w.fault;
    for (int i = 0; i < k->nleaf; i++)
        if (take_leaf(k, &w, &k->leaf[i], e))
            return -1;
    return check_wiring(k, e) || check_spots(k, e) ? -1 : 0;
}

/* ---- sampled --------------------------------------------------------------------------------------------------- */

/* What rounding does to an honest backward, over all entries. */
static int allow_scatter(struct nb_checker *k, int leaf, struct direction *d, struct nb_error *e)
{
    double squares = 0;
    if (!k->scatter && nb_scatter_measure(k, e))
        return -1;
    for (size_t i = 0; i < k->leaf[leaf].n; i++)
        squares += k->scatter[leaf][i] * k->scatter[leaf][i];
    d->bar += 16 * sqrt(squares);
    return 0;
}

static int sample_leaf(struct nb_checker *k, int leaf, struct wiring *w, struct nb_error *e)
{
    struct nb_leaf *l = &k->leaf[leaf];
    const double *x = k->oracle->d.data[l->value];
    if (l->out->reason || !l->n)
        return 0;
    if (!(l->z = nb_zalloc(k->arena, l->n, sizeof *l->z, e)))
        return -1;
    for (size_t i = 0; i < l->n; i++)
        l->reach += fabs(x[i]);
    for (int i = 0; i < k->v->facts.spots; i++) {
        struct nb_estimate *z = &l->z[spot(k, leaf, i)];
        if (!z->found && nb_complex_step(k->oracle, l->value, spot(k, leaf, i), z, e))
            return -1;
        l->largest = fmax(l->largest, fabs(z->value));
    }
    l->slope = l->largest;
    for (int i = 0; i < w->per_leaf; i++) {
        struct direction *d = &w->d[leaf * w->per_leaf + i];
        d->bar += NB_RHO * fmax(fabs(d->sum), fabs(d->claim)) + 8 * l->eps * sqrt((double)l->n) * l->largest;
        if (contradicts(d) && (widen(w, leaf, i, d, e) || allow_scatter(k, leaf, d, e)))
            return -1;
        l->contradicted |= contradicts(d);
    }
    return nb_chunk_done(&k->chunks, NULL, 0, (int64_t)l->n, 0, e);
}

int nb_sampled(struct nb_checker *k, struct nb_error *e)
{
    struct wiring w;
    k->v->facts.method = "structure";
    k->v->facts.coverage = NB_COVER_SAMPLED;
    k->v->facts.spots = k->c->spots ? k->c->spots : SAMPLED_SPOTS;
    if (new_wiring(&w, k, k->c->directions ? k->c->directions : SAMPLED_DIRECTIONS, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        w.numbers[i] = k->leaf[i].out->candidate;
    if (run_directions(&w, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (sample_leaf(k, i, &w, e))
            return -1;
    return 0;
}
