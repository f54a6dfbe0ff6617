/* certificate.c - what a verdict rests on: the part that a checker knows of itself. */
#include "http/verdicts.h"
#include "nabla/blas.h"
#include <gnu/libc-version.h>
#include <stdio.h>

static void put_oracles(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "oracles");
    nb_w_open(w, '{');
    if (f->complex_evaluations) {
        nb_w_key(w, "complex");
        nb_w_open(w, '{');
        nb_w_number_at(w, "h", 0x1p-664);
        nb_w_whole_at(w, "evaluations", f->complex_evaluations);
        nb_w_close(w, '}');
    }
    if (f->double_evaluations) {
        nb_w_key(w, "differences");
        nb_w_open(w, '{');
        nb_w_key(w, "h");
        nb_w_open(w, '[');
        nb_w_number(w, f->h_low, NB_F64);
        nb_w_number(w, f->h_high, NB_F64);
        nb_w_close(w, ']');
        nb_w_whole_at(w, "halvings", f->halvings);
        nb_w_whole_at(w, "evaluations", f->double_evaluations);
        nb_w_close(w, '}');
    }
    nb_w_close(w, '}');
}

static void put_constants(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "constants");
    nb_w_open(w, '{');
    if (f->rho > 0)
        nb_w_number_at(w, "rho", f->rho);
    if (f->r_max > 0)
        nb_w_number_at(w, "r_max", f->r_max);
    nb_w_whole_at(w, "K", 16);
    nb_w_close(w, '}');
}

static void put_swept(struct nb_writer *w, const struct nb_swept *s)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "node", s->node);
    nb_w_string_at(w, "port", s->port);
    nb_w_string_at(w, "structure", s->structure);
    nb_w_whole_at(w, "colours", s->colours);
    nb_w_whole_at(w, "entries", s->entries);
    if (s->refuted)
        nb_w_bool_at(w, "refuted", true);
    nb_w_close(w, '}');
}

static void put_structure(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "structure");
    nb_w_open(w, '[');
    for (size_t i = 0; i < f->nswept; i++)
        put_swept(w, &f->swept[i]);
    nb_w_close(w, ']');
    nb_w_key(w, "leaks");
    nb_w_open(w, '{');
    nb_w_whole_at(w, "evaluations", f->leak_evaluations);
    nb_w_whole_at(w, "found", f->leaks);
    nb_w_close(w, '}');
}

static void put_coverage(struct nb_writer *w, const struct nb_facts *f)
{
    static const char *const kinds[] = {NULL, "every", "signed", "sampled"};
    nb_w_key(w, "coverage");
    nb_w_open(w, '{');
    if (kinds[f->coverage])
        nb_w_string_at(w, "kind", kinds[f->coverage]);
    if (f->method)
        nb_w_string_at(w, "by", f->method);
    nb_w_whole_at(w, "entries", f->judged);
    nb_w_whole_at(w, "of", f->asked);
    if (f->nswept)
        put_structure(w, f);
    nb_w_whole_at(w, "directions", f->directions);
    nb_w_whole_at(w, "spots", f->spots);
    if (f->points)
        nb_w_whole_at(w, "points", f->points);
    nb_w_close(w, '}');
}

static void put_kink(struct nb_writer *w, const struct nb_kink_met *k)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "node", k->node);
    nb_w_string_at(w, "port", k->port);
    nb_w_whole_at(w, "index", k->index);
    nb_w_number_at(w, "value", k->value);
    nb_w_number_at(w, "convention", k->convention);
    nb_w_key(w, "interval");
    nb_w_open(w, '[');
    nb_w_number(w, k->low, NB_F64);
    nb_w_number(w, k->high, NB_F64);
    nb_w_close(w, ']');
    nb_w_close(w, '}');
}

static void put_kinks(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "kinks");
    nb_w_open(w, '[');
    for (size_t i = 0; i < f->nkinks; i++)
        put_kink(w, &f->kinks[i]);
    nb_w_close(w, ']');
}

/* What the bits of a number depend on besides. Not how many workers there are: nothing depends on that. */
static void put_machine(struct nb_writer *w)
{
    char libc[40];
    snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
    nb_w_key(w, "machine");
    nb_w_open(w, '{');
    nb_w_string_at(w, "blas", nb_blas_config());
    nb_w_string_at(w, "core", nb_blas_core());
    nb_w_string_at(w, "flavour", nb_blas_flavour());
    nb_w_whole_at(w, "threads", 1);
    nb_w_string_at(w, "libc", libc);
#ifdef __clang__
    nb_w_string_at(w, "compiler", __VERSION__);
#else
    nb_w_string_at(w, "compiler", "gcc " __VERSION__);
#endif
    nb_w_string_at(w, "isa", nb_isa());
    nb_w_close(w, '}');
}

void nb_w_facts(struct nb_writer *w, const struct nb_verdicts *v)
{
    put_oracles(w, &v->facts);
    put_constants(w, &v->facts);
    put_coverage(w, &v->facts);
    put_kinks(w, &v->facts);
    put_machine(w);
}
