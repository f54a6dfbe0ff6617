/* task.h - an assignment as a teacher describes it: its terms, besides those of a grading. */
#ifndef NABLA_TASK_H
#define NABLA_TASK_H
#include "http/fields.h"

struct nb_assigned {
    const char *title;
    int64_t opens, closes, late_until; /* seconds since 1970; 0: not said */
    int64_t tries;                     /* 0: not said */
    int64_t challenge_seconds;         /* 0: not said */
    unsigned forms;                    /* bits: 1 << enum nb_form_of; 0: not said */
    const char *challenge;             /* for which a probe set has to have been opened; NULL: any will do */
    bool commitment;                   /* a challenge needs one */
    bool forward;                      /* students may have it computed */
    bool accept_survivors;
};

/* Readers of its members; `to` is a struct nb_assigned. */
nb_field_reader nb_read_title, nb_read_opens, nb_read_closes, nb_read_late_until, nb_read_tries,
    nb_read_challenge_seconds, nb_read_forms, nb_read_commitment, nb_read_forward, nb_read_accept_survivors;

/* Bits of what may be handed in: what was said, or numbers and formulas. */
unsigned nb_task_forms(const struct nb_assigned *t);

#endif
