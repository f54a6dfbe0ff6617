/* reports.c - reports as replies. */
#include "http/reports.h"
#include "wire/times.h"
#include <string.h>

enum { FORMATS = 16 };

/* ---- the query --------------------------------------------------------------------------------------------------- */

/* The value of a parameter, which is in the query no more; NULL: it was not there. */
static const char *take(struct nb_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->nquery; i++)
        if (!strcmp(rq->query[i].name, name)) {
            const char *value = rq->query[i].value;
            rq->nquery--;
            memmove(&rq->query[i], &rq->query[i + 1], (rq->nquery - i) * sizeof *rq->query);
            return value;
        }
    return NULL;
}

/* What has a form of its own; the time is UTC, as it is printed again. */
static int judge_runner(const struct nb_runner *r, struct nb_error *e)
{
    int64_t seconds;
    char again[NB_TIME];
    if (r->scoreboard && strcmp(r->scoreboard, "true") && strcmp(r->scoreboard, "false"))
        return nb_fail(e, NB_E_bad_parameter, "true or false, not %.40s", r->scoreboard), nb_at(e, "scoreboard");
    if (r->datetime && (nb_time_read(r->datetime, &seconds) || strcmp(nb_time_text(seconds, again), r->datetime)))
        return nb_fail(e, NB_E_bad_parameter, "a time in UTC like 2026-03-01T12:00:00Z, not %.40s", r->datetime),
               nb_at(e, "datetime");
    return 0;
}

int nb_reporting_take(struct nb_request *rq, bool course, bool who, struct nb_reporting *to, struct nb_error *e)
{
    const char *format = take(rq, "format");
    *to = (struct nb_reporting){.about.level = NB_HINT_FORMULA};
    if (format && !(to->format = nb_report_format(format, course, e)))
        return -1;
    for (const struct nb_runner_key *k = nb_runner_keys; k->name && !course; k++) {
        const char *value = take(rq, k->name);
        memcpy((char *)&to->about.runner + k->offset, &value, sizeof value);
    }
    if (who) {
        to->about.student = take(rq, "student");
        to->about.submission = take(rq, "submission");
        to->about.assignment = take(rq, "assignment");
    }
    return judge_runner(&to->about.runner, e);
}

const struct nb_report_format *nb_reporting_format(const struct nb_request *rq, const struct nb_reporting *as,
                                                   bool course, struct nb_error *e)
{
    const char *types[FORMATS + 1] = {NULL};
    const struct nb_report_format *rows[FORMATS];
    int n = 0;
    if (as->format)
        return as->format;
    for (const struct nb_report_format *f = nb_report_formats; f->name && n < FORMATS; f++)
        if (!f->chosen && (f->course || !course)) {
            rows[n] = f;
            types[n++] = f->type;
        }
    int chosen = nb_accept(rq, types, e);
    return chosen < 0 ? NULL : rows[chosen];
}

/* ---- replies ----------------------------------------------------------------------------------------------------- */

static int reply(struct nb_request *rq, const struct nb_report_format *f, const struct nb_text *t, struct nb_reply *rp,
                 struct nb_error *e)
{
    bool text = !strncmp(f->type, "text/", 5);
    const char *type = nb_sprintf(rq->arena, e, "%s%s", f->type, text ? "; charset=utf-8" : "");
    if (!type)
        return -1;
    nb_reply_text(rp, type, t->v ? t->v : "", t->n);
    rp->vary = true;
    return 0;
}

int nb_reply_report(struct nb_request *rq, const struct nb_report_format *f, const struct nb_report *r,
                    struct nb_reply *rp, struct nb_error *e)
{
    struct nb_text t = {.arena = rq->arena};
    return nb_report_write(f, r, &t, e) ? -1 : reply(rq, f, &t, rp, e);
}

int nb_reply_course(struct nb_request *rq, const struct nb_report_format *f, const struct nb_course *c,
                    struct nb_reply *rp, struct nb_error *e)
{
    struct nb_text t = {.arena = rq->arena};
    return nb_course_write(f, c, &t, e) ? -1 : reply(rq, f, &t, rp, e);
}

int nb_reply_refusal(struct nb_request *rq, const struct nb_reporting *as, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_error why = *e, failed = {0};
    struct nb_report r = as->about;
    if (!as->format || !as->format->chosen || strncmp(e->pointer, "/submission", 11) || nb_code_status(e->code) != 400)
        return -1;
    r.result = nb_refused(&why, 0, &failed);
    if (!r.result || nb_keep_json(rq, r.result, &failed) || nb_reply_report(rq, as->format, &r, rp, &failed))
        return -1;
    *e = (struct nb_error){0};
    return 0;
}
