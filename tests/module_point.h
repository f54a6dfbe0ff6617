/* module_point.h - a module of the table with arguments, inputs and learned tensors to try it at, and one evaluation of
 * it in any of the three builds. For test_modules.c. */
#include "graph/arguments.h"
#include "nabla/module.h"
#include <check.h>
#include <complex.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORTS = 64, SLOTS = PORTS + NB_MAX_WEIGHTS };

struct point {
    struct nb_module m[3]; /* the row in each build; copies, so that a test can take backward away */
    char what[400];        /* for messages */
    struct nb_arena *arena;
    void *args;
    bool train;
    struct nb_infer s;
    struct nb_shape shape[PORTS], out_shape[PORTS];
    bool integer[PORTS];
    char letter[PORTS];
    struct nb_tensor in[PORTS], w[NB_MAX_WEIGHTS], cot[PORTS]; /* in double; integers as NB_I64 */
};

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

/* To 20 bits after the point: the same number in float and in double. */
static double coarse(double v)
{
    return ldexp(nearbyint(ldexp(v, 20)), -20);
}

/* All different, both signs where the interval has them, and not on a multiple of 1/2, where most kinks are. */
static void draw_distinct(struct nb_stream s, double lo, double hi, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* into place i by a random exchange */
        size_t j = nb_word(s, 2 * i) % (i + 1);
        double stratum = (0.2 + 0.6 * nb_uniform(s, 2 * i + 1) + (double)i) / (double)n;
        double v = lo + (hi - lo) * stratum, kink = nearbyint(2 * v) / 2;
        if (fabs(v - kink) < 0.004)
            v = kink + (kink + 0.006 < hi ? 0.006 : -0.006) + (v - kink) / 8;
        x[i] = x[j];
        x[j] = coarse(v);
    }
}

static void draw_probabilities(struct nb_stream s, const struct nb_shape *shape, double *x, size_t n)
{
    size_t row = shape->rank > 0 ? (size_t)shape->dim[shape->rank - 1] : 1;
    draw_distinct(s, 0.1, 1, x, n);
    for (size_t i = 0; i < n; i += row) {
        double sum = 0;
        for (size_t j = 0; j < row; j++)
            sum += x[i + j];
        for (size_t j = 0; j < row; j++)
            x[i + j] = coarse(x[i + j] / sum);
    }
}

static void draw_real(struct nb_stream s, char letter, const struct nb_module *m, struct nb_tensor *t)
{
    size_t n = (size_t)nb_count(&t->shape);
    double *x = t->data, lo = m->lo, hi = m->hi;
    if (lo == 0 && hi == 0)
        lo = -2, hi = 2;
    if (letter == 'u')
        lo = 0.05, hi = 0.95;
    if (letter == 'p' || letter == 'l')
        draw_probabilities(s, &t->shape, x, n);
    else
        draw_distinct(s, lo, hi, x, n);
    for (size_t i = 0; i < n; i++) {
        if (letter == 'l')
            x[i] = coarse(log(x[i]));
        else if (letter == 's' || letter == 'b')
            x[i] = nb_word(s, 1000 + i) & 1 ? 1 : letter == 's' ? -1 : 0;
    }
    if ((letter == 's' || letter == 'b') && n > 1) /* never all the same */
        x[0] = 1, x[n - 1] = letter == 's' ? -1 : 0;
}

static void draw_classes(struct nb_stream s, int64_t classes, struct nb_tensor *t)
{
    int64_t n = nb_count(&t->shape);
    for (int64_t i = 0; i < n; i++)
        ((int64_t *)t->data)[i] = (int64_t)(nb_word(s, (uint64_t)i) % (uint64_t)classes);
}

/* Its usual start with something added, for the usual start is often 0 or 1 throughout. Buffers stay positive. */
static int draw_weight(struct point *p, int i, struct nb_stream s, struct nb_error *e)
{
    const struct nb_weight *w = &p->s.w[i];
    struct nb_tensor *t = &p->w[i], noise;
    if (nb_tensor_new(p->arena, NB_F64, &w->shape, t, e) || nb_tensor_new(p->arena, NB_F64, &w->shape, &noise, e) ||
        nb_init_fill(&w->init, s, t, p->arena, e))
        return -1;
    size_t n = (size_t)nb_count(&w->shape);
    s.high++;
    draw_distinct(s, -0.3, 0.3, noise.data, n);
    for (size_t k = 0; k < n; k++) {
        double v = ((double *)t->data)[k] + ((double *)noise.data)[k];
        ((double *)t->data)[k] = coarse(w->buffer ? fabs(v) : v);
    }
    return 0;
}

