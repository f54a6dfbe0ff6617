/* test_modules.c - the loop over the module table: every row, every case it brings, in all three builds, against the
 * complex step and against differences. No row is named here. `test_modules ReLU` runs one row, without forking. */
#include "module_oracle.h"
#include "nabla/branch.h"
#include <signal.h>
#include <unistd.h>

static char now[400]; /* what is being tried, for a crash */

/* AddressSanitizer says it better. */
#ifndef __SANITIZE_ADDRESS__
static void say_what_crashed(int sig)
{
    signal(sig, SIG_DFL);
    if (write(2, now, strlen(now)) > 0 && write(2, " crashed\n", 9) > 0)
        raise(sig);
}
#endif

/* ---- the points of a row ----------------------------------------------------------------------------------------- */

static const struct nb_case plain = {NULL, "", false};

static bool needs_arguments(const struct nb_module *m)
{
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        if (a->flags & NB_REQUIRED)
            return true;
    return false;
}

static void (*break_row)(struct point *); /* on purpose, or NULL */

static void try_case(int row, const struct nb_case *c, int size, void (*test)(struct point *))
{
    struct nb_arena arena;
    struct nb_error e = {0};
    struct point p;
    nb_arena_init(&arena, 1 << 30);
    int bad = point_of_case(&p, row, c, size, &arena, &e);
    snprintf(now, sizeof now, "%s", p.what);
    ck_assert_msg(!bad, "%s: %s%s %s", p.what, nb_code_name(e.code), e.pointer, e.detail);
    if (break_row)
        break_row(&p);
    test(&p);
    nb_arena_done(&arena);
}

/* Every case; of pointwise modules also with vectors whose sizes leave each kind of rest. */
static void each_point(int row, void (*test)(struct point *))
{
    static const int sizes[] = {1, 5, 7, 17, 33};
    const struct nb_module *m = nb_module_at(NB_F64, row);
    for (const struct nb_case *c = m->cases; c && c->in; c++) {
        try_case(row, c, 0, test);
        for (int i = 0; m->pointwise && i < 5; i++)
            try_case(row, c, sizes[i], test);
    }
    if (!m->cases && !m->inputs && !needs_arguments(m))
        try_case(row, &plain, 0, test);
}

/* ---- what a row says about itself -------------------------------------------------------------------------------- */

static size_t arg_size(enum nb_arg_type t)
{
    static const size_t size[] = {sizeof(double),           sizeof(int64_t),           sizeof(int64_t),
                                  sizeof(int64_t),          sizeof(struct nb_ints),    sizeof(struct nb_ints),
                                  sizeof(struct nb_reals),  sizeof(struct nb_strings), sizeof(struct nb_init),
                                  sizeof(struct nb_tensor), sizeof(const char *)};
    return size[t];
}

static void check_arg(const struct nb_module *m, const struct nb_arg *a)
{
    ck_assert_msg(*a->name && a->help && *a->help, "%s: argument %s has no help", m->type, a->name);
    ck_assert_msg(a->offset + arg_size(a->type) <= m->args_size, "%s: argument %s lies outside args_size", m->type,
                  a->name);
    for (const struct nb_arg *b = m->args; b < a; b++) {
        ck_assert_msg(strcmp(a->name, b->name), "%s: two arguments called %s", m->type, a->name);
        ck_assert_msg(a->offset >= b->offset + arg_size(b->type) || b->offset >= a->offset + arg_size(a->type),
                      "%s: arguments %s and %s overlap", m->type, a->name, b->name);
    }
    ck_assert_msg(a->type == NB_ARG_INTS || (a->type == NB_ARG_CHOICE) == (a->choices != NULL), "%s: choices of %s",
                  m->type, a->name);
    bool number = a->type == NB_ARG_REAL || a->type == NB_ARG_INT;
    if (number && !(a->flags & (NB_REQUIRED | NB_INFERRED)) && (a->min != 0 || a->max != 0))
        ck_assert_msg(a->def >= a->min && a->def <= a->max, "%s: the default of %s is out of bounds", m->type, a->name);
    if (a->type == NB_ARG_CHOICE)
        for (int i = 0; i <= (int)a->def; i++)
            ck_assert_msg(a->choices[i] != NULL, "%s: the default of %s is no choice", m->type, a->name);
}

