/* verdicts.h - what came out of a check, as JSON: for requests that check, and for probes that end. */
#ifndef NABLA_VERDICTS_H
#define NABLA_VERDICTS_H
#include "http/decode.h"
#include "http/reply.h"

/* How much of it is told. */
struct nb_telling {
    enum nb_detail detail;
    const struct nb_tensors *came; /* gradients of the request, for the shape of one that does not fit; or NULL */
    bool bare;                     /* nothing from which the right numbers could be had */
};
/* Members of an object that is open: verdict, summary, tensors, warnings, self, and power and shadow if there are any.
 * What v does not know is left out. */
void nb_w_verdicts(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_telling *how);
/* "warnings": [...] */
void nb_w_warnings(struct nb_writer *w, const struct nb_verdicts *v);
/* Members of a certificate that is open: oracles, constants, coverage, kinks, machine. */
void nb_w_facts(struct nb_writer *w, const struct nb_verdicts *v);
/* A member of a certificate: where tensors came from and what they hash to; NULL: nothing of that. */
void nb_w_origin(struct nb_writer *w, const char *key, const char *from, const struct nb_tensors *l, bool show);
/* One sentence for people. Owned by the arena; NULL with the error set. */
const char *nb_verdicts_summary(const struct nb_verdicts *v, const struct nb_telling *how, struct nb_arena *a,
                                struct nb_error *e);

/* Flat position -> index. */
struct nb_shape nb_index_of(const struct nb_shape *shape, int64_t i);
/* Entries in the order in which they are worth a look: wrong, then cannot tell, larger errors first; none that is
 * right. At most `most`; returns how many, or -1. */
int64_t nb_worst_entries(const struct nb_checked *c, int64_t most, int64_t **at, struct nb_arena *a,
                         struct nb_error *e);
/* |candidate - value| relative to the larger of the two; infinite if the candidate is not finite. */
double nb_relative_error(const struct nb_checked *c, int64_t i);

#endif
