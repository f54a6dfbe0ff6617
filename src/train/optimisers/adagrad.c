/* Adagrad: the gradient over the root of the sum of its squares. */
#include "train/optimisers/passes.h"

enum { LR, LR_DECAY, WEIGHT_DECAY, INITIAL, EPS };

NB_SIMD static void move(size_t n, nb_real lr, nb_real decay, nb_real eps, const nb_real *restrict p,
                         const nb_real *restrict g, const nb_real *restrict sum, nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = p[i] - lr * ((g[i] + decay * p[i]) / (nb_sqrt(sum[i]) + eps));
}

static void update(const struct nb_update *u)
{
    const double *s = u->set;
    nb_real decay = (nb_real)s[WEIGHT_DECAY];
    nb_average_squares(u->n, 1, 1, decay, u->p, u->g, u->m[0], u->m_to[0]);
    move(u->n, (nb_real)(u->lr / (1 + (double)(u->step - 1) * s[LR_DECAY])), decay, (nb_real)s[EPS], u->p, u->g,
         u->m_to[0], u->p_to);
}

static unsigned keeps(const double *set)
{
    (void)set;
    return 1;
}

static double start(const double *set)
{
    return set[INITIAL];
}

static const struct nb_setting settings[] = {
    {"lr", NB_SETTING_NUMBER, 1e-2, 0, 0, INFINITY, "the rate"},
    {"lr_decay", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "the rate is divided by 1 + (step - 1) times this"},
    {"weight_decay", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "times the tensor, added to its gradient"},
    {"initial_accumulator_value", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "where the sums of squares start"},
    {"eps", NB_SETTING_NUMBER, 1e-10, 0, 0, INFINITY, "added to the root"},
    {0},
};
static const char *const moments[] = {"sum", NULL};

const struct nb_optimiser NB(nb_optimiser_adagrad) = {
    .name = "Adagrad",
    .summary = "The gradient over the root of the sum of its squares (Duchi et al. 2011).",
    .settings = settings,
    .moments = moments,
    .keeps = keeps,
    .start = start,
    .update = update,
};