/* Both signs, never near 0 or 1. */
static void draw_cotangent(struct nb_stream s, struct nb_tensor *t)
{
    int64_t n = nb_count(&t->shape);
    for (int64_t i = 0; i < n; i++) {
        double u = nb_uniform(s, (uint64_t)i);
        ((double *)t->data)[i] = coarse(i % 2 ? 0.3 + u / 2 : -1.3 - u / 2);
    }
}

static struct nb_stream stream(const struct point *p, const char *what, int i)
{
    char name[500];
    snprintf(name, sizeof name, "%s %s %d", p->what, what, i);
    return nb_stream_of((struct nb_seed){1, 0}, name);
}

/* ---- a case ------------------------------------------------------------------------------------------------------ */

/* The port of input i: the last one stands for all that follow. NULL: there is none. */
static const struct nb_port *port_of(const struct nb_module *m, int i)
{
    const struct nb_port *p = m->inputs;
    for (int k = 0; p && p->name; p++, k++)
        if (k == i || p->flags & NB_VARIADIC)
            return p;
    return NULL;
}

static int port_count(const struct nb_module *m)
{
    int n = 0;
    while (m->inputs && m->inputs[n].name)
        n++;
    return n;
}

/* "5x7c3": sizes, a letter, a number. */
static void read_input(const char *text, size_t n, struct nb_shape *shape, char *letter, int64_t *classes)
{
    const char *end = text + n;
    *shape = (struct nb_shape){.rank = 0};
    *letter = 0;
    *classes = 0;
    while (text < end && *text >= '0' && *text <= '9') {
        char *rest;
        shape->dim[shape->rank++] = strtol(text, &rest, 10);
        text = rest + (rest < end && *rest == 'x');
    }
    if (text < end)
        *letter = *text++;
    if (*letter == 'c')
        *classes = strtol(text, NULL, 10);
    if (*letter == '-')
        shape->rank = -1;
}

static int read_args(struct point *p, const char *args, void **to, struct nb_error *e)
{
    char *text = nb_sprintf(p->arena, e, "{%s}", args ? args : "");
    json_error_t where;
    json_t *j = json_loads(text, 0, &where);
    if (!j)
        return nb_fail(e, NB_E_json_syntax, "%s: %s", text, where.text);
    int r = nb_args_read(&p->m[NB_F64], j, false, NULL, p->arena, to, e);
    json_decref(j);
    return r;
}

static int count_outputs(const struct nb_module *m, const void *args)
{
    int n = 0;
    if (m->output_names)
        return (int)m->output_names(args).n;
    while (m->outputs && m->outputs[n])
        n++;
    return m->outputs ? n : 1;
}

static int infer(struct point *p, struct nb_error *e)
{
    static const char *const symbols[] = {"B", "T"};
    p->s.args = p->args;
    p->s.in = p->shape;
    p->s.integer = p->integer;
    p->s.train = p->train;
    p->s.symbols = symbols;
    p->s.arena = p->arena;
    p->s.out = p->out_shape;
    p->s.nout = count_outputs(&p->m[NB_F64], p->args);
    return p->m[NB_F64].infer(&p->s, e);
}

/* Inputs, learned tensors and cotangents for what was inferred. */
static int draw_all(struct point *p, const int64_t *classes, struct nb_error *e)
{
    for (int i = 0; i < p->s.nin; i++) {
        const struct nb_port *port = port_of(&p->m[NB_F64], i);
        bool open = p->shape[i].rank < 0, noise = open && port->flags & NB_NOISE && !p->s.noise_off;
        p->in[i] = (struct nb_tensor){NB_F64, p->shape[i], NULL};
        if (open && !noise)
            continue;
        if (noise) {
            p->shape[i] = p->s.noise;
            p->letter[i] = 'b';
        }
        if (nb_tensor_new(p->arena, p->integer[i] ? NB_I64 : NB_F64, &p->shape[i], &p->in[i], e))
            return -1;
        if (p->integer[i])
            draw_classes(stream(p, "in", i), classes[i], &p->in[i]);
        else
            draw_real(stream(p, "in", i), p->letter[i], &p->m[NB_F64], &p->in[i]);
    }
    for (int i = 0; i < p->s.nw; i++)
        if (draw_weight(p, i, stream(p, "weight", i), e))
            return -1;
    for (int i = 0; i < p->s.nout; i++) {
        if (nb_tensor_new(p->arena, NB_F64, &p->out_shape[i], &p->cot[i], e))
            return -1;
        draw_cotangent(stream(p, "cotangent", i), &p->cot[i]);
    }
    return 0;
}

