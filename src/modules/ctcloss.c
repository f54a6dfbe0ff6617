/* CTCLoss: -ln of the probability of a sequence of labels, over all its alignments with a longer sequence of scores.
 *
 * The labels are taken with a blank before, between and behind them: 2 L + 1 states. Forward and backward variables are
 * logarithms, in double. Input is [T, N, C], or [T, C]; targets are [N, S], or one after the other, [sum of lengths].
 * The scores of a step go through log-softmax, which leaves log-probabilities as they are: so softmax - posterior is
 * the derivative of what is computed. */
#include "modules/loss.h"
#include "modules/rows.h"

struct args {
    int64_t reduction, blank, zero_infinity;
};

enum { INPUT, TARGET, INPUT_LENGTHS, TARGET_LENGTHS };
enum { SUM_REALS = 2 }; /* room for an nb_sum, in nb_reals of whichever build */

/* nb_exp and nb_log are those of nb_real: these are in double in all builds. */
#if NB_BUILD == 2
static nb_sum exp_sum(nb_sum v)
{
    return nb_exp(v);
}
static nb_sum log_sum(nb_sum v)
{
    return nb_log(v);
}
#else
static nb_sum exp_sum(nb_sum v)
{
    return exp(v);
}
static nb_sum log_sum(nb_sum v)
{
    return log(v);
}
#endif

static inline double real(nb_sum v)
{
#if NB_BUILD == 2
    return nb_re(v);
#else
    return v;
#endif
}

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

struct sizes {
    size_t steps, batch, classes;
    size_t labels; /* in all targets */
    size_t most;   /* in one target */
    bool packed;
};

static struct sizes sizes_of(const struct nb_shape *x, const struct nb_shape *t)
{
    struct sizes s = {.steps = (size_t)x->dim[0], .batch = x->rank == 3 ? (size_t)x->dim[1] : 1};
    s.classes = (size_t)x->dim[x->rank - 1];
    s.packed = x->rank == 3 && t->rank == 1;
    s.labels = (size_t)nb_count(t);
    s.most = s.packed ? s.labels : (size_t)t->dim[t->rank - 1];
    return s;
}

static int check_shapes(const struct nb_infer *s, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[INPUT], *t = &s->in[TARGET];
    char input[200], target[200];
    nb_shape_text(x, s->symbols, input, sizeof input);
    nb_shape_text(t, s->symbols, target, sizeof target);
    if (x->rank < 2 || x->rank > 3)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, wanted is [T, N, C] or [T, C]", input);
    bool padded = x->rank == 3 && t->rank == 2 && nb_dim_same(x->dim[1], t->dim[0]) != 0;
    if (padded || t->rank == 1)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "input is %s, target is %s; wanted is %s", input, target,
                   x->rank == 3 ? "[N, S], or all targets one after the other" : "[S]");
}

static int check_lengths(const struct nb_infer *s, const struct nb_shape *each, struct nb_error *e)
{
    static const char *const names[] = {[INPUT_LENGTHS] = "input_lengths", [TARGET_LENGTHS] = "target_lengths"};
    char want[200], came[200];
    for (int i = INPUT_LENGTHS; i <= TARGET_LENGTHS; i++) {
        bool there = i < s->nin && s->in[i].rank >= 0;
        if (there && nb_shape_same(&s->in[i], each) == 0)
            return nb_fail(e, NB_E_shape_mismatch, "%s is %s, wanted is %s", names[i],
                           nb_shape_text(&s->in[i], s->symbols, came, sizeof came),
                           nb_shape_text(each, s->symbols, want, sizeof want));
        if (!there && i == TARGET_LENGTHS && s->in[INPUT].rank == 3 && s->in[TARGET].rank == 1)
            return nb_fail(e, NB_E_missing_argument, "targets one after the other want target_lengths");
    }
    return 0;
}

