/* judge - a candidate against the estimates: every entry, and the tensor as a whole. */
#include "check/checker.h"
#include "check/halving.h"
#include <math.h>
#include <stdlib.h>

static const double CLOSE = 1e-4; /* beside the largest entry: bars of differences that are to contradict other ones */
enum { MOST_CONFIRMED = 16, MOST_DOUBTED = 256, MEDIAN_OF = 4095 };

/* ---- one entry ------------------------------------------------------------------------------------------------- */

static struct nb_entry entry_of(const struct nb_checker *k, const struct nb_leaf *l, size_t i)
{
    struct nb_entry x = {.candidate = l->out->candidate[i],
                         .z = l->z[i],
                         .no_d = !l->d,
                         .eps = l->eps,
                         .reach = l->largest,
                         .rho = k->rho,
                         .r_max = k->r_max,
                         .q = nb_half_unit(l->digits, l->out->candidate[i])};
    if (l->noise)
        x.noise = l->noise[i];
    if (l->d)
        x.d = l->d[i];
    x.no_z = k->c->method == NB_METHOD_DIFFERENCES;
    x.no_d = !l->d || k->c->method == NB_METHOD_COMPLEX;
    return x;
}

static bool anything_branches(const struct nb_plan *p)
{
    for (int i = 0; i < p->nsteps; i++)
        if (nb_op_module(&p->net.ops.v[p->step[i]], NB_F64)->branches)
            return true;
    return false;
}

/* The slope of the branch that was taken at the point is among the right ones. */
static bool is_branch_taken(const struct nb_entry *x)
{
    struct nb_entry branch = *x;
    branch.no_d = true;
    return !x->no_z && nb_judge(&branch).verdict != NB_WRONG;
}

static struct nb_ruling untold(const struct nb_ruling *r, enum nb_reason reason)
{
    return (struct nb_ruling){NB_CANNOT_TELL, .reason = reason, .value = r->value, .bar = r->bar, .error = r->error};
}

/* Where differences give no number, or another one than the complex step, a corner explains it: then any number
 * between the slopes of its two sides is right. A jump has no slopes. Where there is neither, but the point lies on the
 * joint of two pieces, the complex step knows only one of them. */
static int look_for_corner(struct nb_checker *k, const struct nb_leaf *l, size_t i, struct nb_entry *x,
                           struct nb_ruling *r, struct nb_error *e)
{
    struct nb_corner c;
    bool taken = is_branch_taken(x);
    if (!anything_branches(&k->p->plan))
        return 0;
    if (nb_halving_test(k->oracle, l->value, i, &c, e))
        return -1;
    bool jump = x->d.crossed && (c.jump || !x->d.found), inside = x->candidate >= c.low && x->candidate <= c.high;
    if (!c.seen && !jump) {
        x->no_z |= r->disagree && x->d.crossed;
        *r = nb_judge(x);
        if (taken && r->verdict == NB_WRONG)
            *r = untold(r, NB_WHY_kink_unresolved);
        return 0;
    }
    taken &= c.seen && !inside;
    r->disagree = r->silent = false;
    r->reason = taken || (c.seen && inside && !c.persistent) ? NB_WHY_kink_unresolved : NB_WHY_kink;
    bool certain = c.seen && !taken && (!inside || c.persistent);
    r->verdict = !certain ? NB_CANNOT_TELL : inside ? NB_RIGHT : NB_WRONG;
    return 0;
}

/* Four to one may come about by chance where the function turns round within a step: smaller ones tell, as
 * long as their rounding is small beside the gap. Differences that contradict themselves prove nothing. */
