/* deadline.h - how long a client may take. The library only knows inactivity: a byte a second keeps it content for
 * ever.
 *
 * One thread looks at all connections five times a second and shuts those down that are late; the library then sees
 * the end of the stream and cleans up. */
#ifndef NABLA_DEADLINE_H
#define NABLA_DEADLINE_H
#include "nabla/error.h"
#include <stdbool.h>
#include <stddef.h>

struct nb_deadline; /* one for each connection */

int nb_deadlines_start(void (*every_tick)(void), struct nb_error *e);
void nb_deadlines_stop(void);

/* NULL: no memory. The deadline is that of a header. */
struct nb_deadline *nb_deadline_new(int fd);
/* Before the descriptor is closed. */
void nb_deadline_free(struct nb_deadline *d);

void nb_deadline_header(struct nb_deadline *d);
/* The clock runs from the first call on; each byte that came adds to it by --smallest-rate. */
void nb_deadline_body(struct nb_deadline *d, size_t came);
void nb_deadline_reply(struct nb_deadline *d, size_t size);
void nb_deadline_none(struct nb_deadline *d); /* while we compute */

#endif
