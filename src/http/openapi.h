/* openapi.h - api/openapi.yaml, in the program: make writes src/http/openapi.c with embed.sh. */
#ifndef NABLA_OPENAPI_H
#define NABLA_OPENAPI_H
#include <stddef.h>

extern const unsigned char nb_openapi[];
extern const size_t nb_openapi_size;

#endif
