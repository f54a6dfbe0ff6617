/* verdicts.c - verdicts, entries and warnings in JSON, and the sentence that sums them up. */
#include "http/verdicts.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MOST_ENTRIES = 100, LONG_ENOUGH = 400 };

struct nb_shape nb_index_of(const struct nb_shape *shape, int64_t i)
{
    struct nb_shape index = {.rank = shape->rank};
    for (int d = shape->rank - 1; d >= 0; d--) {
        index.dim[d] = i % shape->dim[d];
        i /= shape->dim[d];
    }
    return index;
}

static double larger(double a, double b)
{
    return fabs(a) > fabs(b) ? fabs(a) : fabs(b);
}

double nb_relative_error(const struct nb_checked *c, int64_t i)
{
    double a = c->candidate[i], n = c->value[i], m = larger(a, n), d = fabs(a - n);
    return !isfinite(d) ? INFINITY : m > 0 ? d / m : 0;
}

/* ---- which entries ----------------------------------------------------------------------------------------------- */

/* Is entry i worth a look before entry k? */
static bool before(const struct nb_checked *c, int64_t i, int64_t k)
{
    if (c->verdicts[i] != c->verdicts[k])
        return c->verdicts[i] > c->verdicts[k];
    return nb_relative_error(c, i) > nb_relative_error(c, k); /* of equals the first */
}

int64_t nb_worst_entries(const struct nb_checked *c, int64_t most, int64_t **at, struct nb_arena *a, struct nb_error *e)
{
    int64_t n = 0, of = c->judged && c->wrong + c->cannot_tell ? nb_count(&c->shape) : 0;
    if (!(*at = nb_small(a, (size_t)most, sizeof **at, e)))
        return -1;
    for (int64_t i = 0; i < of; i++) {
        if (c->verdicts[i] == NB_RIGHT || (n == most && !before(c, i, (*at)[n - 1])))
            continue;
        int64_t k = n < most ? n++ : n - 1;
        for (; k > 0 && before(c, i, (*at)[k - 1]); k--)
            (*at)[k] = (*at)[k - 1];
        (*at)[k] = i;
    }
    return n;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static void put_known(struct nb_writer *w, const char *key, double v)
{
    if (!isnan(v))
        nb_w_number_at(w, key, v);
}

static void put_oracles(struct nb_writer *w, const struct nb_checked *c)
{
    if (isnan(c->complex_step) && isnan(c->differences))
        return;
    nb_w_key(w, "oracles");
    nb_w_open(w, '{');
    put_known(w, "complex", c->complex_step);
    put_known(w, "differences", c->differences);
    if (!isnan(c->differences))
        put_known(w, "differences_bar", c->differences_bar);
    nb_w_close(w, '}');
}

/* What was expected, and all from which it could be had. */
static void put_reference(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_checked *c, int64_t i)
{
    double got = c->candidate[i], expected = c->value[i], m = larger(got, expected);
    nb_w_number_at(w, "expected", expected);
    nb_w_number_at(w, "error_bar", nb_bar_of(c, i));
    bool kink = c->reasons[i] == NB_WHY_kink || c->reasons[i] == NB_WHY_kink_unresolved; /* a set is right there */
    if (v->facts.rho > 0 && isfinite(m) && !kink)
        nb_w_number_at(w, "allowed", v->facts.rho * m + nb_bar_of(c, i));
    if (expected != 0 && isfinite(got / expected) && !kink)
        nb_w_number_at(w, "ratio", got / expected);
    if (i == c->worst)
        put_oracles(w, c);
}

static void put_entry(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_checked *c, int64_t i,
                      const struct nb_telling *how)
{
    struct nb_shape index = nb_index_of(&c->shape, i);
    nb_w_open(w, '{');
    nb_w_shape_at(w, "index", &index);
    if (c->points)
        nb_w_whole_at(w, "point", c->points[i]);
    nb_w_string_at(w, "verdict", nb_verdict_name(c->verdicts[i]));
    if (c->reasons[i])
        nb_w_string_at(w, "reason", nb_reason_name(c->reasons[i]));
    if (!how->bare || how->came) /* else it is our own backward's */
        nb_w_number_at(w, "got", c->candidate[i]);
    if (!how->bare)
        put_reference(w, v, c, i);
    nb_w_close(w, '}');
}

static void put_worst(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_checked *c,
                      const struct nb_telling *how)
{
    int64_t *at, n = nb_worst_entries(c, MOST_ENTRIES, &at, w->text.arena, w->e);
    for (int64_t i = 0; i < n; i++)
        put_entry(w, v, c, at[i], how);
    if (n == 0 && c->worst >= 0)
        put_entry(w, v, c, c->worst, how);
}

static void put_entries(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_checked *c,
                        const struct nb_telling *how)
{
    if (how->detail == NB_DETAIL_SUMMARY || !c->judged)
        return;
    nb_w_key(w, "entries");
    nb_w_open(w, '[');
    if (how->detail == NB_DETAIL_WRONG)
        put_worst(w, v, c, how);
    for (int64_t i = 0; how->detail == NB_DETAIL_ALL && i < nb_count(&c->shape); i++)
        if (nb_bar_of(c, i) >= 0) /* looked at */
            put_entry(w, v, c, i, how);
    nb_w_close(w, ']');
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static void put_power(struct nb_writer *w, const struct nb_checked *c)
{
    if (!(c->power_worst > 0))
        return;
    nb_w_key(w, "power");
    nb_w_open(w, '{');
    nb_w_number_at(w, "worst", c->power_worst);
    if (c->power_median > 0) /* entries of a Jacobian are not ordered by their power */
        nb_w_number_at(w, "median", c->power_median);
    nb_w_close(w, '}');
}

static void put_checked(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_checked *c,
                        const struct nb_telling *how)
{
    const struct nb_tensor *came = how->came ? nb_tensors_find(how->came, c->name) : NULL;
    nb_w_open(w, '{');
    nb_w_string_at(w, "verdict", nb_verdict_name(c->verdict));
    if (c->reason)
        nb_w_string_at(w, "reason", nb_reason_name(c->reason));
    nb_w_shape_at(w, "shape", &c->shape);
    if (came && c->reason == NB_WHY_shape)
        nb_w_shape_at(w, "got_shape", &came->shape);
    nb_w_whole_at(w, "right", c->right);
    nb_w_whole_at(w, "wrong", c->wrong);
    nb_w_whole_at(w, "cannot_tell", c->cannot_tell);
    nb_w_whole_at(w, "silent", c->silent);
    put_power(w, c);
    if (c->zero_within > 0 && !how->bare)
        nb_w_number_at(w, "zero_within", c->zero_within);
    if (c->scale)
        nb_w_whole_at(w, "scale", c->scale);
    put_entries(w, v, c, how);
    if (c->place)
        nb_w_string_at(w, "place", c->place);
    nb_w_close(w, '}');
}

static void put_tensors(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_telling *how)
{
    nb_w_key(w, "tensors");
    nb_w_open(w, '{');
    for (size_t i = 0; i < v->n; i++) {
        nb_w_key(w, v->v[i].name);
        put_checked(w, v, &v->v[i], how);
    }
    nb_w_close(w, '}');
}

/* ---- what is said besides ---------------------------------------------------------------------------------------- */

static void put_warning(struct nb_writer *w, const char *code, const char *where, const char *hides)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "code", code);
    if (where)
        nb_w_string_at(w, "where", where);
    if (hides)
        nb_w_string_at(w, "hides", hides);
    nb_w_close(w, '}');
}

