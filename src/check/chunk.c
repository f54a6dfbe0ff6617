/* chunk - numbers chunks and passes them to the watch. */
#include "check/chunk.h"

static int tell(const struct nb_chunks *c, struct nb_error *e)
{
    if (!c->watch || !c->watch->go_on || c->watch->go_on(c->watch->context, &c->at))
        return 0;
    return nb_fail(e, NB_E_cancelled, "the check was stopped after %lld of %lld coordinates", (long long)c->at.done,
                   (long long)c->at.of);
}

int nb_chunks_begin(struct nb_chunks *c, const struct nb_watch *watch, int64_t of, struct nb_error *e)
{
    c->watch = watch;
    c->at.of += of;
    return tell(c, e);
}

bool nb_chunk_recall(struct nb_chunks *c, void *results, size_t n)
{
    const struct nb_watch *w = c->watch;
    c->recalled = w && w->recall && w->recall(w->context, c->number, results, n);
    return c->recalled;
}

int nb_chunk_done(struct nb_chunks *c, const void *results, size_t n, int64_t coordinates, double worst,
                  struct nb_error *e)
{
    const struct nb_watch *w = c->watch;
    if (n && w && w->remember && !c->recalled)
        w->remember(w->context, c->number, results, n);
    c->number += n > 0;
    c->recalled = false;
    c->at.done += coordinates;
    if (worst > c->at.worst)
        c->at.worst = worst;
    return tell(c, e);
}
