/* test_probes - functions that live elsewhere, in C: right gradients at awkward places, and broken ones. */
#include "black_boxes.h"
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 31);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

#define NET                                                                                                            \
    {INPUT("x", SHAPE2(5, 4)), INPUT("W1", SHAPE2(6, 4)), INPUT("b1", SHAPE1(6)), INPUT("W2", SHAPE2(3, 6)),           \
     INPUT("b2", SHAPE1(3))},                                                                                          \
    {                                                                                                                  \
        OUTPUT("y", SHAPE2(5, 3))                                                                                      \
    }
#define EACH                                                                                                           \
    {INPUT("x", SHAPE1(ENTRIES))},                                                                                     \
    {                                                                                                                  \
        OUTPUT("y", SHAPE1(ENTRIES))                                                                                   \
    }
#define POSITIVE                                                                                                       \
    {{"x", SHAPE1(ENTRIES), 0.3, 4, NB_DENSE, true}},                                                                  \
    {                                                                                                                  \
        OUTPUT("y", SHAPE1(ENTRIES))                                                                                   \
    }

static const struct box smooth[] = {
    {"linear",
     {INPUT("x", SHAPE2(5, 7)), INPUT("W", SHAPE2(3, 7)), INPUT("b", SHAPE1(3))},
     {OUTPUT("y", SHAPE2(5, 3))},
     linear,
     linear_backward,
     linear_complex,
     false},
    {"tanh network", NET, mlp, mlp_backward, mlp_complex, false},
    {"cross-entropy",
     {INPUT("z", SHAPE2(5, 4))},
     {OUTPUT("loss", SHAPE0)},
     cross_entropy,
     cross_entropy_backward,
     NULL,
     false},
    {"softmax", {INPUT("z", SHAPE2(5, 4))}, {OUTPUT("p", SHAPE2(5, 4))}, softmax, softmax_backward, NULL, false},
    {"normalise", {INPUT("x", SHAPE2(7, 3))}, {OUTPUT("y", SHAPE2(7, 3))}, normalise, normalise_backward, NULL, false},
    {"absolute", EACH, absolute, absolute_backward, NULL, false},
    {"squared", EACH, squared, squared_backward, NULL, false},
    {"thrice", EACH, thrice, thrice_backward, NULL, false},
    {"1e-18 x^2", EACH, tiny, tiny_backward, NULL, false},
    {"1e-6 x^2", EACH, small, small_backward, NULL, false},
    {"softplus", EACH, softplus, softplus_backward, NULL, false},
    {"wave", EACH, wave, wave_backward, wave_complex, false},
    {"root", POSITIVE, root, root_backward, NULL, false},
    {"length", {INPUT("x", SHAPE1(3))}, {OUTPUT("y", SHAPE0)}, length, length_backward, NULL, false},
    {"largest", {INPUT("x", SHAPE1(3))}, {OUTPUT("y", SHAPE0)}, largest, largest_backward, NULL, false},
    {"1e6 + tanh", EACH, high, high_backward, NULL, false},
};
enum { SMOOTH = sizeof smooth / sizeof *smooth, SEEDS = 5 };
static const struct box relu_network = {"relu network", NET, relu_mlp, relu_mlp_backward, NULL, false};
static const struct box float_network = {"float network", NET, mlp_float, mlp_float_backward, NULL, true};

static void tell(const char *what, const struct outcome *r)
{
    for (size_t i = 0; i < r->v->n; i++) {
        const struct nb_checked *c = &r->v->v[i];
        printf("%s: %s %s %s, %d right %d wrong %d cannot tell %d silent, worst %d: %.17g for %.17g +- %g\n", what,
               c->name, nb_verdict_name(c->verdict), c->reason ? nb_reason_name(c->reason) : "", (int)c->right,
               (int)c->wrong, (int)c->cannot_tell, (int)c->silent, (int)c->worst,
               c->worst < 0 ? 0 : c->candidate[c->worst], c->worst < 0 ? 0 : c->value[c->worst],
               c->worst < 0 ? 0 : c->bar[c->worst]);
    }
}

static void expect(const struct asked *q, enum nb_verdict wanted)
{
    struct outcome r = run(q);
    if (r.verdict != wanted)
        tell(q->box->name, &r);
    ck_assert_int_eq(r.verdict, wanted);
}

/* ---- smooth functions -------------------------------------------------------------------------------------------- */

/* Ask once, answer once. */
START_TEST(test_right)
{
    struct asked q = {.box = &smooth[_i / SEEDS], .seed = (uint64_t)_i % SEEDS};
    struct outcome r = run(&q);
    if (r.verdict != NB_RIGHT)
        tell(q.box->name, &r);
    ck_assert_int_eq(r.verdict, NB_RIGHT);
    bool silent = q.box->forward == largest; /* an entry that is never the largest: one more point may show it */
    ck_assert_int_le(r.rounds, silent ? 2 : 1);
    ck_assert_int_eq(r.v->facts.judged, r.v->facts.asked);
    ck_assert_int_eq((int)r.v->facts.points, 2 + r.rounds);
    for (size_t i = 0; i < r.v->n; i++)
        ck_assert(r.v->v[i].power_worst < 1e-3);
}
END_TEST

