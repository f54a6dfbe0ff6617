/* nbgrader.c - the last expression of a test cell: a float within (0, max]. Of zero points there is none, so what
 * stands there raises: as Python it does, and float() of it, too. */
#include "report/page.h"
#include <math.h>
#include <string.h>

int nb_write_nbgrader(struct nb_page *p)
{
    double score = nb_points(fmin(p->result->score, p->result->max));
    const char *number = nb_points_text(score, p->arena, p->e);
    if (score > 0) {
        nb_put(p->t, number, p->e);
        nb_put(p->t, strpbrk(number, ".e") ? "\n" : ".0\n", p->e);
    } else {
        nb_put(p->t, "raise AssertionError(\"no points\")\n", p->e);
    }
    return nb_page_status(p);
}