static bool said(const char *text)
{
    return text && *text;
}

START_TEST(declares_itself)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    ck_assert_msg(said(m->type) && nb_module_find(m->type) == _i, "%s: not found by its type, or twice", m->type);
    for (int b = NB_F32; b <= NB_C128; b++)
        ck_assert_str_eq(nb_module_at((enum nb_dtype)b, _i)->type, m->type);
    ck_assert_msg(said(m->summary) && m->summary[strlen(m->summary) - 1] == '.', "%s: summary", m->type);
    ck_assert_msg(said(m->formula), "%s: formula", m->type);
    ck_assert_msg(m->infer && m->forward, "%s: infer, forward", m->type);
    ck_assert_msg(m->backward ? said(m->derivative) && !m->no_backward == !m->flows : said(m->no_backward),
                  "%s: derivative for backward, or no_backward for none", m->type);
    ck_assert_msg(!m->backward || (said(m->jacobian) && strspn(m->jacobian, "PRCAWD ,") == strlen(m->jacobian)),
                  "%s: jacobian", m->type);
    ck_assert_msg(!m->inputs || (m->cases && m->cases->in), "%s: no case", m->type);
    ck_assert_msg(m->lo <= m->hi && !(m->outputs && m->output_names), "%s: lo, hi, outputs", m->type);
    ck_assert_msg(!m->pointwise || (port_count(m) >= 1 && !m->outputs), "%s: pointwise", m->type);
    for (const struct nb_kink *k = m->kinks; k && k->where; k++)
        ck_assert_msg(said(k->where) && said(k->value), "%s: kinks", m->type);
    for (const struct nb_port *p = m->inputs; p && p->name; p++)
        ck_assert_msg(said(p->name) && (!(p->flags & NB_VARIADIC) || !p[1].name), "%s: port %s", m->type, p->name);
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        check_arg(m, a);
}
END_TEST

/* ---- forward and backward, by themselves --------------------------------------------------------------------------
 */

static void *copy_of(const struct point *p, const struct nb_tensor *t)
{
    return t->data ? memcpy(buffer(p->arena, bytes(t)), t->data, bytes(t)) : NULL;
}

struct copies {
    void *in[PORTS], *w[NB_MAX_WEIGHTS], *out[PORTS], *gout[PORTS], *saved;
};

static void copy_all(struct copies *c, const struct run *r)
{
    const struct point *p = r->p;
    for (int i = 0; i < p->s.nin; i++)
        c->in[i] = copy_of(p, &r->in[i]);
    for (int i = 0; i < p->s.nw; i++)
        c->w[i] = copy_of(p, &r->w[i]);
    for (int i = 0; i < p->s.nout; i++) {
        c->out[i] = copy_of(p, &r->out[i]);
        c->gout[i] = copy_of(p, &r->gout[i]);
    }
    c->saved = memcpy(buffer(p->arena, r->saved_size), r->saved, r->saved_size);
}

static void check_same(const struct point *p, const struct nb_tensor *t, const void *copy, const char *what, int i)
{
    ck_assert_msg(!t->data || !memcmp(t->data, copy, bytes(t)), "%s: %s %d was changed", p->what, what, i);
    ck_assert_msg(!t->data || strip_whole(t->data, bytes(t)), "%s: wrote beyond %s %d", p->what, what, i);
}

/* Nothing was written but what was to be written; `out` and `saved` count once forward is over. */
static void check_untouched(const struct run *r, const struct copies *c, bool forward_is_over)
{
    const struct point *p = r->p;
    for (int i = 0; i < p->s.nin; i++)
        check_same(p, &r->in[i], c->in[i], "input", i);
    for (int i = 0; i < p->s.nw; i++)
        check_same(p, &r->w[i], c->w[i], "learned tensor", i);
    for (int i = 0; i < p->s.nout; i++) {
        check_same(p, &r->gout[i], c->gout[i], "cotangent", i);
        ck_assert_msg(strip_whole(r->out[i].data, bytes(&r->out[i])), "%s: wrote beyond output %d", p->what, i);
        if (forward_is_over)
            check_same(p, &r->out[i], c->out[i], "output", i);
    }
    ck_assert_msg(strip_whole(r->saved, r->saved_size), "%s: wrote beyond saved", p->what);
    ck_assert_msg(strip_whole(r->work, r->work_size), "%s: wrote beyond work", p->what);
    ck_assert_msg(!forward_is_over || !memcmp(r->saved, c->saved, r->saved_size), "%s: backward changed saved",
                  p->what);
}

