/* learning.c - what came of training: numbers and a learning curve. */
#include "http/lesson.h"
#include "http/problem.h"
#include "report/svg.h"
#include <math.h>
#include <string.h>

enum { POINTS = 200 };

/* ---- points of a curve ------------------------------------------------------------------------------------------- */

static int64_t rounds_done(const struct nb_lesson *l)
{
    return l->done / l->turns;
}

static int64_t points(const struct nb_lesson *l)
{
    return rounds_done(l) < POINTS ? rounds_done(l) : POINTS;
}

/* The rounds of point i: from *first to before the result. */
static int64_t rounds_of(const struct nb_lesson *l, int64_t i, int64_t *first)
{
    *first = rounds_done(l) * i / points(l);
    return rounds_done(l) * (i + 1) / points(l);
}

static double mean_loss(const struct nb_lesson *l, int64_t point, int turn)
{
    int64_t first, end = rounds_of(l, point, &first), n = 0;
    double sum = 0;
    for (int64_t r = first; r < end; r++) {
        double v = l->mark[r * l->turns + turn].loss;
        sum += isnan(v) ? 0 : v;
        n += !isnan(v);
    }
    return n ? sum / (double)n : NAN;
}

static const struct nb_taught *check_of(const struct nb_lesson *l, int64_t round)
{
    const struct nb_taught *m = &l->mark[round * l->turns + l->turns - 1];
    return isnan(m->validation) ? NULL : m;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void put_check(struct nb_writer *w, const struct nb_lesson *l, int64_t round)
{
    const struct nb_taught *m = check_of(l, round);
    nb_w_open(w, '{');
    nb_w_whole_at(w, "step", round + 1);
    nb_w_whole_at(w, "epoch", (round + 1) / nb_batches_count(&l->batches));
    nb_w_number_at(w, "loss", m->validation);
    if (!isnan(m->accuracy))
        nb_w_number_at(w, "accuracy", m->accuracy);
    nb_w_close(w, '}');
}

static void put_point(struct nb_writer *w, const struct nb_lesson *l, int64_t i)
{
    int64_t first, end = rounds_of(l, i, &first);
    nb_w_open(w, '{');
    nb_w_whole_at(w, "step", end);
    nb_w_number_at(w, "lr", l->mark[(end - 1) * l->turns].lr);
    nb_w_key(w, "losses");
    nb_w_open(w, '{');
    for (int k = 0; k < l->turns; k++)
        nb_w_number_at(w, l->turn[k].loss, mean_loss(l, i, k));
    nb_w_close(w, '}');
    nb_w_close(w, '}');
}

static void put_checks(struct nb_writer *w, const struct nb_lesson *l)
{
    if (!l->check.wanted)
        return;
    nb_w_key(w, "validation");
    nb_w_open(w, '[');
    for (int64_t r = 0; r < rounds_done(l); r++)
        if (check_of(l, r))
            put_check(w, l, r);
    nb_w_close(w, ']');
    if (l->best_at >= 0) {
        nb_w_key(w, "best");
        put_check(w, l, l->best_at / l->turns);
    }
}

static void put_failure(struct nb_writer *w, const struct nb_lesson *l)
{
    if (!l->failure)
        return;
    nb_w_key(w, "failure");
    struct nb_error said = *l->failure;
    nb_make_utf8(said.detail);
    nb_w_open(w, '{');
    nb_w_string_at(w, "code", nb_code_name(said.code));
    nb_w_string_at(w, "detail", said.detail);
    nb_w_close(w, '}');
}

int nb_lesson_json(struct nb_request *rq, const void *lesson, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_lesson *l = lesson;
    struct nb_writer w = nb_writer(rq->arena, e);
    char seed[33];
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "graph", l->graph);
    nb_w_whole_at(&w, "steps", rounds_done(l));
    nb_w_whole_at(&w, "epochs", rounds_done(l) / nb_batches_count(&l->batches));
    nb_w_whole_at(&w, "revision", l->revision);
    nb_w_string_at(&w, "seed", nb_seed_text(l->seed, seed));
    nb_w_bool_at(&w, "stopped_early", l->early);
    put_failure(&w, l);
    put_checks(&w, l);
    nb_w_key(&w, "curve");
    nb_w_open(&w, '[');
    for (int64_t i = 0; i < points(l); i++)
        put_point(&w, l, i);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* ---- the picture ------------------------------------------------------------------------------------------------- */

enum { WIDTH = 720, LEFT = 72, RIGHT = 24, TOP = 64, PANEL = 300, FOOT = 56 };
static const char STYLE[] = ".d{stroke-dasharray:7 5}.p{stroke-width:1.6}\n"
                            ".c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#b3589a}\n"
                            ".c4{stroke:#c98a00}.c5{stroke:#56b4e9}.c6{stroke:#5e4fa2}.c7{stroke:#6b6b6b}\n"
                            "@media (prefers-color-scheme:dark){\n"
                            ".c0{stroke:#4aa8e8}.c1{stroke:#f08a3c}.c2{stroke:#2cc79a}.c3{stroke:#dd8fc4}\n"
                            ".c4{stroke:#e8b13a}.c5{stroke:#9bd3f5}.c6{stroke:#a79be0}.c7{stroke:#b0b0b0}}\n";

struct panel {
    const struct nb_lesson *l;
    bool log; /* losses fall over decades */
    double lo, hi;
};

static double height_of(const struct panel *p, double v)
{
    return p->log ? log10(v) : v;
}

/* Also the range of what is shown is a finite number. */
static bool shown(const struct panel *p, double v)
{
    return fabs(v) <= 1e300 && (!p->log || v > 0);
}

static void widen(struct panel *p, double v)
{
    if (shown(p, v)) {
        p->lo = fmin(p->lo, height_of(p, v));
        p->hi = fmax(p->hi, height_of(p, v));
    }
}

static void measure_panel(struct panel *p)
{
    const struct nb_lesson *l = p->l;
    p->lo = INFINITY, p->hi = -INFINITY;
    for (int64_t i = 0; i < points(l); i++)
        for (int k = 0; k < l->turns; k++)
            widen(p, mean_loss(l, i, k));
    for (int64_t r = 0; r < rounds_done(l); r++)
        if (check_of(l, r))
            widen(p, check_of(l, r)->validation);
    if (!(p->hi >= p->lo))
        p->lo = 0, p->hi = 1;
}

/* Over decades if they fall over more than one. */
static void choose_scale(struct panel *p)
{
    measure_panel(p);
    p->log = p->lo > 0 && p->hi > 20 * p->lo;
    measure_panel(p);
    double pad = p->hi > p->lo ? 0.05 * (p->hi - p->lo) : 1;
    p->lo -= pad;
    p->hi += pad;
}

static double px(const struct panel *p, double round)
{
    return LEFT + round / (double)rounds_done(p->l) * (WIDTH - LEFT - RIGHT);
}

static double py(const struct panel *p, double v)
{
    return TOP + PANEL * (1 - (height_of(p, v) - p->lo) / (p->hi - p->lo));
}

static double nice_step(double range, int wanted)
{
    double raw = range / wanted, power = pow(10, floor(log10(raw))), m = raw / power;
    return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void put_axes(struct nb_svg *s, const struct panel *p)
{
    char text[48];
    double rounds = (double)rounds_done(p->l), dx = fmax(nice_step(rounds, 7), 1);
    double range = p->hi - p->lo, dy = nice_step(range, 6);
    dy = p->log ? fmax(dy, range > 2 ? 1 : 0.5) : dy;
    for (double x = 0; x <= rounds; x += dx) {
        nb_svg_line(s, "g", px(p, x), TOP, px(p, x), TOP + PANEL);
        nb_svg_label(s, "m", px(p, x), TOP + PANEL + 19, nb_svg_number(x, 6, text, sizeof text));
    }
    for (double y = ceil(p->lo / dy) * dy; y <= p->hi; y += dy) {
        double v = p->log ? pow(10, y) : fabs(y) < dy / 1e6 ? 0 : y;
        nb_svg_line(s, "g", LEFT, py(p, v), WIDTH - RIGHT, py(p, v));
        nb_svg_label(s, "e", LEFT - 9, py(p, v) + 4, nb_svg_number(v, 2, text, sizeof text));
    }
    nb_svg_label(s, "m q", LEFT + (WIDTH - LEFT - RIGHT) / 2., TOP + PANEL + 40, "step");
}

static void put_loss(struct nb_svg *s, const struct panel *p, int turn)
{
    nb_svg_put(s, "<polyline class=\"l p c%d\" points=\"", turn);
    for (int64_t i = 0; i < points(p->l); i++) {
        double v = mean_loss(p->l, i, turn);
        int64_t first, end = rounds_of(p->l, i, &first);
        if (shown(p, v))
            nb_svg_put(s, "%.1f,%.1f ", px(p, (double)(first + end) / 2), py(p, v));
    }
    nb_svg_put(s, "\"/>\n");
}

static void put_validation(struct nb_svg *s, const struct panel *p)
{
    nb_svg_put(s, "<polyline class=\"l p d c7\" points=\"");
    for (int64_t r = 0; r < rounds_done(p->l); r++) {
        const struct nb_taught *m = check_of(p->l, r);
        if (m && shown(p, m->validation))
            nb_svg_put(s, "%.1f,%.1f ", px(p, (double)r + 1), py(p, m->validation));
    }
    nb_svg_put(s, "\"/>\n");
}

/* Names beside samples of their lines, right of the title. */
static void put_legend(struct nb_svg *s, const struct nb_lesson *l)
{
    double x = LEFT;
    for (int k = 0; k <= l->turns; k++) {
        bool check = k == l->turns;
        const char *name = check ? "validation" : l->turn[k].loss;
        char class[20];
        if (check && !l->check.wanted)
            break;
        snprintf(class, sizeof class, check ? "l p d c7" : "l p c%d", k);
        nb_svg_line(s, class, x, TOP - 16, x + 26, TOP - 16);
        nb_svg_label(s, "", x + 32, TOP - 12, name);
        x += 50 + 7.5 * nb_svg_width(name);
    }
}

static void put_end(struct nb_svg *s, const struct nb_lesson *l)
{
    char text[100];
    if (!l->failure)
        return;
    snprintf(text, sizeof text, "ended after step %lld: %s", (long long)rounds_done(l), nb_code_name(l->failure->code));
    nb_svg_label(s, "e q", WIDTH - RIGHT, TOP + PANEL + 40, text);
}

static void put_title(struct nb_svg *s, const struct nb_lesson *l)
{
    char title[160], best[48];
    const struct nb_taught *m = l->best_at >= 0 ? &l->mark[l->best_at] : NULL;
    snprintf(title, sizeof title, "Learning curve of %.64s", l->graph);
    nb_svg_label(s, "t", LEFT, 30, title);
    if (!m)
        return;
    bool accuracy = !isnan(m->accuracy);
    snprintf(title, sizeof title, "best %s %s at step %lld", accuracy ? "accuracy" : "validation",
             nb_svg_number(accuracy ? m->accuracy : m->validation, 4, best, sizeof best),
             (long long)(l->best_at / l->turns + 1));
    nb_svg_label(s, "e q", WIDTH - RIGHT, 30, title);
}

int nb_lesson_svg(struct nb_request *rq, const void *lesson, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_text t = {.arena = rq->arena};
    struct nb_svg s = {&t, e};
    struct panel p = {.l = lesson};
    choose_scale(&p);
    nb_svg_begin(&s, WIDTH, TOP + PANEL + FOOT, STYLE);
    put_title(&s, lesson);
    put_end(&s, lesson);
    put_legend(&s, lesson);
    put_axes(&s, &p);
    for (int k = 0; k < p.l->turns; k++)
        put_loss(&s, &p, k);
    if (p.l->check.wanted)
        put_validation(&s, &p);
    nb_svg_put(&s, "</svg>\n");
    nb_reply_text(rp, NB_SVG, t.v, t.n);
    return e->code ? -1 : 0;
}
