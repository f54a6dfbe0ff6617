/* outcome.h - for tests: all that a check came to as a text, bit by bit, to be compared. */
#ifndef TEST_OUTCOME_H
#define TEST_OUTCOME_H
#include "check/check.h"
#include <stdio.h>

static inline void put_checked(FILE *f, const struct nb_checked *c)
{
    fprintf(f, "%s %d %d: %lld %lld %lld %lld %d, worst %lld %a %a %a %a\n", c->name, c->verdict, c->reason,
            (long long)c->right, (long long)c->wrong, (long long)c->cannot_tell, (long long)c->silent, c->judged,
            (long long)c->worst, c->largest_error, c->complex_step, c->differences, c->differences_bar);
    fprintf(f, "power %a %a, %a\n", c->power_worst, c->power_median, c->zero_within);
    for (int64_t i = 0; c->judged && i < nb_count(&c->shape); i++)
        fprintf(f, "%a %a %a %d %d\n", c->candidate[i], c->value[i], nb_bar_of(c, i), c->verdicts[i], c->reasons[i]);
}

static inline void put_facts(FILE *f, const struct nb_facts *x)
{
    fprintf(f, "%s %d %lld %lld %a %a %d %lld %lld %lld %lld %d %d %lld %lld %a\n", x->method, x->coverage,
            (long long)x->complex_evaluations, (long long)x->double_evaluations, x->h_low, x->h_high, x->halvings,
            (long long)x->asked, (long long)x->judged, (long long)x->leak_evaluations, (long long)x->leaks,
            x->directions, x->spots, (long long)x->agree, (long long)x->compared, x->worst_gap);
    for (size_t i = 0; i < x->nswept; i++)
        fprintf(f, "%s %s %s %lld %lld %d\n", x->swept[i].node, x->swept[i].port, x->swept[i].structure,
                (long long)x->swept[i].colours, (long long)x->swept[i].entries, x->swept[i].refuted);
    for (size_t i = 0; i < x->nkinks; i++)
        fprintf(f, "%s %s %lld %a %a %a %a\n", x->kinks[i].node, x->kinks[i].port, (long long)x->kinks[i].index,
                x->kinks[i].value, x->kinks[i].convention, x->kinks[i].low, x->kinks[i].high);
}

static inline char *told(const struct nb_verdicts *v)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "%d %d\n", v->verdict, v->self_ok);
    for (size_t i = 0; i < v->n; i++)
        put_checked(f, &v->v[i]);
    for (size_t i = 0; i < v->ndoubts; i++)
        fprintf(f, "%s %s %s\n", v->doubts[i].code, v->doubts[i].where, v->doubts[i].hides);
    put_facts(f, &v->facts);
    fclose(f);
    return text;
}

#endif
