/* problem.c - the reply of an error. */
#include "http/problem.h"
#include "http/options.h"
#include "http/reply.h"
#include <string.h>

void nb_make_utf8(char *s)
{
    json_t *j = json_string(s);
    json_decref(j);
    for (; !j && *s; s++)
        if ((unsigned char)*s >= 0x80)
            *s = '?';
}

static void put_place(struct nb_writer *w, const struct nb_error *e)
{
    if (e->line) {
        nb_w_whole_at(w, "line", e->line);
        nb_w_whole_at(w, "column", e->column);
    } else if (e->code == NB_E_bad_parameter && *e->pointer) {
        nb_w_string_at(w, "parameter", e->pointer + 1); /* one step: the name in the query */
    } else if (*e->pointer) {
        nb_w_string_at(w, "pointer", e->pointer);
    }
}

static void put_limit(struct nb_writer *w, const char *option)
{
    const struct nb_option *row = option ? nb_option_find(option) : NULL;
    if (!row || row->kind != NB_OPTION_NUMBER)
        return;
    nb_w_whole_at(w, "limit", *(int64_t *)row->place);
    nb_w_string_at(w, "option", option);
}

static void put_members(struct nb_writer *w, const struct nb_error *e, const char *request_id)
{
    char type[80];
    snprintf(type, sizeof type, "/v1/errors/%s", nb_code_name(e->code));
    nb_w_open(w, '{');
    nb_w_string_at(w, "type", type);
    nb_w_string_at(w, "title", nb_code_title(e->code));
    nb_w_whole_at(w, "status", nb_code_status(e->code));
    nb_w_string_at(w, "code", nb_code_name(e->code));
    nb_w_string_at(w, "detail", e->detail);
    put_place(w, e);
    put_limit(w, e->option);
    nb_w_string_at(w, "request_id", request_id);
    nb_w_close(w, '}');
}

void nb_problem(const struct nb_error *e, const char *request_id, struct nb_arena *a, struct nb_reply *rp)
{
    static const char bare[] = "{\"type\":\"/v1/errors/out_of_memory\",\"title\":\"Out of memory\",\"status\":503,"
                               "\"code\":\"out_of_memory\",\"detail\":\"out of memory\"}\n";
    struct nb_error sent = *e, failed = {0};
    struct nb_writer w = nb_writer(a, &failed);
    nb_make_utf8(sent.detail);
    nb_make_utf8(sent.pointer);
    put_members(&w, &sent, request_id);
    *rp = (struct nb_reply){.status = nb_code_status(e->code), .allow = rp->allow, .authenticate = rp->authenticate};
    if (nb_reply_written(rp, &w)) {
        rp->status = 503;
        nb_reply_text(rp, NB_PROBLEM, bare, sizeof bare - 1);
    }
    rp->type = NB_PROBLEM;
    rp->retry = rp->status == 503 || rp->status == 429;
}
