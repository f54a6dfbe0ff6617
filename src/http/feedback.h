/* feedback.h - what was handed in and what came of it, as a teacher or as a student sees it. */
#ifndef NABLA_FEEDBACK_H
#define NABLA_FEEDBACK_H
#include "report/report.h"
#include "store/course.h"
#include "wire/writer.h"

struct nb_sight {
    bool whole;               /* everything: a teacher */
    enum nb_hint_level level; /* else up to this one, */
    bool reveal;              /* with what was expected, */
    bool certificate;         /* with the certificate in full */
};
/* One object. */
int nb_w_handed_in(struct nb_writer *w, const struct nb_handed_in *x, const struct nb_sight *sight, struct nb_error *e);

#endif
