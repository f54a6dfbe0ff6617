/* picture.c - a graph as Graphviz's text, or drawn by Graphviz. */
#include "http/child.h"
#include "http/handlers.h"
#include "http/options.h"
#include "nabla/limits.h"
#include <string.h>

static int draw(struct nb_request *rq, struct nb_reply *rp, const char *dot, struct nb_error *e)
{
    char *argv[] = {nb_options.dot, "-Tsvg", NULL}, *svg;
    size_t n;
    switch (nb_child_run(argv, dot, strlen(dot), (int)nb_options.picture_seconds, (size_t)nb_limits.body, rq->arena,
                         &svg, &n)) {
    case NB_CHILD_DONE:
        nb_reply_text(rp, NB_SVG, svg, n);
        return 0;
    case NB_CHILD_MISSING:
        return nb_fail(e, NB_E_not_acceptable,
                       "Graphviz (dot) is not installed here; ask for " NB_DOT " and draw it yourself");
    case NB_CHILD_LATE:
        return nb_fail(e, NB_E_not_acceptable, "drawing took over %d s (--picture-seconds); ask for " NB_DOT,
                       (int)nb_options.picture_seconds);
    default:
        return nb_fail(e, NB_E_not_acceptable, "Graphviz failed to draw this graph; ask for " NB_DOT);
    }
}

int nb_op_getPicture(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const types[] = {NB_DOT, NB_SVG, NULL};
    int type = nb_accept(rq, types, e);
    struct nb_graph *g = type < 0 ? NULL : nb_stored_graph(rq, NULL, e);
    char *dot = g ? nb_graph_dot(g, rq->arena, e) : NULL;
    if (!dot)
        return -1;
    rp->vary = true;
    if (type == 1)
        return draw(rq, rp, dot, e);
    nb_reply_text(rp, NB_DOT, dot, strlen(dot));
    return 0;
}
