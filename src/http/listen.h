/* listen.h - the socket the server listens on. */
#ifndef NABLA_LISTEN_H
#define NABLA_LISTEN_H
#include "nabla/error.h"

/* Of --bind and --port, or the one a service manager opened for us (LISTEN_FDS). -1 with a sentence for people.
 * url gets "http://127.0.0.1:8080". */
int nb_listen(char *url, size_t size, struct nb_error *e);

#endif
