/* probes.h - a probe set on the wire: what is asked for, the questions, the answers. */
#ifndef NABLA_HTTP_PROBES_H
#define NABLA_HTTP_PROBES_H
#include "http/probe_sets.h"
#include "http/reply.h"

struct nb_probes_asked {
    struct nb_asked terms; /* seed, rho, r_max, kinks, detail. First: their readers know this struct */
    struct nb_probed f;
    bool whole;
};
/* What one round may ask, and what its answers may weigh, by the limits of the service. */
void nb_probes_limits(struct nb_probed *f);
/* NULL on error. Lives as long as the request. */
struct nb_probes_asked *nb_probes_read(struct nb_request *rq, struct nb_error *e);

struct nb_probes_answered {
    int64_t round;
    struct nb_tensors outputs, imaginary, *gradients; /* gradients: ngradients of them */
    size_t ngradients;
};
struct nb_probes_answered *nb_answers_read(struct nb_request *rq, struct nb_error *e);

/* The function as compact JSON, for its hash. */
const char *nb_function_text(const struct nb_probed *f, struct nb_arena *a, struct nb_error *e);
/* How the client would like the questions; -1 with not_acceptable. */
int nb_probes_accept(const struct nb_request *rq, struct nb_error *e);
/* The questions, in the form nb_probes_accept said. */
int nb_reply_questions(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, int form,
                       struct nb_error *e);
/* The verdicts, when they are there. */
int nb_reply_verdicts(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, struct nb_error *e);

#endif
