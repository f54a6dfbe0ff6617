/* test_mistakes.c - every known mistake of every module, made at drawn points of every case: its own code comes back,
 * also from floats and from six printed decimals; no two are taken for one another, and none for the truth. */
#include "case_graphs.h"
#include "check/point.h"
#include "grade/attempt.h"

enum { POINTS = 3 };

/* ---- how numbers are handed in ------------------------------------------------------------------------------------
 */

enum form { BINARY, FLOATS, DECIMALS, FORMS };
static const char *const forms[] = {"in double", "in float", "with six decimals"};

static double handed_in(double v, enum form f, uint64_t i)
{
    char text[400];
    if (f == FLOATS) {
        float x = (float)v;
        return i % 3 ? nextafterf(x, i % 2 ? INFINITY : -INFINITY) : x;
    }
    snprintf(text, sizeof text, "%.6f", v);
    return f == DECIMALS ? strtod(text, NULL) : v;
}

/* ---- a case --------------------------------------------------------------------------------------------------------
 */

struct ward {
    const struct subject *s;
    struct nb_run run;
    struct nb_clinic *c;
    double *truth[64]; /* per wrt */
    double largest[64];
};

static size_t entries(const struct ward *w, int wrt)
{
    const struct nb_plan *p = &w->c->p->plan;
    return (size_t)nb_count(&p->net.values.v[p->wants.wrt[wrt]].shape);
}

static const double *gradient(const struct ward *w, int wrt)
{
    return w->c->s.grad[w->c->p->plan.wants.wrt[wrt]];
}

static double *copy(const double *v, size_t n)
{
    double *to = nb_alloc(&arena, n, sizeof *to, &error);
    ck_assert_ptr_nonnull(to);
    return memcpy(to, v, n * sizeof *to);
}

static void open_ward(struct ward *w, const struct subject *s, int point)
{
    struct nb_verdicts v = {0};
    *w = (struct ward){.s = s, .run = s->check.run};
    w->run.seed = (struct nb_seed){100 + (uint64_t)point, 7};
    ck_assert_msg(!nb_point_draw(s->g, &w->run, 0, &arena, &v, &error), "%s: %s", s->what, error.detail);
    ck_assert_msg(!nb_clinic_new(s->g, &w->run, &arena, &w->c, &error), "%s: %s", s->what, error.detail);
    ck_assert_msg(!nb_session_backward(&w->c->s, w->c->cotangent, &error), "%s: %s", s->what, error.detail);
    for (int i = 0; i < w->c->p->plan.wants.nwrt; i++) {
        w->truth[i] = copy(gradient(w, i), entries(w, i));
        for (size_t k = 0; k < entries(w, i); k++)
            w->largest[i] = fmax(w->largest[i], fabs(w->truth[i][k]));
    }
}

static struct nb_diagnosis diagnose(struct ward *w, int wrt, const double *gradient_, enum form f)
{
    const struct nb_planned *p = w->c->p;
    size_t n = entries(w, wrt);
    double *given = copy(gradient_, n);
    for (size_t k = 0; k < n; k++)
        given[k] = handed_in(given[k], f, k);
    struct nb_suspect s = {
        .name = p->wrt_name[wrt], .shape = p->plan.net.values.v[p->plan.wants.wrt[wrt]].shape, .truth = w->truth[wrt]};
    struct nb_diagnosis d;
    s.submitted = (struct nb_tensor){NB_F64, s.shape, given};
    if (f == DECIMALS)
        s.digits = (struct nb_digits){6, 7};
    ck_assert_msg(!nb_diagnose(w->c, &s, &d, &error), "%s: %s", w->s->what, error.detail);
    return d;
}

/* ---- mistakes -------------------------------------------------------------------------------------------------------
 */

static struct {
    int made, named, same;
    char survived[4000];
} score;
static bool applied[4096]; /* per row of the module's table and per generic kind: made somewhere */

static bool differs(const struct ward *w, int wrt, const double *g, double by)
{
    for (size_t k = 0; k < entries(w, wrt); k++)
        if (!(fabs(g[k] - w->truth[wrt][k]) <= by * fmax(w->largest[wrt], fabs(g[k]))))
            return true;
    return false;
}