static void check_forward(struct run *r)
{
    const struct point *p = r->p;
    struct copies before, first;
    struct nb_error e = {0};
    copy_all(&before, r);
    ck_assert_msg(!run_forward(r, 0xFF, &e), "%s: forward: %s %s", p->what, nb_code_name(e.code), e.detail);
    check_untouched(r, &before, false);
    copy_all(&first, r);
    for (int i = 0; i < p->s.nout; i++)
        for (size_t k = 0; k < (size_t)nb_count(&r->out[i].shape); k++)
            ck_assert_msg(isfinite(entry(&r->out[i], k)), "%s: output %d, entry %zu is %g", p->what, i, k,
                          entry(&r->out[i], k));
    ck_assert_msg(!run_forward(r, 0x40, &e), "%s: forward, repeated", p->what);
    for (int i = 0; i < p->s.nout; i++)
        ck_assert_msg(!memcmp(r->out[i].data, first.out[i], bytes(&r->out[i])),
                      "%s: forward gives other bits each time", p->what);
    if (p->m[r->b].alias) {
        const struct nb_tensor *same = p->s.nin ? &r->in[0] : &r->w[0];
        ck_assert_msg(bytes(same) == bytes(&r->out[0]) && !memcmp(same->data, r->out[0].data, bytes(same)),
                      "%s: an alias, but other entries", p->what);
    }
}

static void check_backward(struct run *r, const struct slot *slot, int n, uint64_t want)
{
    const struct point *p = r->p;
    struct copies before;
    struct nb_error e = {0};
    void *first[SLOTS];
    copy_all(&before, r);
    ask(r, slot, n, want);
    ck_assert_msg(!run_backward(r, 0xFF, &e), "%s: backward: %s %s", p->what, nb_code_name(e.code), e.detail);
    check_untouched(r, &before, true);
    for (int i = 0; i < n; i++) {
        const struct nb_tensor *g = gradient(r, &slot[i]);
        if (!g->data)
            continue;
        ck_assert_msg(strip_whole(g->data, bytes(g)), "%s: wrote beyond the gradient of %s", p->what, slot[i].name);
        for (size_t k = 0; k < slot[i].n; k++)
            ck_assert_msg(isfinite(entry(g, k)), "%s: %s, gradient %zu is %g, or was not written", p->what,
                          slot[i].name, k, entry(g, k));
        first[i] = g->data;
    }
    ask(r, slot, n, want);
    ck_assert_msg(!run_backward(r, 0x40, &e), "%s: backward, repeated", p->what);
    for (int i = 0; i < n; i++)
        if (want >> i & 1)
            ck_assert_msg(!memcmp(gradient(r, &slot[i])->data, first[i], bytes(gradient(r, &slot[i]))),
                          "%s: backward gives other bits each time, %s", p->what, slot[i].name);
}

/* What forward leaves for backward stands in the call, not in the module: another forward in between changes nothing.
 */
static void check_no_memory(struct run *r, const struct slot *slot, int n, uint64_t all)
{
    const struct point *p = r->p;
    struct run other;
    struct nb_error e = {0};
    void *first[SLOTS];
    for (int i = 0; i < n; i++)
        first[i] = gradient(r, &slot[i])->data;
    run_init(&other, p, r->b);
    for (int i = 0; i < p->s.nin; i++)
        for (size_t k = 0; other.in[i].data && !p->letter[i] && k < (size_t)nb_count(&p->shape[i]); k++) {
            if (r->b == NB_F32)
                ((float *)other.in[i].data)[k] *= 0.75f;
            else
                ((double *)other.in[i].data)[r->b == NB_C128 ? 2 * k : k] *= 0.75;
        }
    run_forward(&other, 0x40, &e); /* may be refused */
    ask(r, slot, n, all);
    ck_assert_msg(!run_backward(r, 0x40, &e), "%s: backward, after another forward", p->what);
    for (int i = 0; i < n && i < 64; i++)
        ck_assert_msg(!memcmp(gradient(r, &slot[i])->data, first[i], bytes(gradient(r, &slot[i]))),
                      "%s: backward knows of another forward, %s", p->what, slot[i].name);
}