static int look_closer(struct nb_checker *k, const struct nb_leaf *l, size_t i, struct nb_entry *x, struct nb_ruling *r,
                       struct nb_error *e)
{
    double gap = fabs(x->z.value - x->d.value);
    bool settled = true;
    int near = 0; /* two in a row that come near the complex step, however wide their bars: no accident */
    for (int halved = 4; halved <= 36 && r->disagree; halved += 4) {
        struct nb_entry y = *x;
        if (nb_differences_below(k->oracle, l->value, i, l->slope, l->reach, halved, &y.d, e))
            return -1;
        if (!y.d.found)
            continue;
        struct nb_ruling closer = nb_judge(&y);
        near = fabs(y.d.value - x->z.value) <= gap / 4 ? near + 1 : 0;
        settled &= near < 2 && fabs(y.d.value - x->d.value) <= y.d.bar + x->d.bar;
        if (closer.disagree || y.d.bar > CLOSE * l->largest || y.d.bar > gap / 4)
            continue;
        *x = y;
        *r = closer;
    }
    if (r->disagree && !settled)
        *r = untold(r, NB_WHY_no_ratio);
    return 0;
}

static bool blamed(const struct nb_ruling *r)
{
    return r->verdict == NB_WRONG && (!r->reason || r->reason == NB_WHY_not_zero);
}

/* Where rounding puts a value on an edge the complex step sees the branch taken, and differences nothing at all; float
 * may have taken the other one. */
static bool at_hidden_edge(const struct nb_checker *k, const struct nb_leaf *l, size_t i, const struct nb_entry *x)
{
    if (l->apart && fabs(x->candidate - (double)l->apart[i]) <= NB_RHO_FLOAT * fabs((double)l->apart[i]))
        return true;
    return k->oracle->edges > 0 && !x->no_d && x->d.bar >= fabs(x->candidate - x->z.value);
}

/* Bars so wide are no measure of themselves: nothing can be told, and nobody is accused. */
static bool is_blunt(const struct nb_checker *k, const struct nb_leaf *l, const struct nb_entry *x)
{
    double size = fmax(fabs(x->z.value), fabs(x->d.value));
    return fmax(x->z.bar, x->d.bar) > nb_r_max(k->r_max, l->eps) * size;
}

/* Before anyone is blamed: the complex step's bar knows the terms it sums, not the rounding inside the forward; that of
 * differences knows the outputs that moved. And an honest backward rounds, too. */
static int judge_with_noise(struct nb_checker *k, const struct nb_leaf *l, size_t i, struct nb_entry *x,
                            struct nb_ruling *r, struct nb_error *e)
{
    double noise, hidden = 0;
    bool differences = !x->no_d && x->d.found && x->d.h > 0;
    if (nb_complex_noise(k->oracle, l->value, i, &noise, e) ||
        (differences && nb_unmoved(k->oracle, l->value, i, x->d.h, l->slope, l->reach, &hidden, e)))
        return -1;
    x->d.bar += hidden;
    x->z.bar += 8 * noise;
    x->z.moved |= noise > 0;
    *r = nb_judge(x);
    if (r->disagree && (is_blunt(k, l, x) || k->oracle->edges > 0))
        *r = untold(r, k->oracle->edges ? NB_WHY_kink_unresolved : NB_WHY_no_power);
    if (!blamed(r))
        return 0;
    if (!k->scatter && nb_scatter_measure(k, e))
        return -1;
    x->noise = fmax(x->noise, 4 * k->scatter[l - k->leaf][i]); /* what is lost inside a node has one sign */
    *r = nb_judge(x);
    if (blamed(r) && at_hidden_edge(k, l, i, x))
        *r = untold(r, NB_WHY_kink_unresolved);
    return 0;
}

/* Slopes close by size what rounding may do to an honest formula, and to differences. Asked for when an entry is about
 * to be blamed. */
static void learn_reach(struct nb_checker *k, struct nb_leaf *l)
{
    if (l->looked_at || l->weighed)
        return;
    l->slope = fmax(l->slope, nb_companion_slope(k->oracle, l->value));
    l->largest = fmax(l->largest, l->slope * nb_oracle_weight(k->oracle));
}

