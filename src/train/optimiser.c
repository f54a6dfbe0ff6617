/* optimiser.c - the table of optimisers. */
#include "train/optimiser.h"
#include <strings.h>

#define OPTIMISER(file) extern const struct nb_optimiser nb_optimiser_##file##_f, nb_optimiser_##file##_d;
#include "train/optimisers.def"
#undef OPTIMISER

static const struct nb_optimiser *const table[2][16] = {[NB_F32] =
                                                            {
#define OPTIMISER(file) &nb_optimiser_##file##_f,
#include "train/optimisers.def"
#undef OPTIMISER
                                                            },
                                                        [NB_F64] = {
#define OPTIMISER(file) &nb_optimiser_##file##_d,
#include "train/optimisers.def"
#undef OPTIMISER
                                                        }};

const struct nb_optimiser *nb_optimiser_at(enum nb_dtype build, int index)
{
    return table[build][index];
}

int nb_optimiser_find(const char *name)
{
    for (int i = 0; table[NB_F64][i]; i++)
        if (!strcasecmp(table[NB_F64][i]->name, name))
            return i;
    return -1;
}

int nb_settings_size(const struct nb_setting *s)
{
    int n = 0;
    for (; s->name; s++)
        n += s->kind == NB_SETTING_PAIR ? 2 : 1;
    return n;
}
