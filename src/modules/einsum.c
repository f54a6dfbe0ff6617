/* Einsum: sums of products of tensors whose dimensions have labels. Two operands at a time become one batched product
 * of matrices; the gradient of an operand is again such a sum, of the cotangent and the other operands. */
#include "modules/rows.h"
#include <string.h>

enum { MOST = 32, LETTERS = 128 };

struct args {
    const char *equation;
};

/* ---- the equation ------------------------------------------------------------------------------------------------ */

struct labels {
    int n;
    unsigned char of[NB_MAX_RANK];
};

struct spec {
    int n;
    struct labels in[MOST], out;
};

static int find(const struct labels *l, unsigned char c)
{
    for (int i = 0; i < l->n; i++)
        if (l->of[i] == c)
            return i;
    return -1;
}

static bool has(const struct labels *l, unsigned char c)
{
    return find(l, c) >= 0;
}

static int fail_at(struct nb_error *e)
{
    return nb_at(e, "equation");
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int add_label(struct labels *l, char c, const char *text, struct nb_error *e)
{
    if (!is_letter(c))
        return nb_fail(e, NB_E_bad_argument, "labels are letters, as in \"bij,bjk->bik\"; %.100s came", text),
               fail_at(e);
    if (l->n == NB_MAX_RANK)
        return nb_fail(e, NB_E_bad_argument, "%.100s: a tensor has at most %d dimensions", text, NB_MAX_RANK),
               fail_at(e);
    l->of[l->n++] = (unsigned char)c;
    return 0;
}

/* How often a label stands on the left. */
static int times_used(const struct spec *s, unsigned char c)
{
    int times = 0;
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < s->in[i].n; k++)
            times += s->in[i].of[k] == c;
    return times;
}

/* Without "->": what stands there once, in the order of the alphabet. */
static int implied(struct spec *s, const char *text, struct nb_error *e)
{
    for (unsigned char c = 'A'; c <= 'z'; c++)
        if (times_used(s, c) == 1 && add_label(&s->out, (char)c, text, e))
            return -1;
    return 0;
}

static int check_out(const struct spec *s, const char *text, struct nb_error *e)
{
    for (int i = 0; i < s->out.n; i++) {
        unsigned char c = s->out.of[i];
        if (!times_used(s, c))
            return nb_fail(e, NB_E_bad_argument, "%.100s: no operand has the label %c", text, c), fail_at(e);
        if (find(&s->out, c) != i)
            return nb_fail(e, NB_E_bad_argument, "%.100s: the result has the label %c twice", text, c), fail_at(e);
    }
    return 0;
}

static int parse(const char *text, struct spec *s, struct nb_error *e)
{
    struct labels *now = &s->in[0];
    *s = (struct spec){.n = 1};
    for (const char *c = text; *c; c++) {
        if (*c == ' ')
            continue;
        if (c[0] == '-' && c[1] == '>' && now != &s->out) {
            now = &s->out;
            c++;
        } else if (*c == ',' && now != &s->out && s->n < MOST) {
            now = &s->in[s->n++];
        } else if (add_label(now, *c, text, e)) {
            return -1;
        }
    }
    return now != &s->out && implied(s, text, e) ? -1 : check_out(s, text, e);
}

/* ---- one sum of products ------------------------------------------------------------------------------------------
 */

/* Scratch is counted first, in infer, by a run that computes nothing: then base is NULL. */
struct run {
    size_t extent[LETTERS];
    nb_real *base;
    size_t used;
    bool dry, large; /* large: something on the way has more entries or dimensions than a tensor may have */
};

struct value { /* dense, one dimension for each label */
    struct labels l;
    const nb_real *x;
};

static size_t volume(struct run *r, const struct labels *l)
{
    struct nb_shape s = {.rank = l->n};
    for (int i = 0; i < l->n; i++)
        s.dim[i] = (int64_t)r->extent[l->of[i]];
    int64_t n = nb_count(&s);
    r->large |= n < 0;
    return n < 0 ? 0 : (size_t)n;
}

static nb_real *take(struct run *r, size_t n)
{
    nb_real *x = r->dry ? NULL : r->base + r->used;
    r->used += n;
    return x;
}

/* Adds a label, unless it is there. */
static void include(struct run *r, struct labels *l, unsigned char c)
{
    if (has(l, c))
        return;
    if (l->n == NB_MAX_RANK)
        r->large = true;
    else
        l->of[l->n++] = c;
}

