/* known - the mistakes of modules, each made at the same point inside the whole graph. */
#include "grade/attempt.h"
#include <string.h>

#define MOST_WORK 3e9 /* floating-point operations for one point: less than a second of one core */

static int wrt_of(const struct nb_exam *x)
{
    const struct nb_planned *p = x->c->p;
    for (int i = 0; i < p->plan.wants.nwrt; i++)
        if (!strcmp(p->wrt_name[i], x->s->name))
            return i;
    return -1;
}

/* An entry of the submission against one of the mistake's. */
static bool entry_fits(const struct nb_exam *x, const struct nb_attempt *a, size_t i, double wrong)
{
    bool zero = a->known && a->known->partly && x->got[i] == 0;
    return zero || nb_alike(x, i, x->got[i], wrong, 1);
}

static bool prints_fit(const struct nb_exam *x, const struct nb_attempt *a, const double *print)
{
    for (size_t k = 0; k < nb_print_count(x->n); k++)
        if (!entry_fits(x, a, nb_print_at(x->n, k), print[k]))
            return false;
    return true;
}

static bool all_fit(const struct nb_exam *x, const struct nb_attempt *a, const double *wrong)
{
    for (size_t i = 0; i < x->n; i++)
        if (!entry_fits(x, a, i, wrong[i]))
            return false;
    return true;
}

/* At this point the mistake makes a difference; where zeros fit as well, one that is seen in another entry. */
static bool differs(const struct nb_exam *x, const struct nb_attempt *a, const double *gradient)
{
    bool partly = a->known && a->known->partly;
    for (size_t i = 0; i < x->n; i++)
        if (!nb_alike(x, i, gradient[i], x->s->truth[i], 1) && !(partly && x->got[i] == 0))
            return true;
    return false;
}

static bool is_made(const struct nb_attempt *a, int wrt)
{
    return a->tried && (a->none || a->print[wrt]);
}

static int fits(struct nb_exam *x, struct nb_attempt *a, int wrt, struct nb_error *e)
{
    struct nb_clinic *c = x->c;
    if (!is_made(a, wrt) && nb_attempt_make(c, a, wrt, e))
        return -1;
    if (a->none || !prints_fit(x, a, a->print[wrt]))
        return 0;
    if (nb_attempt_make(c, a, wrt, e))
        return -1;
    const double *gradient = c->s.grad[c->p->plan.wants.wrt[wrt]];
    return gradient && all_fit(x, a, gradient) && differs(x, a, gradient);
}

static int tell(struct nb_exam *x, const struct nb_attempt *a, struct nb_error *e)
{
    if (nb_show_node(x, nb_attempt_node(x->c, a), e) || nb_show_text(x, "node", x->d->node, e) ||
        nb_show_whole(x, "matched", (int64_t)x->n, e) || nb_show_whole(x, "of", (int64_t)x->n, e) ||
        (a->known && nb_show_text(x, "formula", a->known->formula, e)))
        return -1;
    return nb_tell(x, a->code, true, nb_attempt_text(x->c, a, e), a->hint);
}

int nb_test_known(struct nb_exam *x, struct nb_error *e)
{
    struct nb_clinic *c = x->c;
    int wrt = wrt_of(x), found = 0;
    if (wrt < 0 || !x->n || (!c->listed && nb_attempts_list(c, e)))
        return wrt < 0 || !x->n ? 0 : -1;
    if (c->last && (found = fits(x, c->last, wrt, e)))
        return found < 0 ? -1 : tell(x, c->last, e);
    for (size_t i = 0; i < c->nattempts; i++) {
        struct nb_attempt *a = &c->attempts[i];
        if (!is_made(a, wrt) && c->spent > MOST_WORK)
            continue;
        if ((found = fits(x, a, wrt, e)))
            return found < 0 ? -1 : tell(x, c->last = a, e);
    }
    return 0;
}