/* A module's warning is "node: sentence". */
static void put_module_warning(struct nb_writer *w, const char *text)
{
    const char *colon = strstr(text, ": ");
    char *node = colon ? nb_strndup(w->text.arena, text, (size_t)(colon - text), w->e) : NULL;
    put_warning(w, "module", node, colon ? colon + 2 : text);
}

void nb_w_warnings(struct nb_writer *w, const struct nb_verdicts *v)
{
    nb_w_key(w, "warnings");
    nb_w_open(w, '[');
    for (size_t i = 0; i < v->ndoubts; i++)
        put_warning(w, v->doubts[i].code, v->doubts[i].where, v->doubts[i].hides);
    for (size_t i = 0; i < v->warnings.n; i++)
        put_module_warning(w, v->warnings.v[i]);
    nb_w_close(w, ']');
}

static void put_self(struct nb_writer *w, const struct nb_verdicts *v)
{
    nb_w_key(w, "self");
    nb_w_open(w, '{');
    nb_w_bool_at(w, "ok", v->self_ok);
    if (!v->self_ok && v->facts.fault)
        nb_w_string_at(w, "fault", v->facts.fault);
    if (v->facts.compared) {
        nb_w_whole_at(w, "oracles_agree", v->facts.agree);
        nb_w_whole_at(w, "of", v->facts.compared);
        nb_w_number_at(w, "worst_gap", v->facts.worst_gap);
    }
    nb_w_close(w, '}');
}