/* ---- planted mistakes -------------------------------------------------------------------------------------------- */

enum { MISTAKES = 18 };
static bool effective; /* some entry is off by more than any power could miss */

static void swap(double *a, double *b)
{
    double keep = *a;
    *a = *b;
    *b = keep;
}

static void plant(int which, double *dx, size_t n)
{
    static const double factors[] = {-1, 2, 0.5, 0, 7, 1.0 / 7, 1.01, 0.995};
    size_t first = 0;
    while (first + 1 < n && dx[first] == 0)
        first++;
    if (which < 8)
        for (size_t i = 0; i < n; i++)
            dx[i] *= factors[which];
    else if (which == 8)
        dx[first] = -dx[first];
    else if (which == 9)
        dx[first] *= 1.005;
    else if (which == 10)
        dx[n - 1] *= 2;
    else if (which == 11)
        dx[first] = NAN;
    else if (which == 12)
        swap(&dx[first], &dx[n - 1]);
    else if (which == 13)
        for (size_t i = 0; i + 1 < n; i++)
            swap(&dx[i], &dx[i + 1]);
    else if (which == 14)
        for (size_t i = 0; i < n / 2; i++)
            swap(&dx[i], &dx[n - 1 - i]);
    else if (which == 15)
        dx[n / 2] = 0;
    else if (which == 16)
        dx[first] += dx[n - 1];
    else
        for (size_t i = 0; i < n; i++)
            dx[i] = fabs(dx[i]);
}

static void spoil(const struct asked *q, double *dx, const double *x, const double *g, size_t n)
{
    double keep[BIGGEST];
    (void)x, (void)g;
    memcpy(keep, dx, n * sizeof *dx);
    plant(q->which, dx, n);
    for (size_t i = 0; i < n; i++)
        effective |= !(fabs(dx[i] - keep[i]) <= 2.2e-3 * fmax(fabs(dx[i]), fabs(keep[i])));
}

START_TEST(test_mistakes)
{
    int found = 0;
    for (int which = 0; which < MISTAKES; which++) {
        struct asked q = {.box = &smooth[_i], .seed = (uint64_t)which, .spoil = spoil, .which = which};
        effective = false;
        struct outcome r = run(&q);
        if (effective && r.verdict != NB_WRONG) {
            printf("mistake %d\n", which);
            tell(q.box->name, &r);
        }
        ck_assert(!effective || r.verdict == NB_WRONG);
        ck_assert_int_le(r.rounds, 3);
        found += effective;
    }
    ck_assert_int_ge(found, 10);
}
END_TEST

START_TEST(test_mistakes_of_a_relu_network)
{
    for (int which = 0; which < MISTAKES; which++) {
        struct asked q = {.box = &relu_network, .seed = (uint64_t)_i, .spoil = spoil, .which = which};
        effective = false;
        struct outcome r = run(&q);
        ck_assert(!effective || r.verdict == NB_WRONG);
    }
}
END_TEST

START_TEST(test_relu_network)
{
    struct asked q = {.box = &relu_network, .seed = (uint64_t)_i};
    struct outcome r = run(&q);
    for (size_t i = 0; i < r.v->n; i++)
        ck_assert_int_eq((int)r.v->v[i].wrong, 0);
    if (r.verdict == NB_WRONG)
        tell("relu network", &r);
    ck_assert_int_ne(r.verdict, NB_WRONG);
}
END_TEST

/* ---- near and at kinks ------------------------------------------------------------------------------------------- */

static const struct box bent[] = {
    {"absolute", EACH, absolute, absolute_backward, NULL, false},
    {"relu", EACH, relu, relu_backward, NULL, false},
    {"leaky 0.01", EACH, leaky, leaky_backward, NULL, false},
    {"leaky 0.99", EACH, steep, steep_backward, NULL, false},
    {"elu 0.5", EACH, elu_half, elu_half_backward, NULL, false},
    {"1 + x + 0.001 relu", EACH, slight, slight_backward, NULL, false},
};
enum { BENT = sizeof bent / sizeof *bent, DISTANCES = 9 };
static const double distances[DISTANCES] = {1e-2, 1e-3, 3e-4, 1e-5, 1e-6, 1e-7, 1e-8, 3e-9, 1e-9};

static void point_near(double distance, double *x)
{
    for (int i = 0; i < ENTRIES; i++)
        x[i] = (i % 2 ? -distance : distance) * (1 + i / 10.0);
}

START_TEST(test_near_a_kink)
{
    double x[ENTRIES];
    point_near(distances[_i % DISTANCES], x);
    for (int layout = NB_DENSE; layout <= NB_POINTWISE; layout++) {
        struct asked q = {.box = &bent[_i / DISTANCES], .at = x, .layout = (enum nb_layout)layout};
        struct outcome r = run(&q);
        if (r.verdict != NB_RIGHT)
            tell(q.box->name, &r);
        ck_assert_int_eq(r.verdict, NB_RIGHT);
        ck_assert_int_le(r.rounds, 3);
    }
}
END_TEST

