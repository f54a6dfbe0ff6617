/* course_reports.c - reports of what is stored: of one submission, and of all of an assignment. */
#include "http/course.h"
#include "http/reports.h"
#include "store/clock.h"
#include <string.h>

/* ---- one --------------------------------------------------------------------------------------------------------- */

/* As much of it as who asks may see. */
static int describe(struct nb_request *rq, const struct nb_assignment *a, const struct nb_asked *ask,
                    const struct nb_handed_in *x, struct nb_report *r, struct nb_error *e)
{
    r->result = json_loads(x->result, 0, NULL);
    if (!r->result || nb_keep_json(rq, r->result, e))
        return nb_fail(e, NB_E_store_failed, "the result can no longer be read");
    r->student = x->student;
    r->submission = x->id;
    r->assignment = a->name;
    r->attempt = x->attempt;
    r->level = ask->grading.hint_level;
    r->reveal = ask->grading.reveal;
    r->full = nb_task_taught(rq, a);
    r->wrong_shape = ask->grading.strict;
    return 0;
}

int nb_op_getReport(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const none[] = {NULL};
    struct nb_reporting as;
    struct nb_handed_in x;
    struct nb_assignment a;
    if (nb_reporting_take(rq, false, false, &as, e) || nb_query_only(rq, none, e) ||
        nb_submission_get(rq, rq->path[0], &x, &a, e))
        return -1;
    const struct nb_report_format *f = nb_reporting_format(rq, &as, false, e);
    struct nb_asked *ask = f ? nb_decode_text(rq, NB_TASK | NB_HERE, a.text, e) : NULL;
    if (!ask || describe(rq, &a, ask, &x, &as.about, e))
        return -1;
    return nb_reply_report(rq, f, &as.about, rp, e);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static int collect(struct nb_request *rq, const struct nb_assignment *a, const struct nb_asked *ask,
                   struct nb_course *c, struct nb_error *e)
{
    struct nb_handed_in *list;
    if (nb_store_submission_list(rq->store, a->name, NULL, 0, INT64_MAX, true, rq->arena, &list, &c->n, e))
        return -1;
    struct nb_report *reports = nb_zalloc(rq->arena, c->n + 1, sizeof *reports, e);
    if (!reports)
        return -1;
    for (size_t i = 0; i < c->n; i++)
        if (describe(rq, a, ask, &list[i], &reports[i], e))
            return -1;
    c->reports = reports;
    return 0;
}

int nb_op_getCourseReport(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const none[] = {NULL};
    struct nb_reporting as;
    struct nb_assignment a;
    if (nb_reporting_take(rq, true, false, &as, e) || nb_query_only(rq, none, e) ||
        nb_task_get_taught(rq, rq->path[0], &a, e))
        return -1;
    const struct nb_report_format *f = nb_reporting_format(rq, &as, true, e);
    struct nb_asked *ask = f ? nb_decode_text(rq, NB_TASK | NB_HERE, a.text, e) : NULL;
    if (!ask)
        return -1;
    struct nb_course c = {.assignment = a.name, .title = ask->task.title};
    return collect(rq, &a, ask, &c, e) ? -1 : nb_reply_course(rq, f, &c, rp, e);
}
