/* The cells: what they do in a step, forward and back; and RNNCell, LSTMCell, GRUCell, one step by itself, for loops
 * written as graphs. */
#include "modules/gates.h"
#include "modules/recurrent.h"
#include "nabla/kernel.h"
#include <stdio.h>

/* ---- RNN and LSTM: the product is added to the gates ------------------------------------------------------------- */

static void add_product(const struct nb_pass *p, const struct nb_moment *s)
{
    size_t n = p->r->units;
    NB(nb_gemm)(false, true, p->r->batch, p->r->cell->gates * n, n, s->h, p->wh, 1, s->a);
}

static void product_back(const struct nb_pass *p, const struct nb_moment *s)
{
    size_t n = p->r->units;
    NB(nb_gemm)(false, false, p->r->batch, n, p->r->cell->gates * n, s->da, p->wh, 0, p->r->back);
}

static void sum_span(const struct nb_recurrence *r, size_t wide, const nb_real *da, nb_real *db)
{
    nb_real *to = r->again ? r->sums : db;
    NB(nb_sum_rows)(r->part, wide, da, to);
    if (r->again)
        NB(nb_add)(wide, to, db);
}

void NB(nb_gate_sums)(const struct nb_pass *p, nb_real *db)
{
    sum_span(p->r, p->r->cell->gates * p->r->units, p->r->da, db);
}

/* Those of bias_hh stand at bias_ih already, if they were asked for. */
static void sum_gates(const struct nb_recurrence *r, const struct nb_pass *p, nb_real *db)
{
    const nb_real *same = r->call->gw[p->index * r->own + 2].data;
    if (same)
        nb_copy(r->cell->gates * r->units, same, db);
    else
        NB(nb_gate_sums)(p, db);
}

/* dw = or += da' h over a span, with the states before its steps; the first one may lie apart. */
static void learn_from_states(const struct nb_pass *p, size_t wide, const nb_real *da, nb_real *dw)
{
    const struct nb_recurrence *r = p->r;
    bool apart = r->lent && r->first == 0 && r->part > 0;
    size_t n = r->units, rows = apart ? r->batch : 0;
    if (apart)
        NB(nb_gemm)(true, false, wide, n, rows, da, p->h, r->again, dw);
    NB(nb_gemm)
    (true, false, wide, n, r->part - rows, da + rows * wide, nb_before(p, r->first + apart), apart || r->again, dw);
}

static void learn_plain(const struct nb_pass *p, nb_real *dw, nb_real *db, nb_real *dp)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units, wide = r->cell->gates * n;
    (void)dp;
    if (dw)
        learn_from_states(p, wide, r->da, dw);
    if (db)
        sum_gates(r, p, db);
}

static void step_tanh(const struct nb_pass *p, const struct nb_moment *s)
{
    add_product(p, s);
    nb_tanh_forward(p->r->batch * p->r->units, p->r->clip, s->a, s->h1);
}

static void step_relu(const struct nb_pass *p, const struct nb_moment *s)
{
    add_product(p, s);
    nb_relu_forward(p->r->batch * p->r->units, p->r->clip, s->a, s->h1);
}

typedef void slope(size_t n, nb_part clip, const nb_real *a, const nb_real *dh, nb_real *da);

static void back_plain(const struct nb_pass *p, const struct nb_moment *s, slope *f)
{
    const struct nb_recurrence *r = p->r;
    for (size_t b = 0, n = r->units; b < r->batch; b++)
        if (!nb_idle(r, s->t, b))
            f(n, r->clip, s->a + b * n, r->dh + b * n, s->da + b * n);
    product_back(p, s);
}

static void back_tanh(const struct nb_pass *p, const struct nb_moment *s)
{
    back_plain(p, s, nb_tanh_backward);
}

static void back_relu(const struct nb_pass *p, const struct nb_moment *s)
{
    back_plain(p, s, nb_relu_backward);
}

