/* router.c - a linear walk over the rows: there are few. */
#include "http/router.h"
#include "nabla/limits.h"
#include <string.h>

#define NONE NULL
#define BODY &nb_limits.body
#define HANDIN &nb_limits.submission
/* Who may: see routes.def. */
enum {
    ADMIN = NB_MAY_admin,
    TEACH = NB_MAY_teach | ADMIN,
    SUBMIT = NB_MAY_submit | TEACH,
    CHECK = NB_MAY_check | ADMIN,
    BACKWARD = NB_MAY_backward | ADMIN,
    BUILD = NB_MAY_backward | TEACH,
    COMPUTE = NB_MAY_check | BUILD,
    KEY = NB_MAY_ALL,
    OPEN = NB_MAY_ALL | NB_NOBODY
};
static const struct nb_route routes[] = {
#define ROUTE(method, path, operation, scopes, body, where)                                                            \
    {#method, path, #operation, nb_op_##operation, scopes, body, NB_##where},
#include "http/routes.def"
#undef ROUTE
};
enum { ROUTES = sizeof routes / sizeof *routes };

/* The paths taken apart; NULL stands for {...}. */
static struct {
    size_t n;
    const char *segment[NB_MAX_SEGMENTS];
    char text[80];
} patterns[ROUTES];

static nb_handler options;
static const struct nb_route options_route = {"OPTIONS", "*", "options", options, OPEN, NULL, NB_INLINE};

void nb_router_start(void)
{
    for (int i = 0; i < ROUTES; i++) {
        char *rest;
        snprintf(patterns[i].text, sizeof patterns[i].text, "%s", routes[i].path);
        patterns[i].n = 0;
        for (char *s = strtok_r(patterns[i].text, "/", &rest); s; s = strtok_r(NULL, "/", &rest))
            patterns[i].segment[patterns[i].n++] = *s == '{' ? NULL : s;
    }
}

static bool matches(int i, const struct nb_uri *u)
{
    if (patterns[i].n != u->nsegments)
        return false;
    for (size_t k = u->nsegments; k-- > 0;) /* from the end: that is where paths differ */
        if (patterns[i].segment[k] && strcmp(patterns[i].segment[k], u->segment[k]))
            return false;
    return true;
}

static void add_method(char *allow, const char *method)
{
    size_t n = strlen(allow);
    snprintf(allow + n, 64 - n, "%s%s", n ? ", " : "", method);
    if (!strcmp(method, "GET"))
        add_method(allow, "HEAD");
}

static void take(struct nb_request *rq, int i, const struct nb_uri *u)
{
    int values = 0;
    rq->route = &routes[i];
    for (size_t k = 0; k < u->nsegments; k++)
        if (!patterns[i].segment[k] && values < NB_PATH_VALUES)
            rq->path[values++] = u->segment[k];
}

static int not_found(const char *method, struct nb_request *rq, char allow[64], struct nb_error *e)
{
    if (!*allow)
        return nb_fail(e, NB_E_unknown_path, "there is nothing at this path; GET /v1 lists what there is");
    add_method(allow, "OPTIONS");
    if (strcmp(method, "OPTIONS"))
        return nb_fail(e, NB_E_method_not_allowed, "%.20s is not for this path; %s are", method, allow);
    rq->route = &options_route;
    return 0;
}

int nb_router_find(const char *method, const struct nb_uri *u, struct nb_request *rq, char allow[64],
                   struct nb_error *e)
{
    const char *wanted = strcmp(method, "HEAD") ? method : "GET";
    *allow = 0;
    for (int i = 0; i < ROUTES; i++)
        if (matches(i, u)) {
            if (!strcmp(routes[i].method, wanted)) {
                take(rq, i, u);
                return 0;
            }
            add_method(allow, routes[i].method);
        }
    return not_found(method, rq, allow, e);
}

static int options(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    (void)rq, (void)e;
    rp->status = 204;
    return 0;
}

/* "-": it takes no key. */
static void print_scopes(FILE *f, unsigned scopes)
{
    const char *comma = "";
    for (int i = 0; i < NB_SCOPE_COUNT && !(scopes & NB_NOBODY); i++)
        if (scopes & 1u << i) {
            fprintf(f, "%s%s", comma, nb_scope_names[i]);
            comma = ",";
        }
    fprintf(f, "%s\n", scopes & NB_NOBODY ? "-" : "");
}

void nb_router_print(FILE *f)
{
    for (int i = 0; i < ROUTES; i++) {
        fprintf(f, "%-7s %-35s %-20s ", routes[i].method, routes[i].path, routes[i].operation);
        print_scopes(f, routes[i].scopes);
    }
}
