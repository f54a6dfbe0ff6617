/* terms.h - what a check may be asked besides its tensors: how, how much, how strictly, how told. Read from a request,
 * written into its certificate, and read from there again. */
#ifndef NABLA_TERMS_H
#define NABLA_TERMS_H
#include "http/decode.h"
#include "http/fields.h"

/* Readers of the members; `to` is a struct nb_asked. */
nb_field_reader nb_read_method, nb_read_coverage, nb_read_order, nb_read_kinks, nb_read_rho, nb_read_r_max,
    nb_read_power, nb_read_jacobian, nb_read_detail, nb_read_sample;

/* What single members cannot say: a direction without order 2, tolerances that let nothing pass. */
int nb_terms_settle(const struct nb_asked *ask, struct nb_error *e);
/* A fault of a term is a fault where it stood: in `sample`, in a certificate. Always -1. */
int nb_terms_place(const struct nb_asked *ask, struct nb_error *e);

struct nb_writer;
/* "asked": {...}: the terms that are not the defaults, wrt, loss, mode and sizes. */
void nb_w_terms(struct nb_writer *w, const struct nb_asked *ask);
const char *nb_method_name(enum nb_method m);

#endif