/* The learned vectors through which the gates see the memory are blocks i, f, o of p->peep. */
static void step_lstm(const struct nb_pass *p, const struct nb_moment *s)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    add_product(p, s);
    for (size_t b = 0; b < r->batch; b++) {
        const nb_real *c = s->c + b * n;
        nb_real *a = s->a + 4 * b * n, *c1 = s->c1 + b * n;
        if (p->peep)
            nb_add_product(n, p->peep, c, a), nb_add_product(n, p->peep + n, c, a + n);
        nb_lstm_memory(n, r->clip, a, c, c1);
        if (p->peep)
            nb_add_product(n, p->peep + 2 * n, c1, a + 3 * n);
        nb_lstm_output(n, r->clip, a + 3 * n, c1, s->h1 + b * n);
    }
}

static void back_lstm(const struct nb_pass *p, const struct nb_moment *s)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    for (size_t b = 0; b < r->batch; b++) {
        const nb_real *a = s->a + 4 * b * n;
        nb_real *da = s->da + 4 * b * n, *dc = r->dc + b * n;
        if (nb_idle(r, s->t, b))
            continue;
        nb_lstm_output_back(n, r->clip, a + 3 * n, s->c1 + b * n, r->dh + b * n, da + 3 * n, dc);
        if (p->peep)
            nb_add_product(n, p->peep + 2 * n, da + 3 * n, dc);
        nb_lstm_memory_back(n, r->clip, a, s->c + b * n, da, dc);
        if (p->peep)
            nb_add_product(n, p->peep, da, dc), nb_add_product(n, p->peep + n, da + n, dc);
    }
    product_back(p, s);
}

/* dp = the sum of da c over all rows; da has rows of 4 n. */
NB_SIMD static void peephole_sum(size_t rows, size_t n, const nb_real *da, const nb_real *c, nb_real *dp)
{
    enum { BLOCK = 64 };
    for (size_t first = 0; first < n; first += BLOCK) {
        nb_sum sum[BLOCK] = {0};
        size_t width = n - first < BLOCK ? n - first : BLOCK;
        for (size_t i = 0; i < rows; i++) {
            const nb_real *x = da + 4 * i * n + first, *y = c + i * n + first;
            NB_LOOP
            for (size_t j = 0; j < width; j++)
                sum[j] += (nb_sum)x[j] * y[j];
        }
        for (size_t j = 0; j < width; j++)
            dp[first + j] = (nb_real)sum[j];
    }
}

static void learn_lstm(const struct nb_pass *p, nb_real *dw, nb_real *db, nb_real *dp)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    learn_plain(p, dw, db, NULL);
    if (!dp)
        return;
    const nb_real *c = p->c + r->first * r->batch * n;
    const nb_real *before = c + p->reverse * r->batch * n, *after = c + !p->reverse * r->batch * n;
    nb_real *to = r->again ? r->sums : dp;
    peephole_sum(r->part, n, r->da, before, to);
    peephole_sum(r->part, n, r->da + n, before, to + n);
    peephole_sum(r->part, n, r->da + 3 * n, after, to + 2 * n);
    if (r->again)
        NB(nb_add)(3 * n, to, dp);
}

/* ---- GRU: the product stays apart -------------------------------------------------------------------------------- */

/* u = h W[blocks]' + b[blocks] */
static void product_apart(const struct nb_pass *p, size_t first, size_t blocks, const nb_real *h)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    if (p->bh)
        nb_repeat(r->batch, blocks * n, p->bh + first * n, r->u);
    NB(nb_gemm)(false, true, r->batch, blocks * n, n, h, p->wh + first * n * n, p->bh != NULL, r->u);
}

static void step_gru(const struct nb_pass *p, const struct nb_moment *s)
{
    const struct nb_recurrence *r = p->r;
    product_apart(p, 0, 3, s->h);
    for (size_t b = 0, n = r->units; b < r->batch; b++)
        nb_gru_forward(n, r->clip, r->u + 3 * b * n, s->h + b * n, s->a + 3 * b * n, s->kept + b * n, s->h1 + b * n);
}

