/* limits.h - the limits in force. Set once at start, read everywhere. */
#ifndef NABLA_LIMITS_H
#define NABLA_LIMITS_H
#include "nabla/error.h"
#include <stdint.h>

struct nb_limits {
#define LIMIT(name, def, min, max, help) int64_t name;
#include "nabla/limits.def"
#undef LIMIT
};
extern struct nb_limits nb_limits;

/* nb_fail with code limit, naming the option that sets it: "nodes: 10001, the limit is 10000 (--limit-nodes)". */
#define NB_OVER(e, name, came) nb_fail_limit((e), #name, nb_limits.name, (came))
int nb_fail_limit(struct nb_error *e, const char *name, int64_t limit, int64_t came);

#endif
