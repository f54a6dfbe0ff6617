/* log.h - lines of JSON on standard error, when --log-requests asks for them. One write each. */
#ifndef NABLA_LOG_H
#define NABLA_LOG_H
#include "http/exchange.h"
#include <stdarg.h>

/* A request that is over. `how`: "completed", "closed", "timeout", ... */
void nb_log_request(const struct nb_exchange *x, const char *how);
/* What the HTTP library has to say. */
void nb_log_library(void *unused, const char *fmt, va_list args);

#endif
