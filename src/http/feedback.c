/* feedback.c - one object for one submission. */
#include "http/feedback.h"
#include "wire/times.h"

static void put_members(struct nb_writer *w, const struct nb_handed_in *x)
{
    char at[NB_TIME];
    nb_w_string_at(w, "submission", x->id);
    nb_w_string_at(w, "challenge", x->challenge);
    nb_w_string_at(w, "assignment", x->assignment);
    nb_w_string_at(w, "student", x->student);
    nb_w_whole_at(w, "try", x->attempt);
    nb_w_string_at(w, "received", nb_time_text(x->received, at));
    nb_w_bool_at(w, "late", x->late);
    nb_w_bool_at(w, "counted", x->counted);
    nb_w_bool_at(w, "resubmit", false);
    nb_w_number_at(w, "score", x->score);
    nb_w_number_at(w, "max_score", x->max_score);
    nb_w_string_at(w, "verdict", x->verdict);
    if (*x->commitment)
        nb_w_string_at(w, "commitment", x->commitment);
}

/* As much of the result as the level shows. */
static void put_some(struct nb_writer *w, const char *result, const struct nb_sight *sight, struct nb_error *e)
{
    json_t *all = json_loads(result, 0, NULL);
    json_t *some = all ? nb_feedback(all, sight->level, sight->reveal, e) : NULL;
    if (!some)
        nb_fail(e, NB_E_store_failed, "the result can no longer be read");
    if (some && sight->certificate)
        json_object_set(some, "certificate", json_object_get(all, "certificate"));
    if (some)
        nb_w_json(w, some);
    json_decref(some);
    json_decref(all);
}

int nb_w_handed_in(struct nb_writer *w, const struct nb_handed_in *x, const struct nb_sight *sight, struct nb_error *e)
{
    nb_w_open(w, '{');
    put_members(w, x);
    if (x->result) {
        nb_w_key(w, "result");
        if (sight->whole)
            nb_w_raw(w, x->result);
        else
            put_some(w, x->result, sight, e);
    }
    nb_w_close(w, '}');
    return e->code ? -1 : 0;
}
