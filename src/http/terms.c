/* terms.c - the members of a request that set the terms of a check, and the same for its certificate. */
#include "http/terms.h"
#include "http/reply.h"
#include <inttypes.h>
#include <string.h>

/* In the order of the enums; "" is what cannot be asked for by name. */
static const char *const methods[] = {"auto", "complex", "differences", "loop", "structure", NULL},
                         *const coverages[] = {"", "every", "signed", "sampled", NULL},
                         *const kinks[] = {"interval", "convention", NULL},
                         *const details[] = {"wrong", "summary", "all", NULL};

static const double RHO_LOW = 1e-12, RHO_HIGH = 1e-2, R_MAX_LOW = 1e-9, R_MAX_HIGH = 0.5, R_MAX = 1e-3;

const char *nb_method_name(enum nb_method m)
{
    return methods[m];
}

const char *nb_detail_name(enum nb_detail d)
{
    return details[d];
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* One of these words. */
static int choose(const json_t *v, const char *const *words, int *to, struct nb_error *e)
{
    char list[100] = "";
    const char *word;
    if (nb_field_text(v, &word, e))
        return -1;
    for (int i = 0; words[i]; i++) {
        if (*words[i] && !strcmp(words[i], word))
            return *to = i, 0;
        size_t n = strlen(list);
        if (*words[i])
            snprintf(list + n, sizeof list - n, "%s%s", !n ? "" : words[i + 1] ? ", " : " or ", words[i]);
    }
    return nb_fail(e, NB_E_bad_value, "%s, not %.60s", list, word);
}

int nb_read_method(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    int i;
    (void)a;
    if (choose(v, methods, &i, e))
        return -1;
    ((struct nb_asked *)to)->check.method = (enum nb_method)i;
    return 0;
}

int nb_read_coverage(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    int i;
    (void)a;
    if (choose(v, coverages, &i, e))
        return -1;
    ((struct nb_asked *)to)->check.coverage = (enum nb_coverage)i;
    return 0;
}

int nb_read_kinks(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    int i;
    (void)a;
    if (choose(v, kinks, &i, e))
        return -1;
    ((struct nb_asked *)to)->check.convention = i == 1;
    return 0;
}

int nb_read_detail(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    int i;
    (void)a;
    if (choose(v, details, &i, e))
        return -1;
    ((struct nb_asked *)to)->detail = (enum nb_detail)i;
    return 0;
}

int nb_read_order(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    int64_t order;
    (void)a;
    if (nb_field_whole(v, &order, e))
        return -1;
    if (order != 1 && order != 2)
        return nb_fail(e, NB_E_bad_value, "1 (gradients) or 2 (Hessian-vector products), not %" PRId64, order);
    ((struct nb_asked *)to)->check.order = (int)order;
    return 0;
}

static int read_between(const json_t *v, double low, double high, double *to, struct nb_error *e)
{
    if (!json_is_number(v))
        return nb_fail(e, NB_E_wrong_type, "a number was expected, not %s", nb_kind(v));
    *to = json_number_value(v);
    return *to >= low && *to <= high
               ? 0
               : nb_fail(e, NB_E_bad_value, "from %g to %g, not %.9g", low, high, json_number_value(v));
}

int nb_read_rho(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_between(v, RHO_LOW, RHO_HIGH, &((struct nb_asked *)to)->check.rho, e);
}

int nb_read_r_max(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_between(v, R_MAX_LOW, R_MAX_HIGH, &((struct nb_asked *)to)->check.r_max, e);
}

static int read_flag(const json_t *v, bool *to, struct nb_error *e)
{
    *to = json_is_true(v);
    return json_is_boolean(v) ? 0 : nb_fail(e, NB_E_wrong_type, "true or false was expected, not %s", nb_kind(v));
}

int nb_read_power(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_flag(v, &((struct nb_asked *)to)->check.power, e);
}

int nb_read_jacobian(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_flag(v, &((struct nb_asked *)to)->check.jacobian, e);
}

/* true: draw what was not given, which happens anyway. An object: sizes as well. */
int nb_read_sample(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_asked *ask = to;
    ask->sample = v;
    if (json_is_true(v) || json_is_object(v))
        return json_is_true(v) ? 0 : nb_read_sizes(v, &ask->check.run, a, e);
    return nb_fail(e, NB_E_wrong_type, "true, or an object of sizes, was expected, not %s", nb_kind(v));
}

int nb_terms_settle(const struct nb_asked *ask, struct nb_error *e)
{
    const struct nb_check *c = &ask->check;
    double most = c->r_max > 0 ? c->r_max : R_MAX;
    if (c->direction_given && c->order != 2)
        return nb_fail(e, NB_E_bad_value, "a direction belongs to order 2"), nb_at(e, "direction");
    if (c->jacobian && c->order == 2)
        return nb_fail(e, NB_E_bad_value, "the Jacobian is of order 1"), nb_at(e, "order");
    if (c->jacobian && c->method != NB_METHOD_AUTO && c->method != NB_METHOD_STRUCTURE)
        return nb_fail(e, NB_E_bad_value, "a Jacobian is checked by structure"), nb_at(e, "method");
    if (c->jacobian && c->coverage > NB_COVER_EVERY)
        return nb_fail(e, NB_E_bad_value, "a Jacobian is checked in every coordinate"), nb_at(e, "coverage");
    if (c->jacobian && c->power)
        return nb_fail(e, NB_E_bad_value, "mistakes are planted in gradients, not in a Jacobian"), nb_at(e, "power");
    if (c->rho > most)
        return nb_fail(e, NB_E_bad_value, "over r_max, which is %g: nothing could be told", most), nb_at(e, "rho");
    return 0;
}

static void move_place(struct nb_error *e, const char *from, const char *to)
{
    char rest[sizeof e->pointer];
    size_t n = strlen(from), m = strlen(to), size;
    if (strncmp(e->pointer, from, n) || (e->pointer[n] && e->pointer[n] != '/'))
        return;
    size = strnlen(e->pointer + n, sizeof e->pointer - m - n - 1);
    memcpy(rest, e->pointer + n, size);
    memcpy(e->pointer, to, m);
    memcpy(e->pointer + m, rest, size);
    e->pointer[m + size] = 0;
}

int nb_terms_place(const struct nb_asked *ask, struct nb_error *e)
{
    static const char *const asked[][2] = {
        {"/loss", "/certificate/asked/loss"}, {"/wrt", "/certificate/asked/wrt"}, {"/dims", "/certificate/asked/dims"}};
    const char *symbol = strncmp(e->pointer, "/dims/", 6) ? "" : e->pointer + 6;
    if (json_is_object(ask->sample) && *symbol && !json_object_get(ask->sample, symbol)) /* or another name for it */
        return json_object_get(ask->sample, "batch") ? move_place(e, e->pointer, "/sample/batch"), -1 : -1;
    if (json_is_object(ask->sample))
        move_place(e, "/dims", "/sample");
    for (size_t i = 0; ask->replay.tree && i < sizeof asked / sizeof *asked; i++)
        move_place(e, asked[i][0], asked[i][1]);
    return -1;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_sizes(struct nb_writer *w, const struct nb_run *run)
{
    if (!run->dims.n)
        return;
    nb_w_key(w, "dims");
    nb_w_open(w, '{');
    for (size_t i = 0; i < run->dims.n; i++)
        nb_w_whole_at(w, run->dims.name[i], run->dims.size[i]);
    nb_w_close(w, '}');
}

static void put_words(struct nb_writer *w, const struct nb_asked *ask)
{
    const struct nb_check *c = &ask->check;
    if (c->method)
        nb_w_string_at(w, "method", methods[c->method]);
    if (c->coverage)
        nb_w_string_at(w, "coverage", coverages[c->coverage]);
    if (c->order == 2)
        nb_w_whole_at(w, "order", c->order);
    if (c->convention)
        nb_w_string_at(w, "kinks", kinks[1]);
    if (c->rho > 0)
        nb_w_number_at(w, "rho", c->rho);
    if (c->r_max > 0)
        nb_w_number_at(w, "r_max", c->r_max);
    if (c->jacobian)
        nb_w_bool_at(w, "jacobian", true);
    if (c->power)
        nb_w_bool_at(w, "power", true);
    if (ask->detail)
        nb_w_string_at(w, "detail", details[ask->detail]);
}

void nb_w_terms(struct nb_writer *w, const struct nb_asked *ask)
{
    const struct nb_run *run = &ask->check.run;
    nb_w_key(w, "asked");
    nb_w_open(w, '{');
    if (run->loss)
        nb_w_string_at(w, "loss", run->loss);
    if (run->wrt_given)
        nb_w_strings_at(w, "wrt", run->wrt.n, run->wrt.v);
    if (run->train)
        nb_w_string_at(w, "mode", "train");
    put_sizes(w, run);
    put_words(w, ask);
    nb_w_close(w, '}');
}