/* The slope of the other side. */
static void wrong_side(const struct asked *q, double *dx, const double *x, const double *g, size_t n)
{
    double beyond[ENTRIES];
    for (size_t i = 0; i < n; i++)
        beyond[i] = (int)i == q->which ? -x[i] : x[i];
    q->box->backward(beyond, g, dx);
}

START_TEST(test_wrong_side_of_a_kink)
{
    double x[ENTRIES];
    point_near(distances[_i % DISTANCES], x);
    for (int entry = 0; entry < 2; entry++) {
        struct asked q = {.box = &bent[_i / DISTANCES], .at = x, .spoil = wrong_side, .which = entry};
        expect(&q, distances[_i % DISTANCES] > 1e-2 ? NB_CANNOT_TELL : NB_WRONG);
    }
}
END_TEST

/* Between the slopes is no answer beside a kink. */
static void between(const struct asked *q, double *dx, const double *x, const double *g, size_t n)
{
    (void)x, (void)n;
    dx[q->which] = 0.3 * g[q->which];
}

START_TEST(test_between_slopes)
{
    double x[ENTRIES];
    point_near(distances[_i], x);
    for (int entry = 0; entry < ENTRIES; entry++) {
        struct asked q = {.box = &bent[1], .at = x, .spoil = between, .which = entry};
        expect(&q, NB_WRONG);
    }
}
END_TEST

static const struct {
    int box;
    double claim;
    enum nb_verdict verdict;
} at_zero[] = {
    {0, 0, NB_RIGHT},      {0, 1, NB_RIGHT},     {0, -1, NB_RIGHT},    {0, 0.3, NB_RIGHT},    {0, 1.01, NB_WRONG},
    {0, -2, NB_WRONG},     {1, 0, NB_RIGHT},     {1, 1, NB_RIGHT},     {1, 0.5, NB_RIGHT},    {1, 1.2, NB_WRONG},
    {1, -0.1, NB_WRONG},   {1, 1.001, NB_WRONG}, {2, 0.01, NB_RIGHT},  {2, 0.505, NB_RIGHT},  {2, 1, NB_RIGHT},
    {2, 0, NB_WRONG},      {2, 1.05, NB_WRONG},  {3, 0.99, NB_RIGHT},  {3, 1, NB_RIGHT},      {3, 0.98, NB_WRONG},
    {3, 1.01, NB_WRONG},   {4, 0.5, NB_RIGHT},   {4, 0.75, NB_RIGHT},  {4, 1, NB_RIGHT},      {4, 0.49, NB_WRONG},
    {4, 1.01, NB_WRONG},   {5, 1, NB_RIGHT},     {5, 1.001, NB_RIGHT}, {5, 1.0005, NB_RIGHT}, {5, 1.0021, NB_WRONG},
    {5, 0.9989, NB_WRONG},
};

/* Ask once, answer once, here too. */
START_TEST(test_at_a_kink)
{
    static const double zeros[ENTRIES];
    double claim[ENTRIES];
    for (int i = 0; i < ENTRIES; i++)
        claim[i] = at_zero[_i].claim;
    struct asked q = {.box = &bent[at_zero[_i].box], .at = zeros, .claim = claim};
    struct outcome r = run(&q);
    if (r.verdict != at_zero[_i].verdict)
        tell(q.box->name, &r);
    ck_assert_int_eq(r.verdict, at_zero[_i].verdict);
    ck_assert_int_eq(r.v->v[0].reason, NB_WHY_kink);
    ck_assert_uint_eq(r.v->facts.nkinks, ENTRIES);
    ck_assert_int_eq(r.rounds, 1);
    q.convention = true;
    ck_assert_int_eq(run(&q).verdict, at_zero[_i].verdict == NB_WRONG ? NB_WRONG : NB_CANNOT_TELL);
}
END_TEST

/* Once differentiable is enough. */
START_TEST(test_elu)
{
    static const struct box box = {"elu 1", EACH, elu, elu_backward, NULL, false};
    double x[ENTRIES], claim[ENTRIES];
    point_near(_i ? distances[_i - 1] : 0, x);
    struct asked q = {.box = &box, .at = x};
    expect(&q, NB_RIGHT);
    for (int i = 0; i < ENTRIES; i++)
        claim[i] = 0.99;
    q.claim = claim;
    expect(&q, NB_WRONG);
}
END_TEST