static bool all_finite(const double *g, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (!isfinite(g[k]))
            return false;
    return true;
}

/* What holds for all modules is told first: 2 x is named by the factor. The test has to see for itself that it is. */
static bool explained(const struct ward *w, int wrt, const double *g, const struct nb_diagnosis *d, enum form f)
{
    size_t n = entries(w, wrt);
    const double *t = w->truth[wrt];
    bool zero = true;
    for (size_t k = 0; k < n; k++)
        zero &= handed_in(g[k], f, k) == 0;
    if (!strcmp(d->code, "zero"))
        return zero;
    if (strncmp(d->code, "factor", 6) && strcmp(d->code, "sign"))
        return false;
    for (size_t k = 0; k < d->nevidence; k++)
        if (!strcmp(d->evidence[k].key, "c")) {
            double c = d->evidence[k].number;
            for (size_t i = 0; i < n; i++)
                if (fabs(g[i] - c * t[i]) > 1e-5 * fabs(c) * w->largest[wrt])
                    return false;
            return true;
        }
    return false;
}

/* The row of one module says that the other goes by its name. */
static bool declared_same(const char *code, const char *named)
{
    for (int i = 0; i < nb_module_count(); i++)
        for (const struct nb_known *k = nb_module_at(NB_F64, i)->mistakes; k && k->code; k++)
            if (!strcmp(k->code, named) && k->same && !strcmp(k->same, code))
                return true;
    return false;
}

static void note(const struct ward *w, const char *tensor, const struct nb_attempt *a, const char *named, enum form f)
{
    size_t n = strlen(score.survived);
    snprintf(score.survived + n, sizeof score.survived - n, "%s, %s %s: %s is taken for %s\n", w->s->what, tensor,
             forms[f], a->code, named ? named : "right");
}

static void try_tensor(struct ward *w, const struct nb_attempt *a, int wrt, const double *g)
{
    for (enum form f = BINARY; f < FORMS; f++) {
        double least = f == DECIMALS ? 1e-2 : 1e-3; /* what can be seen so */
        if (!differs(w, wrt, g, least) || (f == DECIMALS && w->largest[wrt] < 1e-2))
            continue;
        struct nb_diagnosis d = diagnose(w, wrt, g, f);
        score.made++;
        if (d.code && !strcmp(d.code, a->code))
            score.named++;
        else if (d.code && (explained(w, wrt, g, &d, f) || declared_same(a->code, d.code)))
            score.same++;
        else
            note(w, w->c->p->wrt_name[wrt], a, d.code, f);
        ck_assert(!d.code || (d.pattern && *d.pattern && d.hint && *d.hint));
    }
}

static void try_attempt(struct ward *w, struct nb_attempt *a)
{
    int nwrt = w->c->p->plan.wants.nwrt;
    const double *g[64];
    ck_assert_msg(!nb_attempt_make(w->c, a, NB_ALL_WRT, &error), "%s, %s: %s", w->s->what, a->code, error.detail);
    if (a->none)
        return;
    for (int i = 0; i < nwrt; i++)
        g[i] = copy(gradient(w, i), entries(w, i));
    for (int i = 0; i < nwrt; i++)
        if (all_finite(g[i], entries(w, i)) && differs(w, i, g[i], 1e-3)) {
            try_tensor(w, a, i, g[i]);
            for (int k = 0; a->known && w->s->m->mistakes[k].code; k++)
                applied[k] |= &w->s->m->mistakes[k] == a->known;
        }
}

static void try_right(struct ward *w)
{
    for (int i = 0; i < w->c->p->plan.wants.nwrt; i++)
        for (enum form f = BINARY; f < FORMS; f++) {
            struct nb_diagnosis d = diagnose(w, i, w->truth[i], f);
            ck_assert_msg(!d.code, "%s, %s %s is right, but called %s", w->s->what, w->c->p->wrt_name[i], forms[f],
                          d.code);
        }
}

