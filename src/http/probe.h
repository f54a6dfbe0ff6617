/* probe.h - asks a running daemon how it is: the health check of a container that has no other client inside. */
#ifndef NABLA_PROBE_H
#define NABLA_PROBE_H
#include "nabla/error.h"

/* One GET of "http://HOST[:PORT][/PATH]". 0 if the answer comes within two seconds and its status is 200 to 399. */
int nb_probe(const char *url, struct nb_error *e);

#endif