static double largest(const struct nb_tensor *t)
{
    double most = 0;
    for (size_t i = 0; i < (size_t)nb_count(&t->shape); i++)
        most = fmax(most, fabs(entry(t, i)));
    return most;
}

/* Two builds: the same numbers as far as the shorter one goes. */
static void check_builds_agree(const struct point *p, const struct nb_tensor *a, const struct nb_tensor *b, double tol,
                               const char *what)
{
    double floor = 0.05 * largest(b);
    for (size_t i = 0; i < (size_t)nb_count(&a->shape); i++) {
        double x = entry(a, i), y = entry(b, i);
        ck_assert_msg(fabs(x - y) <= tol * fmax(fmax(fabs(x), fabs(y)), floor) + tol * 1e-3,
                      "%s: %s, entry %zu: %s gives %.9g, double %.17g", p->what, what, i, nb_dtype_name(a->dtype), x,
                      y);
    }
}

/* Off its kinks a module meets no edge, and both real builds decide alike. */
static void check_branches(struct run *r)
{
    const struct point *p = r[NB_F64].p;
    uint64_t hash[2];
    for (int b = NB_F32; b <= NB_F64 && p->m[b].branches; b++) {
        struct nb_branches seen = {0};
        struct nb_call c = call_of(&r[b]);
        memset(r[b].work, 0xFF, r[b].work_size);
        p->m[b].branches(&c, &seen);
        ck_assert_msg(seen.count == 0, "%s: %d edges", p->what, (int)seen.count);
        ck_assert_msg(strip_whole(r[b].work, r[b].work_size), "%s: branches wrote beyond work", p->what);
        hash[b] = seen.hash;
    }
    ck_assert_msg(!p->m[NB_F64].branches || hash[NB_F32] == hash[NB_F64], "%s: builds decide differently", p->what);
}

static void compute_all(struct point *p)
{
    static const double tol[] = {[NB_F32] = 1e-4, [NB_F64] = 0, [NB_C128] = 1e-11};
    struct slot slot[SLOTS];
    struct run r[3];
    int n = slots_of(p, slot);
    uint64_t all = n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
    for (int k = 0; k < 3; k++) {
        int b = (k + 1) % 3; /* double first */
        run_init(&r[b], p, (enum nb_dtype)b);
        check_forward(&r[b]);
        for (int i = 0; i < p->s.nout; i++)
            check_builds_agree(p, &r[b].out[i], &r[NB_F64].out[i], tol[b], "forward");
        if (!p->m[b].backward)
            continue;
        check_backward(&r[b], slot, n, all);
        check_no_memory(&r[b], slot, n, all);
        for (int i = 0; i < n; i++)
            check_builds_agree(p, gradient(&r[b], &slot[i]), gradient(&r[NB_F64], &slot[i]), tol[b], slot[i].name);
    }
    check_branches(r);
    for (int i = 0; i < n && n > 1 && p->m[NB_F64].backward; i++) { /* one gradient alone */
        const struct nb_tensor whole = *gradient(&r[NB_F64], &slot[i]);
        struct run one = r[NB_F64];
        check_backward(&one, slot, n, (uint64_t)1 << i);
        ck_assert_msg(!memcmp(gradient(&one, &slot[i])->data, whole.data, bytes(&whole)),
                      "%s: the gradient of %s is another one when asked for alone", p->what, slot[i].name);
    }
}

START_TEST(computes)
{
    each_point(_i, compute_all);
}
END_TEST

/* ---- the gradient is the derivative -------------------------------------------------------------------------------
 */