/* One entry off, two exchanged: nobody's known mistake, so no slip is recognised in it. */
static void try_unknown(struct ward *w)
{
    for (int i = 0; i < w->c->p->plan.wants.nwrt; i++) {
        size_t n = entries(w, i), best = 0;
        for (size_t k = 0; k < n; k++)
            best = fabs(w->truth[i][k]) > fabs(w->truth[i][best]) ? k : best;
        if (n < 6 || w->largest[i] == 0)
            continue;
        double *g = copy(w->truth[i], n), keep = g[best];
        g[best] *= 1.37;
        struct nb_diagnosis d = diagnose(w, i, g, BINARY);
        ck_assert_msg(d.code && !d.slip, "%s, %s: one entry off is taken for %s", w->s->what, w->c->p->wrt_name[i],
                      d.code);
        g[best] = g[(best + 1) % n];
        g[(best + 1) % n] = keep;
        if (!differs(w, i, g, 1e-3))
            continue;
        d = diagnose(w, i, g, BINARY);
        ck_assert_msg(d.code && !d.slip, "%s, %s: two entries exchanged are taken for %s", w->s->what,
                      w->c->p->wrt_name[i], d.code);
    }
}

static void examine(struct subject *s)
{
    for (int point = 0; point < POINTS; point++) {
        struct ward w;
        open_ward(&w, s, point);
        try_right(&w);
        try_unknown(&w);
        ck_assert(!nb_attempts_list(w.c, &error));
        for (size_t i = 0; i < w.c->nattempts; i++)
            try_attempt(&w, &w.c->attempts[i]);
        nb_clinic_done(w.c);
    }
}

static void try_module(int module, const char *dtype)
{
    const struct nb_module *m = nb_module_at(NB_F64, module);
    memset(&score, 0, sizeof score);
    memset(applied, 0, sizeof applied);
    each_subject(m, dtype, examine);
    ck_assert_msg(!*score.survived, "%d made, %d named, %d explained by a factor\n%s", score.made, score.named,
                  score.same, score.survived);
    for (int k = 0; m->mistakes && m->mistakes[k].code; k++)
        ck_assert_msg(applied[k], "%s: %s = %s is not made in any case", m->type, m->mistakes[k].code,
                      m->mistakes[k].formula);
}

START_TEST(test_module)
{
    try_module(_i, "float64");
}
END_TEST

/* The point is one of floats. */
START_TEST(test_module_of_floats)
{
    try_module(_i, "float32");
}
END_TEST

/* Codes are words, every mistake says what to do, and none goes by the name of what all modules share. */
START_TEST(test_rows)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    for (const struct nb_known *k = m->mistakes; k && k->code; k++) {
        ck_assert_msg(strspn(k->code, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(k->code), "%s", k->code);
        ck_assert_msg(k->formula && *k->formula && k->hint && strlen(k->hint) > 10, "%s", k->code);
        ck_assert_msg(k->hint[strlen(k->hint) - 1] == '.' || k->hint[strlen(k->hint) - 1] == '?', "%s", k->hint);
        for (const struct nb_slip_kind *s = nb_slips; s->name; s++)
            ck_assert_str_ne(s->code, k->code);
        for (const struct nb_slip_kind *s = nb_generic; s->name; s++)
            ck_assert_str_ne(s->code, k->code);
        for (int i = 0; i < nb_module_count(); i++)
            for (const struct nb_known *o = nb_module_at(NB_F64, i)->mistakes; i != _i && o && o->code; o++)
                ck_assert_msg(strcmp(o->code, k->code) || !strncmp(m->type, nb_module_at(NB_F64, i)->type, 9),
                              "%s and %s: %s", m->type, nb_module_at(NB_F64, i)->type, k->code);
    }
}
END_TEST

static Suite *suite(int first, int end)
{
    Suite *s = suite_create("mistakes");
    TCase *t = tcase_create("modules");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, test_rows, first, end);
    tcase_add_loop_test(t, test_module, first, end);
    tcase_add_loop_test(t, test_module_of_floats, first, end);
    suite_add_tcase(s, t);
    return s;
}

int main(int argc, char **argv)
{
    int first = argc > 1 ? nb_module_find(argv[1]) : 0, end = argc > 1 ? first + 1 : nb_module_count();
    SRunner *r = srunner_create(suite(first, end));
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