static const struct {
    double x[3], claim[3];
    enum nb_verdict verdict;
} ties[] = {
    {{1, 1, 0.5}, {1, 0, 0}, NB_RIGHT},        {{1, 1, 0.5}, {0, 1, 0}, NB_RIGHT},
    {{1, 1, 0.5}, {0.5, 0.5, 0}, NB_RIGHT},    {{1, 1, 0.5}, {1, 1, 0}, NB_WRONG},
    {{1, 1, 0.5}, {0, 0, 0}, NB_WRONG},        {{1, 1, 0.5}, {0.5, 0.5, 0.5}, NB_WRONG},
    {{1, 1, 0.5}, {0.5, 0.51, 0}, NB_WRONG},   {{1, 1, 0.5}, {1.2, -0.2, 0}, NB_WRONG},
    {{-2, -2, -2}, {1, 0, 0}, NB_RIGHT},       {{-2, -2, -2}, {0.2, 0.3, 0.5}, NB_RIGHT},
    {{-2, -2, -2}, {0.5, 0.5, 0.5}, NB_WRONG}, {{-2, -2, -2}, {0.3, 0.3, 0.3}, NB_WRONG},
    {{1, 1 - 1e-6, 0.5}, {1, 0, 0}, NB_RIGHT}, {{1, 1 - 1e-6, 0.5}, {0.5, 0.5, 0}, NB_WRONG},
    {{1, 1 - 1e-6, 0.5}, {0, 1, 0}, NB_WRONG},
};

/* Weights on the entries that are tied, which sum to one. */
START_TEST(test_tie)
{
    static const struct box box = {
        "largest", {INPUT("x", SHAPE1(3))}, {OUTPUT("y", SHAPE0)}, largest, largest_backward, NULL, false};
    struct asked q = {.box = &box, .at = ties[_i].x, .claim = ties[_i].claim};
    expect(&q, ties[_i].verdict);
}
END_TEST

static const struct {
    double claim[3];
    enum nb_verdict verdict;
} vectors[] = {
    {{0, 0, 0}, NB_RIGHT},     {{1, 0, 0}, NB_RIGHT},        {{0.6, -0.8, 0}, NB_RIGHT}, {{0.5, 0.5, 0.5}, NB_RIGHT},
    {{0.9, 0.5, 0}, NB_WRONG}, {{0.6, 0.6, -0.6}, NB_WRONG}, {{1, 1, 1}, NB_WRONG},      {{0, 0, -1.1}, NB_WRONG},
};

/* Vectors no longer than 1. */
START_TEST(test_length_at_zero)
{
    static const double zeros[3];
    static const struct box box = {
        "length", {INPUT("x", SHAPE1(3))}, {OUTPUT("y", SHAPE0)}, length, length_backward, NULL, false};
    struct asked q = {.box = &box, .at = zeros, .claim = vectors[_i].claim};
    expect(&q, vectors[_i].verdict);
}
END_TEST

START_TEST(test_two_kinks)
{
    static const double x[] = {2e-6, -2e-6};
    static const struct box box = {
        "two kinks", {INPUT("x", SHAPE1(2))}, {OUTPUT("y", SHAPE0)}, two_kinks, two_kinks_backward, NULL, false};
    static const double claims[][2] = {{1, 1}, {0, 1}, {1, 0}, {0.5, 1}};
    struct asked q = {.box = &box, .at = x, .claim = claims[_i]};
    expect(&q, _i ? NB_WRONG : NB_RIGHT);
}
END_TEST

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

START_TEST(test_sizes)
{
    static const double large[] = {1e6, -2e6, 3e6, 1.5e6, -1e6, 2.5e6, 1.1e6};
    static const double huge[] = {1e10, -2e10, 3e10, 1.5e10, -1e10, 2.5e10, 1.1e10};
    static const double around[] = {0.3, -0.7, 0.9, 1e-3, -2, 1.5, 1};
    struct asked q[] = {{.box = &smooth[6], .at = large},
                        {.box = &smooth[7], .at = huge},
                        {.box = &smooth[8], .at = around},
                        {.box = &smooth[9], .at = around}};
    expect(&q[_i], NB_RIGHT);
    for (int which = 0; which < MISTAKES; which++) {
        q[_i].spoil = spoil;
        q[_i].which = which;
        effective = false;
        struct outcome r = run(&q[_i]);
        ck_assert(!effective || r.verdict == NB_WRONG);
    }
}
END_TEST

/* x^2 at 0: the slope is zero, and something that could be seen cancels. */
START_TEST(test_stationary)
{
    static const double zeros[ENTRIES];
    double claim[ENTRIES] = {0};
    struct asked q = {.box = &smooth[6 + 2 * _i], .at = zeros};
    expect(&q, NB_RIGHT);
    claim[3] = _i ? 1e-19 : 0.1;
    q.claim = claim;
    expect(&q, NB_WRONG);
}
END_TEST

START_TEST(test_silent)
{
    static const struct box box = {"flat", EACH, flat, flat_backward, NULL, false};
    double claim[ENTRIES] = {0};
    struct asked q = {.box = &box};
    struct outcome r = run(&q);
    ck_assert_int_eq(r.verdict, NB_CANNOT_TELL);
    ck_assert_int_eq(r.v->v[0].reason, NB_WHY_silent);
    ck_assert_int_eq((int)r.v->v[0].silent, ENTRIES);
    ck_assert_int_eq(r.rounds, 2); /* one more point */
    claim[2] = 1;
    q.claim = claim;
    r = run(&q);
    ck_assert_int_eq(r.verdict, NB_WRONG);
    ck_assert_int_eq(r.v->v[0].reason, NB_WHY_not_zero);
}
END_TEST

