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
/* All that is asked, with the point of this seed, and the graph made. */
struct nb_asked *nb_task_asked(struct nb_request *rq, const struct nb_assignment *a, struct nb_seed seed,
                               struct nb_error *e);

#endif
