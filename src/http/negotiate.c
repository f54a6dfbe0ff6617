/* negotiate.c - Accept and Content-Type (RFC 9110, 12.5.1 and 8.3), Prefer (RFC 7240), and results in several forms. */
#include "http/reply.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One element of Accept: a range and how much it is wanted. */
struct range {
    const char *type;
    size_t n;
    double q;
};

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* The q of the parameters in ";q=0.5;x=y", up to end. A q that is no number counts as 1. */
static double quality(const char *p, const char *end)
{
    while ((p = memchr(p, ';', (size_t)(end - p)))) {
        p = skip_blanks(p + 1);
        if (p + 2 < end && (p[0] | 32) == 'q' && p[1] == '=') {
            char *stop;
            double q = strtod(p + 2, &stop);
            return stop == p + 2 || !(q >= 0 && q <= 1) ? 1 : q;
        }
    }
    return 1;
}

/* The next element of the list at *p, which moves behind it. */
static bool next_range(const char **p, struct range *r)
{
    const char *s = *p + strspn(*p, " \t,");
    const char *end = s + strcspn(s, ",");
    if (!*s)
        return false;
    r->type = s;
    r->n = strcspn(s, "; \t,");
    r->q = quality(s, end);
    *p = end;
    return true;
}

/* How exactly a range names a type, whatever its parameters: 3 the type itself, 2 its family, 1 anything, 0 another
 * one. */
static int fits(const struct range *r, const char *type)
{
    if (r->n == 3 && !strncmp(r->type, "*/*", 3))
        return 1;
    if (r->n == strcspn(type, ";") && !strncasecmp(r->type, type, r->n))
        return 3;
    size_t family = (size_t)(strchr(type, '/') - type) + 1;
    return r->n == family + 1 && r->type[family] == '*' && !strncasecmp(r->type, type, family) ? 2 : 0;
}

/* The q of the most exact range that fits; 0: not wanted. */
static double wanted(const char *accept, const char *type)
{
    struct range r;
    int best = 0;
    double q = 0;
    while (next_range(&accept, &r)) {
        int f = fits(&r, type);
        if (f > best) {
            best = f;
            q = r.q;
        }
    }
    return q;
}

const char *nb_types_text(const char *const *types, char *buf, size_t size)
{
    size_t n = 0;
    *buf = 0;
    for (; *types && n + strlen(*types) + 3 < size; types++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", *types);
    return buf;
}

int nb_accept(const struct nb_request *rq, const char *const *types, struct nb_error *e)
{
    char list[300];
    int best = -1;
    double q = 0;
    if (!rq->accept || !*rq->accept || !strcmp(rq->accept, "*/*"))
        return 0;
    for (int i = 0; types[i]; i++)
        if (wanted(rq->accept, types[i]) > q) {
            q = wanted(rq->accept, types[i]);
            best = i;
        }
    if (best < 0)
        nb_fail(e, NB_E_not_acceptable, "this comes as %s; Accept is %.100s", nb_types_text(types, list, sizeof list),
                rq->accept);
    return best;
}

int nb_content(const struct nb_request *rq, const char *const *types, struct nb_error *e)
{
    char list[300];
    const char *came = rq->content_type ? rq->content_type : "";
    size_t n = strcspn(came, "; \t");
    for (int i = 0; types[i]; i++)
        if (n == strlen(types[i]) && !strncasecmp(came, types[i], n))
            return i;
    nb_types_text(types, list, sizeof list);
    if (!*came)
        return nb_fail(e, NB_E_unsupported_media, "Content-Type is missing; the body may be %s", list);
    return nb_fail(e, NB_E_unsupported_media, "the body may be %s, not %.100s", list, came);
}

/* ---- Prefer ------------------------------------------------------------------------------------------------------ */

/* Behind the element of a list that begins here: a comma in quotes is part of it. */
static const char *element_end(const char *p)
{
    for (bool quoted = false; *p && (quoted || *p != ','); p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else
            quoted ^= *p == '"';
    }
    return p;
}

bool nb_prefers(const char *prefer, const char *preference)
{
    size_t n = strlen(preference);
    for (const char *p = prefer; *p; p = element_end(p)) {
        p += strspn(p, " \t,");
        const char *rest = skip_blanks(p + strcspn(p, " \t,;="));
        if (!strncasecmp(p, preference, n) && strcspn(p, " \t,;=") == n && *rest != '=')
            return true;
    }
    return false;
}

/* ---- forms ------------------------------------------------------------------------------------------------------- */

int nb_forms_accept(const struct nb_request *rq, const struct nb_form *forms, struct nb_error *e)
{
    const char *types[NB_MAX_FORMS + 1] = {NULL};
    for (int i = 0; forms[i].type; i++)
        types[i] = forms[i].type;
    return nb_accept(rq, types, e);
}

static int write_forms(struct nb_request *rq, const struct nb_form *forms, int i, const void *result,
                       struct nb_reply *rp, struct nb_error *e)
{
    rp->vary = forms[1].type != NULL;
    if (forms[i].write(rq, result, rp, e))
        return -1;
    for (int k = 0; rq->every_form && forms[k].type; k++) {
        if (k == i)
            continue;
        if (!(rp->another = nb_small(rq->arena, 1, sizeof *rp->another, e)))
            return -1;
        rp = rp->another;
        *rp = (struct nb_reply){.status = 200};
        if (forms[k].write(rq, result, rp, e))
            return -1;
    }
    return 0;
}

/* All of them or none. */
int nb_forms_write(struct nb_request *rq, const struct nb_form *forms, int i, const void *result, struct nb_reply *rp,
                   struct nb_error *e)
{
    if (!write_forms(rq, forms, i, result, rp, e))
        return 0;
    rp->body = NULL;
    return -1;
}
