/* RMSprop: the gradient over the root of the average of its squares. */
#include "train/optimisers/passes.h"

enum { LR, ALPHA, EPS, WEIGHT_DECAY, MOMENTUM, CENTERED };
enum { SQUARE_AVG, MOMENTUM_BUFFER, GRAD_AVG };

/* to = keep b + size d/(sqrt(v - a^2) + eps) */
NB_SIMD static void divide(size_t n, nb_real keep, nb_real size, nb_real decay, nb_real eps, const nb_real *restrict p,
                           const nb_real *restrict g, const nb_real *restrict v, const nb_real *restrict b,
                           nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = keep * b[i] + size * ((g[i] + decay * p[i]) / (nb_sqrt(v[i]) + eps));
}

NB_SIMD static void divide_centred(size_t n, nb_real keep, nb_real size, nb_real decay, nb_real eps,
                                   const nb_real *restrict p, const nb_real *restrict g, const nb_real *restrict v,
                                   const nb_real *restrict a, const nb_real *restrict b, nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = keep * b[i] + size * ((g[i] + decay * p[i]) / (nb_sqrt(v[i] - a[i] * a[i]) + eps));
}

NB_SIMD static void move(size_t n, nb_real lr, const nb_real *restrict p, const nb_real *restrict b,
                         nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = p[i] - lr * b[i];
}

static void slope(const struct nb_update *u, double keep, double size, const void *b, void *to)
{
    const double *s = u->set;
    nb_real decay = (nb_real)s[WEIGHT_DECAY], eps = (nb_real)s[EPS];
    if (s[CENTERED] != 0)
        divide_centred(u->n, (nb_real)keep, (nb_real)size, decay, eps, u->p, u->g, u->m_to[SQUARE_AVG],
                       u->m_to[GRAD_AVG], b, to);
    else
        divide(u->n, (nb_real)keep, (nb_real)size, decay, eps, u->p, u->g, u->m_to[SQUARE_AVG], b, to);
}

static void update(const struct nb_update *u)
{
    const double *s = u->set;
    nb_real keep = (nb_real)s[ALPHA], take = (nb_real)(1 - s[ALPHA]), decay = (nb_real)s[WEIGHT_DECAY];
    nb_average_squares(u->n, keep, take, decay, u->p, u->g, u->m[SQUARE_AVG], u->m_to[SQUARE_AVG]);
    if (s[CENTERED] != 0)
        nb_average(u->n, keep, take, decay, u->p, u->g, u->m[GRAD_AVG], u->m_to[GRAD_AVG]);
    if (s[MOMENTUM] > 0) {
        slope(u, s[MOMENTUM], 1, u->m[MOMENTUM_BUFFER], u->m_to[MOMENTUM_BUFFER]);
        move(u->n, (nb_real)u->lr, u->p, u->m_to[MOMENTUM_BUFFER], u->p_to);
    } else {
        slope(u, 1, -u->lr, u->p, u->p_to);
    }
}

static unsigned keeps(const double *set)
{
    return 1u << SQUARE_AVG | (unsigned)(set[MOMENTUM] > 0) << MOMENTUM_BUFFER |
           (unsigned)(set[CENTERED] != 0) << GRAD_AVG;
}

static const struct nb_setting settings[] = {
    {"lr", NB_SETTING_NUMBER, 1e-2, 0, 0, INFINITY, "the rate"},
    {"alpha", NB_SETTING_NUMBER, 0.99, 0, 0, INFINITY, "what stays of the average of squares"},
    {"eps", NB_SETTING_NUMBER, 1e-8, 0, 0, INFINITY, "added to the root"},
    {"weight_decay", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "times the tensor, added to its gradient"},
    {"momentum", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "share of the buffer that stays"},
    {"centered", NB_SETTING_FLAG, 0, 0, 0, 1, "divide by the deviation instead"},
    {0},
};
static const char *const moments[] = {"square_avg", "momentum_buffer", "grad_avg", NULL};

const struct nb_optimiser NB(nb_optimiser_rmsprop) = {
    .name = "RMSprop",
    .summary = "The gradient over the root of the average of its squares (Hinton 2012).",
    .settings = settings,
    .moments = moments,
    .keeps = keeps,
    .update = update,
};