static int look_through(struct nb_checker *k, struct nb_leaf *l, size_t i, struct nb_entry *x, struct nb_ruling *r,
                        struct nb_error *e)
{
    learn_reach(k, l);
    x->reach = l->largest;
    if (nb_complex_step(k->oracle, l->value, i, &x->z, e) ||
        nb_differences(k->oracle, l->value, i, l->slope, l->reach, &x->d, e))
        return -1;
    x->no_d = false;
    *r = nb_judge(x);
    return 0;
}

/* What was judged node by node is looked at through the whole graph before it is called wrong: the first ones, and
 * if one of them was not wrong after all, many more; what lies beyond is not told. */
static int see_whole(struct nb_checker *k, struct nb_leaf *l, size_t i, struct nb_entry *x, struct nb_ruling *r,
                     struct nb_error *e)
{
    if (l->looked_at >= (l->doubted ? MOST_DOUBTED : MOST_CONFIRMED)) {
        if (l->doubted)
            *r = untold(r, NB_WHY_rounding);
        return 0;
    }
    if (look_through(k, l, i, x, r, e))
        return -1;
    l->looked_at++;
    l->doubted |= r->verdict != NB_WRONG;
    return 0;
}

static bool unsure(const struct nb_ruling *r)
{
    return r->verdict == NB_CANNOT_TELL && r->reason == NB_WHY_rounding;
}

/* Where rounding may explain a difference the whole graph, whose rounding can be measured, knows more. */
static int weigh(struct nb_checker *k, struct nb_leaf *l, size_t i, struct nb_entry *x, struct nb_ruling *r,
                 struct nb_error *e)
{
    if (l->weighed >= MOST_DOUBTED)
        return 0;
    int bad = look_through(k, l, i, x, r, e);
    l->weighed++;
    return bad;
}

/* The same backward is right in double, and what float differs by is what rounding to float does: its power says how
 * little that is worth where terms cancel. */
static void lean_on_shadow(const struct nb_leaf *l, size_t i, struct nb_ruling *r)
{
    bool explained = r->reason == NB_WHY_rounding || r->reason == NB_WHY_no_power;
    if (!l->shadow || l->shadow[i] != NB_RIGHT || r->verdict != NB_CANNOT_TELL || !explained)
        return;
    double power = 2 * (fabs(l->out->candidate[i] - r->value) + r->bar + l->noise[i]) / fabs(r->value);
    if (!(power < 1)) /* not even the sign is certain */
        return;
    r->verdict = NB_RIGHT;
    r->power = power;
}

static int rule_entry(struct nb_checker *k, struct nb_leaf *l, size_t i, struct nb_entry *x, struct nb_ruling *r,
                      struct nb_error *e)
{
    *x = entry_of(k, l, i);
    if (nb_kink_ruling(k, l, i, r))
        return 0;
    if (x->z.refused || x->d.refused) {
        *r = (struct nb_ruling){.verdict = NB_CANNOT_TELL, .reason = NB_WHY_finite_set};
        return 0;
    }
    *r = nb_judge(x);
    if (k->second)
        return 0;
    bool accused = blamed(r);
    if (!l->d && accused && see_whole(k, l, i, x, r, e))
        return -1;
    if (!l->d && !l->shadow && x->no_d && unsure(r) && weigh(k, l, i, x, r, e))
        return -1;
    if (r->disagree && !x->no_d && x->d.found && look_closer(k, l, i, x, r, e))
        return -1;
    bool lost = r->disagree || r->reason == NB_WHY_no_ratio || (!x->no_d && x->d.crossed);
    if (lost && look_for_corner(k, l, i, x, r, e))
        return -1;
    if (k->kinks.opaque && r->verdict == NB_WRONG && !x->no_d && x->d.crossed) {
        r->verdict = NB_CANNOT_TELL;
        r->reason = NB_WHY_kink;
    }
    bool explain = r->disagree || ((blamed(r) || unsure(r)) && !x->no_d);
    if (explain && !x->no_z && judge_with_noise(k, l, i, x, r, e))
        return -1;
    l->doubted |= accused && !blamed(r);
    return 0;
}