static void point_init(struct point *p, int row, struct nb_arena *arena)
{
    *p = (struct point){.arena = arena};
    for (int b = NB_F32; b <= NB_C128; b++)
        p->m[b] = *nb_module_at((enum nb_dtype)b, row);
}

/* Shapes of the inputs from a case; `size` > 0 puts a vector of that size in place of the first. */
static void read_inputs(struct point *p, const struct nb_case *c, int size, int64_t *classes)
{
    int n = 0;
    for (const char *t = c->in; t && p->m[NB_F64].inputs; t = strchr(t, ' ') ? strchr(t, ' ') + 1 : NULL, n++) {
        ck_assert_msg(n < PORTS && port_of(&p->m[NB_F64], n), "%s: more inputs than ports", p->what);
        read_input(t, strcspn(t, " "), &p->shape[n], &p->letter[n], &classes[n]);
        p->integer[n] = p->letter[n] == 'c';
    }
    for (; n < port_count(&p->m[NB_F64]) && !(port_of(&p->m[NB_F64], n)->flags & NB_VARIADIC); n++)
        p->shape[n].rank = -1;
    if (size)
        p->shape[0] = nb_shape_of(1, (int64_t)size);
    p->s.nin = n;
}

static int point_of_case(struct point *p, int row, const struct nb_case *c, int size, struct nb_arena *arena,
                         struct nb_error *e)
{
    int64_t classes[PORTS] = {0};
    point_init(p, row, arena);
    p->train = c->train;
    snprintf(p->what, sizeof p->what, "%s {%s} \"%s\"%s", p->m[0].type, c->args ? c->args : "", c->in,
             c->train ? " train" : "");
    if (size)
        snprintf(p->what + strlen(p->what), sizeof p->what - strlen(p->what), ", size %d", size);
    read_inputs(p, c, size, classes);
    return read_args(p, c->args, &p->args, e) || infer(p, e) || draw_all(p, classes, e) ? -1 : 0;
}

/* ---- one evaluation ---------------------------------------------------------------------------------------------- */

/* The tensors gradients are asked for: real inputs that are there, and learned ones. */
struct slot {
    bool weight;
    int index;
    size_t n;
    char letter;
    bool label; /* one of a few values in a port that takes integers too: it has no derivative */
    char name[80];
};

static int slots_of(const struct point *p, struct slot *slot)
{
    int n = 0;
    for (int i = 0; i < p->s.nin; i++)
        if (p->in[i].data && !p->integer[i]) {
            const struct nb_port *port = port_of(&p->m[0], i);
            bool few = p->letter[i] == 's' || p->letter[i] == 'b';
            slot[n] = (struct slot){
                false, i, (size_t)nb_count(&p->in[i].shape), p->letter[i], few && port->kind == NB_ANY_PORT, ""};
            snprintf(slot[n++].name, 80, "input %s (%d)", port->name, i);
        }
    for (int i = 0; i < p->s.nw; i++)
        if (!p->s.w[i].buffer) {
            slot[n] = (struct slot){true, i, (size_t)nb_count(&p->w[i].shape), 0, false, ""};
            snprintf(slot[n++].name, 80, "learned %s", p->s.w[i].name);
        }
    return n;
}

struct run {
    const struct point *p;
    enum nb_dtype b;
    struct nb_tensor in[PORTS], w[NB_MAX_WEIGHTS], out[PORTS], gout[PORTS], gin[PORTS], gw[NB_MAX_WEIGHTS];
    size_t saved_size, work_size;
    void *saved, *work;
};

/* After each buffer a strip that must stay as it is; AddressSanitizer watches the arena by itself. */
#ifdef __SANITIZE_ADDRESS__
enum { STRIP = 0 };
#else
enum { STRIP = 64 };
#endif