static int check_blank(const struct nb_infer *s, struct nb_error *e)
{
    int64_t blank = ((const struct args *)s->args)->blank, classes = s->in[INPUT].dim[s->in[INPUT].rank - 1];
    if (!NB_IS_KNOWN(classes) || blank < classes)
        return 0;
    nb_fail(e, NB_E_bad_argument, "blank is %lld, there are %lld classes", (long long)blank, (long long)classes);
    return nb_at(e, "blank");
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    if (check_shapes(s, e) || check_blank(s, e))
        return -1;
    const struct nb_shape *x = &s->in[INPUT];
    struct nb_shape each = x->rank == 3 ? nb_shape_of(1, x->dim[1]) : nb_shape_of(0);
    if (check_lengths(s, &each, e))
        return -1;
    nb_loss_out(s, &each);
    if (nb_count(x) < 0 || nb_count(&s->in[TARGET]) < 0)
        return 0;
    struct sizes z = sizes_of(x, &s->in[TARGET]);
    struct nb_shape states = nb_shape_of(3, (int64_t)z.steps, (int64_t)(2 * z.labels + z.batch), (int64_t)SUM_REALS);
    if (nb_count(&states) < 0)
        return nb_fail(e, NB_E_limit, "%zu steps with %zu labels are too many", z.steps, z.labels);
    s->saved = (size_t)nb_count(&states) + SUM_REALS * z.batch + (size_t)nb_count(x);
    s->work = SUM_REALS * (z.classes + 2 * (2 * z.most + 1));
    return 0;
}

/* ---- one sample ------------------------------------------------------------------------------------------------- */

struct sample {
    size_t steps, labels, states; /* of this one */
    size_t stride;                /* from one step to the next in x, logs and dx */
    const int64_t *target;
    int64_t blank;
    const nb_real *x;
    nb_real *logs; /* log-softmax of x */
    nb_sum *alpha; /* [steps][states] */
    nb_sum *cost;  /* the loss */
};

static size_t length(const struct nb_call *c, int input, size_t n, size_t all)
{
    bool there = input < c->nin && c->in[input].data;
    return there ? (size_t)((const int64_t *)c->in[input].data)[n] : all;
}

/* Where the labels of sample n begin. */
static size_t first_label(const struct nb_call *c, const struct sizes *z, size_t n)
{
    size_t at = z->packed ? 0 : n * z->most;
    for (size_t i = 0; i < n && z->packed; i++)
        at += length(c, TARGET_LENGTHS, i, 0);
    return at;
}

static struct sample sample_of(const struct nb_call *c, const struct sizes *z, size_t n)
{
    size_t first = first_label(c, z, n), row = n * z->classes;
    nb_sum *sums = c->saved, *costs = sums + z->steps * (2 * z->labels + z->batch);
    struct sample s = {.steps = length(c, INPUT_LENGTHS, n, z->steps),
                       .labels = length(c, TARGET_LENGTHS, n, z->most),
                       .stride = z->batch * z->classes,
                       .target = (const int64_t *)c->in[TARGET].data + first,
                       .blank = ((const struct args *)c->args)->blank,
                       .x = (const nb_real *)c->in[INPUT].data + row,
                       .logs = (nb_real *)(costs + z->batch) + row,
                       .alpha = sums + z->steps * (2 * first + n),
                       .cost = costs + n};
    s.states = 2 * s.labels + 1;
    return s;
}

static inline size_t class_of(const struct sample *s, size_t state)
{
    return (size_t)(state % 2 ? s->target[state / 2] : s->blank);
}

/* From two states before one may come, past a blank, unless the labels are equal. */
static inline bool may_skip(const struct sample *s, size_t state)
{
    return state % 2 && state > 1 && s->target[state / 2] != s->target[state / 2 - 1];
}

/* ln(e^a + e^b + e^c) */
static nb_sum add_logs(nb_sum a, nb_sum b, nb_sum c)
{
    double m = real(a) > real(b) ? real(a) : real(b);
    m = real(c) > m ? real(c) : m;
    return m == -INFINITY ? m : m + log_sum(exp_sum(a - m) + exp_sum(b - m) + exp_sum(c - m));
}

static inline nb_sum log_at(const struct sample *s, size_t step, size_t state)
{
    return s->logs[step * s->stride + class_of(s, state)];
}

static void normalise(const struct sample *s, size_t step, size_t classes)
{
    const nb_real *x = s->x + step * s->stride;
    nb_real *to = s->logs + step * s->stride, l = NB(nb_row_logsumexp)(classes, x);
    for (size_t i = 0; i < classes; i++)
        to[i] = nb_re(l) == -(nb_part)INFINITY ? l : x[i] - l;
}

static void run_forward(const struct sample *s)
{
    for (size_t t = 0; t < s->steps; t++) {
        nb_sum *now = s->alpha + t * s->states;
        const nb_sum *old = now - s->states;
        for (size_t k = 0; k < s->states; k++) {
            nb_sum stay = t ? old[k] : k < 2 ? 0 : -INFINITY;
            nb_sum step = t && k ? old[k - 1] : -INFINITY, skip = t && may_skip(s, k) ? old[k - 2] : -INFINITY;
            now[k] = add_logs(stay, step, skip) + log_at(s, t, k);
        }
    }
}