/* What the oracles say of one slot. */
struct truth {
    struct slope *d;
    double largest;
};

static int find_truth(const struct point *p, const struct slot *slot, int n, struct truth *truth, struct nb_error *e)
{
    for (int i = 0; i < n; i++) {
        truth[i] = (struct truth){oracle(p, &slot[i], e), 0};
        if (!truth[i].d)
            return -1;
        for (size_t k = 0; k < slot[i].n; k++)
            truth[i].largest = fmax(truth[i].largest, fabs(truth[i].d[k].step));
    }
    return 0;
}

/* False, with the reason in why, unless a[k] is the derivative. */
static bool is_slope(const struct slope *d, double a, double most, char *why, size_t size)
{
    double scale = fmax(fmax(fabs(a), fabs(d->step)), 1e-3 * most);
    if (!(fabs(a - d->step) <= 1e-10 * scale + 1e-13 * d->size))
        return snprintf(why, size, "backward %.17g, complex step %.17g", a, d->step), false;
    scale = fmax(fabs(d->diff), 1e-2 * most);
    if (isfinite(d->doubt) && !(fabs(a - d->diff) <= 1e-6 * scale + 1e-9 * d->size + d->noise))
        return snprintf(why, size, "backward %.17g, differences %.17g (doubt %.2g)", a, d->diff, d->doubt), false;
    return true;
}

/* Are the gradients in r those of the oracles? */
static bool verdict(const struct run *r, const struct slot *slot, int n, const struct truth *truth, char *why,
                    size_t size)
{
    char how[200];
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < slot[i].n; k++)
            if (!is_slope(&truth[i].d[k], entry(gradient(r, &slot[i]), k), truth[i].largest, how, sizeof how))
                return snprintf(why, size, "%s, entry %zu: %s", slot[i].name, k, how), false;
    return true;
}

static void check_no_slope(const struct point *p, const struct slot *slot, int n, const struct truth *truth)
{
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < slot[i].n; k++)
            ck_assert_msg(truth[i].d[k].step == 0, "%s has no backward, but %s has slope %g at entry %zu", p->what,
                          slot[i].name, truth[i].d[k].step, k);
}

static void check_all_zero(const struct run *r, const struct slot *slot, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(largest(gradient(r, &slot[i])) == 0, "%s stops gradients, but one comes through", r->p->what);
}

static bool something_learns; /* some gradient of the row is not 0 */

static void differentiate(struct point *p)
{
    struct slot slot[SLOTS];
    struct truth truth[SLOTS];
    struct run r;
    struct nb_error e = {0};
    char why[400];
    int n = slots_of(p, slot);
    bool stop = p->m[NB_F64].stop;
    ck_assert_msg(stop || !find_truth(p, slot, n, truth, &e), "%s: forward at a neighbour: %s %s", p->what,
                  nb_code_name(e.code), e.detail);
    if (!p->m[NB_F64].backward) {
        if (!stop)
            check_no_slope(p, slot, n, truth);
        return;
    }
    run_init(&r, p, NB_F64);
    ask(&r, slot, n, UINT64_MAX);
    ck_assert_msg(!run_forward(&r, 0xFF, &e) && !run_backward(&r, 0xFF, &e), "%s: %s", p->what, e.detail);
    if (stop)
        check_all_zero(&r, slot, n);
    else
        ck_assert_msg(verdict(&r, slot, n, truth, why, sizeof why), "%s: %s", p->what, why);
    for (int i = 0; i < n && !stop; i++)
        something_learns |= truth[i].largest > 0;
}

START_TEST(has_the_right_gradient)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    something_learns = false;
    each_point(_i, differentiate);
    ck_assert_msg(something_learns || !m->backward || m->stop || m->flows, "%s: no case has a gradient other than 0",
                  m->type);
}
END_TEST

/* ---- the test can fail --------------------------------------------------------------------------------------------
 */

static int (*genuine)(const struct nb_call *, struct nb_error *);
enum mistake { SIGN, FACTOR, LAST_ENTRY, NO_COTANGENT, MISTAKES };
static enum mistake planted;
static double shift; /* by how much the last entry is off */

