/* reply.c - replies that are text. */
#include "http/reply.h"

void nb_reply_text(struct nb_reply *rp, const char *type, const char *text, size_t n)
{
    rp->type = type;
    rp->body = text;
    rp->size = n;
}

int nb_reply_written(struct nb_reply *rp, struct nb_writer *w)
{
    nb_putn(&w->text, "\n", 1, w->e);
    nb_reply_text(rp, NB_JSON, w->text.v, w->text.n);
    return w->e->code ? -1 : 0;
}