static bool same(const struct labels *a, const struct labels *b)
{
    return a->n == b->n && !memcmp(a->of, b->of, (size_t)a->n);
}

static struct labels joined(struct run *r, const struct labels *a, const struct labels *b, const struct labels *c)
{
    struct labels all = *a;
    for (int i = 0; i < b->n; i++)
        include(r, &all, b->of[i]);
    for (int i = 0; c && i < c->n; i++)
        include(r, &all, c->of[i]);
    return all;
}

/* The dimensions `order` of a dense tensor: a label that stands there twice runs along the diagonal, one that is not
 * there stays where it is. */
static struct nb_layout layout_of(const struct run *r, const struct labels *dense, const struct labels *order)
{
    struct nb_layout l = {.rank = order->n};
    for (int i = 0; i < order->n; i++) {
        ptrdiff_t stride = 1;
        l.size[i] = r->extent[order->of[i]];
        for (int k = dense->n - 1; k >= 0; k--) {
            l.stride[i] += dense->of[k] == order->of[i] ? stride : 0;
            stride *= (ptrdiff_t)r->extent[dense->of[k]];
        }
    }
    return l;
}

static void arrange(const struct run *r, const struct value *v, const struct labels *order, nb_real *to)
{
    struct nb_layout l = layout_of(r, &v->l, order);
    if (!r->dry)
        NB(nb_pick)
    (&l, v->x, to);
}

/* The entries in this order: in place, or copied. */
static const nb_real *in_order(struct run *r, const struct value *v, const struct labels *order)
{
    if (same(&v->l, order))
        return v->x;
    nb_real *to = take(r, volume(r, order));
    arrange(r, v, order, to);
    return to;
}

/* Diagonals are taken, and labels nobody needs are summed over. */
static struct value reduced(struct run *r, const struct value *v, const bool *needed)
{
    struct labels kept = {0}, gone = {0};
    for (int i = 0; i < v->l.n; i++)
        include(r, needed[v->l.of[i]] ? &kept : &gone, v->l.of[i]);
    if (kept.n == v->l.n)
        return *v;
    struct labels order = joined(r, &kept, &gone, NULL);
    const nb_real *x = in_order(r, v, &order);
    if (!gone.n)
        return (struct value){kept, x};
    size_t rows = volume(r, &kept), n = volume(r, &gone);
    nb_real *y = take(r, rows);
    for (size_t i = 0; i < rows && !r->dry; i++)
        y[i] = (nb_real)NB(nb_total)(n, x + i * n);
    return (struct value){kept, y};
}

/* Two operands as matrices: [batch, m, k] times [batch, k, n]. */
struct sorted {
    struct labels batch, m, k, n;
};

static struct sorted sort(struct run *r, const struct labels *a, const struct labels *b, const bool *needed)
{
    struct sorted s = {{0}, {0}, {0}, {0}};
    for (int i = 0; i < a->n; i++)
        include(r, !has(b, a->of[i]) ? &s.m : needed[a->of[i]] ? &s.batch : &s.k, a->of[i]);
    for (int i = 0; i < b->n; i++)
        if (!has(a, b->of[i]))
            include(r, &s.n, b->of[i]);
    return s;
}