static void back_gru(const struct nb_pass *p, const struct nb_moment *s)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    nb_real *du = r->apart + 3 * (s->t - r->first) * r->batch * n;
    for (size_t b = 0; b < r->batch; b++)
        if (nb_idle(r, s->t, b))
            memset(du + 3 * b * n, 0, 3 * n * sizeof *du), memset(r->back + b * n, 0, n * sizeof *du);
        else
            nb_gru_backward(n, r->clip, s->a + 3 * b * n, s->kept + b * n, s->h + b * n, r->dh + b * n,
                            s->da + 3 * b * n, du + 3 * b * n, r->back + b * n);
    NB(nb_gemm)(false, false, r->batch, n, 3 * n, du, p->wh, 1, r->back);
}

static void learn_gru(const struct nb_pass *p, nb_real *dw, nb_real *db, nb_real *dp)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    (void)dp;
    if (dw)
        learn_from_states(p, 3 * n, r->apart, dw);
    if (db)
        sum_span(r, 3 * n, r->apart, db);
}

static void step_original(const struct nb_pass *p, const struct nb_moment *s)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    product_apart(p, 0, 2, s->h);
    for (size_t b = 0; b < r->batch; b++)
        nb_gru_reset(n, r->clip, r->u + 2 * b * n, s->h + b * n, s->a + 3 * b * n, s->kept + b * n);
    product_apart(p, 2, 1, s->kept);
    for (size_t b = 0; b < r->batch; b++)
        nb_gru_update(n, r->clip, r->u + b * n, s->h + b * n, s->a + 3 * b * n, s->h1 + b * n);
}

/* Gradients apart: those of r and z, rows of 2 n, then those of n, so that each is a matrix. */
static void back_original(const struct nb_pass *p, const struct nb_moment *s)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units, from = (s->t - r->first) * r->batch, most = r->span * r->batch;
    nb_real *rz = r->apart + 2 * from * n, *dn = r->apart + (2 * most + from) * n, *wn = (nb_real *)p->wh + 2 * n * n;
    memset(r->back, 0, r->batch * n * sizeof *r->back);
    for (size_t b = 0; b < r->batch; b++) {
        nb_real *da = s->da + 3 * b * n;
        if (!nb_idle(r, s->t, b))
            nb_gru_update_back(n, r->clip, s->a + 3 * b * n, s->h + b * n, r->dh + b * n, da, r->back + b * n);
        nb_copy(n, da + 2 * n, dn + b * n);
    }
    NB(nb_gemm)(false, false, r->batch, n, n, dn, wn, 0, r->dq);
    for (size_t b = 0; b < r->batch; b++) {
        nb_real *da = s->da + 3 * b * n;
        if (!nb_idle(r, s->t, b))
            nb_gru_reset_back(n, r->clip, s->a + 3 * b * n, s->h + b * n, r->dq + b * n, da, r->back + b * n);
        nb_copy(2 * n, da, rz + 2 * b * n);
    }
    NB(nb_gemm)(false, false, r->batch, n, 2 * n, rz, p->wh, 1, r->back);
}

static void learn_original(const struct nb_pass *p, nb_real *dw, nb_real *db, nb_real *dp)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units;
    (void)dp;
    if (dw) {
        learn_from_states(p, 2 * n, r->apart, dw);
        NB(nb_gemm)
        (true, false, n, n, r->part, r->apart + 2 * r->span * r->batch * n, p->kept + r->first * r->batch * n, r->again,
         dw + 2 * n * n);
    }
    if (db)
        sum_gates(r, p, db);
}

/* ---- the cells --------------------------------------------------------------------------------------------------- */

enum kind { TANH, RELU, LSTM, GRU, ORIGINAL };

static const struct nb_cell cells[] = {
    [TANH] = {1, 0, 0, 0, false, false, step_tanh, back_tanh, learn_plain},
    [RELU] = {1, 0, 0, 0, false, true, step_relu, back_relu, learn_plain},
    [LSTM] = {4, 0, 0, 0, true, false, step_lstm, back_lstm, learn_lstm},
    [GRU] = {3, 1, 3, 3, false, false, step_gru, back_gru, learn_gru},
    [ORIGINAL] = {3, 1, 2, 3, false, false, step_original, back_original, learn_original},
};

