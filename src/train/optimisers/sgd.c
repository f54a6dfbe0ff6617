/* SGD: gradient descent, with momentum. The first buffer is the gradient itself. */
#include "train/optimisers/passes.h"

enum { LR, MOMENTUM, DAMPENING, WEIGHT_DECAY, NESTEROV };

/* to = p - lr (direct d + through b) */
NB_SIMD static void move(size_t n, nb_real lr, nb_real direct, nb_real through, nb_real decay,
                         const nb_real *restrict p, const nb_real *restrict g, const nb_real *restrict b,
                         nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = p[i] - lr * (direct * (g[i] + decay * p[i]) + through * b[i]);
}

static void update(const struct nb_update *u)
{
    const double *s = u->set;
    nb_real decay = (nb_real)s[WEIGHT_DECAY], momentum = (nb_real)s[MOMENTUM];
    bool kept = s[MOMENTUM] != 0, fresh = u->fresh;
    if (!kept) {
        move(u->n, (nb_real)u->lr, 1, 0, decay, u->p, u->g, u->p, u->p_to);
        return;
    }
    nb_average(u->n, fresh ? 0 : momentum, fresh ? 1 : (nb_real)(1 - s[DAMPENING]), decay, u->p, u->g, u->m[0],
               u->m_to[0]);
    bool ahead = s[NESTEROV] != 0;
    move(u->n, (nb_real)u->lr, ahead, ahead ? momentum : 1, decay, u->p, u->g, u->m_to[0], u->p_to);
}

static unsigned keeps(const double *set)
{
    return set[MOMENTUM] != 0;
}

static int check(const double *set, struct nb_error *e)
{
    if (set[NESTEROV] == 0 || (set[MOMENTUM] > 0 && set[DAMPENING] == 0))
        return 0;
    return nb_fail(e, NB_E_bad_argument, "nesterov needs a momentum and no dampening"), nb_at(e, "nesterov");
}

static const struct nb_setting settings[] = {
    {"lr", NB_SETTING_NUMBER, NAN, 0, 0, INFINITY, "the rate"},
    {"momentum", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "share of the buffer that stays"},
    {"dampening", NB_SETTING_NUMBER, 0, 0, -INFINITY, INFINITY, "share of the gradient that the buffer does not get"},
    {"weight_decay", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "times the tensor, added to its gradient"},
    {"nesterov", NB_SETTING_FLAG, 0, 0, 0, 1, "the gradient of where momentum leads to"},
    {0},
};
static const char *const moments[] = {"momentum_buffer", NULL};

const struct nb_optimiser NB(nb_optimiser_sgd) = {
    .name = "SGD",
    .summary = "Gradient descent, with momentum (Polyak 1964; Sutskever et al. 2013).",
    .settings = settings,
    .moments = moments,
    .check = check,
    .keeps = keeps,
    .update = update,
};
