/* heard.h - what a function that lives elsewhere said at its points, kept with its probe set to be graded. */
#ifndef NABLA_HEARD_H
#define NABLA_HEARD_H
#include "grade/answers.h"
#include "http/grading.h"
#include "http/probes.h"

/* Which probes of the first round are points with a gradient; before the answers are taken, under the lock. */
struct nb_hearing {
    int n, base[NB_MOST_POINTS];
    size_t probe[NB_MOST_POINTS];
};
void nb_heard_listen(const struct nb_probe_set *s, struct nb_hearing *h);
/* And what was said there, once it was found sound. Without memory for it nothing is kept. */
void nb_heard_keep(struct nb_probe_set *s, const struct nb_probes_answered *x, const struct nb_hearing *h,
                   struct nb_arena *a);
size_t nb_heard_size(const struct nb_probe_set *s); /* bytes */
void nb_heard_forget(struct nb_probe_set *s);
/* The probe set that the submission names. Errors: /submission/probes. */
int nb_grade_heard(struct nb_request *rq, struct nb_asked *ask, struct nb_reference *r, struct nb_graded *out,
                   struct nb_error *e);

#endif
