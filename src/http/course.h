/* course.h - what the handlers of assignments, challenges and submissions share. */
#ifndef NABLA_HTTP_COURSE_H
#define NABLA_HTTP_COURSE_H
#include "http/gate.h"
#include "http/grading.h"
#include "http/handlers.h"
#include "store/course.h"

/* The assignment of this name. unknown_assignment. */
int nb_task_get(struct nb_request *rq, const char *name, struct nb_assignment *a, struct nb_error *e);
/* The same, if it is theirs who ask: somebody else's are not there. */
int nb_task_get_taught(struct nb_request *rq, const char *name, struct nb_assignment *a, struct nb_error *e);
/* A submission that who asks may see, and its assignment. unknown_submission. */
int nb_submission_get(struct nb_request *rq, const char *id, struct nb_handed_in *x, struct nb_assignment *a,
                      struct nb_error *e);
/* Is it theirs who ask, as a teacher? */
bool nb_task_taught(const struct nb_request *rq, const struct nb_assignment *a);
/* All that is asked, with the seed of the point of this challenge, which stays where it is, and the graph made. */
struct nb_asked *nb_task_asked(struct nb_request *rq, const struct nb_assignment *a, const struct nb_challenge *c,
                               struct nb_error *e);

/* Is it theirs who ask, and can it be answered at this time? Answered or not. challenge_foreign, challenge_expired. */
int nb_challenge_judge(const struct nb_request *rq, const struct nb_challenge *c, int64_t now, struct nb_error *e);

/* What somebody handed in. */
struct nb_came {
    const char *challenge, *student; /* or NULL: not said */
    json_t *submission;              /* NULL: a file */
    struct nb_tensors gradients;
};
/* The body of rq, which is one of many: JSON, or a file of tensors. */
int nb_came_read(struct nb_request *rq, struct nb_came *c, struct nb_error *e);
/* Graded at the point of its challenge; *x is complete but for what the store fills in. *resubmit: not graded, and that
 * lies in the student's hand. */
int nb_came_grade(struct nb_request *rq, const struct nb_assignment *a, const struct nb_challenge *c,
                  struct nb_came *came, struct nb_handed_in *x, bool *resubmit, struct nb_error *e);

#endif
