/* domain - modules bring cases for their own tests; what those feed a port is what the port wants. */
#include "check/domain.h"
#include <math.h>
#include <string.h>

/* Token i of a case's inputs, "5x7 5c7": its letter (0: none), its rank and the number behind it; false: not there. */
static bool token(const char *in, int i, char *letter, int *rank)
{
    for (; i > 0 && in; i--)
        in = strchr(in, ' ') ? strchr(in, ' ') + 1 : NULL;
    if (!in)
        return false;
    size_t sizes = strspn(in, "0123456789x");
    *rank = sizes > 0;
    for (size_t k = 0; k < sizes; k++)
        *rank += in[k] == 'x';
    *letter = in[sizes] == ' ' ? '\0' : in[sizes];
    return *letter != '-';
}

/* An integer port takes classes or labels, never probabilities. */
static bool fits(char letter, bool integer)
{
    return integer ? letter && strchr("csb", letter) : letter != 'c';
}

/* The letter of a port: of the first case that fits, better of one with as many dimensions. */
static char letter_of(const struct nb_net *net, const struct nb_op *op, int port)
{
    const struct nb_value *x = &net->values.v[op->in[port]];
    const struct nb_module *m = nb_op_module(op, NB_F64);
    char found = 0, letter;
    bool any = false;
    int rank;
    for (const struct nb_case *c = m->cases; c && c->in; c++) {
        if (!token(c->in, port, &letter, &rank) || !fits(letter, x->integer))
            continue;
        if (rank == x->shape.rank)
            return letter;
        found = any ? found : letter;
        any = true;
    }
    return found;
}

/* Classes: as many as rows of a table that is learned, or as entries of the scores, or of what comes out, for each of
 * the numbers. */
static int64_t classes_of(const struct nb_net *net, const struct nb_op *op, int port)
{
    int64_t n = nb_count(&net->values.v[op->in[port]].shape);
    int other = port ? op->in[0] : op->out[0];
    int64_t all = other < 0 ? 0 : nb_count(&net->values.v[other].shape);
    if (op->nw && net->values.v[op->w[0]].shape.rank > 0)
        return net->values.v[op->w[0]].shape.dim[0];
    return n > 0 && all > n ? all / n : 2;
}

/* x/3, x^2: beside a constant the first operand may not need the row's interval. Tried with a negative number. */
static bool takes_any_sign(const struct nb_net *net, const struct nb_op *op, int port, struct nb_arena *a)
{
    struct nb_error e = {0};
    double x = -1.3, y = NAN, *room;
    if (op->nin != 2 || op->nw || port != 0 || op->in[1] < 0 || net->values.v[op->in[1]].kind != NB_V_CONST ||
        !(room = nb_alloc(a, op->saved + op->work, sizeof *room, &e)))
        return false;
    double b = net->values.v[op->in[1]].constant;
    const struct nb_tensor in[] = {{NB_F64, {.rank = 0}, &x}, {NB_F64, {.rank = 0}, &b}};
    const struct nb_tensor out = {NB_F64, {.rank = 0}, &y};
    const struct nb_call c = {
        .args = op->args, .nin = 2, .nout = 1, .in = in, .out = &out, .saved = room, .work = room + op->saved};
    return !nb_op_module(op, NB_F64)->forward(&c, &e) && isfinite(y);
}

static void narrow(struct nb_domain *d, double lo, double hi)
{
    lo = lo > d->lo ? lo : d->lo;
    hi = hi < d->hi ? hi : d->hi;
    if (lo < hi) {
        d->lo = lo;
        d->hi = hi;
    }
}

/* A module whose kinks lie outside the usual interval says where they are; if others have no other wish. */
static void widen(struct nb_domain *d, const struct nb_module *m)
{
    if (!m->branches || d->lo != -2 || d->hi != 2 || m->lo > -2 || m->hi < 2)
        return;
    d->lo = m->lo;
    d->hi = m->hi;
}

static void ask_port(const struct nb_net *net, const struct nb_op *op, int port, struct nb_arena *a,
                     struct nb_domain *d)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    char letter = letter_of(net, op, port);
    if (letter == 'c') {
        const struct nb_shape *first = op->in[0] < 0 ? NULL : &net->values.v[op->in[0]].shape;
        int64_t n = m->classes && first ? m->classes(op->args, first) : classes_of(net, op, port);
        d->classes = n < d->classes ? n : d->classes;
    } else if (letter == 'u') {
        narrow(d, 0.05, 0.95);
    } else if (!letter && m->lo < m->hi && !takes_any_sign(net, op, port, a)) {
        widen(d, m);
        narrow(d, m->lo, m->hi);
    }
    if (letter && letter != 'u' && !d->letter)
        d->letter = letter;
}

int nb_domain_of(const struct nb_net *net, const struct nb_input *in, struct nb_arena *a, struct nb_domain *d,
                 struct nb_error *e)
{
    bool *same = nb_zalloc(a, net->values.n, sizeof *same, e); /* values that are this input in another shape */
    if (!same)
        return -1;
    *d = (struct nb_domain){0, -2, 2, INT64_MAX};
    same[in->value] = true;
    for (size_t k = 0; k < net->ops.n; k++) {
        const struct nb_op *op = &net->ops.v[k];
        bool alias = nb_op_module(op, NB_F64)->alias;
        for (int i = 0; i < op->nin; i++) {
            if (op->in[i] < 0 || !same[op->in[i]])
                continue;
            if (alias)
                same[op->out[0]] = true;
            else
                ask_port(net, op, i, a, d);
        }
    }
    if (in->dtype == NB_BOOL || d->classes == INT64_MAX)
        d->classes = 2;
    return 0;
}
