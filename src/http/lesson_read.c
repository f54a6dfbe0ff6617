/* lesson_read.c - what a job that trains is asked, from JSON. */
#include "http/decode.h"
#include "http/fields.h"
#include "http/lesson.h"
#include "http/recipe.h"
#include <math.h>
#include <string.h>

enum { LESSON = 1, TURN = 2, DATA = 4, CHECK = 8, KEEP = 16, STOP = 32 };

static int read_positive(const json_t *v, int64_t *to, struct nb_error *e)
{
    if (nb_field_whole(v, to, e))
        return -1;
    return *to >= 1 && *to <= INT32_MAX
               ? 0
               : nb_fail(e, NB_E_bad_value, "1 to %d was expected, not %lld", INT32_MAX, (long long)*to);
}

#define READER(name) static int read_##name(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
#define READ_POSITIVE(name, member)                                                                                    \
    READER(name)                                                                                                       \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        return read_positive(v, &((struct nb_lesson *)to)->member, e);                                                 \
    }
#define READ_TEXT(name, type, member)                                                                                  \
    READER(name)                                                                                                       \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        return nb_field_text(v, &((type *)to)->member, e);                                                             \
    }
#define READ_BOOL(name, member)                                                                                        \
    READER(name)                                                                                                       \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        return nb_field_bool(v, &((struct nb_lesson *)to)->member, e);                                                 \
    }
READ_POSITIVE(epochs, epochs)
READ_POSITIVE(steps, steps)
READ_POSITIVE(batch, batch)
READ_POSITIVE(every, check.every)
READ_POSITIVE(patience, check.patience)
READ_POSITIVE(latest_every, latest_every)
READ_BOOL(shuffle, shuffle)
READ_BOOL(resume, resume)
READ_TEXT(train, struct nb_lesson, train)
READ_TEXT(held_out, struct nb_lesson, held_out)
READ_TEXT(check_loss, struct nb_lesson, check.loss)
READ_TEXT(output, struct nb_lesson, check.output)
READ_TEXT(target, struct nb_lesson, check.target)
READ_TEXT(best, struct nb_lesson, best)
READ_TEXT(latest, struct nb_lesson, latest)
READ_TEXT(loss, struct nb_turn, loss)

/* ---- one of the losses ------------------------------------------------------------------------------------------- */

READER(wrt)
{
    struct nb_turn *t = to;
    t->wrt_given = true;
    return nb_field_texts(v, &t->wrt, 4096, a, e);
}

#define RULE(what)                                                                                                     \
    READER(what)                                                                                                       \
    {                                                                                                                  \
        return nb_read_##what(v, &((struct nb_turn *)to)->rule, a, e);                                                 \
    }
RULE(optimizer)
RULE(schedule)
RULE(clip)

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static const struct nb_field rows[40];

READER(data)
{
    struct nb_lesson *l = to;
    if (json_is_string(v))
        return l->train = json_string_value(v), 0;
    if (!json_is_object(v))
        return nb_fail(e, NB_E_wrong_type,
                       "the name of a data set was expected, or {\"train\": NAME, \"validation\": NAME}, not %s",
                       nb_kind(v));
    l->data_object = true;
    return nb_fields_read(rows, DATA, v, to, a, e);
}

READER(inputs)
{
    const char *key;
    json_t *column;
    (void)a;
    if (!json_is_object(v))
        return nb_fail(e, NB_E_wrong_type, "an object, input -> column, was expected, not %s", nb_kind(v));
    json_object_foreach (v, key, column)
        if (!json_is_string(column))
            return nb_fail(e, NB_E_wrong_type, "the name of a column was expected, not %s", nb_kind(column)),
                   nb_at(e, key);
    ((struct nb_lesson *)to)->inputs = v;
    return 0;
}

READER(seed)
{
    (void)a;
    return nb_field_seed(v, &((struct nb_lesson *)to)->seed, e);
}