/* ---- what is no gradient, or no function ------------------------------------------------------------------------- */

START_TEST(test_noise)
{
    static const struct box box = {"noisy", EACH, noisy, thrice_backward, NULL, false};
    struct asked q = {.box = &box};
    struct outcome r = run(&q);
    ck_assert_int_eq(r.verdict, NB_CANNOT_TELL);
    ck_assert_int_eq(r.v->v[0].reason, NB_WHY_not_deterministic);
    ck_assert_str_eq(r.v->doubts[0].code, "not_deterministic");
    ck_assert_int_eq(r.rounds, 1);
}
END_TEST

START_TEST(test_overflow)
{
    static const double x[] = {800, 1, 2, 3, 4, 5, 6};
    struct asked q = {.box = &smooth[10], .at = x};
    struct outcome r = run(&q);
    ck_assert_int_eq(r.verdict, NB_CANNOT_TELL);
    ck_assert_int_eq(r.v->v[0].reason, NB_WHY_forward_not_finite);
    ck_assert_str_eq(r.v->doubts[0].where, "y[0] at point 0");
}
END_TEST

/* Near the end of what the function is defined for, where large steps lead out of it. */
START_TEST(test_edge)
{
    static const double x[] = {1e-4, 2e-5, 3e-4, 1e-5, 5e-4, 1e-3, 1};
    struct asked q = {.box = &smooth[12], .at = x};
    expect(&q, NB_RIGHT);
    q.spoil = spoil;
    expect(&q, NB_WRONG);
}
END_TEST

START_TEST(test_shape)
{
    struct asked q = {.box = &smooth[_i], .lie_about_shape = true};
    struct outcome r = run(&q);
    ck_assert_int_eq(r.verdict, NB_WRONG);
    for (size_t i = 0; i < r.v->n; i++)
        ck_assert_int_eq(r.v->v[i].reason, NB_WHY_shape);
}
END_TEST

/* Steps that only a finer look resolves, and noise that no look does. */
START_TEST(test_fast)
{
    static const struct box box = {"sin 1e4 x", EACH, fast, fast_backward, NULL, false};
    struct asked q = {.box = &box, .seed = (uint64_t)_i};
    expect(&q, NB_RIGHT);
    q.spoil = spoil;
    q.which = 9;
    expect(&q, NB_WRONG);
}
END_TEST

/* ---- float ------------------------------------------------------------------------------------------------------- */

static int worst_of(const struct outcome *r)
{
    int wrong = 0;
    for (size_t i = 0; i < r->v->n; i++)
        wrong += (int)r->v->v[i].wrong;
    return wrong;
}

START_TEST(test_float)
{
    struct asked q = {.box = &float_network, .seed = (uint64_t)_i};
    struct outcome r = run(&q);
    ck_assert_int_eq(worst_of(&r), 0);
    ck_assert_int_gt((int)r.v->v[4].right, 0);
    for (int which = 0; which < MISTAKES; which++) {
        q.spoil = spoil;
        q.which = which;
        effective = false;
        r = run(&q);
        ck_assert_int_ne(r.verdict, NB_RIGHT);
        ck_assert(which > 5 || !effective || r.verdict == NB_WRONG);
    }
}
END_TEST

/* A function in float that calls itself one in double: told so, and no right gradient is called wrong. */
START_TEST(test_float_in_disguise)
{
    static const struct box third_box = {"third", EACH, third, third_backward, NULL, false};
    struct box box = float_network;
    box.single = false;
    struct asked q[] = {{.box = &box, .seed = (uint64_t)_i}, {.box = &third_box, .seed = (uint64_t)_i}};
    for (int k = 0; k < 2; k++) {
        struct outcome r = run(&q[k]);
        ck_assert_int_eq(worst_of(&r), 0);
        ck_assert_int_eq(r.verdict, NB_CANNOT_TELL);
        ck_assert_str_eq(r.v->doubts[0].code, "few_digits");
        q[k].spoil = spoil;
        ck_assert_int_eq(run(&q[k]).verdict, NB_WRONG);
    }
}
END_TEST

/* ---- digits lost inside ------------------------------------------------------------------------------------------ */

static const struct box lossy[] = {
    {"c + tanh x - c", EACH, lost_tanh, lost_tanh_backward, NULL, false},
    {"c + x^2 - c", EACH, lost_square, lost_square_backward, NULL, false},
    {"1 - cos x/1000", EACH, lost_cosine, lost_cosine_backward, NULL, false},
    {"sqrt(1 + x^2/10^6) - 1", EACH, lost_root, lost_root_backward, NULL, false},
    {"(c + x)^3 - c^3", EACH, lost_cube, lost_cube_backward, NULL, false},
    {"(x - 1)^6, expanded", EACH, expanded, expanded_backward, NULL, false},
};
enum { LOSSY = sizeof lossy / sizeof *lossy, SIZES = 5 };

