/* grade.c - what was handed in, graded; nothing is stored. */
#include "http/gate.h"
#include "http/grading.h"
#include "http/handlers.h"
#include "http/heard.h"
#include "http/replay.h"
#include "http/reports.h"
#include "http/terms.h"
#include "http/verdicts.h"
#include "store/files.h"
#include <string.h>

/* Named by its digest. */
static void put_certificate(struct nb_writer *w, const struct nb_asked *ask, const struct nb_verdicts *v)
{
    struct nb_writer text = nb_writer(w->text.arena, w->e);
    char hash[NB_HASH_SIZE];
    nb_w_certificate(&text, ask, v);
    if (w->e->code || nb_putn(&text.text, "", 1, w->e))
        return;
    nb_files_hash(text.text.v, text.text.n - 1, hash);
    const char *json = nb_sprintf(w->text.arena, w->e, "{\"id\":\"ct_%.32s\",%s", hash, text.text.v + 1);
    nb_w_key(w, "certificate");
    if (json)
        nb_w_raw(w, json);
}

void nb_w_grade(struct nb_writer *w, const struct nb_asked *ask, const struct nb_reference *r,
                const struct nb_graded *out, enum nb_hint_level level, bool reveal)
{
    nb_w_open(w, '{');
    nb_w_graded(w, out, level, reveal);
    nb_w_warnings(w, &r->own);
    put_certificate(w, ask, &r->own);
    nb_w_close(w, '}');
}

int nb_grade_asked(struct nb_request *rq, struct nb_asked *ask, struct nb_reference *r, struct nb_graded *out,
                   struct nb_error *e)
{
    struct nb_grading *g = &ask->grading;
    g->point = ask->check;
    if (g->submission.form == NB_ANSWERS)
        return nb_grade_heard(rq, ask, r, out, e);
    if (!g->submission.gradients.n && !g->submission.nexpressions) /* in a file */
        return nb_fail(e, NB_E_missing_key, "nothing was handed in: no tensor is called submission/NAME");
    if (nb_grade(ask->g, g, rq->arena, r, out, e))
        return nb_grading_place(g, e), nb_terms_place(ask, e);
    ask->check.gradients = g->submission.gradients;
    bool formulas = g->submission.form == NB_FORMULAS;
    r->own.facts.rho = ask->check.rho > 0 ? ask->check.rho : formulas ? NB_RHO_FORMULAS : NB_RHO_GRADE;
    return 0;
}

struct outcome {
    struct nb_asked *ask;
    const struct nb_reporting *as;
    struct nb_reference r;
    struct nb_graded out;
};

static int write_json(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct outcome *o = result;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_grade(&w, o->ask, &o->r, &o->out, o->ask->grading.hint_level, o->ask->grading.reveal);
    return nb_reply_written(rp, &w);
}

/* All there is; what of it is told is the report's to choose. */
static int write_report(struct nb_request *rq, const struct nb_report_format *f, const struct outcome *o,
                        struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_grading *g = &o->ask->grading;
    struct nb_report about = o->as->about;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_grade(&w, o->ask, &o->r, &o->out, NB_HINT_FORMULA, true);
    if (e->code)
        return -1;
    if (!(about.result = json_loadb(w.text.v, w.text.n, 0, NULL)))
        return nb_fail_memory(e);
    about.level = g->hint_level;
    about.reveal = g->reveal;
    about.full &= nb_may(rq, NB_MAY_backward);
    about.wrong_shape = g->strict;
    return nb_keep_json(rq, about.result, e) || nb_reply_report(rq, f, &about, rp, e) ? -1 : 0;
}

#define BY_ACCEPT(NAME)                                                                                                \
    static int write_##NAME(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)        \
    {                                                                                                                  \
        return write_report(rq, nb_report_format(#NAME, false, e), result, rp, e);                                     \
    }
BY_ACCEPT(html)
BY_ACCEPT(csv)
BY_ACCEPT(junit)
static const struct nb_form forms[] = {{NB_JSON, write_json},
                                       {"text/html", write_html},
                                       {"text/csv", write_csv},
                                       {"application/xml", write_junit},
                                       {NULL, NULL}};

static int write(struct nb_request *rq, const struct outcome *o, int form, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_report_format *f = o->as->format;
    if (!f)
        return nb_forms_write(rq, forms, form, o, rp, e);
    return strcmp(f->name, "json") ? write_report(rq, f, o, rp, e) : write_json(rq, o, rp, e);
}

static int grade(struct nb_request *rq, struct nb_reply *rp, struct nb_asked *ask, const struct nb_reporting *as,
                 struct nb_error *e)
{
    struct outcome o = {.ask = ask, .as = as};
    int form = as->format ? 0 : nb_forms_accept(rq, forms, e);
    if (form < 0)
        return -1;
    if (ask->grading.reveal && !nb_may(rq, NB_MAY_backward))
        return nb_fail(e, NB_E_scope_missing, "to see what was expected needs a key with the scope backward"),
               nb_at(e, "reveal");
    return nb_grade_asked(rq, ask, &o.r, &o.out, e) ? -1 : write(rq, &o, form, rp, e);
}

static int grade_stored(struct nb_request *rq, struct nb_reply *rp, const struct nb_reporting *as, struct nb_error *e)
{
    struct nb_graph *g = nb_stored_graph(rq, NULL, e);
    struct nb_asked *ask = g ? nb_decode(rq, NB_GRADE, e) : NULL;
    if (!ask)
        return -1;
    ask->g = g;
    return grade(rq, rp, ask, as, e) ? nb_stored_place(e) : 0;
}

static int grade_here(struct nb_request *rq, struct nb_reply *rp, const struct nb_reporting *as, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, NB_GRADE | NB_HERE, e);
    if (!ask || !(ask->g = nb_body_graph(rq, ask, e)))
        return -1;
    return grade(rq, rp, ask, as, e);
}

int nb_op_gradeGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_reporting as;
    if (nb_reporting_take(rq, false, true, &as, e))
        return -1;
    return grade_stored(rq, rp, &as, e) ? nb_reply_refusal(rq, &as, rp, e) : 0;
}

int nb_op_grade(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_reporting as;
    if (nb_reporting_take(rq, false, true, &as, e))
        return -1;
    return grade_here(rq, rp, &as, e) ? nb_reply_refusal(rq, &as, rp, e) : 0;
}