READER(losses)
{
    struct nb_lesson *l = to;
    size_t i, n = json_array_size(v);
    json_t *item;
    if (n < 1 || n > NB_MOST_LOSSES)
        return nb_fail(e, NB_E_wrong_type, "a list of 1 to %d losses was expected, not %s of %zu", NB_MOST_LOSSES,
                       nb_kind(v), n);
    l->listed = true;
    json_array_foreach (v, i, item) {
        l->turn[i] = (struct nb_turn){0};
        if (nb_fields_read(rows, TURN, item, &l->turn[i], a, e))
            return nb_at_index(e, i);
        l->turns++;
        for (size_t k = 0; k < i; k++)
            if (!l->turn[k].loss || !l->turn[i].loss || !strcmp(l->turn[k].loss, l->turn[i].loss))
                return nb_fail(e, NB_E_bad_value, "losses that take turns have names of their own"), nb_at_index(e, i);
    }
    return 0;
}

READER(scalars)
{
    struct nb_lesson *l = to;
    const char *key;
    json_t *formula;
    double unused;
    if (!json_is_object(v) || json_object_size(v) > NB_MOST_SCALARS)
        return nb_fail(e, NB_E_wrong_type, "an object, input -> formula of i, was expected");
    json_object_foreach (v, key, formula) {
        struct nb_scalar *s = &l->scalar[l->scalars++];
        *s = (struct nb_scalar){key, NULL};
        if (nb_field_text(formula, &s->formula, e) || nb_formula_of_step(s->formula, 0, a, &unused, e))
            return nb_at(e, key);
    }
    return 0;
}

READER(share)
{
    struct nb_lesson *l = to;
    (void)a;
    if (!json_is_number(v))
        return nb_fail(e, NB_E_wrong_type, "a number between 0 and 1 was expected, not %s", nb_kind(v));
    l->check.share = json_number_value(v);
    return l->check.share > 0 && l->check.share < 1
               ? 0
               : nb_fail(e, NB_E_bad_value, "a number between 0 and 1 was expected, not %.9g", l->check.share);
}

READER(accuracy)
{
    return nb_fields_read(rows, STOP, v, to, a, e);
}

READER(validation)
{
    ((struct nb_lesson *)to)->check.wanted = true;
    return nb_fields_read(rows, CHECK, v, to, a, e);
}

READER(early_stopping)
{
    static const struct nb_field sole[] = {{"patience", 1, 1, read_patience}, {NULL, 0, 0, NULL}};
    return nb_fields_read(sole, 1, v, to, a, e);
}

READER(checkpoints)
{
    return nb_fields_read(rows, KEEP, v, to, a, e);
}

READER(if_busy)
{
    const char *text;
    (void)a;
    if (nb_field_text(v, &text, e))
        return -1;
    ((struct nb_lesson *)to)->wait = !strcmp(text, "wait");
    return !strcmp(text, "wait") || !strcmp(text, "refuse")
               ? 0
               : nb_fail(e, NB_E_bad_value, "wait or refuse, not %.60s", text);
}