static void spoil(const struct nb_tensor *t)
{
    double *g = t->data;
    size_t n = g ? (size_t)nb_count(&t->shape) : 0;
    for (size_t i = 0; i < n && planted != LAST_ENTRY; i++)
        g[i] *= planted == SIGN ? -1 : planted == FACTOR ? 2 : 1;
    if (n && planted == LAST_ENTRY)
        g[n - 1] += shift;
}

static int mistaken(const struct nb_call *c, struct nb_error *e)
{
    struct nb_call d = *c;
    struct nb_tensor ones[PORTS];
    for (int i = 0; i < c->nout && planted == NO_COTANGENT; i++) {
        ones[i] = c->gout[i];
        int64_t n = nb_count(&ones[i].shape);
        ones[i].data = malloc((size_t)n * sizeof(double) + 1);
        for (int64_t k = 0; k < n; k++)
            ((double *)ones[i].data)[k] = 1;
        d.gout = ones;
    }
    int r = genuine(&d, e);
    for (int i = 0; i < c->nin; i++)
        spoil(&c->gin[i]);
    for (int i = 0; i < c->nw; i++)
        spoil(&c->gw[i]);
    for (int i = 0; i < c->nout && planted == NO_COTANGENT; i++)
        free(ones[i].data);
    return r;
}

/* Each mistake, where the gradient is not 0 throughout, must be seen. */
static void plant(struct point *p)
{
    struct slot slot[SLOTS];
    struct truth truth[SLOTS];
    struct run r;
    struct nb_error e = {0};
    char why[400];
    int n = slots_of(p, slot);
    ck_assert_msg(!find_truth(p, slot, n, truth, &e), "%s: %s", p->what, e.detail);
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, truth[i].largest);
    genuine = p->m[NB_F64].backward;
    p->m[NB_F64].backward = mistaken;
    shift = 1e-4 * most;
    run_init(&r, p, NB_F64);
    for (planted = 0; planted < MISTAKES && most > 0; planted++) {
        ask(&r, slot, n, UINT64_MAX);
        ck_assert_msg(!run_forward(&r, 0xFF, &e) && !run_backward(&r, 0xFF, &e), "%s: %s", p->what, e.detail);
        ck_assert_msg(!verdict(&r, slot, n, truth, why, sizeof why), "%s: mistake %d in backward is not seen", p->what,
                      (int)planted);
    }
}

START_TEST(mistakes_are_seen)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    if (m->backward && !m->stop)
        each_point(_i, plant);
}
END_TEST

static int abort_instead(const struct nb_call *c, struct nb_error *e)
{
    (void)c, (void)e;
    abort();
}

static void question_the_oracle(struct point *p)
{
    struct slot slot[SLOTS];
    struct truth truth[SLOTS];
    struct nb_error e = {0};
    int n = slots_of(p, slot);
    for (int b = NB_F32; b <= NB_C128; b++)
        p->m[b].backward = abort_instead;
    ck_assert_msg(!find_truth(p, slot, n, truth, &e), "%s: %s", p->what, e.detail);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < slot[i].n; k++)
            ck_assert_msg(isfinite(truth[i].d[k].step), "%s: %s", p->what, slot[i].name);
}

START_TEST(the_oracle_needs_no_backward)
{
    each_point(_i, question_the_oracle);
}
END_TEST

/* ---- shapes -------------------------------------------------------------------------------------------------------
 */

/* The same inference with one size unknown: what it says must not contradict what it says of the known size. */
static void infer_with(const struct point *p, const char *args, int input, int dim, int64_t size)
{
    struct point q = *p;
    struct nb_error e = {0};
    q.s = (struct nb_infer){.nin = p->s.nin};
    ck_assert(!read_args(&q, args, &q.args, &e));
    q.shape[input].dim[dim] = size;
    if (infer(&q, &e)) {
        ck_assert_msg(e.code != NB_E_none && e.code != NB_E_internal, "%s: refuses an unknown size without a word",
                      p->what);
        return;
    }
    ck_assert_msg(q.s.nout == p->s.nout && q.s.nw == p->s.nw, "%s: other outputs with an unknown size", p->what);
    for (int i = 0; i < q.s.nout; i++)
        ck_assert_msg(nb_shape_same(&q.out_shape[i], &p->out_shape[i]), "%s: other shapes with an unknown size",
                      p->what);
    for (int i = 0; i < q.s.nw; i++)
        ck_assert_msg(nb_shape_same(&q.s.w[i].shape, &p->s.w[i].shape), "%s: other learned tensors", p->what);
}