/* No steps align with no labels alone. */
static nb_sum cost_of(const struct sample *s)
{
    const nb_sum *last = s->alpha + (s->steps ? s->steps - 1 : 0) * s->states + s->states - 1;
    if (!s->steps)
        return s->labels ? INFINITY : 0;
    return -add_logs(last[0], s->labels ? last[-1] : -INFINITY, -INFINITY);
}

/* The backward variables of step t from those of t + 1: what is still to come, without step t itself. */
static void step_back(const struct sample *s, size_t t, const nb_sum *next, nb_sum *now)
{
    for (size_t k = 0; k < s->states; k++) {
        bool last = t + 1 == s->steps;
        nb_sum stay = !last ? next[k] + log_at(s, t + 1, k) : k + 2 >= s->states ? 0 : -INFINITY;
        nb_sum step = !last && k + 1 < s->states ? next[k + 1] + log_at(s, t + 1, k + 1) : -INFINITY;
        nb_sum skip =
            !last && k + 2 < s->states && may_skip(s, k + 2) ? next[k + 2] + log_at(s, t + 1, k + 2) : -INFINITY;
        now[k] = last ? stay : add_logs(stay, step, skip);
    }
}

/* dx = g (softmax - posterior) */
static void slope(const struct sample *s, size_t classes, nb_real g, nb_sum *work, nb_real *dx)
{
    nb_sum *posterior = work, *beta[] = {work + classes, work + classes + s->states};
    for (size_t t = s->steps; t-- > 0;) {
        const nb_sum *alpha = s->alpha + t * s->states;
        const nb_real *logs = s->logs + t * s->stride;
        nb_sum *now = beta[t % 2];
        step_back(s, t, beta[(t + 1) % 2], now);
        for (size_t i = 0; i < classes; i++)
            posterior[i] = 0;
        for (size_t k = 0; k < s->states; k++)
            posterior[class_of(s, k)] += exp_sum(alpha[k] + now[k] + *s->cost);
        for (size_t i = 0; i < classes; i++)
            dx[t * s->stride + i] = g * (nb_real)(exp_sum(logs[i]) - posterior[i]);
    }
}

/* ---- the module ------------------------------------------------------------------------------------------------- */

static int bad_length(const struct nb_call *c, int input, size_t n, size_t most, struct nb_error *e)
{
    nb_fail(e, NB_E_bad_value, "a length is 0 to %zu, %g came", most, nb_number(&c->in[input], n));
    return nb_fault_at(c, input, n, e);
}

static int check_values(const struct nb_call *c, const struct sizes *z, struct nb_error *e)
{
    const struct {
        int input;
        size_t most;
    } lengths[] = {{INPUT_LENGTHS, z->steps}, {TARGET_LENGTHS, z->most}};
    size_t labels = 0;
    for (int k = 0; k < 2; k++)
        for (size_t n = 0; n < z->batch; n++) {
            int input = lengths[k].input;
            double v = input < c->nin && c->in[input].data ? nb_number(&c->in[input], n) : 0;
            if (!(v >= 0 && v <= (double)lengths[k].most))
                return bad_length(c, input, n, lengths[k].most, e);
            labels += k && z->packed ? (size_t)v : 0;
        }
    if (!z->packed || labels == z->labels)
        return 0;
    e->port = 1 + TARGET_LENGTHS;
    return nb_fail(e, NB_E_bad_value, "target_lengths add up to %zu, target has %zu labels", labels, z->labels);
}

/* Of each sample only the labels that count are looked at. */
static int check_labels(const struct nb_call *c, const struct sizes *z, const struct sample *s, struct nb_error *e)
{
    for (size_t k = 0; k < s->labels; k++) {
        int64_t v = s->target[k];
        size_t at = (size_t)(s->target + k - (const int64_t *)c->in[TARGET].data);
        if (v >= 0 && v < (int64_t)z->classes)
            continue;
        nb_fail(e, NB_E_bad_index, "label %lld is not in 0 to %lld", (long long)v, (long long)z->classes - 1);
        return nb_fault_at(c, TARGET, at, e);
    }
    return 0;
}

/* mean divides the loss of a sample by the number of its labels first. */
static double divisor(const struct nb_call *c, const struct sizes *z, const struct sample *s)
{
    int64_t reduction = nb_reduction(c->args);
    double own = reduction == NB_MEAN && s->labels > 1 ? (double)s->labels : 1;
    return own * nb_divisor(reduction, z->batch, z->batch);
}