/* The first loss, said without a list. */
#define SOLE(what)                                                                                                     \
    READER(sole_##what)                                                                                                \
    {                                                                                                                  \
        return read_##what(v, &((struct nb_lesson *)to)->turn[0], a, e);                                               \
    }
SOLE(loss)
SOLE(wrt)
SOLE(optimizer)
SOLE(schedule)
SOLE(clip)

static const struct nb_field rows[40] = {
    {"data", LESSON, LESSON, read_data},
    {"inputs", LESSON, 0, read_inputs},
    {"epochs", LESSON, 0, read_epochs},
    {"steps", LESSON, 0, read_steps},
    {"batch", LESSON, 0, read_batch},
    {"shuffle", LESSON, 0, read_shuffle},
    {"seed", LESSON, 0, read_seed},
    {"continue", LESSON, 0, read_resume},
    {"if_busy", LESSON, 0, read_if_busy},
    {"losses", LESSON, 0, read_losses},
    {"scalars", LESSON, 0, read_scalars},
    {"validation", LESSON, 0, read_validation},
    {"early_stopping", LESSON, 0, read_early_stopping},
    {"checkpoints", LESSON, 0, read_checkpoints},
    {"loss", LESSON, 0, read_sole_loss},
    {"wrt", LESSON, 0, read_sole_wrt},
    {"optimizer", LESSON, 0, read_sole_optimizer},
    {"schedule", LESSON, 0, read_sole_schedule},
    {"clip", LESSON, 0, read_sole_clip},
    {"loss", TURN, 0, read_loss},
    {"wrt", TURN, 0, read_wrt},
    {"optimizer", TURN, TURN, read_optimizer},
    {"schedule", TURN, 0, read_schedule},
    {"clip", TURN, 0, read_clip},
    {"train", DATA, DATA, read_train},
    {"validation", DATA, 0, read_held_out},
    {"share", CHECK, 0, read_share},
    {"every", CHECK, 0, read_every},
    {"loss", CHECK, 0, read_check_loss},
    {"accuracy", CHECK, 0, read_accuracy},
    {"output", STOP, STOP, read_output},
    {"target", STOP, STOP, read_target},
    {"best", KEEP, 0, read_best},
    {"latest", KEEP, 0, read_latest},
    {"every", KEEP, 0, read_latest_every},
    {NULL, 0, 0, NULL},
};

/* What does not go together. */
static int settle(struct nb_lesson *l, const json_t *body, struct nb_error *e)
{
    static const char *const sole[] = {"loss", "wrt", "optimizer", "schedule", "clip"};
    for (int i = 0; l->turns && i < 5; i++)
        if (json_object_get(body, sole[i]))
            return nb_fail(e, NB_E_bad_form, "with losses, %s stands there", sole[i]), nb_at(e, sole[i]);
    if (!l->turns && !json_object_get(body, "optimizer"))
        return nb_fail(e, NB_E_missing_key, "optimizer is missing, or a list of losses");
    l->turns += !l->turns;
    if (!l->epochs == !l->steps)
        return nb_fail(e, NB_E_missing_key, "one of epochs and steps is needed: how long?");
    if (l->check.share > 0 && l->held_out)
        return nb_fail(e, NB_E_bad_form, "there is a data set for validation: no share is needed"), nb_at(e, "share"),
               nb_at(e, "validation");
    l->check.wanted |= l->held_out != NULL;
    if (l->check.wanted && !l->held_out && !(l->check.share > 0))
        return nb_fail(e, NB_E_missing_key, "share is missing, or data with validation in it"), nb_at(e, "validation");
    if (!l->check.wanted && (l->check.patience || l->best))
        return nb_fail(e, NB_E_missing_key, "what is best only a validation can tell"),
               nb_at(e, l->best ? "checkpoints" : "early_stopping");
    if (l->best && l->latest && !strcmp(l->best, l->latest))
        return nb_fail(e, NB_E_bad_value, "best and latest are two graphs, both are called %.64s", l->best),
               nb_at(e, "checkpoints");
    if (!l->latest != !l->latest_every)
        return nb_fail(e, NB_E_missing_key, "latest and every go together"), nb_at(e, "checkpoints");
    return 0;
}

struct nb_lesson *nb_lesson_read(struct nb_request *rq, struct nb_error *e)
{
    json_t *body = nb_body_json(rq, e);
    struct nb_lesson *l = body ? nb_zalloc(rq->arena, 1, sizeof *l, e) : NULL;
    if (!l)
        return NULL;
    l->shuffle = true;
    l->seed = nb_request_seed(rq);
    l->graph = rq->path[0];
    l->best_at = -1;
    if (nb_fields_read(rows, LESSON, body, l, rq->arena, e) || settle(l, body, e))
        return NULL;
    return l;
}