static void *buffer(struct nb_arena *a, size_t n)
{
    struct nb_error e = {0};
    char *x = nb_alloc(a, n + STRIP, 1, &e);
    ck_assert_msg(x != NULL, "%s", e.detail);
    return memset(x, 0xA5, n + STRIP);
}

static bool strip_whole(const void *x, size_t n)
{
    for (size_t i = n; x && i < n + STRIP; i++)
        if (((const unsigned char *)x)[i] != 0xA5)
            return false;
    return true;
}

static size_t bytes(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape) * nb_dtype_size(t->dtype);
}

static struct nb_tensor converted(const struct point *p, enum nb_dtype b, const struct nb_tensor *t)
{
    struct nb_tensor c = {t->dtype == NB_I64 ? NB_I64 : b, t->shape, NULL};
    if (t->data) {
        c.data = buffer(p->arena, bytes(&c));
        nb_convert(c.dtype, c.data, t->dtype, t->data, (size_t)nb_count(&t->shape));
    }
    return c;
}

static void run_init(struct run *r, const struct point *p, enum nb_dtype b)
{
    *r = (struct run){.p = p, .b = b};
    for (int i = 0; i < p->s.nin; i++)
        r->in[i] = converted(p, b, &p->in[i]);
    for (int i = 0; i < p->s.nw; i++)
        r->w[i] = converted(p, b, &p->w[i]);
    for (int i = 0; i < p->s.nout; i++) {
        r->gout[i] = converted(p, b, &p->cot[i]);
        r->out[i] = converted(p, b, &p->cot[i]); /* for its room */
    }
    r->saved_size = p->s.saved * nb_dtype_size(b);
    r->work_size = p->s.work * nb_dtype_size(b);
    r->saved = buffer(p->arena, r->saved_size);
    r->work = buffer(p->arena, r->work_size);
}

static struct nb_call call_of(struct run *r)
{
    const struct point *p = r->p;
    return (struct nb_call){.args = p->args,
                            .train = p->train,
                            .nin = p->s.nin,
                            .nout = p->s.nout,
                            .nw = p->s.nw,
                            .in = r->in,
                            .w = r->w,
                            .out = r->out,
                            .gout = r->gout,
                            .gin = r->gin,
                            .gw = r->gw,
                            .saved = r->saved,
                            .work = r->work};
}

/* What is to be written starts as rubbish: bytes of one value. */
static int run_forward(struct run *r, int rubbish, struct nb_error *e)
{
    struct nb_call c = call_of(r);
    for (int i = 0; i < r->p->s.nout; i++)
        memset(r->out[i].data, rubbish, bytes(&r->out[i]));
    memset(r->saved, rubbish, r->saved_size);
    memset(r->work, rubbish, r->work_size);
    return r->p->m[r->b].forward(&c, e);
}

/* Room for the gradients of the slots whose bit is set in want, and only of those; NaN in every entry. */
static void ask(struct run *r, const struct slot *slot, int n, uint64_t want)
{
    const struct point *p = r->p;
    for (int i = 0; i < p->s.nin; i++)
        r->gin[i] = (struct nb_tensor){r->b, p->in[i].shape, NULL};
    for (int i = 0; i < p->s.nw; i++)
        r->gw[i] = (struct nb_tensor){r->b, p->w[i].shape, NULL};
    for (int i = 0; i < n; i++) {
        struct nb_tensor *g = slot[i].weight ? &r->gw[slot[i].index] : &r->gin[slot[i].index];
        if (want >> i & 1) {
            g->data = buffer(p->arena, bytes(g));
            memset(g->data, 0xFF, bytes(g));
        }
    }
}

static const struct nb_tensor *gradient(const struct run *r, const struct slot *s)
{
    return s->weight ? &r->gw[s->index] : &r->gin[s->index];
}

static int run_backward(struct run *r, int rubbish, struct nb_error *e)
{
    struct nb_call c = call_of(r);
    memset(r->work, rubbish, r->work_size);
    return r->p->m[r->b].backward(&c, e);
}

/* Entry i as a double (the real part). */
static double entry(const struct nb_tensor *t, size_t i)
{
    if (t->dtype == NB_F32)
        return ((const float *)t->data)[i];
    return t->dtype == NB_F64 ? ((const double *)t->data)[i] : creal(((const double _Complex *)t->data)[i]);
}