static const char *args_now;

static void infer_symbols(struct point *p)
{
    for (int i = 0; i < p->s.nin; i++)
        for (int d = 0; d < p->shape[i].rank; d++) {
            infer_with(p, args_now, i, d, NB_SYM(0));
            infer_with(p, args_now, i, d, NB_ANY);
        }
}

START_TEST(infers_with_symbols)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    for (const struct nb_case *c = m->cases; c && c->in; c++) {
        args_now = c->args;
        try_case(_i, c, 0, infer_symbols);
    }
}
END_TEST

/* Inputs of any shape: refused by infer, or computed. */
static void try_shapes(int row, const struct nb_case *c, uint64_t trial)
{
    struct nb_arena arena;
    struct nb_error e = {0};
    struct point p;
    struct run r;
    struct slot slot[SLOTS];
    int64_t classes[PORTS] = {0};
    nb_arena_init(&arena, 1 << 30);
    point_init(&p, row, &arena);
    snprintf(p.what, sizeof p.what, "%s, shapes %llu", p.m[0].type, (unsigned long long)trial);
    memcpy(now, p.what, sizeof now);
    p.train = c->train;
    read_inputs(&p, c, 0, classes);
    struct nb_stream s = stream(&p, "shapes", 0);
    for (int i = 0; i < p.s.nin; i++) {
        if (p.shape[i].rank < 0 || nb_word(s, (uint64_t)i) % 4 == 0)
            continue;
        bool one = nb_word(s, 99 + (uint64_t)i) % 3; /* change one size, or all */
        if (!one)
            p.shape[i].rank = (int)(nb_word(s, 200 + (uint64_t)i) % 6);
        for (int d = 0; d < p.shape[i].rank; d++)
            if (!one || nb_word(s, 1000 + 10 * (uint64_t)i + (uint64_t)d) % 3 == 0)
                p.shape[i].dim[d] = (int64_t)(nb_word(s, 2000 + 10 * (uint64_t)i + (uint64_t)d) % 5);
    }
    int bad = read_args(&p, c->args, &p.args, &e) || infer(&p, &e) || draw_all(&p, classes, &e);
    if (!bad) {
        int n = slots_of(&p, slot);
        run_init(&r, &p, NB_F64);
        ask(&r, slot, n, UINT64_MAX);
        bad = run_forward(&r, 0xFF, &e) || (p.m[NB_F64].backward && run_backward(&r, 0xFF, &e));
    }
    ck_assert_msg(!bad || (e.code != NB_E_none && e.code != NB_E_internal), "%s: refused without a word", p.what);
    nb_arena_done(&arena);
}

START_TEST(survives_any_shape)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    for (const struct nb_case *c = m->cases; c && c->in; c++)
        for (uint64_t trial = 0; trial < 60; trial++)
            try_shapes(_i, c, trial);
}
END_TEST

/* ---- rows broken on purpose: each must be noticed -------------------------------------------------------------------
 */

static struct nb_module sound; /* the row as it is, in double */
static char last_input[1 << 12], sums[1 << 12];
static double drift;

static int forward_drifts(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound.forward(c, e);
    ((double *)c->out[0].data)[0] += drift++;
    return bad;
}

static int forward_remembers(const struct nb_call *c, struct nb_error *e)
{
    memcpy(last_input, c->in[0].data, bytes(&c->in[0]));
    return sound.forward(c, e);
}

/* Differentiates at the point of the last forward, whoever made it. */
static int backward_remembers(const struct nb_call *c, struct nb_error *e)
{
    struct nb_call stale = *c;
    struct nb_tensor in[PORTS];
    memcpy(in, c->in, sizeof *in * (size_t)c->nin);
    in[0].data = last_input;
    stale.in = in;
    return sound.backward(&stale, e);
}