const struct nb_cell *NB(nb_cell_of)(const struct nb_recurrent_args *a, enum nb_family family)
{
    if (family == NB_RNN)
        return &cells[a->nonlinearity ? RELU : TANH];
    return &cells[family == NB_LSTM ? LSTM : a->linear_before_reset ? GRU : ORIGINAL];
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

int NB(nb_recurrent_input)(struct nb_infer *s, struct nb_error *e)
{
    struct nb_recurrent_args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    char text[200];
    nb_shape_text(x, s->symbols, text, sizeof text);
    if (x->rank == 0)
        return nb_fail(e, NB_E_shape_mismatch,
                       "the input is a single number, wanted is a last dimension of input_size");
    int64_t size = x->dim[x->rank - 1];
    if (a->input_size == NB_NONE && !NB_IS_KNOWN(size))
        return nb_fail(e, NB_E_shape_mismatch,
                       "input_size is not given, so the last size of the input (shape %s) must be known when the graph "
                       "is created",
                       text);
    if (a->input_size == NB_NONE)
        a->input_size = size;
    if (nb_dim_same(a->input_size, size) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "input_size is %lld, the input has %lld (shape %s)", (long long)a->input_size,
            (long long)size, text);
    return nb_at(e, "input_size");
}

static int add_weight(struct nb_infer *s, const char *name, const char *suffix, struct nb_shape shape,
                      struct nb_error *e)
{
    double bound = 1 / sqrt((double)((struct nb_recurrent_args *)s->args)->hidden_size);
    struct nb_init init = {.kind = NB_INIT_UNIFORM, .a = -bound, .b = bound};
    const char *whole = nb_sprintf(s->arena, e, "%s%s", name, suffix);
    if (!whole)
        return -1;
    s->w[s->nw++] = (struct nb_weight){whole, shape, init, false};
    return 0;
}

static int add_weights(struct nb_infer *s, int64_t gates, int64_t in, const char *suffix, struct nb_error *e)
{
    const struct nb_recurrent_args *a = s->args;
    int64_t n = a->hidden_size;
    return add_weight(s, "weight_ih", suffix, nb_shape_of(2, gates * n, in), e) ||
                   add_weight(s, "weight_hh", suffix, nb_shape_of(2, gates * n, n), e) ||
                   (a->bias && (add_weight(s, "bias_ih", suffix, nb_shape_of(1, gates * n), e) ||
                                add_weight(s, "bias_hh", suffix, nb_shape_of(1, gates * n), e))) ||
                   (a->peephole && add_weight(s, "weight_ch", suffix, nb_shape_of(1, 3 * n), e))
               ? -1
               : 0;
}

int NB(nb_recurrent_learned)(struct nb_infer *s, enum nb_family family, struct nb_error *e)
{
    const struct nb_recurrent_args *a = s->args;
    int64_t directions = a->bidirectional ? 2 : 1, gates = (int64_t)NB(nb_cell_of)(a, family)->gates;
    char suffix[40];
    if (a->num_layers == 0)
        return add_weights(s, gates, a->input_size, "", e);
    for (int64_t i = 0; i < a->num_layers * directions; i++) {
        snprintf(suffix, sizeof suffix, "_l%d%s", (int)(i / directions), i % directions ? "_reverse" : "");
        if (add_weights(s, gates, i < directions ? a->input_size : directions * a->hidden_size, suffix, e))
            return -1;
    }
    return 0;
}

/* The start states have the leading dimensions of the input. */
static int check_states(const struct nb_infer *s, const struct nb_shape *want, struct nb_error *e)
{
    static const char *const names[] = {"x", "h", "c"};
    char came[200], wanted[200];
    for (int i = 1; i < s->nin; i++)
        if (s->in[i].rank >= 0 && nb_shape_same(&s->in[i], want) == 0)
            return nb_fail(e, NB_E_shape_mismatch, "%s is %s, wanted is %s", names[i],
                           nb_shape_text(&s->in[i], s->symbols, came, sizeof came),
                           nb_shape_text(want, s->symbols, wanted, sizeof wanted));
    return 0;
}

static int infer(struct nb_infer *s, enum nb_family family, struct nb_error *e)
{
    if (NB(nb_recurrent_input)(s, e))
        return -1;
    struct nb_shape states = s->in[0];
    states.dim[states.rank - 1] = ((const struct nb_recurrent_args *)s->args)->hidden_size;
    if (check_states(s, &states, e) || NB(nb_recurrent_learned)(s, family, e))
        return -1;
    for (int i = 0; i < s->nout; i++)
        s->out[i] = states;
    NB(nb_recurrent_room)(s, family);
    return 0;
}

#define CELL(name, family)                                                                                             \
    static int name##_infer(struct nb_infer *s, struct nb_error *e)                                                    \
    {                                                                                                                  \
        return infer(s, family, e);                                                                                    \
    }                                                                                                                  \
    NB_RECURRENT_CALLS(name, family)
CELL(rnn, NB_RNN)
CELL(lstm, NB_LSTM)
CELL(gru, NB_GRU)
NB_RECURRENT_BRANCHES(rnn, NB_RNN)

static const struct nb_port ports[] = {{"x", NB_REAL_PORT, 0}, {"h", NB_REAL_PORT, NB_OPTIONAL}, {0}};
static const struct nb_port lstm_ports[] = {
    {"x", NB_REAL_PORT, 0}, {"h", NB_REAL_PORT, NB_OPTIONAL}, {"c", NB_REAL_PORT, NB_OPTIONAL}, {0}};
static const char *const outputs[] = {"h", NULL};
static const char *const lstm_outputs[] = {"h", "c", NULL};

static const struct nb_arg rnn_args[] = {NB_RECURRENT_SIZES, NB_RECURRENT_BIAS, NB_RECURRENT_NONLINEARITY, {0}};
static const struct nb_arg lstm_args[] = {NB_RECURRENT_SIZES, NB_RECURRENT_BIAS, NB_RECURRENT_PEEPHOLE, {0}};
static const struct nb_arg gru_args[] = {NB_RECURRENT_SIZES, NB_RECURRENT_BIAS, NB_RECURRENT_RESET, {0}};

static const struct nb_case rnn_cases[] = {
    {"\"hidden_size\": 5", "3x4 3x5", false},
    {"\"hidden_size\": 3, \"nonlinearity\": \"relu\", \"bias\": false", "5x2 5x3", false},
    {"\"hidden_size\": 17", "2x3x5 2x3x17", false},
    {"\"hidden_size\": 4, \"nonlinearity\": \"relu\"", "7 4", false},
    {0},
};
static const struct nb_case lstm_cases[] = {
    {"\"hidden_size\": 5", "3x4 3x5 3x5", false},
    {"\"hidden_size\": 3, \"bias\": false, \"peephole\": true", "5x2 5x3 5x3", false},
    {"\"hidden_size\": 17", "2x5 2x17 2x17", false},
    {"\"hidden_size\": 4, \"peephole\": true", "7 4 4", false},
    {0},
};
static const struct nb_case gru_cases[] = {
    {"\"hidden_size\": 5", "3x4 3x5", false},
    {"\"hidden_size\": 3, \"linear_before_reset\": false", "5x2 5x3", false},
    {"\"hidden_size\": 17, \"bias\": false", "2x5 2x17", false},
    {"\"hidden_size\": 4, \"linear_before_reset\": false, \"bias\": false", "7 4", false},
    {0},
};

/* 1 for relu where a is above 0, 1 - h'^2 for tanh. */
#define PLAIN_SLOPE "where(nonlinearity, y > 0, 1 - y^2)"
static const struct nb_known rnn_mistakes[] = {
    {.code = "rnncell_slope_missing", .formula = "g @ weight_ih", .hint = "The slope of the nonlinearity is missing."},
    {.code = "rnncell_slope_missing",
     .of = "h",
     .formula = "g @ weight_hh",
     .hint = "The slope of the nonlinearity is missing."},
    {.code = "rnncell_other_matrix",
     .of = "h",
     .formula = "(g*" PLAIN_SLOPE ") @ transpose(weight_hh)",
     .hint = "Back goes the other way: the gradient of a times W_hh, not its transpose."},
    {.code = "rnncell_new_state",
     .of = "weight_hh",
     .formula = "transpose(g*" PLAIN_SLOPE ") @ y",
     .hint = "W_hh meets the old state, not the new one."},
    {.code = "rnncell_square_missing",
     .formula = "where(nonlinearity, 0/0, (g*(1 - y)) @ weight_ih)",
     .hint = "The square is missing: the slope is 1 - tanh(a)^2."},
    {0},
};

/* Gate k of n, for a batch and with biases. */
#define GATE(k, n)                                                                                                     \
    "sigmoid(sum(reshape(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh), [-1, " #n ", hidden_size])*"   \
    "reshape(one_hot(" #k ", " #n "), [" #n ", 1]), 1))"
#define INPUT_GATE GATE(0, 4)
#define FORGET_GATE GATE(1, 4)
#define OUTPUT_GATE GATE(3, 4)
#define NO_PEEPHOLE(formula) "where(peephole, 0/0, " formula ")"
static const struct nb_known lstm_mistakes[] = {
    {.code = "lstmcell_output_path_missing",
     .of = "c",
     .formula = NO_PEEPHOLE("d - g*(" OUTPUT_GATE " - y^2/" OUTPUT_GATE ")*" FORGET_GATE),
     .hint = "The memory reaches the output, too: dc = (g_c + g_h o (1 - tanh(c')^2)) f."},
    {.code = "lstmcell_square_missing",
     .of = "c",
     .formula = NO_PEEPHOLE("d + g*(y^2/" OUTPUT_GATE " - y)*" FORGET_GATE),
     .hint = "The square is missing: the slope of the output is o (1 - tanh(c')^2)."},
    {.code = "lstmcell_forget_missing",
     .of = "c",
     .formula = NO_PEEPHOLE("d/" FORGET_GATE),
     .hint = "The old memory went through the forget gate: times f."},
    {.code = "lstmcell_gates_exchanged",
     .of = "c",
     .formula = NO_PEEPHOLE("d/" FORGET_GATE "*" INPUT_GATE),
     .hint = "The old memory meets the forget gate, the second block, not the input gate."},
    {0},
};

/* n is had from h' = (1 - z) n + z h. */
#define UPDATE_GATE GATE(1, 3)
#define NEW_STATE "((y - " UPDATE_GATE "*h)/(1 - " UPDATE_GATE "))"
#define LAST_BLOCK "reshape(one_hot(2, 3), [3, 1])"
static const struct nb_known gru_mistakes[] = {
    {.code = "grucell_direct_path_missing",
     .of = "h",
     .formula = "d - g*" UPDATE_GATE,
     .hint = "The old state also goes straight to the new one: plus g z."},
    {.code = "grucell_direct_path_only",
     .of = "h",
     .formula = "g*" UPDATE_GATE,
     .hint = "The old state also reaches the gates and the new state."},
    {.code = "grucell_update_exchanged",
     .of = "h",
     .formula = "d + g*(1 - 2*" UPDATE_GATE ")",
     .hint = "h' = (1 - z) n + z h: the old state goes on by z, not by 1 - z."},
    {.code = "grucell_reset_missing",
     .of = "bias_hh",
     .formula = "reshape(reshape(d, [3, hidden_size])*(1 - " LAST_BLOCK ") + " LAST_BLOCK "*sum(g*(1 - " UPDATE_GATE
                ")*(1 - " NEW_STATE "^2), 0), [-1])",
     .hint = "The reset gate stands before W_hn h + b_hn: times r."},
    {0},
};

static const struct nb_kink rnn_kinks[] = {{"relu: a = 0", "0"}, {0}};

#define CELL_ROW .args_size = sizeof(struct nb_recurrent_args), .jacobian = "R", .lo = -1.5, .hi = 1.5
#define NOTE                                                                                                           \
    "A missing h or c is 0. The learned tensors start uniform within 1/sqrt(hidden_size), the blocks of gates one "    \
    "below "                                                                                                           \
    "the other. "

const struct nb_module NB(nb_module_cells)[] = {
    {
        .type = "RNNCell",
        .mistakes = rnn_mistakes,
        .summary = "One step of a plain recurrent layer.",
        .formula = "h' = \\varphi(a),\\quad a = W_{ih} x + b_{ih} + W_{hh} h + b_{hh},\\quad "
                   "\\varphi = \\tanh \\text{ or } \\operatorname{relu}",
        .derivative = "\\bar a = g\\, \\varphi'(a);\\quad dx = \\bar a W_{ih},\\quad dh = \\bar a W_{hh},\\quad "
                      "dW_{ih} = \\bar a^{\\mathsf T} x,\\quad dW_{hh} = \\bar a^{\\mathsf T} h,\\quad "
                      "db = \\textstyle\\sum \\bar a",
        .source = "Elman 1990",
        .note = NOTE,
        .args = rnn_args,
        .inputs = ports,
        .outputs = outputs,
        .kinks = rnn_kinks,
        .cases = rnn_cases,
        NB_RECURRENT_ROW(rnn),
        .branches = rnn_branches,
        CELL_ROW,
    },
    {
        .type = "LSTMCell",
        .mistakes = lstm_mistakes,
        .summary = "One step of long short-term memory.",
        .formula = "i, f, o = \\sigma(a_i), \\sigma(a_f), \\sigma(a_o),\\ g = \\tanh a_g,\\quad "
                   "a = W_{ih} x + b_{ih} + W_{hh} h + b_{hh};\\quad c' = f c + i g,\\quad h' = o \\tanh c'",
        .derivative = "e = g_c + g_h\\, o\\, (1 - \\tanh^2 c'),\\quad \\bar a = [e g\\, \\sigma'(a_i),\\ "
                      "e c\\, \\sigma'(a_f),\\ e\\, i (1 - g^2),\\ g_h \\tanh c'\\, \\sigma'(a_o)];\\quad "
                      "dc = e f,\\quad dx = \\bar a W_{ih},\\quad dh = \\bar a W_{hh},\\quad "
                      "dW_{ih} = \\bar a^{\\mathsf T} x,\\quad dW_{hh} = \\bar a^{\\mathsf T} h,\\quad "
                      "db = \\textstyle\\sum \\bar a",
        .source = "Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000",
        .note = NOTE "Blocks are i, f, g, o (ONNX: i, o, f, c), those of weight_ch (peephole: i and f see c, o sees "
                     "c') i, f, o.",
        .args = lstm_args,
        .inputs = lstm_ports,
        .outputs = lstm_outputs,
        .cases = lstm_cases,
        NB_RECURRENT_ROW(lstm),
        CELL_ROW,
    },
    {
        .type = "GRUCell",
        .mistakes = gru_mistakes,
        .summary = "One step of a gated recurrent unit.",
        .formula = "r, z = \\sigma(a_r), \\sigma(a_z);\\quad n = \\tanh(W_{in} x + b_{in} + r (W_{hn} h + b_{hn})) "
                   "\\text{ or } \\tanh(W_{in} x + b_{in} + W_{hn} (r h) + b_{hn});\\quad h' = (1 - z) n + z h",
        .derivative = "e = g (1 - z)(1 - n^2),\\quad \\bar a_z = g (h - n)\\, \\sigma'(a_z);\\quad "
                      "q = W_{hn} h + b_{hn}:\\ \\bar a_r = e q\\, \\sigma'(a_r),\\ dh = g z + \\bar a_r W_{hr} + "
                      "\\bar a_z W_{hz} + (e r) W_{hn};\\quad \\text{or } p = e W_{hn}:\\ \\bar a_r = p h\\, "
                      "\\sigma'(a_r),\\ dh = g z + p r + \\bar a_r W_{hr} + \\bar a_z W_{hz};\\quad "
                      "dx = \\bar a_r W_{ir} + \\bar a_z W_{iz} + e W_{in}",
        .source = "Cho et al. 2014; linear_before_reset: cuDNN, PyTorch",
        .note = NOTE "Blocks are r, z, n (ONNX: z, r, h). linear_before_reset 0 and 1 are different functions; PyTorch "
                     "has 1, ONNX's default is 0.",
        .args = gru_args,
        .inputs = ports,
        .outputs = outputs,
        .cases = gru_cases,
        NB_RECURRENT_ROW(gru),
        CELL_ROW,
    },
    {0},
};
