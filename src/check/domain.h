/* domain.h - what an input may hold, told by the modules it feeds: class numbers, labels, probabilities, an interval.
 */
#ifndef NABLA_DOMAIN_H
#define NABLA_DOMAIN_H
#include "graph/net.h"

struct nb_domain {
    char letter; /* of nb_case: 0 an interval, c classes, s -1 or 1, b 0 or 1, p rows of probabilities, l their logs */
    double lo, hi;   /* of the interval */
    int64_t classes; /* of class numbers and of integers in general: 0 .. classes-1 */
};

/* Of a graph whose sizes are known. */
int nb_domain_of(const struct nb_net *net, const struct nb_input *in, struct nb_arena *a, struct nb_domain *d,
                 struct nb_error *e);

#endif