/* However large the terms, no right entry is called wrong, no wrong one right. */
START_TEST(test_lost_digits)
{
    static const double sizes[SIZES] = {1, 1e3, 1e4, 1e6, 1e9};
    beside = sizes[_i % SIZES];
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct asked q = {.box = &lossy[_i / SIZES], .seed = seed};
        struct outcome r = run(&q);
        if (worst_of(&r))
            tell(q.box->name, &r);
        ck_assert_int_eq(worst_of(&r), 0);
        q.spoil = spoil;
        q.which = (int)seed;
        effective = false;
        r = run(&q);
        ck_assert(!effective || r.verdict != NB_RIGHT);
    }
}
END_TEST

/* ---- structure --------------------------------------------------------------------------------------------------- */

static const struct {
    int box;
    enum nb_layout layout;
    bool holds;
} claims[] = {
    {3, NB_ROW_WISE, true},    {3, NB_POINTWISE, false}, {3, NB_COLUMN_WISE, false}, {3, NB_AFFINE, false},
    {4, NB_COLUMN_WISE, true}, {4, NB_ROW_WISE, false},  {4, NB_AFFINE, false},      {11, NB_POINTWISE, true},
    {11, NB_AFFINE, false},    {0, NB_AFFINE, true},     {0, NB_ROW_WISE, true},     {7, NB_AFFINE, true},
    {5, NB_POINTWISE, true},
};

/* Claims that hold save probes; those that do not are refuted and cost a round. */
START_TEST(test_structure)
{
    const struct box *box = &smooth[claims[_i].box];
    struct asked q = {.box = box, .layout = claims[_i].layout}, dense = {.box = box};
    struct outcome r = run(&q), plain = run(&dense);
    ck_assert_int_eq(r.verdict, NB_RIGHT);
    ck_assert_int_eq(r.v->facts.swept[0].refuted, !claims[_i].holds);
    ck_assert_int_eq(r.v->facts.leaks > 0, !claims[_i].holds);
    ck_assert_int_eq(r.rounds, claims[_i].holds ? 1 : 2);
    ck_assert(!claims[_i].holds || r.probes < plain.probes);
    for (int which = 0; which < MISTAKES; which++) {
        q.spoil = spoil;
        q.which = which;
        effective = false;
        r = run(&q);
        if (effective && r.verdict != NB_WRONG)
            tell(box->name, &r);
        ck_assert(!effective || r.verdict == NB_WRONG);
    }
}
END_TEST

START_TEST(test_structure_that_cannot_be)
{
    struct asked q = {.box = &smooth[2], .layout = NB_POINTWISE};
    ck_assert_ptr_null(open_probes(&q));
    ck_assert_int_eq(error.code, NB_E_bad_value);
    ck_assert_str_eq(error.pointer, "/structure/z");
}
END_TEST

/* ---- complex arguments ------------------------------------------------------------------------------------------- */

START_TEST(test_complex)
{
    static const int boxes[] = {0, 1, 11};
    struct asked q = {.box = &smooth[boxes[_i]], .complex_steps = true}, dense = {.box = q.box};
    struct outcome r = run(&q), plain = run(&dense);
    ck_assert_int_eq(r.verdict, NB_RIGHT);
    ck_assert_int_eq(r.rounds, 1);
    ck_assert_uint_lt(r.probes, plain.probes);
    ck_assert_int_gt(r.v->facts.compared, 0);
    ck_assert_int_eq(r.v->facts.agree, r.v->facts.compared);
    for (size_t i = 0; i < r.v->n; i++)
        ck_assert(r.v->v[i].power_worst < 1.1e-9);
    for (int which = 0; which < MISTAKES; which++) {
        q.spoil = spoil;
        q.which = which;
        effective = false;
        r = run(&q);
        ck_assert(!effective || r.verdict == NB_WRONG);
    }
}
END_TEST

/* |z| drops the imaginary part: found out, and judged by differences. */
START_TEST(test_complex_refuted)
{
    static const struct box box = {"absolute", EACH, absolute, absolute_backward, absolute_complex, false};
    struct asked q = {.box = &box, .complex_steps = true};
    expect(&q, NB_RIGHT);
    q.spoil = spoil;
    expect(&q, NB_WRONG);
    q.which = 3; /* zero throughout, as the complex steps are */
    expect(&q, NB_WRONG);
}
END_TEST

/* ---- too large for every entry ----------------------------------------------------------------------------------- */

static void one_of_many(const struct asked *q, double *dx, const double *x, const double *g, size_t n)
{
    (void)x, (void)g, (void)n;
    dx[q->which] *= 1.01;
}