/* Every call adds to the last. */
static int backward_accumulates(const struct nb_call *c, struct nb_error *e)
{
    double *g = c->gin[0].data, *sum = (double *)(void *)sums;
    int bad = sound.backward(c, e);
    for (size_t i = 0; g && i < (size_t)nb_count(&c->gin[0].shape); i++)
        g[i] = sum[i] += g[i];
    return bad;
}

static int backward_writes_cotangent(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound.backward(c, e);
    ((double *)c->gout[0].data)[0] *= 2;
    return bad;
}

static int backward_writes_input(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound.backward(c, e);
    ((double *)c->in[0].data)[0] += 1;
    return bad;
}

static int backward_writes_learned(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound.backward(c, e);
    ((double *)c->w[0].data)[0] = 0;
    return bad;
}

static const struct {
    int (*forward)(const struct nb_call *c, struct nb_error *e);
    int (*backward)(const struct nb_call *c, struct nb_error *e);
} broken[] = {{forward_drifts, NULL},        {forward_remembers, backward_remembers},
              {NULL, backward_accumulates},  {NULL, backward_writes_cotangent},
              {NULL, backward_writes_input}, {NULL, backward_writes_learned}};
enum { BROKEN = sizeof broken / sizeof *broken };
static int now_broken;

static void break_it(struct point *p)
{
    sound = p->m[NB_F64];
    if (broken[now_broken].forward)
        p->m[NB_F64].forward = broken[now_broken].forward;
    if (broken[now_broken].backward)
        p->m[NB_F64].backward = broken[now_broken].backward;
}

START_TEST(is_broken)
{
    now_broken = _i;
    break_row = break_it;
    each_point(nb_module_find("Linear"), compute_all);
}
END_TEST

/* How many of them are taken for sound. */
static int broken_rows_accepted(void)
{
    Suite *s = suite_create("broken rows");
    TCase *t = tcase_create("broken rows");
    tcase_add_loop_test(t, is_broken, 0, BROKEN);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_SILENT);
    int accepted = BROKEN - srunner_ntests_failed(r);
    srunner_free(r);
    if (accepted)
        fprintf(stderr, "%d rows broken on purpose are taken for sound\n", accepted);
    return accepted;
}

/* -------------------------------------------------------------------------------------------------------------------
 */

START_TEST(table_is_there)
{
    ck_assert_int_gt(nb_module_count(), 0);
    ck_assert_int_eq(nb_module_find("no such module"), -1);
    ck_assert_int_eq(nb_module_find(""), -1);
}
END_TEST

static Suite *suite(int first, int end)
{
    static const struct {
        const char *name;
        const TTest **test;
    } loops[] = {{"declares itself", &declares_itself},
                 {"computes", &computes},
                 {"has the right gradient", &has_the_right_gradient},
                 {"mistakes are seen", &mistakes_are_seen},
                 {"the oracle needs no backward", &the_oracle_needs_no_backward},
                 {"infers with symbols", &infers_with_symbols},
                 {"survives any shape", &survives_any_shape}};
    Suite *s = suite_create("modules");
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        TCase *t = tcase_create(loops[i].name);
        tcase_set_timeout(t, 120);
        tcase_add_loop_test(t, *loops[i].test, first, end);
        suite_add_tcase(s, t);
    }
    TCase *t = tcase_create("table");
    tcase_add_test(t, table_is_there);
    suite_add_tcase(s, t);
    return s;
}

int main(int argc, char **argv)
{
    int first = 0, end = nb_module_count();
    if (argc > 1) {
        first = nb_module_find(argv[1]);
        if (first < 0)
            return fprintf(stderr, "no module is called %s\n", argv[1]), 2;
        end = first + 1;
    }
#ifndef __SANITIZE_ADDRESS__
    signal(SIGSEGV, say_what_crashed);
    signal(SIGFPE, say_what_crashed);
    signal(SIGABRT, say_what_crashed);
#endif
    SRunner *r = srunner_create(suite(first, end));
    if (argc > 1)
        srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0 || (argc == 1 && broken_rows_accepted());
}
