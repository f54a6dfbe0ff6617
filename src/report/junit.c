/* junit.c - JUnit XML: a testcase for each tensor and row. The format has no points, so they are properties. */
#include "report/page.h"
#include <string.h>

enum outcome { PASSED, FAILED, ERROR, SKIPPED, OUTCOMES };

/* Wrong is a failure, also without a loss of points; what cannot be told is skipped; what is neither is our fault. */
static enum outcome outcome_of(const struct nb_told *part, const struct nb_row_points *row)
{
    if (nb_right(part))
        return PASSED;
    if (nb_untold(part))
        return SKIPPED;
    if (strcmp(part->verdict, "wrong"))
        return ERROR;
    return row && row->points >= row->max ? PASSED : FAILED;
}

static void put_attribute(struct nb_page *p, const char *key, const char *value)
{
    nb_put(p->t, key, p->e);
    nb_put(p->t, "=\"", p->e);
    nb_put_markup(p->t, value, p->e);
    nb_put(p->t, "\"", p->e);
}

static void put_property(struct nb_page *p, const char *name, const char *value)
{
    put_attribute(p, "<property name", name);
    put_attribute(p, " value", value);
    nb_put(p->t, "/>", p->e);
}

static void put_points(struct nb_page *p, double points, double max, const char *name, const char *max_name)
{
    nb_put(p->t, "<properties>", p->e);
    put_property(p, name, nb_points_text(points, p->arena, p->e));
    put_property(p, max_name, nb_points_text(max, p->arena, p->e));
    nb_put(p->t, "</properties>\n", p->e);
}

static void put_outcome(struct nb_page *p, const struct nb_told *part, enum outcome o)
{
    static const char *const tags[] = {[FAILED] = "failure", [ERROR] = "error", [SKIPPED] = "skipped"};
    if (o == PASSED)
        return;
    nb_put(p->t, "<", p->e);
    nb_put(p->t, tags[o], p->e);
    if (o != SKIPPED)
        put_attribute(p, " type", part->code ? part->code : part->verdict);
    put_attribute(p, " message", nb_remark(part, p->arena, p->e));
    nb_put(p->t, ">", p->e);
    nb_put_markup(p->t, nb_explanation(part, p->arena, p->e), p->e);
    nb_put(p->t, "</", p->e);
    nb_put(p->t, tags[o], p->e);
    nb_put(p->t, ">\n", p->e);
}

static const char *suite(const struct nb_page *p)
{
    return p->report->assignment ? p->report->assignment : "nablad";
}

static void put_case(struct nb_page *p, const struct nb_told *part, const struct nb_row_points *row)
{
    const char *class = nb_sprintf(p->arena, p->e, "%s.%s", suite(p), part->name);
    put_attribute(p, "<testcase classname", class ? class : "");
    put_attribute(p, " name", row ? row->row : "gradient");
    nb_put(p->t, ">\n", p->e);
    put_points(p, row ? row->points : part->points, row ? row->max : part->max, "points", "max_points");
    put_outcome(p, part, outcome_of(part, row));
    nb_put(p->t, "</testcase>\n", p->e);
}

static void put_refusal(struct nb_page *p)
{
    put_attribute(p, "<testcase classname", suite(p));
    nb_put(p->t, " name=\"submission\"><", p->e);
    nb_put(p->t, p->result->fault ? "error type=\"fault\"" : "failure type=\"refused\"", p->e);
    put_attribute(p, " message", p->result->refusal);
    nb_put(p->t, "/></testcase>\n", p->e);
}

static void count(const struct nb_reading *r, int n[OUTCOMES])
{
    n[r->fault ? ERROR : FAILED] += r->refusal != NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct nb_told *part = &r->parts[i];
        if (!part->nrows)
            n[outcome_of(part, NULL)]++;
        for (size_t k = 0; k < part->nrows; k++)
            n[outcome_of(part, &part->rows[k])]++;
    }
}

static void put_suite(struct nb_page *p)
{
    int n[OUTCOMES] = {0};
    char counts[120];
    count(p->result, n);
    snprintf(counts, sizeof counts, " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\">\n",
             n[PASSED] + n[FAILED] + n[ERROR] + n[SKIPPED], n[FAILED], n[ERROR], n[SKIPPED]);
    put_attribute(p, "<testsuite name", suite(p));
    nb_put(p->t, counts, p->e);
    put_points(p, p->result->score, p->result->max, "score", "max_score");
}

int nb_write_junit(struct nb_page *p)
{
    nb_put(p->t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>", p->e);
    put_suite(p);
    if (p->result->refusal)
        put_refusal(p);
    for (size_t i = 0; i < p->result->n; i++) {
        const struct nb_told *part = &p->result->parts[i];
        if (!part->nrows)
            put_case(p, part, NULL);
        for (size_t k = 0; k < part->nrows; k++)
            put_case(p, part, &part->rows[k]);
    }
    nb_put(p->t, "</testsuite></testsuites>\n", p->e);
    return nb_page_status(p);
}