START_TEST(test_sampled)
{
    static const struct box box = {"wide", {INPUT("x", SHAPE1(MANY))}, {OUTPUT("y", SHAPE0)}, wide, wide_backward, NULL,
                                   false};
    struct asked q = {.box = &box, .most_probes = 5000};
    struct outcome r = run(&q);
    ck_assert_int_eq(r.verdict, NB_RIGHT);
    ck_assert_int_eq(r.v->facts.coverage, NB_COVER_SAMPLED);
    ck_assert_int_lt(r.v->facts.judged, r.v->facts.asked);
    for (int i = 0; i < MANY; i += 97) {
        q.spoil = one_of_many;
        q.which = i;
        expect(&q, NB_WRONG);
    }
    q = (struct asked){.box = &box}; /* every entry at one point, some at the others */
    r = run(&q);
    ck_assert_int_eq(r.verdict, NB_RIGHT);
    ck_assert_int_eq(r.v->facts.coverage, NB_COVER_EVERY);
    ck_assert_int_eq(r.v->facts.judged, r.v->facts.asked);
}
END_TEST

START_TEST(test_too_large)
{
    struct asked q = {.box = &smooth[0], .most_probes = 100};
    ck_assert_ptr_null(open_probes(&q));
    ck_assert_int_eq(error.code, NB_E_limit);
    ck_assert_str_eq(error.pointer, "/function");
}
END_TEST

/* ---- many random networks ---------------------------------------------------------------------------------------- */

static double spread;

static void scaled(const double *x, double *y)
{
    double z[MLP];
    for (int i = 0; i < MLP; i++)
        z[i] = i < 20 ? x[i] : spread * x[i];
    mlp(z, y);
}

static void scaled_backward(const double *x, const double *g, double *dx)
{
    double z[MLP];
    for (int i = 0; i < MLP; i++)
        z[i] = i < 20 ? x[i] : spread * x[i];
    mlp_backward(z, g, dx);
    for (int i = 20; i < MLP; i++)
        dx[i] *= spread;
}

/* Saturated and steep: whatever the scale, no entry of a right gradient is wrong, no spoilt one right. */
START_TEST(test_scales)
{
    static const double scales[] = {1e-6, 1e-3, 0.1, 0.3, 1, 3, 10, 100};
    static const struct box box = {"scaled", NET, scaled, scaled_backward, NULL, false};
    struct asked q = {.box = &box, .seed = 100 + (uint64_t)_i};
    spread = scales[_i % 8];
    struct outcome r = run(&q);
    if (worst_of(&r))
        tell("scaled", &r);
    ck_assert_int_eq(worst_of(&r), 0);
    q.spoil = spoil;
    q.which = _i % MISTAKES;
    effective = false;
    r = run(&q);
    ck_assert(!effective || r.verdict != NB_RIGHT);
}
END_TEST

/* ---- the exchange ------------------------------------------------------------------------------------------------ */

/* The same seed asks the same; points are within their interval, of both signs; cotangents are not constant. */
START_TEST(test_questions)
{
    struct asked q = {.box = &smooth[1], .seed = 5};
    struct nb_probes *a = open_probes(&q), *b = open_probes(&q);
    const struct nb_tensors *x = nb_probes_base(a, 0), *g = nb_probes_cotangents(a, 0);
    int negative = 0;
    double sum = 0, squares = 0;
    ck_assert_uint_eq(nb_probes_count(a), nb_probes_count(b));
    for (size_t i = 0; i < nb_probes_count(a); i++) {
        number u[MLP], v[MLP];
        double re[MLP], other[MLP];
        point_of(a, i, u, re);
        point_of(b, i, v, other);
        ck_assert_mem_eq(re, other, sizeof re);
    }
    for (int i = 0; i < 20; i++) {
        double v = ((double *)x->v[0].t.data)[i];
        ck_assert(v >= -2 && v <= 2 && v != 0 && v != 1);
        negative += v < 0;
    }
    ck_assert(negative >= 5 && negative <= 15);
    for (int i = 0; i < 15; i++) {
        double v = ((double *)g->v[0].t.data)[i];
        ck_assert(fabs(v) >= 0.5 && fabs(v) <= 1.5);
        sum += v;
        squares += v * v;
    }
    ck_assert(fabs(sum) <= 0.5 * sqrt(15 * squares));
    ck_assert_int_eq((int)nb_probe_edits(a, 0), 0);
    ck_assert_int_eq((int)nb_probe_edits(a, nb_probes_count(a) - 1), 0);
}
END_TEST

static struct nb_tensors one(const char *name, struct nb_shape shape)
{
    struct nb_tensors l = {0};
    struct nb_tensor t;
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &shape, &t, &error), 0);
    memset(t.data, 0, (size_t)nb_count(&shape) * sizeof(double));
    nb_tensors_add(&arena, &l, name, t, &error);
    return l;
}

