/* reports.h - reports as replies: which format is wanted, and what its readers have to say besides. */
#ifndef NABLA_REPORTS_H
#define NABLA_REPORTS_H
#include "http/reply.h"
#include "report/report.h"

/* What the query says about a report. */
struct nb_reporting {
    const struct nb_report_format *format; /* by ?format=; NULL: Accept chooses */
    struct nb_report about;                /* .runner; student, submission, assignment if they are asked for */
};
/* Takes the parameters out of the query, so that all others can be refused. `who`: those that say who handed in, too.
 * bad_parameter with a list of the formats. */
int nb_reporting_take(struct nb_request *rq, bool course, bool who, struct nb_reporting *to, struct nb_error *e);
/* The format of the query, or what Accept likes best; NULL with not_acceptable. */
const struct nb_report_format *nb_reporting_format(const struct nb_request *rq, const struct nb_reporting *as,
                                                   bool course, struct nb_error *e);

int nb_reply_report(struct nb_request *rq, const struct nb_report_format *f, const struct nb_report *r,
                    struct nb_reply *rp, struct nb_error *e);
int nb_reply_course(struct nb_request *rq, const struct nb_report_format *f, const struct nb_course *c,
                    struct nb_reply *rp, struct nb_error *e);

/* An error in what was handed in, for a platform that wants its own answer whatever happens: the reply is that, and
 * the error is gone. 0, or -1 where the error is to be told as any other. */
int nb_reply_refusal(struct nb_request *rq, const struct nb_reporting *as, struct nb_reply *rp, struct nb_error *e);

#endif
