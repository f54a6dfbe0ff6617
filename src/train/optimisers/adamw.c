/* AdamW: weight decay shrinks the tensor, beside the gradient. */
#include "train/optimisers/adam.h"

static void update(const struct nb_update *u)
{
    adam(u, 0, 1 - u->lr * u->set[WEIGHT_DECAY]);
}

static const struct nb_setting settings[] = {ADAM_SETTINGS(1e-2, "times the rate: what the tensor loses in a step")};

const struct nb_optimiser NB(nb_optimiser_adamw) = {
    .name = "AdamW",
    .summary = "Adam with weight decay of its own (Loshchilov, Hutter 2019).",
    .settings = settings,
    .moments = moments,
    .keeps = keeps,
    .update = update,
};
