/* task.c - the terms of an assignment, read. */
#include "http/task.h"
#include "grade/grade.h"
#include <string.h>

enum { MOST_TRIES = 1000000, MOST_SECONDS = 31536000, MOST_TITLE = 200 };

int nb_read_title(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_assigned *t = to;
    (void)a;
    if (nb_field_text(v, &t->title, e))
        return -1;
    return strlen(t->title) <= MOST_TITLE ? 0 : nb_fail(e, NB_E_bad_value, "a title has at most %d bytes", MOST_TITLE);
}

int nb_read_opens(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_time(v, &((struct nb_assigned *)to)->opens, e);
}

int nb_read_closes(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_time(v, &((struct nb_assigned *)to)->closes, e);
}

int nb_read_late_until(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_time(v, &((struct nb_assigned *)to)->late_until, e);
}

static int read_whole(const json_t *v, int64_t low, int64_t high, int64_t *to, struct nb_error *e)
{
    if (nb_field_whole(v, to, e))
        return -1;
    return *to >= low && *to <= high ? 0
                                     : nb_fail(e, NB_E_bad_value, "a whole number from %lld to %lld was expected",
                                               (long long)low, (long long)high);
}

int nb_read_tries(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_whole(v, 1, MOST_TRIES, &((struct nb_assigned *)to)->tries, e);
}

int nb_read_challenge_seconds(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_whole(v, 1, MOST_SECONDS, &((struct nb_assigned *)to)->challenge_seconds, e);
}

int nb_read_forms(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_strings_list names = {0};
    struct nb_assigned *t = to;
    if (nb_field_texts(v, &names, NB_FORMS, a, e))
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        enum nb_form_of f = nb_form_find(names.v[i]);
        if (f == NB_FORMS)
            return nb_fail(e, NB_E_bad_value, "numbers, formulas or answers, not %.60s", names.v[i]), nb_at_index(e, i);
        t->forms |= 1u << f;
    }
    return names.n ? 0 : nb_fail(e, NB_E_bad_value, "numbers, formulas, answers, or several of them");
}

unsigned nb_task_forms(const struct nb_assigned *t)
{
    return t->forms ? t->forms : 1u << NB_NUMBERS | 1u << NB_FORMULAS;
}

int nb_read_commitment(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_bool(v, &((struct nb_assigned *)to)->commitment, e);
}

int nb_read_forward(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_bool(v, &((struct nb_assigned *)to)->forward, e);
}

int nb_read_accept_survivors(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_bool(v, &((struct nb_assigned *)to)->accept_survivors, e);
}