/* ---- a tensor -------------------------------------------------------------------------------------------------- */

static int severity(const struct nb_ruling *r)
{
    return r->silent ? 0 : 1 + (int)r->verdict;
}

static void count(struct nb_checked *out, size_t i, const struct nb_ruling *r)
{
    out->right += r->verdict == NB_RIGHT && !r->silent;
    out->silent += r->silent;
    out->wrong += r->verdict == NB_WRONG;
    out->cannot_tell += r->verdict == NB_CANNOT_TELL;
    out->value[i] = r->value;
    out->bar[i] = r->bar;
    out->verdicts[i] = (unsigned char)r->verdict;
    out->reasons[i] = (unsigned char)r->reason;
}

static void note_worst(struct nb_checked *out, size_t i, const struct nb_entry *x, const struct nb_ruling *r)
{
    out->judged = true;
    out->reason = r->reason;
    out->worst = (int64_t)i;
    out->largest_error = r->error;
    out->complex_step = x->no_z ? NAN : x->z.value;
    out->differences = x->no_d || !x->d.found ? NAN : x->d.value;
    out->differences_bar = x->no_d || !x->d.found ? NAN : x->d.bar;
}

static void note_oracles(struct nb_checker *k, const struct nb_entry *x, const struct nb_ruling *r)
{
    struct nb_facts *f = &k->v->facts;
    k->v->self_ok &= !r->disagree;
    if (!x->no_d && x->d.found) {
        f->h_low = f->h_low > 0 ? fmin(f->h_low, x->d.h) : x->d.h;
        f->h_high = fmax(f->h_high, x->d.h);
        f->halvings = x->d.halvings > f->halvings ? x->d.halvings : f->halvings;
    }
    if (x->no_z || x->no_d || !x->d.found || r->reason == NB_WHY_kink)
        return;
    double m = fmax(fabs(x->z.value), fabs(x->d.value)), gap = m > 0 ? fabs(x->z.value - x->d.value) / m : 0;
    f->compared++;
    f->agree += !r->disagree;
    if (x->d.bar <= 1e-6 * m)
        f->worst_gap = fmax(f->worst_gap, gap);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The worst of all, and the median of at most 4095 that lie evenly among them. */
static void note_power(struct nb_checked *out, double *power, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        out->power_worst = fmax(out->power_worst, power[i]);
    for (; kept < n && kept < MEDIAN_OF; kept++)
        power[kept] = power[n <= MEDIAN_OF ? kept : kept * (n / MEDIAN_OF)];
    if (!kept)
        return;
    qsort(power, kept, sizeof *power, ascending);
    out->power_median = power[kept / 2];
}

static void sum_up(const struct nb_checker *k, struct nb_checked *out, double *power, size_t n)
{
    out->verdict = out->wrong ? NB_WRONG : out->cannot_tell || !out->right ? NB_CANNOT_TELL : NB_RIGHT;
    if (out->verdict == NB_CANNOT_TELL && !out->reason)
        out->reason = !nb_count(&out->shape) ? NB_WHY_empty : k->zero_cotangent ? NB_WHY_zero_cotangent : NB_WHY_silent;
    if (out->verdict == NB_RIGHT)
        out->reason = NB_WHY_none;
    note_power(out, power, n);
}

/* Where nothing can be measured, only what is not a number is wrong; where the forward is none either, only if somebody
 * handed it in. */
static void judge_none(struct nb_checker *k, struct nb_leaf *l)
{
    struct nb_checked *out = l->out;
    bool given = k->c->gradients_given && nb_tensors_find(&k->c->gradients, out->name);
    for (size_t i = 0; i < l->n; i++) {
        bool wrong = (!k->unsound || given) && !isfinite(out->candidate[i]);
        out->wrong += wrong;
        out->cannot_tell += !wrong;
        out->verdicts[i] = wrong ? NB_WRONG : NB_CANNOT_TELL;
        out->reason = out->wrong ? NB_WHY_not_finite : k->zero_cotangent ? NB_WHY_zero_cotangent : k->unsound;
    }
    sum_up(k, out, NULL, 0);
}

/* By far the most entries of a large tensor: plainly right, with the numbers of a sweep. Says no when in doubt. */
static bool plainly_right(const struct nb_checker *k, const struct nb_leaf *l, size_t i, double *power)
{
    if (k->kinks.touched && k->kinks.touched[l->at + i])
        return false;
    const struct nb_estimate *z = &l->z[i];
    double rho = nb_rho(k->rho, l->eps), a = l->out->candidate[i], n = fabs(z->value), d = fabs(a - z->value);
    *power = rho + 2 * z->bar / n;
    return !l->d && z->found && !z->refused && d <= rho * n && z->bar < n && *power <= nb_r_max(k->r_max, l->eps);
}

static void count_right(struct nb_checked *out, const struct nb_estimate *z, size_t i)
{
    out->right++;
    out->value[i] = z->value;
    out->bar[i] = z->bar;
}

static int judge_entries(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    struct nb_checked *out = l->out;
    double *power = nb_alloc(k->arena, l->n, sizeof *power, e);
    size_t judged = 0;
    int worst = -1;
    bool kink = false;
    for (size_t i = 0; i < l->n && power; i++) {
        struct nb_entry x;
        struct nb_ruling r;
        if (k->v->facts.coverage == NB_COVER_SAMPLED && !l->z[i].found) {
            out->bar[i] = -1;
            continue;
        }
        k->v->facts.judged++;
        if (worst >= 1 && plainly_right(k, l, i, &power[judged]) &&
            (worst > 1 || fabs(out->candidate[i] - l->z[i].value) <= out->largest_error * fabs(l->z[i].value))) {
            count_right(out, &l->z[i], i);
            judged++;
            continue;
        }
        if (rule_entry(k, l, i, &x, &r, e))
            return -1;
        lean_on_shadow(l, i, &r);
        count(out, i, &r);
        note_oracles(k, &x, &r);
        kink |= r.reason == NB_WHY_kink;
        if (r.power > 0)
            power[judged++] = r.power;
        else if (r.verdict == NB_RIGHT && r.reason != NB_WHY_kink)
            out->zero_within = fmax(out->zero_within, r.bar);
        int now = severity(&r);
        if (now > worst || (now == worst && r.error > out->largest_error)) {
            worst = now;
            note_worst(out, i, &x, &r);
        }
    }
    if (!power)
        return -1;
    sum_up(k, out, power, judged);
    if (out->verdict == NB_RIGHT && kink)
        out->reason = NB_WHY_kink;
    if (l->contradicted && !k->kinks.touched && out->verdict != NB_WRONG) {
        out->verdict = NB_WRONG;
        out->reason = NB_WHY_direction;
    }
    return 0;
}

void nb_forget_verdicts(struct nb_checked *c)
{
    c->verdict = NB_RIGHT;
    c->reason = NB_WHY_none;
    c->right = c->wrong = c->cannot_tell = c->silent = 0;
    c->worst = -1;
    c->largest_error = c->power_worst = c->power_median = c->zero_within = 0;
}

static int keep_grounds(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    struct nb_grounds *g = nb_small(k->arena, 1, sizeof *g, e);
    if (!g || (!k->scatter && nb_scatter_measure(k, e)))
        return -1;
    learn_reach(k, l);
    *g = (struct nb_grounds){l->z, l->d, l->largest, k->scatter[l - k->leaf], l->noise, l->shadow};
    l->out->grounds = g;
    return 0;
}

int nb_judge_leaf(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    if (l->out->reason) /* the shape has been judged */
        return 0;
    if (!k->unsound && !k->zero_cotangent)
        return judge_entries(k, l, e) || (k->c->grounds && keep_grounds(k, l, e)) ? -1 : 0;
    judge_none(k, l);
    return 0;
}
