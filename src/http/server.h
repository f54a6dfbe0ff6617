/* server.h - the daemon on the network: starting, what it is, stopping. */
#ifndef NABLA_SERVER_H
#define NABLA_SERVER_H
#include "nabla/error.h"
#include <stdbool.h>

struct nb_store;

/* Listens as nb_options says and serves from threads of its own. `store` outlives the server. */
int nb_server_start(struct nb_store *store, struct nb_error *e);
/* "http://127.0.0.1:8080" */
const char *nb_server_url(void);
int nb_server_workers(void);
int nb_server_pollers(void);

/* From now on not ready. */
void nb_server_unready(void);
bool nb_server_ready(void);
/* Refuses connections, lets what is under way end, cuts the rest. False: a worker still runs, so nothing may be freed.
 */
bool nb_server_stop(void);

#endif
