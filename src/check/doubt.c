/* doubt - at some points formulas that differ give equal numbers. */
#include "check/doubt.h"
#include <string.h>

/* The list doubles whenever its length is a power of two. */
int nb_doubt_add(struct nb_verdicts *v, const char *code, const char *where, const char *hides, struct nb_arena *a,
                 struct nb_error *e)
{
    size_t n = v->ndoubts;
    if ((n & (n - 1)) == 0) {
        struct nb_doubt *more = nb_small(a, n ? 2 * n : 1, sizeof *more, e);
        if (!more)
            return -1;
        if (n)
            memcpy(more, v->doubts, n * sizeof *more);
        v->doubts = more;
    }
    v->doubts[v->ndoubts++] = (struct nb_doubt){code, where, hides};
    return 0;
}
