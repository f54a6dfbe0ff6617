/* check_svg.h - a check as a picture: per tensor a map of its entries, and how a difference quotient behaves at the
 * worst of them. For readers who have never seen one. */
#ifndef NABLA_CHECK_SVG_H
#define NABLA_CHECK_SVG_H
#include "check/check.h"
#include "report/svg.h"

enum { NB_PICTURE = 760, NB_PICTURE_MARGIN = 22 }; /* width, and what is left free at the sides */

/* The whole picture. `came` (or NULL): gradients of the request; `foot`: a last line. */
int nb_check_svg(struct nb_text *t, const struct nb_verdicts *v, const struct nb_tensors *came, const char *foot,
                 struct nb_error *e);

/* How an entry looks: colours are the classes h0, h1, ... */
enum nb_heat {
    NB_HEAT_UNSEEN, /* not looked at */
    NB_HEAT_SILENT, /* nothing reacts to it */
    NB_HEAT_RIGHT,  /* and 1000 times below what is allowed */
    NB_HEAT_TENTH,
    NB_HEAT_ALLOWED,
    NB_HEAT_UNTOLD,
    NB_HEAT_SLIGHTLY, /* wrong by less than 10^-6 of it */
    NB_HEAT_WRONG,    /* by less than 1 % */
    NB_HEAT_FAR,
    NB_HEATS
};
enum nb_heat nb_heat_of(const struct nb_verdicts *v, const struct nb_checked *c, int64_t i);
/* The difference that is still right. */
double nb_heat_allowed(const struct nb_verdicts *v, const struct nb_checked *c, int64_t i);

/* heatmap.c: the entries of one tensor as squares; where there are too many a square shows the worst of several. */
enum { NB_MARKS = 5 };
struct nb_heatmap {
    const struct nb_verdicts *v;
    const struct nb_checked *c;
    int64_t rows, columns; /* of the tensor laid out flat */
    int split;             /* dimensions before it are rows */
    int64_t per_row, per_column;
    int down, across;     /* squares */
    double width, height; /* of one */
    int marks;
    int64_t *mark; /* entries with a number */
};
int nb_heatmap_plan(struct nb_heatmap *m, const struct nb_verdicts *v, const struct nb_checked *c, struct nb_arena *a,
                    struct nb_error *e);
/* Numbers along the sides stand outside of x, y. */
void nb_heatmap_draw(struct nb_svg *s, const struct nb_heatmap *m, double x, double y);
/* "Rows are dimension 0, ..."; NULL if there is nothing to say. */
const char *nb_heatmap_caption(const struct nb_heatmap *m, char *buf, size_t size);

/* error_plot.c: the error of differences against the step. Returns the y below it. */
double nb_error_plot(struct nb_svg *s, const struct nb_checked *c, double y);

/* Text broken into lines of this width. Returns the y of the line below. `s` NULL: only measured. */
double nb_svg_paragraph(struct nb_svg *s, const char *class, double x, double y, double width, const char *text);

#endif