/* 0: not known. */
static double worst_power(const struct nb_verdicts *v)
{
    double worst = 0;
    for (size_t i = 0; i < v->n; i++)
        worst = fmax(worst, v->v[i].power_worst);
    return worst;
}

static void put_survivors(struct nb_writer *w, const struct nb_verdicts *v)
{
    int64_t caught = 0;
    for (size_t i = 0; i < v->nmutants; i++)
        caught += v->mutants[i].caught;
    nb_w_whole_at(w, "planted", (int64_t)v->nmutants);
    nb_w_whole_at(w, "caught", caught);
    nb_w_key(w, "survivors");
    nb_w_open(w, '[');
    for (size_t i = 0; i < v->nmutants; i++) {
        if (v->mutants[i].caught)
            continue;
        nb_w_open(w, '{');
        nb_w_string_at(w, "tensor", v->mutants[i].tensor);
        nb_w_string_at(w, "mistake", v->mutants[i].mistake);
        nb_w_close(w, '}');
    }
    nb_w_close(w, ']');
}

/* Of the whole: the worst of its tensors, and the mistakes that were planted. */
static void put_whole_power(struct nb_writer *w, const struct nb_verdicts *v)
{
    double worst = worst_power(v);
    if (!(worst > 0) && !v->nmutants)
        return;
    nb_w_key(w, "power");
    nb_w_open(w, '{');
    if (worst > 0)
        nb_w_number_at(w, "worst", worst);
    if (v->nmutants)
        put_survivors(w, v);
    nb_w_close(w, '}');
}

/* ---- the sentence ------------------------------------------------------------------------------------------------ */

struct sentence {
    struct nb_text t;
    struct nb_error *e;
};

