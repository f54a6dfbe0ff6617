/* Adam: weight decay is part of the gradient. */
#include "train/optimisers/adam.h"

static void update(const struct nb_update *u)
{
    adam(u, u->set[WEIGHT_DECAY], 1);
}

static const struct nb_setting settings[] = {ADAM_SETTINGS(0, "times the tensor, added to its gradient")};

const struct nb_optimiser NB(nb_optimiser_adam) = {
    .name = "Adam",
    .summary = "Steps by averages of gradient and square (Kingma, Ba 2014); amsgrad: Reddi et al. 2018.",
    .settings = settings,
    .moments = moments,
    .keeps = keeps,
    .update = update,
};