NB_SIMD static void multiply(size_t n, const nb_real *a, const nb_real *b, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void products(struct run *r, const struct sorted *s, const nb_real *a, bool ta, const nb_real *b, bool tb,
                     nb_real *y)
{
    size_t batch = volume(r, &s->batch), m = volume(r, &s->m), k = volume(r, &s->k), n = volume(r, &s->n);
    if (r->dry)
        return;
    if (m == 1 && k == 1 && n == 1)
        multiply(batch, a, b, y);
    else
        for (size_t i = 0; i < batch; i++)
            NB(nb_gemm)(ta, tb, m, n, k, a + i * m * k, b + i * k * n, 0, y + i * m * n);
}

/* The product, with the labels that are needed. The last one has a target: if it comes in that order, in `out`. */
static struct value contract(struct run *r, const struct value *a, const struct value *b, const bool *needed,
                             const struct labels *target, nb_real *out)
{
    struct sorted s = sort(r, &a->l, &b->l, needed);
    struct labels order = joined(r, &s.batch, &s.n, &s.m);
    if (target && same(&order, target)) { /* the other way round it is in order at once */
        const struct value *other = a;
        a = b;
        b = other;
        s = sort(r, &a->l, &b->l, needed);
    }
    struct labels mk = joined(r, &s.batch, &s.m, &s.k), km = joined(r, &s.batch, &s.k, &s.m);
    struct labels kn = joined(r, &s.batch, &s.k, &s.n), nk = joined(r, &s.batch, &s.n, &s.k);
    bool ta = same(&a->l, &km) && !same(&a->l, &mk), tb = same(&b->l, &nk) && !same(&b->l, &kn);
    const nb_real *x = in_order(r, a, ta ? &km : &mk), *y = in_order(r, b, tb ? &nk : &kn);
    struct labels made = joined(r, &s.batch, &s.m, &s.n);
    bool direct = target && same(&made, target);
    nb_real *z = direct ? out : take(r, volume(r, &made));
    products(r, &s, x, ta, y, tb, z);
    return (struct value){made, z};
}

/* The result goes to out: in another order, spread over labels it has not, onto the diagonal of labels that are there
 * twice. */
static void finish(struct run *r, const struct value *v, const struct labels *target, nb_real *out)
{
    struct labels single = {0};
    for (int i = 0; i < target->n; i++)
        include(r, &single, target->of[i]);
    if (v->x == out && !r->dry)
        return;
    if (single.n == target->n) {
        arrange(r, v, target, out);
        return;
    }
    const nb_real *x = in_order(r, v, &single);
    struct nb_layout l = layout_of(r, target, &single);
    size_t n = volume(r, target);
    if (r->dry)
        return;
    memset(out, 0, n * sizeof *out);
    NB(nb_place)(&l, x, out);
}

/* Labels that the target or an operand other than `self`, from `first` on, has. */
static void need(bool *needed, const struct labels *target, int n, const struct value *v, int first, int self)
{
    memset(needed, 0, LETTERS * sizeof *needed);
    for (int k = 0; k < target->n; k++)
        needed[target->of[k]] = true;
    for (int i = first; i < n; i++)
        for (int k = 0; i != self && k < v[i].l.n; k++)
            needed[v[i].l.of[k]] = true;
}

/* out = the sum of the products of n operands, for every entry of the target. */
static void sum_products(struct run *r, int n, const struct value *v, const struct labels *target, nb_real *out)
{
    bool needed[LETTERS];
    need(needed, target, n, v, 0, 0);
    struct value all = reduced(r, &v[0], needed);
    for (int i = 1; i < n; i++) {
        need(needed, target, n, v, 0, i);
        struct value next = reduced(r, &v[i], needed);
        need(needed, target, n, v, i + 1, -1);
        all = contract(r, &all, &next, needed, i == n - 1 ? target : NULL, out);
    }
    finish(r, &all, target, out);
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

/* All sizes of a label agree. */
static int check_sizes(const struct nb_infer *s, const struct spec *p, int64_t *size, struct nb_error *e)
{
    char text[200];
    for (int c = 0; c < LETTERS; c++)
        size[c] = NB_ANY;
    for (int i = 0; i < p->n; i++) {
        const struct nb_shape *x = &s->in[i];
        nb_shape_text(x, s->symbols, text, sizeof text);
        if (x->rank != p->in[i].n)
            return nb_fail(e, NB_E_shape_mismatch, "operand %d has %d labels in the equation and the shape %s", i,
                           p->in[i].n, text);
        for (int k = 0; k < x->rank; k++) {
            int64_t *have = &size[p->in[i].of[k]];
            if (*have != NB_ANY && nb_dim_same(*have, x->dim[k]) == 0)
                return nb_fail(e, NB_E_shape_mismatch,
                               "dimension %d of operand %d (%c, shape %s) has another size before", k, i,
                               p->in[i].of[k], text);
            *have = *have == NB_ANY || NB_IS_KNOWN(x->dim[k]) ? x->dim[k] : *have;
        }
    }
    return 0;
}

/* For the gradient of operand `self`: the cotangent and the other operands. For the value (self -1): the operands. */
static int operands(const struct spec *p, const struct nb_call *c, int self, struct value *v)
{
    int n = 0;
    if (self >= 0)
        v[n++] = (struct value){p->out, c ? c->gout[0].data : NULL};
    for (int i = 0; i < p->n; i++)
        if (i != self)
            v[n++] = (struct value){p->in[i], c ? c->in[i].data : NULL};
    return n;
}

static int measure(struct nb_infer *s, const struct spec *p, const int64_t *size, struct nb_error *e)
{
    struct run r = {.dry = true};
    struct value v[MOST + 1] = {{{0}, NULL}};
    for (int c = 0; c < LETTERS; c++)
        r.extent[c] = size[c] > 0 ? (size_t)size[c] : 0;
    for (int self = -1; self < p->n; self++) {
        r.used = 0;
        sum_products(&r, operands(p, NULL, self, v), v, self < 0 ? &p->out : &p->in[self], NULL);
        s->work = r.used > s->work ? r.used : s->work;
    }
    if (r.large)
        return nb_fail(
            e, NB_E_limit,
            "a product on the way has more than %d dimensions, or 2^31 entries: other orders of the operands "
            "may do with less",
            NB_MAX_RANK);
    return 0;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    struct spec p;
    int64_t size[LETTERS];
    bool known = true;
    if (parse(a->equation, &p, e))
        return -1;
    if (p.n != s->nin)
        return nb_fail(e, NB_E_input_count, "the equation has %d operands, %d came", p.n, s->nin);
    if (check_sizes(s, &p, size, e))
        return -1;
    s->out[0].rank = p.out.n;
    for (int i = 0; i < p.out.n; i++)
        s->out[0].dim[i] = size[p.out.of[i]];
    for (int i = 0; i < p.n; i++)
        known &= nb_shape_known(&s->in[i]);
    return known ? measure(s, &p, size, e) : 0;
}

static struct run run_of(const struct nb_call *c, struct spec *p)
{
    struct run r = {.base = c->work};
    struct nb_error e = {0};
    parse(((const struct args *)c->args)->equation, p, &e);
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->in[i].n; k++)
            r.extent[p->in[i].of[k]] = (size_t)c->in[i].shape.dim[k];
    return r;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct spec p;
    struct value v[MOST + 1];
    struct run r = run_of(c, &p);
    sum_products(&r, operands(&p, c, -1, v), v, &p.out, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct spec p;
    struct value v[MOST + 1];
    struct run r = run_of(c, &p);
    for (int i = 0; i < p.n; i++) {
        r.used = 0;
        if (c->gin[i].data)
            sum_products(&r, operands(&p, c, i, v), v, &p.in[i], c->gin[i].data);
    }
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, NB_VARIADIC}, {0}};

static const struct nb_arg args[] = {
    {"equation", NB_ARG_STRING, offsetof(struct args, equation), 0, 0, 0, NB_REQUIRED, NULL,
     "a letter for every dimension of every operand, and those of the result: \"bij,bjk->bik\""},
    {0},
};

static const struct nb_case cases[] = {
    {"\"equation\": \"bij,bjk->bik\"", "3x5x7 3x7x2", false},
    {"\"equation\": \"bn,bnm->bm\"", "5x3 5x3x7", false},
    {"\"equation\": \"ij,jk\"", "5x7 7x3", false},
    {"\"equation\": \"ij,kj->ki\"", "5x7 3x7", false},
    {"\"equation\": \"i,j->ij\"", "5 7", false},
    {"\"equation\": \"ij,ij->j\"", "5x7 5x7", false},
    {"\"equation\": \"jbi,kj->bk\"", "5x3x2 7x5", false},
    {"\"equation\": \"aij,ajk,bk->ib\"", "2x3x5 2x5x7 3x7", false},
    {"\"equation\": \"ij,jk,kl,m->il\"", "3x5 5x2 2x7 3", false},
    {"\"equation\": \"ii->i\"", "5x5", false},
    {"\"equation\": \"iji,jk->k\"", "3x5x3 5x7", false},
    {"\"equation\": \"ijk->\"", "3x5x7", false},
    {"\"equation\": \"ijk->ki\"", "3x5x7", false},
    {"\"equation\": \"i , i ->\"", "17 17", false},
    {"\"equation\": \"bchw,bkhw->bck\"", "2x3x5x1 2x7x5x1", false},
    {0},
};

const struct nb_module NB(nb_module_einsum)[] = {
    {
        .type = "Einsum",
        .onnx = "Einsum",
        .summary = "Sums of products of tensors whose dimensions have labels.",
        .formula = "y_{\\text{out}} = \\sum_{\\text{other labels}} \\prod_i x^{(i)}_{\\text{labels of } i}",
        .derivative = "\\bar x^{(i)} = \\sum_{\\text{labels not of } i} g\\, \\prod_{j \\ne i} x^{(j)}",
        .note =
            "A label that is not in the result is summed over; one that an operand has twice runs along its diagonal. "
            "Without -> the result has the labels that stand there once, in the order of the alphabet. Operands are "
            "multiplied from the left, two at a time; there are no dots for leading dimensions and no broadcasting of "
            "size 1.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .cases = cases,
    },
    {0},
};