static void say(struct sentence *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct sentence *s, const char *fmt, ...)
{
    char buf[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    nb_put(&s->t, buf, s->e);
}

static const char *ending(int64_t n, const char *one, const char *more)
{
    return n == 1 ? one : more;
}

/* Two digits, without the padding of exponents: 1e-9. */
static void say_short(struct sentence *s, double v)
{
    char buf[32], *exponent;
    snprintf(buf, sizeof buf, "%.2g", v);
    exponent = strchr(buf, 'e');
    if (exponent && exponent[2] == '0')
        memmove(exponent + 2, exponent + 3, strlen(exponent + 3) + 1);
    say(s, "%s", buf);
}

/* As they are written in JSON, without the quotes. */
static void say_number(struct sentence *s, double v)
{
    if (isfinite(v))
        say(s, "%.9g", v);
    else
        say(s, "%s", isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

/* ", worst at [0, 2]: got 1, expected 2"; a single number has no place. */
static void say_worst(struct sentence *s, const struct nb_checked *c, const struct nb_telling *how)
{
    struct nb_shape index = nb_index_of(&c->shape, c->worst);
    char text[200];
    if (index.rank)
        say(s, ", %sat %s", c->wrong > 1 ? "worst " : "", nb_shape_text(&index, NULL, text, sizeof text));
    if (how->bare && !how->came)
        return;
    say(s, ": got ");
    say_number(s, c->candidate[c->worst]);
    if (how->bare)
        return;
    say(s, ", expected ");
    say_number(s, c->value[c->worst]);
}

/* "fc.weight: 3 of 12 entries wrong, worst at [0, 2]: got 1, expected 2" */
static void say_wrong(struct sentence *s, const struct nb_checked *c, const struct nb_telling *how)
{
    const struct nb_tensor *came = how->came ? nb_tensors_find(how->came, c->name) : NULL;
    int64_t of = nb_count(&c->shape);
    char got[200], wanted[200];
    if (c->reason == NB_WHY_shape && came) {
        say(s, ": wrong shape, got %s, expected %s", nb_shape_text(&came->shape, NULL, got, sizeof got),
            nb_shape_text(&c->shape, NULL, wanted, sizeof wanted));
        return;
    }
    say(s, ": %" PRId64 " of %" PRId64 " %s wrong", c->wrong, of, ending(of, "entry", "entries"));
    if (c->judged && c->worst >= 0)
        say_worst(s, c, how);
    if (c->reason)
        say(s, " (%s)", nb_reason_text(c->reason));
    if (c->place)
        say(s, "; the formula at %.200s is at fault", c->place);
}

static void say_untold(struct sentence *s, const struct nb_checked *c)
{
    int64_t of = nb_count(&c->shape);
    if (c->cannot_tell)
        say(s, ": %" PRId64 " of %" PRId64 " %s cannot be told", c->cannot_tell, of, ending(of, "entry", "entries"));
    else
        say(s, ": cannot be told");
    if (c->reason)
        say(s, ", %s", nb_reason_text(c->reason));
}

/* The tensors that decide, as far as a sentence can bear. */
static void say_tensors(struct sentence *s, const struct nb_verdicts *v, const struct nb_telling *how)
{
    size_t said = 0, more = 0;
    for (size_t i = 0; i < v->n; i++) {
        const struct nb_checked *c = &v->v[i];
        if (c->verdict != v->verdict)
            continue;
        if (s->t.n > LONG_ENOUGH) {
            more++;
            continue;
        }
        say(s, "%s%.255s", said++ ? "; " : "", c->name);
        if (v->verdict == NB_WRONG)
            say_wrong(s, c, how);
        else
            say_untold(s, c);
    }
    if (more)
        say(s, "; %zu more tensors", more);
    if (!said)
        say(s, v->n ? "a test of the whole failed" : "there is nothing to check");
}

struct sums {
    int64_t right, silent, kinked;
    double zero; /* the widest bar of what is zero */
};

static struct sums sums_of(const struct nb_verdicts *v)
{
    struct sums n = {0};
    for (size_t t = 0; t < v->n; t++) {
        const struct nb_checked *c = &v->v[t];
        n.right += c->right;
        n.silent += c->silent;
        n.zero = fmax(n.zero, c->zero_within);
        int64_t entries = c->judged ? nb_count(&c->shape) : 0;
        for (int64_t i = 0; i < entries; i++)
            n.kinked += c->reasons[i] == NB_WHY_kink;
    }
    return n;
}

static void say_power(struct sentence *s, const struct nb_verdicts *v, double zero)
{
    double power = worst_power(v);
    if (power > 0) {
        say(s, "; a relative error of ");
        say_short(s, power);
        say(s, v->facts.coverage == NB_COVER_SAMPLED ? " in one of them would have been caught"
                                                     : " in any one would have been caught");
    } else if (zero > 0) {
        say(s, "; zero within ");
        say_short(s, zero);
    }
}

static void say_right(struct sentence *s, const struct nb_verdicts *v)
{
    struct sums n = sums_of(v);
    bool all = !n.silent && n.right > 1 && v->facts.coverage != NB_COVER_SAMPLED;
    say(s, "%s%" PRId64 " %s of ", all ? "All " : "", n.right, ending(n.right, "entry", "entries"));
    if (v->n == 1)
        say(s, "%.255s %s right", v->v[0].name, ending(n.right, "is", "are"));
    else
        say(s, "%zu tensors are right", v->n);
    if (n.kinked)
        say(s, ", %" PRId64 " of them at a kink", n.kinked);
    if (n.silent)
        say(s, ", %" PRId64 " more %s zero as nothing reacts to %s", n.silent, ending(n.silent, "is", "are"),
            ending(n.silent, "it", "them"));
    say_power(s, v, n.zero);
}

static void say_rest(struct sentence *s, const struct nb_verdicts *v)
{
    size_t warnings = v->ndoubts + v->warnings.n;
    if (v->facts.coverage == NB_COVER_SAMPLED)
        say(s, "; not every coordinate was looked at");
    if (!v->self_ok)
        say(s, "; the checker contradicts itself, which is its own fault");
    if (warnings && v->verdict == NB_RIGHT)
        say(s, "; %zu %s what this point cannot show", warnings,
            ending((int64_t)warnings, "warning says", "warnings say"));
}

const char *nb_verdicts_summary(const struct nb_verdicts *v, const struct nb_telling *how, struct nb_arena *a,
                                struct nb_error *e)
{
    struct sentence s = {{.arena = a}, e};
    if (v->verdict == NB_RIGHT)
        say_right(&s, v);
    else
        say_tensors(&s, v, how);
    say_rest(&s, v);
    return nb_putn(&s.t, ".", 2, e) ? NULL : s.t.v;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

void nb_w_verdicts(struct nb_writer *w, const struct nb_verdicts *v, const struct nb_telling *how)
{
    nb_w_string_at(w, "verdict", nb_verdict_name(v->verdict));
    nb_w_string_at(w, "summary", nb_verdicts_summary(v, how, w->text.arena, w->e));
    put_tensors(w, v, how);
    put_whole_power(w, v);
    nb_w_warnings(w, v);
    put_self(w, v);
    if (v->has_shadow) {
        nb_w_key(w, "shadow");
        nb_w_open(w, '{');
        nb_w_string_at(w, "dtype", nb_dtype_name(NB_F64));
        nb_w_string_at(w, "verdict", nb_verdict_name(v->shadow));
        nb_w_close(w, '}');
    }
}