/* Impossible, and zero_infinity is set. */
static bool left_out(const struct nb_call *c, const struct sample *s)
{
    return ((const struct args *)c->args)->zero_infinity && real(*s->cost) == INFINITY;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct sizes z = sizes_of(&c->in[INPUT].shape, &c->in[TARGET].shape);
    nb_real *out = c->out[0].data;
    nb_sum all = 0;
    if (check_values(c, &z, e))
        return -1;
    for (size_t n = 0; n < z.batch; n++) {
        struct sample s = sample_of(c, &z, n);
        if (check_labels(c, &z, &s, e))
            return -1;
        for (size_t t = 0; t < s.steps; t++)
            normalise(&s, t, z.classes);
        run_forward(&s);
        *s.cost = cost_of(&s);
        nb_sum v = left_out(c, &s) ? 0 : *s.cost;
        if (nb_reduction(c->args) == NB_EACH)
            out[n] = (nb_real)v;
        all += v / divisor(c, &z, &s);
    }
    if (nb_reduction(c->args) != NB_EACH)
        *out = (nb_real)all;
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct sizes z = sizes_of(&c->in[INPUT].shape, &c->in[TARGET].shape);
    const nb_real *g = c->gout[0].data;
    nb_real *dx = c->gin[INPUT].data;
    nb_no_gradient(&c->gin[INPUT]);
    for (size_t n = 0; n < z.batch && dx; n++) {
        struct sample s = sample_of(c, &z, n);
        nb_real f = g[nb_reduction(c->args) == NB_EACH ? n : 0] / (nb_part)divisor(c, &z, &s);
        if (f != 0 && !left_out(c, &s))
            slope(&s, z.classes, f, c->work, dx + n * z.classes);
    }
    return 0;
}

static int64_t classes(const void *args, const struct nb_shape *first)
{
    (void)args;
    return first->dim[first->rank - 1];
}

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0},
                                        {"target", NB_INT_PORT, 0},
                                        {"input_lengths", NB_INT_PORT, NB_OPTIONAL},
                                        {"target_lengths", NB_INT_PORT, NB_OPTIONAL},
                                        {0}};

static const struct nb_arg args[] = {
    {"blank", NB_ARG_INT, offsetof(struct args, blank), 0, 0, INT32_MAX, 0, NULL, "the class that is no label"},
    NB_REDUCTION(struct args, NB_MEAN),
    {"zero_infinity", NB_ARG_BOOL, offsetof(struct args, zero_infinity), 0, 0, 0, 0, NULL,
     "samples whose target is too long for their input cost nothing"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "7x3x5 3x2c5", false},
    {"\"blank\": 3, \"reduction\": \"none\"", "5x3x4 3x2c3", false},
    {"\"blank\": 6, \"reduction\": \"sum\"", "7x7 3c6", false},
    {"\"blank\": 4, \"zero_infinity\": true, \"reduction\": \"batchmean\"", "7x3x5 3x5c5 3c8 3c6", false},
    {0},
};

static const struct nb_known ctcloss_mistakes[] = {
    {.code = "ctc_posterior_only",
     .formula = "d - unsqueeze(g*share, -1)*softmax(x, -1)",
     .hint = "The scores of a step are normalised: that brings the softmax."},
    {.code = "ctc_scores",
     .formula = "d + unsqueeze(g*share, -1)*(x - softmax(x, -1))",
     .hint = "The softmax minus the posterior: probabilities, not scores."},
    {0},
};

const struct nb_module NB(nb_module_ctcloss)[] = {
    {
        .type = "CTCLoss",
        .mistakes = ctcloss_mistakes,
        .summary = "The negative log-probability of a sequence of labels over all its alignments with the input.",
        .formula = "y_n = -\\ln \\sum_{\\pi \\in \\mathcal A(t_n)} \\prod_\\tau \\operatorname{softmax}(x_{\\tau "
                   "n})_{\\pi_\\tau}",
        .derivative = "dx_{\\tau n c} = g_n\\,\\bigl(\\operatorname{softmax}(x_{\\tau n})_c - P(\\pi_\\tau = c \\mid "
                      "t_n)\\bigr)",
        .source = "Graves, Fernandez, Gomez, Schmidhuber 2006",
        .note =
            "The input is [T, N, C] or [T, C], the target [N, S] or all targets one after the other; without lengths "
            "all of both counts. The input may be logits or log-probabilities: log-softmax leaves the latter as they "
            "are, and PyTorch, which wants them, returns the same gradient. A target that cannot be aligned costs "
            "infinity, with no gradient (NaN), or 0 with zero_infinity. The mean divides by the number of labels of "
            "each sample, then by that of samples.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "D",
        .classes = classes,
        .cases = cases,
    },
    {0},
};