/* Answers that do not fit change nothing. */
START_TEST(test_answers_that_do_not_fit)
{
    struct asked q = {.box = &smooth[6]};
    struct nb_probes *p = open_probes(&q);
    int64_t n = (int64_t)nb_probes_count(p);
    struct nb_tensors right = one("y", nb_shape_of(2, n, (int64_t)ENTRIES)),
                      fewer = one("y", nb_shape_of(2, n - 1, (int64_t)ENTRIES)), other = one("z", nb_shape_of(1, n)),
                      gradient = one("x", nb_shape_of(1, (int64_t)ENTRIES)), strange = one("q", nb_shape_of(0));
    struct nb_tensors good[] = {gradient, gradient, gradient}, bad[] = {gradient, strange, gradient};
    const struct {
        struct nb_probe_answers a;
        enum nb_code code;
        const char *pointer;
    } tries[] = {
        {{&fewer, NULL, good, 3}, NB_E_shape_mismatch, "/outputs/y"},
        {{&other, NULL, good, 3}, NB_E_missing_key, "/outputs"},
        {{&right, NULL, good, 2}, NB_E_shape_mismatch, "/gradients"},
        {{&right, NULL, good, 0}, NB_E_shape_mismatch, "/gradients"},
        {{&right, NULL, bad, 3}, NB_E_missing_key, "/gradients/1"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        memset(&error, 0, sizeof error);
        ck_assert_int_eq(nb_probes_take(p, &tries[i].a, &arena, &error), -1);
        ck_assert_int_eq(error.code, tries[i].code);
        ck_assert_str_eq(error.pointer, tries[i].pointer);
    }
    memset(&error, 0, sizeof error);
    answer(&q, p);
    ck_assert_int_eq(nb_probes_verdicts(p)->verdict, NB_RIGHT);
}
END_TEST

START_TEST(test_points_that_do_not_fit)
{
    static const double x[ENTRIES] = {1, NAN};
    struct asked q = {.box = &smooth[6], .at = x};
    ck_assert_ptr_null(open_probes(&q));
    ck_assert_int_eq(error.code, NB_E_bad_value);
    ck_assert_str_eq(error.pointer, "/at/0/x");
}
END_TEST

/* No entries: no crash, no verdict. */
START_TEST(test_empty)
{
    static const struct box box = {
        "empty", {INPUT("x", SHAPE2(0, 3))}, {OUTPUT("y", SHAPE1(ENTRIES))}, flat, flat_backward, NULL, false};
    struct asked q = {.box = &box};
    struct outcome r = run(&q);
    ck_assert_int_eq(r.verdict, NB_CANNOT_TELL);
    ck_assert_int_eq(r.v->v[0].reason, NB_WHY_empty);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("probes");
    TCase *t = tcase_create("probes");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_right, 0, SMOOTH * SEEDS);
    tcase_add_loop_test(t, test_mistakes, 0, SMOOTH);
    tcase_add_loop_test(t, test_mistakes_of_a_relu_network, 0, 4);
    tcase_add_loop_test(t, test_relu_network, 0, 40);
    tcase_add_loop_test(t, test_near_a_kink, 0, BENT * DISTANCES);
    tcase_add_loop_test(t, test_wrong_side_of_a_kink, 0, BENT * DISTANCES);
    tcase_add_loop_test(t, test_between_slopes, 0, DISTANCES);
    tcase_add_loop_test(t, test_at_a_kink, 0, sizeof at_zero / sizeof *at_zero);
    tcase_add_loop_test(t, test_elu, 0, DISTANCES + 1);
    tcase_add_loop_test(t, test_tie, 0, sizeof ties / sizeof *ties);
    tcase_add_loop_test(t, test_length_at_zero, 0, sizeof vectors / sizeof *vectors);
    tcase_add_loop_test(t, test_two_kinks, 0, 4);
    tcase_add_loop_test(t, test_sizes, 0, 4);
    tcase_add_loop_test(t, test_stationary, 0, 2);
    tcase_add_test(t, test_silent);
    tcase_add_test(t, test_noise);
    tcase_add_test(t, test_overflow);
    tcase_add_test(t, test_edge);
    tcase_add_loop_test(t, test_shape, 0, 5);
    tcase_add_loop_test(t, test_fast, 0, 4);
    tcase_add_loop_test(t, test_float, 0, 3);
    tcase_add_loop_test(t, test_float_in_disguise, 0, 5);
    tcase_add_loop_test(t, test_lost_digits, 0, LOSSY * SIZES);
    tcase_add_loop_test(t, test_structure, 0, sizeof claims / sizeof *claims);
    tcase_add_test(t, test_structure_that_cannot_be);
    tcase_add_loop_test(t, test_complex, 0, 3);
    tcase_add_test(t, test_complex_refuted);
    tcase_add_test(t, test_sampled);
    tcase_add_test(t, test_too_large);
    tcase_add_loop_test(t, test_scales, 0, 80);
    tcase_add_test(t, test_questions);
    tcase_add_test(t, test_answers_that_do_not_fit);
    tcase_add_test(t, test_points_that_do_not_fit);
    tcase_add_test(t, test_empty);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
